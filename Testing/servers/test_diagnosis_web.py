"""The diagnosis of DICOMweb servers and folders, against real ones: where it stops, the sentences, and the letter."""

from __future__ import annotations

import http.server
import os
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from Testing.support.certificates import Authority
from Testing.support.ct_series import CtSeries
from Testing.support.file_sink import ControlOfTest
from Testing.support.orthanc import Orthanc
from Testing.support.tls_forwarder import TlsForwarder
from VisualDICOMBrowserLib.errors import JobCancelled
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.diagnosis.diagnosis import Diagnosis, Step, diagnose
from VisualDICOMBrowserLib.servers.driver import DriverServices
from VisualDICOMBrowserLib.servers.upper_layer.tls import server_context
from VisualDICOMBrowserLib.settings import Settings

WEB_STEPS = ["name", "network", "encryption", "http", "sign-in", "query", "retrieve", "store"]
FOLDER_STEPS = ["exists", "readable", "deletable", "dicom"]


class Passwords:
    """A `SecretSource` with these secrets for every server."""

    def __init__(self, **secrets: str) -> None:
        self._secrets = secrets

    def get(self, server: str) -> dict[str, str]:
        """The secrets."""
        return self._secrets

    def put(self, server: str, field: str, value: str) -> None:
        """Keep nothing."""


def diagnosed(config: ServerConfig, **secrets: str) -> Diagnosis:
    """The diagnosis of `config` with these secrets."""
    services = DriverServices(secrets=Passwords(**secrets))
    return diagnose(config, Settings(), None, services, ControlOfTest())


def said(diagnosis: Diagnosis, name: str) -> str:
    return next(step.message for step in diagnosis.steps if step.name == name)


def stopped(diagnosis: Diagnosis) -> tuple[str, str]:
    """Name and sentence of the only step that failed; what comes later was not tried."""
    failed = [step for step in diagnosis.steps if step.state == "failed"]
    assert len(failed) == 1
    assert not diagnosis.ok
    later = diagnosis.steps[diagnosis.steps.index(failed[0]) + 1 :]
    assert {step.state for step in later} <= {"not tried"}
    return failed[0].name, failed[0].message


@pytest.fixture(scope="module")
def web_orthanc(tmp_path_factory: pytest.TempPathFactory, thorax_series: list[CtSeries]) -> Iterator[Orthanc]:
    """Orthanc with DICOMweb behind a password."""
    server = Orthanc(tmp_path_factory.mktemp("web-orthanc"), dicomweb=True, users={"tester": "right"})
    try:
        server.start()
        server.put(thorax_series[1].files.values())
        yield server
    finally:
        server.stop()


@contextmanager
def web_server(status: int, body: bytes, **headers: str) -> Iterator[int]:
    """A web server that answers everything alike; its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        """One answer for all."""

        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="web-answers", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def web(port: int, path: str = "/dicom-web", **changes: Any) -> ServerConfig:
    fields = {"name": "Cloud store", "protocol": "dicomweb", "url": f"http://127.0.0.1:{port}{path}", "timeout_s": 5.0}
    return ServerConfig(**{**fields, **changes})


def test_a_good_dicomweb_server_passes(web_orthanc: Orthanc) -> None:
    count = web_orthanc.instance_count()
    diagnosis = diagnosed(web_orthanc.web_config(auth="basic", user="tester"), password="right")
    assert diagnosis.ok, diagnosis
    assert [step.name for step in diagnosis.steps] == WEB_STEPS
    assert said(diagnosis, "sign-in").startswith("Orthanc accepts our sign-in")
    assert "came by WADO-RS" in said(diagnosis, "retrieve")
    assert diagnosis.steps[-1].state == "not tried"
    assert web_orthanc.instance_count() == count
    assert "as user tester" in diagnosis.request
    assert "right" not in str(diagnosis.as_dict()).replace("rights", "")


def test_401_without_a_sign_in(web_orthanc: Orthanc) -> None:
    """Case 67."""
    diagnosis = diagnosed(web_orthanc.web_config())
    assert stopped(diagnosis) == ("sign-in", "Sign-in to Orthanc is needed.")
    assert said(diagnosis, "http") == "Orthanc answers by HTTP and wants to know who we are (401)."
    assert diagnosis.advice == (
        "The service was found, but does not let us in.",
        "Set the way to sign in, and the user with a password or the token, for this server.",
    )
    assert "Please tell us how to sign in, or renew our access." in diagnosis.request


def test_401_with_a_wrong_password(web_orthanc: Orthanc) -> None:
    """Case 67."""
    diagnosis = diagnosed(web_orthanc.web_config(auth="basic", user="tester"), password="hunter2")
    assert stopped(diagnosis) == ("sign-in", "Orthanc does not accept our sign-in.")
    assert "hunter2" not in str(diagnosis.as_dict())


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (200, "text/html", "The address answers with a web page, not DICOMweb."),
        (200, "image/png", "The address answers with image/png, not DICOMweb."),
        (404, "text/html", "Cloud store has no DICOMweb service under this address (404)."),
        (500, "text/plain", "Cloud store answers by HTTP, but failed inside (500)."),
    ],
)
def test_other_web_servers(status: int, kind: str, words: str) -> None:
    """Case 67."""
    with web_server(status, b"<html>", Content_Type=kind) as port:
        name, message = stopped(diagnosed(web(port)))
    assert name == "http"
    assert words in message


def test_no_right_without_signing_in() -> None:
    """Case 67."""
    with web_server(403, b"") as port:
        assert stopped(diagnosed(web(port))) == (
            "sign-in",
            "Cloud store gives no right to search without signing in.",
        )


def test_a_closed_web_port(free_port: int) -> None:
    assert stopped(diagnosed(web(free_port))) == ("network", f"Cloud store: nothing listens on port {free_port}.")


def test_an_unknown_web_host() -> None:
    name, message = stopped(diagnosed(web(80, url="https://no-such-host.invalid/dicom-web")))
    assert name == "name"
    assert "no-such-host.invalid" in message


def test_a_dicom_port_instead_of_a_web_port(web_orthanc: Orthanc) -> None:
    assert stopped(diagnosed(web(web_orthanc.port))) == (
        "http",
        f"Cloud store: port {web_orthanc.port} speaks DICOM, not DICOMweb.",
    )


def test_https_to_a_plain_port(web_orthanc: Orthanc) -> None:
    port = web_orthanc.http_port
    diagnosis = diagnosed(web(port, url=f"https://127.0.0.1:{port}/dicom-web"))
    assert stopped(diagnosis) == (
        "encryption",
        f"Cloud store speaks no TLS on port {port}, but the address says https.",
    )


def test_a_silent_web_server(silent_port: int) -> None:
    name, message = stopped(diagnosed(web(silent_port, timeout_s=1.0)))
    assert name == "http"
    assert "said nothing for 1 s" in message


def test_https_and_its_certificate(web_orthanc: Orthanc, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    leaf = authority.leaf("orthanc.test")
    with TlsForwarder(web_orthanc.http_port, server_context(str(leaf.certificate), str(leaf.key))) as forwarder:
        url = f"https://127.0.0.1:{forwarder.port}/dicom-web"
        good = web(1, url=url, tls_ca_file=str(authority.certificate), auth="basic", user="tester")
        diagnosis = diagnosed(good, password="right")
        assert diagnosis.ok, diagnosis
        assert "certificate of orthanc.test, valid until 20" in said(diagnosis, "encryption")
        name, message = stopped(diagnosed(web(1, url=url)))
        assert name == "encryption"
        assert "trusted here" in message
        name, message = stopped(diagnosed(web(forwarder.port)))
        assert (name, message) == ("http", "Cloud store expects encryption, but the address says http.")


def test_a_server_that_wants_our_certificate(web_orthanc: Orthanc, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    leaf = authority.leaf("orthanc.test")
    context = server_context(str(leaf.certificate), str(leaf.key), str(authority.certificate), require_client=True)
    assert context.verify_mode is ssl.CERT_REQUIRED
    with TlsForwarder(web_orthanc.http_port, context) as forwarder:
        url = f"https://127.0.0.1:{forwarder.port}/dicom-web"
        name, message = stopped(diagnosed(web(1, url=url, tls_ca_file=str(authority.certificate))))
    assert name == "encryption"
    assert "certificate of ours" in message


def test_a_cancel_ends_the_wait_for_an_answer(silent_port: int) -> None:
    control = ControlOfTest()
    timers: list[threading.Timer] = []

    def cancel_soon(step: Step) -> None:
        if step.name == "encryption":
            timers.append(threading.Timer(0.2, control.cancel))
            timers[0].start()

    with pytest.raises(JobCancelled):
        diagnose(web(silent_port, timeout_s=60.0), Settings(), None, DriverServices(), control, cancel_soon)
    timers[0].join()


@pytest.fixture
def folder_of(tmp_path: Path) -> Callable[..., ServerConfig]:
    """Settings of a folder that exists."""
    (tmp_path / "incoming").mkdir()

    def made(**changes: Any) -> ServerConfig:
        return ServerConfig(**{"name": "Inbox", "protocol": "folder", "folder": str(tmp_path / "incoming"), **changes})

    return made


def test_a_good_folder_passes(folder_of: Callable[..., ServerConfig], thorax_series: list[CtSeries]) -> None:
    config = folder_of(folder_mode="move")
    (Path(config.folder) / "sub").mkdir()
    for number, path in enumerate(list(thorax_series[1].files.values())[:3]):
        (Path(config.folder) / "sub" / f"{number}.dcm").write_bytes(path.read_bytes())
    (Path(config.folder) / "notes.txt").write_text("no image")
    before = sorted(Path(config.folder).rglob("*"))
    diagnosis = diagnosed(config)
    assert diagnosis.ok
    assert [(step.name, step.state) for step in diagnosis.steps] == [(name, "passed") for name in FOLDER_STEPS]
    assert said(diagnosis, "dicom") == "3 of its files are DICOM."
    assert diagnosis.request == ""
    assert sorted(Path(config.folder).rglob("*")) == before


def test_an_empty_folder_passes(folder_of: Callable[..., ServerConfig]) -> None:
    diagnosis = diagnosed(folder_of())
    assert diagnosis.ok
    assert said(diagnosis, "deletable") == "Files stay where they are, so no right to remove them is needed."
    assert said(diagnosis, "dicom") == "The folder is empty now."


def test_folders_that_are_none(folder_of: Callable[..., ServerConfig], tmp_path: Path) -> None:
    assert stopped(diagnosed(folder_of(folder=str(tmp_path / "missing"))))[0] == "exists"
    (tmp_path / "file").write_text("")
    assert stopped(diagnosed(folder_of(folder=str(tmp_path / "file"))))[0] == "exists"


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="needs rights that can be taken away")
def test_folders_without_rights(folder_of: Callable[..., ServerConfig]) -> None:
    config = folder_of(folder_mode="move")
    folder = Path(config.folder)
    try:
        folder.chmod(0o500)
        assert diagnosed(config).steps[2].state == "failed"
        folder.chmod(0o300)
        assert stopped(diagnosed(config))[0] == "readable"
    finally:
        folder.chmod(0o700)
