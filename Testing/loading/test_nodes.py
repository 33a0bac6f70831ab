"""Saving a volume and taking a picture of a slice, judged by known voxels."""

from __future__ import annotations

import numpy as np
import pytest
from loading_series import FilesDatabase, voxels_of

from VisualDICOMBrowserLib.errors import StorageFault, UsageError
from VisualDICOMBrowserLib.loading.loader import load_series
from VisualDICOMBrowserLib.loading.nodes import save_volume, slice_picture
from VisualDICOMBrowserLib.loading.volume_node import matrix_of


def load(series, scene):
    return load_series(FilesDatabase(series.paths), [series.SeriesInstanceUID], scene).nodes[0]


@pytest.fixture
def marked_volume(series, scene):
    """20 x 10 x 5 voxels of 1 x 1 x 2 mm, with one bright voxel: right, anterior, superior."""
    for k in range(5):
        pixels = np.zeros((10, 20), np.int16)
        if k == 4:
            pixels[1, 2] = 100
        series.add((0, 0, 2.0 * k), pixels, spacing=(1, 1), WindowCenter=50, WindowWidth=100)
    return load(series, scene)


def brightest(picture):
    return tuple(int(value) for value in np.unravel_index(np.argmax(picture), picture.shape))


def test_axial_picture_has_patient_right_on_the_left_and_anterior_on_top(marked_volume):
    picture = slice_picture(marked_volume, "axial", 4)
    assert picture.shape == (10, 20)
    assert picture.dtype == np.uint8
    assert brightest(picture) == (1, 2)
    assert picture[1, 2] == 255
    assert picture[0, 0] == 0


def test_coronal_and_sagittal_pictures_have_square_pixels_and_superior_on_top(marked_volume):
    coronal = slice_picture(marked_volume, "coronal", 8)
    assert coronal.shape == (10, 20)
    assert brightest(coronal) in ((0, 2), (1, 2))
    sagittal = slice_picture(marked_volume, "sagittal", 17)
    assert sagittal.shape == (10, 10)
    assert brightest(sagittal) in ((0, 1), (1, 1))


def test_coronal_acquisition_is_shown_the_same_way(series, scene):
    for k in range(4):
        pixels = np.zeros((10, 20), np.int16)
        pixels[1, 2] = 100 if k == 0 else 0
        series.add(
            (0, 2.0 * k, 0),
            pixels,
            spacing=(1, 1),
            orientation=(1, 0, 0, 0, 0, -1),
            WindowCenter=50,
            WindowWidth=100,
        )
    node = load(series, scene)
    assert brightest(slice_picture(node, "coronal", 3)) == (1, 2)
    axial = slice_picture(node, "axial", 8)
    assert axial.shape == (8, 20)
    assert brightest(axial)[0] < 2


def test_middle_slice_is_the_default(marked_volume):
    np.testing.assert_array_equal(slice_picture(marked_volume, "axial"), slice_picture(marked_volume, "axial", 2))


def test_wrong_requests_are_refused(marked_volume):
    with pytest.raises(UsageError, match="Orientation must be one of axial"):
        slice_picture(marked_volume, "diagonal")
    with pytest.raises(UsageError, match="There are 5 axial slices; 5 is none of them"):
        slice_picture(marked_volume, "axial", 5)


def test_saved_volume_reads_back(marked_volume, tmp_path):
    import slicer

    path = tmp_path / "volume.nrrd"
    save_volume(marked_volume, path)
    again = slicer.vtkMRMLScalarVolumeNode()
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(path))
    assert storage.ReadData(again)
    np.testing.assert_array_equal(voxels_of(again), voxels_of(marked_volume))
    np.testing.assert_allclose(matrix_of(again), matrix_of(marked_volume), atol=1e-6)


def test_folder_that_is_not_there(marked_volume, tmp_path):
    with pytest.raises(StorageFault, match="could not be written to"):
        save_volume(marked_volume, tmp_path / "nowhere" / "volume.nrrd")
