"""Data of the demo: a generated CT phantom, and where pydicom's real DICOM files lie.

The phantom is a head of ellipsoids in Hounsfield units with an oblique gantry-free geometry, so that a wrong
orientation or spacing shows at once. Nothing here is downloaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["PHANTOM_PATIENT_NAME", "pydicom_data_folder", "write_phantom"]

PHANTOM_PATIENT_NAME = "Phantom^Demo"

_SIZE = 512
_PIXEL_SPACING = 0.45
_SLICE_SPACING = 1.5

# Centre and half axes in mm (x left, y posterior, z up), Hounsfield units; later ones paint over earlier ones.
_ELLIPSOIDS = (
    ((0.0, 0.0, 0.0), (78.0, 98.0, 88.0), 35.0),
    ((0.0, 0.0, 0.0), (74.0, 94.0, 84.0), 950.0),
    ((0.0, 0.0, 0.0), (67.0, 87.0, 77.0), 38.0),
    ((0.0, 0.0, 0.0), (60.0, 80.0, 70.0), 28.0),
    ((16.0, -8.0, 8.0), (9.0, 30.0, 16.0), 6.0),
    ((-16.0, -8.0, 8.0), (9.0, 30.0, 16.0), 6.0),
    ((36.0, 30.0, 20.0), (11.0, 11.0, 11.0), 72.0),
    ((-30.0, -52.0, -10.0), (7.0, 7.0, 7.0), -90.0),
    ((0.0, 62.0, -42.0), (30.0, 18.0, 20.0), 45.0),
)


def pydicom_data_folder() -> Path:
    """Folder of the DICOM files that come with pydicom."""
    import pydicom.data

    return Path(pydicom.data.__file__).parent


def write_phantom(folder: Path, slices: int = 100) -> list[Path]:
    """Write the phantom as one CT series of `slices` files of 512 x 512 pixels into `folder`.

    Returns
    -------
    list of Path
        The files, from the feet to the head.
    """
    from pydicom.uid import generate_uid

    folder.mkdir(parents=True, exist_ok=True)
    uids = [generate_uid(entropy_srcs=["visual-dicom-browser phantom", name]) for name in ("study", "series", "frame")]
    random = np.random.default_rng(4)
    files = []
    for number in range(slices):
        z = (number - (slices - 1) / 2) * _SLICE_SPACING
        path = folder / f"phantom-{number + 1:03}.dcm"
        _write_slice(path, _slice(z, random), number, z, uids)
        files.append(path)
    return files


def _slice(z: float, random: np.random.Generator) -> NDArray[np.int16]:
    axis = (np.arange(_SIZE) - (_SIZE - 1) / 2) * _PIXEL_SPACING
    x, y = axis[np.newaxis, :], axis[:, np.newaxis]
    image = np.full((_SIZE, _SIZE), -1000.0, np.float32)
    for centre, half, value in _ELLIPSOIDS:
        inside = ((x - centre[0]) / half[0]) ** 2 + ((y - centre[1]) / half[1]) ** 2 + ((z - centre[2]) / half[2]) ** 2
        image[inside <= 1.0] = value
    image += random.normal(0.0, 5.0, image.shape).astype(np.float32) * (image > -1000.0)
    return np.round(image).astype(np.int16)


def _write_slice(path: Path, pixels: NDArray[np.int16], number: int, z: float, uids: Sequence[str]) -> None:
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[uids[1], str(number)])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), Dataset(), file_meta=meta, preamble=b"\0" * 128)
    corner = -(_SIZE - 1) / 2 * _PIXEL_SPACING
    values = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "StudyInstanceUID": uids[0],
        "SeriesInstanceUID": uids[1],
        "FrameOfReferenceUID": uids[2],
        "PatientName": PHANTOM_PATIENT_NAME,
        "PatientID": "PHANTOM-1",
        "PatientBirthDate": "19700101",
        "PatientSex": "O",
        "StudyDate": "20260102",
        "StudyTime": "101500",
        "StudyID": "1",
        "StudyDescription": "CT head phantom",
        "AccessionNumber": "DEMO1",
        "ReferringPhysicianName": "",
        "Modality": "CT",
        "Manufacturer": "Generated",
        "SeriesNumber": 2,
        "SeriesDescription": "Head 1.5 mm",
        "SeriesDate": "20260102",
        "SeriesTime": "101600",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "InstanceNumber": number + 1,
        "AcquisitionNumber": 1,
        "ImagePositionPatient": [f"{corner:.4f}", f"{corner:.4f}", f"{z:.4f}"],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [_PIXEL_SPACING, _PIXEL_SPACING],
        "SliceThickness": _SLICE_SPACING,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": _SIZE,
        "Columns": _SIZE,
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
        "RescaleIntercept": 0,
        "RescaleSlope": 1,
        "RescaleType": "HU",
        "WindowCenter": 40,
        "WindowWidth": 120,
        "PixelData": pixels.tobytes(),
    }
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path, enforce_file_format=True)
