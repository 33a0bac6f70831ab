"""Sends one small image that this program makes, for a test of sending that somebody asked for.

It is the same object every time, so that a server keeps one at most however often it is tested. One thread per walk.
"""

from __future__ import annotations

import datetime
import tempfile
from pathlib import Path

from VisualDICOMBrowserLib.errors import PeerError, StorageFault
from VisualDICOMBrowserLib.model import InstanceRecord, SentInstance
from VisualDICOMBrowserLib.servers.diagnosis.diagnosis import Walk

__all__ = ["TEST_PATIENT_ID", "send_test_image"]

TEST_PATIENT_ID = "CONNECTION-TEST"
"""PatientID of the test image."""

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_SIDE = 8
# Made once from a random UUID each (DICOM PS3.5 B.2).
_STUDY = "2.25.247863124983519812406347015988213047865"
_SERIES = "2.25.118273645509182736450918273645091827364"
_INSTANCE = "2.25.306127849503612784950361278495036127849"


def send_test_image(walk: Walk) -> str:
    """Send it with the server's driver, as a job would, and say what became of it.

    Raises
    ------
    PeerError
        The server did not take it. Else as the driver.
    """
    name = walk.config.name
    fates: list[SentInstance] = []
    try:
        folder = tempfile.TemporaryDirectory(prefix="visual-dicom-test-", ignore_cleanup_errors=True)
    except OSError as fault:
        message = f"There is no room for a temporary file: {fault.strerror or fault}."
        raise StorageFault(message, next_step="Free some space.") from fault
    with folder:
        path = Path(folder.name) / "test.dcm"
        _write(path)
        record = InstanceRecord(
            SOPInstanceUID=_INSTANCE,
            SOPClassUID=_SECONDARY_CAPTURE,
            SeriesInstanceUID=_SERIES,
            StudyInstanceUID=_STUDY,
            path=str(path),
        )
        walk.driver().store([record], walk.control, fates.append)
    fate = fates[-1] if fates else SentInstance(SOPInstanceUID=_INSTANCE, status="failed", reason="")
    if fate.status == "failed":
        why = fate.reason or f"{name} did not confirm it."
        message = f"{name} did not take the test image: {why}"
        raise PeerError(message, code="store_refused", server=name, next_step="Ask its administrator for the right.")
    remark = f" {fate.reason}" if fate.status == "warning" and fate.reason else ""
    return f'{name} took a test image, which is there now as patient "{TEST_PATIENT_ID}".{remark}'


def _write(path: Path) -> None:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UID(_SECONDARY_CAPTURE), UID(_INSTANCE)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    image.SOPClassUID, image.SOPInstanceUID = _SECONDARY_CAPTURE, _INSTANCE
    image.StudyInstanceUID, image.SeriesInstanceUID = _STUDY, _SERIES
    image.PatientName, image.PatientID = "Connection^Test", TEST_PATIENT_ID
    image.PatientBirthDate = image.PatientSex = image.AccessionNumber = image.ReferringPhysicianName = ""
    image.StudyID, image.StudyTime, image.StudyDescription = "1", "", "Connection test"
    image.StudyDate = datetime.datetime.now(tz=datetime.timezone.utc).astimezone().strftime("%Y%m%d")
    image.Modality, image.ConversionType, image.SeriesNumber, image.InstanceNumber = "OT", "SYN", 1, 1
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows = image.Columns = _SIDE
    image.BitsAllocated = image.BitsStored = 8
    image.HighBit, image.PixelRepresentation = 7, 0
    image.PixelData = bytes(255 * (row + column) // (2 * _SIDE - 2) for row in range(_SIDE) for column in range(_SIDE))
    image.save_as(path, enforce_file_format=True)
