"""From one DICOM file to its picture, whatever kind of object it is. Any thread."""

from __future__ import annotations

from pathlib import Path

from VisualDICOMBrowserLib.errors import ImageFault
from VisualDICOMBrowserLib.thumbnails.dose import DOSE_CLASS, dose_drawing
from VisualDICOMBrowserLib.thumbnails.image_file import ImageFile
from VisualDICOMBrowserLib.thumbnails.image_picture import frame_picture
from VisualDICOMBrowserLib.thumbnails.labels import object_label
from VisualDICOMBrowserLib.thumbnails.overlays import Drawing
from VisualDICOMBrowserLib.thumbnails.references import ImageSource
from VisualDICOMBrowserLib.thumbnails.segmentation import SEGMENTATION_CLASSES, segmentation_drawing
from VisualDICOMBrowserLib.thumbnails.structures import STRUCTURE_SET_CLASS, structures_drawing
from VisualDICOMBrowserLib.thumbnails.values import PARSER_FAULTS, text

__all__ = ["draw"]


def draw(path: Path, source: ImageSource, box: int, frame: int | None = None) -> Drawing:
    """Picture of the object in `path`: its middle frame, or an overlay over the image it refers to.

    Parameters
    ----------
    path : Path
        DICOM file.
    source : ImageSource
        Where images that it refers to are looked for.
    box : int
        Longest side of the picture in pixels.
    frame : int, optional
        Frame to show in place of the middle one; for objects that are no overlay.

    Returns
    -------
    Drawing
        Without picture for an object that has no pixels (report, plan, waveform); the label then says what it is.

    Raises
    ------
    ImageFault
        The pixels are damaged, or (`MissingDecoderError`) need a package that is not installed.
    """
    try:
        return _draw(path, source, box, frame)
    except PARSER_FAULTS as fault:
        message = f"The image is damaged ({fault})."
        raise ImageFault(message, subject=str(path)) from fault


def _draw(path: Path, source: ImageSource, box: int, frame: int | None) -> Drawing:
    with ImageFile(path) as image:
        kind = text(image.header, "SOPClassUID")
        if kind == STRUCTURE_SET_CLASS:
            return structures_drawing(path, source, box)
        if image.pixels is None and not (text(image.header, "Rows") or text(image.header, "PixelDataProviderURL")):
            return Drawing(None, object_label(kind, text(image.header, "Modality")))
        if kind in SEGMENTATION_CLASSES:
            return segmentation_drawing(image, source, box)
        if kind == DOSE_CLASS:
            return dose_drawing(image, source, box)
        return Drawing(frame_picture(image, box, frame))
