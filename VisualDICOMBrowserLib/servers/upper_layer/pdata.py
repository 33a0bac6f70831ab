"""P-DATA and command sets without input or output: bytes in, message parts out (DICOM PS3.8 9.3, PS3.7 6.3, E.1).

Lives here: cutting a byte stream into PDUs in one preallocated buffer (`PduBuffer`), PDUs into PDVs and PDVs
into messages (`MessageReader`), command sets (`Command`, `encode_command`), and the PDUs we send. Association
negotiation is pynetdicom's; the socket is `channel`'s. One thread per object.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from VisualDICOMBrowserLib.servers.upper_layer.elements import (
    MalformedElements,
    encode_elements,
    parse_elements,
    uid_bytes,
)

__all__ = [
    "ABORT",
    "ASSOCIATE_RQ",
    "DATA",
    "PDV_OVERHEAD",
    "RELEASE_RP",
    "RELEASE_RQ",
    "Command",
    "CommandField",
    "Fragment",
    "MessageReader",
    "PduBuffer",
    "ProtocolFault",
    "abort_pdu",
    "encode_command",
    "encode_message",
    "release_reply_pdu",
    "release_request_pdu",
]

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)

PDV_OVERHEAD = 6
"""Bytes that a PDV's length, context and control header take inside a PDU."""

_NO_DATA_SET = 0x0101
_HEADER_BYTES = 6
_LONGEST_COMMAND = 64 * 1024
# What other PDU types may measure; A-ASSOCIATE with 128 contexts stays far below.
_LONGEST_CONTROL_PDU = 256 * 1024
# Peers that count their own headers differently exceed what was negotiated by a few bytes.
_PDU_SLACK = 4096

_pdu_header = struct.Struct(">BxL")
_pdv_header = struct.Struct(">LBB")
_pdu_and_pdv_header = struct.Struct(">BxLLBB")


class ProtocolFault(ValueError):
    """The peer sent what the DICOM upper layer does not allow here."""


class CommandField:
    """Command Field values (PS3.7 E.1-1)."""

    C_STORE_RQ, C_STORE_RSP = 0x0001, 0x8001
    C_GET_RQ, C_GET_RSP = 0x0010, 0x8010
    C_FIND_RQ, C_FIND_RSP = 0x0020, 0x8020
    C_MOVE_RQ, C_MOVE_RSP = 0x0021, 0x8021
    C_ECHO_RQ, C_ECHO_RSP = 0x0030, 0x8030
    C_CANCEL_RQ = 0x0FFF


_US_FIELDS = {
    "field": 0x00000100,
    "message_id": 0x00000110,
    "responded_to": 0x00000120,
    "priority": 0x00000700,
    "data_set_type": 0x00000800,
    "status": 0x00000900,
    "remaining": 0x00001020,
    "completed": 0x00001021,
    "failed": 0x00001022,
    "warning": 0x00001023,
    "originator_message_id": 0x00001031,
}
_UI_FIELDS = {"sop_class": 0x00000002, "sop_instance": 0x00001000}
_TEXT_FIELDS = {
    "destination": (0x00000600, "AE"),
    "comment": (0x00000902, "LO"),
    "originator": (0x00001030, "AE"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command set, request or response; fields that were absent are None or empty.

    ``sop_class`` and ``sop_instance`` are the Affected SOP Class and Instance UID; ``remaining``,
    ``completed``, ``failed`` and ``warning`` the numbers of sub-operations (PS3.7 E.1-1).
    """

    field: int
    message_id: int | None = None
    responded_to: int | None = None
    sop_class: str = ""
    sop_instance: str = ""
    priority: int | None = None
    data_set_type: int | None = None
    status: int | None = None
    comment: str = ""
    destination: str = ""
    originator: str = ""
    originator_message_id: int | None = None
    remaining: int | None = None
    completed: int | None = None
    failed: int | None = None
    warning: int | None = None

    @property
    def has_data(self) -> bool:
        """Whether a data set follows."""
        return self.data_set_type not in (None, _NO_DATA_SET)

    @classmethod
    def parse(cls, data: bytes) -> Command:
        """Command set from its bytes; a missing or wrong group length does no harm.

        Raises
        ------
        ProtocolFault
            It cannot be read or has no command field.
        """
        try:
            values = parse_elements(data, implicit=True)
        except MalformedElements as fault:
            message = f"unreadable command set: {fault}"
            raise ProtocolFault(message) from None
        numbers = {
            name: int.from_bytes(values[tag][:2], "little")
            for name, tag in _US_FIELDS.items()
            if len(values.get(tag, b"")) >= 2
        }
        if "field" not in numbers:
            message = "command set without command field"
            raise ProtocolFault(message)
        texts = {name: _text(values.get(tag, b"")) for name, tag in _UI_FIELDS.items()}
        texts.update({name: _text(values.get(tag, b"")) for name, (tag, _) in _TEXT_FIELDS.items()})
        return cls(**numbers, **texts)  # type: ignore[arg-type]


def encode_command(command: Command, *, with_data: bool = False) -> bytes:
    """Command set with group length, implicit little endian (PS3.7 6.3.1)."""
    elements: list[tuple[int, str, bytes]] = []
    for name, tag in _US_FIELDS.items():
        value = getattr(command, name)
        if name == "data_set_type":
            value = 0x0001 if with_data else _NO_DATA_SET
        if value is not None:
            # Numbers of sub-operations can be more than their field holds.
            elements.append((tag, "US", min(value, 0xFFFF).to_bytes(2, "little")))
    for name, tag in _UI_FIELDS.items():
        if uid := getattr(command, name):
            elements.append((tag, "UI", uid_bytes(uid)))
    for name, (tag, vr) in _TEXT_FIELDS.items():
        if text := getattr(command, name):
            elements.append((tag, vr, text.encode("ascii", "replace")[:64]))
    body = encode_elements(elements, implicit=True)
    return encode_elements([(0x00000000, "UL", len(body).to_bytes(4, "little"))], implicit=True) + body


def encode_message(context_id: int, command: Command, data: bytes | None = None, *, max_pdu: int = 16384) -> bytes:
    """PDUs of a whole message: command set and, if given, a data set, cut to the peer's `max_pdu`."""
    parts = [(1, encode_command(command, with_data=data is not None))]
    if data is not None:
        parts.append((0, data))
    room = (max_pdu or 16384) - PDV_OVERHEAD
    out = bytearray()
    for kind, content in parts:
        for start in range(0, max(len(content), 1), room):
            piece = content[start : start + room]
            last = 2 if start + room >= len(content) else 0
            out += _pdu_and_pdv_header.pack(DATA, len(piece) + PDV_OVERHEAD, len(piece) + 2, context_id, kind | last)
            out += piece
    return bytes(out)


def data_pdu_header(context_id: int, length: int, *, last: bool) -> bytes:
    """The 12 bytes before a data set fragment of `length` bytes that fills a PDU of its own."""
    return _pdu_and_pdv_header.pack(DATA, length + PDV_OVERHEAD, length + 2, context_id, 2 if last else 0)


def release_request_pdu() -> bytes:
    """A-RELEASE-RQ (PS3.8 9.3.6)."""
    return b"\x05\0\0\0\0\x04\0\0\0\0"


def release_reply_pdu() -> bytes:
    """A-RELEASE-RP (PS3.8 9.3.7)."""
    return b"\x06\0\0\0\0\x04\0\0\0\0"


def abort_pdu(source: int = 0, reason: int = 0) -> bytes:
    """A-ABORT (PS3.8 9.3.8); source 0 is the service user, 2 the provider."""
    return b"\x07\0\0\0\0\x04\0\0" + bytes((source, reason))


class PduBuffer:
    """One buffer that the socket fills and from which whole PDUs are taken without copying them.

    Parameters
    ----------
    max_pdu : int
        Length we allowed the peer, in bytes; a PDU that announces more (beyond a small slack) is refused.
    """

    def __init__(self, max_pdu: int) -> None:
        self._longest_data = max_pdu + _PDU_SLACK
        longest = max(self._longest_data, _LONGEST_CONTROL_PDU) + _HEADER_BYTES
        self._view = memoryview(bytearray(2 * longest))
        self._start = 0
        self._end = 0

    @property
    def empty(self) -> bool:
        """True if no byte of a PDU is waiting."""
        return self._start == self._end

    def room(self) -> memoryview:
        """Where the next received bytes go; views handed out before are void from here on."""
        if self._start == self._end:
            self._start = self._end = 0
        elif self._start > len(self._view) // 2:
            waiting = bytes(self._view[self._start : self._end])
            self._start, self._end = 0, len(waiting)
            self._view[: self._end] = waiting
        return self._view[self._end :]

    def received(self, count: int) -> None:
        """Note that `count` bytes were put into `room`."""
        self._end += count

    def next_pdu(self) -> tuple[int, memoryview] | None:
        """Type and body of the next whole PDU, None while it is not whole.

        Raises
        ------
        ProtocolFault
            The PDU type is unknown or the length is more than was allowed.
        """
        if self._end - self._start < 1:
            return None
        kind = self._view[self._start]
        if not ASSOCIATE_RQ <= kind <= ABORT:
            message = f"unknown PDU type {kind:02X}"
            raise ProtocolFault(message)
        if self._end - self._start < _HEADER_BYTES:
            return None
        _, length = _pdu_header.unpack_from(self._view, self._start)
        if length > (self._longest_data if kind == DATA else _LONGEST_CONTROL_PDU):
            message = f"PDU of type {kind:02X} announces {length} bytes"
            raise ProtocolFault(message)
        body = self._start + _HEADER_BYTES
        if self._end < body + length:
            return None
        self._start = body + length
        return kind, self._view[body : body + length]


class Fragment(NamedTuple):
    """A part of a message: a whole command set, or a piece of the data set that follows it.

    ``data`` is a view into the receive buffer, valid until the next receive.
    """

    context_id: int
    command: Command | None
    data: memoryview | bytes
    last: bool


class MessageReader:
    """Puts PDVs together to messages, and refuses an order that PS3.7 and PS3.8 do not allow."""

    def __init__(self) -> None:
        self._command = bytearray()
        self._context_id = 0
        self._awaits_data = False

    def fragments(self, body: memoryview) -> Iterator[Fragment]:
        """The commands and data pieces inside the body of one P-DATA-TF PDU.

        Raises
        ------
        ProtocolFault
            Lengths, contexts or order are wrong.
        """
        position = 0
        while position < len(body):
            if len(body) - position < PDV_OVERHEAD:
                message = "PDU ends within a PDV header"
                raise ProtocolFault(message)
            length, context_id, control = _pdv_header.unpack_from(body, position)
            end = position + 4 + length
            if length < 2 or end > len(body):
                message = f"PDV of {length} bytes does not fit its PDU"
                raise ProtocolFault(message)
            fragment = self._take(context_id, control, body[position + PDV_OVERHEAD : end])
            if fragment is not None:
                yield fragment
            position = end

    def _take(self, context_id: int, control: int, data: memoryview) -> Fragment | None:
        last = bool(control & 2)
        if (self._command or self._awaits_data) and context_id != self._context_id:
            message = f"message begun in context {self._context_id} goes on in context {context_id}"
            raise ProtocolFault(message)
        if bool(control & 1) == self._awaits_data:
            expected = "data set" if self._awaits_data else "command"
            message = f"{expected} expected"
            raise ProtocolFault(message)
        self._context_id = context_id
        if self._awaits_data:
            self._awaits_data = not last
            return Fragment(context_id, None, data, last)
        self._command += data
        if len(self._command) > _LONGEST_COMMAND:
            message = "command set without end"
            raise ProtocolFault(message)
        if not last:
            return None
        command = Command.parse(bytes(self._command))
        self._command.clear()
        self._awaits_data = command.has_data
        return Fragment(context_id, command, b"", not command.has_data)


def _text(value: bytes) -> str:
    return value.decode("ascii", "replace").strip("\0 ")
