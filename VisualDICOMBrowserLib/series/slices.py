"""One image plane of a series, as its header describes it, and the traits by which volumes differ.

Pure data: made in `headers` (from the database for single-frame files, from the file for multi-frame
ones), sorted and checked in `geometry`, divided in `grouping`. Positions are DICOM patient coordinates
(LPS, mm). No VTK; any thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["PixelFormat", "Slice", "Vector", "cross_product", "plane_directions"]

Vector = tuple[float, ...]


def cross_product(one: Vector, other: Vector) -> Vector:
    """Vector at right angles to both."""
    return (
        one[1] * other[2] - one[2] * other[1],
        one[2] * other[0] - one[0] * other[2],
        one[0] * other[1] - one[1] * other[0],
    )


def plane_directions(orientation: Vector | None) -> Vector | None:
    """`orientation` if it spans a plane; None for what some files have instead, such as six zeros."""
    if orientation is None or max(map(abs, cross_product(orientation[:3], orientation[3:]))) < 1e-3:
        return None
    return orientation


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """How samples are stored, and how stored values become real ones (value * slope + intercept).

    ``colour`` is True for RGB, YBR and palette images, whose real values are RGB triples; ``inverted`` is
    True for MONOCHROME1.
    """

    bits_allocated: int = 16
    signed: bool = False
    colour: bool = False
    inverted: bool = False
    slope: float = 1.0
    intercept: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One plane: a single-frame file, or one frame of a multi-frame file.

    Parameters
    ----------
    file : str
        Path of the file.
    frame : int or None
        Index of the frame from 0; None for a single-frame file.
    position : tuple of 3 float, or None
        ImagePositionPatient: centre of the first voxel, mm.
    orientation : tuple of 6 float, or None
        ImageOrientationPatient: direction of rows, then of columns.
    pixel_spacing : tuple of 2 float
        Distance between rows, then between columns, mm.
    thickness : float
        Distance to the next slice as the header states it (spacing between slices, else thickness), mm.
    windows : tuple of (center, width)
        Windows of the file, the first being the one to use.
    hard_traits : tuple of str
        Values in which planes of one volume never differ (frame of reference, stack).
    traits : mapping of str to str
        Values in which volumes of one series may differ, by a word for a person ("echo time").
    """

    file: str
    frame: int | None = None
    SOPInstanceUID: str = ""
    InstanceNumber: int = 0
    rows: int = 0
    columns: int = 0
    position: Vector | None = None
    orientation: Vector | None = None
    pixel_spacing: Vector = (1.0, 1.0)
    thickness: float = 1.0
    pixels: PixelFormat = field(default_factory=PixelFormat)
    windows: tuple[tuple[float, float], ...] = ()
    localizer: bool = False
    mosaic: bool = False
    hard_traits: tuple[str, ...] = ()
    traits: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_geometry(self) -> bool:
        """True if the header says where the plane lies in the patient."""
        return self.position is not None and self.orientation is not None
