"""Callers for whom our node has no room: told so in the way of DICOM, without a thread for each.

An A-ASSOCIATE-RJ that comes before the request has been read can be lost with the connection, so refused callers
wait here for their request. Called by the listening thread of ``node`` alone.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections.abc import Collection

from VisualDICOMBrowserLib.servers.upper_layer.negotiation import TOO_MANY_ASSOCIATIONS, reject_pdu

__all__ = ["Refusals"]

_MOST = 64
_WAIT_S = 5.0
_REQUEST_BYTES = 65536


class Refusals:
    """Connections that end as soon as their request was answered with a rejection.

    Parameters
    ----------
    selector : selectors.BaseSelector
        Where the listening thread waits.
    """

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._until: dict[socket.socket, float] = {}

    def add(self, sock: socket.socket) -> None:
        """Take a connection that is not to be served; more than 64 at a time are closed without a word."""
        if len(self._until) >= _MOST:
            sock.close()
            return
        sock.setblocking(False)
        self._until[sock] = time.monotonic() + _WAIT_S
        self._selector.register(sock, selectors.EVENT_READ)

    def serve(self, ready: Collection[object]) -> float | None:
        """Answer those that are readable, drop those that take too long; seconds until the next is due, if any."""
        now = time.monotonic()
        for sock in [sock for sock, until in self._until.items() if sock in ready or until <= now]:
            if sock in ready:
                with contextlib.suppress(OSError):
                    if sock.recv(_REQUEST_BYTES):
                        sock.send(reject_pdu(TOO_MANY_ASSOCIATIONS))
                        sock.shutdown(socket.SHUT_WR)
            self._drop(sock)
        return max(0.0, min(self._until.values()) - now) if self._until else None

    def close(self) -> None:
        """Drop all."""
        for sock in list(self._until):
            self._drop(sock)

    def _drop(self, sock: socket.socket) -> None:
        del self._until[sock]
        self._selector.unregister(sock)
        sock.close()
