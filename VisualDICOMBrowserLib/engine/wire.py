"""The language between hosts and the engine: one JSON object per line, UTF-8, versioned; no input or output.

Lives here: the four kinds of message, how one is written as a line, and how lines come out of bytes that
arrive in any chunks. Does not live here: who sends what (``client_session``, ``connection``), pipes and sockets.
Pure functions and one object per stream; the caller serialises calls to a `LineDecoder`.

Messages, all with ``"v": 1``::

    {"v":1, "id":17, "command":"cancel_job", "arguments":{"job_id":"r-42"}}      host to engine
    {"v":1, "reply_to":17, "result":true}                                        engine to host
    {"v":1, "reply_to":17, "error":{"type":"UsageError", "message":"...", ...}}  engine to host
    {"v":1, "event":"job_changed", "job":{...}}                                  engine to host

Text that is not valid Unicode (file names with stray bytes) survives, because everything outside ASCII is
escaped.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from VisualDICOMBrowserLib.errors import BugError, UsageError

__all__ = [
    "LINE_LIMIT",
    "WIRE_VERSION",
    "Command",
    "Event",
    "LineDecoder",
    "Malformed",
    "Message",
    "Reply",
    "as_json_value",
    "encode",
]

WIRE_VERSION = 1
LINE_LIMIT = 32 * 2**20
"""Longest line in bytes, without its line end."""


@dataclass(frozen=True, slots=True)
class Command:
    """What a host asks for; ``id`` is its own number for the reply."""

    id: int
    command: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """Outcome of a command: ``error`` is None, or the fields of `VisualDICOMError.as_dict`.

    ``reply_to`` is None where the command could not be read so far as to know its number.
    """

    reply_to: int | None
    result: Any = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """News for everybody attached; ``name`` says what, ``fields`` the rest."""

    name: str
    fields: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The event as subscribers get it: its fields with ``"event"`` as the name."""
        return {"event": self.name, **self.fields}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Event:
        """Event of what `as_dict` gave."""
        return cls(str(values["event"]), {key: value for key, value in values.items() if key != "event"})


@dataclass(frozen=True, slots=True)
class Malformed:
    """A line that is no message of this version; ``reply_to`` is its number where it could be read."""

    reply_to: int | None
    error: UsageError


Message = Command | Reply | Event


def encode(message: Message, *, limit: int = LINE_LIMIT) -> bytes:
    """`message` as one line.

    Raises
    ------
    UsageError
        The line would be longer than `limit` bytes.
    BugError
        The message holds something JSON cannot express.
    """
    line = _dumps(_fields(message)).encode("ascii")
    if len(line) > limit:
        text = f"A message of {len(line) / 2**20:.1f} MB exceeds the {limit / 2**20:.1f} MB one line may hold."
        raise UsageError(text, code="message_too_large", next_step="Ask for less at a time.")
    return line + b"\n"


def as_json_value(value: Any) -> Any:
    """`value` as it arrives at the other end: tuples become lists, keys text, nothing is shared.

    Raises
    ------
    BugError
        JSON cannot express it.
    """
    return json.loads(_dumps(value))


class LineDecoder:
    """Messages out of bytes, however the stream cuts them.

    Any bytes yield messages and `Malformed` objects and nothing else; a line over `limit` bytes yields one
    `Malformed` and is not kept in memory.
    """

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self._limit = limit
        self._line = bytearray()
        self._overlong = False

    def feed(self, data: bytes) -> list[Message | Malformed]:
        """What `data` completes, in order; blank lines are passed over."""
        *ends, rest = data.split(b"\n")
        messages: list[Message | Malformed] = []
        for piece in ends:
            self._append(piece)
            message = self._take_line()
            if message is not None:
                messages.append(message)
        self._append(rest)
        return messages

    def _append(self, piece: bytes) -> None:
        if self._overlong or len(self._line) + len(piece) > self._limit:
            self._overlong = True
            self._line.clear()
        else:
            self._line += piece

    def _take_line(self) -> Message | Malformed | None:
        line, overlong = bytes(self._line), self._overlong
        self._line.clear()
        self._overlong = False
        if overlong:
            return _malformed(None, f"A line is longer than {self._limit} bytes and was dropped.")
        return _parse(line) if line.strip() else None


def _parse(line: bytes) -> Message | Malformed:
    try:
        values = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return _malformed(None, "A line is not JSON in UTF-8.")
    if not isinstance(values, dict):
        return _malformed(None, "A line is not a JSON object.")
    number = _number(values.get("id", values.get("reply_to")))
    version = values.get("v")
    if type(version) is not int or version != WIRE_VERSION:
        text = f"A message has wire version {str(version)[:20]}; this program speaks version {WIRE_VERSION}."
        return _malformed(number, text, next_step="Use host and engine of the same release.")
    return _message(values, number)


def _message(values: dict[str, Any], number: int | None) -> Message | Malformed:
    if "command" in values:
        arguments = values.get("arguments", {})
        if number is None or not isinstance(values["command"], str) or not isinstance(arguments, dict):
            return _malformed(number, "A command lacks its number or name, or its arguments are no object.")
        return Command(number, values["command"], arguments)
    if "reply_to" in values:
        error = values.get("error")
        if error is not None and not isinstance(error, dict):
            return _malformed(number, "The error of a reply is no object.")
        return Reply(number, values.get("result"), error)
    if isinstance(values.get("event"), str):
        return Event(values["event"], {key: values[key] for key in values if key not in ("v", "event")})
    return _malformed(number, "A message is neither command, reply nor event.")


def _fields(message: Message) -> dict[str, Any]:
    if isinstance(message, Command):
        return {
            "v": WIRE_VERSION,
            "id": message.id,
            "command": message.command,
            "arguments": message.arguments,
        }
    if isinstance(message, Event):
        return {**message.fields, "v": WIRE_VERSION, "event": message.name}
    if message.error is not None:
        return {"v": WIRE_VERSION, "reply_to": message.reply_to, "error": message.error}
    return {"v": WIRE_VERSION, "reply_to": message.reply_to, "result": message.result}


def _dumps(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        text = f"A message holds what JSON cannot express: {error}."
        raise BugError(text) from error


def _number(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _refuse_constant(name: str) -> None:
    text = f"{name} is not JSON"
    raise ValueError(text)


def _malformed(reply_to: int | None, text: str, *, next_step: str = "") -> Malformed:
    return Malformed(reply_to, UsageError(text, code="bad_message", next_step=next_step))
