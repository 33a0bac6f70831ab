"""How the parts of an engine are made, in their order. Called once, by `engine.Engine`."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from VisualDICOMBrowserLib.database.indexer import ImportReport, Indexer
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.slice_order import ORDER_TAGS
from VisualDICOMBrowserLib.database.storing import InstanceStore
from VisualDICOMBrowserLib.engine.events import ContentChanges, EventHub
from VisualDICOMBrowserLib.engine.gates import ServerGates
from VisualDICOMBrowserLib.engine.listening import Listening
from VisualDICOMBrowserLib.engine.offline import Offline
from VisualDICOMBrowserLib.engine.parts import EngineParts
from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.model import JobControl
from VisualDICOMBrowserLib.servers.arrivals import Arrivals
from VisualDICOMBrowserLib.servers.bulk.pool import BulkPool
from VisualDICOMBrowserLib.servers.driver import DriverServices
from VisualDICOMBrowserLib.servers.registry import ServerRegistry
from VisualDICOMBrowserLib.servers.secrets import SecretStore
from VisualDICOMBrowserLib.settings import Settings
from VisualDICOMBrowserLib.thumbnails.maker import ThumbnailMaker

__all__ = ["opened_parts"]


def opened_parts(folder: Path, opened: ExitStack, *, long_lived: bool) -> tuple[EngineParts, Listening]:
    """The parts of an engine, and our own node; `opened` closes them, the last first.

    Raises
    ------
    DatabaseFault
        The database cannot be opened.
    """
    hub = EventHub()
    database = LocalDatabase.open(folder)
    opened.callback(database.close)
    database.add_tags([*ORDER_TAGS, *(database.own.get("engine", "precached_tags") or ())])
    settings = Settings(database.own.items("settings"))
    store = InstanceStore(database)
    opened.callback(store.close)
    changes = ContentChanges(hub)
    opened.callback(changes.close)
    indexer = Indexer(database, store, settings)
    opened.callback(indexer.close)
    pool = BulkPool(settings.integer("retrieve/workers"))
    opened.callback(pool.close)
    secrets = SecretStore(_secrets_scope(database))
    servers = ServerRegistry(database.own, secrets)
    arrivals = Arrivals(lambda: listening.address())
    listening = Listening(
        database=database, store=store, settings=settings, servers=servers, changes=changes, arrivals=arrivals
    )
    opened.callback(listening.stop)

    def imported(paths: Sequence[Path], *, copy: bool, control: JobControl) -> ImportReport:
        report = indexer.import_paths(paths, copy=copy, control=control)
        changes.add(series=report.series_uids)
        return report

    parts = EngineParts(
        database=database,
        store=store,
        indexer=indexer,
        thumbnails=ThumbnailMaker(database, settings),
        servers=servers,
        settings=settings,
        secrets=secrets,
        services=DriverServices(
            secrets=secrets,
            arrivals=arrivals,
            server=servers.get,
            database=database,
            importer=imported,
            tell=hub.publish,
        ),
        arrivals=arrivals,
        gates=ServerGates(partial(_limit, servers), partial(_work_limit, servers)),
        offline=Offline(settings, servers.get),
        pool=pool,
        hub=hub,
        changes=changes,
        long_lived=long_lived,
    )
    return parts, listening


def _limit(servers: ServerRegistry, server: str) -> int:
    """Most operations at once at a server; 0 for one that was removed meanwhile."""
    try:
        return servers.get(server).max_associations
    except UsageError:
        return 0


def _work_limit(servers: ServerRegistry, work: str, server: str) -> int:
    """Most operations of one sort of work at once at a server; 0 for one that was removed meanwhile."""
    try:
        return servers.get(server).workers(work)
    except UsageError:
        return 0


def _secrets_scope(database: LocalDatabase) -> str:
    """What keeps the secrets of this database apart from those of others; stays when its folder is moved."""
    scope = database.own.get("engine", "secrets_scope")
    if scope is None:
        scope = uuid.uuid4().hex
        if not database.read_only:
            database.own.put("engine", "secrets_scope", scope)
    return str(scope)
