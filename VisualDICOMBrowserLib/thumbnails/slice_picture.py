"""One frame of a local file as a person looks at it: any size, with the window they chose.

What a preview and a strip of slices are made of. A grey frame takes a window and tells which one it was shown
with; colour has none. Any thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from VisualDICOMBrowserLib.errors import ImageFault
from VisualDICOMBrowserLib.thumbnails.drawing import draw
from VisualDICOMBrowserLib.thumbnails.frames import FrameReader
from VisualDICOMBrowserLib.thumbnails.geometry import frame_plane
from VisualDICOMBrowserLib.thumbnails.image_file import ImageFile
from VisualDICOMBrowserLib.thumbnails.image_picture import shown_picture
from VisualDICOMBrowserLib.thumbnails.references import ImageSource
from VisualDICOMBrowserLib.thumbnails.scaling import fitted_size, pixel_aspect, scaled, thinned
from VisualDICOMBrowserLib.thumbnails.values import PARSER_FAULTS, FrameHeader, numbers
from VisualDICOMBrowserLib.thumbnails.windowing import Window, default_window

__all__ = ["SlicePicture", "SliceReader", "frame_view", "slice_picture"]


@dataclass(frozen=True, slots=True)
class SlicePicture:
    """A picture and what the frame says of itself.

    Parameters
    ----------
    picture : array
        8-bit grey ``(rows, columns)`` or RGB.
    window : Window or None
        Window it is shown with, None for colour.
    columns, rows : int
        Size of the frame; 0 for objects without pixels.
    spacing : tuple of float
        Distance between rows and between columns in mm, empty if not known.
    position : float or None
        Place along the normal of the frame in mm.
    """

    picture: npt.NDArray[np.uint8]
    window: Window | None = None
    columns: int = 0
    rows: int = 0
    spacing: tuple[float, ...] = ()
    position: float | None = None


class SliceReader:
    """Reads frames one after the other and keeps the last file open, as many may be of one file.

    Use as a context manager, in one thread. `source` is as in `slice_picture`.
    """

    def __init__(self, source: ImageSource) -> None:
        self._source = source
        self._image: ImageFile | None = None

    def __enter__(self) -> SliceReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def read(
        self, path: Path, frame: int, side: int, window: Window | None = None, fallback: Window | None = None
    ) -> SlicePicture:
        """As `slice_picture`."""
        try:
            image = self._opened(path)
            if image.pixels is not None:
                return frame_view(image, frame, side, window, fallback)
        except PARSER_FAULTS as fault:
            message = f"The image is damaged ({fault})."
            raise ImageFault(message, subject=str(path)) from fault
        drawing = draw(path, self._source, side)
        if drawing.picture is None:
            message = f"{drawing.label or 'This object'}: there is no picture to show."
            raise ImageFault(message, subject=str(path))
        return SlicePicture(drawing.picture)

    def _opened(self, path: Path) -> ImageFile:
        if self._image is None or self._image.path != path:
            self._close()
            self._image = ImageFile(path)
        return self._image

    def _close(self) -> None:
        if self._image is not None:
            self._image.close()
            self._image = None


def slice_picture(
    path: Path, frame: int, side: int, source: ImageSource, window: Window | None = None, fallback: Window | None = None
) -> SlicePicture:
    """Frame of the file at `path`, or the drawing of an object that has no pixels of its own.

    Parameters
    ----------
    path : Path
        DICOM file.
    frame : int
        Number of the frame from 0; the last one if there are fewer.
    side : int
        Longest side of the picture.
    source : ImageSource
        Where images that a drawing lies on are looked for.
    window : Window, optional
        Window to show it with, chosen by a person.
    fallback : Window, optional
        Window for a frame that states none, so that the slices of a series look alike.

    Raises
    ------
    ImageFault
        It cannot be shown; the sentence says why, for an object without picture what it is.
    """
    with SliceReader(source) as reader:
        return reader.read(path, frame, side, window, fallback)


def frame_view(
    image: ImageFile, index: int, side: int, window: Window | None = None, fallback: Window | None = None
) -> SlicePicture:
    """Picture of one frame of an open file; arguments as in `slice_picture`.

    Raises
    ------
    ImageFault
        The frame cannot be decoded.
    """
    reader = FrameReader(image)
    index = max(0, min(index, reader.count - 1))
    frame = reader.read(index)
    header = FrameHeader(image.header, index)
    layout = image.format
    values = thinned(frame.values, side)
    shown: Window | None = None
    if values.ndim == 2 and frame.photometric != "PALETTE COLOR":
        own = window is None and (fallback is None or bool(numbers(header.group("FrameVOILUTSequence"), "WindowWidth")))
        window = None if own else window or fallback
        shown = window or default_window(values, layout, header)
    picture = shown_picture(values, frame.photometric, layout, header, window)
    plane = frame_plane(header)
    return SlicePicture(
        scaled(picture, fitted_size(layout.rows, layout.columns, pixel_aspect(header), side)),
        shown,
        layout.columns,
        layout.rows,
        numbers(header.group("PixelMeasuresSequence"), "PixelSpacing"),
        None if plane is None else round(plane.height(plane.normal), 4),
    )
