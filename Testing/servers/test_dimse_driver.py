"""`DimseDriver` against real servers: Orthanc as shipped and with TCP_NODELAY, and DCMTK's dcmqrscp."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from Testing.support.ct_series import CtSeries, dataset_bytes, make_ct_series
from Testing.support.dcmtk import DcmQrScp
from Testing.support.file_sink import ControlOfTest, FileSink
from Testing.support.orthanc import Orthanc
from Testing.support.processes import free_port
from VisualDICOMBrowserLib.errors import AssociationError, JobCancelled, NetworkError, PeerError, StorageFault
from VisualDICOMBrowserLib.model import (
    AnyRecord,
    InstanceRecord,
    Level,
    PatientRecord,
    Query,
    RetrieveRequest,
    SeriesRecord,
    StudyRecord,
)
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse import links
from VisualDICOMBrowserLib.servers.dimse.driver import DimseDriver
from VisualDICOMBrowserLib.servers.driver import ServerDriver, driver_for
from VisualDICOMBrowserLib.settings import Settings

Server = Orthanc | DcmQrScp


@pytest.fixture(params=["orthanc", "quick_orthanc", "dcmqrscp"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["own loop", "pynetdicom"])
def driver(request: pytest.FixtureRequest, server: Server, settings: Settings) -> Iterator[ServerDriver]:
    driver = DimseDriver(server.config(), settings, own_loop=request.param == "own loop")
    yield driver
    driver.close()


def assert_same_instances(sink: FileSink, series: list[CtSeries]) -> None:
    sent = {uid: path for item in series for uid, path in item.files.items()}
    assert sorted(item.SOPInstanceUID for item in sink.files) == sorted(sent)
    for item in sink.files:
        assert dataset_bytes(item.path) == dataset_bytes(sent[item.SOPInstanceUID])
    assert sink.stray_files() == []


def test_echo_answers(driver: ServerDriver, control: ControlOfTest) -> None:
    assert driver.echo(control) > 0


def test_every_level_is_found(driver: ServerDriver, thorax_series: list[CtSeries], control: ControlOfTest) -> None:
    first, second = thorax_series
    study = first.StudyInstanceUID
    patients = driver.find(Query(level=Level.PATIENT, PatientName="Phantom"), control).records
    assert [item.PatientID for item in patients if isinstance(item, PatientRecord)] == ["CT-1"]
    (found,) = driver.find(Query(StudyInstanceUID=study), control).records
    assert isinstance(found, StudyRecord)
    assert (found.PatientName, found.StudyDate, found.StudyDescription) == ("Phantom^Thorax", "20240102", "Thorax")
    series = driver.find(Query(level=Level.SERIES, StudyInstanceUID=study), control).records
    assert {item.SeriesInstanceUID for item in series if isinstance(item, SeriesRecord)} == {
        first.SeriesInstanceUID,
        second.SeriesInstanceUID,
    }
    query = Query(level=Level.IMAGE, StudyInstanceUID=study, SeriesInstanceUID=second.SeriesInstanceUID)
    images = driver.find(query, control).records
    assert {item.SOPInstanceUID for item in images if isinstance(item, InstanceRecord)} == set(second.files)
    assert {item.StudyInstanceUID for item in images if isinstance(item, InstanceRecord)} == {study}
    driver.close()


def test_levels_below_are_found_without_upper_uids(
    driver: ServerDriver, thorax_series: list[CtSeries], control: ControlOfTest
) -> None:
    batches: list[list[AnyRecord]] = []
    query = Query(level=Level.IMAGE, SeriesInstanceUID=thorax_series[1].SeriesInstanceUID)
    result = driver.find(query, control, lambda records: batches.append(list(records)))
    driver.close()
    assert {item.SOPInstanceUID for item in result.records if isinstance(item, InstanceRecord)} == set(
        thorax_series[1].files
    )
    assert [record for batch in batches for record in batch] == list(result.records)


def test_a_limit_ends_the_query_and_the_driver_stays_usable(driver: ServerDriver, control: ControlOfTest) -> None:
    result = driver.find(Query(level=Level.IMAGE, PatientID="CT-1", limit=5), control)
    assert len(result.records) == 5
    assert result.limit_reached
    assert not driver.find(Query(PatientID="CT-1"), control).limit_reached
    driver.close()


def test_series_arrives_as_it_was_sent(
    driver: ServerDriver, thorax_series: list[CtSeries], sink: FileSink, control: ControlOfTest
) -> None:
    first = thorax_series[0]
    request = RetrieveRequest(
        StudyInstanceUID=first.StudyInstanceUID,
        SeriesInstanceUID=first.SeriesInstanceUID,
        expected=len(first.files),
    )
    result = driver.retrieve(request, sink, control)
    driver.close()
    assert (result.received, result.failed_count) == (30, 0)
    assert result.bytes == sum(len(dataset_bytes(path)) for path in first.files.values())
    assert control.last_progress == (30, 30, result.bytes)
    assert_same_instances(sink, [first])
    with pydicom.dcmread(sink.files[0].path) as received:
        assert received.file_meta.MediaStorageSOPInstanceUID == sink.files[0].SOPInstanceUID


def test_study_and_single_instances(
    driver: ServerDriver, thorax_series: list[CtSeries], tmp_path: Path, control: ControlOfTest
) -> None:
    first, second = thorax_series
    whole = FileSink(tmp_path / "whole")
    assert driver.retrieve(RetrieveRequest(StudyInstanceUID=first.StudyInstanceUID), whole, control).received == 42
    assert_same_instances(whole, thorax_series)
    wanted = tuple(second.files)[3:5]
    some = FileSink(tmp_path / "some")
    request = RetrieveRequest(
        StudyInstanceUID=first.StudyInstanceUID, SeriesInstanceUID=second.SeriesInstanceUID, SOPInstanceUIDs=wanted
    )
    assert driver.retrieve(request, some, control).received == 2
    assert {item.SOPInstanceUID for item in some.files} == set(wanted)
    driver.close()


def test_an_unknown_study_is_an_error_in_words(driver: ServerDriver, sink: FileSink, control: ControlOfTest) -> None:
    with pytest.raises(PeerError) as raised:
        driver.retrieve(RetrieveRequest(StudyInstanceUID="1.2.3.4.5"), sink, control)
    assert raised.value.code in ("not_found", "peer_status")
    assert raised.value.message.startswith((f"{driver.name} has none", f"{driver.name} could not send the images"))
    assert list(sink.folder.iterdir()) == []
    driver.close()


def test_cancel_keeps_whole_instances(
    driver: ServerDriver, thorax_series: list[CtSeries], tmp_path: Path, control: ControlOfTest
) -> None:
    sink = FileSink(tmp_path / "received", on_add=lambda count: control.cancel() if count == 3 else None)
    request = RetrieveRequest(StudyInstanceUID=thorax_series[0].StudyInstanceUID)
    with pytest.raises(JobCancelled):
        driver.retrieve(request, sink, control)
    driver.close()
    assert len(sink.files) >= 3
    assert sink.stray_files() == []


def test_compressed_instances_come_as_they_were_stored(
    orthanc: Orthanc, compressed_files: list[Path], settings: Settings, tmp_path: Path, control: ControlOfTest
) -> None:
    driver = driver_for(orthanc.config(), settings)
    syntaxes = set()
    for number, path in enumerate(compressed_files):
        # Some of the files bear the same SOP Instance UID, so each is put there just before it is fetched.
        assert orthanc.put([path]) == 1
        original = pydicom.dcmread(path)
        sink = FileSink(tmp_path / str(number))
        request = RetrieveRequest(
            StudyInstanceUID=str(original.StudyInstanceUID),
            SeriesInstanceUID=str(original.SeriesInstanceUID),
            SOPInstanceUIDs=(str(original.SOPInstanceUID),),
        )
        assert driver.retrieve(request, sink, control).failed_count == 0
        (received,) = sink.files
        copy = pydicom.dcmread(received.path)
        assert copy.file_meta.TransferSyntaxUID == original.file_meta.TransferSyntaxUID == received.TransferSyntaxUID
        assert copy.PixelData == original.PixelData
        syntaxes.add(received.TransferSyntaxUID)
    driver.close()
    assert len(syntaxes) == len(compressed_files)


def test_a_class_that_was_not_proposed_is_an_error_in_words(
    orthanc: Orthanc, thorax_series: list[CtSeries], settings: Settings, sink: FileSink, control: ControlOfTest
) -> None:
    request = RetrieveRequest(
        StudyInstanceUID=thorax_series[0].StudyInstanceUID, SOPClassUIDs=("1.2.840.10008.5.1.4.1.1.4",)
    )
    driver = driver_for(orthanc.config(), settings)
    with pytest.raises(PeerError, match="Orthanc could not send the images: unable to process"):
        driver.retrieve(request, sink, control)
    driver.close()


def test_a_name_that_is_not_ascii_is_found(
    orthanc: Orthanc, settings: Settings, tmp_path: Path, control: ControlOfTest
) -> None:
    series = make_ct_series(tmp_path / "umlaut", 1, patient=("U-1", "x"))
    (path,) = series.files.values()
    slice_ = pydicom.dcmread(path)
    slice_.SpecificCharacterSet, slice_.PatientName = "ISO_IR 192", "Müller^Jörg"
    slice_.save_as(path)
    assert orthanc.put([path]) == 1
    driver = driver_for(orthanc.config(), settings)
    (found,) = driver.find(Query(PatientName="müller"), control).records
    driver.close()
    assert isinstance(found, StudyRecord)
    assert found.PatientName == "Müller^Jörg"


def test_modality_and_date_narrow_the_search(orthanc: Orthanc, settings: Settings, control: ControlOfTest) -> None:
    driver = driver_for(orthanc.config(), settings)
    ct = driver.find(Query(Modalities=("CT",), date_from="20190101", date_to="20200101"), control).records
    assert [item.StudyDate for item in ct if isinstance(item, StudyRecord)] == ["20191231"]
    several = driver.find(Query(Modalities=("MR", "US")), control).records
    modalities = {name for item in several if isinstance(item, StudyRecord) for name in item.ModalitiesInStudy}
    assert modalities == {"MR"} or modalities == {"MR", "US"}
    driver.close()


def test_a_wrong_called_ae_title_is_named(dcmqrscp: DcmQrScp, settings: Settings, control: ControlOfTest) -> None:
    driver = driver_for(dcmqrscp.config(called_ae_title="WRONG"), settings)
    with pytest.raises(AssociationError, match='DCMTK does not know the AE title "WRONG"') as raised:
        driver.echo(control)
    assert raised.value.code == "called_ae"


def test_an_unknown_host_and_a_closed_port_are_named(settings: Settings, control: ControlOfTest) -> None:
    config = ServerConfig(name="Main", host="no-such-host.invalid", called_ae_title="A", timeout_s=5.0)
    with pytest.raises(NetworkError, match=r"Main: the name no-such-host\.invalid is not known in this network"):
        driver_for(config, settings).echo(control)
    port = free_port()
    config = dataclasses.replace(config, host="127.0.0.1", port=port)
    with pytest.raises(NetworkError, match=f"Main: nothing listens on port {port}"):
        driver_for(config, settings).echo(control)


def test_a_full_disk_ends_the_retrieve(
    orthanc: Orthanc, thorax_series: list[CtSeries], settings: Settings, tmp_path: Path, control: ControlOfTest
) -> None:
    class SinkWithoutFolder(FileSink):
        def new_part(self) -> Path:
            return tmp_path / "gone" / super().new_part().name

    driver = driver_for(orthanc.config(), settings)
    request = RetrieveRequest(StudyInstanceUID=thorax_series[0].StudyInstanceUID)
    with pytest.raises(StorageFault, match="cannot be written"):
        driver.retrieve(request, SinkWithoutFolder(tmp_path / "received"), control)
    driver.close()


def test_falling_back_is_said_once(
    orthanc: Orthanc,
    settings: Settings,
    control: ControlOfTest,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(links, "has_quick_ack", lambda: False)
    driver = driver_for(orthanc.config(), settings)
    with caplog.at_level(logging.WARNING, logger=links.__name__):
        driver.echo(control)
        driver.echo(control)
    assert [record.message for record in caplog.records] == [
        "Images are received through pynetdicom, which is slower: this system has no TCP_QUICKACK."
    ]
