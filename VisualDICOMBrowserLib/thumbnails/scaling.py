"""Pictures to the size of a thumbnail: averaged, never just skipped, with the aspect of the body part.

8-bit arrays in, 8-bit arrays out; any thread.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from VisualDICOMBrowserLib.thumbnails.values import FrameHeader, numbers

__all__ = ["MAX_ENLARGEMENT", "fitted_size", "pixel_aspect", "scaled", "thinned"]

# A 64 x 64 image fills the box of 256; smaller ones stay recognisable as small.
MAX_ENLARGEMENT = 4
# Averaging more source pixels per thumbnail pixel and direction than this shows no difference.
_SOURCE_PER_PIXEL = 4


def pixel_aspect(frame: FrameHeader) -> float:
    """Height of a pixel divided by its width, 1 where the file does not say (PS3.3 10.7, C.7.6.3.1.7)."""
    measures = frame.group("PixelMeasuresSequence")
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio"):
        spacing = numbers(measures if keyword == "PixelSpacing" else frame.header, keyword)
        if len(spacing) == 2 and min(spacing) > 0 and 0.05 <= spacing[0] / spacing[1] <= 20:
            return spacing[0] / spacing[1]
    return 1.0


def fitted_size(rows: int, columns: int, aspect: float, box: int) -> tuple[int, int]:
    """Rows and columns of the thumbnail of a `rows` x `columns` image in a square `box`.

    The aspect is kept; an image is enlarged by at most `MAX_ENLARGEMENT`.
    """
    height, width = float(rows), float(columns)
    if aspect > 1:
        height *= aspect
    else:
        width /= aspect
    scale = min(box / max(height, width), MAX_ENLARGEMENT)
    return max(1, round(height * scale)), max(1, round(width * scale))


def thinned(values: npt.NDArray[Any], box: int) -> npt.NDArray[Any]:
    """View of every n-th value of a very large image, so that work and memory stay small."""
    step = max(1, max(values.shape[:2]) // (box * _SOURCE_PER_PIXEL))
    view: npt.NDArray[Any] = values[::step, ::step]
    return view


def scaled(picture: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """`picture` (grey or RGB) in `size` rows and columns: block means, then linear interpolation."""
    rows, columns = size
    down, across = max(1, picture.shape[0] // rows), max(1, picture.shape[1] // columns)
    levels = _block_means(picture, down, across)
    levels = _interpolated(levels, rows, picture.shape[0] / down)
    levels = _interpolated(levels.swapaxes(0, 1), columns, picture.shape[1] / across).swapaxes(0, 1)
    rounded: npt.NDArray[np.uint8] = levels if levels is picture else (levels + 0.5).astype(np.uint8)
    return np.ascontiguousarray(rounded)


def _block_means(picture: npt.NDArray[np.uint8], down: int, across: int) -> npt.NDArray[Any]:
    """Means of whole blocks of `down` rows and `across` columns."""
    if down == 1 and across == 1:
        return picture
    picture = picture[: picture.shape[0] // down * down, : picture.shape[1] // across * across]
    # Sums over strided views run ten times as fast as a mean over a reshaped array; 256 bytes fit 16 bits.
    sums: npt.NDArray[Any] = picture[::down].astype(np.uint16 if down * across <= 256 else np.float32)
    for offset in range(1, down):
        sums += picture[offset::down]
    blocks = sums[:, ::across].copy()
    for offset in range(1, across):
        blocks += sums[:, offset::across]
    means: npt.NDArray[Any] = blocks * np.float32(1 / (down * across))
    return means


def _interpolated(levels: npt.NDArray[Any], count: int, extent: float) -> npt.NDArray[Any]:
    """First axis of `levels` resampled to `count` positions over `extent`, centres aligned, ends held.

    `extent` exceeds the length of the axis where a last, incomplete block was left out.
    """
    source = levels.shape[0]
    if extent == source == count:
        return levels
    position = np.clip((np.arange(count) + 0.5) * extent / count - 0.5, 0, source - 1)
    lower = position.astype(np.intp)
    upper = np.minimum(lower + 1, source - 1)
    fraction = (position - lower).astype(np.float32).reshape((-1,) + (1,) * (levels.ndim - 1))
    result: npt.NDArray[Any] = levels[lower] * (1 - fraction) + levels[upper] * fraction
    return result
