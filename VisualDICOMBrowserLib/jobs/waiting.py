"""Waiting jobs, ordered by when they are tried again.

Counts by a steady clock, so that a wall clock set back or forward neither holds a job for hours nor starts all at
once. Bookkeeping without threads or files; the queue's lock guards it.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from VisualDICOMBrowserLib.jobs.job import JobRecord

__all__ = ["WaitingJobs"]

# Cap for a wait whose planned length is not known: records of an earlier release.
_LONGEST_WAIT_S = 300.0
# Clocks that drift apart by less are being corrected by the system's time service.
_DRIFT_S = 5.0


class WaitingJobs:
    """Which waiting jobs are due.

    Parameters
    ----------
    clock : Callable[[], float]
        Unix time in seconds; may jump.
    steady : Callable[[], float]
        Seconds that only ever grow.
    """

    def __init__(self, clock: Callable[[], float], steady: Callable[[], float]) -> None:
        self._clock = clock
        self._steady = steady
        self._heap: list[tuple[float, str]] = []
        self._deadlines: dict[str, float] = {}
        self._offset: float | None = None

    def add(self, job: JobRecord) -> None:
        """Hold a job until its next try, never longer than its wait was planned to be."""
        planned_s = job.failing.wait_s if job.failing is not None else _LONGEST_WAIT_S
        remaining_s = min(max(0.0, (job.next_try or 0.0) - self._clock()), planned_s)
        deadline = self._steady() + remaining_s
        if self._offset is None:
            self._offset = self._clock() - self._steady()
        self._deadlines[job.job_id] = deadline
        heapq.heappush(self._heap, (deadline, job.job_id))

    def discard(self, job_id: str) -> None:
        """Let go of a job, if it is held."""
        self._deadlines.pop(job_id, None)

    def take_due(self) -> list[str]:
        """Take out the jobs whose next try has come, the longest due first."""
        due = []
        while (head := self._head()) is not None and head[0] <= self._steady():
            heapq.heappop(self._heap)
            del self._deadlines[head[1]]
            due.append(head[1])
        return due

    def remaining_s(self) -> float | None:
        """Seconds until the first one is due, None if none waits."""
        head = self._head()
        return None if head is None else max(0.0, head[0] - self._steady())

    def moved(self) -> dict[str, float]:
        """Jobs whose next try has another Unix time since the wall clock jumped, with that time."""
        if not self._deadlines:
            self._offset = None
            return {}
        offset = self._clock() - self._steady()
        if self._offset is not None and abs(offset - self._offset) <= _DRIFT_S:
            return {}
        self._offset = offset
        return {job_id: deadline + offset for job_id, deadline in self._deadlines.items()}

    def _head(self) -> tuple[float, str] | None:
        """First entry, after dropping those that were moved or taken out since."""
        while self._heap and self._deadlines.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0] if self._heap else None
