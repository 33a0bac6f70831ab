"""Walking over the elements of a data set, top level only.

The inner loops of the header scan: one `struct` call per element, jumps over everything that is not
wanted, undefined-length values skipped without recursion. Ends at the pixel data, whose length is checked
and which is never read. Meaning and text of the values are for `elements`. One thread per window.

References: DICOM PS3.5 chapter 7 and annex A.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from VisualDICOMBrowserLib.database.elements import LONG_FORM, SHORT_FORM, VALUE_LIMIT
from VisualDICOMBrowserLib.database.header_source import HeaderOddity, TruncatedHeader, Window

__all__ = ["UNDEFINED", "Found", "element_at", "skip_undefined", "walk_explicit", "walk_implicit"]

Found = dict[str, tuple[bytes, bytes]]
"""Value representation (empty if the file has none) and value field, by tag."""

UNDEFINED = 0xFFFFFFFF

_LITTLE_EXPLICIT = struct.Struct("<I2sH").unpack_from
_BIG_EXPLICIT = struct.Struct(">I2sH").unpack_from
_LITTLE_PAIR = struct.Struct("<II").unpack_from
_BIG_PAIR = struct.Struct(">II").unpack_from
_LITTLE_LONG = struct.Struct("<I").unpack_from
_BIG_LONG = struct.Struct(">I").unpack_from
_LITTLE_SHORT = struct.Struct("<H").unpack_from
_BIG_SHORT = struct.Struct(">H").unpack_from

# Pixel Data, Float Pixel Data and Double Float Pixel Data, as the integers that the loops see.
_PIXELS_LITTLE = frozenset({0x00107FE0, 0x00087FE0, 0x00097FE0})
_PIXELS_BIG = frozenset({0x7FE00010, 0x7FE00008, 0x7FE00009})

# UN of undefined length, and elements without VR, are encoded implicitly inside (PS3.5 6.2.2).
_IMPLICIT_INSIDE = frozenset({b"UN", b""})
_TOO_LONG = b"\xff" * (VALUE_LIMIT + 1)
_MOST_FRAGMENTS = 1_000_000

_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_ITEM_LITTLE = 0xE000FFFE


def walk_explicit(window: Window, offset: int, wanted: Mapping[int, str], found: Found, *, big_endian: bool) -> None:
    """Put the wanted elements of the explicit VR data set that begins at `offset` into `found`.

    An element whose VR is no pair of capitals is taken as implicit, as pydicom does.

    Raises
    ------
    TruncatedHeader
        An element reaches beyond the end of the source.
    HeaderOddity
        The nesting of an undefined-length value is broken.
    """
    unpack, long = (_BIG_EXPLICIT, _BIG_LONG) if big_endian else (_LITTLE_EXPLICIT, _LITTLE_LONG)
    pixels = _PIXELS_BIG if big_endian else _PIXELS_LITTLE
    data, base, end, size = window.data, window.start, len(window.data), window.size
    position = offset - base
    while True:
        if position + 12 > end:
            base += position
            if base + 8 > size:
                return
            data, position = window.move(base), 0
            end = len(data)
        raw, vr, length = unpack(data, position)
        position += 8
        if vr in LONG_FORM:
            if position + 4 > end:
                raise TruncatedHeader(4, end - position)
            length = long(data, position)[0]
            position += 4
        elif vr not in SHORT_FORM and not b"AA" <= vr <= b"ZZ":
            vr, length = b"", long(data, position - 4)[0]
        if raw in pixels:
            _check_pixels(window, base + position, length, big_endian)
            return
        if length == UNDEFINED:
            after = skip_undefined(window, base + position, vr not in _IMPLICIT_INSIDE, big_endian)
            data, base, end = window.data, window.start, len(window.data)
            position = after - base
            continue
        if base + position + length > size:
            raise TruncatedHeader(length, size - base - position)
        if raw in wanted:
            begin, after = base + position, position + length
            value = data[position:after] if after <= end else _far_value(window, begin, length)
            found[wanted[raw]] = (vr, value)
            if base != window.start:
                data, base, end = window.data, window.start, len(window.data)
                position = begin - base
        position += length


def walk_implicit(window: Window, offset: int, wanted: Mapping[int, str], found: Found) -> None:
    """Put the wanted elements of the implicit VR little endian data set at `offset` into `found`.

    Raises
    ------
    TruncatedHeader, HeaderOddity
        As for `walk_explicit`.
    """
    data, base, end, size = window.data, window.start, len(window.data), window.size
    position = offset - base
    while True:
        if position + 8 > end:
            base += position
            if base + 8 > size:
                return
            data, position = window.move(base), 0
            end = len(data)
        raw, length = _LITTLE_PAIR(data, position)
        position += 8
        if raw in _PIXELS_LITTLE:
            _check_pixels(window, base + position, length, False)
            return
        if length == UNDEFINED:
            after = skip_undefined(window, base + position, False, False)
            data, base, end = window.data, window.start, len(window.data)
            position = after - base
            continue
        if base + position + length > size:
            raise TruncatedHeader(length, size - base - position)
        if raw in wanted:
            begin, after = base + position, position + length
            value = data[position:after] if after <= end else _far_value(window, begin, length)
            found[wanted[raw]] = (b"", value)
            if base != window.start:
                data, base, end = window.data, window.start, len(window.data)
                position = begin - base
        position += length


def _far_value(window: Window, offset: int, length: int) -> bytes:
    """A value that does not lie within the window; a placeholder above the limit for one above it."""
    return window.at(offset, length) if length <= VALUE_LIMIT else _TOO_LONG


def _check_pixels(window: Window, offset: int, length: int, big_endian: bool) -> None:
    """Raise `TruncatedHeader` if the pixel data are certainly cut short."""
    if length != UNDEFINED:
        if offset + length > window.size:
            raise TruncatedHeader(length, window.size - offset)
        return
    pair = _BIG_PAIR if big_endian else _LITTLE_PAIR
    for _ in range(_MOST_FRAGMENTS):
        header = window.peek(offset, 8)
        if len(header) < 8:
            # Some writers leave out the last delimiter; a piece of one tells that the file was cut.
            if header:
                raise TruncatedHeader(8, len(header))
            return
        raw, count = pair(header)
        if raw != (_ITEM if big_endian else _ITEM_LITTLE):
            return
        offset += 8 + count
        if offset > window.size:
            raise TruncatedHeader(count, window.size - offset + count)


def skip_undefined(window: Window, offset: int, explicit: bool, big_endian: bool) -> int:
    """Offset after the delimiter of the undefined-length value that begins at `offset`.

    Keeps its own stack of open sequences (True) and items (False) instead of recursing, so that no
    nesting is too deep.
    """
    stack = [(True, explicit)]
    while stack:
        in_sequence, explicit = stack[-1]
        tag, vr, length, offset = element_at(window, offset, explicit, big_endian)
        if in_sequence:
            if tag == _SEQUENCE_END:
                stack.pop()
                continue
            if tag != _ITEM:
                message = "a sequence holds something else than items"
                raise HeaderOddity(message)
            opened = (False, explicit)
        else:
            if tag == _ITEM_END:
                stack.pop()
                continue
            opened = (True, explicit and vr not in _IMPLICIT_INSIDE)
        if length == UNDEFINED:
            stack.append(opened)
        else:
            offset += length
            if offset > window.size:
                raise TruncatedHeader(length, window.size - offset + length)
    return offset


def element_at(window: Window, offset: int, explicit: bool, big_endian: bool) -> tuple[int, bytes, int, int]:
    """Tag, VR (empty if it has none), length and begin of the value of the element or item at `offset`.

    Raises
    ------
    TruncatedHeader
        It is not there in full.
    """
    header = window.at(offset, 12)
    if len(header) < 8:
        raise TruncatedHeader(8, len(header))
    raw, length = (_BIG_PAIR if big_endian else _LITTLE_PAIR)(header)
    tag = raw if big_endian else (raw & 0xFFFF) << 16 | raw >> 16
    vr = header[4:6]
    if not explicit or tag >> 16 == 0xFFFE or not b"AA" <= vr <= b"ZZ":
        return tag, b"", length, offset + 8
    if vr not in LONG_FORM:
        return tag, vr, (_BIG_SHORT if big_endian else _LITTLE_SHORT)(header, 6)[0], offset + 8
    if len(header) < 12:
        raise TruncatedHeader(12, len(header))
    return tag, vr, (_BIG_LONG if big_endian else _LITTLE_LONG)(header, 8)[0], offset + 12
