"""Connecting to the destination of a C-MOVE while its caller can still call it off.

The association's thread watches its own caller, the thread ``node-move`` connects: so each socket keeps one
owner. Does not live here: what is sent then (``retrieve``).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence

from VisualDICOMBrowserLib.errors import BugError, JobCancelled
from VisualDICOMBrowserLib.model import JobControl, NullControl
from VisualDICOMBrowserLib.servers.upper_layer.association import Accepted
from VisualDICOMBrowserLib.servers.upper_layer.channel import Channel

__all__ = ["connect_while_watching"]

_LOOK_S = 0.05
_END_S = 5.0

Connected = tuple[Channel, Sequence[Accepted]]


class _MoveControl(NullControl):
    """The control of one connecting; cancelled by the thread that watches."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []
        self.cancel_requested = False

    def raise_if_cancelled(self) -> None:
        if self.cancel_requested:
            raise _called_off()

    def on_cancel(self, callback: Callable[[], None]) -> None:
        with self._lock:
            if not self.cancel_requested:
                self._callbacks.append(callback)
                return
        callback()

    def cancel(self) -> None:
        with self._lock:
            self.cancel_requested = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()


class _Attempt:
    """What became of one connecting, in a thread of its own."""

    def __init__(self, connect: Callable[[JobControl], Connected]) -> None:
        self.control = _MoveControl()
        self._connect = connect
        self._connected: Connected | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="node-move", daemon=True)
        self._thread.start()

    def is_over(self, timeout_s: float) -> bool:
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def call_off(self) -> None:
        """End it; a connection that came about in the last moment is closed."""
        self.control.cancel()
        self._thread.join(_END_S)
        if self._connected is not None:
            self._connected[0].abort()

    def result(self) -> Connected:
        if self._failure is not None:
            raise self._failure
        if self._connected is None:
            message = "The destination was neither reached nor missed."
            raise BugError(message)
        return self._connected

    def _run(self) -> None:
        try:
            self._connected = self._connect(self.control)
        except BaseException as failure:  # noqa: BLE001  (raised again by who waits for it)
            self._failure = failure


def connect_while_watching(connect: Callable[[JobControl], Connected], cancelled: Callable[[], bool]) -> Connected:
    """What `connect` gives.

    `cancelled` is asked several times per second, in the calling thread; it may raise when the caller is gone.

    Raises
    ------
    JobCancelled
        `cancelled` said so. Else what `connect` or `cancelled` raises.
    """
    attempt = _Attempt(connect)
    with contextlib.ExitStack() as unless_connected:
        unless_connected.callback(attempt.call_off)
        while not attempt.is_over(_LOOK_S):
            if cancelled():
                raise _called_off()
        unless_connected.pop_all()
    return attempt.result()


def _called_off() -> JobCancelled:
    message = "The caller called the C-MOVE off."
    return JobCancelled(message)
