"""Settings of a server that concern sending, and the oldest version of TLS: they act as they say."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian

from Testing.support.certificates import Authority
from Testing.support.ct_series import CtSeries, dataset_bytes
from Testing.support.dcmtk import StoreScp
from Testing.support.faulty_peer import FaultyPeer, PeerSide
from Testing.support.file_sink import ControlOfTest
from Testing.support.store_scripts import Receiver, records_of
from Testing.support.tls_servers import encrypted, trusting
from Testing.support.web_drivers import web_driver
from Testing.support.web_server import Answer, Request, WebServer, json_answer
from VisualDICOMBrowserLib.errors import PeerError
from VisualDICOMBrowserLib.model import InstanceRecord, SentInstance
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse.driver import DimseDriver
from VisualDICOMBrowserLib.servers.upper_layer.pdata import Command, CommandField
from VisualDICOMBrowserLib.servers.upper_layer.tls import client_context, server_context
from VisualDICOMBrowserLib.servers.web.multipart import MultipartSplitter, PartBegin, PartData, boundary_of
from VisualDICOMBrowserLib.settings import Settings


@pytest.fixture
def any_storescp(tmp_path: Path) -> StoreScp:
    """Takes every transfer syntax; not started."""
    return StoreScp(tmp_path / "any", ("+B", "--accept-all"))


@pytest.fixture(scope="module")
def compressed(compressed_files: list[Path]) -> dict[str, Path]:
    """Compressed files by SOP Instance UID."""
    return {str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID): path for path in compressed_files}


def dimse_sent(config: ServerConfig, records: Sequence[InstanceRecord]) -> list[SentInstance]:
    told: list[SentInstance] = []
    driver = DimseDriver(config, Settings())
    try:
        driver.store(records, ControlOfTest(), told.append)
    finally:
        driver.close()
    return told


@pytest.mark.parametrize("keep", [True, False])
def test_compression_is_kept_or_not_by_c_store(any_storescp: StoreScp, compressed: dict[str, Path], keep: bool) -> None:
    """The receiver would take all of them as they are."""
    any_storescp.start()
    try:
        config = ServerConfig.from_dict({**any_storescp.config().to_dict(), "keep_compression": keep})
        told = dimse_sent(config, records_of(compressed))
    finally:
        any_storescp.stop()
    received = [pydicom.dcmread(path) for path in any_storescp.received.iterdir()]
    sent = [item for item in told if item.status == "sent"]
    assert len(received) == len(sent) > 0
    assert len(told) == len(compressed)
    syntaxes = {dataset.file_meta.TransferSyntaxUID for dataset in received}
    if keep:
        assert ExplicitVRLittleEndian not in syntaxes
        assert len(sent) == len(compressed)
        return
    assert syntaxes == {ExplicitVRLittleEndian}
    assert all("cannot be decompressed" in item.reason for item in told if item.status != "sent")
    for dataset in received:
        expected = pydicom.dcmread(compressed[str(dataset.SOPInstanceUID)])
        assert dataset.pixel_array.shape == expected.pixel_array.shape


def test_uncompressed_files_stay_as_they_are_in_any_case(any_storescp: StoreScp, thorax_series: list[CtSeries]) -> None:
    series = thorax_series[1]
    any_storescp.start()
    try:
        config = ServerConfig.from_dict({**any_storescp.config().to_dict(), "keep_compression": False})
        told = dimse_sent(config, records_of(series))
    finally:
        any_storescp.stop()
    assert {item.status for item in told} == {"sent"}
    received = sorted(dataset_bytes(path) for path in any_storescp.received.iterdir())
    assert received == sorted(dataset_bytes(path) for path in series.files.values())


class StowServer:
    """Stores all it gets."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []

    def __call__(self, request: Request) -> Answer:
        splitter = MultipartSplitter(boundary_of(request.headers["content-type"]))
        parts: list[bytearray] = []
        for event in splitter.feed(request.body):
            if isinstance(event, PartBegin):
                parts.append(bytearray())
            elif isinstance(event, PartData):
                parts[-1].extend(event.data)
        assert splitter.ended
        self.batches.append([bytes(part) for part in parts])
        uids = [str(_read(part).SOPInstanceUID) for part in self.batches[-1]]
        stored = [{"00081155": {"vr": "UI", "Value": [uid]}} for uid in uids]
        return json_answer({"00081199": {"vr": "SQ", "Value": stored}})


def web_sent(records: Sequence[InstanceRecord], **changes: object) -> tuple[list[SentInstance], list[list[bytes]]]:
    told: list[SentInstance] = []
    stow = StowServer()
    with WebServer(stow) as server:
        driver = web_driver(server.url, **changes)
        try:
            driver.store(records, ControlOfTest(), told.append)
        finally:
            driver.close()
    return told, stow.batches


def test_compression_is_taken_away_by_stow(compressed: dict[str, Path]) -> None:
    told, batches = web_sent(records_of(compressed), keep_compression=False)
    received = [_read(part) for batch in batches for part in batch]
    assert len(received) == sum(item.status == "sent" for item in told) > 0
    assert {dataset.file_meta.TransferSyntaxUID for dataset in received} == {ExplicitVRLittleEndian}
    for dataset in received:
        expected = pydicom.dcmread(compressed[str(dataset.SOPInstanceUID)])
        assert dataset.pixel_array.shape == expected.pixel_array.shape
    assert all("cannot be decompressed" in item.reason for item in told if item.status != "sent")
    assert len(told) == len(compressed)


def test_no_more_images_per_request_than_set(thorax_series: list[CtSeries]) -> None:
    told, batches = web_sent(records_of(thorax_series[1]), images_per_batch=5)
    assert [len(batch) for batch in batches] == [5, 5, 2]
    assert len(told) == 12


def test_no_more_images_per_association_than_set(thorax_series: list[CtSeries]) -> None:
    receiver = Receiver()
    with FaultyPeer(receiver, receiver, receiver) as peer:
        told = dimse_sent(peer.config(images_per_batch=5), records_of(thorax_series[1]))
    assert [item.status for item in told] == ["sent"] * 12
    assert (receiver.associations, receiver.count) == (3, 12)


@pytest.mark.parametrize(("least", "agreed"), [("1.2", True), ("1.3", False)])
def test_the_oldest_version_of_tls(tmp_path: Path, least: str, agreed: bool) -> None:
    """The server knows 1.2 and no more."""
    authority = Authority(tmp_path)
    leaf = authority.leaf("server")
    context = server_context(str(leaf.certificate), str(leaf.key))
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    def script(peer: PeerSide) -> None:
        peer.accept()
        context_id, command, _ = peer.read_message()
        peer.send(context_id, Command(field=CommandField.C_ECHO_RSP, responded_to=command.message_id, status=0))
        peer.finish()

    with FaultyPeer(encrypted(context, script)) as peer:
        config = peer.config(**{**trusting(authority), "host": "localhost", "tls_min_version": least})
        driver = DimseDriver(config, Settings())
        if agreed:
            assert driver.echo(ControlOfTest()) > 0
        else:
            with pytest.raises(PeerError) as raised:
                driver.echo(ControlOfTest())
            assert raised.value.code == "tls_version"
            assert raised.value.message == "PACS offers no TLS that is safe enough; 1.3 is the least."
            assert raised.value.next_step == "Ask its administrator to switch TLS 1.3 or newer on."
        driver.close()
    assert client_context(config).minimum_version.name == f"TLSv{least.replace('.', '_')}"


def _read(part: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(BytesIO(part))
