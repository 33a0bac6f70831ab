"""Support of the loading tests: a database of some files, a writer of series, and truth from headers.

Positions and values here are computed with pydicom and numpy only, by the formulas of PS3.3 C.7.6.2.1.1,
independently of the code under test.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from VisualDICOMBrowserLib.database.dicom_database import DicomDatabase
from VisualDICOMBrowserLib.database.local_database import LocalDatabase

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def read(path: Path | str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(path, force=True)


class FilesDatabase(DicomDatabase):
    """A database of some files, linked, in a folder of its own; closed by `close_all`."""

    opened: ClassVar[list[FilesDatabase]] = []

    def __init__(self, paths: Iterable[Path]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._local = LocalDatabase.open(Path(self._folder.name))
        super().__init__(self._local)
        self.opened.append(self)
        self.series_uids: list[str] = []
        for path in paths:
            self.insert(str(path), storeFile=False)
            uid = self.seriesForFile(str(path))
            if uid and uid not in self.series_uids:
                self.series_uids.append(uid)

    @classmethod
    def close_all(cls) -> None:
        while cls.opened:
            database = cls.opened.pop()
            database.closeDatabase()
            database._local.close()
            database._folder.cleanup()


class SeriesWriter:
    """Writes small series; every written dataset is kept in ``datasets`` by path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths: list[Path] = []
        self.SeriesInstanceUID = generate_uid()
        self.StudyInstanceUID = generate_uid()
        self.FrameOfReferenceUID = generate_uid()

    def add(
        self,
        position: Sequence[float] | None,
        pixels: NDArray[Any],
        *,
        orientation: Sequence[float] = (1, 0, 0, 0, 1, 0),
        spacing: Sequence[float] = (0.8, 0.6),
        **elements: Any,
    ) -> Path:
        """Write one CT image; `elements` are further (or other) elements by keyword."""
        number = len(self.paths) + 1
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        # Names in no order that means anything.
        path = self.folder / f"{(number * 37) % 101:03d}-{number}.dcm"
        dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
        values = {
            "SOPClassUID": CTImageStorage,
            "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
            "StudyInstanceUID": self.StudyInstanceUID,
            "SeriesInstanceUID": self.SeriesInstanceUID,
            "FrameOfReferenceUID": self.FrameOfReferenceUID,
            "PatientName": "Phantom^Test",
            "PatientID": "P-1",
            "StudyDate": "20240102",
            "StudyDescription": "Study",
            "SeriesNumber": 4,
            "SeriesDescription": "Thorax",
            "Modality": "CT",
            "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
            "InstanceNumber": number,
            "Rows": pixels.shape[0],
            "Columns": pixels.shape[1],
            "PixelSpacing": list(spacing),
            "SliceThickness": 2.5,
            "SamplesPerPixel": 1,
            "PhotometricInterpretation": "MONOCHROME2",
            "BitsAllocated": 16,
            "BitsStored": 16,
            "HighBit": 15,
            "PixelRepresentation": 1 if np.issubdtype(pixels.dtype, np.signedinteger) else 0,
        }
        if position is not None:
            values["ImagePositionPatient"] = [f"{value:.10g}" for value in position]
            values["ImageOrientationPatient"] = [f"{value:.10g}" for value in orientation]
        for keyword, value in {**values, **elements}.items():
            setattr(dataset, keyword, value)
        dataset.PixelData = pixels.tobytes()
        dataset.save_as(path, enforce_file_format=True)
        self.paths.append(path)
        return path

    def add_stack(
        self,
        offsets: Sequence[float],
        *,
        direction: Sequence[float] = (0, 0, 1),
        origin: Sequence[float] = (-20.0, -30.0, 40.0),
        shape: tuple[int, int] = (12, 10),
        **elements: Any,
    ) -> list[Path]:
        """Write images along `direction` (LPS) at `offsets` mm from `origin`, with random pixels."""
        random = np.random.default_rng(len(self.paths) + 1)
        return [
            self.add(
                np.array(origin) + offset * np.array(direction),
                random.integers(-500, 1500, shape).astype(np.int16),
                **elements,
            )
            for offset in offsets
        ]


def plane_corners(dataset: Any) -> NDArray[np.float64]:
    """RAS positions (4, 3) of the centres of the corner voxels of an image, from its header."""
    row, column = np.array(dataset.ImageOrientationPatient, dtype=float).reshape(2, 3)
    between_rows, between_columns = (float(value) for value in dataset.PixelSpacing)
    origin = np.array(dataset.ImagePositionPatient, dtype=float)
    points = [
        origin + i * between_columns * row + j * between_rows * column
        for j in (0, dataset.Rows - 1)
        for i in (0, dataset.Columns - 1)
    ]
    return np.array(points) * (-1, -1, 1)


def node_plane_corners(node: Any, k: int, *, transformed: bool = False) -> NDArray[np.float64]:
    """The same corners as the node has them; with its parent transform if `transformed`."""
    import vtk

    columns, rows, _ = node.GetImageData().GetDimensions()
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    to_world = vtk.vtkGeneralTransform()
    if transformed and node.GetParentTransformNode():
        node.GetParentTransformNode().GetTransformToWorld(to_world)
    points = []
    for j in (0, rows - 1):
        for i in (0, columns - 1):
            ras = matrix.MultiplyPoint((i, j, k, 1))[:3]
            points.append(to_world.TransformPoint(ras))
    return np.array(points)


def voxels_of(node: Any) -> NDArray[Any]:
    """Voxel array (k, j, i[, rgb]) of a node."""
    from vtk.util.numpy_support import vtk_to_numpy

    columns, rows, count = node.GetImageData().GetDimensions()
    array = vtk_to_numpy(node.GetImageData().GetPointData().GetScalars())
    return array.reshape((count, rows, columns, *array.shape[1:]))


def real_values(dataset: Any) -> NDArray[np.float64]:
    """Pixels of an image rescaled by its header."""
    slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dataset.pixel_array.astype(np.float64) * slope + intercept


def in_node_order(node: Any, datasets: Iterable[Any]) -> list[Any]:
    """Datasets in the order of the node's slices, by its instance UIDs."""
    by_uid = {str(dataset.SOPInstanceUID): dataset for dataset in datasets}
    return [by_uid[uid] for uid in node.GetAttribute("DICOM.instanceUIDs").split()]


def assert_matches_headers(
    node: Any, datasets: Sequence[Any], *, transformed: bool = False, inside_tolerance: float = 1e-4
) -> None:
    """All corners within 1e-4 mm of the headers, and voxels equal to pydicom's.

    `inside_tolerance` holds for the slices between the first and the last. With `transformed`, the parent
    transform is applied for those, and must leave the first and the last where they are.
    """
    ordered = in_node_order(node, datasets)
    assert node.GetImageData().GetDimensions()[2] == len(ordered)
    for k, dataset in enumerate(ordered):
        truth = plane_corners(dataset)
        if k in (0, len(ordered) - 1):
            np.testing.assert_allclose(node_plane_corners(node, k), truth, atol=1e-4, rtol=0)
        corners = node_plane_corners(node, k, transformed=transformed)
        np.testing.assert_allclose(corners, truth, atol=inside_tolerance, rtol=0)
    voxels = voxels_of(node)
    for k, dataset in enumerate(ordered):
        np.testing.assert_array_equal(voxels[k].astype(np.float64), real_values(dataset))
