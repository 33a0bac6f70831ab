"""What language a port speaks: DICOM, TLS or HTTP, told from its first bytes, so that a wrong port is named as such.

Asked only after a connection failed, once per language, on a connection of its own. Any thread.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

from VisualDICOMBrowserLib.servers.upper_layer.pdata import ABORT, ASSOCIATE_AC, ASSOCIATE_RQ

__all__ = ["ASSOCIATION", "HTTP", "language_of", "spoken"]

HTTP = b"HEAD / HTTP/1.0\r\n\r\n"
"""A question that every HTTP server answers."""

_ENOUGH = 5


def language_of(words: bytes) -> str:
    """``dicom``, ``tls`` or ``http`` by the first bytes of a peer, empty if they are something else."""
    if words[:5] == b"HTTP/":
        return "http"
    # Content type and major version of a TLS record (RFC 8446 5.1).
    if len(words) >= 2 and words[0] in (0x14, 0x15, 0x16) and words[1] == 3:
        return "tls"
    if len(words) >= 2 and ASSOCIATE_AC <= words[0] <= ABORT and words[1] == 0:
        return "dicom"
    return ""


def spoken(address: tuple[socket.AddressFamily, tuple[Any, ...]], question: bytes, wait_s: float) -> str:
    """Language in which the peer answers `question`, empty if it does not in `wait_s` seconds."""
    words = b""
    try:
        with socket.socket(address[0], socket.SOCK_STREAM) as sock:
            sock.settimeout(wait_s)
            sock.connect(address[1])
            sock.sendall(question)
            while len(words) < _ENOUGH:
                more = sock.recv(64)
                if not more:
                    break
                words += more
    except OSError:
        pass
    return language_of(words)


def _item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(content)) + content


def _association_request() -> bytes:
    """A-ASSOCIATE-RQ for verification (DICOM PS3.8 9.3.2) by and to nobody in particular."""
    syntaxes = _item(0x30, b"1.2.840.10008.1.1") + _item(0x40, b"1.2.840.10008.1.2")
    body = struct.pack(">HH16s16s32x", 1, 0, b"ANY-SCP".ljust(16), b"ANY-SCU".ljust(16))
    body += _item(0x10, b"1.2.840.10008.3.1.1.1")
    body += _item(0x20, b"\x01\0\0\0" + syntaxes)
    body += _item(0x50, _item(0x51, (16384).to_bytes(4, "big")) + _item(0x52, b"1.2.826.0.1.3680043.8.498.1"))
    return struct.pack(">BxL", ASSOCIATE_RQ, len(body)) + body


ASSOCIATION = _association_request()
"""A question that every DICOM server answers."""
