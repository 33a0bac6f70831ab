"""Colour frames to 8-bit RGB: palettes, RGB of any depth; and the colours that overlays are drawn in.

YBR data have become RGB in pydicom's decoder before they come here. Arrays in, arrays out; any thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut

from VisualDICOMBrowserLib.errors import ImageFault
from VisualDICOMBrowserLib.thumbnails.pixel_format import PixelFormat
from VisualDICOMBrowserLib.thumbnails.values import PARSER_FAULTS, numbers

__all__ = ["heat_colours", "lab_to_rgb", "palette_picture", "rgb_picture", "segment_colour"]

Picture = npt.NDArray[np.uint8]

_CHANNELS = ("Red", "Green", "Blue")
# Well apart in hue and readable over grey, in this order for segments without a colour of their own.
_SEGMENT_COLOURS = (
    (230, 60, 60),
    (60, 200, 90),
    (70, 130, 255),
    (240, 200, 40),
    (200, 90, 230),
    (40, 210, 220),
    (250, 140, 40),
    (170, 220, 70),
)


def rgb_picture(values: npt.NDArray[Any], layout: PixelFormat) -> Picture:
    """8-bit RGB of `values` with three or four samples; deeper samples keep their highest 8 bits."""
    values = values[..., :3]
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    scale = 255 / ((1 << layout.bits_stored) - 1)
    return np.clip(values * scale + 0.5, 0, 255).astype(np.uint8)


def palette_picture(values: npt.NDArray[Any], header: Dataset) -> Picture:
    """8-bit RGB of indices into the palette of `header` (DICOM PS3.3 C.7.6.3.1.5, C.7.9).

    Indices outside the palette show its first or last colour.

    Raises
    ------
    ImageFault
        The palette is missing or damaged.
    """
    descriptor = numbers(header, "RedPaletteColorLookupTableDescriptor")
    if len(descriptor) != 3:
        message = "The palette of the image is missing."
        raise ImageFault(message)
    count, first, bits = int(descriptor[0]) or 65536, int(descriptor[1]), int(descriptor[2])
    try:
        if "RedPaletteColorLookupTableData" in header:
            table = _plain_palette(header, count, bits)
        else:
            table = _segmented_palette(header)
    except PARSER_FAULTS as fault:
        message = f"The palette of the image is damaged ({fault})."
        raise ImageFault(message) from fault
    index = np.clip(values.astype(np.int64) - first, 0, len(table) - 1)
    return table[index]


def _plain_palette(header: Dataset, count: int, bits: int) -> Picture:
    channels = [bytes(header[f"{name}PaletteColorLookupTableData"].value) for name in _CHANNELS]
    # Entries of 8 bits come one per byte or one per word, whatever the descriptor says.
    wide = min(len(channel) for channel in channels) >= 2 * count
    channels = [channel[: count * (2 if wide else 1)] for channel in channels]
    if min(len(channel) for channel in channels) < count:
        message = f"{min(len(channel) for channel in channels)} bytes for {count} colours"
        raise ValueError(message)
    order = "<" if header.original_encoding[1] else ">"
    table = np.stack([np.frombuffer(channel, f"{order}u2" if wide else "u1") for channel in channels], axis=-1)
    return _high_bytes(table, bits)


def _segmented_palette(header: Dataset) -> Picture:
    """Palette expanded by pydicom, which gives no access to the table but through pixels."""
    count, first, bits = (int(part) for part in numbers(header, "RedPaletteColorLookupTableDescriptor"))
    # pydicom counts in the depth of the entries, so a palette of 8-bit entries can be asked for 256 at once.
    count = min(count or 65536, 256 if bits <= 8 else 65536)
    table = apply_color_lut(np.arange(first, first + count, dtype=np.int32), header)
    return _high_bytes(table[:, :3], bits)


def _high_bytes(table: npt.NDArray[Any], bits: int) -> Picture:
    if table.dtype.itemsize == 1 or table.max() <= 255:
        return table.astype(np.uint8)
    return (table >> (8 if bits > 8 else 0)).astype(np.uint8)


def segment_colour(number: int) -> tuple[int, int, int]:
    """RGB for segment or region `number`, from 1, where the file gives it no colour."""
    return _SEGMENT_COLOURS[(number - 1) % len(_SEGMENT_COLOURS)]


def lab_to_rgb(encoded: Sequence[float]) -> tuple[int, int, int]:
    """sRGB of a CIELab value as DICOM encodes it: three 16-bit numbers (PS3.3 C.10.7.1.1), D50 white."""
    lightness = encoded[0] * 100 / 65535
    a, b = (part * 255 / 65535 - 128 for part in encoded[1:3])
    fy = (lightness + 16) / 116
    xyz_d50 = np.array([_linear(fy + a / 500) * 0.96422, _linear(fy), _linear(fy - b / 200) * 0.82521])
    # Bradford adaptation to D65 and sRGB primaries in one matrix.
    linear = np.clip(
        np.array(
            [
                [3.1338561, -1.6168667, -0.4906146],
                [-0.9787684, 1.9161415, 0.0334540],
                [0.0719453, -0.2289914, 1.4052427],
            ]
        )
        @ xyz_d50,
        0,
        1,
    )
    encoded_rgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = (round(level * 255) for level in encoded_rgb.tolist())
    return red, green, blue


def _linear(value: float) -> float:
    return value**3 if value > 6 / 29 else 3 * (6 / 29) ** 2 * (value - 4 / 29)


def heat_colours(levels: npt.NDArray[Any]) -> Picture:
    """RGB of `levels` 0 to 1 from blue over green and yellow to red, as dose is usually washed."""
    shifted = 0.5 + 3 * levels[..., None] - np.array([3.0, 2.0, 1.0])
    colours: Picture = (255 * np.clip(1.5 - np.abs(shifted), 0, 1) + 0.5).astype(np.uint8)
    return colours
