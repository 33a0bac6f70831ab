"""Slices of a loaded volume as pictures: vtk's reslicer along the volume's own planes, no render window.

Three planes of a volume are shown, each named after the anatomical plane that it is nearest to, so that every
picture is one slice as it was acquired (or a cut straight across the stack). Pixels are square, patient right (in
sagittal pictures: anterior) is on the left. Main thread only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import vtk_to_numpy

from VisualDICOMBrowserLib.loading.volume_node import matrix_of

__all__ = ["ORIENTATIONS", "Plane", "VolumeSlicer"]

ORIENTATIONS = ("axial", "sagittal", "coronal")

_LARGEST_SIDE = 2048
# RAS axis through the picture, and those (with sign) that go right and down in it, as radiologists look.
_VIEWS = {
    "axial": (2, (0, -1), (1, -1)),
    "coronal": (1, (0, -1), (2, -1)),
    "sagittal": (0, (1, -1), (2, -1)),
}
# What lies at the positive and at the negative end of each RAS axis.
_ENDS = (("R", "L"), ("A", "P"), ("S", "I"))


@dataclass(frozen=True)
class Plane:
    """How slices of one orientation lie in the volume.

    ``axis`` is the voxel axis that counts them, ``count`` their number, ``width`` and ``height`` the size of the
    picture in pixels of ``pixel`` mm. ``flipped`` says that they are counted against the voxel axis. ``to_ijk``
    takes mm in the picture (right, down) and the slice's voxel number to voxel indices. ``letters`` name what is
    left, right, above and below.
    """

    axis: int
    count: int
    flipped: bool
    pixel: float
    width: int
    height: int
    to_ijk: NDArray[np.float64]
    letters: tuple[str, str, str, str]


class VolumeSlicer:
    """Cuts slices of one volume node.

    Parameters
    ----------
    node : vtkMRMLScalarVolumeNode, vtkMRMLVectorVolumeNode or vtkMRMLLabelMapVolumeNode
        With image data.
    """

    def __init__(self, node: Any) -> None:
        self.node = node
        self.image = node.GetImageData()
        self.low, self.high = (float(value) for value in self.image.GetScalarRange())
        self.is_colour = self.image.GetNumberOfScalarComponents() > 1
        self.is_label = bool(node.IsA("vtkMRMLLabelMapVolumeNode"))
        self._matrix = matrix_of(node)
        self._planes = {name: _plane(name, self._matrix, self.image.GetDimensions()) for name in ORIENTATIONS}
        self._reslice = vtk.vtkImageReslice()
        # Voxel indices are the coordinates of the reslicer's input, whatever origin and spacing a reader has left.
        self._voxels = vtk.vtkImageData()
        self._voxels.ShallowCopy(self.image)
        self._voxels.SetOrigin(0, 0, 0)
        self._voxels.SetSpacing(1, 1, 1)
        self._reslice.SetInputData(self._voxels)
        self._reslice.SetOutputDimensionality(2)
        self._reslice.SetBackgroundLevel(self.low)
        if self.is_label:
            self._reslice.SetInterpolationModeToNearestNeighbor()
        else:
            self._reslice.SetInterpolationModeToLinear()
        self._window = vtk.vtkImageMapToWindowLevelColors()
        self._window.SetInputConnection(self._reslice.GetOutputPort())
        self._window.SetOutputFormatToLuminance()

    def plane(self, orientation: str) -> Plane:
        """Size and number of the slices of one orientation."""
        return self._planes[orientation]

    def first_window(self) -> tuple[float, float]:
        """Center and width that the volume's display has; a negative width shows low values bright."""
        if self.is_colour or self.is_label:
            return (self.low + self.high) / 2, max(self.high - self.low, 1.0)
        if self.node.GetDisplayNode() is None:
            self.node.CreateDefaultDisplayNodes()
        display = self.node.GetDisplayNode()
        width = max(float(display.GetWindow()), 1e-6)
        inverted = (display.GetColorNodeID() or "").endswith("InvertedGrey")
        return float(display.GetLevel()), -width if inverted else width

    def voxel(self, orientation: str, index: int, right: float = 0.0, down: float = 0.0) -> tuple[float, float, float]:
        """Voxel indices of a place in a slice, `right` and `down` in mm from the slice's middle."""
        plane = self._planes[orientation]
        number = plane.count - 1 - index if plane.flipped else index
        found = plane.to_ijk @ np.array([right, down, number, 1.0])
        return float(found[0]), float(found[1]), float(found[2])

    def index_at(self, orientation: str, voxel: tuple[float, float, float]) -> int:
        """Number of the slice of an orientation that a voxel lies in."""
        plane = self._planes[orientation]
        number = min(max(round(voxel[plane.axis]), 0), plane.count - 1)
        return plane.count - 1 - number if plane.flipped else number

    def value(self, voxel: tuple[float, float, float]) -> tuple[float, ...] | None:
        """What the volume holds at a voxel, one number or one for each colour; None outside of it."""
        place = [round(each) for each in voxel]
        if any(not 0 <= each < size for each, size in zip(place, self.image.GetDimensions(), strict=True)):
            return None
        components = range(self.image.GetNumberOfScalarComponents())
        return tuple(self.image.GetScalarComponentAsDouble(*place, component) for component in components)

    def position(self, voxel: tuple[float, float, float]) -> tuple[float, float, float]:
        """Where a voxel lies, right, anterior and superior in mm."""
        x, y, z, _one = self._matrix @ np.array([*voxel, 1.0])
        return float(x), float(y), float(z)

    def picture(self, orientation: str, index: int, center: float, width: float) -> NDArray[np.uint8]:
        """Picture of a slice: (height, width), or (height, width, 3) of a colour volume.

        Slices are counted from inferior, from the left or from posterior. Black is `center` - `width` / 2.
        """
        plane = self._planes[orientation]
        number = plane.count - 1 - index if plane.flipped else index
        self._aim(plane, number)
        if self.is_colour:
            self._reslice.Update()
            return _as_bytes(_pixels(self._reslice.GetOutput(), plane), self.low, self.high)
        self._window.SetWindow(width)
        self._window.SetLevel(center)
        self._window.Update()
        return _pixels(self._window.GetOutput(), plane)

    def _aim(self, plane: Plane, number: int) -> None:
        matrix = plane.to_ijk.copy()
        matrix[:, 3] += matrix[:, 2] * number
        transform = vtk.vtkTransform()
        transform.SetMatrix(matrix.ravel().tolist())
        self._reslice.SetResliceTransform(transform)
        self._reslice.SetOutputSpacing(plane.pixel, plane.pixel, 1.0)
        self._reslice.SetOutputOrigin(-(plane.width - 1) * plane.pixel / 2, -(plane.height - 1) * plane.pixel / 2, 0.0)
        self._reslice.SetOutputExtent(0, plane.width - 1, 0, plane.height - 1, 0, 0)


def _plane(orientation: str, matrix: NDArray[np.float64], dimensions: tuple[int, int, int]) -> Plane:
    through_ras, (right_ras, right_sign), (down_ras, down_sign) = _VIEWS[orientation]
    columns = matrix[:3, :3]
    spacing = np.linalg.norm(columns, axis=0)
    spacing[spacing == 0] = 1.0
    directions = columns / spacing
    axes = _voxel_axes(directions)
    through, right, down = axes[through_ras], axes[right_ras], axes[down_ras]
    flipped = bool(directions[through_ras, through] < 0)
    x = directions[:, right] * (right_sign * (-1.0 if directions[right_ras, right] < 0 else 1.0))
    slope = directions[:, down] * (down_sign * (-1.0 if directions[down_ras, down] < 0 else 1.0))
    # The planes of a tilted gantry are not at right angles; the picture is.
    y = slope - x * float(slope @ x)
    y /= np.linalg.norm(y)
    lengths = [spacing[axis] * dimensions[axis] for axis in (right, down)]
    extent = (lengths[0] + abs(float(slope @ x)) * lengths[1], abs(float(slope @ y)) * lengths[1])
    pixel = float(max(min(spacing[right], spacing[down]), max(extent) / _LARGEST_SIDE))
    middle = np.array([(size - 1) / 2 for size in dimensions])
    middle[through] = 0.0
    inverse = np.linalg.inv(columns)
    to_ijk = np.eye(4)
    to_ijk[:3, 0], to_ijk[:3, 1] = inverse @ x, inverse @ y
    to_ijk[:3, 2] = np.eye(3)[through]
    to_ijk[:3, 3] = middle
    return Plane(
        axis=through,
        count=dimensions[through],
        flipped=flipped,
        pixel=pixel,
        width=max(1, round(extent[0] / pixel)),
        height=max(1, round(extent[1] / pixel)),
        to_ijk=to_ijk,
        letters=(*_letters(right_ras, right_sign), *_letters(down_ras, down_sign)),
    )


def _letters(axis: int, sign: int) -> tuple[str, str]:
    """What lies at the low and at the high end of a direction along a RAS axis."""
    positive, negative = _ENDS[axis]
    return (positive, negative) if sign < 0 else (negative, positive)


def _voxel_axes(directions: NDArray[np.float64]) -> list[int]:
    """Voxel axis nearest to each RAS axis, each used once."""
    weights = np.abs(directions)
    axes = [0, 0, 0]
    for _round in range(3):
        ras, voxel = np.unravel_index(int(np.argmax(weights)), weights.shape)
        axes[int(ras)] = int(voxel)
        weights[ras, :] = weights[:, voxel] = -1
    return axes


def _pixels(image: Any, plane: Plane) -> NDArray[Any]:
    array = vtk_to_numpy(image.GetPointData().GetScalars())
    return array.reshape((plane.height, plane.width, *array.shape[1:])).copy()


def _as_bytes(pixels: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Colours as bytes with three components."""
    if pixels.dtype != np.uint8:
        scaled = (pixels.astype(np.float64) - low) * (255.0 / max(high - low, 1e-9))
        pixels = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return pixels[..., :3] if pixels.shape[2] >= 3 else np.repeat(pixels[..., :1], 3, axis=2)
