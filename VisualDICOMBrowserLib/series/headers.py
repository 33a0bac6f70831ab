"""Slices of single-frame files, from values the database knows; and reading one header from its file.

`TAGS` is everything asked of the database, so that it can be read ahead. Files that need their own
header read (multi-frame, enhanced) go to `frames`. No VTK; main thread (uses `warnings` filters).
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import pydicom

from VisualDICOMBrowserLib.series.slices import PixelFormat, Slice, Vector, plane_directions
from VisualDICOMBrowserLib.series.value_source import ValueSource

__all__ = [
    "TAGS",
    "TRAIT_TAGS",
    "is_localizer",
    "is_mosaic",
    "numbers",
    "read_header",
    "single_frame_slice",
    "whole_number",
]

TAGS = {
    "sopClassUID": "0008,0016",
    "instanceUID": "0008,0018",
    "modality": "0008,0060",
    "imageType": "0008,0008",
    "instanceNumber": "0020,0013",
    "position": "0020,0032",
    "orientation": "0020,0037",
    "frameOfReferenceUID": "0020,0052",
    "rows": "0028,0010",
    "columns": "0028,0011",
    "numberOfFrames": "0028,0008",
    "photometricInterpretation": "0028,0004",
    "bitsAllocated": "0028,0100",
    "pixelRepresentation": "0028,0103",
    "pixelSpacing": "0028,0030",
    "imagerPixelSpacing": "0018,1164",
    "nominalScannedPixelSpacing": "0018,2010",
    "sliceThickness": "0018,0050",
    "spacingBetweenSlices": "0018,0088",
    "rescaleSlope": "0028,1053",
    "rescaleIntercept": "0028,1052",
    "windowCenter": "0028,1050",
    "windowWidth": "0028,1051",
}

# In the order in which they are preferred as the reason why a series holds several volumes.
TRAIT_TAGS = {
    "echo number": "0018,0086",
    "echo time": "0018,0081",
    "time point": "0020,0100",
    "b-value": "0018,9087",
    "gradient direction": "0018,9089",
    "inversion time": "0018,0082",
    "trigger time": "0018,1060",
    "acquisition": "0020,0012",
    "image type": TAGS["imageType"],
    "flip angle": "0018,1314",
    "peak voltage": "0018,0060",
    "reconstruction kernel": "0018,1210",
    "slice thickness": TAGS["sliceThickness"],
    "acquisition time": "0008,0032",
    "content time": "0008,0033",
}


def single_frame_slice(database: ValueSource, file: str) -> Slice:
    """The plane of a single-frame file."""

    def value(name: str) -> str:
        return database.fileValue(file, TAGS[name]).strip()

    photometric = value("photometricInterpretation")
    image_type = value("imageType")
    spacing = numbers(value("pixelSpacing"), 2) or numbers(value("imagerPixelSpacing"), 2)
    thickness = numbers(value("spacingBetweenSlices"), 1) or numbers(value("sliceThickness"), 1)
    return Slice(
        file=file,
        SOPInstanceUID=value("instanceUID"),
        InstanceNumber=whole_number(value("instanceNumber")),
        rows=whole_number(value("rows")),
        columns=whole_number(value("columns")),
        position=numbers(value("position"), 3),
        orientation=plane_directions(numbers(value("orientation"), 6)),
        pixel_spacing=_positive(spacing or numbers(value("nominalScannedPixelSpacing"), 2), 2),
        thickness=_positive(thickness, 1)[0],
        pixels=PixelFormat(
            bits_allocated=whole_number(value("bitsAllocated")) or 16,
            signed=value("pixelRepresentation") == "1",
            colour=bool(photometric) and not photometric.startswith("MONOCHROME"),
            inverted=photometric == "MONOCHROME1",
            slope=(numbers(value("rescaleSlope"), 1) or (1.0,))[0],
            intercept=(numbers(value("rescaleIntercept"), 1) or (0.0,))[0],
        ),
        windows=_windows(value("windowCenter"), value("windowWidth")),
        localizer=is_localizer(image_type),
        mosaic=is_mosaic(image_type),
        hard_traits=(value("frameOfReferenceUID"),),
        traits={name: database.fileValue(file, tag) for name, tag in TRAIT_TAGS.items()},
    )


def read_header(file: str) -> Any:
    """Header of a file without its pixel data (pydicom dataset); oddities in it are not warned about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(file, stop_before_pixels=True, force=True)


def is_localizer(image_type: str) -> bool:
    """True if Image Type (0008,0008) says that the image is for planning others."""
    return any(word in image_type.upper() for word in ("LOCALIZER", "SCOUT"))


def is_mosaic(image_type: str) -> bool:
    """True for Siemens mosaics: all slices of a volume tiled in one picture."""
    return "MOSAIC" in image_type.upper().split("\\")


def numbers(text: str, count: int) -> Vector | None:
    """The first `count` finite numbers of a multi-valued text, None if there are not that many."""
    try:
        values = tuple(float(part) for part in text.split("\\")[:count])
    except ValueError:
        return None
    return values if len(values) == count and all(map(math.isfinite, values)) else None


def whole_number(text: str) -> int:
    """Integer of an IS or US value, 0 if it is none."""
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        return 0


def _positive(values: Vector | None, count: int) -> Vector:
    """`values` without sign, 1 mm for what is missing or zero."""
    return tuple(abs(value) or 1.0 for value in values) if values else (1.0,) * count


def _windows(centers: str, widths: str) -> tuple[tuple[float, float], ...]:
    pairs = zip(centers.split("\\"), widths.split("\\"), strict=False)
    parsed = ((numbers(center, 1), numbers(width, 1)) for center, width in pairs)
    return tuple((center[0], width[0]) for center, width in parsed if center and width and width[0] > 0)
