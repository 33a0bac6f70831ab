"""Looks at the way to a server piece by piece: our own address, TLS, HTTP. Says facts, or raises their faults.

Used by the diagnosis alone; connections are those of ``connecting``, so that a test fails where a job would fail.
Sends no credential, and keeps nothing of what servers answer. Any thread.
"""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from VisualDICOMBrowserLib.errors import NetworkError, PeerError, PeerTimeoutError
from VisualDICOMBrowserLib.model import JobControl
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.faults import lost_while_connecting
from VisualDICOMBrowserLib.servers.upper_layer.connecting import Address, connect, resolve
from VisualDICOMBrowserLib.servers.upper_layer.first_words import ASSOCIATION, spoken
from VisualDICOMBrowserLib.servers.upper_layer.tls import client_hello, tls_fault
from VisualDICOMBrowserLib.servers.web.urls import WebUrls

if TYPE_CHECKING:
    from http.client import HTTPConnection

__all__ = ["HttpAnswer", "TlsFacts", "ask_qido", "connect_plain", "endpoint_of", "own_address", "shake_hands"]

# A server that refuses our certificate says so after the handshake (RFC 8446 4.4.2.4), if at all then soon.
_LATE_ALERT_S = 0.3
_LOOK_S = 2.0
_BODY_BYTES = 4096
_SOON_DAYS = 30


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """What was agreed on: version, whom the certificate names, and its last day."""

    version: str
    subject: str
    expires: datetime.date | None

    def sentence(self, today: datetime.date) -> str:
        """The facts in words."""
        words = f"{self.version}, certificate of {self.subject or 'an unnamed server'}"
        if self.expires is None:
            return f"{words}."
        days = (self.expires - today).days
        left = f" (in {days} days)" if days <= _SOON_DAYS else ""
        return f"{words}, valid until {self.expires.isoformat()}{left}."


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """Status, content type, and where a redirect leads to; ``wants_encryption`` says that the port speaks TLS."""

    status: int
    content_type: str
    location: str
    wants_encryption: bool


def endpoint_of(config: ServerConfig) -> ServerConfig:
    """`config` with host, port and TLS as the protocol says them: those of the address for DICOMweb."""
    if config.protocol != "dicomweb":
        return config
    parts = urlsplit(config.url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    return replace(config, host=parts.hostname or "", port=port, tls=secure)


def connect_plain(endpoint: ServerConfig, control: JobControl) -> str:
    """Connect without encryption, and close; our address as the server sees it, unless a router changes it.

    Raises
    ------
    NetworkError, PeerTimeoutError
        With the reason in words.
    """
    sock, _ = connect(replace(endpoint, tls=False), control)
    with sock:
        return str(sock.getsockname()[0])


def own_address(endpoint: ServerConfig, control: JobControl) -> str:
    """The address from which this computer would reach the server, empty if it knows no way; sends nothing."""
    try:
        addresses = resolve(endpoint, control)
    except NetworkError:
        return ""
    for family, address in addresses:
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect(address)
            return str(sock.getsockname()[0])
    return ""


def shake_hands(endpoint: ServerConfig, control: JobControl, key_password: str) -> TlsFacts:
    """Connect with TLS, and close.

    Raises
    ------
    NetworkError, PeerTimeoutError, PeerError, UsageError
        With the reason in words, each kind of mismatch with its own code (``tls_...``).
    """
    try:
        sock, _ = connect(replace(endpoint, tls=True), control, key_password)
        with sock:
            if not isinstance(sock, ssl.SSLSocket):
                raise lost_while_connecting(endpoint)
            facts = _facts(sock)
            _wait_for_alert(endpoint, sock)
            return facts
    except PeerError as fault:
        if endpoint.protocol == "dicomweb" and fault.code in ("tls_not_expected", "not_dicom"):
            message = f"{endpoint.name} speaks no TLS on port {endpoint.port}, but the address says https."
            raise PeerError(
                message,
                code="tls_not_expected",
                server=endpoint.name,
                next_step="Use an address that begins with http, or ask its administrator for encryption.",
            ) from fault
        raise


def ask_qido(endpoint: ServerConfig, control: JobControl, key_password: str) -> HttpAnswer:
    """Ask for one study without signing in, and do not follow where the answer leads.

    Raises
    ------
    NetworkError, PeerTimeoutError, PeerError, UsageError
        No answer by HTTP came; with the reason in words.
    """
    from http.client import HTTPConnection, HTTPException

    sock, address = connect(endpoint, control, key_password)
    with sock:
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        connection = HTTPConnection(host, endpoint.port, timeout=endpoint.timeout_s)
        connection.sock = sock
        control.on_cancel(lambda: _break_off(sock))
        try:
            return _asked(connection, endpoint)
        except TimeoutError as fault:
            control.raise_if_cancelled()
            raise _silent(endpoint) from fault
        except (HTTPException, OSError) as fault:
            control.raise_if_cancelled()
            if not endpoint.tls and spoken(address, client_hello(), _LOOK_S) == "tls":
                return HttpAnswer(0, "", "", wants_encryption=True)
            raise _no_http(endpoint, address, fault) from fault


def _no_http(endpoint: ServerConfig, address: Address, fault: Exception) -> NetworkError | PeerError:
    """What answers instead of a web server."""
    from http.client import BadStatusLine, RemoteDisconnected

    name, port = endpoint.name, endpoint.port
    if not endpoint.tls and spoken(address, ASSOCIATION, _LOOK_S) == "dicom":
        message = f"{name}: port {port} speaks DICOM, not DICOMweb."
        step = "Set it up as a DIMSE server, or find the address of its DICOMweb service."
        return PeerError(message, code="not_dicomweb", server=name, next_step=step)
    if isinstance(fault, BadStatusLine) and not isinstance(fault, RemoteDisconnected):
        message = f"{name}: port {port} does not speak HTTP."
        return PeerError(message, code="not_dicomweb", server=name, next_step="Check the port in its address.")
    return lost_while_connecting(endpoint)


def _silent(endpoint: ServerConfig) -> PeerTimeoutError:
    return PeerTimeoutError(
        f"{endpoint.name} took the connection, then said nothing for {endpoint.timeout_s:g} s.",
        server=endpoint.name,
        next_step="Check the port in its address, and try again later.",
    )


def _asked(connection: HTTPConnection, endpoint: ServerConfig) -> HttpAnswer:
    path = urlsplit(WebUrls(endpoint).search("studies")).path
    headers = {"Accept": "application/dicom+json", "Connection": "close", **endpoint.headers}
    connection.request("GET", f"{path}?limit=1", headers=headers)
    with connection.getresponse() as answer:
        beginning = answer.read(_BODY_BYTES)
        content_type = answer.headers.get_content_type() if "Content-Type" in answer.headers else ""
        # What web servers say when a plain request reaches their port for HTTPS.
        encrypted = not endpoint.tls and answer.status == 400 and b"HTTPS port" in beginning
        return HttpAnswer(answer.status, content_type, answer.headers.get("Location", ""), encrypted)


def _wait_for_alert(endpoint: ServerConfig, sock: ssl.SSLSocket) -> None:
    sock.settimeout(_LATE_ALERT_S)
    try:
        said = sock.recv(1)
    except TimeoutError:
        return
    except ssl.SSLError as fault:
        raise tls_fault(endpoint, fault) from fault
    except OSError:
        said = b""
    if not said:
        own = "another certificate of ours" if endpoint.tls_certificate_file else "a certificate of ours"
        message = f"{endpoint.name} ended the encrypted connection at once, as servers do that want {own}."
        raise NetworkError(
            message,
            code="tls_client_certificate",
            server=endpoint.name,
            next_step="Ask its administrator which certificate this computer needs, and set its files.",
        )


def _facts(sock: ssl.SSLSocket) -> TlsFacts:
    certificate: dict[str, Any] = dict(sock.getpeercert() or {})
    subject = dict(pair for part in certificate.get("subject", ()) for pair in part)
    names = [name for _, name in certificate.get("subjectAltName", ())]
    end = certificate.get("notAfter")
    expires = None
    if isinstance(end, str):
        expires = datetime.datetime.fromtimestamp(ssl.cert_time_to_seconds(end), datetime.timezone.utc).date()
    named = str(subject.get("commonName") or (names[0] if names else ""))
    return TlsFacts((sock.version() or "TLS").replace("TLSv", "TLS "), named, expires)


def _break_off(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
