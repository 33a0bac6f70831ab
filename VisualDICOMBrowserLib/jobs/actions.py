"""What a person asks of jobs: pause, resume, try again, cancel. Each makes of a record the changed one.

Pure functions without threads or files. Which jobs are meant and what they depend on is found by ``selection``,
the change is made by ``ledger``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from VisualDICOMBrowserLib.jobs.job import JobRecord
from VisualDICOMBrowserLib.jobs.states import JobState, moved

__all__ = ["Action", "Change", "cancelled", "paused", "resumed", "tried_again"]


@dataclass(frozen=True, slots=True)
class Change:
    """A changed record, a sentence for its log, and the outcome of the start that ends by this, if one does."""

    record: JobRecord
    message: str = ""
    outcome: str = ""


Action = Callable[[JobRecord, bool, float], Change | None]
"""Takes a record, whether its work runs here, and the Unix time; None where there is nothing to do."""


def paused(record: JobRecord, running: bool, now: float) -> Change | None:
    """A job that does not run is paused at once; a running one is marked, and is paused when its work gives up."""
    if record.state is JobState.PAUSED or record.state.finished or record.cancel_requested:
        return None
    if running:
        return None if record.pause_requested else Change(replace(record, pause_requested=True), "Asked to pause.")
    return _moved(record, JobState.PAUSED, "Paused.", next_try=None)


def resumed(record: JobRecord, running: bool, now: float) -> Change | None:
    """A paused job is queued; one that has not come to its pause yet is not to pause any more."""
    asked = record.pause_requested and not record.cancel_requested
    if running:
        return Change(replace(record, pause_requested=False), "Resumed.") if asked else None
    if record.state is not JobState.PAUSED and not asked:
        return None
    return _moved(record, JobState.QUEUED, "Resumed.", error=None, failing=None)


def tried_again(record: JobRecord, running: bool, now: float) -> Change | None:
    """A waiting job is queued at once; one that failed, is partly done or was cancelled is queued as if new."""
    message = "Tried again by hand."
    if record.state is JobState.WAITING:
        return _moved(record, JobState.QUEUED, message, next_try=None, error=None, failing=None)
    if record.state not in (JobState.FAILED, JobState.PARTLY, JobState.CANCELLED):
        return None
    return _moved(
        record,
        JobState.QUEUED,
        message,
        cancel_requested=False,
        error=None,
        failing=None,
        finished=None,
        result=None,
    )


def cancelled(record: JobRecord, running: bool, now: float) -> Change | None:
    """A job that does not run has ended with this; a running one is marked, and ends when its work gives up."""
    if record.state.finished:
        return None
    if running:
        return Change(replace(record, cancel_requested=True))
    return _moved(record, JobState.CANCELLED, "", cancel_requested=True, next_try=None, error=None, finished=now)


def _moved(record: JobRecord, state: JobState, message: str, **changes: Any) -> Change:
    # Running without work here: an earlier engine left it so.
    outcome = "" if record.state is not JobState.RUNNING else "cancelled" if state.finished else "interrupted"
    changes["pause_requested"] = False
    changed = replace(record, state=moved(record.state, state, record.job_id), **changes)
    return Change(changed, message, outcome)
