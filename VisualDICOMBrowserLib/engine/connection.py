"""The engine's end of the wire: carries out the commands of one host and sends it replies and events.

Bytes come in by `EngineConnection.feed` on the thread that reads the pipe or socket, which also carries out the
commands, in order; bytes go out through an `Outbox`. No pipes and sockets here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from VisualDICOMBrowserLib.engine.client import EngineLike, carry_out
from VisualDICOMBrowserLib.engine.client_session import notice
from VisualDICOMBrowserLib.engine.outbox import Outbox
from VisualDICOMBrowserLib.engine.wire import Command, Event, LineDecoder, Malformed, Message, Reply, encode
from VisualDICOMBrowserLib.errors import UsageError, VisualDICOMError

__all__ = ["EngineConnection", "Greeting"]

Greeting = Callable[[dict[str, Any]], dict[str, Any]]


class EngineConnection:
    """One host of `engine`.

    Parameters
    ----------
    engine : EngineLike
        Who carries out commands.
    outbox : Outbox
        Takes the bytes for the host; events are dropped, with a notice, when the host does not read them.
    greeting : Greeting | None
        Checks the arguments of the command ``hello``, which must then come first, and returns its result or
        raises `UsageError`. None for a host that needs no introduction (the parent process).
    """

    def __init__(self, engine: EngineLike, outbox: Outbox, greeting: Greeting | None = None) -> None:
        self._engine = engine
        self._outbox = outbox
        self._greeting = greeting
        self._decoder = LineDecoder()
        self._lock = threading.Lock()
        self._dropped = 0
        self._unsubscribe: Callable[[], None] | None = None
        self.refused = False
        if greeting is None:
            self._unsubscribe = engine.subscribe(self._on_event)

    @property
    def introduced(self) -> bool:
        """Whether the host has said who it is, or need not."""
        return self._greeting is None

    def feed(self, data: bytes) -> None:
        """Take what was read: carry out each command it completes and answer it."""
        for message in self._decoder.feed(data):
            if self.refused:
                return
            self._outbox.put(self._answer(message))

    def tell(self, event: dict[str, Any]) -> None:
        """Send an event to this host only."""
        self._outbox.put(encode(Event.from_dict(event)))

    def close(self) -> None:
        """Send no more events; idempotent."""
        with self._lock:
            unsubscribe, self._unsubscribe = self._unsubscribe, None
        if unsubscribe is not None:
            unsubscribe()

    def _answer(self, message: Message | Malformed) -> bytes:
        if isinstance(message, Malformed):
            return _refusal(message.reply_to, message.error)
        if not isinstance(message, Command):
            text = "Hosts send commands, not replies or events."
            return _refusal(None, UsageError(text, code="bad_message"))
        try:
            return encode(Reply(message.id, self._result(message)))
        except VisualDICOMError as error:
            return _refusal(message.id, error)

    def _result(self, command: Command) -> Any:
        if self._greeting is None:
            return carry_out(self._engine, command.command, command.arguments)
        try:
            if command.command != "hello":
                text = "The first command must be hello."
                raise UsageError(text, code="not_introduced")
            result = self._greeting(command.arguments)
        except UsageError:
            self.refused = True
            raise
        self._greeting = None
        self._unsubscribe = self._engine.subscribe(self._on_event)
        return result

    def _on_event(self, event: dict[str, Any]) -> None:
        line = encode(Event.from_dict(event))
        with self._lock:
            if self._dropped:
                text = f"{self._dropped} messages of the engine were lost because they were not read in time."
                if self._outbox.offer(encode(Event.from_dict(notice("warning", text)))):
                    self._dropped = 0
            if not self._outbox.offer(line):
                self._dropped += 1


def _refusal(reply_to: int | None, error: VisualDICOMError) -> bytes:
    return encode(Reply(reply_to, error=dict(error.as_dict())))
