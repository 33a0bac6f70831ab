"""Bodies of HTTP answers: bytes as they come, unpacked if the server packed them, never more than is believable.

A lying Content-Length, an answer cut short and a compression bomb end in an error here. One thread per body.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

from VisualDICOMBrowserLib.errors import NetworkError, PeerError, VisualDICOMError
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.web.faults import protocol_fault, status_fault, transport_fault, web_page

if TYPE_CHECKING:
    from requests import Response

__all__ = ["MOST_BYTES", "WebAnswer"]

MOST_BYTES = 256 * 1024 * 1024
"""Largest answer that is kept in memory."""

_PIECE_BYTES = 256 * 1024
# urllib3 before 2.3 waits until the whole piece is there.
_OLD_PIECE_BYTES = 16 * 1024
_UNPACKED_BYTES = 1024 * 1024
_MOST_RATIO = 200
_GZIP = b"\x1f\x8b"
# Short answers may shrink to almost nothing without harm.
_ALWAYS_ALLOWED = 64 * 1024 * 1024


class WebAnswer:
    """One answer; to be closed.

    Parameters
    ----------
    config : ServerConfig
        The server, for messages.
    response : requests.Response
        Its headers have come, its body has not been read.
    """

    def __init__(self, config: ServerConfig, response: Response) -> None:
        self._config = config
        self._response = response
        self.status = int(response.status_code)
        self.headers = response.headers
        self._packed = 0
        self._unpacked = 0
        self._unpacker = self._find_unpacker()
        self._rest = b""
        length = response.headers.get("Content-Length", "")
        self._told = int(length) if length.isascii() and length.isdigit() and len(length) < 19 else None

    @property
    def url(self) -> str:
        """Where the answer came from."""
        return str(self._response.url)

    @property
    def content_type(self) -> str:
        """Media type in lower case without parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def read(self) -> bytes:
        """The next bytes, empty at the end.

        Raises
        ------
        NetworkError, PeerTimeoutError
            The connection was lost, or the body is shorter than announced.
        PeerError
            It unpacks to more than is believable, or cannot be unpacked.
        """
        while True:
            if self._unpacker is None:
                return self._receive()
            packed = self._rest or self._receive()
            if self._unpacker.eof and packed:
                self._rest = b""
                packed += self._receive() if len(packed) < len(_GZIP) else b""
                if not packed.startswith(_GZIP):
                    continue  # filling, or what nobody asked for; it is not kept
                self._unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
            try:
                piece: bytes = self._unpacker.decompress(packed, _UNPACKED_BYTES)
                # Behind the end of one packed member another may follow (RFC 1952 2.2).
                self._rest = self._unpacker.unconsumed_tail or self._unpacker.unused_data
                if not packed and not self._unpacker.eof:
                    raise protocol_fault(self._config, "packed data that end too early")
            except zlib.error:
                raise protocol_fault(self._config, "packed data that cannot be unpacked") from None
            self._unpacked += len(piece)
            if self._unpacked > max(_ALWAYS_ALLOWED, self._packed * _MOST_RATIO):
                raise protocol_fault(self._config, "packed data that unpack to more than is believable")
            if piece or not packed:
                return piece

    def content(self, most: int = MOST_BYTES) -> bytes:
        """The whole body.

        Raises
        ------
        PeerError
            It has more than `most` bytes. Else as `read`.
        """
        whole = bytearray()
        while piece := self.read():
            whole += piece
            if len(whole) > most:
                raise protocol_fault(self._config, f"an answer of more than {most >> 20} MB")
        return bytes(whole)

    def failure(self) -> VisualDICOMError | None:
        """Why this is no success, None if it is one."""
        if self.status >= 300:
            return status_fault(self._config, self.status, self.headers)
        if self.content_type in ("text/html", "application/xhtml+xml"):
            return web_page(self._config)
        return None

    def drain(self) -> None:
        """Read a short answer that nobody wants, so that its connection can be used again."""
        if self.status == 204 or (self._told is not None and self._told <= _PIECE_BYTES):
            self._read_on()
        else:
            self.finish()

    def finish(self) -> None:
        """Read the end mark behind a body that is known to be whole, so that its connection can be used again."""
        if self.headers.get("Transfer-Encoding", "").strip().lower() == "chunked":
            self._read_on()

    def _read_on(self) -> None:
        with suppress(NetworkError, PeerError):
            self.read()

    def close(self) -> None:
        """End the answer; its connection is closed unless all of it was read."""
        self._response.close()

    def _receive(self) -> bytes:
        try:
            piece = self._read_some()
        except (OSError, ValueError) as fault:
            raise transport_fault(self._config, fault, self.url) from None
        except Exception as fault:
            if _is_transport(fault):
                raise transport_fault(self._config, fault, self.url) from None
            raise
        self._packed += len(piece)
        if not piece and self._told is not None and self._packed < self._told and self.status != 204:
            raise transport_fault(self._config, ConnectionError("shorter than announced"), self.url)
        return piece

    def _read_some(self) -> bytes:
        """What has come already, so that a whole part is never held back by the rest of the answer."""
        raw = self._response.raw
        if hasattr(raw, "read1"):
            piece: bytes = raw.read1(_PIECE_BYTES, decode_content=False)
        else:
            piece = raw.read(_OLD_PIECE_BYTES, decode_content=False)
        return piece

    def _find_unpacker(self) -> zlib._Decompress | None:
        coding = self.headers.get("Content-Encoding", "").strip().lower()
        if coding in ("", "identity"):
            return None
        if coding in ("gzip", "x-gzip", "deflate"):
            # 32 finds out whether it is gzip or zlib.
            return zlib.decompressobj(zlib.MAX_WBITS | 32)
        self._response.close()
        raise protocol_fault(self._config, "a content coding that was not asked for")


def _is_transport(fault: Exception) -> bool:
    from http.client import HTTPException

    from requests import RequestException
    from urllib3.exceptions import HTTPError

    return isinstance(fault, (HTTPException, HTTPError, RequestException))
