"""HTTPS: certificates of both sides, and what is not taken."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from Testing.support.file_sink import ControlOfTest
from Testing.support.processes import required_program
from Testing.support.tls_forwarder import TlsForwarder
from Testing.support.web_drivers import web_driver
from Testing.support.web_fetching import find
from Testing.support.web_server import Answer, WebServer, json_answer, study_json
from VisualDICOMBrowserLib.errors import (
    NetworkError,
    PeerError,
    UsageError,
    VisualDICOMError,
)
from VisualDICOMBrowserLib.model import Query

SECRETS = ("tok-12345", "key-67890")


class Certificates:
    """An authority and certificates of it, made by openssl."""

    def __init__(self, folder: Path) -> None:
        self._openssl = required_program("openssl")
        self.folder = folder
        self.ca = self.make_ca("ca")

    def make_ca(self, name: str) -> Path:
        """A further authority; its certificate."""
        self._run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                  "-keyout", f"{name}.key", "-out", f"{name}.pem")  # fmt: skip
        return self.folder / f"{name}.pem"

    def make(self, name: str, names: str = "DNS:localhost,IP:127.0.0.1", days: str = "2") -> tuple[Path, Path]:
        """A certificate for these names, and its key."""
        self._run("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key",
                  "-out", f"{name}.csr")  # fmt: skip
        (self.folder / f"{name}.ext").write_text(f"subjectAltName={names}\n")
        self._run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                  "-days", days, "-extfile", f"{name}.ext", "-out", f"{name}.pem")  # fmt: skip
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    def _run(self, *arguments: str) -> None:
        subprocess.run([self._openssl, *arguments], cwd=self.folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority with a server certificate for this computer, one for another host, one expired, one for a client."""
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    made.make("server")
    made.make("elsewhere", "DNS:elsewhere.example.org")
    made.make("expired", days="-1")
    made.make("client")
    made.make_ca("stranger")
    return made


@pytest.fixture
def plain() -> Iterator[WebServer]:
    """A server that has one study."""
    with WebServer(lambda request: json_answer([study_json("1.2")])) as server:
        yield server


def tls_context(certificates: Certificates, name: str, *, client: bool = False) -> ssl.SSLContext:
    """A server's context with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.folder / f"{name}.pem", certificates.folder / f"{name}.key")
    if client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificates.ca)
    return context


def forwarder(certificates: Certificates, name: str, port: int) -> TlsForwarder:
    """HTTPS with that certificate in front of a port."""
    return TlsForwarder(port, tls_context(certificates, name))


def test_https_with_an_own_authority(certificates: Certificates, plain: WebServer) -> None:
    """Our own list of authorities vouches for the server."""
    with forwarder(certificates, "server", plain.port) as tls:
        assert find(f"https://localhost:{tls.port}", tls_ca_file=str(certificates.ca)).records


@pytest.mark.parametrize(
    ("name", "ca", "code", "words"),
    [
        ("server", "", "tls_untrusted", "not trusted here"),
        ("server", "stranger.pem", "tls_untrusted", "not trusted here"),
        ("elsewhere", "ca.pem", "tls_certificate_name", "another name than localhost"),
        ("expired", "ca.pem", "tls_certificate_expired", "expired"),
    ],
)
def test_certificates_that_are_not_taken(
    certificates: Certificates, plain: WebServer, name: str, ca: str, code: str, words: str
) -> None:
    """Unknown authority, other name, expired: each in its own words, and nothing was sent."""
    file = str(certificates.folder / ca) if ca else ""
    with forwarder(certificates, name, plain.port) as tls, pytest.raises(NetworkError) as fault:
        find(f"https://localhost:{tls.port}", tls_ca_file=file)
    assert fault.value.code == code
    assert words in fault.value.message
    assert not plain.requests


def test_the_name_may_be_left_unchecked(certificates: Certificates, plain: WebServer) -> None:
    """tls_check_host off: the chain counts alone."""
    with forwarder(certificates, "elsewhere", plain.port) as tls:
        assert find(f"https://localhost:{tls.port}", tls_ca_file=str(certificates.ca), tls_check_host=False).records


def test_client_certificates(certificates: Certificates) -> None:
    """A server that wants a certificate gets ours, and says so without."""
    folder = certificates.folder
    own = {"tls_certificate_file": str(folder / "client.pem"), "tls_key_file": str(folder / "client.key")}
    context = tls_context(certificates, "server", client=True)
    with WebServer(lambda request: json_answer([study_json("1.2")]), tls=context) as server:
        url, ca = f"https://localhost:{server.port}", str(certificates.ca)
        assert find(url, tls_ca_file=ca, **own).records
        with pytest.raises(NetworkError) as fault:
            find(url, tls_ca_file=ca)
    assert fault.value.code == "tls_client_certificate"


def test_another_host_does_not_see_our_certificate(certificates: Certificates) -> None:
    """Case 67: after a redirect to another host, our client certificate is a credential too."""
    folder = certificates.folder
    own = {"tls_certificate_file": str(folder / "client.pem"), "tls_key_file": str(folder / "client.key")}
    asking = tls_context(certificates, "server", client=True)
    with WebServer(lambda request: json_answer([]), tls=asking) as other:
        target = {"Location": f"https://localhost:{other.port}/studies"}
        with WebServer(lambda request: Answer(302, target), tls=asking) as home, pytest.raises(NetworkError) as fault:
            find(f"https://127.0.0.1:{home.port}", tls_ca_file=str(certificates.ca), **own)
        assert len(home.requests) == 1
        assert not other.requests
    assert fault.value.code == "tls_client_certificate"


def test_encryption_on_one_side_only(certificates: Certificates, plain: WebServer) -> None:
    """https to a plain port; http to a TLS port."""
    with pytest.raises(VisualDICOMError, match="speaks plain HTTP") as fault:
        find(f"https://localhost:{plain.port}")
    assert fault.value.code == "tls_not_expected"


def test_no_way_down_from_https(certificates: Certificates) -> None:
    """Case 67: a redirect from https to http is refused."""
    with WebServer(lambda request: json_answer([])) as other:
        target = {"Location": f"http://localhost:{other.port}/studies"}
        with (
            WebServer(lambda request: Answer(302, target)) as server,
            forwarder(certificates, "server", server.port) as tls,
            pytest.raises(PeerError, match="not followed: it leads from https to plain http") as fault,
        ):
            find(f"https://localhost:{tls.port}", tls_ca_file=str(certificates.ca))
        assert fault.value.code == "redirect"
        assert not other.requests


def test_files_that_are_no_certificates(tmp_path: Path) -> None:
    """A wrong file is named before anything is sent."""
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(UsageError, match="holds no certificate"):
        find("https://localhost:1", tls_ca_file=str(tmp_path / "ca.pem"))


def test_sockets_are_closed(plain: WebServer) -> None:
    """Nothing stays open after close."""
    driver = web_driver(plain.url)
    driver.find(Query(), ControlOfTest())
    driver.close()
    with socket.create_connection(("127.0.0.1", plain.port)):
        pass
