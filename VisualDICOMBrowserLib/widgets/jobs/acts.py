"""What can be done with jobs, by name: the words, the icon, the key, which jobs can follow, and the command.

No Qt; the engine is asked through the context. Main thread only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.jobs.state import FINISHED, Job, JobsState

__all__ = ["ACTS", "Act", "acts_of", "can", "carry_out", "row_acts"]


@dataclass(frozen=True, slots=True)
class Act:
    """An action: its name here, its words (to be translated), its icon and its key in the list."""

    name: str
    words: str
    icon: str
    key: str = ""


ACTS = {
    act.name: act
    for act in (
        Act("pause", "Pause", "pause", "P"),
        Act("resume", "Resume", "play", "P"),
        Act("now", "Try now", "play", "T"),
        Act("retry", "Try again", "retry", "T"),
        Act("top", "Move to top", "to-top", "Ctrl+Up"),
        Act("cancel", "Cancel", "close", "Del"),
        Act("clear", "Clear from the list", "close", "Del"),
    )
}


def can(name: str, job: Mapping[str, Any]) -> bool:
    """Whether a job can follow an action."""
    state = str(job["state"])
    ending = bool(job.get("cancel_requested")) and state not in FINISHED
    if name == "pause":
        return state in ("running", "queued", "waiting") and not ending and not job.get("pause_requested")
    if name == "resume":
        return state == "paused" or (state == "running" and bool(job.get("pause_requested")) and not ending)
    if name == "now":
        return state == "waiting"
    if name == "retry":
        return state in ("failed", "partly", "cancelled")
    if name == "top":
        return state == "queued"
    if name == "cancel":
        return state not in FINISHED and not ending
    return name == "clear" and state in FINISHED


def row_acts(jobs: Sequence[Job]) -> tuple[str, ...]:
    """The two or fewer actions whose icons stand in a row: what helps most, and the way out."""
    for pair in (("retry", "clear"), ("now", "cancel"), ("resume", "cancel"), ("top", "cancel"), ("pause", "cancel")):
        if any(can(pair[0], job) for job in jobs):
            return tuple(name for name in pair if any(can(name, job) for job in jobs))
    return tuple(name for name in ("cancel", "clear") if any(can(name, job) for job in jobs))


def acts_of(jobs: Iterable[Job]) -> list[str]:
    """All actions that at least one of the jobs can follow."""
    listed = list(jobs)
    return [name for name in ACTS if any(can(name, job) for job in listed)]


def carry_out(
    context: BrowserContext, state: JobsState, name: str, jobs: Iterable[Job], on_cleared: Callable[[], None]
) -> int:
    """Ask the engine for an action on those of the jobs that can follow it; returns how many these are."""
    able = [job for job in jobs if can(name, job)]
    ids = [str(job["job_id"]) for job in able]
    if not ids:
        return 0
    if name == "top":
        # Within a priority the older goes first; one above all that wait is the top. The last of several goes first,
        # so that they keep their order.
        top = state.highest_priority()
        for step, job_id in enumerate(reversed(ids), start=1):
            context.ask("set_job_priority", job_id=job_id, priority=top + step)
    elif name == "clear":
        context.ask("clear_jobs", lambda _count: on_cleared(), job_ids=ids)
    else:
        commands = {"pause": "pause_jobs", "resume": "resume_jobs", "cancel": "cancel_jobs"}
        context.ask(commands.get(name, "retry_jobs"), job_ids=ids)
    return len(ids)
