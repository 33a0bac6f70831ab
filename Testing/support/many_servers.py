"""An engine that knows several servers, for tests of searching and retrieving over many."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.records import AddOutcome
from VisualDICOMBrowserLib.database.remote_records import RemoteRecords
from VisualDICOMBrowserLib.engine.engine import Engine
from VisualDICOMBrowserLib.jobs.job import JobRecord
from VisualDICOMBrowserLib.model import Level, NullControl, Query, ReceivedFile
from VisualDICOMBrowserLib.servers.config import ServerConfig

WAIT_S = 60.0

OnCount = Callable[[int], None]


class ManyServers:
    """An engine on a database folder that knows `servers`; failed jobs are not tried again.

    Parameters
    ----------
    folder : Path
    servers : iterable of ServerConfig
    options : mapping, optional
        Settings that differ from their defaults.
    on_stored : callable
        Called with the number of files that came whole, before each batch of them is stored or held.
    """

    def __init__(
        self,
        folder: Path,
        servers: Iterable[ServerConfig],
        *,
        options: Mapping[str, Any] | None = None,
        on_stored: OnCount | None = None,
    ) -> None:
        _keep_settings(folder, {"retrieve/workers": 0, "jobs/max_waiting_s": 0.0, **(options or {})})
        self.engine = Engine(folder)
        self.parts = self.engine.parts
        self.queue = self.engine.queue
        self.events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.engine.subscribe(self.events.put)
        for config in servers:
            self.add(config)
        if on_stored is not None:
            self.parts.store = _WatchedStore(self.parts.store, on_stored)  # type: ignore[assignment]
        self.remote = RemoteRecords(self.parts.database.own.path)

    def close(self) -> None:
        """End everything."""
        self.remote.close()
        self.engine.close()

    def add(self, config: ServerConfig) -> None:
        """Add a server."""
        self.parts.servers.add(replace(config, max_waiting_s=0))

    def put(self, files: Iterable[Path]) -> None:
        """Import files as linked ones."""
        self.parts.indexer.import_paths(list(files), copy=False, control=NullControl())

    def retrieve(self, server: str = "", **parameters: Any) -> JobRecord:
        """Retrieve and wait for the end."""
        job = self.queue.wait(self.queue.submit("retrieve", parameters, server=server), WAIT_S)
        assert job.state.finished, job
        return job

    def start_search(self, level: str = "STUDY", servers: list[str] | None = None, **fields: Any) -> str:
        """Begin a search; its id."""
        return self._searches.start(level, fields, servers)

    def search(self, level: str = "STUDY", servers: list[str] | None = None, **fields: Any) -> dict[str, Any]:
        """Search, wait for the end, and return the result."""
        search_id = self.start_search(level, servers, **fields)
        self.event("search_finished", lambda event: event["search_id"] == search_id)
        return self.found(search_id)

    def found(self, search_id: str) -> dict[str, Any]:
        """What a search has found so far."""
        return self._searches.result(search_id)

    def give_up(self, search_id: str) -> None:
        """End a search."""
        self._searches.cancel(search_id)

    def event(self, name: str, test: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        """The next event of that name that passes `test`."""
        while True:
            event = self.events.get(timeout=WAIT_S)
            if event["event"] == name and test(event):
                return event

    def instances(self) -> dict[str, Path]:
        """Files by SOP Instance UID of all that is in the database."""
        records = self.parts.database.reader.instances(Query(level=Level.IMAGE))
        assert len({record.SOPInstanceUID for record in records}) == len(records)
        return {record.SOPInstanceUID: Path(record.path) for record in records}

    def pictures_asked_for(self) -> list[dict[str, Any]]:
        """Parameters of the jobs that make pictures, the oldest first."""
        return [job.parameters for job in self.queue.jobs() if job.kind == "thumbnail"]

    @property
    def _searches(self) -> Any:
        return self.engine._searches


class _WatchedStore:
    """The store, which tells of files that come whole."""

    def __init__(self, store: Any, on_stored: OnCount) -> None:
        self._store = store
        self._on_stored = on_stored
        self._whole = 0

    def accept(self, files: Sequence[ReceivedFile]) -> list[AddOutcome]:
        """As the store's."""
        self._tell(len(files))
        return list(self._store.accept(files))

    def prepare(self, file: ReceivedFile) -> Any:
        """As the store's."""
        self._tell(1)
        return self._store.prepare(file)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def _tell(self, count: int) -> None:
        self._whole += count
        self._on_stored(self._whole)


def _keep_settings(folder: Path, options: Mapping[str, Any]) -> None:
    database = LocalDatabase.open(folder)
    for key, value in options.items():
        database.own.put("settings", key, value)
    database.close()
