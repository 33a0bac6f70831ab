"""Whether a failed job is tried again, and when: decided by its error, never by a count of tries.

Lives here: which errors pass by themselves, the exponential wait, and the account of failures in a row. Pure; the
queue calls it with its lock held. Does not live here: waiting itself (``waiting``) and moves of jobs (``ledger``).
"""

from __future__ import annotations

import random as random_module
from collections.abc import Callable
from dataclasses import replace

from VisualDICOMBrowserLib.errors import (
    AssociationError,
    DatabaseFault,
    EngineError,
    JournalError,
    NetworkError,
    PeerError,
    PeerTimeoutError,
    StorageFault,
    VisualDICOMError,
)
from VisualDICOMBrowserLib.jobs.job import FailureRun, JobRecord

__all__ = ["RetryByError", "counted_failure", "may_pass", "needs_space", "span_in_words"]

_ANY: frozenset[str] = frozenset()
# What passes by itself, by class and code. All else stays as it is until a person changes something.
_PASSING: tuple[tuple[type[VisualDICOMError], frozenset[str]], ...] = (
    (PeerTimeoutError, _ANY),
    (NetworkError, frozenset({"connection_lost", "unreachable", "released"})),
    (AssociationError, frozenset({"aborted", "busy", "local_limit"})),
    (PeerError, frozenset({"busy", "http_429", "http_500", "http_502", "http_503", "http_504"})),
    (EngineError, frozenset({"worker_died"})),
    (DatabaseFault, frozenset({"busy", "database_locked"})),
    (JournalError, _ANY),
)
_JITTER = 0.25
# A step from failure to failure counts at most its wait and this many seconds: a machine that sleeps is not failing.
_LONGEST_ATTEMPT_S = 600.0


def may_pass(error: VisualDICOMError) -> bool:
    """Whether the cause may go away by itself, so that another try makes sense."""
    return any(isinstance(error, kind) and (not codes or error.code in codes) for kind, codes in _PASSING)


def needs_space(error: VisualDICOMError) -> bool:
    """Whether the work can go on only after a person has made space on the disk."""
    return isinstance(error, StorageFault) and error.code == "disk_full"


def counted_failure(job: JobRecord, now: float, elapsed_s: float) -> FailureRun:
    """The run of failures of `job` with the one at Unix time `now`, `elapsed_s` after the one before.

    It begins anew if the job came further since: more done, or less left where the total is known.
    """
    total = job.progress_total
    reached = job.progress_done if total is None else job.progress_done - total
    run = job.failing
    if run is None or reached > run.reached:
        return FailureRun(since=now, reached=reached)
    step = min(max(0.0, elapsed_s), run.wait_s + _LONGEST_ATTEMPT_S)
    return replace(run, count=run.count + 1, lasted_s=run.lasted_s + step, wait_s=0.0)


class RetryByError:
    """Tries again what may pass by itself, ever more rarely, for as long as the job's server allows.

    The wait doubles with every failure in a row and varies by 25 % either way, so that jobs which failed together do
    not come back together. The last try is made when the longest waiting time ends. A peer that asks for more time
    (``retry_after``) gets it; one that asks for more than there is makes the job fail at once.

    Parameters
    ----------
    max_waiting : Callable[[JobRecord], float]
        Seconds from the first failure of a run to the last try, 0 for no further try.
    first_s, longest_s : float
        First and longest wait, in seconds.
    random : Callable[[], float]
        Number from 0 to 1.
    """

    def __init__(
        self,
        max_waiting: Callable[[JobRecord], float],
        *,
        first_s: float = 2.0,
        longest_s: float = 300.0,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        self._max_waiting = max_waiting
        self._first_s = first_s
        self._longest_s = longest_s
        self._random = random

    def next_try(self, job: JobRecord, error: VisualDICOMError, now: float) -> float | None:
        """Unix time of the next try, None if there is none."""
        if not may_pass(error):
            return None
        run = job.failing or FailureRun()
        left_s = self._max_waiting(job) - run.lasted_s
        asked_s = max(0.0, error.retry_after or 0.0)
        if left_s <= 0 or asked_s > left_s:
            return None
        part = self._random()
        # Asked waits vary upwards only: sooner than asked is never right.
        wait_s = max(self._wait_s(run.count, part), asked_s * (1 + _JITTER * part))
        return now + min(wait_s, left_s)

    def _wait_s(self, count: int, part: float) -> float:
        doubled = self._first_s * 2.0 ** min(count - 1, 40)
        middle = min(doubled, self._longest_s / (1 + _JITTER))
        return middle * (1 - _JITTER + 2 * _JITTER * part)


def span_in_words(seconds: float) -> str:
    """A span as a person reads it: ``0:38``, ``12:05``, ``1:00:00``."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
