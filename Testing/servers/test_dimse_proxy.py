"""A PACS that only knows C-MOVE behind a proxy: dcmqrscp without C-GET sends to Orthanc, from which we fetch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from Testing.support.ct_series import CtSeries, make_ct_series
from Testing.support.dcmtk import DcmQrScp
from Testing.support.faulty_peer import FaultyPeer, PeerSide
from Testing.support.file_sink import ControlOfTest, FileSink
from Testing.support.listening import move_answer
from Testing.support.orthanc import AE_TITLE, Orthanc
from Testing.support.processes import free_port
from VisualDICOMBrowserLib.errors import JobCancelled, PeerError, UsageError, VisualDICOMError
from VisualDICOMBrowserLib.model import Query, RetrieveRequest, RetrieveResult
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse.driver import DimseDriver
from VisualDICOMBrowserLib.servers.driver import DriverServices
from VisualDICOMBrowserLib.servers.upper_layer.pdata import CommandField
from VisualDICOMBrowserLib.settings import Settings


@dataclass
class Proxied:
    """Both servers, and the driver of the PACS."""

    pacs: DcmQrScp
    proxy: Orthanc
    sink: FileSink
    control: ControlOfTest

    def services(self, **changes: Any) -> DriverServices:
        config = self.proxy.config(name="Proxy", **changes)

        def server(name: str) -> ServerConfig:
            if name != config.name:
                message = f"There is no server {name!r}."
                raise UsageError(message, code="unknown_server")
            return config

        return DriverServices(server=server)

    def retrieve(self, request: RetrieveRequest, **changes: Any) -> RetrieveResult:
        config = self.pacs.config(name="PACS", retrieve_protocol="proxy", proxy="Proxy")
        driver = DimseDriver(config, Settings({"retrieve/move_wait_s": 1.0}), services=self.services(**changes))
        try:
            return driver.retrieve(request, self.sink, self.control)
        finally:
            driver.close()

    def failure(self, request: RetrieveRequest, **changes: Any) -> VisualDICOMError:
        with pytest.raises(VisualDICOMError) as raised:
            self.retrieve(request, **changes)
        assert self.sink.stray_files() == []
        return raised.value


@pytest.fixture(scope="module")
def servers(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[DcmQrScp, Orthanc]]:
    """A PACS without C-GET that knows the proxy, and the proxy; both empty."""
    proxy = Orthanc(tmp_path_factory.mktemp("proxy"), no_delay=True)
    pacs = DcmQrScp(
        tmp_path_factory.mktemp("pacs"),
        peers={AE_TITLE: proxy.port, "DOWN": free_port()},
        options=["--disable-get"],
    )
    try:
        proxy.start()
        pacs.start()
        yield pacs, proxy
    finally:
        pacs.stop()
        proxy.stop()


@pytest.fixture
def proxied(servers: tuple[DcmQrScp, Orthanc], sink: FileSink, control: ControlOfTest) -> Proxied:
    """A fresh retrieve."""
    return Proxied(*servers, sink, control)


@pytest.fixture
def study(servers: tuple[DcmQrScp, Orthanc], tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], CtSeries]:
    """Puts a new study into the PACS."""

    def make(count: int) -> CtSeries:
        series = make_ct_series(tmp_path_factory.mktemp("study"), count)
        servers[0].put(series.folder)
        return series

    return make


def request_for(series: CtSeries, **changes: Any) -> RetrieveRequest:
    return RetrieveRequest(StudyInstanceUID=series.StudyInstanceUID, **{"expected": len(series.files), **changes})


def test_the_pacs_sends_to_the_proxy_and_we_fetch_each_once(proxied: Proxied, study: Callable[[int], CtSeries]) -> None:
    """Case 53: by way of a proxy."""
    series = study(7)
    result = proxied.retrieve(request_for(series))
    assert (result.received, result.failed_count) == (7, 0)
    assert sorted(item.SOPInstanceUID for item in proxied.sink.files) == sorted(series.files)
    assert proxied.control.messages == ['PACS sends by C-MOVE to the proxy Proxy ("ORTHANC").']


def test_what_the_proxy_has_is_not_moved_again(proxied: Proxied, study: Callable[[int], CtSeries]) -> None:
    """The proxy is asked first; a part of it is no reason to skip the C-MOVE."""
    series = study(4)
    some = list(series.files.items())
    proxied.proxy.put([path for _, path in some[:2]])
    wanted = tuple(uid for uid, _ in some[:2])
    result = proxied.retrieve(
        request_for(series, SeriesInstanceUID=series.SeriesInstanceUID, SOPInstanceUIDs=wanted, expected=2)
    )
    assert (result.received, proxied.control.messages) == (2, ["Proxy has all images of PACS already."])
    proxied.sink.files.clear()
    assert proxied.retrieve(request_for(series)).received == 4
    assert proxied.control.messages[1:] == ['PACS sends by C-MOVE to the proxy Proxy ("ORTHANC").']


def test_a_proxy_the_pacs_does_not_know(proxied: Proxied, study: Callable[[int], CtSeries]) -> None:
    """Case 53: 0xA801 for the proxy."""
    failure = proxied.failure(request_for(study(1)), called_ae_title="ORTHANC2")
    # Orthanc checks how it is called, so that its own answer comes first.
    assert failure.code in ("called_ae", "move_destination")


def test_a_proxy_that_is_not_among_the_servers(proxied: Proxied) -> None:
    """A sentence that names it."""
    config = proxied.pacs.config(name="PACS", retrieve_protocol="proxy", proxy="Gone")
    for services in (proxied.services(), DriverServices()):
        with pytest.raises(UsageError, match="by way of the proxy 'Gone', which is not among the servers") as raised:
            DimseDriver(config, Settings(), services=services).retrieve(
                RetrieveRequest(StudyInstanceUID="1.2"), proxied.sink, proxied.control
            )
        assert raised.value.code == "unknown_proxy"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"retrieve_protocol": "proxy", "proxy": "PACS"}, "needs a proxy itself"),
        ({"protocol": "dicomweb", "url": "http://127.0.0.1/", "called_ae_title": ""}, "is missing"),
    ],
)
def test_a_server_that_cannot_be_a_proxy(proxied: Proxied, changes: dict[str, Any], words: str) -> None:
    """Neither in a circle nor without an AE title."""
    failure = proxied.failure(RetrieveRequest(StudyInstanceUID="1.2"), **changes)
    assert (failure.code, words in failure.message) == ("bad_proxy", True)


def test_an_unknown_study_is_not_found(proxied: Proxied) -> None:
    """Case 53: no sub-operation at all."""
    assert proxied.failure(RetrieveRequest(StudyInstanceUID="1.2.3.4.5")).code == "not_found"


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (move_answer(0xA801), "move_destination", 'PACS does not know where "ORTHANC" is.'),
        (move_answer(0, completed=3), "move_nothing_came", "PACS reports success, but nothing arrived at the proxy"),
        (move_answer(0xA702, completed=0, failed=3), "peer_status", 'PACS could not send the images to "ORTHANC"'),
    ],
)
def test_nothing_reaches_the_proxy(proxied: Proxied, answer: Any, code: str, words: str) -> None:
    """Case 53: PACS does not know the proxy, success but nothing there, proxy down."""

    def script(peer: PeerSide) -> None:
        peer.accept()
        context, command, _ = peer.read_message()
        assert (command.field, command.destination) == (CommandField.C_MOVE_RQ, AE_TITLE)
        peer.send(context, answer)
        peer.finish()

    failure = faulty(proxied, script, RetrieveRequest(StudyInstanceUID="1.2.9", expected=3))
    assert isinstance(failure, PeerError)
    assert failure.code == code
    assert failure.message.startswith(words)
    assert str(proxied.proxy.port) in failure.next_step


def test_the_proxy_gets_only_a_part(proxied: Proxied, study: Callable[[int], CtSeries]) -> None:
    """Case 53: the missing ones are named, the others come."""
    series = study(3)
    first, *missing = series.files

    def script(peer: PeerSide) -> None:
        peer.accept()
        context, _, _ = peer.read_message()
        proxied.proxy.put([series.files[first]])
        peer.send(context, move_answer(0xB000, completed=1, failed=2))
        peer.finish()

    request = request_for(series, SeriesInstanceUID=series.SeriesInstanceUID, SOPInstanceUIDs=tuple(series.files))
    result = faulty(proxied, script, request)
    assert isinstance(result, RetrieveResult)
    assert (result.received, result.failed_count) == (1, 2)
    assert {item.SOPInstanceUID for item in result.failed} == set(missing)
    assert result.failed[0].reason == "PACS did not send it to the proxy Proxy."
    assert proxied.control.messages[-1] == "2 images of PACS did not reach the proxy Proxy."


def test_cancel_while_the_proxy_is_waited_for(proxied: Proxied) -> None:
    """Case 57: cancelled after the C-MOVE."""

    def script(peer: PeerSide) -> None:
        peer.accept()
        context, _, _ = peer.read_message()
        peer.send(context, move_answer(0, completed=3))
        peer.finish()
        proxied.control.cancel()

    request = RetrieveRequest(StudyInstanceUID="1.2.9", expected=3)
    assert isinstance(faulty(proxied, script, request, wait_s=60.0), JobCancelled)


def faulty(
    proxied: Proxied, script: Callable[[PeerSide], None], request: RetrieveRequest, wait_s: float = 0.3
) -> VisualDICOMError | RetrieveResult:
    """What comes of a PACS that plays `script` for the C-MOVE, and cannot be searched."""

    def unsearchable(peer: PeerSide) -> None:
        peer.accept()
        context, command, _ = peer.read_message()
        peer.send(context, dataclasses.replace(move_answer(0xA900), field=CommandField.C_FIND_RSP))
        assert command.field == CommandField.C_FIND_RQ
        peer.finish()

    scripts = (script,) if request.SOPInstanceUIDs else (unsearchable, script)
    with FaultyPeer(*scripts) as peer:
        config = peer.config(retrieve_protocol="proxy", proxy="Proxy")
        driver = DimseDriver(config, Settings({"retrieve/move_wait_s": wait_s}), services=proxied.services())
        try:
            return driver.retrieve(request, proxied.sink, proxied.control)
        except VisualDICOMError as error:
            return error
        finally:
            driver.close()


def test_the_pacs_is_still_usable(proxied: Proxied, study: Callable[[int], CtSeries]) -> None:
    """After all that it can be searched."""
    series = study(1)
    driver = DimseDriver(proxied.pacs.config(), Settings())
    assert driver.find(Query(StudyInstanceUID=series.StudyInstanceUID), ControlOfTest()).records
    driver.close()
