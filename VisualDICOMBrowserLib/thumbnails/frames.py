"""One frame of an open file as an array; no other frame is decoded and none but its bytes are read.

Native pixels are read at their offset; compressed ones are decoded by pydicom's plugins. What the numbers
mean (window, palette) is for ``windowing`` and ``colour``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import Decoder
from pydicom.uid import UID, RLELossless

from VisualDICOMBrowserLib.errors import ImageFault
from VisualDICOMBrowserLib.thumbnails.decoders import decoder_for, failure_reason
from VisualDICOMBrowserLib.thumbnails.fragments import EncapsulatedFrames, stated_size
from VisualDICOMBrowserLib.thumbnails.image_file import ImageFile
from VisualDICOMBrowserLib.thumbnails.pixel_format import PixelFormat
from VisualDICOMBrowserLib.thumbnails.values import PARSER_FAULTS

__all__ = ["Frame", "FrameReader"]


@dataclass(frozen=True, slots=True)
class Frame:
    """Stored values of one frame, ``(rows, columns)`` or ``(rows, columns, samples)``.

    ``photometric`` is the colour space of these values, which a decoder may have changed to RGB.
    """

    values: npt.NDArray[Any]
    photometric: str


class FrameReader:
    """Reads frames of one open file.

    Parameters
    ----------
    image : ImageFile
        The file, open for as long as this reader is used.

    Raises
    ------
    ImageFault
        There are no pixels, or not one whole frame of them.
    """

    def __init__(self, image: ImageFile) -> None:
        self._image = image
        self._format = image.format
        self._pixels = image.required_pixels
        self._encapsulated: EncapsulatedFrames | None = None
        native = self._native_count()
        syntax = image.transfer_syntax
        if self._pixels.length is None or (not native and not syntax.is_private and syntax.is_encapsulated):
            self._encapsulated = EncapsulatedFrames(
                image.stream, self._pixels.offset, image.size, self._format.frames, _offset_table(image)
            )
            self.count = min(len(self._encapsulated), self._format.frames)
        elif not native:
            message = "The file ends within its pixel data."
            raise ImageFault(message, subject=str(image.path))
        else:
            self.count = min(native, self._format.frames)

    def read(self, index: int) -> Frame:
        """Frame `index`, from 0 to ``count - 1``.

        Raises
        ------
        ImageFault
            The frame cannot be decoded; `MissingDecoderError` if a package would help.
        """
        if self._encapsulated is not None:
            return self._compressed(self._encapsulated, index)
        if self._format.bits_allocated == 1:
            return self._bits(index)
        length = self._format.frame_bits // 8
        buffer = self._at(self._pixels.offset + index * length, length)
        if self._format.samples == 1 and self._image.is_little_endian:
            return Frame(self._plain(buffer), self._format.photometric)
        return self._by_pydicom(buffer, index)

    def _native_count(self) -> int:
        length = self._pixels.length
        if length is None:
            return 0
        there = min(length, self._image.size - self._pixels.offset)
        return there * 8 // self._format.frame_bits

    def _at(self, offset: int, length: int) -> bytes:
        self._image.stream.seek(offset)
        return self._image.stream.read(length)

    def _plain(self, buffer: bytes) -> npt.NDArray[Any]:
        layout = self._format
        kind = "f" if layout.keyword != "PixelData" else "i" if layout.signed else "u"
        values = np.frombuffer(buffer, dtype=f"<{kind}{layout.bits_allocated // 8}")
        return _without_unused_bits(values, layout).reshape(layout.rows, layout.columns)

    def _bits(self, index: int) -> Frame:
        """One frame of packed bits, which need not begin on a byte (PS3.5 8.1.1)."""
        count = self._format.frame_bits
        first = index * count
        buffer = self._at(self._pixels.offset + first // 8, (first % 8 + count + 7) // 8)
        bits = np.unpackbits(np.frombuffer(buffer, np.uint8), bitorder="little")[first % 8 :][:count]
        return Frame(bits.reshape(self._format.rows, self._format.columns), self._format.photometric)

    def _by_pydicom(self, buffer: bytes, index: int) -> Frame:
        """Colour and big endian native data: planes, sub-sampling and byte order are pydicom's to sort out."""
        if self._format.bits_allocated == 8 and not self._image.is_little_endian and self._pixels.vr == "OW":
            buffer = self._whole_words(index)
        syntax = "1.2.840.10008.1.2.1" if self._image.is_little_endian else "1.2.840.10008.1.2.2"
        return self._decoded(decoder_for(UID(syntax)), buffer)

    def _whole_words(self, index: int) -> bytes:
        """8-bit frame out of byte-swapped words, as it would stand had it begun on a word."""
        length = self._format.frame_bits // 8
        start = index * length
        words = self._at(self._pixels.offset + start - start % 2, length + start % 2 + 1)
        words = words[: len(words) // 2 * 2]
        straight = np.frombuffer(words, "<u2").byteswap().tobytes()[start % 2 :][:length]
        straight += b"\0" * (len(straight) % 2)
        swapped: bytes = np.frombuffer(straight, "<u2").byteswap().tobytes()
        return swapped

    def _compressed(self, frames: EncapsulatedFrames, index: int) -> Frame:
        syntax = self._image.transfer_syntax
        if syntax.is_private or not syntax.is_encapsulated:
            message = f"The pixel data are compressed, but the file does not say how ({syntax.name})."
            raise ImageFault(message, subject=str(self._image.path))
        decoder = decoder_for(syntax)
        codestream = frames.read(index)
        if syntax != RLELossless:
            self._check_size(codestream)
        return self._decoded(decoder, encapsulate([codestream]))

    def _check_size(self, codestream: bytes) -> None:
        size = stated_size(codestream)
        if size == (self._format.rows, self._format.columns):
            return
        message = "The compressed data of the image do not say how large it is."
        if size is not None:
            message = (
                f"The compressed image is {size[1]} x {size[0]} pixels, "
                f"but the header says {self._format.columns} x {self._format.rows}."
            )
        raise ImageFault(message, subject=str(self._image.path))

    def _decoded(self, decoder: Decoder, buffer: bytes) -> Frame:
        options = self._format.decoder_options(self._pixels.vr)
        try:
            values, properties = decoder.as_array(buffer, index=0, **options)
        except PARSER_FAULTS as fault:
            raise ImageFault(failure_reason(decoder), subject=str(self._image.path)) from fault
        return Frame(values, str(properties["photometric_interpretation"]))


def _offset_table(image: ImageFile) -> tuple[int, ...]:
    """Extended offset table of the file, empty if it has none or a damaged one (PS3.3 C.7.6.3.1.8)."""
    try:
        table = bytes(image.header.get("ExtendedOffsetTable") or b"")
    except PARSER_FAULTS:
        return ()
    return struct.unpack(f"<{len(table) // 8}Q", table[: len(table) // 8 * 8])


def _without_unused_bits(values: npt.NDArray[Any], layout: PixelFormat) -> npt.NDArray[Any]:
    """`values` with the bits above Bits Stored taken out, where they hold something (PS3.5 8.1.1)."""
    unused = layout.bits_allocated - layout.bits_stored
    if not unused or layout.keyword != "PixelData":
        return values
    if layout.signed:
        limit = 1 << (layout.bits_stored - 1)
        if values.min() >= -limit and values.max() < limit:
            return values
        shifted: npt.NDArray[Any] = np.right_shift(np.left_shift(values, unused), unused)
        return shifted
    mask = (1 << layout.bits_stored) - 1
    return values if values.max() <= mask else values & values.dtype.type(mask)
