"""A scriptable HTTP server over real sockets: DICOMweb and OAuth2 servers that do what good ones never do.

Answers are made by functions of the test; every request is kept. Each connection has a thread of its own, all end with
`close`.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

__all__ = ["Answer", "Request", "WebServer", "json_answer", "multipart", "multipart_answer", "raw_answer", "study_json"]

LIMIT = 1 << 30


@dataclass(frozen=True)
class Request:
    """One request as it came; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """Path without the query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        """Values of the query by name."""
        return parse_qs(urlsplit(self.target).query)

    @property
    def form(self) -> dict[str, str]:
        """Fields of a form in the body."""
        return {key: values[0] for key, values in parse_qs(self.body.decode()).items()}


@dataclass
class Answer:
    """What to answer.

    ``pieces`` are sent one after the other; before each one that is an Event, the server waits for it. ``raw`` sends
    the pieces without a head, ``reset`` ends with a TCP reset, ``length`` lies about the length, ``chunked`` sends
    pieces as chunks and ends them unless ``cut``.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: Sequence[bytes | threading.Event] = ()
    raw: bool = False
    reset: bool = False
    length: int | None = None
    chunked: bool = False
    cut: bool = False


Handler = Callable[[Request], Answer]


class WebServer:
    """Serves until closed; a context manager.

    Parameters
    ----------
    handler : callable
        Makes the answer to each request.
    tls : ssl.SSLContext, optional
        To serve HTTPS.
    """

    def __init__(self, handler: Handler, tls: ssl.SSLContext | None = None) -> None:
        self.handler = handler
        self._tls = tls
        self.requests: list[Request] = []
        self.connections = 0
        self._lock = threading.Lock()
        self._closing = False
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._waiting: list[threading.Event] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._accepting = threading.Thread(target=self._accept, name="web-server", daemon=True)
        self._accepting.start()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def seen(self, path: str) -> list[Request]:
        """Requests to a path that ends so."""
        with self._lock:
            return [request for request in self.requests if request.path.endswith(path)]

    def close(self) -> None:
        """End all connections and threads."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            sockets, events = list(self._sockets), list(self._waiting)
        for event in events:
            event.set()
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> WebServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._sockets.add(sock)
                self.connections += 1
                thread = threading.Thread(target=self._serve, args=(sock,), name="web-server-peer", daemon=True)
                self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            with self._secured(sock) as peer, peer.makefile("rb") as stream:
                sock = peer
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while not self._closing:
                    request = _read(stream)
                    if request is None:
                        return
                    if request.method == "TLS":
                        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                        return
                    with self._lock:
                        self.requests.append(request)
                    if not self._answer(sock, self.handler(request)):
                        return
        except (OSError, ValueError):
            pass
        finally:
            with self._lock:
                self._sockets.discard(sock)

    def _secured(self, sock: socket.socket) -> socket.socket:
        if self._tls is None:
            return sock
        secured = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._sockets.add(secured)
        try:
            secured.do_handshake()
        except OSError:
            # What the client sent already is read, for a reset would overtake the alert.
            with secured, contextlib.suppress(OSError):
                socket.socket.shutdown(secured, socket.SHUT_WR)
                while socket.socket.recv(secured, 65536):
                    pass
            raise
        return secured

    def _answer(self, sock: socket.socket, answer: Answer) -> bool:
        """Send it; whether the connection goes on."""
        if not answer.raw:
            sock.sendall(_head(answer))
        for piece in answer.pieces:
            if isinstance(piece, threading.Event):
                with self._lock:
                    self._waiting.append(piece)
                if self._closing:
                    return False
                piece.wait()
            elif answer.chunked:
                sock.sendall(b"%x\r\n" % len(piece) + piece + b"\r\n")
            else:
                sock.sendall(piece)
        if answer.chunked and not answer.cut:
            sock.sendall(b"0\r\n\r\n")
        if answer.reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            return False
        return not (answer.raw or answer.cut or answer.length is not None)


def json_answer(value: Any, status: int = 200, **headers: str) -> Answer:
    """`value` as JSON; underscores in header names become hyphens."""
    content = json.dumps(value).encode()
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, {"Content-Type": "application/dicom+json", **named}, [content])


def multipart(
    parts: Sequence[bytes], boundary: str = "edge", *, head: str = "Content-Type: application/dicom"
) -> bytes:
    """A whole body of `parts`."""
    lines = f"{head}\r\n\r\n" if head else "\r\n"
    start = f"--{boundary}\r\n{lines}".encode()
    return b"".join(start + part + b"\r\n" for part in parts) + f"--{boundary}--".encode()


def multipart_answer(body: bytes, boundary: str = "edge", **more: Any) -> Answer:
    """An answer with such a body."""
    kind = {"Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}'}
    return Answer(200, kind, [body], **more)


def raw_answer(data: bytes) -> Answer:
    """Just these bytes, then the end."""
    return Answer(raw=True, pieces=[data])


def study_json(uid: str, **more: Any) -> dict[str, Any]:
    """A study in the DICOM JSON model."""
    return {"0020000D": {"vr": "UI", "Value": [uid]}, **more}


def _head(answer: Answer) -> bytes:
    headers = dict(answer.headers)
    if answer.chunked:
        headers["Transfer-Encoding"] = "chunked"
    elif answer.status != 204:
        size = sum(len(piece) for piece in answer.pieces if isinstance(piece, bytes))
        headers.setdefault("Content-Length", str(size if answer.length is None else answer.length))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {answer.status} Test\r\n{lines}\r\n".encode("latin_1")


def _read(stream: Any) -> Request | None:
    if stream.peek(1)[:1] == b"\x16":
        # A TLS client; good servers say so in plain HTTP.
        return Request("TLS", "/", {}, b"")
    first = stream.readline()
    if not first.strip():
        return None
    method, target, _ = first.decode("latin_1").split(" ", 2)
    headers = {}
    while line := stream.readline().decode("latin_1").strip():
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return Request(method, target, headers, b"".join(_chunks(stream)))
    size = int(headers.get("content-length", "0"))
    body = stream.read(min(size, LIMIT))
    return Request(method, target, headers, body) if len(body) == size else None


def _chunks(stream: Any) -> Iterator[bytes]:
    while size := int(stream.readline(), 16):
        yield stream.read(size)
        stream.readline()
    stream.readline()
