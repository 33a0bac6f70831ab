"""The states of a job and the one table of moves between them.

Pure; any thread. Who moves a job is the queue, what is stored is the journal's business.
"""

from __future__ import annotations

from enum import Enum

from VisualDICOMBrowserLib.errors import BugError

__all__ = ["TRANSITIONS", "JobState", "moved"]


class JobState(str, Enum):
    """Where a job stands; the last four are final."""

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
        """True where no further move exists."""
        return not TRANSITIONS[self]


TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    # Queued to failed: the claim could not be journalled, or the job cannot go on after a restart.
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.PAUSED, JobState.FAILED, JobState.CANCELLED}),
    # Running to queued: the engine ended under it; it goes on with the next engine.
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
    JobState.PARTLY: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
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
