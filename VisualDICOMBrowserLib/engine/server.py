"""Lets other programs of the same user attach to the engine of this process.

An AF_UNIX socket in a folder only the user can enter; where the system has none, 127.0.0.1 with a token in a file
only the user can read. The address is published in the database folder (``address``). Only the holder of the
folder's lock serves it. Threads: ``engine-accept``, and one reader and one writer per attached program.
"""

from __future__ import annotations

import contextlib
import hmac
import logging
import os
import secrets
import selectors
import socket
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.engine.address import (
    SOCKET_PATH_LIMIT,
    EngineAddress,
    private_folder,
    private_folders,
    read_address,
    remove_address,
    write_address,
)
from VisualDICOMBrowserLib.engine.client import EngineLike
from VisualDICOMBrowserLib.engine.connection import EngineConnection
from VisualDICOMBrowserLib.engine.outbox import Outbox
from VisualDICOMBrowserLib.engine.wire import WIRE_VERSION
from VisualDICOMBrowserLib.errors import StorageFault, UsageError

__all__ = ["EngineServer"]

_logger = logging.getLogger(__name__)

_MOST_HOSTS = 64
_INTRODUCTION_S = 10.0
_JOIN_S = 5.0
_TRY_AGAIN_S = 0.1
_CHUNK = 65536


class EngineServer:
    """Serves `engine`, the engine of the database in `folder`, from construction until `close`.

    Parameters
    ----------
    engine : EngineLike
        Who carries out commands.
    folder : Path
        The database folder; the caller holds its lock.
    use_tcp : bool
        Loopback TCP with a token even where the system has AF_UNIX sockets.

    Raises
    ------
    StorageFault
        The socket or the files that announce it cannot be made.
    """

    def __init__(self, engine: EngineLike, folder: Path, *, use_tcp: bool = sys.platform == "win32") -> None:
        self._engine = engine
        self._folder = folder
        self._engine_id = secrets.token_hex(16)
        self._token = secrets.token_hex(32)
        self._lock = threading.Lock()
        self._hosts: set[_AttachedHost] = set()
        self._closing = threading.Event()
        _remove_leftovers(folder)
        self._listener, self._address = self._listen(use_tcp)
        self._waker, self._wake = socket.socketpair()
        try:
            write_address(folder, self._address)
        except StorageFault:
            self._close_sockets()
            raise
        self._thread = threading.Thread(target=self._accept, name="engine-accept", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Withdraw the address and part with every attached program; idempotent."""
        with self._lock:
            if self._closing.is_set():
                return
            self._closing.set()
            hosts = list(self._hosts)
        remove_address(self._folder)
        self._wake.send(b"x")
        self._thread.join(_JOIN_S)
        self._close_sockets()
        for host in hosts:
            host.close()
        for host in hosts:
            host.join()

    def greet(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Check the token of a program that attaches, and tell it whom it has reached."""
        token = str(arguments.get("token", ""))
        if self._address.token_file and not hmac.compare_digest(token.encode(), self._token.encode()):
            message = "The engine does not let this program attach: its token is wrong."
            raise UsageError(message, code="wrong_token")
        return {
            "engine_id": self._engine_id,
            "database": str(self._folder.resolve()),
            "pid": os.getpid(),
            "wire": WIRE_VERSION,
        }

    def forget(self, host: _AttachedHost) -> None:
        """Note that a program has gone; called by its thread."""
        with self._lock:
            self._hosts.discard(host)

    def _listen(self, use_tcp: bool) -> tuple[socket.socket, EngineAddress]:
        address = EngineAddress(engine_id=self._engine_id, pid=os.getpid(), computer=socket.gethostname())
        if not use_tcp and sys.platform != "win32":
            for place in private_folders():
                path = place / f"{self._engine_id}.sock"
                if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
                    listener = _bound(socket.AF_UNIX, os.fspath(path))
                    return listener, replace(address, path=str(path))
        token_file = private_folder() / f"{self._engine_id}.token"
        try:
            with open(token_file, "x", opener=_open_private) as file:
                file.write(self._token)
        except OSError as error:
            message = f"The engine's token could not be written to {token_file}: {error.strerror}."
            raise StorageFault(message, subject=str(token_file)) from error
        listener = _bound(socket.AF_INET, ("127.0.0.1", 0))
        port = listener.getsockname()[1]
        return listener, replace(address, host="127.0.0.1", port=port, token_file=str(token_file))

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._waker, selectors.EVENT_READ)
            while not self._closing.is_set():
                selector.select()
                try:
                    self._attach(self._listener.accept()[0])
                except BlockingIOError:
                    continue
                except OSError as error:
                    _logger.warning("A program could not attach to the engine: %s", error)
                    self._closing.wait(_TRY_AGAIN_S)

    def _attach(self, connection: socket.socket) -> None:
        connection.setblocking(True)
        with self._lock:
            if self._closing.is_set() or len(self._hosts) >= _MOST_HOSTS:
                connection.close()
                return
            host = _AttachedHost(connection, self._engine, self)
            self._hosts.add(host)
            host.start()

    def _close_sockets(self) -> None:
        for each in (self._listener, self._waker, self._wake):
            each.close()
        for name in (self._address.path, self._address.token_file):
            if name:
                Path(name).unlink(missing_ok=True)


class _AttachedHost:
    """One attached program: reads its commands on a thread of its own until either side ends."""

    def __init__(self, connection: socket.socket, engine: EngineLike, server: EngineServer) -> None:
        self._socket = connection
        self._server = server
        self._outbox = Outbox(connection.sendall, name="engine-attached-writer")
        self._connection = EngineConnection(engine, self._outbox, server.greet)
        self._thread = threading.Thread(target=self._serve, name="engine-attached", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def close(self) -> None:
        """Break the connection off; does not wait."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def join(self) -> None:
        """Wait until nothing of this program is left."""
        if self._thread is not threading.current_thread():
            self._thread.join(_JOIN_S)

    def _serve(self) -> None:
        try:
            self._socket.settimeout(_INTRODUCTION_S)
            while not self._connection.refused and (data := self._socket.recv(_CHUNK)):
                self._connection.feed(data)
                if self._connection.introduced:
                    self._socket.settimeout(None)
        except OSError as error:
            _logger.debug("An attached program is gone: %s", error)
        finally:
            self._connection.close()
            self._outbox.close(_JOIN_S if self._connection.refused else 0.0)
            self.close()
            self._outbox.join(_JOIN_S)
            self._socket.close()
            self._server.forget(self)


def _bound(family: int, place: Any) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.bind(place)
        listener.listen(_MOST_HOSTS)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        message = f"The engine cannot listen on {place}: {error.strerror}."
        raise StorageFault(message, subject=str(place)) from error
    return listener


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _remove_leftovers(folder: Path) -> None:
    """Remove what a killed engine of this folder left: its address, and its socket or token in our own folders."""
    old = read_address(folder)
    remove_address(folder)
    if old is None or old.computer != socket.gethostname():
        return
    private = set(private_folders())
    for name in (old.path, old.token_file):
        if name and Path(name).parent in private:
            Path(name).unlink(missing_ok=True)
