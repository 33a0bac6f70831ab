"""Small and large CT series with known contents, made with pydicom."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid


@dataclass(frozen=True)
class CtSeries:
    """A series on disk: ``files`` by SOP Instance UID, in slice order."""

    StudyInstanceUID: str
    SeriesInstanceUID: str
    files: dict[str, Path]

    @property
    def folder(self) -> Path:
        """Where the files lie."""
        return next(iter(self.files.values())).parent


def make_ct_series(
    folder: Path,
    count: int,
    *,
    size: int = 32,
    study: str = "",
    number: int = 1,
    patient: tuple[str, str] = ("CT-1", "Phantom^Thorax"),
    description: str = "Axial 1.5",
    date: str = "20240102",
) -> CtSeries:
    """Write `count` slices of `size` x `size` pixels to `folder`; `study` continues a study."""
    folder.mkdir(parents=True, exist_ok=True)
    study, series, frame = study or generate_uid(), generate_uid(), generate_uid()
    noise = np.random.default_rng(number)
    files = {}
    for index in range(count):
        slice_ = _slice(size, noise.integers(-1000, 2000, (size, size), dtype=np.int16), index)
        slice_.PatientID, slice_.PatientName = patient
        slice_.StudyInstanceUID, slice_.SeriesInstanceUID, slice_.FrameOfReferenceUID = study, series, frame
        slice_.StudyDate = slice_.SeriesDate = date
        slice_.SeriesNumber, slice_.SeriesDescription = number, description
        path = folder / f"{number:03d}-{index:05d}.dcm"
        slice_.save_as(path, enforce_file_format=True)
        files[str(slice_.SOPInstanceUID)] = path
    return CtSeries(study, series, files)


def dataset_bytes(path: Path) -> bytes:
    """What follows the File Meta group of a DICOM file."""
    content = path.read_bytes()
    assert content[128:132] == b"DICM"
    assert content[132:138] == b"\x02\0\0\0UL"
    return content[144 + int.from_bytes(content[140:144], "little") :]


def _slice(size: int, pixels: np.ndarray, index: int) -> Dataset:
    dataset = Dataset()
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.file_meta = meta
    dataset.PatientBirthDate, dataset.PatientSex = "19700101", "O"
    dataset.StudyTime, dataset.StudyID, dataset.AccessionNumber = "101010", "1", "A-1"
    dataset.StudyDescription, dataset.Modality = "Thorax", "CT"
    dataset.InstanceNumber = index + 1
    dataset.Rows = dataset.Columns = size
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 15, 1, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, index * 1.5], [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness = [0.7, 0.7], 1.5
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
    dataset.PixelData = pixels.tobytes()
    return dataset
