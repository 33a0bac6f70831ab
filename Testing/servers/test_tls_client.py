"""DIMSE over TLS as client: what works, and a sentence of its own for everything that does not (case 48)."""

from __future__ import annotations

import dataclasses
import logging
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from Testing.support.certificates import EXPIRED_ON, Authority, Leaf
from Testing.support.ct_series import CtSeries, dataset_bytes
from Testing.support.dcmtk import StoreScp
from Testing.support.faulty_peer import FaultyPeer, PeerSide
from Testing.support.file_sink import ControlOfTest, FileSink
from Testing.support.orthanc import Orthanc
from Testing.support.tls_servers import encrypted, tls_orthanc, tls_storescp, trusting
from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.model import InstanceRecord, RetrieveRequest, SentInstance
from VisualDICOMBrowserLib.servers.bulk.pool import BulkPool
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse.driver import DimseDriver
from VisualDICOMBrowserLib.servers.driver import DriverServices
from VisualDICOMBrowserLib.servers.upper_layer.tls import server_context
from VisualDICOMBrowserLib.settings import Settings


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server_leaf(authority: Authority) -> Leaf:
    return authority.leaf("server")


@pytest.fixture(scope="module")
def own_leaf(authority: Authority) -> Leaf:
    return authority.leaf("client")


@pytest.fixture(scope="module")
def open_storescp(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, server_leaf: Leaf
) -> Iterator[StoreScp]:
    """Encrypted, for callers without a certificate."""
    yield from running(tls_storescp(tmp_path_factory.mktemp("open"), authority, server_leaf, client_certificate=False))


@pytest.fixture(scope="module")
def strict_storescp(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, server_leaf: Leaf
) -> Iterator[StoreScp]:
    """Encrypted, for callers with a certificate."""
    yield from running(tls_storescp(tmp_path_factory.mktemp("strict"), authority, server_leaf, client_certificate=True))


@pytest.fixture(scope="module")
def strict_orthanc(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, server_leaf: Leaf
) -> Iterator[Orthanc]:
    server = tls_orthanc(tmp_path_factory.mktemp("tls-orthanc"), authority, server_leaf)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def running(server: StoreScp) -> Iterator[StoreScp]:
    try:
        server.start()
        yield server
    finally:
        server.stop()


def echo_failure(config: ServerConfig) -> VisualDICOMError:
    with pytest.raises(VisualDICOMError) as raised:
        DimseDriver(config, Settings()).echo(ControlOfTest())
    assert raised.value.server == config.name
    return raised.value


def sent_all(config: ServerConfig, series: CtSeries) -> bool:
    told: list[SentInstance] = []
    records = [InstanceRecord(SOPInstanceUID=uid, path=str(path)) for uid, path in series.files.items()]
    DimseDriver(config, Settings()).store(records, ControlOfTest(), told.append)
    return [(item.SOPInstanceUID, item.status) for item in told] == [(uid, "sent") for uid in series.files]


@pytest.mark.parametrize("own_loop", [True, False])
def test_the_encrypted_connection_says_its_version(
    open_storescp: StoreScp, authority: Authority, own_loop: bool, caplog: pytest.LogCaptureFixture
) -> None:
    config = dataclasses.replace(open_storescp.config(), **trusting(authority))
    with caplog.at_level(logging.INFO, "VisualDICOMBrowserLib"):
        assert DimseDriver(config, Settings(), own_loop=own_loop).echo(ControlOfTest()) > 0
    assert "The connection to storescp is encrypted by TLSv1.3." in caplog.text


def test_sending_without_and_with_a_certificate_of_ours(
    open_storescp: StoreScp,
    strict_storescp: StoreScp,
    authority: Authority,
    own_leaf: Leaf,
    thorax_series: list[CtSeries],
) -> None:
    series = thorax_series[1]
    assert sent_all(dataclasses.replace(open_storescp.config(), **trusting(authority)), series)
    assert sent_all(dataclasses.replace(strict_storescp.config(), **trusting(authority, own_leaf)), series)
    for server in (open_storescp, strict_storescp):
        received = sorted(dataset_bytes(path) for path in server.received.iterdir())
        assert received == sorted(dataset_bytes(path) for path in series.files.values())


def test_orthanc_with_certificates_on_both_sides(
    strict_orthanc: Orthanc,
    authority: Authority,
    own_leaf: Leaf,
    thorax_series: list[CtSeries],
    sink: FileSink,
    pool: BulkPool,
) -> None:
    series = thorax_series[0]
    config = strict_orthanc.config(**trusting(authority, own_leaf))
    assert sent_all(config, series)
    driver = DimseDriver(config, Settings(), pool)
    request = RetrieveRequest(StudyInstanceUID=series.StudyInstanceUID, SeriesInstanceUID=series.SeriesInstanceUID)
    result = driver.retrieve(request, sink, ControlOfTest())
    driver.close()
    assert (result.received, result.failed_count) == (len(series.files), 0)
    assert sink.stray_files() == []


def test_a_server_that_asks_for_a_certificate_of_ours(
    strict_storescp: StoreScp, strict_orthanc: Orthanc, authority: Authority, tmp_path: Path
) -> None:
    for config in (strict_storescp.config(), strict_orthanc.config()):
        failure = echo_failure(dataclasses.replace(config, **trusting(authority)))
        assert failure.message == f"{config.name} asks for a certificate of ours, and none is set."
        assert failure.code == "tls_client_certificate"
    for leaf, why in (
        (Authority(tmp_path / "foreign", "Foreign").leaf("foreign"), "its issuer is not known there"),
        (authority.leaf("old", expired=True), "it has expired"),
    ):
        failure = echo_failure(dataclasses.replace(strict_storescp.config(), **trusting(authority, leaf)))
        assert failure.message == f"storescp does not accept our certificate: {why}."
        assert failure.code == "tls_client_certificate"


def test_a_certificate_demanded_by_tls_1_2(authority: Authority, server_leaf: Leaf, own_leaf: Leaf) -> None:
    context = server_context(
        str(server_leaf.certificate), str(server_leaf.key), str(authority.certificate), require_client=True
    )
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with FaultyPeer(encrypted(context, PeerSide.wait_for_end)) as peer:
        failure = echo_failure(peer.config(**trusting(authority)))
    assert failure.code == "tls_client_certificate"

    def answer(side: PeerSide) -> None:
        side.accept()
        side.read_message()

    with FaultyPeer(encrypted(context, answer)) as peer:
        assert echo_failure(peer.config(**trusting(authority, own_leaf))).code == "connection_lost"


@pytest.mark.parametrize(
    ("leaf", "message", "code"),
    [
        (
            lambda authority: authority.leaf("expired", expired=True),
            f"The certificate of PACS expired on {EXPIRED_ON.isoformat()}.",
            "tls_certificate_expired",
        ),
        (
            lambda authority: authority.leaf("misnamed", host="pacs.example.org"),
            "The certificate of PACS is for another name than 127.0.0.1.",
            "tls_certificate_name",
        ),
        (
            lambda authority: authority.self_signed("alone"),
            "The certificate of PACS is signed by itself and not trusted here.",
            "tls_untrusted",
        ),
    ],
)
def test_each_bad_certificate_has_its_sentence(
    authority: Authority, leaf: Callable[[Authority], Leaf], message: str, code: str
) -> None:
    files = leaf(authority)
    script = encrypted(server_context(str(files.certificate), str(files.key)), PeerSide.wait_for_end)
    connections = [script] * (2 if "expired" in code else 1)
    with FaultyPeer(*connections) as peer:
        failure = echo_failure(peer.config(**trusting(authority)))
    assert (failure.message, failure.code) == (message, code)
    assert failure.next_step


def test_a_name_that_is_not_checked_and_a_chain_that_still_is(
    authority: Authority, own_leaf: Leaf, tmp_path: Path
) -> None:
    misnamed = authority.leaf("misnamed", host="pacs.example.org")
    context = server_context(str(misnamed.certificate), str(misnamed.key))

    def answer(side: PeerSide) -> None:
        side.accept()
        side.read_message()

    unchecked = {**trusting(authority), "tls_check_host": False}
    with FaultyPeer(encrypted(context, answer)) as peer:
        assert echo_failure(peer.config(**unchecked)).code == "connection_lost"
    foreign = {**trusting(Authority(tmp_path / "foreign", "Foreign")), "tls_check_host": False}
    with FaultyPeer(encrypted(context, PeerSide.wait_for_end)) as peer:
        failure = echo_failure(peer.config(**foreign))
    assert failure.code == "tls_untrusted"
    assert failure.message == "The certificate of PACS was issued by an authority that is not trusted here."


def test_the_server_certificate_itself_may_be_what_is_trusted(authority: Authority) -> None:
    alone = authority.self_signed("pinned")
    context = server_context(str(alone.certificate), str(alone.key))

    def answer(side: PeerSide) -> None:
        side.accept()
        side.read_message()

    with FaultyPeer(encrypted(context, answer)) as peer:
        config = peer.config(tls=True, tls_ca_file=str(alone.certificate))
        assert echo_failure(config).code == "connection_lost"


def test_tls_on_one_side_only(
    open_storescp: StoreScp, strict_storescp: StoreScp, storescp: StoreScp, orthanc: Orthanc, authority: Authority
) -> None:
    for server in (open_storescp, strict_storescp):
        failure = echo_failure(server.config())
        assert (failure.message, failure.code) == ("storescp speaks TLS, but TLS is off.", "tls_expected")
    for config in (storescp.config(), orthanc.config()):
        failure = echo_failure(dataclasses.replace(config, **trusting(authority)))
        assert failure.message == f"{config.name} speaks plain DICOM, but TLS is on."
        assert failure.code == "tls_not_expected"


def test_a_web_port_is_named_with_and_without_tls(orthanc: Orthanc, authority: Authority) -> None:
    for fields in ({}, trusting(authority)):
        failure = echo_failure(orthanc.config(port=orthanc.http_port, **fields))
        assert failure.message == f"Orthanc: port {orthanc.http_port} speaks HTTP, not DICOM."
        assert failure.code == "not_dicom"


def test_a_silent_port_with_tls(silent_port: int, authority: Authority) -> None:
    fields = {**trusting(authority), "timeout_s": 1.0}
    config = ServerConfig(name="PACS", host="127.0.0.1", port=silent_port, called_ae_title="PACS", **fields)
    failure = echo_failure(config)
    assert (failure.message, failure.code) == ("PACS did not answer in 1 s.", "timeout")


class _Secrets:
    """Secrets of one server."""

    def get(self, server: str) -> dict[str, str]:
        """The password of its key."""
        return {"key_password": "open"} if server == "storescp" else {}

    def put(self, server: str, field: str, value: str) -> None:
        """Never asked for here."""


def test_an_encrypted_key_opens_with_its_password(strict_storescp: StoreScp, authority: Authority) -> None:
    locked = authority.leaf("locked", password="open")
    config = dataclasses.replace(strict_storescp.config(), **trusting(authority, locked))
    driver = DimseDriver(config, Settings(), services=DriverServices(secrets=_Secrets()))
    assert driver.echo(ControlOfTest()) > 0
    failure = echo_failure(config)
    assert failure.code == "tls_key_file"
    assert str(locked.key) in failure.message
