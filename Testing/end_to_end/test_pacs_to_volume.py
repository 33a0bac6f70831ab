"""The whole way against a real Orthanc: find, fetch by C-GET, index, thumbnail, load, compare with the headers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from Testing.support.orthanc import Orthanc
from VisualDICOMBrowserLib.database.dicom_database import DicomDatabase
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.engine.client import EngineClient
from VisualDICOMBrowserLib.engine.open_engine import open_engine
from VisualDICOMBrowserLib.engine.process_client import ProcessClient
from VisualDICOMBrowserLib.engine.session import Session
from VisualDICOMBrowserLib.model import Level

if TYPE_CHECKING:
    from pydicom import Dataset

pytest.importorskip("slicer", reason="slicer-core is not installed")


@pytest.fixture(scope="module")
def head_files(test_data: Path) -> list[Path]:
    """The 100 slices of the MR head."""
    return sorted((test_data / "mr-head").iterdir())


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory, head_files: list[Path]) -> Iterator[Orthanc]:
    """Orthanc as Debian ships it, with the MR head."""
    server = Orthanc(tmp_path_factory.mktemp("orthanc"))
    server.start()
    try:
        assert server.put(head_files) == len(head_files)
        yield server
    finally:
        server.stop()


@pytest.fixture(params=["in process", "child process"])
def session(request: pytest.FixtureRequest, tmp_path: Path, orthanc: Orthanc) -> Iterator[Session]:
    """A session on an empty database that knows Orthanc, over either kind of engine."""
    folder = tmp_path / "database"
    client: EngineClient = open_engine(folder) if request.param == "in process" else ProcessClient(folder)
    with Session(client) as opened:
        fields = {"name": "Orthanc", "host": "127.0.0.1", "port": orthanc.port, "called_ae_title": "ORTHANC"}
        opened.client.request("add_server", **fields)
        yield opened


def test_a_series_of_a_pacs_becomes_a_volume(session: Session, tmp_path: Path, head_files: list[Path]) -> None:
    study = session.find("Orthanc", Level.STUDY, PatientName="facial", timeout=60)[0]
    series = session.find("Orthanc", Level.SERIES, StudyInstanceUID=study.StudyInstanceUID, timeout=60)[0]
    assert series.NumberOfSeriesRelatedInstances == len(head_files)

    uids = (study.StudyInstanceUID, series.SeriesInstanceUID)
    result = session.retrieve("Orthanc", *uids, timeout=120)
    assert (result["imported"], result["failed_count"]) == (len(head_files), 0)
    picture = session.make_thumbnails([series.SeriesInstanceUID], timeout=60)[series.SeriesInstanceUID]
    assert Path(picture["path"]).read_bytes().startswith(b"\x89PNG")

    _compare_volume(tmp_path / "database", series.SeriesInstanceUID, head_files)

    again = session.retrieve("Orthanc", *uids, timeout=120)
    assert (again["imported"], again["present"], again["bytes"]) == (0, len(head_files), 0)


def _compare_volume(folder: Path, series_uid: str, files: list[Path]) -> None:
    """The node's eight corners are those of the first and last slice's headers, whichever way it is stored."""
    from pydicom import dcmread

    from VisualDICOMBrowserLib.loading import application_scene, load_series

    database = LocalDatabase.open(folder, read_only=True)
    try:
        report = load_series(DicomDatabase(database), [series_uid], application_scene())
    finally:
        database.close()
    (node,) = report.nodes
    headers = sorted((dcmread(path, stop_before_pixels=True) for path in files), key=_distance)
    expected = [corner for header in (headers[0], headers[-1]) for corner in _corners_of_slice(header)]
    found = _corners_of_node(node)
    assert found.shape == (8, 3)
    for corner in expected:
        assert np.abs(found - corner).max(axis=1).min() < 1e-4


def _distance(header: Dataset) -> float:
    row, column = np.array(header.ImageOrientationPatient, float).reshape(2, 3)
    return float(np.cross(row, column) @ np.array(header.ImagePositionPatient, float))


def _corners_of_slice(header: Dataset) -> list[NDArray[np.float64]]:
    """Centres of the corner voxels in RAS, from the header alone (DICOM PS3.3 C.7.6.2.1.1)."""
    row, column = np.array(header.ImageOrientationPatient, float).reshape(2, 3)
    origin = np.array(header.ImagePositionPatient, float)
    down, right = (float(spacing) for spacing in header.PixelSpacing)
    to_ras = np.array([-1.0, -1.0, 1.0])
    return [
        (origin + row * right * x + column * down * y) * to_ras
        for x in (0, header.Columns - 1)
        for y in (0, header.Rows - 1)
    ]


def _corners_of_node(node: Any) -> NDArray[np.float64]:
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    size = node.GetImageData().GetDimensions()
    indices = [[x * (size[0] - 1), y * (size[1] - 1), z * (size[2] - 1), 1] for x, y, z in np.ndindex(2, 2, 2)]
    return np.array([matrix.MultiplyDoublePoint(index)[:3] for index in indices])
