"""Where the voxels of a stack of slices lie, and what is odd about how the slices are spaced.

Works on `Slice` records alone: sorting along the normal, the IJK to RAS matrix, and findings (uneven
spacing, missing slices, gantry tilt) as sentences with numbers. The text speaks of slice 1, 2, ... in
sorted order. numpy only; any thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from VisualDICOMBrowserLib.series.remarks import Remark
from VisualDICOMBrowserLib.series.slices import Slice, Vector

__all__ = ["NO_POSITIONS", "StackGeometry", "count_repeats", "normal_of", "sort_slices", "stack_geometry"]

FloatArray = NDArray[np.float64]

NO_POSITIONS = "No positions"
# Distances that headers round to; two planes nearer than this are the same plane.
POSITION_TOLERANCE_MM = 0.01
_TILT_TOLERANCE_DEGREES = 0.05
_LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class StackGeometry:
    """Geometry of sorted slices.

    Parameters
    ----------
    ijk_to_ras : array (4, 4)
        Voxel index to RAS in mm: exact for the first and last slice, and for all if ``displacement`` is 0.
        Right-handed; its third column is not along the normal where the gantry was tilted.
    displacement : array (n, 3)
        True position of each slice minus where ``ijk_to_ras`` puts it, RAS, mm.
    warnings : tuple of str
        What a person should know, a sentence each.
    is_even : bool
        True if ``displacement`` is no more than what positions are rounded to.
    """

    ijk_to_ras: FloatArray
    displacement: FloatArray
    warnings: tuple[str, ...]
    is_even: bool


def normal_of(orientation: Vector) -> FloatArray:
    """Unit normal of ImageOrientationPatient (LPS), rows x columns."""
    normal = np.cross(orientation[:3], orientation[3:])
    return normal / np.linalg.norm(normal)


def sort_slices(slices: Sequence[Slice]) -> list[Slice]:
    """Slices along the normal of the first one, then by instance number; by that alone without geometry."""
    if not all(item.has_geometry for item in slices):
        return sorted(slices, key=lambda item: (item.InstanceNumber, item.file, item.frame or 0))
    distances = _distances(slices)
    order = sorted(
        range(len(slices)),
        key=lambda index: (
            round(float(distances[index]) / POSITION_TOLERANCE_MM),
            slices[index].InstanceNumber,
            slices[index].file,
            slices[index].frame or 0,
        ),
    )
    return [slices[index] for index in order]


def count_repeats(slices: Sequence[Slice]) -> tuple[int, int]:
    """How many slices lie where another one lies, and the largest number of slices at one place."""
    if len(slices) < 2 or not all(item.has_geometry for item in slices):
        return 0, 1
    gaps = np.diff(np.sort(_distances(slices)))
    run = longest = 1
    for gap in gaps:
        run = run + 1 if gap < POSITION_TOLERANCE_MM else 1
        longest = max(longest, run)
    return int(np.count_nonzero(gaps < POSITION_TOLERANCE_MM)), longest


def stack_geometry(slices: Sequence[Slice]) -> StackGeometry:
    """Geometry of slices that are sorted, at different places, and of one size and orientation."""
    first = slices[0]
    if not all(item.has_geometry for item in slices):
        matrix = _matrix((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), np.zeros(3), first, np.zeros(3))
        warning = _no_geometry_warning(slices)
        return StackGeometry(matrix, np.zeros((len(slices), 3)), (warning,), True)
    assert first.orientation is not None
    row, column, normal = first.orientation[:3], first.orientation[3:], normal_of(first.orientation)
    positions = np.array([item.position for item in slices], dtype=np.float64)
    count = len(slices)
    step = (positions[-1] - positions[0]) / (count - 1) if count > 1 else np.zeros(3)
    matrix = _matrix(row, column, positions[0], first, step if count > 1 else normal * first.thickness)
    displacement = positions - (positions[0] + np.arange(count)[:, None] * step)
    gaps = np.diff(positions @ normal)
    odd_spacing = [*_spacing_warnings(gaps), *_sideways_warnings(displacement, step)]
    warnings = (*odd_spacing, *_tilt_warnings(step, normal, count))
    return StackGeometry(matrix, displacement * _LPS_TO_RAS, warnings, not odd_spacing)


def _distances(slices: Sequence[Slice]) -> FloatArray:
    """Distance of each slice along the normal of the first, mm."""
    orientation = slices[0].orientation
    assert orientation is not None
    positions = np.array([item.position for item in slices], dtype=np.float64)
    return np.asarray(positions @ normal_of(orientation), dtype=np.float64)


def _matrix(row: Vector, column: Vector, origin: FloatArray, first: Slice, step: FloatArray) -> FloatArray:
    """IJK to RAS from DICOM directions, spacing, origin and slice step (LPS)."""
    matrix = np.eye(4)
    matrix[:3, 0] = np.array(row) * first.pixel_spacing[1] * _LPS_TO_RAS
    matrix[:3, 1] = np.array(column) * first.pixel_spacing[0] * _LPS_TO_RAS
    if not step.any():
        step = np.asarray(np.cross(row, column) * first.thickness, np.float64)
    matrix[:3, 2] = step * _LPS_TO_RAS
    matrix[:3, 3] = origin * _LPS_TO_RAS
    return matrix


def _no_geometry_warning(slices: Sequence[Slice]) -> str:
    if len(slices) == 1:
        return "The header does not say where the image lies in the patient."
    sentence = (
        f"The headers do not say where the {len(slices)} images lie in the patient; "
        f"they are stacked in their order, {slices[0].thickness:g} mm apart."
    )
    return Remark(sentence, NO_POSITIONS)


def _spacing_warnings(gaps: FloatArray) -> list[str]:
    """Sentence on missing slices (gaps that are multiples of the usual one), or on uneven spacing."""
    if len(gaps) < 2 or float(np.ptp(gaps)) <= 2 * POSITION_TOLERANCE_MM:
        return []
    usual = float(np.median(gaps))
    odd = np.flatnonzero(np.abs(gaps - usual) > 2 * POSITION_TOLERANCE_MM)
    if not len(odd):
        odd = np.array([int(np.argmax(np.abs(gaps - usual)))])
    first = int(odd[0])
    place = f"between slice {first + 1} and {first + 2}"
    missing = np.round(gaps[odd] / usual) - 1
    multiples = np.abs(gaps[odd] - (missing + 1) * usual) <= 0.1 * usual
    if len(odd) <= 0.25 * len(gaps) and bool(np.all(multiples & (missing >= 1))):
        count = int(missing.sum())
        seem = "1 slice seems" if count == 1 else f"{count} slices seem"
        sentence = (
            f"{seem} to be missing, the first {place}, which are {gaps[first]:.{_digits(gaps)}f} mm apart "
            f"where {usual:.{_digits(gaps)}f} mm is usual."
        )
        return [Remark(sentence, "Slices missing")]
    digits = _digits(gaps)
    sentence = f"Slice spacing is uneven: {gaps.min():.{digits}f} to {gaps.max():.{digits}f} mm, first {place}."
    return [Remark(sentence, "Uneven spacing")]


def _digits(gaps: FloatArray) -> int:
    """Decimals needed to see how the gaps differ."""
    return 1 if float(np.ptp(gaps)) >= 0.2 else 2


def _sideways_warnings(displacement: FloatArray, step: FloatArray) -> list[str]:
    """Sentence on slices that do not lie on the line from the first to the last."""
    length = float(np.linalg.norm(step))
    if length == 0:
        return []
    direction = step / length
    aside = np.linalg.norm(displacement - (displacement @ direction)[:, None] * direction, axis=1)
    if aside.max() <= POSITION_TOLERANCE_MM:
        return []
    sentence = f"Slices are shifted sideways against each other, by up to {aside.max():.2f} mm."
    return [Remark(sentence, "Slices shifted")]


def _tilt_warnings(step: FloatArray, normal: FloatArray, count: int) -> list[str]:
    if count < 2:
        return []
    along = float(step @ normal)
    aside = float(np.linalg.norm(step - along * normal))
    degrees = float(np.degrees(np.arctan2(aside, along)))
    if degrees <= _TILT_TOLERANCE_DEGREES or aside * (count - 1) <= POSITION_TOLERANCE_MM:
        return []
    sentence = (
        f"The gantry was tilted by {degrees:.1f} degrees: slices are shifted against each other, so the axes "
        "of the volume are not at right angles. Tools that assume right angles need a resampled volume."
    )
    return [Remark(sentence, "Gantry tilted")]
