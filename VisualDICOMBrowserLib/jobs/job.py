"""The records of the job queue and the protocols by which work and retry rules come in.

Records are frozen; the queue replaces them. Standard library only, any thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from enum import IntEnum
from typing import Any, Protocol

from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.jobs.concerns import concerns_of
from VisualDICOMBrowserLib.jobs.states import JobState
from VisualDICOMBrowserLib.model import JobControl

__all__ = [
    "LOG_FIRST",
    "LOG_LAST",
    "LOG_LIMIT",
    "FailureRun",
    "JobAttempt",
    "JobEvent",
    "JobKind",
    "JobRecord",
    "NoRetry",
    "Priority",
    "RetryPolicy",
    "bounded_log",
    "log_line",
]

LOG_FIRST, LOG_LAST = 100, 100
"""Lines kept from the beginning and from the end of a job's log; those between tell least and are dropped."""

LOG_LIMIT = LOG_FIRST + LOG_LAST
"""Most lines of a job's log."""


class Priority(IntEnum):
    """Which of two queued jobs starts first; inside one priority the older does."""

    LOW = 0
    """What nobody looks at yet: prefetch, thumbnails after an import."""
    NORMAL = 10
    """What is visible or was asked for along with others."""
    HIGH = 20
    """What the user selected or waits for."""
    HIGHEST = 30
    """What the user is looking at right now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRun:
    """Failures of a job between which it made no progress.

    ``since`` is the Unix time of the first of ``count``; ``lasted_s`` counts the seconds since then in which an
    engine was at work. ``reached`` tells how far the job was at the last one (a greater number is further), and
    ``wait_s`` how long it then waits for its next try.
    """

    count: int = 1
    since: float = 0.0
    lasted_s: float = 0.0
    reached: int = 0
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """One job as it stands.

    Times are Unix seconds; ``next_try`` is set in the state waiting. ``merged`` counts identical requests
    that this job answers besides the first. ``result`` is what the kind returned, or what was done when it failed;
    ``error`` the fields of `VisualDICOMError.as_dict` of what made it fail, wait or pause; ``attempts`` counts
    starts, those ended by a restart included. ``cancel_requested`` and ``pause_requested`` mark a running job that
    was told to end.
    """

    job_id: str
    kind: str
    server: str = ""
    label: str = ""
    priority: int = Priority.NORMAL
    state: JobState = JobState.QUEUED
    parameters: dict[str, Any] = field(default_factory=dict)
    progress_done: int = 0
    progress_total: int | None = None
    received_bytes: int = 0
    attempts: int = 0
    merged: int = 0
    created: float = 0.0
    started: float | None = None
    finished: float | None = None
    next_try: float | None = None
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    failing: FailureRun | None = None
    cancel_requested: bool = False
    pause_requested: bool = False
    log: tuple[str, ...] = ()

    def as_dict(self, *, brief: bool = False) -> dict[str, Any]:
        """Fields as plain values, for the wire and for ``--json``.

        `brief` leaves out parameters, log, and the result of a job that goes on. Events are to be brief: an import
        of many files has a long list of them among its parameters, a retrieve that waits one of what is missing.
        In both forms ``concerns`` names the study and the series it is about (`concerns_of`).
        """
        left_out = ("parameters", "log") if brief else ()
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in left_out}
        if brief and not self.state.finished:
            values["result"] = None
        failing = None if self.failing is None else asdict(self.failing)
        return {
            **values,
            "priority": int(self.priority),
            "state": self.state.value,
            "failing": failing,
            "concerns": concerns_of(self.parameters),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAttempt:
    """One start of a job.

    ``outcome`` is a final state, ``waiting``, ``paused``, ``interrupted``, or empty while it runs.
    """

    job_id: str
    number: int
    started: float
    finished: float | None = None
    outcome: str = ""
    error: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class JobEvent:
    """News of one job: ``job_changed`` or ``job_finished``, the last one unless the job is tried again by hand."""

    name: str
    job: JobRecord


class JobKind(Protocol):
    """One sort of work.

    A kind that cannot go on after a restart also says ``resumable = False``; one whose user waits and hears of a
    failure at once says ``retries = False``, and its jobs never wait for another try.
    """

    @property
    def name(self) -> str:
        """How jobs name their kind; stable, because it is in the journal."""
        ...

    @property
    def limit(self) -> int | Callable[[], int]:
        """How many jobs of this kind may run at once, 0 for any number; a callable is asked anew each time."""
        ...

    def run(self, job: JobRecord, control: JobControl) -> dict[str, Any]:
        """Do the work and return a JSON object; ``failed_count`` above 0 in it makes the job partly done.

        Called on a worker thread. May be called again for the same job after a restart, and must then
        go on from what is there.

        Raises
        ------
        JobCancelled
            `control` said so.
        UnfinishedWork
            The work failed after a part of it was done.
        VisualDICOMError
            The work failed.
        """
        ...

    def identity(self, parameters: dict[str, Any]) -> str:
        """Text that is equal for jobs (of one kind and server) of which one answers for both."""
        ...


class RetryPolicy(Protocol):
    """Whether and when a failed job is tried again."""

    def next_try(self, job: JobRecord, error: VisualDICOMError, now: float) -> float | None:
        """Unix time of the next try, None to let the job fail; ``job.failing`` counts this failure already.

        Called with the queue's lock held: must not block and must not call the queue.
        """
        ...


class NoRetry:
    """Every failure is final."""

    def next_try(self, job: JobRecord, error: VisualDICOMError, now: float) -> float | None:
        """None."""
        return None


def log_line(at: float, message: str) -> str:
    """A sentence of the log with its local time of day."""
    return f"{time.strftime('%H:%M:%S', time.localtime(at))} {message}"


def bounded_log(log: tuple[str, ...], line: str) -> tuple[str, ...]:
    """`log` with one more line, without the oldest of its end if it would be too long."""
    if len(log) >= LOG_LIMIT:
        log = log[:LOG_FIRST] + log[LOG_FIRST + 1 :]
    return (*log, line)
