"""The host's end of the wire without input or output: what was asked, what is pending, who listens.

Lives here: `ClientSession`, shared by every transport (child process, socket, Qt's ``QProcess``). The
transport feeds the bytes it reads, writes the bytes it is given, and says when the connection broke.
Safe from any thread; callbacks run on the thread that feeds (or that reports the loss), without locks held.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable
from typing import Any

from VisualDICOMBrowserLib.engine.client import EventCallback, ReplyCallback
from VisualDICOMBrowserLib.engine.subscribers import Subscribers
from VisualDICOMBrowserLib.engine.wire import Command, Event, LineDecoder, Malformed, Message, Reply, encode
from VisualDICOMBrowserLib.errors import EngineError, VisualDICOMError, error_from_dict

__all__ = ["ClientSession", "notice"]

_logger = logging.getLogger(__name__)


def notice(level: str, message: str) -> dict[str, Any]:
    """An ``engine_notice`` event; `level` is ``"info"``, ``"warning"`` or ``"error"``."""
    return {"event": "engine_notice", "level": level, "message": message}


class ClientSession:
    """Commands out, replies and events in, over connections that may break and be made again.

    The transport's part::

        session.send("list_jobs", {}, on_reply)      # from any thread
        write(session.data_to_send())                # after each send and once connected
        session.feed(data)                           # whatever was read
        session.connection_lost(error)               # pending commands fail; later ones wait for a connection
        session.end(error)                           # nothing will come any more; later commands fail at once

    Two events have a meaning here and are passed on as well: ``engine_ready`` (an engine started; from the
    second on, subscribers get a notice that it was restarted) and ``engine_failed`` (this engine cannot
    start, and starting it again will not help: the session ends with its error).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._decoder = LineDecoder()
        self._outgoing = bytearray()
        self._pending: dict[int, ReplyCallback | None] = {}
        self._subscribers = Subscribers()
        self._was_ready = False
        self._end: VisualDICOMError | None = None

    @property
    def ended(self) -> VisualDICOMError | None:
        """Why no command can be answered any more; None while the session lives."""
        return self._end

    def send(self, command: str, arguments: dict[str, Any], on_reply: ReplyCallback | None = None) -> int:
        """Number of the command, whose line is now among `data_to_send`.

        Raises
        ------
        BugError, UsageError
            The arguments are no JSON or too large; nothing was sent.
        """
        number = next(self._numbers)
        line = encode(Command(number, command, arguments))
        with self._lock:
            ended = self._end
            if ended is None:
                self._pending[number] = on_reply
                self._outgoing += line
        if ended is not None:
            self._reply(on_reply, None, ended)
        return number

    def unanswered(self, number: int, command: str, seconds: float) -> EngineError:
        """Give up waiting for the answer to a command; the error to raise for it."""
        self.forget(number)
        message = f"The engine did not answer {command} within {seconds:g} s."
        return EngineError(message, code="engine_timeout", subject=command, next_step="Try again.")

    def forget(self, number: int) -> None:
        """Wait no longer for the reply to this command; a late one is dropped."""
        with self._lock:
            self._pending.pop(number, None)

    def data_to_send(self) -> bytes:
        """Bytes to be written next; they are handed out once."""
        with self._lock:
            data = bytes(self._outgoing)
            self._outgoing.clear()
        return data

    def feed(self, data: bytes) -> None:
        """Take what was read; calls back for every reply and event it completes.

        One thread at a time.
        """
        for message in self._decoder.feed(data):
            self._take(message)

    def subscribe(self, callback: EventCallback) -> Callable[[], None]:
        """Call `callback` with every event from now on; the result ends that."""
        return self._subscribers.subscribe(callback)

    def publish(self, event: dict[str, Any]) -> None:
        """Give subscribers an event of the transport's own, such as a `notice`."""
        self._subscribers.publish(event)

    def connection_lost(self, error: VisualDICOMError) -> None:
        """Fail what is pending; commands sent from now on wait for the next connection."""
        with self._lock:
            pending = list(self._pending.values())
            self._pending.clear()
            self._outgoing.clear()
            self._decoder = LineDecoder()
        for on_reply in pending:
            self._reply(on_reply, None, error)

    def end(self, error: VisualDICOMError) -> None:
        """Fail what is pending and all later commands; the first reason stays."""
        with self._lock:
            self._end = self._end or error
        self.connection_lost(self._end)

    def _take(self, message: Message | Malformed) -> None:
        if isinstance(message, Event):
            self._take_event(message)
        elif isinstance(message, Reply):
            failure = error_from_dict(message.error) if message.error is not None else None
            self._settle(message.reply_to, message.result, failure)
        elif isinstance(message, Malformed):
            _logger.warning("The engine sent something unreadable: %s", message.error)
            text = "The engine's answer could not be read."
            self._settle(message.reply_to, None, EngineError(text, next_step=message.error.next_step))
        else:
            _logger.warning("The engine sent a command, %s, which only hosts may", message.command)

    def _settle(self, number: int | None, result: Any, failure: VisualDICOMError | None) -> None:
        with self._lock:
            on_reply = self._pending.pop(number, None) if number is not None else None
        self._reply(on_reply, result, failure)

    def _take_event(self, event: Event) -> None:
        self.publish(event.as_dict())
        if event.name == "engine_failed":
            fields = event.fields.get("error")
            error = error_from_dict(fields if isinstance(fields, dict) else {})
            self.publish(notice("error", str(error)))
            self.end(error)
        elif event.name == "engine_ready":
            if self._was_ready:
                text = "The background engine was restarted. Unfinished jobs go on."
                self.publish(notice("warning", text))
            self._was_ready = True

    @staticmethod
    def _reply(on_reply: ReplyCallback | None, result: Any, failure: VisualDICOMError | None) -> None:
        if on_reply is None:
            return
        try:
            on_reply(result, failure)
        except Exception:
            _logger.exception("A reply callback failed")
