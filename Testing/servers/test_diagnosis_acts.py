"""What a diagnosis offers to do at once, the guided check of a proxy, and the test of sending, at real servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from Testing.support.certificates import Authority
from Testing.support.ct_series import make_ct_series
from Testing.support.dcmtk import DcmQrScp
from Testing.support.file_sink import ControlOfTest
from Testing.support.orthanc import AE_TITLE, Orthanc
from Testing.support.processes import free_port
from Testing.support.tls_servers import tls_storescp, trusting
from Testing.support.web_server import Answer, WebServer
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.diagnosis.certificate import described
from VisualDICOMBrowserLib.servers.diagnosis.diagnosis import Diagnosis, diagnose
from VisualDICOMBrowserLib.servers.diagnosis.sending import TEST_PATIENT_ID
from VisualDICOMBrowserLib.servers.driver import DriverServices
from VisualDICOMBrowserLib.settings import Settings


def diagnosed(config: ServerConfig, proxy: ServerConfig | None = None, *, sends: bool = False) -> Diagnosis:
    services = DriverServices(server=(lambda name: proxy) if proxy is not None else None)
    settings = Settings({"retrieve/move_wait_s": 1.0})
    return diagnose(config, settings, None, services, ControlOfTest(), sends=sends)


def states(diagnosis: Diagnosis) -> dict[str, str]:
    return {step.name: step.state for step in diagnosis.steps}


def said(diagnosis: Diagnosis, name: str) -> str:
    return next(step.message for step in diagnosis.steps if step.name == name)


def acts(diagnosis: Diagnosis) -> list[tuple[str, str]]:
    return [(act.act, act.title) for act in diagnosis.acts]


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DcmQrScp, Orthanc]]:
    """A PACS without C-GET that holds a series, and the proxy that it knows."""
    proxy = Orthanc(tmp_path_factory.mktemp("proxy"), no_delay=True)
    peers = {AE_TITLE: proxy.port}
    pacs = DcmQrScp(tmp_path_factory.mktemp("pacs"), peers=peers, options=["--disable-get"])
    try:
        proxy.start()
        pacs.start()
        pacs.put(make_ct_series(tmp_path_factory.mktemp("series"), 2).folder)
        yield pacs, proxy
    finally:
        pacs.stop()
        proxy.stop()


def test_the_way_over_a_proxy_is_checked_step_by_step(proxied: tuple[DcmQrScp, Orthanc]) -> None:
    pacs, proxy = proxied
    config = pacs.config(name="PACS", retrieve_protocol="proxy", proxy="Proxy")
    diagnosis = diagnosed(config, proxy.config(name="Proxy"))
    assert diagnosis.ok, diagnosis
    assert "The proxy Proxy answers" in said(diagnosis, "proxy")
    assert said(diagnosis, "destination") == 'PACS knows the proxy as "ORTHANC" and sent one image there.'
    assert "came by way of Proxy" in said(diagnosis, "retrieve")
    assert list(states(diagnosis)) == [
        "name",
        "network",
        "encryption",
        "association",
        "echo",
        "query",
        "proxy",
        "destination",
        "retrieve",
        "store",
        "listener",
    ]


def test_a_proxy_that_is_down_or_unknown_stops_the_walk(proxied: tuple[DcmQrScp, Orthanc]) -> None:
    pacs, proxy = proxied
    config = pacs.config(name="PACS", retrieve_protocol="proxy", proxy="Proxy")
    down = diagnosed(config, proxy.config(name="Proxy", port=free_port()))
    found = states(down)
    assert (found["proxy"], found["destination"], found["retrieve"]) == ("failed", "not tried", "not tried")
    assert "Proxy: nothing listens on port" in said(down, "proxy")
    unknown = diagnosed(config, proxy.config(name="Proxy", called_ae_title="STRANGER"))
    # Orthanc checks how it is called, dcmqrscp whom it is to send to.
    assert "failed" in (states(unknown)["proxy"], states(unknown)["destination"])
    none = diagnosed(pacs.config(name="PACS", retrieve_protocol="proxy", proxy="Gone"))
    assert "is not among the servers" in said(none, "proxy")
    assert ("edit", "Choose another proxy") in acts(none)


def test_another_way_to_retrieve_is_offered(proxied: tuple[DcmQrScp, Orthanc]) -> None:
    diagnosis = diagnosed(proxied[0].config(name="PACS", retrieve_protocol="C-GET"))
    (act,) = [act for act in diagnosis.acts if act.act == "change"]
    assert (act.title, act.changes) == ("Use C-MOVE", {"retrieve_protocol": "C-MOVE"})
    assert ("copy_request", "Copy request") in acts(diagnosis)
    assert act.as_dict()["changes"] == {"retrieve_protocol": "C-MOVE"}


def test_a_refused_certificate_can_be_looked_at(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server = tls_storescp(tmp_path / "scp", authority, authority.self_signed("Stranger"), client_certificate=False)
    server.start()
    try:
        config = ServerConfig(
            name="PACS", host="localhost", port=server.port, called_ae_title="A", **trusting(authority)
        )
        diagnosis = diagnosed(config)
    finally:
        server.stop()
    assert states(diagnosis)["encryption"] == "failed"
    assert acts(diagnosis) == [("details", "Details"), ("edit", "Choose the certificate of its issuer")]
    text = diagnosis.acts[0].text
    assert "Issued to: " in text
    assert "Issued by: itself" in text
    assert "localhost" in text
    assert described(b"\x30\x03no") == described(b"") == ""


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        ("none", [("edit", "Set the way to sign in")]),
        ("basic", [("edit", "Enter the password")]),
        ("bearer", [("edit", "Enter the token")]),
    ],
)
def test_a_missing_sign_in_names_its_field(auth: str, expected: list[tuple[str, str]]) -> None:
    with WebServer(lambda request: Answer(401)) as server:
        config = ServerConfig(name="Web", protocol="dicomweb", url=server.url, auth=auth, user="me")
        assert acts(diagnosed(config)) == expected


def test_encryption_of_a_web_address_is_never_switched_off_under_a_password() -> None:
    with WebServer(lambda request: Answer(200)) as server:
        url = server.url.replace("http:", "https:")
        plain = diagnosed(ServerConfig(name="Web", protocol="dicomweb", url=url))
        signing = diagnosed(ServerConfig(name="Web", protocol="dicomweb", url=url, auth="bearer"))
    assert [(act.title, act.changes) for act in plain.acts] == [("Use http", {"url": server.url})]
    assert acts(signing) == [("edit", "Edit URL")]


def test_sending_is_tested_with_one_image_and_only_on_request(proxied: tuple[DcmQrScp, Orthanc]) -> None:
    """The same object each time, so that a server keeps one at most."""
    orthanc = proxied[1]
    before = orthanc.instance_count()
    assert said(diagnosed(orthanc.config()), "store").endswith("Nothing was sent.")
    assert orthanc.instance_count() == before
    for _ in range(2):
        diagnosis = diagnosed(orthanc.config(), sends=True)
        assert f'as patient "{TEST_PATIENT_ID}"' in said(diagnosis, "store")
    assert orthanc.instance_count() == before + 1
