"""Threads that make pictures on the spot, the newest wish first.

A wish bears a key: a newer one with the same key takes the place of one that waits, and what an older one still
brings is not told any more. More than `MOST_WAITING` wishes are not kept; the oldest go, as nobody looks at what
they were for. The threads ``view-pictures-<n>`` begin with the first wish and end on `close`. Any thread.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

__all__ = ["MOST_WAITING", "PicturePool"]

logger = logging.getLogger(__name__)

MOST_WAITING = 100
_KEPT_KEYS = 1000

Work = Callable[[], dict[str, Any] | None]
Tell = Callable[[dict[str, Any]], None]


class PicturePool:
    """Carries out wishes for pictures.

    Parameters
    ----------
    workers : int
        Most threads.
    """

    def __init__(self, workers: int = 2) -> None:
        self._workers = workers
        self._condition = threading.Condition()
        self._numbers = itertools.count(1)
        self._waiting: OrderedDict[str, tuple[int, Work, Tell]] = OrderedDict()
        self._told: OrderedDict[str, int] = OrderedDict()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether work should stop."""
        return self._closed

    def wish(self, key: str, work: Work, tell: Tell) -> None:
        """Do `work` in a thread and give `tell` what it returned, unless that is None or out of date."""
        with self._condition:
            if self._closed:
                return
            self._waiting.pop(key, None)
            self._waiting[key] = (next(self._numbers), work, tell)
            while len(self._waiting) > MOST_WAITING:
                self._waiting.popitem(last=False)
            if not self._idle and len(self._threads) < self._workers:
                name = f"view-pictures-{len(self._threads)}"
                thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._threads.append(thread)
                thread.start()
            self._condition.notify()

    def close(self) -> None:
        """Drop what waits and end the threads."""
        with self._condition:
            self._closed = True
            self._waiting.clear()
            self._condition.notify_all()
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._condition:
                self._idle += 1
                self._condition.wait_for(lambda: self._closed or self._waiting)
                self._idle -= 1
                if self._closed:
                    return
                key, (number, work, tell) = self._waiting.popitem()
            try:
                made = work()
            except Exception:
                logger.exception("A picture for a view met a fault of this program")
                continue
            if made is not None and self._is_newest(key, number):
                tell(made)

    def _is_newest(self, key: str, number: int) -> bool:
        """Whether nothing newer was told for that key; notes that this is told."""
        with self._condition:
            if self._closed or self._told.get(key, 0) > number:
                return False
            self._told[key] = number
            self._told.move_to_end(key)
            while len(self._told) > _KEPT_KEYS:
                self._told.popitem(last=False)
            return True
