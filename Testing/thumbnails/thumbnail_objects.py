"""Objects and files that the thumbnail tests generate with pydicom."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"

WriteImage = Callable[..., Path]


class NoImages:
    """An `ImageSource` that has nothing, for pictures of single files."""

    def image_path(self, sop: str) -> Path | None:
        return None

    def series_paths(self, series: str) -> list[Path]:
        return []

    def series_in_frame(self, study: str, frame_of_reference: str) -> list[str]:
        return []


def image_dataset(pixels: np.ndarray | None, **attributes: Any) -> Dataset:
    """Object with `pixels`: rows, columns, and (3) samples last or (3 dimensions) frames first."""
    header = Dataset()
    header.SOPClassUID = CT_IMAGE
    header.SOPInstanceUID = generate_uid()
    header.StudyInstanceUID = generate_uid()
    header.SeriesInstanceUID = generate_uid()
    header.PatientID, header.PatientName, header.Modality = "1", "Test^Image", "CT"
    if pixels is not None:
        _describe(header, pixels)
    for keyword, value in attributes.items():
        if value is None:
            del header[keyword]
        else:
            setattr(header, keyword, value)
    return header


def _describe(header: Dataset, pixels: np.ndarray) -> None:
    colour = pixels.ndim >= 3 and pixels.shape[-1] == 3
    shape = pixels.shape[:-1] if colour else pixels.shape
    header.Rows, header.Columns = shape[-2:]
    if len(shape) == 3:
        header.NumberOfFrames = shape[0]
    header.SamplesPerPixel = 3 if colour else 1
    header.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        header.PlanarConfiguration = 0
    data = pixels.tobytes()
    data += b"\0" * (len(data) % 2)
    if pixels.dtype.kind == "f":
        header.BitsAllocated = 8 * pixels.dtype.itemsize
        setattr(header, "FloatPixelData" if pixels.dtype.itemsize == 4 else "DoubleFloatPixelData", data)
        return
    header.BitsAllocated = header.BitsStored = 8 * pixels.dtype.itemsize
    header.HighBit = header.BitsStored - 1
    header.PixelRepresentation = int(pixels.dtype.kind == "i")
    header.PixelData = data
    header["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"


def save_dataset(header: Dataset, path: Path, transfer_syntax: str = ExplicitVRLittleEndian) -> Path:
    """Write `header` as a DICOM file; pixel data must be encoded already."""
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = transfer_syntax
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    path.parent.mkdir(parents=True, exist_ok=True)
    header.save_as(path, enforce_file_format=True)
    return path


def pydicom_test_files() -> list[Path]:
    """Files of pydicom's own test data, readable or not."""
    folder = Path(get_testdata_file("CT_small.dcm")).parent
    return sorted(path for path in folder.rglob("*") if path.is_file())
