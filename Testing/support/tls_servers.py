"""Real DICOM servers with TLS for tests, and a scripted one."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from Testing.support.certificates import Authority, Leaf
from Testing.support.dcmtk import StoreScp
from Testing.support.faulty_peer import PeerSide
from Testing.support.orthanc import Orthanc


def tls_storescp(folder: Path, authority: Authority, leaf: Leaf, *, client_certificate: bool) -> StoreScp:
    """DCMTK's storage server, encrypted; not started."""
    check = "--require-peer-cert" if client_certificate else "--ignore-peer-cert"
    options = ("+tls", str(leaf.key), str(leaf.certificate), "+cf", str(authority.certificate), check, "+B")
    return StoreScp(folder, options)


def tls_orthanc(folder: Path, authority: Authority, leaf: Leaf) -> Orthanc:
    """Orthanc that encrypts and demands a certificate of its callers; not started."""
    options = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(leaf.certificate),
        "DicomTlsPrivateKey": str(leaf.key),
        "DicomTlsTrustedCertificates": str(authority.certificate),
        "DicomTlsRemoteCertificateRequired": True,
    }
    return Orthanc(folder, options=options)


def trusting(authority: Authority, own: Leaf | None = None) -> dict[str, Any]:
    """Fields of a `ServerConfig` for such a server."""
    fields: dict[str, Any] = {"tls": True, "tls_ca_file": str(authority.certificate), "timeout_s": 5.0}
    if own is not None:
        fields |= {"tls_certificate_file": str(own.certificate), "tls_key_file": str(own.key)}
    return fields


def encrypted(context: ssl.SSLContext, script: Callable[[PeerSide], None]) -> Callable[[PeerSide], None]:
    """A script that encrypts first and then goes on; a client that gives up is no failure of the script."""

    def run(peer: PeerSide) -> None:
        with (
            contextlib.suppress(ssl.SSLError, ConnectionError),
            context.wrap_socket(peer.socket, server_side=True) as peer.socket,
        ):
            script(peer)

    return run
