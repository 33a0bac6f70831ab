"""Flat codec of DICOM data elements, as command sets and query identifiers use them (DICOM PS3.5 7).

Bytes in, bytes by tag out; sequences are skipped but for one that is asked for, nothing is validated or converted, so
that what a peer sends can neither warn nor recurse. Data sets with pixels are never parsed here. Any thread.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

__all__ = [
    "EXPLICIT_LITTLE",
    "IMPLICIT_LITTLE",
    "Element",
    "MalformedElements",
    "encode_elements",
    "parse_elements",
    "uid_bytes",
]

Element = tuple[int, str, bytes | Sequence["Element"]]
"""Tag, VR and value; the value of a sequence is the elements of its one item."""

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"

_LONG_VRS = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV"))
_UNDEFINED = 0xFFFFFFFF
_ITEM = 0xFFFEE000
_ITEM_END = 0xFFFEE00D
_SEQUENCE_END = 0xFFFEE0DD

_tag_and_length = struct.Struct("<HHL")
_tag_and_vr = struct.Struct("<HH2sH")
_long_length = struct.Struct("<L")


class MalformedElements(ValueError):
    """The bytes are no data elements."""


def encode_elements(elements: Iterable[Element], *, implicit: bool) -> bytes:
    """Elements in little endian, sorted by tag, values padded to even length."""
    out = bytearray()
    for tag, vr, value in sorted(elements, key=lambda element: element[0]):
        if not isinstance(value, bytes):
            item = encode_elements(value, implicit=implicit)
            value = _tag_and_length.pack(_ITEM >> 16, _ITEM & 0xFFFF, len(item)) + item
        if len(value) % 2:
            value += b"\0" if vr in ("UI", "OB", "UN") else b" "
        code = vr.encode("ascii")
        if implicit:
            out += _tag_and_length.pack(tag >> 16, tag & 0xFFFF, len(value))
        elif code in _LONG_VRS:
            out += _tag_and_vr.pack(tag >> 16, tag & 0xFFFF, code, 0) + _long_length.pack(len(value))
        else:
            out += _tag_and_vr.pack(tag >> 16, tag & 0xFFFF, code, len(value))
        out += value
    return bytes(out)


def parse_elements(
    data: bytes | memoryview, *, implicit: bool, beginning_only: bool = False, within: int | None = None
) -> dict[int, bytes]:
    """Values by tag of the top level; sequences and values of undefined length are left out.

    `within` is the tag of a sequence whose elements are put among those of the top level. With `beginning_only` the
    data are the first bytes of a longer data set, and an element that is not there in full ends the reading.

    Raises
    ------
    MalformedElements
        An element reaches beyond the end of the data.
    """
    values: dict[int, bytes] = {}
    try:
        _parse(memoryview(data), implicit, values, within)
    except MalformedElements:
        if not beginning_only:
            raise
    return values


def _parse(view: memoryview, implicit: bool, values: dict[int, bytes], within: int | None) -> None:
    end = len(view)
    position = 0
    depth = 0
    while position < end:
        tag, length, position, is_sequence = _header(view, position, implicit)
        if tag in (_ITEM_END, _SEQUENCE_END):
            depth = max(0, depth - 1)
        elif not depth and within is not None and tag in (within, _ITEM):
            continue  # only the header: what it holds is read as if it stood here
        elif length == _UNDEFINED:
            depth += 1
        elif tag == _ITEM and depth:
            position += length
        else:
            if position + length > end:
                message = f"Element {tag:08X} of {length} bytes reaches beyond the end."
                raise MalformedElements(message)
            if not depth and not is_sequence:
                values[tag] = bytes(view[position : position + length])
            position += length


def _header(view: memoryview, position: int, implicit: bool) -> tuple[int, int, int, bool]:
    """Tag, length, start of the value, and whether it is a sequence."""
    try:
        group, element, length = _tag_and_length.unpack_from(view, position)
        tag = group << 16 | element
        if implicit or group == 0xFFFE:
            return tag, length, position + 8, False
        _, _, code, length = _tag_and_vr.unpack_from(view, position)
        if code in _LONG_VRS:
            (length,) = _long_length.unpack_from(view, position + 8)
            return tag, length, position + 12, code == b"SQ"
    except struct.error:
        message = f"The data end within an element header at byte {position}."
        raise MalformedElements(message) from None
    return tag, length, position + 8, False


def uid_bytes(uid: str) -> bytes:
    """A UID padded to even length with a zero byte (PS3.5 9.1)."""
    raw = uid.encode("ascii", "replace")
    return raw + b"\0" if len(raw) % 2 else raw
