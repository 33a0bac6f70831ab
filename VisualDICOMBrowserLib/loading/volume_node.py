"""A MRML volume node from image and geometry: matrix, display, acquisition transform.

Knows nothing of files. Main thread only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import vtk_to_numpy

from VisualDICOMBrowserLib.series.geometry import StackGeometry
from VisualDICOMBrowserLib.series.slices import Slice

__all__ = ["add_acquisition_transform", "add_volume_node", "matrix_of"]


def add_volume_node(scene: Any, name: str, image: Any, geometry: StackGeometry, slices: Sequence[Slice]) -> Any:
    """Scalar volume node, or vector volume node for an image with RGB, with its display, in `scene`."""
    colour = image.GetNumberOfScalarComponents() > 1
    kind = "vtkMRMLVectorVolumeNode" if colour else "vtkMRMLScalarVolumeNode"
    node = scene.AddNewNodeByClass(kind, scene.GenerateUniqueName(name))
    node.SetIJKToRASMatrix(_vtk_matrix(geometry.ijk_to_ras))
    # Before the image comes: an automatic window would be computed from all voxels first.
    node.CreateDefaultDisplayNodes()
    if not colour:
        _set_window(node.GetDisplayNode(), slices)
    node.SetAndObserveImageData(image)
    return node


def add_acquisition_transform(scene: Any, node: Any, geometry: StackGeometry) -> Any:
    """Grid transform that moves each slice of `node` to its true place, and `node` below it.

    Four displacement vectors per slice, at the corners of the plane: slices move, they do not bend.
    """
    columns, rows, count = node.GetImageData().GetDimensions()
    grid_image = vtk.vtkImageData()
    grid_image.SetDimensions(2, 2, count)
    lengths = np.linalg.norm(geometry.ijk_to_ras[:3, :3], axis=0)
    grid_image.SetSpacing(*(lengths * (max(columns - 1, 1), max(rows - 1, 1), 1)))
    grid_image.SetOrigin(*geometry.ijk_to_ras[:3, 3])
    grid_image.AllocateScalars(vtk.VTK_DOUBLE, 3)
    vectors = vtk_to_numpy(grid_image.GetPointData().GetScalars()).reshape(count, 4, 3)
    vectors[:] = geometry.displacement[:, None, :]
    directions = np.eye(4)
    directions[:3, :3] = geometry.ijk_to_ras[:3, :3] / lengths
    grid = slicer.vtkOrientedGridTransform()
    grid.SetDisplacementGridData(grid_image)
    grid.SetGridDirectionMatrix(_vtk_matrix(directions))
    grid.SetInterpolationModeToLinear()
    transform = scene.AddNewNodeByClass(
        "vtkMRMLGridTransformNode", scene.GenerateUniqueName(f"{node.GetName()} acquisition transform")
    )
    transform.SetAndObserveTransformToParent(grid)
    node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def matrix_of(node: Any) -> NDArray[np.float64]:
    """IJK to RAS matrix (4, 4) of a volume node, without its parent transforms."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def _set_window(display: Any, slices: Sequence[Slice]) -> None:
    """Windows of the middle slice as presets, the first of them applied; automatic without any."""
    middle = slices[len(slices) // 2]
    for center, width in middle.windows:
        display.AddWindowLevelPreset(width, center)
    if middle.windows:
        center, width = middle.windows[0]
        display.SetAutoWindowLevel(False)
        display.SetWindowLevel(width, center)
    else:
        display.SetAutoWindowLevel(True)
    grey = "vtkMRMLColorTableNodeInvertedGrey" if middle.pixels.inverted else "vtkMRMLColorTableNodeGrey"
    display.SetAndObserveColorNodeID(grey)


def _vtk_matrix(values: NDArray[np.float64]) -> Any:
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(values.ravel().tolist())
    return matrix
