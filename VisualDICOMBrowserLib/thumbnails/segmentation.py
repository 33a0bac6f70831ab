"""Segmentation objects drawn over the image they refer to, one colour per segment (DICOM PS3.3 A.51, C.8.20).

Any thread, one file each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from VisualDICOMBrowserLib.thumbnails.colour import lab_to_rgb, segment_colour
from VisualDICOMBrowserLib.thumbnails.frames import FrameReader
from VisualDICOMBrowserLib.thumbnails.geometry import frame_plane
from VisualDICOMBrowserLib.thumbnails.image_file import ImageFile
from VisualDICOMBrowserLib.thumbnails.image_picture import middle_out
from VisualDICOMBrowserLib.thumbnails.overlays import Drawing, black_canvas, outline, overlay_canvas
from VisualDICOMBrowserLib.thumbnails.references import ImageSource, Reference
from VisualDICOMBrowserLib.thumbnails.values import FrameHeader, items, number, numbers, text

__all__ = ["SEGMENTATION_CLASSES", "segmentation_drawing"]

SEGMENTATION_CLASSES = frozenset({"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"})

FILL = 0.4
# Writers may keep empty frames; this many places are tried, from the middle outwards.
_MAX_PLACES = 32

Mask = npt.NDArray[np.bool_]


def segmentation_drawing(image: ImageFile, source: ImageSource, box: int) -> Drawing:
    """Segments of the middle slice, filled lightly and outlined, over the image or on black.

    Raises
    ------
    ImageFault
        The segments cannot be decoded.
    """
    reader = FrameReader(image)
    frames = [FrameHeader(image.header, index) for index in range(reader.count)]
    shown: list[int] = []
    masks: dict[int, Mask] = {}
    places = _by_place(frames)
    for turn, place in zip(range(_MAX_PLACES), middle_out(len(places)), strict=False):
        found = _masks(image, reader, [frames[index] for index in places[place]])
        if found or not turn:
            shown, masks = places[place], found
        if found:
            break
    first = frames[shown[0]]
    plane = frame_plane(first)
    layout = image.format
    canvas, base = overlay_canvas(
        source,
        image.header,
        _references(first),
        plane,
        box,
        lambda: black_canvas(layout.rows, layout.columns, plane, box),
    )
    colours = _colours(image.header)
    for number_of_segment, mask in sorted(masks.items()):
        colour = np.array(colours.get(number_of_segment) or segment_colour(number_of_segment))
        drawn = canvas.sampled(mask, plane).astype(np.bool_)
        canvas.blend(drawn, colour, FILL)
        canvas.blend(outline(drawn), colour, 1.0)
    count = len(items(image.header, "SegmentSequence"))
    return Drawing(canvas.picture, f"{count} segment{'s' * (count != 1)}", base, is_overlay=True)


def _by_place(frames: list[FrameHeader]) -> list[list[int]]:
    """Frame numbers by the place they lie at, in the order of the places along the normal."""
    planes = [frame_plane(frame) for frame in frames]
    normal = next((plane.normal for plane in planes if plane is not None), None)
    places: dict[Any, list[int]] = {}
    for index, (frame, plane) in enumerate(zip(frames, planes, strict=True)):
        if plane is not None and normal is not None:
            key: Any = round(plane.height(normal), 2)
        else:
            key = next(iter(_references(frame)), index)
        places.setdefault(key, []).append(index)
    keys = list(places)
    if all(isinstance(key, float) for key in keys):
        keys.sort()
    return [places[key] for key in keys]


def _masks(image: ImageFile, reader: FrameReader, frames: list[FrameHeader]) -> dict[int, Mask]:
    """Pixels of each segment that has any in `frames`."""
    kind = text(image.header, "SegmentationType").upper()
    # Half of the highest value counts as inside; binary frames hold 0 and 1.
    threshold = (number(image.header, "MaximumFractionalValue") or 255) / 2 if kind == "FRACTIONAL" else 0.5
    masks: dict[int, Mask] = {}
    for frame in frames:
        values = reader.read(frame.index).values
        if kind == "LABELMAP":
            for label in np.unique(values[values > 0]).tolist():
                masks[label] = values == label
            continue
        identification = frame.group("SegmentIdentificationSequence")
        segment = int(number(identification, "ReferencedSegmentNumber") or 1)
        mask = values > threshold
        if mask.any():
            masks[segment] = masks[segment] | mask if segment in masks else mask
    return masks


def _references(frame: FrameHeader) -> list[Reference]:
    """Images that a frame was derived from (PS3.3 C.7.6.16.2.6)."""
    return [
        Reference.of(item)
        for derivation in frame.group_items("DerivationImageSequence")
        for item in items(derivation, "SourceImageSequence")
    ]


def _colours(header: Dataset) -> dict[int, tuple[int, int, int]]:
    found = {}
    for segment in items(header, "SegmentSequence"):
        lab = numbers(segment, "RecommendedDisplayCIELabValue")
        segment_number = number(segment, "SegmentNumber")
        if len(lab) == 3 and segment_number is not None:
            found[int(segment_number)] = lab_to_rgb(lab)
    return found
