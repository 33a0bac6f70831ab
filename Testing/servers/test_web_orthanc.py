"""The web driver against real Orthancs: plain, with users, and by HTTPS."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from Testing.support.ct_series import CtSeries, make_ct_series
from Testing.support.file_sink import ControlOfTest, FileSink
from Testing.support.orthanc import Orthanc
from Testing.support.processes import required_program
from Testing.support.tls_forwarder import TlsForwarder
from Testing.support.web_drivers import web_services
from VisualDICOMBrowserLib.errors import PeerError
from VisualDICOMBrowserLib.model import (
    InstanceRecord,
    Level,
    PatientRecord,
    Query,
    RetrieveRequest,
    SentInstance,
    SeriesRecord,
    StudyRecord,
)
from VisualDICOMBrowserLib.servers.bulk.pool import BulkPool
from VisualDICOMBrowserLib.servers.driver import DriverServices
from VisualDICOMBrowserLib.servers.web.driver import WebDriver
from VisualDICOMBrowserLib.settings import Settings


@pytest.fixture(scope="module")
def web_orthanc(
    tmp_path_factory: pytest.TempPathFactory,
    thorax_series: list[CtSeries],
    other_patient: CtSeries,
    compressed_files: list[Path],
) -> Iterator[Orthanc]:
    """Orthanc with the DICOMweb plugin, a study of two series, another patient, and compressed files."""
    server = Orthanc(tmp_path_factory.mktemp("web-orthanc"), dicomweb=True)
    try:
        server.start()
        for series in (*thorax_series, other_patient):
            server.put(series.files.values())
        server.put(compressed_files)
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def guarded_orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """An empty Orthanc that wants a user and a password."""
    server = Orthanc(tmp_path_factory.mktemp("guarded"), dicomweb=True, users={"tester": "pass-w0rd"})
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def driver(web_orthanc: Orthanc) -> Iterator[WebDriver]:
    """Driver of the plain Orthanc."""
    made = WebDriver(web_orthanc.web_config(), Settings())
    yield made
    made.close()


def test_echo_and_find(driver: WebDriver, thorax_series: list[CtSeries], control: ControlOfTest) -> None:
    """All levels, by name as the user writes it."""
    assert driver.echo(control) < 30
    patients = driver.find(Query(level=Level.PATIENT, PatientName="phantom^thorax"), control).records
    assert patients == (
        PatientRecord(
            PatientID="CT-1",
            PatientName="Phantom^Thorax",
            PatientBirthDate="19700101",
            PatientSex="O",
            server="Orthanc",
        ),
    )
    query = Query(PatientName="Phantom", StudyDescription="thor", date_from="20240101", Modalities=("CT",))
    (study,) = driver.find(query, control).records
    assert isinstance(study, StudyRecord)
    assert (study.StudyDescription, study.NumberOfStudyRelatedSeries) == ("Thorax", 2)
    assert study.NumberOfStudyRelatedInstances == 42
    series = driver.find(Query(level=Level.SERIES, StudyInstanceUID=study.StudyInstanceUID), control).records
    assert {
        (item.SeriesInstanceUID, item.SeriesDescription, item.NumberOfSeriesRelatedInstances)
        for item in series
        if isinstance(item, SeriesRecord)
    } == {
        (thorax_series[0].SeriesInstanceUID, "Axial 1.5", 30),
        (thorax_series[1].SeriesInstanceUID, "Coronal", 12),
    }
    query = Query(
        level=Level.IMAGE,
        StudyInstanceUID=study.StudyInstanceUID,
        SeriesInstanceUID=thorax_series[1].SeriesInstanceUID,
    )
    instances = driver.find(query, control).records
    assert {item.SOPInstanceUID for item in instances if isinstance(item, InstanceRecord)} == set(
        thorax_series[1].files
    )


@pytest.mark.parametrize("in_worker", [False, True])
def test_retrieve_a_study(
    in_worker: bool, web_orthanc: Orthanc, thorax_series: list[CtSeries], sink: FileSink, pool: BulkPool
) -> None:
    """Two series in one streamed answer, here and in a worker; bytes as Orthanc has them."""
    driver = WebDriver(web_orthanc.web_config(), Settings(), pool if in_worker else None)
    request = RetrieveRequest(StudyInstanceUID=thorax_series[0].StudyInstanceUID, expected=42)
    control = ControlOfTest()
    result = driver.retrieve(request, sink, control)
    driver.close()
    assert (result.received, result.failed_count, result.warnings) == (42, 0, 0)
    assert control.last_progress[:2] == (42, 42)
    files = {**thorax_series[0].files, **thorax_series[1].files}
    assert {received.SOPInstanceUID for received in sink.files} == set(files)
    assert all(received.path.read_bytes() == files[received.SOPInstanceUID].read_bytes() for received in sink.files)
    assert sink.stray_files() == []


def test_retrieve_some_instances(driver: WebDriver, thorax_series: list[CtSeries], sink: FileSink) -> None:
    """One by one, with one that is not there."""
    series = thorax_series[0]
    wanted = tuple(list(series.files)[10:15])
    request = RetrieveRequest(
        StudyInstanceUID=series.StudyInstanceUID,
        SeriesInstanceUID=series.SeriesInstanceUID,
        SOPInstanceUIDs=(*wanted, "1.2.3.4"),
    )
    result = driver.retrieve(request, sink, ControlOfTest())
    assert (result.received, result.failed_count) == (5, 1)
    assert [item.SOPInstanceUID for item in result.failed] == ["1.2.3.4"]
    assert {received.SOPInstanceUID for received in sink.files} == set(wanted)


def test_compressed_instances_stay_compressed(
    driver: WebDriver, compressed_files: list[Path], tmp_path: Path, control: ControlOfTest
) -> None:
    """Every transfer syntax comes as it is stored."""
    # Some of the files are one instance in several syntaxes, of which Orthanc keeps the last.
    headers = {str(header.SOPInstanceUID): header for header in map(_header, compressed_files)}
    for number, (uid, header) in enumerate(headers.items()):
        sink = FileSink(tmp_path / str(number))
        request = RetrieveRequest(
            StudyInstanceUID=str(header.StudyInstanceUID),
            SeriesInstanceUID=str(header.SeriesInstanceUID),
            SOPInstanceUIDs=(uid,),
        )
        driver.retrieve(request, sink, control)
        assert [received.TransferSyntaxUID for received in sink.files] == [str(header.file_meta.TransferSyntaxUID)]


def _header(path: Path) -> pydicom.FileDataset:
    return pydicom.dcmread(path, stop_before_pixels=True)


def test_what_is_not_there(driver: WebDriver, sink: FileSink, control: ControlOfTest) -> None:
    """An unknown series ends in a sentence; its list is empty."""
    with pytest.raises(PeerError) as fault:
        driver.retrieve(RetrieveRequest(StudyInstanceUID="1.2.3", SeriesInstanceUID="4.5"), sink, control)
    assert fault.value.code == "not_found"
    assert driver.find(Query(level=Level.SERIES, StudyInstanceUID="1.2.3"), control).records == ()


def test_a_wrong_path_is_told(web_orthanc: Orthanc, control: ControlOfTest) -> None:
    """The address of Orthanc itself instead of its DICOMweb service."""
    config = web_orthanc.web_config(url=f"http://127.0.0.1:{web_orthanc.http_port}/wrong")
    driver = WebDriver(config, Settings())
    with pytest.raises(PeerError, match="not DICOMweb") as fault:
        driver.echo(control)
    driver.close()
    assert fault.value.code == "not_dicomweb"


def test_pictures(driver: WebDriver, thorax_series: list[CtSeries], control: ControlOfTest) -> None:
    """A JPEG of an instance; none of what is not there."""
    series = thorax_series[0]
    uid = next(iter(series.files))
    picture = driver.picture(series.StudyInstanceUID, series.SeriesInstanceUID, uid, control)
    assert picture is not None
    assert picture.startswith(b"\xff\xd8\xff")
    assert driver.picture(series.StudyInstanceUID, series.SeriesInstanceUID, "1.2.3", control) is None


def test_store_with_a_user(guarded_orthanc: Orthanc, tmp_path: Path, control: ControlOfTest) -> None:
    """Case 67: 401 without password; with it all is stored, and what Orthanc cannot read is not called sent."""
    series = make_ct_series(tmp_path / "series", 12)
    instances = [
        InstanceRecord(SOPInstanceUID=uid, SOPClassUID="1.2.840.10008.5.1.4.1.1.2", path=str(path))
        for uid, path in series.files.items()
    ]
    sent: list[SentInstance] = []
    config = guarded_orthanc.web_config(auth="basic", user="tester")
    stranger = WebDriver(config, Settings(), None, web_services(password="wrong"))
    with pytest.raises(PeerError) as fault:
        stranger.store(instances, control, sent.append)
    stranger.close()
    assert (fault.value.code, sent) == ("sign_in", [])
    driver = WebDriver(config, Settings(), None, web_services(password="pass-w0rd"))
    driver.store(instances, control, sent.append)
    driver.close()
    assert [(item.SOPInstanceUID, item.status) for item in sent] == [(uid, "sent") for uid in series.files]
    assert guarded_orthanc.instance_count() == 12


def test_https(web_orthanc: Orthanc, tmp_path: Path, thorax_series: list[CtSeries], sink: FileSink) -> None:
    """Orthanc behind HTTPS with a certificate of an own authority, also in a worker process."""
    openssl = required_program("openssl")
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    series = thorax_series[0]
    with TlsForwarder(web_orthanc.http_port, context) as tls:
        config = web_orthanc.web_config(
            url=f"https://localhost:{tls.port}/dicom-web", tls_ca_file=str(tmp_path / "cert.pem")
        )
        driver = WebDriver(config, Settings(), None, DriverServices())
        request = RetrieveRequest(
            StudyInstanceUID=series.StudyInstanceUID, SeriesInstanceUID=series.SeriesInstanceUID, expected=30
        )
        assert driver.retrieve(request, sink, ControlOfTest()).received == 30
        driver.close()
    assert sink.stray_files() == []
