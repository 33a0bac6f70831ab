"""TLS for DIMSE (DICOM PS3.15 annex B): contexts for both sides, and each failure as a sentence of its own.

Certificates and keys are PEM files; TLS 1.2 is the least, 1.3 where a server's settings say so. Sockets are
``connecting``'s and the listener's. Any thread.
"""

from __future__ import annotations

import contextlib
import datetime
import ssl
from pathlib import Path

from VisualDICOMBrowserLib.errors import NetworkError, PeerError, UsageError, VisualDICOMError
from VisualDICOMBrowserLib.servers.config import ServerConfig

__all__ = [
    "certificate_end",
    "client_context",
    "client_hello",
    "der_element",
    "is_expired",
    "server_context",
    "tls_expected",
    "tls_fault",
    "tls_not_expected",
    "unverified_context",
]

_EXPIRED, _NOT_YET_VALID = 10, 9
_SELF_SIGNED, _UNKNOWN_ISSUER = 18, (2, 19, 20, 21)
_OTHER_NAME = (62, 63, 64)
# What a server says by an alert about our certificate (RFC 8446 6.2), as OpenSSL names it.
_OF_OUR_CERTIFICATE = {
    "BAD_CERTIFICATE": "it is not acceptable there",
    "UNSUPPORTED_CERTIFICATE": "it is of a kind not supported there",
    "CERTIFICATE_REVOKED": "it was revoked",
    "CERTIFICATE_EXPIRED": "it has expired",
    "CERTIFICATE_UNKNOWN": "it is not acceptable there",
    "UNKNOWN_CA": "its issuer is not known there",
    "ACCESS_DENIED": "it gives no access there",
}
_VERSIONS = ("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "VERSION_TOO_LOW")


def client_context(config: ServerConfig, key_password: str = "") -> ssl.SSLContext:
    """Context to connect to a server: its chain is always verified, its name where the config says so.

    Raises
    ------
    UsageError
        A file cannot be read or holds something else; the message names it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if config.tls_ca_file:
        _load_authorities(context, config.tls_ca_file, config.name)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    context.check_hostname = config.tls_check_host
    context.verify_mode = ssl.CERT_REQUIRED
    if config.tls_certificate_file:
        _load_own(context, config.tls_certificate_file, config.tls_key_file, key_password, config.name)
    return _restricted(context, ssl.TLSVersion.TLSv1_3 if config.tls_min_version == "1.3" else ssl.TLSVersion.TLSv1_2)


def server_context(
    certificate: str, key: str = "", ca: str = "", require_client: bool = False, key_password: str = ""
) -> ssl.SSLContext:
    """Context of a listener.

    Parameters
    ----------
    certificate, key : str
        PEM files; without `key` it is in the certificate's file.
    ca : str
        PEM file of those who may vouch for callers, empty for the system's list.
    require_client : bool
        Refuse callers without a certificate.
    key_password : str
        Opens an encrypted key.

    Raises
    ------
    UsageError
        A file cannot be read or holds something else; the message names it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load_own(context, certificate, key, key_password, "")
    if ca:
        _load_authorities(context, ca, "")
    elif require_client:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    if require_client:
        context.verify_mode = ssl.CERT_REQUIRED
    return _restricted(context)


def unverified_context() -> ssl.SSLContext:
    """Context to look at the certificate of a server that was refused; nothing is said over it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return _restricted(context)


def client_hello() -> bytes:
    """What a client says first (RFC 8446 4.1.2), to find out whether a port speaks TLS."""
    context = unverified_context()
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    return outgoing.read()


def certificate_end(der: bytes) -> datetime.date | None:
    """Last day of a certificate (RFC 5280 4.1.2.5), None if it cannot be read."""
    try:
        _, body, _ = der_element(der, 0)
        _, content, _ = der_element(body, 0)
        position = 0
        fields: list[bytes] = []
        while len(fields) < 6 and position < len(content):
            tag, value, position = der_element(content, position)
            if tag != 0xA0:  # the version is left out in old certificates
                fields.append(value)
        validity = fields[3]
        _, _, second = der_element(validity, 0)
        kind, text, _ = der_element(validity, second)
        form = "%y%m%d%H%M%SZ" if kind == 0x17 else "%Y%m%d%H%M%SZ"
        return datetime.datetime.strptime(text.decode("ascii"), form).date()
    except (IndexError, ValueError):
        return None


def is_expired(fault: ssl.SSLError) -> bool:
    """Whether the certificate was refused because of its last day."""
    return isinstance(fault, ssl.SSLCertVerificationError) and fault.verify_code == _EXPIRED


def tls_expected(config: ServerConfig) -> PeerError:
    """The server encrypts, and we do not."""
    return PeerError(
        f"{config.name} speaks TLS, but TLS is off.",
        code="tls_expected",
        server=config.name,
        next_step="Switch TLS on for this server.",
    )


def tls_not_expected(config: ServerConfig) -> PeerError:
    """We encrypt, and the server does not."""
    return PeerError(
        f"{config.name} speaks plain DICOM, but TLS is on.",
        code="tls_not_expected",
        server=config.name,
        next_step="Switch TLS off for this server, or use its TLS port.",
    )


def tls_fault(config: ServerConfig, fault: ssl.SSLError, end: datetime.date | None = None) -> VisualDICOMError:
    """Why the encrypted connection did not come about; `end` is the last day of the server's certificate."""
    if isinstance(fault, ssl.SSLCertVerificationError):
        return _certificate_fault(config, fault, end)
    reason = (fault.reason or "").upper()
    for alert, words in _OF_OUR_CERTIFICATE.items():
        if reason.endswith(f"ALERT_{alert}"):
            return _client_certificate(config, f"{config.name} does not accept our certificate: {words}.")
    unanswered_request = reason.endswith(("ALERT_CERTIFICATE_REQUIRED", "ALERT_HANDSHAKE_FAILURE"))
    if unanswered_request and not config.tls_certificate_file:
        return _client_certificate(config, f"{config.name} asks for a certificate of ours, and none is set.")
    if any(word in reason for word in _VERSIONS):
        return PeerError(
            f"{config.name} offers no TLS that is safe enough; {config.tls_min_version} is the least.",
            code="tls_version",
            server=config.name,
            next_step=f"Ask its administrator to switch TLS {config.tls_min_version} or newer on.",
        )
    words = reason.replace("_", " ").lower() or "no reason given"
    return PeerError(
        f"No encrypted connection to {config.name} came about ({words}).",
        code="tls_failed",
        server=config.name,
        next_step="Ask its administrator which TLS versions and ciphers it takes.",
    )


def _certificate_fault(
    config: ServerConfig, fault: ssl.SSLCertVerificationError, end: datetime.date | None
) -> NetworkError:
    name, code = config.name, fault.verify_code
    if code == _EXPIRED:
        when = f" on {end.isoformat()}" if end else ""
        return NetworkError(
            f"The certificate of {name} expired{when}.",
            code="tls_certificate_expired",
            server=name,
            next_step="Ask its administrator for a new one, and check the date of this computer.",
        )
    if code in _OTHER_NAME:
        return NetworkError(
            f"The certificate of {name} is for another name than {config.host}.",
            code="tls_certificate_name",
            server=name,
            next_step="Use the host name in the certificate, or switch the check of the name off.",
        )
    if code == _SELF_SIGNED:
        words = "is signed by itself and not trusted here"
    elif code in _UNKNOWN_ISSUER:
        words = "was issued by an authority that is not trusted here"
    elif code == _NOT_YET_VALID:
        words = "is not valid yet"
    else:
        words = f"cannot be trusted ({fault.verify_message})"
    return NetworkError(
        f"The certificate of {name} {words}.",
        code="tls_untrusted",
        server=name,
        next_step="Choose the file of the authority that issued it, which its administrator has.",
    )


def _client_certificate(config: ServerConfig, message: str) -> NetworkError:
    return NetworkError(
        message,
        code="tls_client_certificate",
        server=config.name,
        next_step="Ask its administrator which certificate this computer needs, and set its files.",
    )


def _restricted(context: ssl.SSLContext, least: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> ssl.SSLContext:
    context.minimum_version = least
    # Python 3.13 refuses certificates of many an own authority unless told otherwise; a single certificate may
    # be trusted as it is.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _load_authorities(context: ssl.SSLContext, path: str, server: str) -> None:
    what = "file of trusted certificates"
    _readable(path, what, "tls_ca_file", server)
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError as fault:
        message = f"The {what} {path} holds no certificate in PEM form."
        raise UsageError(message, code="tls_ca_file", server=server, next_step="Choose another file.") from fault


def _load_own(context: ssl.SSLContext, certificate: str, key: str, password: str, server: str) -> None:
    _readable(certificate, "certificate file", "tls_certificate_file", server)
    if key:
        _readable(key, "key file", "tls_key_file", server)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=certificate)
    except ssl.SSLError as fault:
        message = f"The certificate file {certificate} holds no certificate in PEM form."
        raise UsageError(message, code="tls_certificate_file", server=server) from fault
    try:
        # Without a password OpenSSL would ask for one at the terminal.
        context.load_cert_chain(certificate, key or None, password=lambda: password)
    except ssl.SSLError as fault:
        if fault.reason == "KEY_VALUES_MISMATCH":
            message = f"The key in {key or certificate} does not belong to the certificate in {certificate}."
            raise UsageError(message, code="tls_key_file", server=server, next_step="Choose its own key.") from fault
        message = f"The key in {key or certificate} cannot be read: it is no PEM key, or its password is wrong."
        raise UsageError(message, code="tls_key_file", server=server) from fault


def _readable(path: str, what: str, code: str, server: str) -> None:
    try:
        with Path(path).open("rb"):
            pass
    except OSError as fault:
        message = f"The {what} {path} cannot be read: {fault.strerror or fault}."
        raise UsageError(message, code=code, server=server, next_step="Choose another file.") from fault


def der_element(data: bytes, position: int) -> tuple[int, bytes, int]:
    """Tag and content of the DER element at `position`, and where the next one begins."""
    tag, length = data[position], data[position + 1]
    position += 2
    if length & 0x80:
        count = length & 0x7F
        length = int.from_bytes(data[position : position + count], "big")
        position += count
    return tag, data[position : position + length], position + length
