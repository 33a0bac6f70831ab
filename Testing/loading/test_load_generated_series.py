"""Generated series with known oddities, loaded by slicer-core, against their headers and pixels."""

from __future__ import annotations

import numpy as np
import pytest
from loading_series import (
    FilesDatabase,
    assert_matches_headers,
    node_plane_corners,
    plane_corners,
    read,
    voxels_of,
)

from VisualDICOMBrowserLib.loading.loader import examine_series, load_series


def oblique_axes() -> tuple[list[float], np.ndarray]:
    """Orientation of a plane turned about two axes, and its normal."""
    row = np.array([np.cos(0.3), np.sin(0.3), 0.0])
    across = np.array([-np.sin(0.3), np.cos(0.3), 0.0])
    column = np.cos(0.2) * across + np.sin(0.2) * np.array([0.0, 0.0, 1.0])
    return [*row, *column], np.cross(row, column)


def load(series, scene, **options):
    return load_series(FilesDatabase(series.paths), [series.SeriesInstanceUID], scene, **options)


def examine(series):
    return examine_series(FilesDatabase(series.paths), [series.SeriesInstanceUID])


def datasets(series):
    return [read(path) for path in series.paths]


def test_oblique_ct_with_shuffled_files(series, scene):
    orientation, normal = oblique_axes()
    offsets = np.random.default_rng(3).permutation(24) * 2.5
    series.add_stack(offsets, direction=normal, orientation=orientation, RescaleSlope="2", RescaleIntercept="-1000")
    report = load(series, scene)
    (node,) = report.nodes
    assert report.warnings == ()
    np.testing.assert_allclose(node.GetSpacing(), (0.6, 0.8, 2.5), atol=1e-6)
    assert_matches_headers(node, datasets(series))
    assert determinant(node) > 0


def determinant(node) -> float:
    corner = node_plane_corners(node, 0)
    above = node_plane_corners(node, 1)
    return float(np.linalg.det([corner[1] - corner[0], corner[2] - corner[0], above[0] - corner[0]]))


def test_descending_slices_make_a_right_handed_volume(series, scene):
    series.add_stack(np.arange(6) * -3.0)
    (node,) = load(series, scene).nodes
    assert determinant(node) > 0
    assert_matches_headers(node, datasets(series))


def test_missing_slice(series, scene):
    series.add_stack([0, 2.5, 5, 7.5, 12.5, 15, 17.5, 20])
    report = load(series, scene)
    (warning,) = report.warnings
    assert "1 slice seems to be missing, the first between slice 4 and 5" in warning
    assert "5.0 mm apart where 2.5 mm is usual" in warning
    assert_matches_headers(report.nodes[0], datasets(series), transformed=True)


def test_three_missing_slices_are_counted(series):
    series.add_stack([0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15])
    (candidate,) = examine(series).candidates
    assert candidate.loadable.warning.startswith("3 slices seem to be missing, the first between slice 3 and 4")


def test_uneven_spacing(series, scene):
    series.add_stack([*np.arange(12) * 2.0, *(22 + np.arange(1, 9) * 4.0)])
    report = load(series, scene)
    (warning,) = report.warnings
    assert "Slice spacing is uneven: 2.0 to 4.0 mm, first between slice 12 and 13." in warning
    assert_matches_headers(report.nodes[0], datasets(series), transformed=True)


def test_slices_shifted_sideways(series, scene):
    for k in range(5):
        series.add_stack([k * 2.0], origin=(-20 + (k == 2) * 0.5, -30, 40))
    report = load(series, scene)
    assert "shifted sideways against each other, by up to 0.50 mm" in report.warnings[0]
    assert_matches_headers(report.nodes[0], datasets(series), transformed=True)


def test_duplicate_slice_is_left_out_and_offered(series, scene):
    series.add_stack(np.arange(12) * 2.0)
    series.add_stack([10.0])
    examination = examine(series)
    whole, spare = [candidate.loadable for candidate in examination.candidates]
    assert whole.selected
    assert not spare.selected
    assert "1 image lies where another one of the series lies, and is left out." in whole.warning
    assert spare.files == [str(series.paths[-1])]
    (node,) = load(series, scene).nodes
    assert_matches_headers(node, datasets(series)[:12])


def test_gantry_tilt_gives_a_sheared_volume(series, scene):
    tilt = np.radians(15)
    orientation = [1, 0, 0, 0, np.cos(tilt), -np.sin(tilt)]
    series.add_stack(np.arange(10) * 3.0, orientation=orientation, GantryDetectorTilt="15")
    report = load(series, scene)
    assert "tilted by 15.0 degrees" in report.warnings[0]
    (node,) = report.nodes
    assert node.GetParentTransformNode() is None
    assert_matches_headers(node, datasets(series))


def test_localizer_inside_the_series_is_not_loaded(series, scene):
    series.add_stack(np.arange(10) * 2.0)
    scout = [1, 0, 0, 0, 0, -1]
    series.add_stack([0.0], orientation=scout, shape=(16, 14), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    volume, localizer = [candidate.loadable for candidate in examine(series).candidates]
    assert (len(volume.files), volume.selected, volume.confidence) == (10, True, 0.5)
    assert (len(localizer.files), localizer.selected) == (1, False)
    assert localizer.confidence < volume.confidence
    assert "localizer" in localizer.name
    (node,) = load(series, scene).nodes
    assert_matches_headers(node, datasets(series)[:10])


def test_unmarked_scout_of_other_orientation_is_not_loaded(series):
    series.add_stack(np.arange(10) * 2.0)
    series.add_stack([0.0, 5.0], direction=(0, 1, 0), orientation=[1, 0, 0, 0, 0, -1])
    selected = [len(item.loadable.files) for item in examine(series).selected]
    assert selected == [10]


def test_three_plane_localizer_alone_is_loaded_whole(series, scene):
    kind = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    planes = {
        (1, 0, 0, 0, 1, 0): (0, 0, 1),
        (1, 0, 0, 0, 0, -1): (0, 1, 0),
        (0, 1, 0, 0, 0, -1): (1, 0, 0),
    }
    for orientation, direction in planes.items():
        series.add_stack([0, 10, 20], direction=direction, orientation=orientation, ImageType=kind)
    report = load(series, scene)
    assert sorted(item.name for item in report.loaded) == [
        "4: Thorax (axial)",
        "4: Thorax (coronal)",
        "4: Thorax (sagittal)",
    ]
    for node in report.nodes:
        assert_matches_headers(node, datasets(series))


def test_interleaved_echoes_become_two_volumes(series, scene):
    for k in range(6):
        for echo in (1, 2):
            series.add_stack([k * 3.0], EchoNumbers=echo, EchoTime=str(10 * echo), Modality="MR")
    report = load(series, scene)
    assert [item.name for item in report.loaded] == [
        "4: Thorax (echo number 1)",
        "4: Thorax (echo number 2)",
    ]
    assert "The series holds 2 volumes; this is echo number 1 (1 of 2)." in report.warnings[0]
    uids = [set(node.GetAttribute("DICOM.instanceUIDs").split()) for node in report.nodes]
    assert uids[0].isdisjoint(uids[1])
    for node in report.nodes:
        assert_matches_headers(node, datasets(series))


def test_echoes_and_time_points_together(series):
    for k in range(4):
        for time in (1, 2, 3):
            for echo in (1, 2):
                series.add_stack([k * 3.0], EchoTime=str(5 * echo), TemporalPositionIdentifier=time)
    selected = examine(series).selected
    assert [len(item.loadable.files) for item in selected] == [4] * 6
    files = [file for item in selected for file in item.loadable.files]
    assert len(set(files)) == len(files) == 24


def test_volumes_without_any_distinguishing_element(series):
    series.add_stack(np.arange(5) * 2.0)
    series.add_stack(np.arange(5) * 2.0)
    names = [item.loadable.name for item in examine(series).selected]
    assert names == ["4: Thorax (repetition 1)", "4: Thorax (repetition 2)"]


def test_long_time_series_proposes_only_its_first_volume(series):
    for time in range(1, 12):
        series.add_stack([0, 2.0], TemporalPositionIdentifier=time)
    examination = examine(series)
    assert len(examination.candidates) == 11
    (first,) = examination.selected
    assert first.loadable.name == "4: Thorax (time point 1)"
    assert "Only the first is proposed" in first.loadable.warning


def test_pet_with_a_slope_per_slice(series, scene):
    for k in range(6):
        series.add_stack(
            [k * 3.0], Modality="PT", Units="BQML", RescaleSlope=f"{1 + 0.37 * k:.6g}", RescaleIntercept="0"
        )
    (node,) = load(series, scene).nodes
    assert node.GetVoxelValueUnits().GetCodeValue() == "Bq/ml"
    assert_matches_headers(node, datasets(series))


def test_fractional_slope(series, scene):
    series.add_stack([0, 2.0, 4.0], RescaleSlope="0.5", RescaleIntercept="-3.25")
    assert_matches_headers(load(series, scene).nodes[0], datasets(series))


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16])
def test_stored_types(series, scene, kind):
    random = np.random.default_rng(1)
    bits = np.dtype(kind).itemsize * 8
    info = np.iinfo(kind)
    for k in range(3):
        pixels = random.integers(info.min, info.max, (8, 6), dtype=kind, endpoint=True)
        series.add((0, 0, k), pixels, BitsAllocated=bits, BitsStored=bits, HighBit=bits - 1)
    assert_matches_headers(load(series, scene).nodes[0], datasets(series))


def test_rgb_series_is_a_vector_volume(series, scene):
    random = np.random.default_rng(1)
    for k in range(4):
        series.add(
            (0, 0, 2.0 * k),
            random.integers(0, 256, (8, 6, 3), dtype=np.uint8),
            SamplesPerPixel=3,
            PhotometricInterpretation="RGB",
            PlanarConfiguration=0,
            BitsAllocated=8,
            BitsStored=8,
            HighBit=7,
        )
    (node,) = load(series, scene).nodes
    assert node.IsA("vtkMRMLVectorVolumeNode")
    for k, dataset in enumerate(datasets(series)):
        np.testing.assert_array_equal(voxels_of(node)[k], dataset.pixel_array)
        np.testing.assert_allclose(node_plane_corners(node, k), plane_corners(dataset), atol=1e-4)


def test_images_without_geometry_are_stacked(series, scene):
    for k in range(3):
        series.add(None, np.full((8, 6), k, np.int16), Modality="OT")
    report = load(series, scene)
    assert "do not say where the 3 images lie" in report.warnings[0]
    assert voxels_of(report.nodes[0])[:, 0, 0].tolist() == [0, 1, 2]


def test_radiographs_of_one_series_stay_apart(series):
    for _ in range(2):
        series.add(None, np.zeros((8, 6), np.int16), Modality="DX")
    assert len(examine(series).selected) == 2


def test_window_of_the_middle_slice_and_presets(series, scene):
    for k in range(5):
        series.add_stack([k * 2.0], WindowCenter=[40 + k, -600], WindowWidth=[400, 1500])
    display = load(series, scene).nodes[0].GetDisplayNode()
    assert (display.GetLevel(), display.GetWindow()) == (42, 400)
    assert not display.GetAutoWindowLevel()
    assert display.GetNumberOfWindowLevelPresets() == 2
    assert (display.GetLevelPreset(1), display.GetWindowPreset(1)) == (-600, 1500)


def test_without_window_it_is_automatic(series, scene):
    series.add_stack([0, 2.0])
    assert load(series, scene).nodes[0].GetDisplayNode().GetAutoWindowLevel()


def test_monochrome1_is_displayed_inverted(series, scene):
    series.add_stack([0, 2.0], PhotometricInterpretation="MONOCHROME1")
    node = load(series, scene).nodes[0]
    assert node.GetDisplayNode().GetColorNodeID() == "vtkMRMLColorTableNodeInvertedGrey"
    assert_matches_headers(node, datasets(series))


def test_cine_of_one_plane_is_stacked_in_time(series, scene):
    for _ in range(12):
        series.add_stack([5.0], Modality="MR", SliceThickness="4")
    report = load(series, scene)
    (node,) = report.nodes
    assert "All 12 images show the same plane; they are stacked in their order, 4 mm apart" in report.warnings[0]
    np.testing.assert_allclose(node_plane_corners(node, 0), plane_corners(datasets(series)[0]), atol=1e-4)
    for k, dataset in enumerate(datasets(series)):
        np.testing.assert_array_equal(voxels_of(node)[k], dataset.pixel_array)


def test_orientation_of_zeros_counts_as_none(series, scene):
    for k in range(2):
        series.add((0, 0, k), np.full((8, 6), k, np.int16), orientation=[0, 0, 0, 0, 0, 0])
    report = load(series, scene)
    assert "do not say where the 2 images lie" in report.warnings[0]
