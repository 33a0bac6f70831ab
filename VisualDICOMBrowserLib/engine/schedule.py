"""What the engine does again and again: one thread, ``engine-schedule``, that calls actions at their times.

Actions must be quick (they submit jobs); one that fails is logged and called again at its next time. Safe from
any thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from VisualDICOMBrowserLib.errors import VisualDICOMError

__all__ = ["Schedule"]

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Entry:
    interval: float
    action: Callable[[], None]
    due: float


class Schedule:
    """Calls each action every so many seconds until it is removed or the schedule closes.

    Parameters
    ----------
    clock : callable
        Seconds of a clock that is never set back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._entries: dict[str, _Entry] = {}
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="engine-schedule", daemon=True)
        self._thread.start()

    def add(self, name: str, interval: float, action: Callable[[], None], *, at_once: bool = False) -> None:
        """Call `action` every `interval` seconds, in place of an earlier one of that name."""
        with self._changed:
            due = self._clock() + (0.0 if at_once else interval)
            self._entries[name] = _Entry(interval, action, due)
            self._changed.notify()

    def remove(self, name: str) -> None:
        """Call the action of that name no more, if there is one."""
        with self._changed:
            self._entries.pop(name, None)

    def names(self) -> set[str]:
        """Names of all actions."""
        with self._changed:
            return set(self._entries)

    def close(self) -> None:
        """End the thread; an action under way is waited for."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (action := self._next()) is not None:
            try:
                action()
            except VisualDICOMError as error:
                logger.info("Something planned could not be done: %s", error)
            except Exception:
                logger.exception("Something planned failed")

    def _next(self) -> Callable[[], None] | None:
        """Wait for the next action that is due; None at the end."""
        with self._changed:
            while not self._closed:
                entry = min(self._entries.values(), key=lambda item: item.due, default=None)
                now = self._clock()
                if entry is not None and entry.due <= now:
                    entry.due = now + entry.interval
                    return entry.action
                self._changed.wait(None if entry is None else entry.due - now)
            return None
