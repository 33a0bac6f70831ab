"""Forwards TCP connections to a server and counts how many are open at the same time. Test code only."""

from __future__ import annotations

import contextlib
import socket
import threading

__all__ = ["CountingForwarder"]

_PIECE = 65536


class CountingForwarder:
    """A port that leads to another one; a context manager.

    ``most`` is the largest number of connections that were open at the same time, ``total`` how many there were.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._lock = threading.Lock()
        self._callers: list[socket.socket] = []
        self.most = 0
        self.total = 0
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._accepting = threading.Thread(target=self._accept, name="forwarder", daemon=True)
        self._accepting.start()

    def __enter__(self) -> CountingForwarder:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                # Whoever hung up before this one called is not there any more, even if nobody has noticed yet.
                self._callers = [each for each in self._callers if not _has_ended(each)] + [caller]
                self.total += 1
                self.most = max(self.most, len(self._callers))
            thread = threading.Thread(target=self._serve, args=(caller,), name="forwarder-peer", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, caller: socket.socket) -> None:
        try:
            with caller, socket.create_connection(("127.0.0.1", self._target)) as server:
                self._sockets += [caller, server]
                back = threading.Thread(target=_pass_on, args=(server, caller), name="forwarder-back", daemon=True)
                back.start()
                _pass_on(caller, server)
                back.join()
        except OSError:
            pass


def _has_ended(sock: socket.socket) -> bool:
    try:
        return not sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    """Pass on what comes until it ends, and the end as well."""
    with contextlib.suppress(OSError):
        while data := source.recv(_PIECE):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
