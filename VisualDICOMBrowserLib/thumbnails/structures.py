"""Contours of an RT structure set over the image they were drawn on (DICOM PS3.3 C.8.8.6).

Any thread, one file each.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from VisualDICOMBrowserLib.thumbnails.colour import segment_colour
from VisualDICOMBrowserLib.thumbnails.geometry import Canvas, Plane, Vector
from VisualDICOMBrowserLib.thumbnails.image_file import ImageFile
from VisualDICOMBrowserLib.thumbnails.overlays import Drawing, black_canvas, overlay_canvas
from VisualDICOMBrowserLib.thumbnails.references import ImageSource, Reference
from VisualDICOMBrowserLib.thumbnails.values import items, numbers, text

__all__ = ["STRUCTURE_SET_CLASS", "structures_drawing"]

STRUCTURE_SET_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"

LABEL = "RT structure set"
# Reading contours as text costs about a second per 10 MB; larger sets get their label only.
MAX_FILE_BYTES = 64 * 2**20
_MARGIN = 1.15

Colour = tuple[int, int, int]
Contour = tuple[Colour, Vector]
SliceKey = Reference | float


def structures_drawing(path: Path, source: ImageSource, box: int) -> Drawing:
    """Contours of the slice that shows most regions (the middle one of several), over the image or on black.

    Raises
    ------
    ImageFault
        The file cannot be read.
    """
    if path.stat().st_size > MAX_FILE_BYTES:
        return Drawing(None, LABEL)
    extra = ("ROIContourSequence", "ReferencedFrameOfReferenceSequence")
    with ImageFile(path, extra) as file:
        header = file.header
    slices: dict[SliceKey, list[Contour]] = defaultdict(list)
    named: dict[SliceKey, list[Reference]] = {}
    regions = items(header, "ROIContourSequence")
    for order, region in enumerate(regions, start=1):
        colour = _colour(region, order)
        for contour in items(region, "ContourSequence"):
            points = _points(contour)
            if points is None:
                continue
            # One slice of axial contours has one z; others are told apart by the image they name.
            references = [Reference.of(item) for item in items(contour, "ContourImageSequence")]
            key: SliceKey = references[0] if references else round(float(points[:, 2].mean()), 2)
            slices[key].append((colour, points))
            named[key] = references
    if not slices:
        return Drawing(None, LABEL)
    key = _fullest(slices)
    plane = _slice_plane(slices[key], box)
    if frame := text(next(iter(items(header, "ReferencedFrameOfReferenceSequence")), header), "FrameOfReferenceUID"):
        header.FrameOfReferenceUID = frame
    canvas, base = overlay_canvas(source, header, named[key], plane, box, lambda: black_canvas(box, box, plane, box))
    if canvas.plane is None:
        canvas, base = black_canvas(box, box, plane, box), None
    for colour, points in slices[key]:
        _draw(canvas, points, colour)
    count = len(regions)
    return Drawing(canvas.picture, f"{count} structure{'s' * (count != 1)}", base, is_overlay=True)


def _points(contour: Dataset) -> Vector | None:
    """Points of a line or outline; None for single points (isocentres, markers) and damaged data."""
    values = numbers(contour, "ContourData")
    if len(values) < 6 or len(values) % 3:
        return None
    points = np.array(values).reshape(-1, 3)
    closed = text(contour, "ContourGeometricType").startswith("CLOSED")
    return np.vstack([points, points[:1]]) if closed else points


def _colour(region: Dataset, order: int) -> Colour:
    stated = numbers(region, "ROIDisplayColor")
    if len(stated) != 3:
        return segment_colour(order)
    red, green, blue = (min(255, max(0, int(part))) for part in stated)
    return red, green, blue


def _fullest(slices: dict[SliceKey, list[Contour]]) -> SliceKey:
    """Slice with most colours, the middle one along the axis on which the slices lie."""
    most = max(len({colour for colour, _points in contours}) for contours in slices.values())
    candidates = [key for key, contours in slices.items() if len({colour for colour, _points in contours}) == most]
    centres = {key: np.vstack([points for _colour, points in slices[key]]).mean(axis=0) for key in candidates}
    spread = np.ptp(np.array(list(centres.values())), axis=0)
    candidates.sort(key=lambda key: float(centres[key][int(spread.argmax())]))
    return candidates[len(candidates) // 2]


def _slice_plane(contours: list[Contour], pixels: int) -> Plane:
    """Square of `pixels` x `pixels` around the contours of one slice, in the body axes it extends along most."""
    points = np.vstack([points for _colour, points in contours])
    low, high = points.min(axis=0), points.max(axis=0)
    flat = int((high - low).argmin())
    across_axis, down_axis = ((1, 2), (0, 2), (0, 1))[flat]
    step = max(float((high - low).max()) * _MARGIN, 1.0) / pixels
    across, down = np.zeros(3), np.zeros(3)
    # Feet lie below: down the picture is towards smaller z in sagittal and coronal views.
    across[across_axis] = step
    down[down_axis] = step if flat == 2 else -step
    return Plane((low + high) / 2 - (across + down) * (pixels - 1) / 2, across, down)


def _draw(canvas: Canvas, points: Vector, colour: Colour) -> None:
    rows, columns = canvas.thumbnail_positions(points)
    height, width = canvas.picture.shape[:2]
    steps = np.maximum(np.abs(np.diff(rows)), np.abs(np.diff(columns)))
    along = np.concatenate([[0.0], np.cumsum(steps)])
    at = np.linspace(0.0, along[-1], min(int(along[-1] * 2) + 1, 100_000))
    row = np.rint(np.interp(at, along, rows)).astype(np.int64)
    column = np.rint(np.interp(at, along, columns)).astype(np.int64)
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    canvas.picture[row[inside], column[inside]] = colour
