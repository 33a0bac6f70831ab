"""Text of one data element by its value representation.

What lives here: turning the bytes of an element into the text that the database keeps. Finding elements
in a file is for `header_walk`, character sets are in `charsets`. Pure functions, any thread.

Text form: several values joined by backslash, padding stripped, decimal text for binary numbers, IS and DS
as written, person names raw with ``^`` and ``=``, attribute tags as ``(gggg,eeee)``. Byte values (OB, OW,
UN ...) are hexadecimal pairs as DCMTK prints them. Sequences have no text.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from VisualDICOMBrowserLib.database.charsets import DEFAULT_CODEC, codecs_of, decode_text

__all__ = ["ASCII_TEXT", "LONG_FORM", "NOT_STORED", "SHORT_FORM", "VALUE_LIMIT", "text_of"]

LONG_FORM = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
"""VRs whose explicit form has two reserved bytes and a 32-bit length (DICOM PS3.5 7.1.2)."""

SHORT_FORM = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
"""VRs whose explicit form has a 16-bit length."""

VALUE_LIMIT = 16384
"""Longest value in bytes that becomes text; no attribute that is indexed comes near it."""

NOT_STORED = "__VALUE_IS_NOT_STORED__"
"""What stands for a value that is present but above the limit (CTK's tag cache marker)."""

_BYTES_LIMIT = 1024
_PADDING = " \0"
_PLAIN_TEXT = frozenset(b"AS CS DA DT TM UI UR".split())
_CHARSET_TEXT = frozenset(b"LO SH UC".split())
_ONE_TEXT = frozenset(b"LT ST UT".split())
_STRIPPED_BOTH = frozenset(b"AE DS IS".split())
_NUMBERS = {
    b"US": "H",
    b"SS": "h",
    b"UL": "I",
    b"SL": "i",
    b"UV": "Q",
    b"SV": "q",
    b"FL": "f",
    b"FD": "d",
}
_BYTES = frozenset(b"OB OD OF OL OV OW UN".split())


def _stripped_name(text: str, padding: str) -> str:
    return text.rstrip(padding).rstrip("=")


ASCII_TEXT: dict[bytes, Callable[[str, str], str]] = {
    **dict.fromkeys(_PLAIN_TEXT | _CHARSET_TEXT | _ONE_TEXT, str.rstrip),
    **dict.fromkeys(_STRIPPED_BOTH, str.strip),
    b"PN": _stripped_name,
}
"""How to strip the padding of a single ASCII value, by VR: the shortcut for nearly all text."""


def text_of(vr: bytes, value: bytes, character_set: str, *, big_endian: bool) -> str:
    """Text of one element, empty if it has no value or none that is text.

    Parameters
    ----------
    vr : bytes
        Value representation, two letters; an unknown one counts as UN.
    value : bytes
        The value field.
    character_set : str
        Text of (0008,0005), empty if the file has none.
    big_endian : bool
        Byte order of binary numbers.
    """
    if len(value) > VALUE_LIMIT:
        return NOT_STORED
    if vr in _CHARSET_TEXT:
        return _joined(decode_text(value, codecs_of(character_set)), str.rstrip)
    if vr in _ONE_TEXT:
        return decode_text(value, codecs_of(character_set)).rstrip(_PADDING)
    if vr == b"PN":
        return _names(value, character_set)
    if vr in _NUMBERS:
        return _numbers(_NUMBERS[vr], value, big_endian)
    if vr in _STRIPPED_BOTH:
        return _joined(value.decode(DEFAULT_CODEC), str.strip)
    if vr in _PLAIN_TEXT:
        return _joined(value.decode(DEFAULT_CODEC), str.rstrip)
    if vr == b"AT":
        return _tags(value, big_endian)
    if vr == b"SQ":
        return ""
    return _hexadecimal(value)


def _joined(text: str, strip: Callable[[str, str], str]) -> str:
    """`text` with the padding of every value removed, empty if no value is left."""
    text = strip(text, _PADDING)
    if "\\" not in text:
        return text
    return "\\".join(strip(part, _PADDING) for part in text.split("\\"))


def _names(value: bytes, character_set: str) -> str:
    text = decode_text(value.rstrip(b"\0 "), codecs_of(character_set))
    return "\\".join(_stripped_name(name, _PADDING) for name in text.split("\\"))


def _numbers(code: str, value: bytes, big_endian: bool) -> str:
    """Decimal text; a length that is no multiple of the number's size is shown as bytes."""
    if code == "H" and len(value) == 2:
        return str(int.from_bytes(value, "big" if big_endian else "little"))
    count, rest = divmod(len(value), struct.calcsize("=" + code))
    if rest:
        return _hexadecimal(value)
    numbers = struct.unpack(f"{'><'[not big_endian]}{count}{code}", value)
    return "\\".join(repr(number).removesuffix(".0") for number in numbers)


def _tags(value: bytes, big_endian: bool) -> str:
    halves = struct.unpack(f"{'><'[not big_endian]}{len(value) // 4 * 2}H", value[: len(value) // 4 * 4])
    return "\\".join(f"({group:04x},{element:04x})" for group, element in zip(halves[::2], halves[1::2], strict=True))


def _hexadecimal(value: bytes) -> str:
    return value.hex("\\") if len(value) <= _BYTES_LIMIT else NOT_STORED
