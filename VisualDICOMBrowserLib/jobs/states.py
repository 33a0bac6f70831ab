"""The states of a job and the one table of moves between them.

Pure; any thread. Who moves a job is the queue, what is stored is the journal's business.
"""

from __future__ import annotations

from enum import Enum

from VisualDICOMBrowserLib.errors import BugError

__all__ = ["TRANSITIONS", "JobState", "moved"]


class JobState(str, Enum):
    """Where a job stands; the last four are ends, which only a new try by hand undoes."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    WAITING = "waiting"
    DONE = "done"
    PARTLY = "partly"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        """True where nothing more happens by itself."""
        return self in _FINISHED


_FINISHED = frozenset({JobState.DONE, JobState.PARTLY, JobState.FAILED, JobState.CANCELLED})

TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    # Queued to waiting, partly or failed: its start could not be journalled, or it cannot go on after a restart.
    JobState.QUEUED: frozenset(
        {
            JobState.RUNNING,
            JobState.PAUSED,
            JobState.WAITING,
            JobState.PARTLY,
            JobState.FAILED,
            JobState.CANCELLED,
        }
    ),
    # Running to queued: the engine ended under it, or it was resumed before its pause had come.
    JobState.RUNNING: frozenset(
        {
            JobState.DONE,
            JobState.PARTLY,
            JobState.FAILED,
            JobState.CANCELLED,
            JobState.WAITING,
            JobState.PAUSED,
            JobState.QUEUED,
        }
    ),
    JobState.PAUSED: frozenset({JobState.QUEUED, JobState.FAILED, JobState.CANCELLED}),
    # Waiting: until the time of the next try.
    JobState.WAITING: frozenset({JobState.QUEUED, JobState.PAUSED, JobState.FAILED, JobState.CANCELLED}),
    JobState.DONE: frozenset(),
    # From an end to queued: the user tries it again.
    JobState.PARTLY: frozenset({JobState.QUEUED}),
    JobState.FAILED: frozenset({JobState.QUEUED}),
    JobState.CANCELLED: frozenset({JobState.QUEUED}),
}


def moved(before: JobState, after: JobState, job_id: str) -> JobState:
    """`after`, if the table allows it.

    Raises
    ------
    BugError
        There is no such move.
    """
    if after not in TRANSITIONS[before]:
        message = f"Job {job_id} cannot go from {before.value} to {after.value}."
        raise BugError(message, subject=job_id)
    return after
