"""The rows of the job list: groups, what filter and search leave of them, and bundles by study where jobs are many.

Pure functions, no Qt.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from VisualDICOMBrowserLib.widgets.jobs.state import Job, JobsState, needs_attention
from VisualDICOMBrowserLib.widgets.jobs.words import short_reason, task_of, what_of
from VisualDICOMBrowserLib.widgets.language import _

__all__ = ["BUNDLE_FROM", "FILTERS", "JobRow", "RowChoice", "filter_counts", "group_title", "rows_of"]

BUNDLE_FROM = 200
"""Above so many jobs, those of one study become one row."""

_GROUPS = ("attention", "running", "waiting", "queued", "today", "earlier")
FILTERS: dict[str, frozenset[str]] = {
    "all": frozenset(_GROUPS),
    "running": frozenset({"running"}),
    "waiting": frozenset({"waiting"}),
    "queued": frozenset({"queued"}),
    "failed": frozenset({"attention"}),
    "done": frozenset({"today", "earlier"}),
}
_GROUP_OF_STATE = {"running": "running", "waiting": "waiting", "queued": "queued", "paused": "queued"}
# Work nobody asked for by name; once it is done it only fills the list.
_QUIET = frozenset({"thumbnail", "prefetch"})


@dataclass(frozen=True, slots=True)
class JobRow:
    """One row: a ``group``, a ``bundle`` of jobs about one study, or a ``job``.

    ``key`` tells rows apart over updates; ``jobs`` are the jobs it stands for, ``depth`` how far it is indented.
    """

    kind: str
    key: tuple[str, ...]
    jobs: tuple[Job, ...]
    title: str = ""
    open: bool = True
    depth: int = 0


@dataclass(slots=True)
class RowChoice:
    """What the user chose to see: a filter, words to search for, what is folded and unfolded, finished small work.

    ``describe`` may add words to search in, such as the name of a patient.
    """

    show: str = "all"
    search: str = ""
    folded: set[str] = field(default_factory=lambda: {"earlier"})
    unfolded: set[tuple[str, ...]] = field(default_factory=set)
    background: bool = False
    describe: Callable[[Job], str] = what_of


def group_title(group: str, count: int) -> str:
    """The title of a group with the number of its jobs."""
    words = {
        "attention": _("Needs attention ({count})"),
        "running": _("Running ({count})"),
        "waiting": _("Waiting to try again ({count})"),
        "queued": _("Queued ({count})"),
        "today": _("Done today ({count})"),
        "earlier": _("Done earlier ({count})"),
    }
    return words[group].format(count=f"{count:,}")


def rows_of(state: JobsState, choice: RowChoice) -> list[JobRow]:
    """The rows to show, from the top."""
    shown = FILTERS[choice.show]
    by_group = {group: jobs for group, jobs in _grouped(state, choice).items() if group in shown}
    bundling = sum(map(len, by_group.values())) > BUNDLE_FROM
    rows: list[JobRow] = []
    for group in _GROUPS:
        jobs = by_group.get(group)
        if not jobs:
            continue
        jobs.sort(key=_order(group, state))
        is_open = group not in choice.folded
        rows.append(JobRow("group", ("group", group), tuple(jobs), group_title(group, len(jobs)), is_open))
        if is_open:
            rows += _bundled(group, jobs, choice) if bundling else [_job_row(group, job) for job in jobs]
    return rows


def filter_counts(state: JobsState, choice: RowChoice) -> dict[str, int]:
    """How many jobs each filter shows."""
    by_group = _grouped(state, choice)
    return {name: sum(len(by_group.get(group, ())) for group in groups) for name, groups in FILTERS.items()}


def _grouped(state: JobsState, choice: RowChoice) -> dict[str, list[Job]]:
    words = _folded(choice.search).split()
    midnight = _midnight(state.clock())
    found: dict[str, list[Job]] = {}
    for job in state.jobs():
        if job["state"] == "done" and job["kind"] in _QUIET and not choice.background:
            continue
        if words and not _matches(job, words, choice):
            continue
        found.setdefault(_group_of(job, midnight), []).append(job)
    return found


def _group_of(job: Job, midnight: float) -> str:
    if needs_attention(job):
        return "attention"
    return _GROUP_OF_STATE.get(job["state"]) or ("today" if float(job.get("finished") or 0) >= midnight else "earlier")


def _matches(job: Job, words: Sequence[str], choice: RowChoice) -> bool:
    said = [task_of(job), choice.describe(job), str(job.get("server") or ""), short_reason(job), str(job["job_id"])]
    text = _folded(" ".join(said))
    return all(word in text for word in words)


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text)
    return "".join(each for each in plain if not unicodedata.combining(each)).casefold()


def _midnight(now: float) -> float:
    day = time.localtime(now)
    return time.mktime((day.tm_year, day.tm_mon, day.tm_mday, 0, 0, 0, 0, 0, -1))


def _order(group: str, state: JobsState) -> Callable[[Mapping[str, object]], tuple[float, ...]]:
    def number(job: Mapping[str, object], key: str) -> float:
        value = job.get(key)
        return float(value) if isinstance(value, (int, float)) else 0.0

    if group == "queued":
        # Paused jobs have no place in the queue and stand below it.
        return lambda job: (state.place(str(job["job_id"])) or float("inf"), number(job, "created"))
    key, sign = {"running": ("started", 1), "waiting": ("next_try", 1)}.get(group, ("finished", -1))
    return lambda job: (sign * number(job, key), sign * number(job, "created"))


def _job_row(group: str, job: Job, depth: int = 0) -> JobRow:
    return JobRow("job", ("job", group, str(job["job_id"])), (job,), depth=depth)


def _bundled(group: str, jobs: Sequence[Job], choice: RowChoice) -> list[JobRow]:
    """Rows of a group in which all jobs of one kind, study and server are one row that unfolds."""
    bundles: dict[tuple[str, ...], list[Job]] = {}
    for job in jobs:
        study = str(job["concerns"].get("study") or job["job_id"])
        bundles.setdefault(("bundle", group, str(job["kind"]), study, str(job.get("server") or "")), []).append(job)
    rows: list[JobRow] = []
    for key, members in bundles.items():
        if len(members) == 1:
            rows.append(_job_row(group, members[0]))
            continue
        is_open = key in choice.unfolded
        rows.append(JobRow("bundle", key, tuple(members), _common_start(members, choice), is_open))
        if is_open:
            rows += [_job_row(group, job, 1) for job in members]
    return rows


def _common_start(jobs: Collection[Job], choice: RowChoice) -> str:
    """What the descriptions of all jobs begin with, such as the patient's name."""
    texts = [choice.describe(job) for job in jobs]
    low, high = min(texts), max(texts)
    length = next((at for at, pair in enumerate(zip(low, high, strict=False)) if pair[0] != pair[1]), len(low))
    whole = length == len(low) == len(high)
    start = low[:length] if whole else low[:length].rpartition(" ")[0]
    return start.rstrip(" \u00b7,:-") or texts[0]
