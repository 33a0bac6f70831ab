"""Connections of a web session: no Nagle delay, breakable from another thread, and trust as the server's settings say.

The one place that reaches into urllib3. Sockets are made here, so that cancel can shut down a connection in any
state: connecting, in the TLS handshake, waiting, in the middle of an answer. Any thread.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.upper_layer.channel import set_no_delay
from VisualDICOMBrowserLib.servers.upper_layer.tls import client_context

if TYPE_CHECKING:
    from requests.adapters import HTTPAdapter

__all__ = ["LiveSockets", "tls_context", "transport"]

_BLOCK_BYTES = 256 * 1024


class LiveSockets:
    """Sockets of one session, to be broken off by whoever cancels."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._broken = False

    def connect(self, host: str, port: int, timeout_s: float | None) -> socket.socket:
        """A connection to the first address of `host` that takes it."""
        failure: OSError = OSError("no address")
        for family, kind, protocol, _, address in socket.getaddrinfo(host.strip("[]"), port, 0, socket.SOCK_STREAM):
            sock = socket.socket(family, kind, protocol)
            try:
                self.add(sock)
                set_no_delay(sock)
                sock.settimeout(timeout_s)
                sock.connect(address)
            except OSError as fault:
                sock.close()
                failure = fault
            else:
                return sock
        raise failure

    def add(self, sock: socket.socket) -> None:
        """Watch over one more socket.

        Raises
        ------
        ConnectionAbortedError
            All have been broken off.
        """
        with self._lock:
            self._sockets.add(sock)
            if self._broken:
                raise ConnectionAbortedError

    def twin(self, sock: socket.socket) -> socket.socket:
        """A second socket of the same connection, watched over too; without it the first one is closed."""
        try:
            second = sock.dup()
        except OSError:
            sock.close()
            raise
        try:
            self.add(second)
        except OSError:
            second.close()
            sock.close()
            raise
        return second

    def break_off(self) -> None:
        """Shut down all connections, and those that are begun hereafter."""
        with self._lock:
            self._broken = True
            sockets = list(self._sockets)
        for sock in sockets:
            # Not the method of an SSLSocket, which is not made for another thread.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close all connections; those that wait in a pool of urllib3 it closes only when the pool is collected."""
        with self._lock:
            sockets = list(self._sockets)
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.close()

    def allow(self) -> None:
        """Let connections be made again."""
        with self._lock:
            self._broken = False


def tls_context(config: ServerConfig, key_password: str, *, home: bool) -> ssl.SSLContext:
    """How HTTPS is done: as for DIMSE (``tls``) with our own server, with other hosts without our certificate.

    Other hosts (of a redirect, or for signing in) are trusted if the system's list or the server's own vouches for
    them, and always by their name.

    Raises
    ------
    UsageError
        A file cannot be used.
    """
    if home:
        return client_context(config, key_password)
    bare = replace(config, tls_certificate_file="", tls_key_file="", tls_ca_file="", tls_check_host=True)
    context = client_context(bare)
    if config.tls_ca_file:
        with contextlib.suppress(OSError):
            context.load_verify_locations(cafile=config.tls_ca_file)
    return context


def transport(live: LiveSockets, context: ssl.SSLContext | None, connections: int) -> HTTPAdapter:
    """Adapter for a requests session whose connections are in `live`, for HTTPS with `context`, for HTTP without."""
    from requests.adapters import HTTPAdapter
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.connection import HTTPConnection, HTTPSConnection

    class Watched:
        """Makes the socket itself and keeps it breakable, also in the TLS handshake."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **{**options, "blocksize": _BLOCK_BYTES})

        def _new_conn(self: Any) -> socket.socket:
            sock = live.connect(getattr(self, "_dns_host", self.host), self.port, self.timeout)
            # Wrapping for TLS takes the descriptor away from this object; a second one reaches the same connection.
            self._handle = live.twin(sock)
            return sock

        def connect(self: Any) -> None:
            try:
                super().connect()  # type: ignore[misc]
                live.add(self.sock)
            finally:
                handle = self.__dict__.pop("_handle", None)
                if handle is not None:
                    handle.close()

    class Plain(Watched, HTTPConnection):
        pass

    class Encrypted(Watched, HTTPSConnection):
        pass

    pools = {
        "http": type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": Plain}),
        "https": type("EncryptedPool", (HTTPSConnectionPool,), {"ConnectionCls": Encrypted}),
    }
    options: dict[str, Any] = {}
    if context is not None:
        options = {"ssl_context": context, "assert_hostname": None if context.check_hostname else False}

    class Transport(HTTPAdapter):
        def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **more: Any) -> None:
            super().init_poolmanager(connections, maxsize, block, **{**more, **options})
            self.poolmanager.pool_classes_by_scheme = pools

        def proxy_manager_for(self, proxy: str, **more: Any) -> Any:
            manager = super().proxy_manager_for(proxy, **more, **options)
            manager.pool_classes_by_scheme = pools
            return manager

        def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
            """Leave trust to the context."""

        def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
            return super().build_connection_pool_key_attributes(request, verify, cert)[0], {}

    return Transport(pool_connections=connections, pool_maxsize=connections, max_retries=0)
