"""Our own DICOM node as a part of the engine: started and stopped on demand, set up by the settings.

Lives here: which settings make which node, the first free port of a range, the AE title of a copy. Does not live
here: what a node does (``servers.node``). Safe from any thread.
"""

from __future__ import annotations

import errno
import logging
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.records import AddOutcome
from VisualDICOMBrowserLib.database.storing import InstanceStore
from VisualDICOMBrowserLib.engine.events import ContentChanges
from VisualDICOMBrowserLib.errors import NetworkError, UsageError, VisualDICOMError
from VisualDICOMBrowserLib.servers.arrivals import Arrivals, ListenerAddress
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.node.listener_rules import ListenerRules
from VisualDICOMBrowserLib.servers.node.listening_socket import cannot_listen
from VisualDICOMBrowserLib.servers.node.node import Node, NodeLimits
from VisualDICOMBrowserLib.servers.registry import ServerRegistry
from VisualDICOMBrowserLib.settings import Settings

__all__ = ["Listening", "node_ae_title"]

logger = logging.getLogger(__name__)

_LONGEST_AE_TITLE = 16
_LAST_PORT = 65535
_EVERYWHERE = ("", "0.0.0.0", "::")


def node_ae_title(pattern: str, *, host: str, port: int, number: int) -> str:
    """AE title of one copy: `pattern` with ``{host}``, ``{port}`` and ``{number}`` filled in, cut to 16 characters.

    What an AE title cannot hold is left out.

    Raises
    ------
    UsageError
        The pattern names something else.
    """
    try:
        title = pattern.format(host=host, port=port, number=number)
    except (LookupError, ValueError, AttributeError) as fault:
        message = f"The AE title {pattern!r} of our node cannot be filled in."
        next_step = "Only {host}, {port} and {number} may stand in it."
        raise UsageError(message, code="ae_title", next_step=next_step) from fault
    return "".join(sign for sign in title if sign.isascii() and sign.isprintable() and sign != "\\").strip()[
        :_LONGEST_AE_TITLE
    ]


class Listening:
    """Owner of the node of one engine.

    Parameters
    ----------
    database, store : LocalDatabase, InstanceStore
        What the node offers and where received instances go.
    settings : Settings
        Read at each start.
    servers : ServerRegistry
        Where C-MOVE may send; servers added later count too.
    changes : ContentChanges
        Told of what came.
    arrivals : Arrivals, optional
        Told of every instance that was stored.
    """

    def __init__(
        self,
        *,
        database: LocalDatabase,
        store: InstanceStore,
        settings: Settings,
        servers: ServerRegistry,
        changes: ContentChanges,
        arrivals: Arrivals | None = None,
    ) -> None:
        self._database = database
        self._store = store
        self._settings = settings
        self._destinations = _Destinations(servers)
        self._changes = changes
        self._arrivals = arrivals
        self._lock = threading.Lock()
        self._node: Node | None = None
        self._host = ""
        self._problem = ""

    def start(self, host: str = "", port: int | None = None, ae_title: str = "") -> dict[str, Any]:
        """Start the node unless it runs; what is not given comes from the settings. Returns `fields`.

        Without `port`, the first free one of ``node/port`` and as many as ``node/ports_tried`` says.

        Raises
        ------
        NetworkError
            It cannot listen; the sentence names the port and, where there is one, the next that is free.
        UsageError
            A setting cannot be used.
        """
        with self._lock:
            if self._node is None:
                self._host = host or self._settings.text("node/host")
                try:
                    self._node = self._started(self._host, port, ae_title or self._settings.text("node/ae_title"))
                except VisualDICOMError as fault:
                    # One that starts with the engine fails before anybody listens to events.
                    self._problem = str(fault)
                    raise
                self._problem = ""
                logger.info("Our node %s listens on %s:%d", self._node.ae_title, self._host, self._node.port)
            return self._fields()

    def stop(self) -> None:
        """End the node, if it runs; what it took is indexed."""
        with self._lock:
            node, self._node, self._problem = self._node, None, ""
            if node is not None:
                node.close()

    def fields(self) -> dict[str, Any]:
        """Whether the node runs (``running``), and then its ``host``, ``port``, ``ae_title`` and ``tls``.

        If it does not because it could not be started, ``problem`` says why.
        """
        with self._lock:
            return self._fields()

    def address(self) -> ListenerAddress:
        """Where the node listens; it is started if it does not run.

        Raises
        ------
        NetworkError, UsageError
            As `start`.
        """
        fields = self.start()
        host = fields["host"] if fields["host"] not in _EVERYWHERE else socket.gethostname()
        return ListenerAddress(ae_title=fields["ae_title"], host=host, port=fields["port"])

    def _fields(self) -> dict[str, Any]:
        if self._node is None:
            return {"running": False, **({"problem": self._problem} if self._problem else {})}
        return {
            "running": True,
            "host": self._host,
            "port": self._node.port,
            "ae_title": self._node.ae_title,
            "tls": bool(self._settings.text("node/tls_certificate_file")),
        }

    def _started(self, host: str, port: int | None, pattern: str) -> Node:
        """A node on the first port that is free."""
        first = self._settings.integer("node/port") if port is None else port
        tried = self._settings.integer("node/ports_tried") if port is None and first else 1
        number, failure = 0, OSError()
        for number in range(max(1, min(tried, _LAST_PORT + 1 - first))):
            title = node_ae_title(pattern, host=socket.gethostname(), port=first + number, number=number)
            node = self._made(host, first + number, title)
            try:
                node.start()
            except NetworkError as fault:
                if not isinstance(fault.__cause__, OSError) or fault.__cause__.errno != errno.EADDRINUSE:
                    raise
                failure = fault.__cause__
            else:
                return node
        raise cannot_listen(host, first + number, failure, tried=number + 1)

    def _made(self, host: str, port: int, ae_title: str) -> Node:
        settings = self._settings
        return Node(
            self._database,
            self._store,
            ae_title=ae_title,
            host=host,
            port=port,
            destinations=self._destinations,
            rules=ListenerRules.parse(
                settings.text("node/allowed_callers"), check_called=settings.flag("node/check_called_ae")
            ),
            limits=NodeLimits(
                max_pdu=settings.integer("node/max_pdu"),
                max_associations=settings.integer("node/max_associations"),
                max_per_peer=settings.integer("node/max_per_peer"),
                idle_s=float(settings["node/idle_s"]),
                request_wait_s=float(settings["node/request_wait_s"]),
            ),
            batch_files=settings.integer("database/batch_files"),
            batch_bytes=settings.integer("database/batch_mb") * 1_000_000,
            flush_before_answer=settings.flag("node/flush_before_answer"),
            tls=self._tls(),
            arrivals=self._arrivals,
            on_stored=self._tell,
        )

    def _tls(self) -> Any:
        certificate = self._settings.text("node/tls_certificate_file")
        if not certificate:
            return None
        from VisualDICOMBrowserLib.servers.upper_layer.tls import server_context

        return server_context(
            certificate,
            self._settings.text("node/tls_key_file"),
            self._settings.text("node/tls_ca_file"),
            self._settings.flag("node/tls_require_client"),
        )

    def _tell(self, outcome: AddOutcome) -> None:
        self._changes.arrived.add([outcome])
        if outcome.status == "imported":
            self._changes.add(series=[outcome.SeriesInstanceUID])


class _Destinations(Mapping[str, ServerConfig]):
    """DIMSE servers of the registry by AE title, as they are at the moment of asking."""

    def __init__(self, servers: ServerRegistry) -> None:
        self._servers = servers

    def __getitem__(self, ae_title: str) -> ServerConfig:
        return self._known()[ae_title]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known())

    def __len__(self) -> int:
        return len(self._known())

    def _known(self) -> dict[str, ServerConfig]:
        known: dict[str, ServerConfig] = {}
        for config in self._servers.list():
            if config.protocol == "dimse":
                place = replace(
                    config,
                    host=config.store_host or config.host,
                    port=config.store_port or config.port,
                    called_ae_title=config.store_ae_title or config.called_ae_title,
                )
                # The first of several with one title, as the user ordered them.
                known.setdefault(config.called_ae_title, place)
                known.setdefault(place.called_ae_title, place)
        return known
