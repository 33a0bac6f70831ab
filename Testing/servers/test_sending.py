"""Files of unusual form on their way out of our node: how they are named and converted."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pydicom
import pytest

from Testing.support.ct_series import make_ct_series
from Testing.support.faulty_peer import FaultyPeer
from Testing.support.file_sink import ControlOfTest
from Testing.support.store_scripts import Receiver, records_of
from VisualDICOMBrowserLib.model import InstanceRecord, SentInstance
from VisualDICOMBrowserLib.servers.dimse.driver import DimseDriver
from VisualDICOMBrowserLib.servers.dimse.sending import CannotSend, read_stored_file, uncompressed_data_set
from VisualDICOMBrowserLib.servers.upper_layer.elements import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from VisualDICOMBrowserLib.settings import Settings

TEST_FILES = Path(pydicom.__file__).parent / "data" / "test_files"


def record_of(name: str) -> InstanceRecord:
    dataset = pydicom.dcmread(TEST_FILES / name, force=True)
    return InstanceRecord(SOPInstanceUID=str(dataset.SOPInstanceUID), path=str(TEST_FILES / name))


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@pytest.mark.parametrize(
    "name",
    [
        "MR_small_bigendian.dcm",
        "rtdose_expb.dcm",
        "liver_expb_1frame.dcm",
        "SC_rgb_small_odd_big_endian.dcm",
        "SC_rgb_jpeg_gdcm.dcm",
        "MR_small_RLE.dcm",
    ],
)
def test_converted_pixels_are_the_same_pixels(name: str) -> None:
    original = pydicom.dcmread(TEST_FILES / name)
    data = uncompressed_data_set(read_stored_file(record_of(name)), EXPLICIT_LITTLE)
    converted = pydicom.dcmread(io.BytesIO(data), force=True)
    converted.file_meta.TransferSyntaxUID = EXPLICIT_LITTLE
    assert np.array_equal(converted.pixel_array, original.pixel_array)


@pytest.mark.parametrize("name", ["rtstruct.dcm", "ExplVR_BigEndNoMeta.dcm"])
def test_files_without_meta_information_can_be_sent(name: str) -> None:
    stored = read_stored_file(record_of(name))
    original = pydicom.dcmread(TEST_FILES / name, force=True)
    assert stored.sop_class == original.SOPClassUID
    converted = pydicom.dcmread(io.BytesIO(uncompressed_data_set(stored, EXPLICIT_LITTLE)), force=True)
    assert converted.SOPInstanceUID == original.SOPInstanceUID


def test_the_data_set_names_the_instance_not_the_meta_information() -> None:
    original = pydicom.dcmread(TEST_FILES / "rtplan.dcm")
    assert original.file_meta.MediaStorageSOPInstanceUID != original.SOPInstanceUID
    stored = read_stored_file(record_of("rtplan.dcm"))
    assert stored.sop_instance == original.SOPInstanceUID
    assert stored.transfer_syntax == IMPLICIT_LITTLE


def test_a_file_that_is_gone_cannot_be_sent(tmp_path: Path) -> None:
    with pytest.raises(CannotSend, match="not there"):
        read_stored_file(InstanceRecord(SOPInstanceUID="1.2", path=str(tmp_path / "gone.dcm")))


@pytest.mark.parametrize("left", ["nothing", "less than its header"])
def test_a_file_that_shrank_since_its_header_was_read_is_not_sent(tmp_path: Path, left: str) -> None:
    """Case 54 at our end: the association goes on, and the peer gets no empty instance."""
    series = make_ct_series(tmp_path, 3)
    uids = list(series.files)
    told: list[SentInstance] = []

    class Cutting(ControlOfTest):
        """Cuts the last file while the first one is under way; all headers are known by then."""

        def progress(self, done: int, total: int | None = None, received_bytes: int | None = None) -> None:
            """Cut."""
            os.truncate(series.files[uids[2]], 0 if left == "nothing" else 200)

    receiver = Receiver()
    with FaultyPeer(receiver) as peer:
        DimseDriver(peer.config(), Settings()).store(records_of(series), Cutting(), told.append)
    assert [(item.SOPInstanceUID, item.status) for item in told] == [
        (uids[0], "sent"),
        (uids[1], "sent"),
        (uids[2], "failed"),
    ]
    assert told[2].reason == "The file became shorter than its own header."
    assert set(receiver.received) == set(uids[:2])
