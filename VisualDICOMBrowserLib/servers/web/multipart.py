"""Splits a ``multipart/related`` body while it arrives (RFC 2046 5.1, RFC 2387; DICOM PS3.18 8.7.1).

Sans-IO: bytes in at any chunking, events out; nothing is kept but what may be the beginning of a delimiter or of
part headers. No network, no files. One thread per `MultipartSplitter`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message

__all__ = ["MultipartFault", "MultipartSplitter", "PartBegin", "PartData", "PartEnd", "PartLengthFault", "boundary_of"]

_MOST_HEADER_BYTES = 64 * 1024
_MOST_PADDING = 256
_LONGEST_BOUNDARY = 256
_MOST_DIGITS = 19
_CRLF = b"\r\n"

_after_delimiter = re.compile(rb"--|[ \t]*\r\n")
_unfinished = re.compile(rb"-?|[ \t]*\r?")


class MultipartFault(ValueError):
    """The bytes are no multipart body."""


class PartLengthFault(MultipartFault):
    """The length told of a part does not lead to its end; without believing lengths the body may be readable."""


@dataclass(frozen=True, slots=True)
class PartBegin:
    """A part begins; header names are lower-case."""

    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PartData:
    """Some bytes of the part."""

    data: memoryview


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The part is whole."""


Event = PartBegin | PartData | PartEnd


def boundary_of(content_type: str) -> str:
    """The boundary that a Content-Type names, also a quoted one; empty if there is none."""
    header = Message()
    header["Content-Type"] = content_type
    found = header.get_param("boundary", "", unquote=True)
    boundary = found if isinstance(found, str) else found[2]
    return boundary.rstrip() if len(boundary) <= _LONGEST_BOUNDARY else ""


class MultipartSplitter:
    """One body.

    A part's own Content-Length is believed, so that a delimiter within data does no harm.

    Parameters
    ----------
    boundary : str
        As `boundary_of` gave it.
    believe_lengths : bool
        False to look for delimiters alone.
    """

    def __init__(self, boundary: str, *, believe_lengths: bool = True) -> None:
        if not boundary:
            message = "no boundary"
            raise MultipartFault(message)
        self._believe_lengths = believe_lengths
        self._delimiter = _CRLF + b"--" + boundary.encode("latin_1", "replace")
        # The first delimiter may stand at the very beginning, without the line end before it.
        self._buffer = _CRLF
        self._at = 0
        self._step: Callable[[], bool] = self._preamble
        self._told: int | None = None
        self._ended = False
        self._events: list[Event] = []

    @property
    def ended(self) -> bool:
        """Whether the final delimiter has come."""
        return self._ended

    def feed(self, data: bytes) -> list[Event]:
        """Events of the next bytes, in order; their data are views, valid as long as they are held.

        Raises
        ------
        PartLengthFault
            The length told of a part does not lead to its end.
        MultipartFault
            The headers of a part are too long.
        """
        self._events = []
        if self._ended:
            return self._events
        rest = self._buffer[self._at :]
        self._buffer = rest + data if rest else data
        self._at = 0
        while not self._ended and self._step():
            pass
        return self._events

    def finish(self) -> list[Event]:
        """The end of the last part, if its length says that it is whole although no delimiter follows.

        `ended` tells whether the body was.
        """
        rest = self._buffer[self._at :]
        if self._told == 0 and self._step == self._data and self._delimiter.startswith(rest):
            self._step = self._preamble
            return [PartEnd()]
        return []

    def _preamble(self) -> bool:
        start, end = self._next_delimiter()
        self._at = start
        return self._pass_delimiter(end)

    def _headers(self) -> bool:
        buffer, at = self._buffer, self._at
        end = at if buffer.startswith(_CRLF, at) else buffer.find(_CRLF + _CRLF, at)
        if end < 0:
            if len(buffer) - at > _MOST_HEADER_BYTES:
                message = "the headers of a part are too long"
                raise MultipartFault(message)
            return False
        headers = _parsed(buffer[at:end])
        self._at = end + (2 if end == at else 4)
        told = headers.get("content-length", "")
        believed = self._believe_lengths and told.isascii() and told.isdigit() and len(told) < _MOST_DIGITS
        self._told = int(told) if believed else None
        self._events.append(PartBegin(headers))
        self._step = self._data
        return True

    def _data(self) -> bool:
        if self._told:
            end = min(len(self._buffer), self._at + self._told)
            self._told -= end - self._at
            self._emit(end)
            return not self._told
        start, end = self._next_delimiter()
        if self._told == 0 and start > self._at:
            message = "the length told of a part is wrong"
            raise PartLengthFault(message)
        self._emit(start)
        if end:
            self._events.append(PartEnd())
        return self._pass_delimiter(end)

    def _emit(self, end: int) -> None:
        if end > self._at:
            self._events.append(PartData(memoryview(self._buffer)[self._at : end]))
            self._at = end

    def _next_delimiter(self) -> tuple[int, int]:
        """Start and end of the next delimiter line; without one, how far there is surely data, and 0."""
        buffer, delimiter, position = self._buffer, self._delimiter, self._at
        while True:
            found = buffer.find(delimiter, position)
            if found < 0:
                return self._surely_data(position), 0
            after = found + len(delimiter)
            if match := _after_delimiter.match(buffer, after):
                return found, match.end()
            if len(buffer) - after < _MOST_PADDING and _unfinished.fullmatch(buffer, after):
                return found, 0
            position = found + 1

    def _surely_data(self, position: int) -> int:
        """Where the bytes end that cannot be the beginning of a delimiter."""
        buffer, delimiter = self._buffer, self._delimiter
        start = max(position, len(buffer) - len(delimiter) + 1)
        while (start := buffer.find(b"\r", start)) >= 0:
            if delimiter.startswith(buffer[start:]):
                return start
            start += 1
        return len(buffer)

    def _pass_delimiter(self, end: int) -> bool:
        if not end:
            return False
        self._ended = self._buffer.endswith(b"--", 0, end)
        self._at = end
        self._step = self._headers
        return True


def _parsed(block: bytes) -> dict[str, str]:
    headers = {}
    for line in block.decode("latin_1").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return headers
