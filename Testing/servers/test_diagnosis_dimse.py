"""The diagnosis of DICOM servers, against real ones: where it stops, the sentences, and the letter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from Testing.support.certificates import EXPIRED_ON, Authority
from Testing.support.ct_series import CtSeries
from Testing.support.dcmtk import DcmQrScp, StoreScp
from Testing.support.faulty_peer import FaultyPeer, PeerSide
from Testing.support.file_sink import ControlOfTest
from Testing.support.listening import NODE_AE_TITLE, Listening
from Testing.support.orthanc import Orthanc
from Testing.support.tls_servers import tls_orthanc, tls_storescp, trusting
from VisualDICOMBrowserLib.errors import EnvironmentFault, JobCancelled
from VisualDICOMBrowserLib.servers.bulk.pool import BulkPool
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.diagnosis.diagnosis import Diagnosis, Step, diagnose
from VisualDICOMBrowserLib.servers.driver import DriverServices
from VisualDICOMBrowserLib.servers.node.node import Node
from VisualDICOMBrowserLib.servers.upper_layer.negotiation import reject_pdu
from VisualDICOMBrowserLib.settings import Settings

STEPS = ["name", "network", "encryption", "association", "echo", "query", "retrieve", "store", "listener"]


def diagnosed(config: ServerConfig, services: DriverServices | None = None) -> Diagnosis:
    """The diagnosis of `config` with default settings."""
    return diagnose(config, Settings(), None, services or DriverServices(), ControlOfTest())


def states(diagnosis: Diagnosis) -> dict[str, str]:
    return {step.name: step.state for step in diagnosis.steps}


def said(diagnosis: Diagnosis, name: str) -> str:
    return next(step.message for step in diagnosis.steps if step.name == name)


def stopped(diagnosis: Diagnosis) -> tuple[str, str]:
    """Name and sentence of the only step that failed; whatever needs it was not tried."""
    failed = [step for step in diagnosis.steps if step.state == "failed"]
    assert len(failed) == 1
    assert not diagnosis.ok
    assert [step.name for step in diagnosis.steps] == STEPS
    later = diagnosis.steps[diagnosis.steps.index(failed[0]) + 1 :]
    assert {step.state for step in later} <= {"not tried", "skipped"}
    assert all(sentence.endswith((".", "?")) for sentence in (failed[0].message, *diagnosis.advice))
    return failed[0].name, failed[0].message


@pytest.fixture
def strict_dcmqrscp(tmp_path: Path) -> Iterator[DcmQrScp]:
    """A PACS that answers nobody but its registered peers."""
    server = DcmQrScp(tmp_path / "strict", any_caller=False)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def test_a_good_pacs_passes(orthanc: Orthanc, control: ControlOfTest, settings: Settings) -> None:
    heard: list[Step] = []
    count = orthanc.instance_count()
    diagnosis = diagnose(orthanc.config(), settings, None, DriverServices(), control, heard.append)
    assert diagnosis.ok
    assert states(diagnosis) == {**dict.fromkeys(STEPS, "passed"), "encryption": "skipped", "listener": "skipped"}
    assert tuple(heard) == diagnosis.steps
    assert control.last_progress[:2] == (9, 9)
    assert diagnosis.advice == ("Orthanc works; there is nothing to do.",)
    assert (
        said(diagnosis, "association")
        == "Orthanc takes our call and offers verification, search, C-GET, C-MOVE, storage."
    )
    assert "came by C-GET" in said(diagnosis, "retrieve")
    assert "thrown away again" in said(diagnosis, "retrieve")
    assert said(diagnosis, "store").endswith("Nothing was sent.")
    assert orthanc.instance_count() == count


def test_the_worker_processes_fetch_where_there_are_some(orthanc: Orthanc, pool: BulkPool) -> None:
    diagnosis = diagnose(orthanc.config(), Settings(), pool, DriverServices(), ControlOfTest())
    assert diagnosis.ok
    assert "One image" in said(diagnosis, "retrieve")


def test_the_result_is_plain(orthanc: Orthanc) -> None:
    fields = diagnosed(orthanc.config()).as_dict()
    assert sorted(fields) == ["acts", "advice", "ok", "request", "server", "steps"]
    assert sorted(fields["steps"][0]) == ["message", "name", "seconds", "state"]
    assert isinstance(fields["advice"], list)


def test_nothing_stays_on_the_disk(orthanc: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert diagnosed(orthanc.config()).ok
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_host() -> None:
    """Case 48."""
    config = ServerConfig(name="Main PACS", host="no-such-host.invalid", called_ae_title="MAIN")
    diagnosis = diagnosed(config)
    assert stopped(diagnosis)[0] == "name"
    assert "no-such-host.invalid" in stopped(diagnosis)[1]
    assert "Address:    not known yet" in diagnosis.request


def test_a_closed_port(free_port: int) -> None:
    """Case 48."""
    diagnosis = diagnosed(ServerConfig(name="Main PACS", host="127.0.0.1", port=free_port, called_ae_title="MAIN"))
    assert stopped(diagnosis) == ("network", f"Main PACS: nothing listens on port {free_port}.")
    assert diagnosis.advice[0] == "The computer is there, but no program takes connections on that port."


def test_a_silent_port(silent_port: int) -> None:
    """Case 48."""
    config = ServerConfig(name="Main PACS", host="127.0.0.1", port=silent_port, called_ae_title="MAIN", timeout_s=1.0)
    assert stopped(diagnosed(config)) == ("association", "Main PACS did not answer in 1 s.")


def test_a_port_that_speaks_http(orthanc: Orthanc) -> None:
    """Case 48."""
    diagnosis = diagnosed(orthanc.config(port=orthanc.http_port))
    assert stopped(diagnosis) == ("association", f"Orthanc: port {orthanc.http_port} speaks HTTP, not DICOM.")
    assert "Please tell us the DICOM port of your system." in diagnosis.request


def test_tls_to_a_plain_port(orthanc: Orthanc) -> None:
    """Case 48."""
    diagnosis = diagnosed(orthanc.config(tls=True))
    assert stopped(diagnosis) == ("encryption", "Orthanc speaks plain DICOM, but TLS is on.")
    assert "Switch TLS off for this server, or use its TLS port." in diagnosis.advice


def test_a_wrong_called_ae_title(orthanc: Orthanc) -> None:
    """Case 49."""
    diagnosis = diagnosed(orthanc.config(called_ae_title="WRONG"))
    assert stopped(diagnosis) == ("association", 'Orthanc does not know the AE title "WRONG".')
    assert diagnosis.advice == (
        "The server is there, but goes by another AE title; some servers say so too when they do not know us.",
        "Ask its administrator for the right AE title.",
    )


def test_a_pacs_that_refuses_us(tmp_path: Path) -> None:
    """Case 49."""
    closed = ("Echo", "Store", "Find", "Get", "Move")
    server = Orthanc(tmp_path / "orthanc", options={f"DicomAlwaysAllow{service}": False for service in closed})
    server.start()
    try:
        diagnosis = diagnosed(server.config(name="Main PACS"))
    finally:
        server.stop()
    assert stopped(diagnosis) == ("association", 'Main PACS does not know us ("VISUALDICOM").')
    assert diagnosis.advice == (
        "The server answers only applications that it has been told of.",
        "Ask its administrator to register our AE title there.",
    )
    assert "AE title:   VISUALDICOM\n  Address:    127.0.0.1" in diagnosis.request
    assert "Please register our AE title and address." in diagnosis.request


def test_a_pacs_that_refuses_us_and_blames_its_own_name(strict_dcmqrscp: DcmQrScp) -> None:
    """Case 49: DCMTK says that its AE title is not known when in truth it is the caller's."""
    diagnosis = diagnosed(strict_dcmqrscp.config(name="Main PACS"))
    assert stopped(diagnosis) == ("association", 'Main PACS does not know the AE title "DCMQR".')
    assert "when they do not know us" in diagnosis.advice[0]
    assert "and register ours if it is not" in diagnosis.request


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ((1, 1, 1), "rejected the connection without a usable reason"),
        ((1, 1, 2), "does not take DICOM associations of our kind"),
        ((1, 2, 2), "does not know our version of the DICOM protocol"),
        ((2, 3, 1), "is busy and takes no further connection now"),
        ((2, 3, 2), "has as many connections as it allows"),
    ],
)
def test_every_reason_of_a_reject_has_its_words(reason: tuple[int, int, int], words: str) -> None:
    """Case 49."""

    def probe(peer: PeerSide) -> None:
        peer.wait_for_end()

    def reject(peer: PeerSide) -> None:
        peer.read_pdu()
        peer.socket.sendall(reject_pdu(reason))
        peer.wait_for_end()

    with FaultyPeer(probe, reject) as peer:
        diagnosis = diagnosed(peer.config())
    assert stopped(diagnosis)[0] == "association"
    assert words in stopped(diagnosis)[1]


def test_a_server_that_only_stores(storescp: StoreScp) -> None:
    """Case 50."""
    diagnosis = diagnosed(storescp.config())
    found = states(diagnosis)
    assert (found["echo"], found["query"], found["retrieve"], found["store"]) == (
        "passed",
        "failed",
        "not tried",
        "passed",
    )
    assert said(diagnosis, "query") == "storescp offers no search (C-FIND)."
    searchless = replace(storescp.config(), enabled=False, retrieve_enabled=False)
    diagnosis = diagnosed(searchless)
    assert diagnosis.ok
    assert states(diagnosis)["query"] == "skipped"


def test_a_pacs_without_c_get(dcmqrscp_without_get: DcmQrScp) -> None:
    diagnosis = diagnosed(dcmqrscp_without_get.config(retrieve_protocol="C-GET"))
    assert [step.name for step in diagnosis.steps if step.state == "failed"] == ["retrieve"]
    assert said(diagnosis, "retrieve") == "DCMTK offers no retrieve by C-GET."


@pytest.fixture
def listening(start_node: Callable[..., Node]) -> Listening:
    """Our node as the destination of C-MOVE."""
    return Listening(start_node)


@pytest.fixture
def dcmqrscp_without_get(tmp_path: Path, listening: Listening, thorax_series: list[CtSeries]) -> Iterator[DcmQrScp]:
    """A PACS that only knows C-MOVE, and our node."""
    server = DcmQrScp(tmp_path / "move", peers={NODE_AE_TITLE: listening.port}, options=["--disable-get"])
    try:
        server.start()
        server.put(thorax_series[1].folder)
        yield server
    finally:
        server.stop()


def test_a_pacs_that_moves_to_us(dcmqrscp_without_get: DcmQrScp, listening: Listening) -> None:
    diagnosis = diagnosed(dcmqrscp_without_get.config(retrieve_protocol="C-MOVE"), listening.services)
    assert diagnosis.ok, diagnosis
    assert "came by C-MOVE" in said(diagnosis, "retrieve")
    assert "kept in the local database" in said(diagnosis, "retrieve")
    assert f'Our listener runs as "NODE" on 127.0.0.1, port {listening.port}.' in said(diagnosis, "listener")
    assert f"with the destination NODE at 127.0.0.1, port {listening.port}" in diagnosis.request


def test_a_pacs_behind_a_proxy(tmp_path: Path, orthanc: Orthanc, thorax_series: list[CtSeries]) -> None:
    pacs = DcmQrScp(tmp_path / "behind", peers={"ORTHANC": orthanc.port}, options=["--disable-get"])
    try:
        pacs.start()
        pacs.put(thorax_series[1].folder)
        services = DriverServices(server=lambda name: orthanc.config(name=name))
        diagnosis = diagnosed(pacs.config(retrieve_protocol="proxy", proxy="Gateway"), services)
    finally:
        pacs.stop()
    assert diagnosis.ok, diagnosis
    assert "came by way of Gateway" in said(diagnosis, "retrieve")
    assert "Retrieve by C-MOVE to the destination of Gateway" in diagnosis.request


def test_a_pacs_that_does_not_know_where_we_are(dcmqrscp: DcmQrScp, listening: Listening) -> None:
    """Case 53."""
    diagnosis = diagnosed(dcmqrscp.config(retrieve_protocol="C-MOVE"), listening.services)
    failed = [step for step in diagnosis.steps if step.state == "failed"]
    assert [step.name for step in failed] == ["retrieve"]
    assert states(diagnosis)["listener"] == "passed"
    assert "The server does not know where to send images that we ask for." in diagnosis.advice
    assert "Please register the destination above." in diagnosis.request


def test_a_listener_that_does_not_run_is_named(dcmqrscp: DcmQrScp) -> None:
    diagnosis = diagnosed(dcmqrscp.config(retrieve_protocol="C-MOVE"))
    assert states(diagnosis)["listener"] == "failed"
    assert said(diagnosis, "listener") == "Our listener does not run."


def test_a_good_encrypted_pacs_passes(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    server = tls_orthanc(tmp_path / "orthanc", authority, authority.leaf("orthanc.test"))
    server.start()
    try:
        diagnosis = diagnosed(server.config(**trusting(authority, authority.leaf("us"))))
        assert diagnosis.ok, diagnosis
        assert said(diagnosis, "encryption").startswith("TLS 1.")
        assert "certificate of orthanc.test, valid until 20" in said(diagnosis, "encryption")
        assert said(diagnosis, "retrieve") == "There is no study to fetch an image of."
        plain = diagnosed(server.config())
        assert stopped(plain) == ("association", "Orthanc speaks TLS, but TLS is off.")
        certificateless = diagnosed(server.config(**trusting(authority)))
        assert stopped(certificateless)[0] == "encryption"
        assert "certificate of ours" in stopped(certificateless)[1]
    finally:
        server.stop()


def test_certificates_that_prove_nothing(tmp_path: Path) -> None:
    """Case 48."""
    authority = Authority(tmp_path / "authority")
    for leaf, words in (
        (authority.leaf("expired", expired=True), f"The certificate of storescp expired on {EXPIRED_ON.isoformat()}."),
        (authority.leaf("other", host="other.example.org"), "is for another name than 127.0.0.1"),
        (authority.self_signed("self"), "signed by itself"),
    ):
        server = tls_storescp(tmp_path / leaf.certificate.stem, authority, leaf, client_certificate=False)
        server.start()
        try:
            name, message = stopped(diagnosed(replace(server.config(), **trusting(authority))))
        finally:
            server.stop()
        assert name == "encryption"
        assert words in message


def test_images_sent_to_another_address(orthanc: Orthanc, storescp: StoreScp, free_port: int) -> None:
    elsewhere = orthanc.config(store_port=storescp.port, store_ae_title="STORESCP")
    assert diagnosed(elsewhere).ok
    diagnosis = diagnosed(orthanc.config(store_port=free_port))
    assert stopped(diagnosis) == ("store", f"Orthanc: nothing listens on port {free_port}.")


def test_what_is_switched_off_is_skipped(orthanc: Orthanc) -> None:
    diagnosis = diagnosed(orthanc.config(retrieve_enabled=False, store_enabled=False))
    assert diagnosis.ok
    assert {name for name, state in states(diagnosis).items() if state == "skipped"} == {
        "encryption",
        "retrieve",
        "store",
        "listener",
    }
    assert "C-STORE" not in diagnosis.request


def test_a_key_store_that_is_locked_is_a_result(orthanc: Orthanc) -> None:
    class Locked:
        """A `SecretSource` that does not open."""

        def get(self, server: str) -> dict[str, str]:
            message = "The system's key store is locked."
            raise EnvironmentFault(message, code="key_store", next_step="Unlock it, then try again.")

        def put(self, server: str, field: str, value: str) -> None:
            """Keep nothing."""

    diagnosis = diagnosed(orthanc.config(), DriverServices(secrets=Locked()))
    assert not diagnosis.ok
    assert "Unlock it, then try again." in diagnosis.advice


def test_a_cancel_ends_the_walk(silent_port: int) -> None:
    control = ControlOfTest()
    config = ServerConfig(name="Main PACS", host="127.0.0.1", port=silent_port, called_ae_title="MAIN")

    def cancel_after(step: Step) -> None:
        if step.name == "network":
            control.cancel()

    with pytest.raises(JobCancelled):
        diagnose(config, Settings(), None, DriverServices(), control, cancel_after)


def test_no_patient_is_named(orthanc: Orthanc, thorax_series: list[CtSeries]) -> None:
    text = str(diagnosed(orthanc.config()).as_dict())
    assert thorax_series[0].StudyInstanceUID not in text
    assert "^" not in text
