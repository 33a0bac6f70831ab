"""Finding one frame in encapsulated pixel data (DICOM PS3.5 A.4) without reading the others.

Walks the item headers only; every length is held against the end of the file. Offset tables that are empty,
wrong or missing do not matter as long as the fragments themselves tell the frames apart.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from VisualDICOMBrowserLib.errors import ImageFault

__all__ = ["EncapsulatedFrames", "Fragment", "stated_size"]

_ITEM = 0xFFFEE000
_SEQUENCE_END = 0xFFFEE0DD
_FIRST_BYTES = (b"\xff\xd8", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  ")


@dataclass(frozen=True, slots=True)
class Fragment:
    """One item: ``start`` of its header relative to the first fragment, ``offset`` of its bytes in the file."""

    start: int
    offset: int
    length: int


class EncapsulatedFrames:
    """The frames of one encapsulated pixel data element.

    Parameters
    ----------
    stream : BinaryIO
        The file, which stays the caller's.
    offset, size : int
        Where the first item begins, and the length of the file.
    claimed : int
        Number of frames by the header.
    table : tuple of int
        Extended offset table (PS3.3 C.7.6.3.1.8), empty if the object has none.

    Raises
    ------
    ImageFault
        The items end in the middle or cannot be told apart as frames.
    """

    def __init__(self, stream: BinaryIO, offset: int, size: int, claimed: int, table: tuple[int, ...]) -> None:
        self._stream = stream
        self._size = size
        self._basic_table: tuple[int, ...] = ()
        self._fragments = self._walk(offset)
        if not self._fragments:
            message = "The compressed pixel data are empty."
            raise ImageFault(message)
        self._frames = self._grouped(claimed, table)

    def __len__(self) -> int:
        return len(self._frames)

    def read(self, index: int) -> bytes:
        """Compressed bytes of frame `index`."""
        parts = []
        for fragment in self._frames[index]:
            if fragment.offset + fragment.length > self._size:
                message = "The file ends within its compressed pixel data."
                raise ImageFault(message)
            self._stream.seek(fragment.offset)
            parts.append(self._stream.read(fragment.length))
        return b"".join(parts)

    def _walk(self, position: int) -> list[Fragment]:
        found: list[Fragment] = []
        first = -1
        while position + 8 <= self._size:
            self._stream.seek(position)
            group, element, length = struct.unpack("<HHL", self._stream.read(8))
            tag = group << 16 | element
            if tag == _SEQUENCE_END:
                break
            if tag != _ITEM:
                message = "The compressed pixel data are damaged: an item does not begin where it should."
                raise ImageFault(message)
            if first < 0:
                self._read_basic_table(position + 8, length)
                first = position + 8 + length
            elif length:
                found.append(Fragment(position - first, position + 8, length))
            position += 8 + length
        return found

    def _read_basic_table(self, offset: int, length: int) -> None:
        if offset + length > self._size:
            message = "The file ends within its table of frames."
            raise ImageFault(message)
        self._stream.seek(offset)
        self._basic_table = struct.unpack(f"<{length // 4}L", self._stream.read(length // 4 * 4))

    def _grouped(self, claimed: int, table: tuple[int, ...]) -> list[list[Fragment]]:
        fragments = self._fragments
        if claimed == 1:
            return [fragments]
        if len(fragments) == claimed:
            return [[fragment] for fragment in fragments]
        starts = {fragment.start for fragment in fragments}
        for offsets in (table, self._basic_table):
            if len(offsets) > 1 and offsets[0] == 0 and starts.issuperset(offsets):
                return self._split(frozenset(offsets))
        by_content = frozenset(fragment.start for fragment in fragments if self._begins_image(fragment))
        if fragments[0].start in by_content:
            return self._split(by_content)
        if len(fragments) < claimed:
            # Fewer images than the header claims, one fragment each: what is there can be shown.
            return [[fragment] for fragment in fragments]
        message = "The table of frames is damaged, so the frames cannot be told apart."
        raise ImageFault(message)

    def _split(self, starts: frozenset[int]) -> list[list[Fragment]]:
        frames: list[list[Fragment]] = []
        for fragment in self._fragments:
            if fragment.start in starts:
                frames.append([])
            frames[-1].append(fragment)
        return frames

    def _begins_image(self, fragment: Fragment) -> bool:
        self._stream.seek(fragment.offset)
        return self._stream.read(8).startswith(_FIRST_BYTES)


def stated_size(codestream: bytes) -> tuple[int, int] | None:
    """Rows and columns that a JPEG, JPEG-LS or JPEG 2000 stream itself states, None if it does not.

    Asked before decoding, because decoders take memory for what the stream says and not for what the
    DICOM header says, and run on for very long where it says 0 (ITU-T T.81 B.2.2, T.87 C.2.2, T.800 A.5.1).
    """
    if codestream.startswith(b"\xff\xd8"):
        return _jpeg_size(codestream)
    siz = codestream.find(b"\xff\x4f\xff\x51", 0, 4096)
    if siz < 0 or len(codestream) < siz + 24:
        return None
    right, bottom, left, top = struct.unpack_from(">4L", codestream, siz + 8)
    return bottom - top, right - left


def _jpeg_size(codestream: bytes) -> tuple[int, int] | None:
    position = 2
    while position + 9 <= len(codestream):
        if codestream[position] != 0xFF:
            return None
        marker = codestream[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker in (0xDE, 0xDF):
            # Hierarchical images, which DICOM does not know, grow beyond their first frame.
            return None
        # Start of frame: SOF0..SOF15 without DHT, JPG and DAC, and SOF55 of JPEG-LS.
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            rows, columns = struct.unpack_from(">HH", codestream, position + 5)
            return rows, columns
        position += 2 + int.from_bytes(codestream[position + 2 : position + 4], "big")
    return None
