"""One DICOM file opened for its picture: the header that matters, and where its pixels lie.

Reads the header with pydicom, skipping every element a picture does not need, so that memory does not grow
with private elements or pixel data; a deflated file is inflated up to a limit. Decoding is in ``frames``.
An open file belongs to one thread.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset, read_file_meta_info
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from VisualDICOMBrowserLib.errors import ImageFault
from VisualDICOMBrowserLib.thumbnails.header_tags import PICTURE_KEYWORDS
from VisualDICOMBrowserLib.thumbnails.pixel_format import PixelFormat
from VisualDICOMBrowserLib.thumbnails.values import PARSER_FAULTS, text

__all__ = ["MAX_INFLATED_BYTES", "ImageFile", "PixelElement"]

# Of a deflated file; far above any single image that is sent this way.
MAX_INFLATED_BYTES = 256 * 2**20
_UNDEFINED_LENGTH = 0xFFFFFFFF

_PIXEL_KEYWORDS = {
    0x7FE00008: "FloatPixelData",
    0x7FE00009: "DoubleFloatPixelData",
    0x7FE00010: "PixelData",
}
_LONG_VRS = {b"OB", b"OW", b"OF", b"OD", b"UN"}


def _tags_of(keywords: tuple[str, ...]) -> list[BaseTag | int]:
    return [Tag(keyword) for keyword in keywords]


_PICTURE_TAGS = _tags_of(PICTURE_KEYWORDS)


@dataclass(frozen=True, slots=True)
class PixelElement:
    """Where the pixel data lie: ``offset`` of the value; ``length`` in bytes, None if undefined (encapsulated)."""

    keyword: str
    vr: str
    offset: int
    length: int | None


class ImageFile:
    """An open DICOM file. Use as a context manager.

    Parameters
    ----------
    path : Path
        The file.
    extra : tuple of str
        Keywords of further attributes wanted in ``header``.

    Raises
    ------
    ImageFault
        The file cannot be opened or is no readable DICOM file.
    """

    def __init__(self, path: Path, extra: tuple[str, ...] = ()) -> None:
        self.path = path
        tags = [*_PICTURE_TAGS, *_tags_of(extra)]
        try:
            self.stream: BinaryIO = path.open("rb")
        except OSError as fault:
            message = f"The file cannot be opened: {fault.strerror or fault}."
            raise ImageFault(message, subject=str(path)) from fault
        try:
            self._read(tags)
        except PARSER_FAULTS as fault:
            self.close()
            message = f"The header of the file cannot be read ({fault})."
            raise ImageFault(message, subject=str(path)) from fault
        except ImageFault:
            self.close()
            raise

    def __enter__(self) -> ImageFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; idempotent."""
        self.stream.close()

    @property
    def transfer_syntax(self) -> UID:
        """Transfer syntax of the pixels; what the encoding implies where the file does not say."""
        return self._transfer_syntax

    @cached_property
    def format(self) -> PixelFormat:
        """Layout of the pixels; raises `ImageFault` where the header is impossible or has no pixels."""
        return PixelFormat.of(self.header, self.required_pixels.keyword)

    @property
    def required_pixels(self) -> PixelElement:
        """Place of the pixels; raises `ImageFault` where there are none."""
        if self.pixels is None:
            if text(self.header, "PixelDataProviderURL"):
                message = "The pixels are kept on a server and not in the file (JPIP)."
            else:
                message = "The file ends before its pixel data."
            raise ImageFault(message, subject=str(self.path))
        return self.pixels

    def _read(self, tags: list[BaseTag | int]) -> None:
        self.size = os.fstat(self.stream.fileno()).st_size
        deflated = DeflatedExplicitVRLittleEndian.encode() in self.stream.read(2048)
        self.stream.seek(0)
        if deflated:
            self.header = self._read_deflated(tags)
        else:
            self.header = dcmread(self.stream, force=True, stop_before_pixels=True, specific_tags=tags)
        self.is_implicit, self.is_little_endian = (bool(flag) for flag in self.header.original_encoding)
        self._transfer_syntax = self._stated_transfer_syntax()
        self.pixels = self._locate_pixels()

    def _read_deflated(self, tags: list[BaseTag | int]) -> Dataset:
        meta = read_file_meta_info(self.path)
        # Preamble and prefix, then the group length element that counts the rest of group 2.
        self.stream.seek(132 + 12 + int(meta.FileMetaInformationGroupLength))
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        body = inflater.decompress(self.stream.read(MAX_INFLATED_BYTES), MAX_INFLATED_BYTES)
        if inflater.unconsumed_tail:
            message = f"The deflated file holds more than {MAX_INFLATED_BYTES >> 20} MB."
            raise ImageFault(message, subject=str(self.path))
        self.stream.close()
        self.stream, self.size = io.BytesIO(body), len(body)
        header = read_dataset(
            self.stream,
            is_implicit_VR=False,
            is_little_endian=True,
            stop_when=lambda tag, _vr, _length: int(tag) in _PIXEL_KEYWORDS,
            specific_tags=tags,
        )
        header.file_meta = meta
        header.set_original_encoding(False, True)
        return header

    def _stated_transfer_syntax(self) -> UID:
        with suppress(*PARSER_FAULTS):
            return UID(self.header.file_meta.TransferSyntaxUID)
        if self.is_implicit:
            return UID("1.2.840.10008.1.2")
        return UID("1.2.840.10008.1.2.1" if self.is_little_endian else "1.2.840.10008.1.2.2")

    def _locate_pixels(self) -> PixelElement | None:
        start = self.stream.tell()
        head = self.stream.read(12)
        order = "<" if self.is_little_endian else ">"
        if len(head) < 8:
            return None
        group, element = struct.unpack_from(f"{order}HH", head)
        keyword = _PIXEL_KEYWORDS.get(group << 16 | element)
        if keyword is None:
            return None
        # Not by the transfer syntax, which may be wrong about it; as a length these letters would be odd.
        if head[4:6] in _LONG_VRS and len(head) == 12:
            vr, length, offset = head[4:6].decode(), struct.unpack_from(f"{order}L", head, 8)[0], start + 12
        else:
            vr, length, offset = "OW", struct.unpack_from(f"{order}L", head, 4)[0], start + 8
        return PixelElement(keyword, vr, offset, None if length == _UNDEFINED_LENGTH else length)
