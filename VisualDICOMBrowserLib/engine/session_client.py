"""What clients over a pipe and over a socket have in common: an `EngineClient` around a `ClientSession`.

Here: requests that wait, and the way of bytes from the session to whatever connection there is. Subclasses bring
the connection, and read it on one thread. Any thread may call.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from VisualDICOMBrowserLib.engine.client import EventCallback, ReplyCallback
from VisualDICOMBrowserLib.engine.client_session import ClientSession
from VisualDICOMBrowserLib.engine.outbox import Outbox
from VisualDICOMBrowserLib.errors import BugError, VisualDICOMError

__all__ = ["SessionClient"]


class SessionClient:
    """Meets `EngineClient` but for ``close``.

    Parameters
    ----------
    request_timeout_s : float
        How long `request` waits for its reply, a restart of the engine included.
    """

    def __init__(self, request_timeout_s: float) -> None:
        self._session = ClientSession()
        self._request_timeout_s = request_timeout_s
        self._outbox_lock = threading.Lock()
        self._outbox: Outbox | None = None
        self._reader: threading.Thread | None = None

    def request(self, command: str, **arguments: Any) -> Any:
        """Carry out one command and wait for its result; see `EngineClient`.

        Not to be called in event and reply callbacks, which run on the thread that would read the reply.
        """
        if threading.current_thread() is self._reader:
            message = f"The request {command} would wait for itself; use send() in callbacks."
            raise BugError(message, subject=command)
        answered = threading.Event()
        answers: list[tuple[Any, VisualDICOMError | None]] = []

        def on_reply(result: Any, error: VisualDICOMError | None) -> None:
            answers.append((result, error))
            answered.set()

        number = self.send(command, on_reply, **arguments)
        if not answered.wait(self._request_timeout_s):
            raise self._session.unanswered(number, command, self._request_timeout_s)
        result, error = answers[0]
        if error is not None:
            raise error
        return result

    def send(self, command: str, on_reply: ReplyCallback | None = None, **arguments: Any) -> int:
        """Send one command without waiting; see `EngineClient`."""
        number = self._session.send(command, arguments, on_reply)
        self._flush()
        return number

    def subscribe(self, callback: EventCallback) -> Callable[[], None]:
        """Call `callback` with every event, on the thread that reads; see `EngineClient`."""
        return self._session.subscribe(callback)

    def _connected(self, outbox: Outbox) -> None:
        """Send through `outbox` from now on, beginning with what was asked while there was none."""
        with self._outbox_lock:
            self._outbox = outbox
        self._flush()

    def _disconnected(self, error: VisualDICOMError) -> None:
        """Fail what is pending; what is asked from now on waits for `_connected`."""
        # In this order: a command that comes in between fails, none goes into a dead outbox unanswered.
        with self._outbox_lock:
            self._outbox = None
        self._session.connection_lost(error)

    def _flush(self) -> None:
        with self._outbox_lock:
            if self._outbox is not None:
                self._outbox.put(self._session.data_to_send())
