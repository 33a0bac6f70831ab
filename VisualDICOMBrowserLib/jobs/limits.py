"""Who may start next: queued jobs by class (kind and server), and how many of each class run.

Bookkeeping without threads; the queue calls it under its lock. A class without room is passed over, so it
never holds up the others, as happens in CTK's scheduler. Jobs of low priority leave one thread, and one place at each
server, to what somebody waits for, because work that runs is not put off for what comes later.
"""

from __future__ import annotations

import heapq
import logging
from collections import Counter
from collections.abc import Callable, Mapping

from VisualDICOMBrowserLib.jobs.job import Priority

__all__ = ["Limits", "ReadyJobs", "work_of"]

_logger = logging.getLogger(__name__)

JobClass = tuple[str, str]
"""Kind and server."""

_WORK = {"find": "query", "echo": "query", "worklist": "query", "retrieve": "fetch", "send": "send"}


def work_of(kind: str) -> str:
    """What jobs of a kind do at a server: ``query``, ``fetch``, ``send``, or empty for something else."""
    return _WORK.get(kind, "")


class Limits:
    """Counts of running jobs against the most allowed per kind and per server; 0 is no limit.

    Parameters
    ----------
    kinds : Mapping[str, int | Callable[[], int]]
        Most concurrent jobs by kind; a callable is asked anew each time so that a changed setting holds at once.
    server_limit : Callable[[str], int]
        Most concurrent jobs of a server, asked anew each time.
    workers : int
        Threads that run jobs, 0 for any number.
    work_limit : Callable[[str, str], int]
        Most concurrent jobs that do such work (`work_of`) at a server, asked anew each time with work and server.
    held : Callable[[str, str], bool]
        Whether no job of that kind for that server may start at the moment, whatever room there is.
    """

    def __init__(
        self,
        kinds: Mapping[str, int | Callable[[], int]],
        server_limit: Callable[[str], int],
        workers: int = 0,
        work_limit: Callable[[str, str], int] = lambda work, server: 0,
        held: Callable[[str, str], bool] = lambda kind, server: False,
    ) -> None:
        self._held = held
        self._kinds = kinds
        self._server_limit = server_limit
        self._work_limit = work_limit
        self._workers = workers
        self._running = 0
        self._running_kinds: Counter[str] = Counter()
        self._running_servers: Counter[str] = Counter()
        self._running_work: Counter[tuple[str, str]] = Counter()

    def has_room(self, job_class: JobClass, priority: int = Priority.NORMAL) -> bool:
        """Whether one more job of this class and priority may run."""
        kind, server = job_class
        if self._held(kind, server):
            return False
        left_free = 1 if priority <= Priority.LOW else 0
        if not _fits(self._running, self._workers, left_free):
            return False
        limit = self._kinds.get(kind, 0)
        most = limit if isinstance(limit, int) else _asked(limit, f"jobs of kind {kind}")
        if not _fits(self._running_kinds[kind], most):
            return False
        most = _asked(lambda: self._server_limit(server), f"server {server}") if server else 0
        return _fits(self._running_servers[server], most, left_free) and self._fits_work(work_of(kind), server)

    def start(self, job_class: JobClass) -> None:
        """Count one more running job."""
        self._running += 1
        self._running_kinds[job_class[0]] += 1
        self._running_servers[job_class[1]] += 1
        self._running_work[work_of(job_class[0]), job_class[1]] += 1

    def end(self, job_class: JobClass) -> None:
        """Count one running job less."""
        self._running -= 1
        self._running_kinds[job_class[0]] -= 1
        self._running_servers[job_class[1]] -= 1
        self._running_work[work_of(job_class[0]), job_class[1]] -= 1

    def _fits_work(self, work: str, server: str) -> bool:
        if not work or not server:
            return True
        most = _asked(lambda: self._work_limit(work, server), f"server {server}")
        return _fits(self._running_work[work, server], most)


def _fits(running: int, most: int, left_free: int = 0) -> bool:
    """Whether one more fits below `most`; the places left free never take the only one."""
    return not most or running < max(1, most - left_free)


def _asked(limit: Callable[[], int], of_what: str) -> int:
    try:
        return limit()
    except Exception:
        # The job then starts and tells itself what is wrong.
        _logger.exception("The limit of %s is not known", of_what)
        return 0


class ReadyJobs:
    """Queued jobs, best first in each class: higher priority, then lower number."""

    def __init__(self) -> None:
        self._heaps: dict[JobClass, list[tuple[int, int, str]]] = {}
        self._current: dict[str, tuple[tuple[int, int, str], JobClass]] = {}

    def add(self, job_id: str, job_class: JobClass, priority: int, number: int) -> None:
        """Queue a job, or move it if its priority or class changed."""
        entry = (-priority, number, job_id)
        self._current[job_id] = entry, job_class
        heapq.heappush(self._heaps.setdefault(job_class, []), entry)

    def discard(self, job_id: str) -> None:
        """Take a job out, if it is in."""
        self._current.pop(job_id, None)

    def pop(self, has_room: Callable[[JobClass, int], bool]) -> str | None:
        """Take out the best job of all classes with room for its priority; None if there is none."""
        best: tuple[int, int, str] | None = None
        best_class: JobClass | None = None
        for job_class in list(self._heaps):
            head = self._head(job_class)
            if head is not None and (best is None or head < best) and has_room(job_class, -head[0]):
                best, best_class = head, job_class
        if best is None or best_class is None:
            return None
        heapq.heappop(self._heaps[best_class])
        del self._current[best[2]]
        return best[2]

    def _head(self, job_class: JobClass) -> tuple[int, int, str] | None:
        """Best job of a class, after dropping entries that were moved or taken out since."""
        heap = self._heaps[job_class]
        while heap and self._current.get(heap[0][2]) != (heap[0], job_class):
            heapq.heappop(heap)
        if not heap:
            del self._heaps[job_class]
            return None
        return heap[0]
