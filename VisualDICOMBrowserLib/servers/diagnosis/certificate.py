"""What a server's certificate says, also where it is not trusted: whom it names, who issued it, and until when.

Looked at over a connection of its own over which nothing is said. Any thread.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.model import JobControl
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.upper_layer.connecting import connect
from VisualDICOMBrowserLib.servers.upper_layer.tls import certificate_end, der_element, unverified_context

__all__ = ["certificate_text", "described"]

_LOOK_S = 5.0
_COMMON_NAME, _ORGANISATION = bytes.fromhex("550403"), bytes.fromhex("55040a")
_OTHER_NAMES = bytes.fromhex("551d11")
_DNS_NAME, _IP_ADDRESS = 0x82, 0x87
_VERSION, _EXTENSIONS = 0xA0, 0xA3
_ISSUER, _SUBJECT = 2, 4
_IPV4_BYTES = 4


def certificate_text(endpoint: ServerConfig, control: JobControl) -> str:
    """What the certificate of a server says, one line for each fact; empty if it shows none."""
    try:
        sock, _ = connect(replace(endpoint, tls=False), control)
        with sock:
            sock.settimeout(min(endpoint.timeout_s, _LOOK_S))
            with unverified_context().wrap_socket(sock) as encrypted:
                return described(encrypted.getpeercert(binary_form=True) or b"")
    except (VisualDICOMError, OSError):
        return ""


def described(der: bytes) -> str:
    """The facts of a certificate (RFC 5280 4.1), empty if it cannot be read."""
    try:
        fields = _fields(der)
        issuer, subject = _name(fields[_ISSUER][1]), _name(fields[_SUBJECT][1])
    except (IndexError, ValueError):
        return ""
    names: list[str] = []
    with suppress(IndexError, ValueError):
        names = _other_names(fields)
    end = certificate_end(der)
    digest = hashlib.sha256(der).hexdigest().upper()
    facts = (
        ("Issued to", subject or "nobody by name"),
        ("Names", ", ".join(names)),
        ("Issued by", "itself" if issuer == subject else issuer or "nobody by name"),
        ("Valid until", end.isoformat() if end else ""),
        ("SHA-256", ":".join(digest[place : place + 2] for place in range(0, len(digest), 2))),
    )
    return "\n".join(f"{title}: {text}" for title, text in facts if text)


def _fields(der: bytes) -> list[tuple[int, bytes]]:
    """Serial number, signature, issuer, validity, subject and what follows, each with its tag."""
    _, body, _ = der_element(der, 0)
    _, content, _ = der_element(body, 0)
    return [(tag, value) for tag, value in _elements(content) if tag != _VERSION]


def _elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(content):
        tag, value, position = der_element(content, position)
        yield tag, value


def _name(content: bytes) -> str:
    """The common name of a distinguished name, with its organisation."""
    parts: dict[bytes, str] = {}
    for _, group in _elements(content):
        for _, pair in _elements(group):
            (_, kind), (_, text) = list(_elements(pair))[:2]
            parts[kind] = text.decode("utf-8", "replace")
    names = [parts[kind] for kind in (_COMMON_NAME, _ORGANISATION) if kind in parts]
    return ", ".join(dict.fromkeys(names))


def _other_names(fields: list[tuple[int, bytes]]) -> list[str]:
    """Host names and addresses that it stands for (RFC 5280 4.2.1.6)."""
    extensions = next((value for tag, value in fields if tag == _EXTENSIONS), b"")
    for _, sequence in _elements(extensions):
        for _, extension in _elements(sequence):
            inner = [value for _, value in _elements(extension)]
            if inner[0] == _OTHER_NAMES:
                _, listed, _ = der_element(inner[-1], 0)
                return [text for tag, value in _elements(listed) if (text := _other_name(tag, value))]
    return []


def _other_name(tag: int, value: bytes) -> str:
    if tag == _DNS_NAME:
        return value.decode("ascii", "replace")
    if tag == _IP_ADDRESS:
        return socket.inet_ntop(socket.AF_INET if len(value) == _IPV4_BYTES else socket.AF_INET6, value)
    return ""
