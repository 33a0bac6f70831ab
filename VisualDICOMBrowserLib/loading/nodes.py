"""What is done with a loaded volume: save it to a file, take a picture of one of its slices.

Main thread only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray
from vtk.util.numpy_support import vtk_to_numpy

from VisualDICOMBrowserLib.errors import StorageFault, UsageError
from VisualDICOMBrowserLib.loading.volume_node import matrix_of

__all__ = ["save_volume", "slice_picture"]

# RAS axis that goes through the picture, and those (with sign) that go right and down in it, seen as
# radiologists do: patient right on the left, anterior above, superior above.
_VIEWS = {
    "axial": (2, (0, -1), (1, -1)),
    "coronal": (1, (0, -1), (2, -1)),
    "sagittal": (0, (1, -1), (2, -1)),
}


def save_volume(node: Any, path: Path | str) -> None:
    """Write a volume node to a file; the ending (.nrrd, .nhdr, .mha, .nii.gz) decides the format.

    The geometry written is the node's own matrix; an acquisition transform above it is not applied.

    Raises
    ------
    StorageFault
        The file could not be written.
    """
    target = Path(path)
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(target))
    if not target.parent.is_dir() or not storage.WriteData(node):
        message = f"'{node.GetName()}' could not be written to {target}."
        next_step = "Check that the folder exists and may be written, and that the ending is .nrrd."
        raise StorageFault(message, subject=str(target), next_step=next_step)


def slice_picture(node: Any, orientation: str = "axial", index: int | None = None) -> NDArray[np.uint8]:
    """Picture of one slice, windowed as the node is displayed, pixels square.

    Parameters
    ----------
    node : vtkMRMLScalarVolumeNode or vtkMRMLVectorVolumeNode
        The volume. Its nearest slices are shown: an oblique volume is not resampled.
    orientation : str
        "axial", "coronal" or "sagittal".
    index : int, optional
        Slice number, counted from inferior, posterior or left; the middle one if not given.

    Returns
    -------
    array of uint8, (height, width), or (height, width, 3) for colour
        Patient right (anterior in sagittal pictures) is on the left, anterior (superior) is on top.

    Raises
    ------
    UsageError
        There is no such orientation or slice.
    """
    if orientation not in _VIEWS:
        message = f"Orientation must be one of {', '.join(_VIEWS)}, not {orientation!r}."
        raise UsageError(message, subject=orientation)
    voxels, spacing = _in_ras_order(node)
    through, right, down = _VIEWS[orientation]
    if index is None:
        index = voxels.shape[through] // 2
    if not 0 <= index < voxels.shape[through]:
        message = f"There are {voxels.shape[through]} {orientation} slices; {index} is none of them."
        raise UsageError(message, subject=node.GetName())
    plane = np.take(voxels, index, axis=through)
    plane = plane if down[0] < right[0] else np.swapaxes(plane, 0, 1)
    plane = plane[:: down[1], :: right[1]]
    return _square_pixels(_windowed(plane, node), spacing[down[0]], spacing[right[0]])


def _in_ras_order(node: Any) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Voxels with axes (and their spacing) along right, anterior, superior as nearly as may be."""
    image = node.GetImageData()
    array = vtk_to_numpy(image.GetPointData().GetScalars())
    columns, rows, count = image.GetDimensions()
    voxels = array.reshape((count, rows, columns, *array.shape[1:]))
    matrix = matrix_of(node)[:3, :3]
    spacing = np.linalg.norm(matrix, axis=0)
    axes = _nearest_axes(matrix / spacing)
    order = [axes.index(axis) for axis in range(3)]
    # numpy axes are k, j, i; IJK axis a is numpy axis 2 - a.
    turned = np.moveaxis(voxels, [2 - axis for axis in order], [0, 1, 2])
    flips = tuple(slice(None, None, -1 if matrix[axis, order[axis]] < 0 else 1) for axis in range(3))
    return turned[flips], spacing[order]


def _nearest_axes(directions: NDArray[np.float64]) -> list[int]:
    """RAS axis nearest to each IJK axis, each used once."""
    weights = np.abs(directions)
    axes = [0, 0, 0]
    for _ in range(3):
        ras, ijk = np.unravel_index(int(np.argmax(weights)), weights.shape)
        axes[int(ijk)] = int(ras)
        weights[ras, :] = weights[:, ijk] = -1
    return axes


def _windowed(plane: NDArray[Any], node: Any) -> NDArray[np.uint8]:
    if plane.ndim == 3:
        return plane if plane.dtype == np.uint8 else _stretched(plane, float(plane.min()), float(plane.max()))
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    low, high = display.GetWindowLevelMin(), display.GetWindowLevelMax()
    picture = _stretched(plane, low, high)
    inverted = (display.GetColorNodeID() or "").endswith("InvertedGrey")
    return np.uint8(255) - picture if inverted else picture


def _stretched(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    scaled = (values.astype(np.float64) - low) * (255.0 / max(high - low, 1e-9))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def _square_pixels(picture: NDArray[np.uint8], height: float, width: float) -> NDArray[np.uint8]:
    """Picture stretched along its coarser side so that pixels, `height` by `width` mm, become square."""
    fine = min(height, width)
    for axis, size in ((0, height), (1, width)):
        count = picture.shape[axis]
        target = round(count * size / fine)
        if target == count or count < 2:
            continue
        places = (np.arange(target) + 0.5) * count / target - 0.5
        lower = np.clip(np.floor(places).astype(int), 0, count - 2)
        share = np.clip(places - lower, 0, 1).reshape([-1 if d == axis else 1 for d in range(picture.ndim)])
        one, two = (np.take(picture, lower + step, axis=axis).astype(np.float64) for step in (0, 1))
        picture = np.rint(one * (1 - share) + two * share).astype(np.uint8)
    return picture
