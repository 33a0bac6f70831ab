"""What the engine is made of, as its job kinds and commands see it.

One record, made and closed by `engine.Engine`. Job kinds get it by constructor and touch nothing else.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from VisualDICOMBrowserLib.database.indexer import Indexer
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.storing import InstanceStore
from VisualDICOMBrowserLib.engine.events import ContentChanges, EventHub
from VisualDICOMBrowserLib.engine.gates import ServerGates
from VisualDICOMBrowserLib.engine.offline import Offline
from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.model import AnyRecord, record_as_dict
from VisualDICOMBrowserLib.servers.arrivals import Arrivals
from VisualDICOMBrowserLib.servers.bulk.pool import BulkPool
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.driver import DriverServices, ServerDriver, driver_for
from VisualDICOMBrowserLib.servers.registry import ServerRegistry
from VisualDICOMBrowserLib.servers.secrets import SecretStore
from VisualDICOMBrowserLib.settings import Settings
from VisualDICOMBrowserLib.thumbnails.maker import ThumbnailMaker

__all__ = ["EngineParts", "FoundRecords"]

_KEPT_ANSWERS = 50


class FoundRecords:
    """Answers of the last queries by job, kept in memory; safe from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._answers: OrderedDict[str, list[dict[str, Any]]] = OrderedDict()

    def start(self, job_id: str) -> None:
        """Begin an empty answer, forgetting the oldest of more than fifty."""
        with self._lock:
            self._answers[job_id] = []
            while len(self._answers) > _KEPT_ANSWERS:
                self._answers.popitem(last=False)

    def add(self, job_id: str, records: Iterable[AnyRecord]) -> list[dict[str, Any]]:
        """Append records to the answer of a job; returns them as plain fields."""
        plain = [record_as_dict(record) for record in records]
        with self._lock:
            self._answers.setdefault(job_id, []).extend(plain)
        return plain

    def get(self, job_id: str) -> list[dict[str, Any]]:
        """Records a query has brought so far.

        Raises
        ------
        UsageError
            No such query, or it is too long ago.
        """
        with self._lock:
            if job_id not in self._answers:
                message = f"The answer of query {job_id} is not kept."
                raise UsageError(message, subject=job_id, next_step="Ask the server again.")
            return list(self._answers[job_id])


@dataclass(slots=True)
class EngineParts:
    """The database, its helpers, the servers with their secrets, and the event hub of one engine.

    ``long_lived`` is False for the engine of a one-shot command, which prepares nothing for later.
    """

    database: LocalDatabase
    store: InstanceStore
    indexer: Indexer
    thumbnails: ThumbnailMaker
    servers: ServerRegistry
    settings: Settings
    secrets: SecretStore
    services: DriverServices
    arrivals: Arrivals
    gates: ServerGates
    offline: Offline
    pool: BulkPool
    hub: EventHub
    changes: ContentChanges
    long_lived: bool
    found: FoundRecords = field(default_factory=FoundRecords)

    def driver(self, server: str) -> ServerDriver:
        """Driver for the server of that name.

        Raises
        ------
        UsageError
            There is no such server.
        """
        return self.driver_of(self.servers.get(server))

    def driver_of(self, config: ServerConfig) -> ServerDriver:
        """Driver for a server with these settings."""
        return driver_for(config, self.settings, self.pool, self.services)
