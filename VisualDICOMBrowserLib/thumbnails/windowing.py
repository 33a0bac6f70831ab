"""Stored values of a grey image to the 8-bit picture a radiologist expects (DICOM PS3.3 C.11.1, C.11.2).

Modality LUT or rescale, then VOI LUT, else the first window of the file, else percentiles; MONOCHROME1 turned
over; padding black. Attributes come through `FrameHeader`, so enhanced objects need nothing of their own.
Arrays in, arrays out; any thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from VisualDICOMBrowserLib.thumbnails.pixel_format import PixelFormat
from VisualDICOMBrowserLib.thumbnails.values import PARSER_FAULTS, FrameHeader, items, number, numbers, text

__all__ = ["Window", "default_window", "grey_picture"]

Values = npt.NDArray[Any]
Picture = npt.NDArray[np.uint8]

PERCENTILES = (0.5, 99.5)
# A window that leaves fewer grey levels than this of an image with contrast is taken for a mistake.
MINIMUM_CONTRAST = 16
_SAMPLE = 20_000


@dataclass(frozen=True, slots=True)
class Window:
    """Window of PS3.3 C.11.2.1.2 and C.11.2.1.3; ``width`` > 0, ``function`` as VOI LUT Function (0028,1056)."""

    center: float
    width: float
    function: str = "LINEAR"

    def apply(self, values: Values) -> Picture:
        """`values` (after the modality transformation) as 0 to 255."""
        if self.function == "SIGMOID":
            exponent = np.clip((self.center - values) * (4 / self.width), -60, 60)
            return _rounded(255 / (1 + np.exp(exponent)))
        center, width = self.center, self.width
        # Below 1 the formula of LINEAR is undefined; writers of floating values mean LINEAR_EXACT.
        if self.function != "LINEAR_EXACT" and width >= 1:
            center, width = center - 0.5, width - 1
        if not width:
            step: Picture = np.where(values > center, np.uint8(255), np.uint8(0))
            return step
        scale = 255 / width
        levels = values * scale
        levels += 127.5 - center * scale
        return _rounded(levels)


def grey_picture(
    stored: Values, layout: PixelFormat, frame: FrameHeader, photometric: str, window: Window | None = None
) -> Picture:
    """8-bit picture of the same rows and columns; 0 is black.

    Parameters
    ----------
    stored : array
        Stored values, two-dimensional.
    layout : PixelFormat
        Their layout.
    frame : FrameHeader
        Attributes of the frame.
    photometric : str
        Photometric Interpretation (0028,0004).
    window : Window, optional
        Window chosen by a person, which is applied as it is; the best one for the frame if not given.
    """
    ignored = _padding(stored, layout, frame.header)
    values = _modality_values(stored, frame)
    picture = _best_picture(values, layout, frame, ignored) if window is None else window.apply(values)
    if photometric == "MONOCHROME1":
        picture = 255 - picture
    if ignored is not None:
        picture[ignored] = 0
    return picture


def default_window(stored: Values, layout: PixelFormat, frame: FrameHeader) -> Window:
    """Window from which a person begins who changes that of `grey_picture`; of a VOI LUT the range it covers."""
    ignored = _padding(stored, layout, frame.header)
    values = _modality_values(stored, frame)
    table = _voi_table(values, frame)
    if table is not None:
        return Window(table.first + len(table.entries) / 2, float(len(table.entries)), "LINEAR_EXACT")
    window = _first_window(frame) or _full_range(values, layout, frame)
    if window is None or _hides_contrast(window.apply(values), values, ignored):
        window = _percentile_window(values, ignored) or Window(float(values.flat[0]), 1.0)
    return window


def _best_picture(
    values: Values, layout: PixelFormat, frame: FrameHeader, ignored: npt.NDArray[np.bool_] | None
) -> Picture:
    picture = _by_voi_lut(values, frame)
    if picture is None:
        window = _first_window(frame) or _full_range(values, layout, frame)
        picture = window.apply(values) if window else None
    if picture is None or _hides_contrast(picture, values, ignored):
        picture = _by_percentiles(values, ignored)
    return picture


def _padding(stored: Values, layout: PixelFormat, header: Dataset) -> npt.NDArray[np.bool_] | None:
    """Where the values are padding (PS3.3 C.7.5.1.1.2) or no finite numbers; None if nowhere."""
    if stored.dtype.kind == "f":
        mask = ~np.isfinite(stored)
        value = number(header, layout.keyword.replace("PixelData", "PixelPaddingValue"))
        if value is not None:
            mask |= stored == value
    else:
        value = number(header, "PixelPaddingValue")
        if value is None or text(header, "PhotometricInterpretation") == "PALETTE COLOR":
            return None
        limit = number(header, "PixelPaddingRangeLimit")
        low, high = sorted((_as_stored(value, layout), _as_stored(value if limit is None else limit, layout)))
        mask = (stored >= low) & (stored <= high)
    return mask if mask.any() and not mask.all() else None


def _as_stored(value: float, layout: PixelFormat) -> float:
    """Padding value with the sign of the pixels; files often state it in the other representation."""
    if layout.signed and value >= 1 << (layout.bits_allocated - 1):
        return value - (1 << layout.bits_allocated)
    if not layout.signed and value < 0:
        return value + (1 << layout.bits_allocated)
    return value


def _modality_values(stored: Values, frame: FrameHeader) -> Values:
    """Values after Modality LUT or rescale, as floating point."""
    # 32 bits hold every 16-bit value exactly; wider ones need 64.
    values = stored.astype(np.float32 if stored.dtype.itemsize <= 2 or stored.dtype == "f4" else np.float64)
    if stored.dtype.kind == "f":
        np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    lut = next(iter(items(frame.header, "ModalityLUTSequence")), None)
    table = _table(lut) if lut is not None else None
    if table is not None:
        return table.look_up(values)
    group = frame.group("PixelValueTransformationSequence")
    slope, intercept = number(group, "RescaleSlope"), number(group, "RescaleIntercept")
    if slope not in (None, 0, 1):
        np.multiply(values, slope, out=values)
    if intercept:
        np.add(values, intercept, out=values)
    return values


@dataclass(frozen=True, slots=True)
class _Table:
    """Look-up table of PS3.3 C.11.1.1: ``entries`` for the inputs from ``first`` on; ends hold beyond."""

    first: int
    entries: Values
    bits: int

    def look_up(self, values: Values) -> Values:
        index = np.clip(values - self.first, 0, len(self.entries) - 1).astype(np.int32)
        found: Values = self.entries[index]
        return found


def _table(lut: Dataset) -> _Table | None:
    """Table of a Modality or VOI LUT item, None if it is damaged."""
    descriptor = numbers(lut, "LUTDescriptor")
    if len(descriptor) != 3:
        return None
    count, first, bits = (int(part) for part in descriptor)
    count = count or 65536
    try:
        data = lut["LUTData"].value
        raw = bytes(data) if isinstance(data, (bytes, bytearray)) else np.asarray(data, "<u2").tobytes()
    except PARSER_FAULTS:
        return None
    # Entries of 8 bits come one per word or, by older writers, two per word.
    kind = "<u2" if len(raw) >= 2 * count else "u1"
    entries = np.frombuffer(raw, kind, min(count, len(raw) // np.dtype(kind).itemsize))
    return _Table(first, entries.astype(np.float32), bits) if len(entries) and 0 < bits <= 16 else None


def _voi_table(values: Values, frame: FrameHeader) -> _Table | None:
    lut = next(iter(items(frame.group("FrameVOILUTSequence"), "VOILUTSequence")), None)
    table = _table(lut) if lut is not None else None
    if table is not None and table.first > 32767 and values.min() < 0:
        # The descriptor is unsigned where Pixel Representation says so, although rescaled values are not.
        table = _Table(table.first - 65536, table.entries, table.bits)
    return table


def _by_voi_lut(values: Values, frame: FrameHeader) -> Picture | None:
    table = _voi_table(values, frame)
    if table is None:
        return None
    # Descriptors often say 16 bits for entries of 12; the highest entry is what was meant as white.
    top = float(table.entries.max())
    white = (1 << min(table.bits, max(8, int(top).bit_length()))) - 1
    return _rounded(table.look_up(np.rint(values)) * (255 / white))


def _first_window(frame: FrameHeader) -> Window | None:
    group = frame.group("FrameVOILUTSequence")
    center, width = number(group, "WindowCenter"), number(group, "WindowWidth")
    if center is None or width is None or width <= 0:
        return None
    return Window(center, width, text(group, "VOILUTFunction").upper() or "LINEAR")


def _full_range(values: Values, layout: PixelFormat, frame: FrameHeader) -> Window | None:
    """Identity for 8-bit pictures without window (screen shots, ultrasound), which are meant as they are."""
    group = frame.group("PixelValueTransformationSequence")
    plain = not number(group, "RescaleIntercept") and number(group, "RescaleSlope") in (None, 1)
    if layout.keyword != "PixelData" or layout.signed or layout.bits_stored > 8 or not plain:
        return None
    if items(frame.header, "ModalityLUTSequence"):
        return None
    white = (1 << layout.bits_stored) - 1
    # Few bits of many are data and not a picture: labels, counts.
    return Window(white / 2, white, "LINEAR_EXACT") if values.max() > white / 4 else None


def _hides_contrast(picture: Picture, values: Values, ignored: npt.NDArray[np.bool_] | None) -> bool:
    """True for an even picture of values that are not even."""
    if ignored is not None:
        picture, values = picture[~ignored], values[~ignored]
    return int(picture.max()) - int(picture.min()) < MINIMUM_CONTRAST and bool(values.max() > values.min())


def _by_percentiles(values: Values, ignored: npt.NDArray[np.bool_] | None) -> Picture:
    window = _percentile_window(values, ignored)
    if window is not None:
        return window.apply(values)
    even = values.flat[0] if ignored is None else values[~ignored].flat[0]
    return np.full(values.shape, 0 if even == 0 else 128, np.uint8)


def _percentile_window(values: Values, ignored: npt.NDArray[np.bool_] | None) -> Window | None:
    """Window over nearly all values, None where all are equal."""
    shown = values.ravel() if ignored is None else values[~ignored]
    sample = shown[:: max(1, shown.size // _SAMPLE)]
    low, high = (float(level) for level in np.percentile(sample, PERCENTILES))
    if high <= low:
        low, high = float(shown.min()), float(shown.max())
    return Window((low + high) / 2, high - low, "LINEAR_EXACT") if high > low else None


def _rounded(levels: Values) -> Picture:
    levels += 0.5
    np.clip(levels, 0, 255, out=levels)
    return levels.astype(np.uint8)
