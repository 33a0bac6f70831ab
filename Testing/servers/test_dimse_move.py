"""C-MOVE to our listener from real servers: dcmqrscp with and without C-GET, and Orthanc."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from Testing.support.ct_series import CtSeries
from Testing.support.dcmtk import DcmQrScp
from Testing.support.file_sink import ControlOfTest, FileSink
from Testing.support.listening import NODE_AE_TITLE, Listening
from Testing.support.orthanc import Orthanc
from Testing.support.processes import free_port
from VisualDICOMBrowserLib.errors import AssociationError, JobCancelled, PeerError
from VisualDICOMBrowserLib.model import Level, Query, RetrieveRequest
from VisualDICOMBrowserLib.servers.dimse.driver import DimseDriver
from VisualDICOMBrowserLib.servers.node.node import Node
from VisualDICOMBrowserLib.settings import Settings

Server = Orthanc | DcmQrScp

NODE_PORT = free_port()


@pytest.fixture(scope="module")
def moving_dcmqrscp(tmp_path_factory: pytest.TempPathFactory, thorax_series: list[CtSeries]) -> Iterator[DcmQrScp]:
    """dcmqrscp without C-GET, which knows our node."""
    server = DcmQrScp(
        tmp_path_factory.mktemp("moving"),
        peers={NODE_AE_TITLE: NODE_PORT, "DOWN": free_port()},
        options=["--disable-get"],
    )
    try:
        server.start()
        for series in thorax_series:
            server.put(series.folder)
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def moving_orthanc(tmp_path_factory: pytest.TempPathFactory, thorax_series: list[CtSeries]) -> Iterator[Orthanc]:
    """Orthanc, which knows our node."""
    node = {"AET": NODE_AE_TITLE, "Host": "127.0.0.1", "Port": NODE_PORT}
    down = {"AET": "DOWN", "Host": "127.0.0.1", "Port": free_port()}
    server = Orthanc(
        tmp_path_factory.mktemp("moving-orthanc"),
        no_delay=True,
        options={"DicomModalities": {"node": node, "down": down}},
    )
    try:
        server.start()
        for series in thorax_series:
            server.put(series.files.values())
        yield server
    finally:
        server.stop()


@pytest.fixture(params=["moving_dcmqrscp", "moving_orthanc"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each of both."""
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def listening(start_node: Callable[..., Node]) -> Listening:
    """Our node where the servers look for it."""
    return Listening(start_node, NODE_PORT)


def driver_of(server: Server, listening: Listening, own_loop: bool = True, **changes: object) -> DimseDriver:
    config = server.config(**{"retrieve_protocol": "C-MOVE", **changes})
    settings = Settings({"retrieve/move_wait_s": 5.0})
    return DimseDriver(config, settings, services=listening.services, own_loop=own_loop)


@pytest.mark.parametrize("own_loop", [True, False], ids=["own loop", "pynetdicom"])
@pytest.mark.parametrize("level", list(Level)[1:])
def test_study_series_and_images_arrive(
    server: Server, listening: Listening, thorax_series: list[CtSeries], sink: FileSink, level: Level, own_loop: bool
) -> None:
    """Case 53: every instance asked for is in the database, and counted once."""
    first, second = thorax_series
    wanted = {
        Level.STUDY: {**first.files, **second.files},
        Level.SERIES: second.files,
        Level.IMAGE: dict(list(second.files.items())[:2]),
    }[level]
    request = RetrieveRequest(
        StudyInstanceUID=first.StudyInstanceUID,
        SeriesInstanceUID="" if level is Level.STUDY else second.SeriesInstanceUID,
        SOPInstanceUIDs=tuple(wanted) if level is Level.IMAGE else (),
    )
    control = ControlOfTest()
    result = driver_of(server, listening, own_loop).retrieve(request, sink, control)
    assert (result.received, result.failed_count) == (len(wanted), 0)
    assert sorted(item.SOPInstanceUID for item in sink.stored_elsewhere) == sorted(wanted)
    assert control.last_progress[:2] in ((len(wanted), len(wanted)), (len(wanted), None))
    assert result.bytes > 0


def test_automatic_is_c_move_where_there_is_no_c_get(
    moving_dcmqrscp: DcmQrScp, listening: Listening, thorax_series: list[CtSeries], sink: FileSink
) -> None:
    """Without C-GET the log says which way it went; without a listener the reason is the missing C-GET."""
    request = RetrieveRequest(StudyInstanceUID=thorax_series[0].StudyInstanceUID)
    control = ControlOfTest()
    driver = driver_of(moving_dcmqrscp, listening, retrieve_protocol="auto")
    assert driver.retrieve(request, sink, control).received == 42
    assert control.messages == ["DCMTK offers no C-GET.", 'DCMTK sends by C-MOVE to "NODE".']
    with pytest.raises(AssociationError, match="DCMTK offers no retrieve by C-GET"):
        DimseDriver(moving_dcmqrscp.config(), Settings()).retrieve(request, sink, control)


def test_automatic_is_c_get_where_it_is_offered(
    moving_orthanc: Orthanc, listening: Listening, thorax_series: list[CtSeries], sink: FileSink
) -> None:
    """The log says so."""
    request = RetrieveRequest(StudyInstanceUID=thorax_series[0].StudyInstanceUID)
    control = ControlOfTest()
    driver = driver_of(moving_orthanc, listening, retrieve_protocol="auto")
    assert driver.retrieve(request, sink, control).received == len(sink.files) == 42
    assert control.messages == ["Orthanc sent by C-GET."]


def test_an_unknown_destination_is_named(
    server: Server, listening: Listening, thorax_series: list[CtSeries], sink: FileSink
) -> None:
    """Case 53: destination unknown, 0xA801 (dcmqrscp) and 0xC000 without a word (Orthanc)."""
    driver = driver_of(server, listening, move_destination="NOWHERE")
    with pytest.raises(PeerError, match='does not know where "NOWHERE" is') as raised:
        driver.retrieve(RetrieveRequest(StudyInstanceUID=thorax_series[0].StudyInstanceUID), sink, ControlOfTest())
    driver.close()
    assert raised.value.code == "move_destination"
    assert raised.value.next_step == (
        f'Ask its administrator to register AE title "NOWHERE", 127.0.0.1, port {NODE_PORT}.'
    )


def test_a_destination_that_is_down_is_said(
    server: Server, listening: Listening, thorax_series: list[CtSeries], sink: FileSink
) -> None:
    """Case 53: destination down, 0xA702 (dcmqrscp) and 0xC000 (Orthanc)."""
    driver = driver_of(server, listening, move_destination="DOWN")
    with pytest.raises(PeerError, match=r'could not send the images to "DOWN"|"DOWN" is, or cannot reach it') as raised:
        driver.retrieve(RetrieveRequest(StudyInstanceUID=thorax_series[0].StudyInstanceUID), sink, ControlOfTest())
    driver.close()
    assert 'AE title "DOWN"' in raised.value.next_step


def test_an_unknown_study_is_not_found(server: Server, listening: Listening, sink: FileSink) -> None:
    """Case 53: dcmqrscp answers with success, Orthanc with 0xC000, to both nothing of it is known."""
    driver = driver_of(server, listening)
    with pytest.raises(PeerError, match="has none of the images asked for") as raised:
        driver.retrieve(RetrieveRequest(StudyInstanceUID="1.2.3.4.5"), sink, ControlOfTest())
    driver.close()
    assert raised.value.code == "not_found"


def test_cancel_in_mid_flight(
    server: Server, listening: Listening, thorax_series: list[CtSeries], sink: FileSink
) -> None:
    """Case 57: cancelled when the server begins; it obeys or is quicker, and the driver stays usable."""

    class CancelledAtOnce(ControlOfTest):
        def progress(self, done: int, total: int | None = None, received_bytes: int | None = None) -> None:
            self.cancel()

    driver = driver_of(server, listening)
    try:
        result = driver.retrieve(
            RetrieveRequest(StudyInstanceUID=thorax_series[0].StudyInstanceUID), sink, CancelledAtOnce()
        )
    except JobCancelled:
        assert len(sink.stored_elsewhere) <= 42
    else:
        assert result.received == 42
    assert driver.find(Query(PatientID="CT-1"), ControlOfTest()).records
    driver.close()
