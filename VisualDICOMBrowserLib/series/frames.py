"""Slices of multi-frame files, from their functional groups.

Enhanced MR, CT and PET (position, orientation, spacing, rescale and window of every frame, PS3.3
C.7.6.16), RT Dose (grid frame offsets, C.8.8.3) and NM tomography (detector information, C.8.4.11);
other multi-frame objects have frames without position. Reads the header with pydicom. No VTK; main thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pydicom
from pydicom.datadict import keyword_for_tag

from VisualDICOMBrowserLib.series.headers import is_localizer, is_mosaic, read_header, whole_number
from VisualDICOMBrowserLib.series.slices import PixelFormat, Slice, Vector, cross_product, plane_directions

__all__ = ["multi_frame_slices"]

Attribute = Callable[[str], Any]

_GROUP_TRAITS = {
    "echo time": ("MREchoSequence", "EffectiveEchoTime"),
    "b-value": ("MRDiffusionSequence", "DiffusionBValue"),
    "time point": ("FrameContentSequence", "TemporalPositionIndex"),
    "frame type": ("MRImageFrameTypeSequence", "FrameType"),
    "cardiac delay": ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),
    "acquisition": ("FrameContentSequence", "FrameAcquisitionNumber"),
    "frame label": ("FrameContentSequence", "FrameLabel"),
}
# Dimensions that count the planes of one volume.
_PLANE_DIMENSIONS = {"InStackPositionNumber", "ImagePositionPatient", "StackID", "ImageOrientationPatient"}


def multi_frame_slices(file: str) -> list[Slice]:
    """All frames of a multi-frame (or enhanced single-frame) file, in file order."""
    dataset = read_header(file)
    groups = _Groups(dataset)
    count = max(whole_number(str(dataset.get("NumberOfFrames") or "1")), 1)
    positions = None if groups.per_frame else _implied_positions(dataset, count)
    return [_frame_slice(file, dataset, groups, index, positions) for index in range(count)]


class _Groups:
    """Functional groups of a dataset: those of a frame, else the shared ones."""

    def __init__(self, dataset: Any) -> None:
        self.per_frame = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
        shared = dataset.get("SharedFunctionalGroupsSequence") or []
        self.shared = shared[0] if shared else pydicom.Dataset()
        self.dimensions = _dimension_names(dataset)

    def item(self, index: int, sequence: str) -> Any:
        """First item of a functional group of one frame, an empty dataset if it has none."""
        own = self.per_frame[index] if index < len(self.per_frame) else self.shared
        items = own.get(sequence) or self.shared.get(sequence) or [pydicom.Dataset()]
        return items[0]


def _frame_slice(file: str, dataset: Any, groups: _Groups, index: int, positions: list[Vector] | None) -> Slice:
    measures = groups.item(index, "PixelMeasuresSequence")
    image_type = "\\".join(dataset.get("ImageType") or [])
    plane = groups.item(index, "PlaneOrientationSequence")
    orientation = _vector(plane.get("ImageOrientationPatient"), 6)
    orientation = orientation or _detector_value(dataset, "ImageOrientationPatient", 6)
    position = _vector(groups.item(index, "PlanePositionSequence").get("ImagePositionPatient"), 3)
    thickness = _first(measures, "SpacingBetweenSlices", "SliceThickness") or _first(
        dataset, "SpacingBetweenSlices", "SliceThickness"
    )
    spacing = _vector(measures.get("PixelSpacing"), 2) or _vector(dataset.get("PixelSpacing"), 2)
    return Slice(
        file=file,
        frame=index,
        SOPInstanceUID=str(dataset.get("SOPInstanceUID", "")),
        InstanceNumber=whole_number(str(dataset.get("InstanceNumber") or "0")),
        rows=int(dataset.get("Rows") or 0),
        columns=int(dataset.get("Columns") or 0),
        position=positions[index] if positions else position,
        orientation=plane_directions(orientation),
        pixel_spacing=tuple(abs(value) or 1.0 for value in spacing) if spacing else (1.0, 1.0),
        thickness=abs(thickness or 1.0),
        pixels=_pixel_format(dataset, groups.item(index, "PixelValueTransformationSequence")),
        windows=_windows(groups.item(index, "FrameVOILUTSequence")) or _windows(dataset),
        localizer=is_localizer(image_type),
        mosaic=is_mosaic(image_type),
        hard_traits=(file, str(groups.item(index, "FrameContentSequence").get("StackID", ""))),
        traits=_traits(groups, index),
    )


def _pixel_format(dataset: Any, transformation: Any) -> PixelFormat:
    photometric = str(dataset.get("PhotometricInterpretation", ""))
    dose_scaling = _first(dataset, "DoseGridScaling") if dataset.get("Modality") == "RTDOSE" else None
    slope = _first(transformation, "RescaleSlope") or _first(dataset, "RescaleSlope") or dose_scaling
    intercept = _first(transformation, "RescaleIntercept")
    if intercept is None:
        intercept = _first(dataset, "RescaleIntercept")
    return PixelFormat(
        bits_allocated=int(dataset.get("BitsAllocated") or 16),
        signed=dataset.get("PixelRepresentation") == 1,
        colour=bool(photometric) and not photometric.startswith("MONOCHROME"),
        inverted=photometric == "MONOCHROME1",
        slope=slope or 1.0,
        intercept=intercept or 0.0,
    )


def _implied_positions(dataset: Any, count: int) -> list[Vector] | None:
    """Positions of frames that the header gives by one origin and offsets along the normal."""
    origin = _detector_value(dataset, "ImagePositionPatient", 3)
    orientation = _detector_value(dataset, "ImageOrientationPatient", 6)
    if origin is None or orientation is None:
        return None
    normal = cross_product(orientation[:3], orientation[3:])
    if dataset.get("Modality") == "RTDOSE":
        offsets = [float(value) for value in _values(dataset.get("GridFrameOffsetVector"))] or [0.0]
        # The first offset is 0 (offsets along the normal); else offsets are patient z coordinates of axial
        # planes, whose normal points down the z axis where the patient lies feet first or prone.
        sign = -1.0 if offsets[0] and normal[2] < 0 else 1.0
        offsets = [sign * (offset - offsets[0]) for offset in offsets]
    elif count == 1 or "RECON TOMO" in "\\".join(dataset.get("ImageType") or []):
        step = _first(dataset, "SpacingBetweenSlices", "SliceThickness") or 1.0
        offsets = [index * step for index in range(count)]
    else:
        return None
    if len(offsets) < count:
        return None
    return [tuple(o + offset * n for o, n in zip(origin, normal, strict=True)) for offset in offsets[:count]]


def _detector_value(dataset: Any, keyword: str, count: int) -> Vector | None:
    """Vector of the dataset itself, else of its detector information (NM)."""
    own = _vector(dataset.get(keyword), count)
    detectors = dataset.get("DetectorInformationSequence")
    return own or (_vector(detectors[0].get(keyword), count) if detectors else None)


def _traits(groups: _Groups, index: int) -> dict[str, str]:
    traits = {
        name: _text(groups.item(index, sequence).get(keyword)) for name, (sequence, keyword) in _GROUP_TRAITS.items()
    }
    diffusion = groups.item(index, "MRDiffusionSequence")
    directions = diffusion.get("DiffusionGradientDirectionSequence")
    if directions:
        traits["gradient direction"] = _text(directions[0].get("DiffusionGradientOrientation"))
    indices = _values(groups.item(index, "FrameContentSequence").get("DimensionIndexValues"))
    for name, value in zip(groups.dimensions, indices, strict=False):
        if name not in _PLANE_DIMENSIONS:
            traits[f"dimension {name}"] = str(value)
    return traits


def _dimension_names(dataset: Any) -> list[str]:
    """Keyword of what each dimension index counts; its number where that is a private element."""
    names = []
    for number, item in enumerate(dataset.get("DimensionIndexSequence") or [], start=1):
        pointer = item.get("DimensionIndexPointer")
        names.append((keyword_for_tag(pointer) if pointer is not None else "") or str(number))
    return names


def _windows(item: Any) -> tuple[tuple[float, float], ...]:
    centers, widths = _values(item.get("WindowCenter")), _values(item.get("WindowWidth"))
    pairs = zip(centers, widths, strict=False)
    return tuple((float(center), float(width)) for center, width in pairs if float(width) > 0)


def _values(value: Any) -> list[Any]:
    if value is None or isinstance(value, str):
        return [value] if value else []
    return list(value) if hasattr(value, "__iter__") else [value]


def _vector(value: Any, count: int) -> Vector | None:
    values = tuple(float(part) for part in _values(value))
    return values if len(values) == count else None


def _first(item: Any, *keywords: str) -> float | None:
    """Number of the first of these elements that has one."""
    for keyword in keywords:
        values = _values(item.get(keyword))
        if values:
            return float(values[0])
    return None


def _text(value: Any) -> str:
    return "\\".join(str(part) for part in _values(value))
