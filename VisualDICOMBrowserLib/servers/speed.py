"""How fast a server may fill our line: one token bucket per server for what this process fetches from and sends to it.

Where a server has a limit, all of it is received in this process (drivers use no worker processes), so that the
limit holds over all jobs and connections. Whoever receives calls `Throttle` with the bytes that came and rests there;
the server then waits for room in its connection. Whoever sends calls it with the bytes that went. Any thread.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable

from VisualDICOMBrowserLib.servers.config import ServerConfig

__all__ = ["SpeedLimit", "Throttle", "piece_bytes", "throttle_of"]

Throttle = Callable[[int], None]
"""Called with the number of bytes that arrived; rests as long as the limit asks for."""

_BYTES_PER_MB = 1_000_000
# What may come at once after a pause, in seconds of the limit.
_BURST_S = 0.25
_LEAST_PIECE = 4096
# So soon a cancel is noticed.
_SLICE_S = 0.2


class SpeedLimit:
    """A token bucket.

    Parameters
    ----------
    bytes_per_s : float
        What may pass in one second.
    clock : callable
        Seconds of a clock that is never set back.
    """

    def __init__(self, bytes_per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._bytes_per_s = bytes_per_s
        self._clock = clock
        self._lock = threading.Lock()
        self._paid_until = clock() - _BURST_S
        self._pause = threading.Event()

    def owed_s(self, count: int) -> float:
        """Let `count` bytes pass, and tell for how many seconds whoever took them has to rest."""
        with self._lock:
            now = self._clock()
            self._paid_until = max(self._paid_until, now - _BURST_S) + count / self._bytes_per_s
            return max(0.0, self._paid_until - now)

    def take(self, count: int, given_up: Callable[[], bool] = lambda: False) -> None:
        """Let `count` bytes pass and rest as long as that asks for, or until `given_up`."""
        end = self._clock() + self.owed_s(count)
        while (left := end - self._clock()) > 0 and not given_up():
            self._pause.wait(min(left, _SLICE_S))


_lock = threading.Lock()
_limits: weakref.WeakValueDictionary[tuple[str, float], SpeedLimit] = weakref.WeakValueDictionary()


def throttle_of(config: ServerConfig | None, given_up: Callable[[], bool] = lambda: False) -> Throttle:
    """What to call with the bytes that come from a server or went to it; does nothing without a limit.

    Parameters
    ----------
    config : ServerConfig or None
        The server; ``name``, ``speed_limit_mb_s``. None for somebody who is none of our servers.
    given_up : callable
        Whether the job was cancelled, which ends the rest early.
    """
    if config is None or not config.speed_limit_mb_s:
        return _pass
    key = (config.name, config.speed_limit_mb_s)
    with _lock:
        limit = _limits.get(key)
        if limit is None:
            limit = _limits[key] = SpeedLimit(config.speed_limit_mb_s * _BYTES_PER_MB)
    return lambda count: limit.take(count, given_up)


def piece_bytes(config: ServerConfig, most: int) -> int:
    """How much to send at once: `most`, or less where that would take so long that the server thinks we are gone."""
    if not config.speed_limit_mb_s:
        return most
    return min(most, max(_LEAST_PIECE, int(config.speed_limit_mb_s * _BYTES_PER_MB * _BURST_S)))


def _pass(count: int) -> None:
    """No limit."""
