"""RT dose washed in colour over the image of the same place (DICOM PS3.3 C.8.8.3). Any thread, one file each."""

from __future__ import annotations

from VisualDICOMBrowserLib.thumbnails.colour import heat_colours
from VisualDICOMBrowserLib.thumbnails.frames import FrameReader
from VisualDICOMBrowserLib.thumbnails.geometry import frame_plane, grid_offsets
from VisualDICOMBrowserLib.thumbnails.image_file import ImageFile
from VisualDICOMBrowserLib.thumbnails.image_picture import middle_out
from VisualDICOMBrowserLib.thumbnails.overlays import Drawing, black_canvas, overlay_canvas
from VisualDICOMBrowserLib.thumbnails.references import ImageSource
from VisualDICOMBrowserLib.thumbnails.values import FrameHeader

__all__ = ["DOSE_CLASS", "dose_drawing"]

DOSE_CLASS = "1.2.840.10008.5.1.4.1.1.481.2"

# Below this share of the highest dose of the slice nothing is drawn; it would hide the body.
LOWEST_SHARE = 0.1
WASH = 0.5
_MAX_FRAMES = 32


def dose_drawing(image: ImageFile, source: ImageSource, box: int) -> Drawing:
    """Colour wash of the middle frame that has dose, blue for little and red for the highest of the slice.

    Raises
    ------
    ImageFault
        The dose cannot be decoded.
    """
    reader = FrameReader(image)
    index, dose = reader.count // 2, None
    for _turn, candidate in zip(range(_MAX_FRAMES), middle_out(reader.count), strict=False):
        values = reader.read(candidate).values
        if dose is None or values.max() > 0:
            index, dose = candidate, values
        if values.max() > 0:
            break
    header = FrameHeader(image.header, index)
    plane = frame_plane(header, grid_offsets(header, reader.count)[index])
    layout = image.format
    canvas, base = overlay_canvas(
        source,
        image.header,
        (),
        plane,
        box,
        lambda: black_canvas(layout.rows, layout.columns, plane, box),
    )
    highest = float(dose.max()) if dose is not None else 0.0
    if dose is not None and highest > 0:
        levels = canvas.sampled(dose / highest, plane, smooth=True)
        canvas.blend(levels >= LOWEST_SHARE, heat_colours(levels), WASH if base is not None else 1.0)
    return Drawing(canvas.picture, "Dose", base, is_overlay=True)
