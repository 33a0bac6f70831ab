"""One frame of an open image file as a grey or RGB picture of thumbnail size. Any thread, one file each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from VisualDICOMBrowserLib.thumbnails.colour import palette_picture, rgb_picture
from VisualDICOMBrowserLib.thumbnails.frames import FrameReader
from VisualDICOMBrowserLib.thumbnails.geometry import Canvas, frame_plane
from VisualDICOMBrowserLib.thumbnails.image_file import ImageFile
from VisualDICOMBrowserLib.thumbnails.pixel_format import PixelFormat
from VisualDICOMBrowserLib.thumbnails.scaling import fitted_size, pixel_aspect, scaled, thinned
from VisualDICOMBrowserLib.thumbnails.values import FrameHeader
from VisualDICOMBrowserLib.thumbnails.windowing import Window, grey_picture

__all__ = ["frame_canvas", "frame_picture", "middle_out", "shown_picture"]


def middle_out(count: int) -> Iterator[int]:
    """Indices 0 to ``count - 1``, the middle one (``count // 2``) first, then outwards on both sides."""
    middle = count // 2
    for distance in range(count):
        if middle + distance < count and distance:
            yield middle + distance
        if middle - distance >= 0:
            yield middle - distance


def frame_picture(image: ImageFile, box: int, index: int | None = None) -> npt.NDArray[np.uint8]:
    """Picture of one frame that fits a square of `box` pixels.

    Parameters
    ----------
    image : ImageFile
        Open file.
    box : int
        Longest side of the picture.
    index : int, optional
        Number of the frame from 0; the middle one if not given.

    Raises
    ------
    ImageFault
        There is no such frame or it cannot be decoded.
    """
    reader = FrameReader(image)
    index = reader.count // 2 if index is None else min(index, reader.count - 1)
    frame = reader.read(index)
    header = FrameHeader(image.header, index)
    layout = image.format
    picture = shown_picture(thinned(frame.values, box), frame.photometric, layout, header)
    return scaled(picture, fitted_size(layout.rows, layout.columns, pixel_aspect(header), box))


def shown_picture(
    values: npt.NDArray[Any], photometric: str, layout: PixelFormat, header: FrameHeader, window: Window | None = None
) -> npt.NDArray[np.uint8]:
    """Stored values of a frame as grey or RGB of 8 bits; `window` is for grey values alone."""
    if values.ndim == 3:
        return rgb_picture(values, layout)
    if photometric == "PALETTE COLOR":
        return palette_picture(values, header.header)
    return grey_picture(values, layout, header, photometric, window)


def frame_canvas(image: ImageFile, box: int, index: int | None = None) -> Canvas:
    """Frame `index` as a canvas to draw overlays on; arguments and errors as in `frame_picture`."""
    picture = frame_picture(image, box, index)
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    plane = frame_plane(FrameHeader(image.header, index or 0))
    return Canvas(picture, image.format.rows, image.format.columns, plane)
