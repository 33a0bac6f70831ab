"""Where the data set of a DICOM file begins and how it is encoded.

Reads the preamble and the File Meta Information, or guesses where a file has none. Used by the header scan
and by the comparison of contents; one thread per window.

References: DICOM PS3.10 chapter 7, PS3.5 chapter 10.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from VisualDICOMBrowserLib.database.elements import LONG_FORM
from VisualDICOMBrowserLib.database.header_source import TruncatedHeader, Window

__all__ = ["IMPLICIT_LITTLE", "Encoding", "locate_data_set"]

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
_EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
_EXPLICIT_BIG = "1.2.840.10008.1.2.2"
# Deflated explicit VR, and the two JPIP syntaxes that deflate the whole data set as well.
_DEFLATED = frozenset({"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})
_DICOMDIR_CLASS = "1.2.840.10008.1.3.10"

_PREFIX = b"DICM"
_META_GROUP = 0x0002
_SOP_CLASS, _TRANSFER_SYNTAX = 0x00020002, 0x00100002
_ELEMENT = struct.Struct("<I2sH").unpack_from
_LENGTH = struct.Struct("<I").unpack_from
_FIRST_GROUPS = (b"\x08\x00", b"\x04\x00")
_FIRST_GROUPS_BIG = (b"\x00\x08", b"\x00\x04")


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the data set at `offset` is written.

    ``transfer_syntax`` is the UID in the file, or the one that was concluded where it has none.
    ``certain`` is False where nothing but a plausible first element says that this is DICOM.
    """

    offset: int
    transfer_syntax: str
    explicit: bool
    big_endian: bool
    deflated: bool
    certain: bool
    is_dicomdir: bool


def locate_data_set(window: Window) -> Encoding | None:
    """Encoding of the data set in `window`, None if this is not DICOM.

    Raises
    ------
    TruncatedHeader
        The File Meta Information is not there in full.
    RejectedFileError
        It goes on and on.
    """
    offset = _meta_offset(window.data)
    certain = offset > 0
    offset, sop_class, syntax = _read_meta(window, offset)
    first = window.at(offset, 12)
    if not certain and not syntax and first[:2] not in _FIRST_GROUPS + _FIRST_GROUPS_BIG:
        return None
    if first[:2] == b"\0\0":
        offset = _after_commands(window, offset)
        first = window.at(offset, 12)
    is_dicomdir = sop_class == _DICOMDIR_CLASS or first[:4] == b"\x04\x00\x30\x11"
    if syntax in _DEFLATED:
        return Encoding(offset, syntax, True, False, True, certain, is_dicomdir)
    # The VR of the first element decides where the transfer syntax is wrong, as in pydicom.
    explicit = first[4:6].isalpha() and first[4:6].isupper() if len(first) > 5 else syntax != IMPLICIT_LITTLE
    big_endian = explicit and (syntax == _EXPLICIT_BIG or (not syntax and first[:2] in _FIRST_GROUPS_BIG))
    if not syntax:
        syntax = IMPLICIT_LITTLE if not explicit else _EXPLICIT_BIG if big_endian else _EXPLICIT_LITTLE
    return Encoding(offset, syntax, explicit, big_endian, False, certain, is_dicomdir)


def _meta_offset(data: bytes) -> int:
    """Where File Meta Information begins: after preamble and prefix, or at the very start."""
    if data[128:132] == _PREFIX:
        return 132
    return 4 if data[:4] == _PREFIX else 0


def _read_meta(window: Window, offset: int) -> tuple[int, str, str]:
    """Offset after group 0002, the Media Storage SOP Class UID and the Transfer Syntax UID.

    The group length is not trusted: the group ends where another one begins.
    """
    sop_class = syntax = ""
    data = window.data
    while True:
        at, header = offset, data
        if offset + 12 > len(data):
            at, header = 0, window.at(offset, 12)
            if len(header) < 8:
                return offset, sop_class, syntax
        raw, vr, length = _ELEMENT(header, at)
        if raw & 0xFFFF != _META_GROUP:
            return offset, sop_class, syntax
        offset += 8
        if vr in LONG_FORM:
            if len(header) < at + 12:
                raise TruncatedHeader(12, len(header))
            length = _LENGTH(header, at + 8)[0]
            offset += 4
        elif not b"AA" <= vr <= b"ZZ":
            length = _LENGTH(header, at + 4)[0]
        if offset + length > window.size:
            raise TruncatedHeader(length, window.size - offset)
        if raw == _TRANSFER_SYNTAX:
            syntax = _uid(window.peek(offset, min(length, 64)))
        elif raw == _SOP_CLASS:
            sop_class = _uid(window.peek(offset, min(length, 64)))
        offset += length


def _after_commands(window: Window, offset: int) -> int:
    """Offset after the command elements (group 0000, always implicit) that some network dumps begin with."""
    while len(header := window.at(offset, 12)) == 12 and header[:2] == b"\0\0":
        length = _LENGTH(header, 4)[0]
        if offset + 8 + length > window.size:
            raise TruncatedHeader(length, window.size - offset - 8)
        offset += 8 + length
    return offset


def _uid(value: bytes) -> str:
    return value.decode("latin_1").strip(" \0")
