"""Our own DICOM node: the local database offered to others (C-ECHO, C-FIND, C-GET, C-MOVE, C-STORE).

`Node` listens and limits; one association is served by ``session`` in a thread of its own, what is received goes
through ``batches``. Binds 127.0.0.1 unless told otherwise. Threads: ``node-listener``, ``node-writer``,
``node-association-…``; all end on `close`.
"""

from __future__ import annotations

import logging
import selectors
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.records import AddOutcome
from VisualDICOMBrowserLib.database.storing import InstanceStore
from VisualDICOMBrowserLib.database.storing_arrival import Arrival as Received
from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.model import ReceivedFile, StoredInstance
from VisualDICOMBrowserLib.servers.arrivals import Arrival, Arrivals
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.config_checks import ae_title_problem
from VisualDICOMBrowserLib.servers.node.batches import IncomingBatches, Sender, StoredByNode
from VisualDICOMBrowserLib.servers.node.caller_channel import NodeLimits
from VisualDICOMBrowserLib.servers.node.listener_rules import ListenerRules
from VisualDICOMBrowserLib.servers.node.listening_socket import cannot_listen, listening_socket
from VisualDICOMBrowserLib.servers.node.refusals import Refusals
from VisualDICOMBrowserLib.servers.node.session import NodeOffer, NodeSession
from VisualDICOMBrowserLib.servers.upper_layer.channel import set_no_delay

__all__ = ["Node", "NodeLimits", "OnStored"]

logger = logging.getLogger(__name__)

OnStored = Callable[[AddOutcome], None]

_SMALLEST_PDU, _LARGEST_PDU = 4096, 1024 * 1024
_BATCH_FILES, _BATCH_BYTES = 100, 64_000_000
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
        Our AE title.
    host : str
        Address to listen on.
    port : int
        TCP port; 0 for a free one, then see `port`.
    destinations : mapping of str to ServerConfig
        Where C-MOVE may send, by AE title; asked anew each time.
    rules : ListenerRules, optional
        Who may call and how; without them anybody who uses our AE title.
    limits : NodeLimits
        What callers are allowed.
    batch_files, batch_bytes : int
        Most that is stored and indexed together.
    flush_before_answer : bool
        Confirm a received instance only when it would outlive a power cut; else when it would outlive the end of
        this program.
    tls : ssl.SSLContext, optional
        Context of a server (``tls.server_context``); callers then must speak TLS.
    arrivals : Arrivals, optional
        Told of every instance that was stored and indexed.
    on_stored : callable, optional
        Called with the outcome of each such instance. Both from the thread ``node-writer``.

    Raises
    ------
    UsageError
        The AE title or a limit is not valid.
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
        rules: ListenerRules | None = None,
        limits: NodeLimits = NodeLimits(),  # noqa: B008  (frozen)
        batch_files: int = _BATCH_FILES,
        batch_bytes: int = _BATCH_BYTES,
        flush_before_answer: bool = False,
        tls: ssl.SSLContext | None = None,
        arrivals: Arrivals | None = None,
        on_stored: OnStored | None = None,
    ) -> None:
        problem = ae_title_problem("AE title of the node", ae_title)
        if not problem and not _SMALLEST_PDU <= limits.max_pdu <= _LARGEST_PDU:
            problem = f"The longest PDU of the node must be from {_SMALLEST_PDU} to {_LARGEST_PDU} bytes."
        if problem:
            raise UsageError(problem)
        self._database = database
        self._store = store
        self.ae_title = ae_title.strip()
        self._destinations: Mapping[str, ServerConfig] = destinations if destinations is not None else {}
        self._rules = rules or ListenerRules()
        self._limits = limits
        self._batch = (batch_files, batch_bytes)
        self._flush = flush_before_answer
        self._tls = tls
        self._arrivals = arrivals
        self._on_stored = on_stored
        self._address = (host, port)
        self._lock = threading.Lock()
        self._sessions: dict[NodeSession, threading.Thread] = {}
        self._per_address: Counter[str] = Counter()
        self._offer: NodeOffer | None = None
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
            self._listener = listening_socket(host, port)
        except OSError as fault:
            raise cannot_listen(host, port, fault) from fault
        self._wake = socket.socketpair()
        self._offer = NodeOffer(
            database=self._database,
            store=self._store,
            ae_title=self.ae_title,
            batches=IncomingBatches(
                self._store,
                most_files=self._batch[0],
                most_bytes=self._batch[1],
                flush=self._flush,
                on_stored=self._tell,
                take=self._is_taken,
            ),
            destinations=self._destinations,
            rules=self._rules,
            limits=self._limits,
            tls=self._tls,
        )
        self._thread = threading.Thread(
            target=self._listen, args=(self._offer, self._listener, self._wake[1]), name="node-listener", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening, break off running associations, index what came, and wait for all threads."""
        if self._thread is None or self._wake is None or self._listener is None or self._offer is None:
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
        self._offer.batches.close()
        for end in self._wake:
            end.close()

    def _is_taken(self, received: Received, sender: Sender) -> bool:
        """Whether a forced retrieve takes the file; in the thread of an association."""
        if self._arrivals is None or not self._arrivals.take_over:
            return False
        held = StoredByNode(received, received.outcome("held", ""), sender)
        file = ReceivedFile(
            path=received.part,
            SOPClassUID="",
            SOPInstanceUID=received.sop_uid,
            TransferSyntaxUID="",
            size=received.size,
            flushed=received.flushed,
        )
        return self._arrivals.take(_arrival(held), file, lambda: not self._store.is_new(received))

    def _tell(self, stored: Sequence[StoredByNode]) -> None:
        """Say what was stored; in the thread ``node-writer``."""
        if self._arrivals is not None:
            self._arrivals.stored([_arrival(item) for item in stored])
        if self._on_stored is not None:
            for item in stored:
                self._on_stored(item.outcome)

    def _listen(self, offer: NodeOffer, listener: socket.socket, wake: socket.socket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            selector.register(wake, selectors.EVENT_READ)
            refusals = Refusals(selector)
            wait_s: float | None = None
            while True:
                ready = {key.fileobj for key, _ in selector.select(wait_s)}
                if wake in ready:
                    break
                wait_s = refusals.serve(ready)
                if listener not in ready:
                    continue
                try:
                    sock, address = listener.accept()
                except OSError as fault:
                    logger.warning("A caller could not be accepted: %s", fault)
                    # Without free handles the caller stays ready; trying again at once would only spin.
                    selector.unregister(listener)
                    selector.select(_REST_S)
                    selector.register(listener, selectors.EVENT_READ)
                    continue
                if not self._serve(offer, sock, str(address[0])):
                    refusals.add(sock)
                    wait_s = refusals.serve(set())
            refusals.close()

    def _serve(self, offer: NodeOffer, sock: socket.socket, address: str) -> bool:
        """Serve a caller in a thread of its own; False if there are too many."""
        set_no_delay(sock)
        limits = self._limits
        with self._lock:
            if len(self._sessions) >= limits.max_associations or self._per_address[address] >= limits.max_per_peer:
                return False
            session = NodeSession(offer, sock, address)
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
        return True

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


def _arrival(item: StoredByNode) -> Arrival:
    outcome, sender = item.outcome, item.sender
    return Arrival(
        instance=StoredInstance(
            SOPInstanceUID=outcome.SOPInstanceUID,
            SeriesInstanceUID=outcome.SeriesInstanceUID,
            status=outcome.status,
            reason=outcome.reason,
            size=item.arrival.size,
        ),
        StudyInstanceUID=item.arrival.study_uid,
        calling_ae_title=sender.calling_ae_title,
        address=sender.address,
        originator=sender.originator,
        originator_message_id=sender.originator_message_id,
    )
