"""Real series, loaded by slicer-core, against their headers and pydicom's pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom.misc
import pytest
from loading_series import (
    FilesDatabase,
    assert_matches_headers,
    in_node_order,
    node_plane_corners,
    read,
    real_values,
    voxels_of,
)

from VisualDICOMBrowserLib.loading.loader import examine_series, load_series


def load_one(paths, scene):
    database = FilesDatabase(paths)
    return load_series(database, database.series_uids, scene)


def dicom_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and pydicom.misc.is_dicom(path))


def test_mr_head(test_data, scene):
    paths = dicom_files(test_data / "mr-head")
    report = load_one(paths, scene)
    (node,) = report.nodes
    assert node.GetImageData().GetDimensions() == (256, 256, 100)
    assert node.GetName() == "17: 3D Cor T1 FAST IR-prepped GRE"
    assert report.warnings == ()
    assert node.GetVoxelValueQuantity().GetCodeMeaning() == "MR signal intensity"
    # The positions in these headers are rounded to 4 digits after the point.
    assert_matches_headers(node, [read(path) for path in paths], inside_tolerance=5e-4)


def test_ct_with_uneven_spacing_and_tilted_gantry(test_data, scene):
    paths = dicom_files(test_data / "ct-ge-variable")
    report = load_one(paths, scene)
    (node,) = report.nodes
    (warning,) = report.warnings
    assert "Slice spacing is uneven: 1.1 to 7.0 mm, first between slice 14 and 15." in warning
    assert "tilted by 18.5 degrees" in warning
    assert node.GetParentTransformNode() is not None
    assert node.GetVoxelValueUnits().GetCodeValue() == "[hnsf'U]"
    assert_matches_headers(node, [read(path) for path in paths], transformed=True)


def test_evenly_spaced_parts_of_the_uneven_ct_are_offered(test_data):
    database = FilesDatabase(dicom_files(test_data / "ct-ge-variable"))
    examination = examine_series(database, database.series_uids)
    whole, *parts = [candidate.loadable for candidate in examination.candidates]
    assert [len(part.files) for part in parts] == [14, 14]
    assert whole.selected
    assert not any(part.selected for part in parts)
    assert all("uneven" not in part.warning for part in parts)


@pytest.mark.parametrize("folder", ["ax/axasc35", "cor/corasc35", "sag/sagasc36", "axmb/AxAsc36mb2a"])
def test_mosaics_load_as_flat_pictures(test_data, scene, folder):
    paths = dicom_files(test_data / "mr-siemens-orientation" / folder)
    report = load_one(paths, scene)
    assert len(report.nodes) == 2
    assert all("Siemens mosaic" in warning for warning in report.warnings)
    for node in report.nodes:
        assert node.GetImageData().GetDimensions()[2] == 1
        assert_matches_headers(node, [read(item) for item in paths])


def test_jpeg_2000_mosaic(test_data, scene):
    paths = dicom_files(test_data / "mr-siemens-orientation" / "axmb" / "AxInt36mb")
    report = load_one(paths, scene)
    for node in report.nodes:
        assert_matches_headers(node, [read(item) for item in paths])


def frame_headers(dataset):
    """Position, orientation, rescale of every frame, from the functional groups."""
    shared = dataset.SharedFunctionalGroupsSequence[0]
    for group in dataset.PerFrameFunctionalGroupsSequence:
        plane = group.get("PlaneOrientationSequence") or shared.PlaneOrientationSequence
        rescale = group.get("PixelValueTransformationSequence") or shared.PixelValueTransformationSequence
        measures = group.get("PixelMeasuresSequence") or shared.PixelMeasuresSequence
        yield (
            np.array(group.PlanePositionSequence[0].ImagePositionPatient, dtype=float),
            np.array(plane[0].ImageOrientationPatient, dtype=float).reshape(2, 3),
            [float(value) for value in measures[0].PixelSpacing],
            float(rescale[0].RescaleSlope),
            float(rescale[0].RescaleIntercept),
        )


def assert_matches_frames(node, dataset):
    """Every plane of `node` is a frame of `dataset`, at its place and with its values; returns them."""
    voxels = voxels_of(node)
    found = []
    headers = list(frame_headers(dataset))
    for k in range(len(voxels)):
        corners = node_plane_corners(node, k) * (-1, -1, 1)
        matching = []
        for index, (position, (row, column), (height, width), slope, intercept) in enumerate(headers):
            i, j = (dataset.Columns - 1) * width, (dataset.Rows - 1) * height
            truth = position + np.array([(0, 0), (i, 0), (0, j), (i, j)]) @ np.array([row, column])
            values = dataset.pixel_array[index] * slope + intercept
            if np.abs(truth - corners).max() < 1e-4 and np.array_equal(voxels[k], values):
                matching.append(index)
        assert matching, f"plane {k} is no frame"
        found.append(matching[0])
    return found


def test_enhanced_mr_of_philips_is_parted_into_its_volumes(test_data, scene):
    path = test_data / "mr-enhanced" / "Philips" / "IM_0027_fMAP.dcm"
    report = load_one([path], scene)
    dataset = read(path)
    frames = [assert_matches_frames(node, dataset) for node in report.nodes]
    assert [len(part) for part in frames] == [32, 32]
    assert sorted(index for part in frames for index in part) == list(range(64))
    assert all("holds 2 volumes" in warning for warning in report.warnings)


def test_enhanced_mr_of_siemens(test_data, scene):
    paths = dicom_files(test_data / "mr-enhanced" / "Siemens" / "XA10")
    report = load_one(paths, scene)
    assert len(report.nodes) == 4
    by_uid = {str(dataset.SOPInstanceUID): dataset for dataset in map(read, paths)}
    for node in report.nodes:
        assert node.GetImageData().GetDimensions() == (64, 64, 6)
        assert assert_matches_frames(node, by_uid[node.GetAttribute("DICOM.instanceUIDs")]) == list(range(6))


def test_order_of_nodes_follows_acquisition(test_data, scene):
    paths = dicom_files(test_data / "mr-enhanced" / "Siemens" / "XA10")
    report = load_one(paths, scene)
    numbers = [int(node.GetAttribute("DICOM.instanceNumbers")) for node in report.nodes]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "MR_small_bigendian.dcm", "JPEG2000.dcm"])
def test_single_slices_of_pydicom(pydicom_files, scene, name):
    (path,) = [item for item in pydicom_files if item.name == name]
    report = load_one([path], scene)
    (node,) = report.nodes
    dataset = read(path)
    np.testing.assert_array_equal(voxels_of(node)[0], real_values(in_node_order(node, [dataset])[0]))
