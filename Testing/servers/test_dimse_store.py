"""C-STORE as SCU against DCMTK's storescp and Orthanc: what arrives, as what, and what is listed as not sent."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from Testing.support.ct_series import CtSeries, dataset_bytes, make_ct_series
from Testing.support.dcmtk import StoreScp
from Testing.support.file_sink import ControlOfTest
from Testing.support.orthanc import Orthanc
from Testing.support.processes import free_port
from Testing.support.store_scripts import records_of
from VisualDICOMBrowserLib.errors import JobCancelled
from VisualDICOMBrowserLib.model import InstanceRecord, Query, SentInstance
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse import driver as dimse_driver
from VisualDICOMBrowserLib.servers.dimse.driver import DimseDriver
from VisualDICOMBrowserLib.settings import Settings

StartStoreScp = Callable[..., StoreScp]


@pytest.fixture
def start_storescp(tmp_path: Path) -> Iterator[StartStoreScp]:
    """Starts storescp with further options."""
    started: list[StoreScp] = []

    def start(*options: str) -> StoreScp:
        server = StoreScp(tmp_path / f"storescp{len(started)}", ("+B", *options))
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="module")
def compressed(compressed_files: list[Path]) -> dict[str, Path]:
    """Compressed files by SOP Instance UID."""
    return {str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID): path for path in compressed_files}


def sent(config: ServerConfig, records: list[InstanceRecord], control: ControlOfTest) -> dict[str, SentInstance]:
    """What became of each, all told once."""
    told: list[SentInstance] = []
    driver = DimseDriver(config, Settings())
    driver.store(records, control, told.append)
    driver.close()
    by_uid = {item.SOPInstanceUID: item for item in told}
    assert len(by_uid) == len(told) == len(records)
    return by_uid


def test_a_series_arrives_as_it_is(storescp: StoreScp, thorax_series: list[CtSeries], control: ControlOfTest) -> None:
    series = thorax_series[0]
    told = sent(storescp.config(), records_of(series), control)
    assert {item.status for item in told.values()} == {"sent"}
    assert {item.code for item in told.values()} == {0}
    received = sorted(dataset_bytes(path) for path in storescp.received.iterdir())
    assert received == sorted(dataset_bytes(path) for path in series.files.values())
    done, total, size = control.last_progress
    assert (done, total) == (30, 30)
    assert size == sum(item.size for item in told.values())
    assert size is not None
    assert size > sum(len(content) for content in received)


def test_compressed_files_go_as_they_are_where_they_are_taken(
    start_storescp: StartStoreScp, compressed: dict[str, Path], control: ControlOfTest
) -> None:
    server = start_storescp("--accept-all")
    told = sent(server.config(), records_of(compressed), control)
    assert {item.status for item in told.values()} == {"sent"}
    received = sorted(dataset_bytes(path) for path in server.received.iterdir())
    assert received == sorted(dataset_bytes(path) for path in compressed.values())


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("option", "syntax"), [("--prefer-little", ExplicitVRLittleEndian), ("--implicit", ImplicitVRLittleEndian)]
)
def test_what_is_not_taken_is_transcoded(
    start_storescp: StartStoreScp, compressed: dict[str, Path], control: ControlOfTest, option: str, syntax: UID
) -> None:
    server = start_storescp(option)
    # That one has 12 bits, which few decoders take.
    files = {uid: path for uid, path in compressed.items() if path.name != "JPEG-lossy.dcm"}
    told = sent(server.config(), records_of(files), control)
    assert {item.status for item in told.values()} == {"sent"}
    for path in server.received.iterdir():
        received = pydicom.dcmread(path)
        assert received.file_meta.TransferSyntaxUID == syntax
        original = pydicom.dcmread(compressed[str(received.SOPInstanceUID)])
        assert received.pixel_array.shape == original.pixel_array.shape


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_cannot_be_decoded_is_listed(
    storescp: StoreScp, thorax_series: list[CtSeries], tmp_path: Path, control: ControlOfTest
) -> None:
    dataset = pydicom.dcmread(next(iter(thorax_series[0].files.values())))
    dataset.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.102")
    dataset.PixelData = pydicom.encaps.encapsulate([b"no film at all"])
    dataset["PixelData"].is_undefined_length = True
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    dataset.save_as(tmp_path / "film.dcm", enforce_file_format=True)
    records = [*records_of({"1.2.3.4": tmp_path / "film.dcm"}), *records_of(thorax_series[1])]
    told = sent(storescp.config(), records, control)
    film = told.pop("1.2.3.4")
    assert (film.status, film.code) == ("failed", None)
    assert film.reason.startswith("It cannot be decompressed (")
    assert {item.status for item in told.values()} == {"sent"}


def test_missing_and_replaced_files_are_listed(
    storescp: StoreScp, thorax_series: list[CtSeries], tmp_path: Path, control: ControlOfTest
) -> None:
    first, second = list(thorax_series[1].files.values())[:2]
    (tmp_path / "text.dcm").write_text("This is no image." * 100)
    (tmp_path / "empty.dcm").touch()
    records = [
        InstanceRecord(SOPInstanceUID="1.2.1", path=str(tmp_path / "gone.dcm")),
        InstanceRecord(SOPInstanceUID="1.2.2", path=str(first)),
        InstanceRecord(SOPInstanceUID="1.2.3", path=str(tmp_path / "text.dcm")),
        InstanceRecord(SOPInstanceUID="1.2.4", path=str(tmp_path / "empty.dcm")),
        InstanceRecord(SOPInstanceUID="1.2.5", path=str(tmp_path)),
        InstanceRecord(SOPInstanceUID=list(thorax_series[1].files)[1], path=str(second)),
    ]
    told = sent(storescp.config(), records, control)
    good = told.pop(records[-1].SOPInstanceUID)
    assert good.status == "sent"
    assert {item.status for item in told.values()} == {"failed"}
    assert told["1.2.2"].reason == "The file holds another object by now."
    assert all(item.reason.startswith("The file") and item.reason.endswith(".") for item in told.values())
    assert len(list(storescp.received.iterdir())) == 1


def test_files_of_every_encoding_reach_orthanc(tmp_path: Path, control: ControlOfTest) -> None:
    names = ["MR_small_bigendian.dcm", "rtplan.dcm", "MR_small_implicit.dcm", "image_dfl.dcm", "CT_small.dcm"]
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    files = {str(pydicom.dcmread(folder / name).SOPInstanceUID): folder / name for name in names}
    server = Orthanc(tmp_path / "orthanc")
    try:
        server.start()
        told = sent(server.config(), records_of(files), control)
        assert {item.status for item in told.values()} == {"sent"}
        assert server.instance_count() == len(files)
    finally:
        server.stop()


def test_an_object_of_a_kind_that_is_not_taken_is_listed_and_the_others_go(
    start_storescp: StartStoreScp, thorax_series: list[CtSeries], tmp_path: Path, control: ControlOfTest
) -> None:
    """Case 50."""
    dataset = pydicom.dcmread(next(iter(thorax_series[0].files.values())))
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.3.4.5.6"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.7"
    dataset.save_as(tmp_path / "private.dcm", enforce_file_format=True)
    private = records_of({"1.2.3.7": tmp_path / "private.dcm"})
    server = start_storescp()
    told = sent(server.config(), [*private, *records_of(thorax_series[1])], control)
    refused = told.pop("1.2.3.7")
    assert refused.reason == "Storescp does not take objects of the kind 1.2.3.4.5.6."
    assert {item.status for item in told.values()} == {"sent"}
    told = sent(server.config(), private, control)
    assert told["1.2.3.7"].status == "failed"


def test_the_address_for_sending(storescp: StoreScp, thorax_series: list[CtSeries], control: ControlOfTest) -> None:
    config = ServerConfig(
        name="PACS",
        host="no-such-host.invalid",
        port=free_port(),
        called_ae_title="PACS",
        store_host="localhost",
        store_port=storescp.port,
        store_ae_title="STORE",
    )
    assert {item.status for item in sent(config, records_of(thorax_series[1]), control).values()} == {"sent"}


def test_cancel_between_instances_keeps_what_was_confirmed(
    storescp: StoreScp, thorax_series: list[CtSeries], control: ControlOfTest
) -> None:
    """Case 57."""
    told: list[SentInstance] = []

    def note(item: SentInstance) -> None:
        told.append(item)
        if len(told) == 3:
            control.cancel()

    with pytest.raises(JobCancelled):
        DimseDriver(storescp.config(), Settings()).store(records_of(thorax_series[0]), control, note)
    assert [item.status for item in told] == ["sent"] * 3
    assert len(list(storescp.received.iterdir())) == 3


def test_a_kept_association_and_one_that_is_not(
    orthanc: Orthanc, control: ControlOfTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    open_link = dimse_driver.open_link

    def counted(*arguments: object, **keywords: object) -> object:
        opened.append(1)
        return open_link(*arguments, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr(dimse_driver, "open_link", counted)
    for keep, times in ((True, 1), (False, 3)):
        opened.clear()
        driver = DimseDriver(orthanc.config(keep_association=keep), Settings())
        for _ in range(3):
            assert driver.find(Query(PatientID="CT-1"), control).records
        driver.close()
        assert len(opened) == times


def test_deflated_pixels_stay_the_same(storescp: StoreScp, control: ControlOfTest) -> None:
    path = Path(pydicom.__file__).parent / "data" / "test_files" / "image_dfl.dcm"
    original = pydicom.dcmread(path)
    told = sent(storescp.config(), records_of({str(original.SOPInstanceUID): path}), control)
    assert {item.status for item in told.values()} == {"sent"}
    (arrived,) = storescp.received.iterdir()
    received = pydicom.dcmread(io.BytesIO(arrived.read_bytes()))
    assert received.PixelData == original.PixelData


def test_nothing_to_send_opens_nothing(free_port: int, control: ControlOfTest) -> None:
    config = ServerConfig(name="PACS", host="127.0.0.1", port=free_port, called_ae_title="PACS")
    assert sent(config, [], control) == {}


def test_large_instances_are_not_held_in_memory(storescp: StoreScp, tmp_path: Path, control: ControlOfTest) -> None:
    series = make_ct_series(tmp_path / "large", 1, size=4096)
    sent(storescp.config(), records_of(make_ct_series(tmp_path / "small", 1)), control)
    tracemalloc.start()
    try:
        told = sent(storescp.config(), records_of(series), control)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert {item.status for item in told.values()} == {"sent"}
    assert peak < 8_000_000 < next(iter(series.files.values())).stat().st_size
