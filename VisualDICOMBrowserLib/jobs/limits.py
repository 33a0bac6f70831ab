"""Who may start next: queued jobs by class (kind and server), and how many of each class run.

Bookkeeping without threads; the queue calls it under its lock. A class without room is passed over, so it
never holds up the others, as happens in CTK's scheduler.
"""

from __future__ import annotations

import heapq
import logging
from collections import Counter
from collections.abc import Callable, Mapping

__all__ = ["Limits", "ReadyJobs"]

_logger = logging.getLogger(__name__)

JobClass = tuple[str, str]
"""Kind and server."""


class Limits:
    """Counts of running jobs against the most allowed per kind and per server; 0 is no limit.

    Parameters
    ----------
    kinds : Mapping[str, int]
        Most concurrent jobs by kind.
    server_limit : Callable[[str], int]
        Most concurrent jobs of a server, asked anew each time so that a changed setting holds at once.
    """

    def __init__(self, kinds: Mapping[str, int], server_limit: Callable[[str], int]) -> None:
        self._kinds = kinds
        self._server_limit = server_limit
        self._running_kinds: Counter[str] = Counter()
        self._running_servers: Counter[str] = Counter()

    def has_room(self, job_class: JobClass) -> bool:
        """Whether one more job of this class may run."""
        kind, server = job_class
        most = self._kinds.get(kind, 0)
        if most and self._running_kinds[kind] >= most:
            return False
        most = self._limit_of(server) if server else 0
        return not most or self._running_servers[server] < most

    def _limit_of(self, server: str) -> int:
        try:
            return self._server_limit(server)
        except Exception:
            # The job then starts and tells itself what is wrong with its server.
            _logger.exception("The limit of server %s is not known", server)
            return 0

    def start(self, job_class: JobClass) -> None:
        """Count one more running job."""
        self._running_kinds[job_class[0]] += 1
        self._running_servers[job_class[1]] += 1

    def end(self, job_class: JobClass) -> None:
        """Count one running job less."""
        self._running_kinds[job_class[0]] -= 1
        self._running_servers[job_class[1]] -= 1


class ReadyJobs:
    """Queued jobs, best first in each class: higher priority, then lower number."""

    def __init__(self) -> None:
        self._heaps: dict[JobClass, list[tuple[int, int, str]]] = {}
        self._current: dict[str, tuple[int, int, str]] = {}

    def add(self, job_id: str, job_class: JobClass, priority: int, number: int) -> None:
        """Queue a job, or move it if its priority changed."""
        entry = (-priority, number, job_id)
        self._current[job_id] = entry
        heapq.heappush(self._heaps.setdefault(job_class, []), entry)

    def discard(self, job_id: str) -> None:
        """Take a job out, if it is in."""
        self._current.pop(job_id, None)

    def pop(self, has_room: Callable[[JobClass], bool]) -> str | None:
        """Take out the best job of all classes with room; None if there is none."""
        best: tuple[int, int, str] | None = None
        best_class: JobClass | None = None
        for job_class in list(self._heaps):
            head = self._head(job_class)
            if head is not None and (best is None or head < best) and has_room(job_class):
                best, best_class = head, job_class
        if best is None or best_class is None:
            return None
        heapq.heappop(self._heaps[best_class])
        del self._current[best[2]]
        return best[2]

    def _head(self, job_class: JobClass) -> tuple[int, int, str] | None:
        """Best job of a class, after dropping entries that were moved or taken out since."""
        heap = self._heaps[job_class]
        while heap and self._current.get(heap[0][2]) != heap[0]:
            heapq.heappop(heap)
        if not heap:
            del self._heaps[job_class]
            return None
        return heap[0]
