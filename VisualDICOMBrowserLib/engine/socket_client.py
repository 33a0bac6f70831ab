"""A client attached to an engine that another program of this user runs.

It never starts an engine and never becomes one; what happens when the other program ends is decided by who made
the client (``relay``). The thread ``engine-socket`` reads; event and reply callbacks run on it.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from VisualDICOMBrowserLib.engine.address import EngineAddress
from VisualDICOMBrowserLib.engine.outbox import Outbox
from VisualDICOMBrowserLib.engine.session_client import SessionClient
from VisualDICOMBrowserLib.errors import EngineError, VisualDICOMError

__all__ = ["ENGINE_ENDED", "SocketClient"]

ENGINE_ENDED = "engine_ended"
"""Code of the error of commands that were under way when the other program ended."""

_CHUNK = 65536
_JOIN_S = 5.0


class SocketClient(SessionClient):
    """Attaches to the engine at `address`, which must be that of the database in `folder`; meets `EngineClient`.

    Raises
    ------
    EngineError
        Nobody answers there, or not the engine of this folder.
    """

    def __init__(
        self,
        folder: Path,
        address: EngineAddress,
        *,
        request_timeout_s: float = 60.0,
        connect_timeout_s: float = 10.0,
    ) -> None:
        super().__init__(connect_timeout_s)
        self._socket = _connected_socket(folder, address, connect_timeout_s)
        self._lock = threading.Lock()
        self._on_lost: Callable[[], None] | None = None
        self._lost = False
        self._sender = Outbox(self._socket.sendall, name="engine-socket-writer")
        self._reader = threading.Thread(target=self._read, name="engine-socket", daemon=True)
        self._reader.start()
        self._connected(self._sender)
        try:
            self._introduce(folder, address)
        except (VisualDICOMError, OSError) as error:
            self.close()
            raise _unreachable(folder, address) from error
        self._request_timeout_s = request_timeout_s

    def when_lost(self, callback: Callable[[], None]) -> None:
        """Call `callback` once when the other program has gone, at once if it has already; not after `close`."""
        with self._lock:
            if not self._lost:
                self._on_lost = callback
                return
        callback()

    def close(self) -> None:
        """Part with the engine, which goes on and carries out what was sent; idempotent."""
        with self._lock:
            self._on_lost = None
        self._sender.close(_JOIN_S)
        # Half closed first: the engine reads to the end, and its closing ends our reader.
        for how in (socket.SHUT_WR, socket.SHUT_RDWR):
            with contextlib.suppress(OSError):
                self._socket.shutdown(how)
            if self._reader is not None and self._reader is not threading.current_thread():
                self._reader.join(_JOIN_S)

    def _introduce(self, folder: Path, address: EngineAddress) -> None:
        token = Path(address.token_file).read_text(encoding="ascii", errors="replace") if address.token_file else ""
        answer = self.request("hello", token=token)
        known = answer if isinstance(answer, dict) else {}
        if known.get("engine_id") != address.engine_id or not Path(str(known.get("database"))).samefile(folder):
            message = f"The engine that answers is not that of database {folder}."
            raise EngineError(message, code="other_engine")

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._socket.recv(_CHUNK):
                self._session.feed(data)
        self._sender.close(0.0)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._sender.join(_JOIN_S)
        self._socket.close()
        with self._lock:
            self._lost = True
            on_lost, self._on_lost = self._on_lost, None
        if on_lost is not None:
            # First this, then the failures, so that who repeats a command finds the next engine.
            on_lost()
        message = "The program that ran the background engine of this database has ended."
        self._session.end(EngineError(message, code=ENGINE_ENDED, next_step="Repeat the last step."))


def _connected_socket(folder: Path, address: EngineAddress, timeout_s: float) -> socket.socket:
    place: str | tuple[str, int] = (address.host, address.port)
    family = socket.AF_INET
    if sys.platform != "win32" and address.path:
        family, place = socket.AF_UNIX, address.path
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        connection.connect(place)
        connection.settimeout(None)
    except (OSError, OverflowError, TypeError) as error:
        connection.close()
        raise _unreachable(folder, address) from error
    return connection


def _unreachable(folder: Path, address: EngineAddress) -> EngineError:
    message = (
        f"Database {folder} is in use by a program (process {address.pid} on {address.computer}) "
        "that cannot be reached."
    )
    step = "End that program, or work on the computer and in the account in which it runs."
    return EngineError(message, code="engine_unreachable", subject=str(folder), next_step=step)
