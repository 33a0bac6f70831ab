"""Where the pixels of a frame lie in the patient, and which pixel of one plane lies on which of another.

Millimetres in the patient coordinate system (DICOM PS3.3 C.7.6.2.1.1). Numbers only; any thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from VisualDICOMBrowserLib.thumbnails.values import FrameHeader, number, numbers

__all__ = ["Canvas", "Plane", "frame_plane", "grid_offsets"]

Vector = npt.NDArray[np.float64]

# Cosine between the normals of planes that count as parallel: 8 degrees.
_PARALLEL = 0.99


@dataclass(frozen=True, slots=True)
class Plane:
    """Plane of one frame: centre of the first pixel, and the steps to the next column and the next row."""

    origin: Vector
    across: Vector
    down: Vector

    @property
    def normal(self) -> Vector:
        """Unit vector that stands on the plane."""
        normal = np.cross(self.across, self.down)
        unit: Vector = normal / np.linalg.norm(normal)
        return unit

    def points(self, rows: npt.NDArray[Any], columns: npt.NDArray[Any]) -> Vector:
        """Patient coordinates of pixel positions (fractions allowed); one more axis of length 3."""
        points: Vector = self.origin + rows[..., None] * self.down + columns[..., None] * self.across
        return points

    def positions(self, points: Vector) -> tuple[Vector, Vector]:
        """Row and column positions of `points`, projected on the plane along its normal."""
        relative = points - self.origin
        rows = relative @ self.down / (self.down @ self.down)
        columns = relative @ self.across / (self.across @ self.across)
        return rows, columns

    def height(self, direction: Vector) -> float:
        """Position of the plane along the unit vector `direction`, in mm."""
        return float(self.origin @ direction)

    def distance(self, other: Plane) -> float:
        """Distance to a parallel plane in mm; infinite where the planes are not parallel."""
        normal = self.normal
        if abs(float(normal @ other.normal)) < _PARALLEL:
            return float("inf")
        return abs(float((other.origin - self.origin) @ normal))


def frame_plane(frame: FrameHeader, offset: float = 0.0) -> Plane | None:
    """Plane of `frame`, None where position, orientation or spacing are missing or impossible.

    Parameters
    ----------
    frame : FrameHeader
        Attributes of the frame.
    offset : float
        Shift along the normal in mm, as RT dose states it for each frame.
    """
    position = numbers(frame.group("PlanePositionSequence"), "ImagePositionPatient")
    orientation = numbers(frame.group("PlaneOrientationSequence"), "ImageOrientationPatient")
    spacing = numbers(frame.group("PixelMeasuresSequence"), "PixelSpacing")
    if len(position) != 3 or len(orientation) != 6 or len(spacing) != 2 or min(spacing) <= 0:
        return None
    across, down = np.array(orientation[:3]), np.array(orientation[3:])
    normal = np.cross(across, down)
    if not 0.9 < float(np.linalg.norm(normal)) < 1.1:
        return None
    return Plane(np.array(position) + offset * normal, across * spacing[1], down * spacing[0])


@dataclass(slots=True)
class Canvas:
    """RGB thumbnail on which overlays are drawn, with the frame it shows.

    ``rows`` and ``columns`` are those of the frame, ``plane`` its place (None if unknown).
    """

    picture: npt.NDArray[np.uint8]
    rows: int
    columns: int
    plane: Plane | None

    def source_positions(self) -> tuple[Vector, Vector]:
        """Row and column in the frame at the centre of each thumbnail pixel, as a column and a row vector."""
        height, width = self.picture.shape[:2]
        rows = (np.arange(height) + 0.5) * self.rows / height - 0.5
        columns = (np.arange(width) + 0.5) * self.columns / width - 0.5
        return rows[:, None], columns[None, :]

    def sampled(self, overlay: npt.NDArray[Any], plane: Plane | None, *, smooth: bool = False) -> npt.NDArray[Any]:
        """Values of `overlay`, which lies in `plane`, at each thumbnail pixel, 0 outside of it.

        The nearest value, or interpolated linearly if `smooth`. Without geometry on either side both are
        taken to cover the same field.
        """
        height, width = overlay.shape
        rows, columns = np.broadcast_arrays(*self.source_positions())
        if plane is not None and self.plane is not None:
            rows, columns = plane.positions(self.plane.points(rows, columns))
        else:
            rows = (rows + 0.5) * height / self.rows - 0.5
            columns = (columns + 0.5) * width / self.columns - 0.5
        inside = (rows > -0.5) & (rows < height - 0.5) & (columns > -0.5) & (columns < width - 0.5)
        rows, columns = np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)
        if smooth:
            values = _interpolated(overlay, rows, columns)
        else:
            values = overlay[np.rint(rows).astype(np.intp), np.rint(columns).astype(np.intp)]
        return np.where(inside, values, 0)

    def thumbnail_positions(self, points: Vector) -> tuple[Vector, Vector]:
        """Row and column in the thumbnail of patient `points`; needs ``plane``."""
        if self.plane is None:
            message = "a canvas without a plane has no patient coordinates"
            raise ValueError(message)
        rows, columns = self.plane.positions(points)
        height, width = self.picture.shape[:2]
        return (rows + 0.5) * height / self.rows - 0.5, (columns + 0.5) * width / self.columns - 0.5

    def blend(self, mask: npt.NDArray[np.bool_], colours: npt.NDArray[Any], share: float) -> None:
        """Mix `colours` (one RGB or one per pixel) into the picture where `mask` is set."""
        target = self.picture[mask].astype(np.float32)
        source = np.broadcast_to(colours, self.picture.shape)[mask]
        self.picture[mask] = (target * (1 - share) + source * share + 0.5).astype(np.uint8)


def _interpolated(values: npt.NDArray[Any], rows: Vector, columns: Vector) -> npt.NDArray[Any]:
    top, left = rows.astype(np.intp), columns.astype(np.intp)
    bottom, right = np.minimum(top + 1, values.shape[0] - 1), np.minimum(left + 1, values.shape[1] - 1)
    down, across = rows - top, columns - left
    upper = values[top, left] * (1 - across) + values[top, right] * across
    lower = values[bottom, left] * (1 - across) + values[bottom, right] * across
    mixed: npt.NDArray[Any] = upper * (1 - down) + lower * down
    return mixed


def grid_offsets(frame: FrameHeader, count: int) -> list[float]:
    """Offsets along the normal of the `count` frames of an RT dose grid (PS3.3 C.8.8.3.2), in mm."""
    offsets = list(numbers(frame.header, "GridFrameOffsetVector"))
    if len(offsets) != count:
        step = number(frame.header, "SpacingBetweenSlices") or 0.0
        return [step * index for index in range(count)]
    # The second form of the standard states patient z values; the first offset is then that of the image.
    return [offset - offsets[0] for offset in offsets]
