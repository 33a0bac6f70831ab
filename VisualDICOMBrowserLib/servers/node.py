"""Our own DICOM node: the local database offered to others (C-ECHO, C-FIND, C-GET, C-MOVE, C-STORE).

`Node` listens and limits; one association is served by ``node_session`` in a thread of its own. Binds
127.0.0.1 unless told otherwise. Threads: ``node-listener``, ``node-association-…``; all end on `close`.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import threading
from collections import Counter
from collections.abc import Collection, Mapping

from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.storing import InstanceStore
from VisualDICOMBrowserLib.errors import NetworkError, UsageError
from VisualDICOMBrowserLib.servers.channel import set_no_delay
from VisualDICOMBrowserLib.servers.config import ServerConfig, ae_title_problem
from VisualDICOMBrowserLib.servers.node_session import NodeOffer, NodeSession, OnStored

__all__ = ["Node"]

logger = logging.getLogger(__name__)

_MOST_ASSOCIATIONS = 64
_MOST_PER_ADDRESS = 32
_END_S = 10.0
_REST_S = 0.5


class Node:
    """A DICOM node on one database.

    Parameters
    ----------
    database : LocalDatabase
        What is offered.
    store : InstanceStore
        Where received instances go.
    ae_title : str
        Our AE title; callers must use it.
    host : str
        Address to listen on.
    port : int
        TCP port; 0 for a free one, then see `port`.
    destinations : mapping of str to ServerConfig
        Where C-MOVE may send, by AE title.
    allowed_callers : collection of str
        AE titles that may call; empty: any.
    on_stored : callable, optional
        Called with the outcome of each stored instance, from the association's thread.

    Raises
    ------
    UsageError
        The AE title is not valid.
    """

    def __init__(
        self,
        database: LocalDatabase,
        store: InstanceStore,
        *,
        ae_title: str,
        host: str = "127.0.0.1",
        port: int = 0,
        destinations: Mapping[str, ServerConfig] | None = None,
        allowed_callers: Collection[str] = (),
        on_stored: OnStored | None = None,
    ) -> None:
        problem = ae_title_problem("AE title of the node", ae_title)
        if problem:
            raise UsageError(problem)
        self._offer = NodeOffer(
            database=database,
            store=store,
            ae_title=ae_title.strip(),
            destinations=dict(destinations or {}),
            allowed_callers=frozenset(allowed_callers),
            on_stored=on_stored,
        )
        self._address = (host, port)
        self._lock = threading.Lock()
        self._sessions: dict[NodeSession, threading.Thread] = {}
        self._per_address: Counter[str] = Counter()
        self._listener: socket.socket | None = None
        self._wake: tuple[socket.socket, socket.socket] | None = None
        self._thread: threading.Thread | None = None
        self._numbers = 0

    @property
    def port(self) -> int:
        """TCP port it listens on."""
        listener = self._listener
        return int(listener.getsockname()[1]) if listener is not None else self._address[1]

    def start(self) -> None:
        """Listen and serve until `close`.

        Raises
        ------
        NetworkError
            The address or port cannot be used.
        """
        host, port = self._address
        try:
            self._listener = _listening_socket(host, port)
        except OSError as fault:
            message = f"The node cannot listen on {host}:{port}: {fault.strerror or fault}."
            raise NetworkError(
                message,
                code="cannot_listen",
                next_step="Choose another port, or end the program that uses it.",
            ) from fault
        self._wake = socket.socketpair()
        self._thread = threading.Thread(target=self._listen, name="node-listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, break off running associations and wait for their threads."""
        if self._thread is None or self._wake is None or self._listener is None:
            return
        self._wake[0].send(b"x")
        self._thread.join(_END_S)
        self._thread = None
        self._listener.close()
        with self._lock:
            sessions = dict(self._sessions)
        for session in sessions:
            session.interrupt()
        for thread in sessions.values():
            thread.join(_END_S)
        for end in self._wake:
            end.close()

    def _listen(self) -> None:
        if self._listener is None or self._wake is None:
            return
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wake[1], selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if self._wake[1] in ready:
                    return
                try:
                    sock, address = self._listener.accept()
                except OSError as fault:
                    logger.warning("A caller could not be accepted: %s", fault)
                    # Without free handles the caller stays ready; trying again at once would only spin.
                    selector.unregister(self._listener)
                    if selector.select(_REST_S):
                        return
                    selector.register(self._listener, selectors.EVENT_READ)
                    continue
                self._serve(sock, str(address[0]))

    def _serve(self, sock: socket.socket, address: str) -> None:
        set_no_delay(sock)
        with self._lock:
            too_many = len(self._sessions) >= _MOST_ASSOCIATIONS or self._per_address[address] >= _MOST_PER_ADDRESS
            if too_many:
                # Not even a rejection: that would need a thread to wait for the request.
                with contextlib.suppress(OSError):
                    sock.close()
                return
            session = NodeSession(self._offer, sock, address)
            self._numbers += 1
            thread = threading.Thread(
                target=self._run, args=(session, address), name=f"node-association-{self._numbers}", daemon=True
            )
            self._sessions[session] = thread
            self._per_address[address] += 1
        try:
            thread.start()
        except RuntimeError as fault:
            logger.warning("A caller could not be served: %s", fault)
            session.close()
            self._forget(session, address)

    def _run(self, session: NodeSession, address: str) -> None:
        try:
            session.run()
        except Exception:
            logger.exception("An association with %s ended unexpectedly", address)
        finally:
            session.close()
            self._forget(session, address)

    def _forget(self, session: NodeSession, address: str) -> None:
        with self._lock:
            del self._sessions[session]
            self._per_address[address] -= 1
            if not self._per_address[address]:
                del self._per_address[address]


def _listening_socket(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
        0
    ]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            # On Windows SO_REUSEADDR would let two programs share a port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_MOST_ASSOCIATIONS)
    except OSError:
        listener.close()
        raise
    return listener
