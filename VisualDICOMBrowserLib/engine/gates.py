"""How many operations may go on at one server at the same time, over all jobs.

The queue limits jobs by the server they name; a retrieve from several servers names none, and asks each of them for
its turn here. Whoever waits is let in by the priority of the job, then in order. Any thread.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from VisualDICOMBrowserLib.model import JobControl

__all__ = ["ServerGates"]

_PRIORITY = 10


class ServerGates:
    """One gate per server.

    Parameters
    ----------
    limit : callable
        Most operations at once of the server of that name, 0 for any number; asked anew each time, so that a
        changed setting holds at once. Must be quick.
    """

    def __init__(self, limit: Callable[[str], int]) -> None:
        self._limit = limit
        self._changed = threading.Condition()
        self._inside: Counter[str] = Counter()
        self._waiting: dict[str, list[tuple[int, int]]] = {}
        self._numbers = itertools.count()

    @contextmanager
    def hold(self, server: str, control: JobControl) -> Iterator[None]:
        """Wait for a turn at `server`, and keep it while the block runs.

        Never wait for another gate inside: two jobs that hold one each would wait for ever.

        Raises
        ------
        JobCancelled
            The job was asked to end while it waited.
        """
        self._enter(server, control)
        try:
            yield
        finally:
            with self._changed:
                self._inside[server] -= 1
                self._changed.notify_all()

    def _enter(self, server: str, control: JobControl) -> None:
        place = (-int(getattr(control, "priority", _PRIORITY)), next(self._numbers))
        with self._changed:
            waiting = self._waiting.setdefault(server, [])
            heapq.heappush(waiting, place)
            if not self._is_next(server, place):
                control.on_cancel(self._wake)
            try:
                self._changed.wait_for(lambda: control.cancel_requested or self._is_next(server, place))
                control.raise_if_cancelled()
                self._inside[server] += 1
            finally:
                waiting.remove(place)
                heapq.heapify(waiting)
                self._changed.notify_all()

    def _is_next(self, server: str, place: tuple[int, int]) -> bool:
        most = self._limit(server)
        free = not most or self._inside[server] < most
        return free and self._waiting[server][0] == place

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
