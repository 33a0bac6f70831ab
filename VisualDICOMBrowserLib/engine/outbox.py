"""Bytes on their way out, written by a thread of their own so that who sends never waits for who reads.

Used at both ends of pipes and sockets. What goes wrong in writing ends the box silently: the reading side
of the same connection notices, and it alone decides what follows.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

__all__ = ["Outbox"]

_logger = logging.getLogger(__name__)

HELD_BYTES = 64 * 2**20
"""How much may wait for a slow reader."""


class Outbox:
    """Writes what it is given, in order.

    Parameters
    ----------
    write : Callable[[bytes], None]
        Writes all of its argument, or raises `OSError` or `ValueError` (closed file).
    name : str
        Name of the thread.
    held_bytes : int
        How much may wait before `put` waits and `offer` refuses.
    """

    def __init__(self, write: Callable[[bytes], None], *, name: str, held_bytes: int = HELD_BYTES) -> None:
        self._write = write
        self._limit = held_bytes
        self._condition = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._held = 0
        self._closing = False
        self._broken = False
        self._thread = threading.Thread(target=self._deliver, name=name, daemon=True)
        self._thread.start()

    def put(self, data: bytes) -> None:
        """Send `data`; waits for room if the reader is far behind. Dropped when the other side is gone."""
        with self._condition:
            self._condition.wait_for(lambda: self._held < self._limit or self._ended)
            self._append(data)

    def offer(self, data: bytes) -> bool:
        """Send `data` if there is room; never waits. False if it was dropped because the reader is behind."""
        with self._condition:
            if self._held >= self._limit and not self._ended:
                return False
            self._append(data)
            return True

    def close(self, timeout_s: float) -> None:
        """Write what waits, for at most so long, and end the thread; idempotent.

        A write that hangs goes on hanging until the caller closes the pipe or socket; `join` then waits for it.
        """
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        self.join(timeout_s)
        with self._condition:
            self._broken = True
            self._waiting.clear()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread to end."""
        if self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    @property
    def finished(self) -> bool:
        """Whether the thread has ended, so that the pipe may be closed."""
        return not self._thread.is_alive()

    @property
    def _ended(self) -> bool:
        return self._closing or self._broken

    def _append(self, data: bytes) -> None:
        if data and not self._ended:
            self._waiting.append(data)
            self._held += len(data)
            self._condition.notify_all()

    def _deliver(self) -> None:
        while (data := self._next()) is not None:
            try:
                self._write(data)
            except (OSError, ValueError) as error:
                _logger.debug("The other side is gone: %s", error)
                break
            with self._condition:
                self._held -= len(data)
                self._condition.notify_all()
        with self._condition:
            self._broken = True
            self._waiting.clear()
            self._condition.notify_all()

    def _next(self) -> bytes | None:
        with self._condition:
            self._condition.wait_for(lambda: self._waiting or self._ended)
            return self._waiting.popleft() if self._waiting else None
