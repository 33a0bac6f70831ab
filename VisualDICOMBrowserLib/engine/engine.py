"""The engine: owner of the job queue, the network and every write to the local database.

A plain object that runs in the caller's process or behind the wire (``python -m VisualDICOMBrowserLib.engine``);
callers use it through an `EngineClient` and cannot tell which they have. `Engine.handle` never waits for work:
what takes time is a job. Safe from any thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.database.indexer import Indexer
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.storing import InstanceStore
from VisualDICOMBrowserLib.engine.commands import Commands
from VisualDICOMBrowserLib.engine.events import ContentChanges, EventHub
from VisualDICOMBrowserLib.engine.kind_find import EchoKind, FindKind
from VisualDICOMBrowserLib.engine.kind_import import ImportKind
from VisualDICOMBrowserLib.engine.kind_local import RemoveKind, ThumbnailKind
from VisualDICOMBrowserLib.engine.kind_retrieve import RetrieveKind
from VisualDICOMBrowserLib.engine.parts import EngineParts
from VisualDICOMBrowserLib.engine.upkeep import Upkeep
from VisualDICOMBrowserLib.errors import UsageError, VisualDICOMError
from VisualDICOMBrowserLib.jobs.job import JobEvent, Priority
from VisualDICOMBrowserLib.jobs.journal import Journal
from VisualDICOMBrowserLib.jobs.queue import JobQueue
from VisualDICOMBrowserLib.servers.bulk_pool import BulkPool
from VisualDICOMBrowserLib.servers.registry import ServerRegistry
from VisualDICOMBrowserLib.settings import Settings
from VisualDICOMBrowserLib.thumbnails.maker import ThumbnailMaker

__all__ = ["Engine"]

logger = logging.getLogger(__name__)

_DAY_S = 86400.0


class Engine:
    """Opens the database in `folder` (made if there is none) and works on it until `close`.

    Parameters
    ----------
    folder : Path
        The database folder.
    resume : bool
        Take up the jobs that an earlier engine left unfinished. One-shot commands leave them alone.

    Raises
    ------
    DatabaseFault
        The database cannot be opened; the sentence says what to do.
    """

    def __init__(self, folder: Path, *, resume: bool = True) -> None:
        self.folder = folder
        with ExitStack() as opened:
            self.parts = _opened_parts(folder, opened, long_lived=resume)
            self.queue = self._opened_queue(opened)
            commands = self._commands = Commands(self.parts, self.queue)
            if not self.parts.database.read_only:
                self._recover()
                opened.callback(Upkeep(self.parts.database, self.parts.changes.add_all).close)
                self.queue.clear_finished(self.parts.settings.integer("jobs/history_days") * _DAY_S)
                if resume:
                    self.queue.resume_unfinished()
            opened.callback(commands.close)
            self._opened = opened.pop_all()

    def handle(self, command: str, arguments: dict[str, Any]) -> Any:
        """Carry out one command of the wire and return its JSON result.

        Raises
        ------
        UsageError
            There is no such command, or it does not take these arguments.
        VisualDICOMError
            The command failed.
        """
        return self._commands.run(command, arguments)

    def subscribe(self, callback: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        """Call `callback` with every event, from threads of the engine; the returned function ends that."""
        return self.parts.hub.subscribe(callback)

    def close(self) -> None:
        """Ask running jobs to stop (they go on at the next start), and end every thread and worker."""
        self._opened.close()

    def _opened_queue(self, opened: ExitStack) -> JobQueue:
        journal = Journal(self.parts.database.own.path)
        opened.callback(journal.close)
        queue = JobQueue(
            journal,
            [
                ImportKind(self.parts, self._after_new_series),
                FindKind(self.parts),
                EchoKind(self.parts),
                RetrieveKind(self.parts, self._after_new_series),
                ThumbnailKind(self.parts),
                RemoveKind(self.parts),
            ],
            max_concurrent=self.parts.settings.integer("jobs/max_concurrent"),
            listener=self._tell_job,
            server_limit=self._server_limit,
        )
        opened.callback(queue.close)
        return queue

    def _recover(self) -> None:
        report = self.parts.store.recover()
        if report.indexed or report.removed_parts:
            logger.info(
                "An earlier run left %d whole images, now indexed, and %d partial files, now removed",
                report.indexed,
                report.removed_parts,
            )

    def _tell_job(self, event: JobEvent) -> None:
        self.parts.hub.publish(event.name, job=event.job.as_dict(brief=True))

    def _server_limit(self, server: str) -> int:
        try:
            return self.parts.servers.get(server).max_associations
        except UsageError:  # removed meanwhile; its jobs say so when they start
            return 0

    def _after_new_series(self, series: list[str]) -> None:
        if not self.parts.settings.flag("thumbnails/automatic"):
            return
        try:
            self.queue.submit("thumbnail", {"series": series}, priority=Priority.LOW, label="Pictures")
        except VisualDICOMError as error:  # the job that asks has done its own work, also while the engine closes
            logger.info("Pictures of new series are made when they are asked for: %s", error)


def _opened_parts(folder: Path, opened: ExitStack, *, long_lived: bool) -> EngineParts:
    """The parts of an engine; `opened` closes them, the last first, also when a later one cannot be made."""
    hub = EventHub()
    database = LocalDatabase.open(folder)
    opened.callback(database.close)
    database.add_tags(database.own.get("engine", "precached_tags") or ())
    settings = Settings(database.own.items("settings"))
    store = InstanceStore(database)
    opened.callback(store.close)
    changes = ContentChanges(hub)
    opened.callback(changes.close)
    indexer = Indexer(database, store, settings)
    opened.callback(indexer.close)
    pool = BulkPool(settings.integer("retrieve/workers"))
    opened.callback(pool.close)
    return EngineParts(
        database=database,
        store=store,
        indexer=indexer,
        thumbnails=ThumbnailMaker(database, settings),
        servers=ServerRegistry(database.own),
        settings=settings,
        pool=pool,
        hub=hub,
        changes=changes,
        long_lived=long_lived,
    )
