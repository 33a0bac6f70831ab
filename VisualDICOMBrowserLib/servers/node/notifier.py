"""The HTTP end point to which servers' own scripts post that something is new.

``POST /notify`` with ``Authorization: Bearer TOKEN`` and a small JSON object; answers 204, or 400, 401, 404, 405, 411
or 413. Takes no other data, gives none, and is bound to the loopback address unless told otherwise. Threads:
``notifier-accept``, and ``notifier-connection-N`` for each of a few connections; all end on `Notifier.close`.
"""

from __future__ import annotations

import contextlib
import hmac
import itertools
import json
import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from VisualDICOMBrowserLib.errors import NetworkError

__all__ = ["Notification", "Notifier", "checked_notification"]

logger = logging.getLogger(__name__)

PATH = "/notify"
_LARGEST_BODY = 16 * 1024
_MOST_CONNECTIONS = 16
_IDLE_S = 10.0
_LONGEST_S = 30.0
_LOOK_EVERY_S = 0.1
_KINDS = ("study", "series", "instance")
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
_LONGEST_SERVER = 64
_is_uid = re.compile(r"[0-9.]{1,64}").fullmatch

Notification = dict[str, str]
"""``server``, ``kind`` (study, series or instance) and the UIDs that were told."""


def checked_notification(values: Any) -> Notification:
    """The notification in a JSON object.

    Raises
    ------
    ValueError
        It is none; the message says why.
    """
    if not isinstance(values, Mapping):
        message = "The body is no JSON object."
        raise ValueError(message)
    server, kind = values.get("server"), values.get("event", "study")
    if not isinstance(server, str) or not server.strip() or len(server) > _LONGEST_SERVER:
        message = "The field server must be the name of a server."
        raise ValueError(message)
    if kind not in _KINDS:
        message = f"The field event must be one of {', '.join(_KINDS)}."
        raise ValueError(message)
    notification = {"server": server.strip(), "kind": str(kind)}
    for name in _UIDS:
        uid = values.get(name, "")
        if not isinstance(uid, str) or (uid and not _is_uid(uid)):
            message = f"The field {name} is no UID."
            raise ValueError(message)
        if uid:
            notification[name] = uid
    return notification


class Notifier:
    """Listens from `start` to `close`.

    Parameters
    ----------
    host, port : str, int
        Where to listen; port 0 is any free one.
    token : str
        What a script must know.
    on_notification : callable
        Called in a connection's thread with each notification; raises `ValueError` to refuse it.
    """

    def __init__(self, host: str, port: int, token: str, on_notification: Callable[[Notification], None]) -> None:
        self._address = (host, port)
        self._expected = f"Bearer {token}".encode()
        self._on_notification = on_notification
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """Port it listens on, 0 before `start`."""
        return int(self._server.server_address[1]) if self._server is not None else 0

    def start(self) -> None:
        """Begin to listen.

        Raises
        ------
        NetworkError
            It cannot.
        """
        try:
            self._server = _Server(self._address, self._expected, self._on_notification)
        except (OSError, OverflowError) as error:
            host, port = self._address
            reason = getattr(error, "strerror", "") or str(error)
            message = f"Notifications cannot be taken at {host}, port {port}: {reason}."
            next_step = "Choose another address or port, or end the program that uses it."
            raise NetworkError(message, code="cannot_listen", next_step=next_step) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_LOOK_EVERY_S,), name="notifier-accept", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """End the listener, its connections and threads; may be called again."""
        server, self._server = self._server, None
        if server is None:
            return
        server.shutdown()
        server.server_close()
        if self._thread is not None:
            self._thread.join()


class _Server(HTTPServer):
    """A few connections at a time, each with a thread and a longest life."""

    allow_reuse_address = True
    request_queue_size = _MOST_CONNECTIONS

    def __init__(
        self, address: tuple[str, int], expected: bytes, on_notification: Callable[[Notification], None]
    ) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        self.expected = expected
        self.on_notification = on_notification
        self._lock = threading.Lock()
        self._open: dict[socket.socket, tuple[threading.Thread, float]] = {}
        self._numbers = itertools.count(1)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without asking the name service for our name, which can take long."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own; a connection too many is closed at once."""
        with self._lock:
            if len(self._open) >= _MOST_CONNECTIONS:
                self.shutdown_request(request)
                return
            thread = threading.Thread(
                target=self._converse,
                args=(request, client_address),
                name=f"notifier-connection-{next(self._numbers)}",
                daemon=True,
            )
            self._open[request] = (thread, time.monotonic())
        thread.start()

    def service_actions(self) -> None:
        """Break off connections that take too long, however busy they look."""
        now = time.monotonic()
        with self._lock:
            late = [sock for sock, (_, since) in self._open.items() if now - since > _LONGEST_S]
        _break_off(late)

    def server_close(self) -> None:
        """Break off what is open and wait for its threads."""
        super().server_close()
        with self._lock:
            conversations = dict(self._open)
        _break_off(list(conversations))
        for thread, _ in conversations.values():
            thread.join()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A peer that breaks off is no event for the log's readers."""
        logger.debug("A connection of a notification ended early", exc_info=True)

    def _converse(self, request: socket.socket, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except Exception:  # noqa: BLE001 - whatever a peer sends ends its own connection only
            self.handle_error(request, client_address)
        finally:
            with self._lock:
                self._open.pop(request, None)
            self.shutdown_request(request)


class _Handler(BaseHTTPRequestHandler):
    """One request per connection."""

    protocol_version = "HTTP/1.1"
    server_version = "VisualDICOMBrowser"
    sys_version = ""
    timeout = _IDLE_S
    server: _Server

    def do_POST(self) -> None:
        """Take one notification."""
        self.close_connection = True
        if self.path.partition("?")[0] != PATH:
            self._answer(HTTPStatus.NOT_FOUND, f"Notifications are posted to {PATH}.")
            return
        given = self.headers.get("Authorization", "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, self.server.expected):
            self._answer(HTTPStatus.UNAUTHORIZED, "The token is missing or wrong.")
            return
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or "Transfer-Encoding" in self.headers:
            self._answer(HTTPStatus.LENGTH_REQUIRED, "The length of the body must be told.")
        elif len(length) > 9 or int(length) > _LARGEST_BODY:
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A notification has at most {_LARGEST_BODY} bytes.")
        else:
            self._take(self.rfile.read(int(length)), int(length))

    def do_GET(self) -> None:
        """There is nothing to get."""
        self.close_connection = True
        self._answer(HTTPStatus.METHOD_NOT_ALLOWED, "Notifications are posted.")

    do_PUT = do_DELETE = do_HEAD = do_OPTIONS = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet: a request line may hold what is no business of a log."""

    def _take(self, body: bytes, length: int) -> None:
        try:
            if len(body) < length:
                message = "The body is shorter than announced."
                raise ValueError(message)
            self.server.on_notification(checked_notification(json.loads(body)))
        except (ValueError, RecursionError) as error:
            no_json = isinstance(error, (json.JSONDecodeError, UnicodeDecodeError, RecursionError))
            self._answer(HTTPStatus.BAD_REQUEST, "The body is no JSON." if no_json else str(error))
            return
        self._answer(HTTPStatus.NO_CONTENT, "")

    def _answer(self, status: HTTPStatus, sentence: str) -> None:
        body = sentence.encode()
        self.send_response(status)
        self.send_header("Connection", "close")
        if status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", "Bearer")
        if status is not HTTPStatus.NO_CONTENT:
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if body and self.command != "HEAD":
            self.wfile.write(body)


def _break_off(sockets: list[socket.socket]) -> None:
    for sock in sockets:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
