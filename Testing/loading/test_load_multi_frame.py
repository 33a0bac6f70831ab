"""Multi-frame objects (generated enhanced MR, RT Dose, NM tomography) against their headers and frames."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from loading_series import FilesDatabase, node_plane_corners, read, voxels_of
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedMRImageStorage, NuclearMedicineImageStorage, RTDoseStorage

from VisualDICOMBrowserLib.loading.loader import examine_series, load_series

ROWS, COLUMNS = 6, 5


def item(**elements) -> Sequence:
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return Sequence([dataset])


def enhanced(series, frames, **elements):
    """Enhanced MR file whose frames are dicts: z, stack, b, slope; returns its pixels (stored values)."""
    pixels = np.random.default_rng(5).integers(0, 900, (len(frames), ROWS, COLUMNS)).astype(np.uint16)
    groups = []
    for frame in frames:
        group = Dataset()
        group.PlanePositionSequence = item(ImagePositionPatient=[-10, -20, frame["z"]])
        group.PixelValueTransformationSequence = item(
            RescaleIntercept="0", RescaleSlope=str(frame.get("slope", 1)), RescaleType="US"
        )
        group.FrameContentSequence = item(StackID=frame.get("stack", "1"))
        group.MRDiffusionSequence = item(DiffusionBValue=float(frame.get("b", 0)))
        groups.append(group)
    shared = Dataset()
    shared.PlaneOrientationSequence = item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    shared.PixelMeasuresSequence = item(PixelSpacing=[2, 1.5], SliceThickness=3)
    shared.FrameVOILUTSequence = item(WindowCenter=300, WindowWidth=600)
    series.add(
        None,
        pixels.reshape(-1, COLUMNS),
        SOPClassUID=EnhancedMRImageStorage,
        Modality="MR",
        Rows=ROWS,
        NumberOfFrames=len(frames),
        PixelRepresentation=0,
        SharedFunctionalGroupsSequence=Sequence([shared]),
        PerFrameFunctionalGroupsSequence=Sequence(groups),
        **elements,
    )
    return pixels


def load(series, scene):
    return load_series(FilesDatabase(series.paths), [series.SeriesInstanceUID], scene)


def assert_planes(node, frames, pixels, expected):
    """The node's planes are the frames of these indices, in this order, at their z, times their slopes."""
    for k, index in enumerate(expected):
        frame = frames[index]
        corners = [(x, y, frame["z"]) for y, x in product((20, 20 - 2 * (ROWS - 1)), (10, 10 - 1.5 * (COLUMNS - 1)))]
        np.testing.assert_allclose(node_plane_corners(node, k), corners, atol=1e-4)
        np.testing.assert_array_equal(voxels_of(node)[k], pixels[index] * float(frame.get("slope", 1)))


def test_frames_are_sorted_by_position(series, scene):
    frames = [{"z": z} for z in (6, 0, 3, 9)]
    pixels = enhanced(series, frames)
    (node,) = load(series, scene).nodes
    assert_planes(node, frames, pixels, [1, 2, 0, 3])
    assert node.GetDisplayNode().GetWindow() == 600


def test_slope_of_every_frame_is_applied(series, scene):
    frames = [{"z": 3 * k, "slope": 1 + 0.25 * k} for k in range(4)]
    pixels = enhanced(series, frames)
    (node,) = load(series, scene).nodes
    assert_planes(node, frames, pixels, [0, 1, 2, 3])


def test_b_values_become_volumes(series, scene):
    frames = [{"z": 3 * k, "b": b} for k in range(3) for b in (0, 500, 1000)]
    pixels = enhanced(series, frames)
    report = load(series, scene)
    assert [entry.name for entry in report.loaded] == [
        "4: Thorax (b-value 0.0)",
        "4: Thorax (b-value 500.0)",
        "4: Thorax (b-value 1000.0)",
    ]
    for number, node in enumerate(report.nodes):
        assert_planes(node, frames, pixels, [number, number + 3, number + 6])


def test_stacks_become_volumes(series, scene):
    frames = [{"z": z, "stack": "1"} for z in (0, 3, 6)] + [{"z": z, "stack": "2"} for z in (100, 105, 110)]
    pixels = enhanced(series, frames)
    report = load(series, scene)
    assert all("holds 2 volumes" in warning for warning in report.warnings)
    assert_planes(report.nodes[0], frames, pixels, [0, 1, 2])
    assert_planes(report.nodes[1], frames, pixels, [3, 4, 5])


def test_missing_frame_is_told(series):
    enhanced(series, [{"z": z} for z in (0, 3, 6, 9, 15, 18, 21)])
    database = FilesDatabase(series.paths)
    (candidate,) = examine_series(database, database.series_uids).candidates
    assert candidate.loadable.warning.startswith("1 slice seems to be missing")


@pytest.mark.parametrize("name", ["rtdose.dcm", "rtdose_expb.dcm", "rtdose_rle.dcm", "rtdose_1frame.dcm"])
def test_dose_grid(pydicom_files, scene, name):
    (path,) = [file for file in pydicom_files if file.name == name]
    database = FilesDatabase([path])
    (node,) = load_series(database, database.series_uids, scene).nodes
    dataset = read(path)
    doses = dataset.pixel_array.reshape(voxels_of(node).shape) * float(dataset.DoseGridScaling)
    np.testing.assert_array_equal(voxels_of(node), doses)
    assert (dataset.DoseUnits, node.GetVoxelValueUnits()) == ("RELATIVE", None)
    offsets = [float(value) for value in dataset.get("GridFrameOffsetVector") or [0]][: len(doses)]
    for k, offset in enumerate(offsets):
        x, y, z = (float(value) for value in dataset.ImagePositionPatient)
        np.testing.assert_allclose(node_plane_corners(node, k)[0], (-x, -y, z + offset), atol=1e-4)


@pytest.mark.parametrize(
    ("columns_down", "origin", "offsets", "places"),
    [
        (1, 100, [100, 103, 106], [100, 103, 106]),
        (-1, 100, [100, 103, 106], [100, 103, 106]),
        (-1, 100, [0, 3, 6], [100, 97, 94]),
    ],
    ids=["patient coordinates", "patient coordinates, normal down", "along the normal"],
)
def test_dose_planes_lie_where_the_offsets_say(series, scene, columns_down, origin, offsets, places):
    """DICOM PS3.3 C.8.8.3.2: offsets that begin with 0 go along the normal, others are z coordinates."""
    pixels = np.arange(3 * ROWS * COLUMNS, dtype=np.uint16).reshape(3, ROWS, COLUMNS)
    series.add(
        None,
        pixels.reshape(-1, COLUMNS),
        SOPClassUID=RTDoseStorage,
        Modality="RTDOSE",
        Rows=ROWS,
        NumberOfFrames=3,
        PixelRepresentation=0,
        DoseGridScaling="1",
        GridFrameOffsetVector=offsets,
        ImagePositionPatient=[-10, -20, origin],
        ImageOrientationPatient=[1, 0, 0, 0, columns_down, 0],
    )
    (node,) = load(series, scene).nodes
    found = {round(node_plane_corners(node, k)[0][2]): voxels_of(node)[k] for k in range(3)}
    assert set(found) == set(places)
    for index, place in enumerate(places):
        np.testing.assert_array_equal(found[place], pixels[index])


def test_reconstructed_nm_tomography(series, scene):
    pixels = np.arange(4 * ROWS * COLUMNS, dtype=np.uint16).reshape(4, ROWS, COLUMNS)
    series.add(
        None,
        pixels.reshape(-1, COLUMNS),
        SOPClassUID=NuclearMedicineImageStorage,
        Modality="NM",
        ImageType=["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"],
        Rows=ROWS,
        NumberOfFrames=4,
        PixelRepresentation=0,
        SpacingBetweenSlices="-4.5",
        DetectorInformationSequence=item(
            ImagePositionPatient=[-10, -20, 100], ImageOrientationPatient=[1, 0, 0, 0, 1, 0]
        ),
    )
    (node,) = load(series, scene).nodes
    for k, index in enumerate((3, 2, 1, 0)):
        np.testing.assert_array_equal(voxels_of(node)[k], pixels[index])
        np.testing.assert_allclose(node_plane_corners(node, k)[0], (10, 20, 100 - 4.5 * index), atol=1e-4)


def test_cine_without_geometry_is_stacked(series, scene):
    pixels = np.arange(3 * ROWS * COLUMNS, dtype=np.uint16).reshape(3, ROWS, COLUMNS)
    series.add(
        None,
        pixels.reshape(-1, COLUMNS),
        Modality="US",
        Rows=ROWS,
        NumberOfFrames=3,
        PixelRepresentation=0,
    )
    report = load(series, scene)
    np.testing.assert_array_equal(voxels_of(report.nodes[0]), pixels)
    assert "do not say where the 3 images lie" in report.warnings[0]
