"""The interface of all server drivers, and the one place where a protocol becomes a driver.

A driver serves one job at a time from that job's thread; drivers are cheap, several per server may live
at once. Protocol modules are imported at first use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.model import (
    AnyRecord,
    FindResult,
    InstanceRecord,
    InstanceSink,
    JobControl,
    Query,
    RetrieveRequest,
    RetrieveResult,
    SentInstance,
    WorklistItem,
    WorklistQuery,
)
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.web.tokens import TokenCache
from VisualDICOMBrowserLib.settings import Settings

if TYPE_CHECKING:
    from VisualDICOMBrowserLib.database.indexer import ImportReport
    from VisualDICOMBrowserLib.database.local_database import LocalDatabase
    from VisualDICOMBrowserLib.servers.arrivals import Arrivals
    from VisualDICOMBrowserLib.servers.bulk.pool import BulkPool

__all__ = ["DriverServices", "Importer", "OnRecords", "OnSent", "SecretSource", "ServerDriver", "driver_for"]

OnRecords = Callable[[list[AnyRecord]], None]
OnSent = Callable[[SentInstance], None]


class SecretSource(Protocol):
    """Passwords and tokens by server; `secrets.SecretStore`."""

    def get(self, server: str) -> Mapping[str, str]:
        """Secrets of a server by field (``password``, ``token``, ``client_secret``, ``rest_password``...)."""
        ...

    def put(self, server: str, field: str, value: str) -> None:
        """Keep one secret; an empty value forgets it."""
        ...


class Importer(Protocol):
    """Imports files into the local database."""

    def __call__(self, paths: Sequence[Path], *, copy: bool, control: JobControl) -> ImportReport:
        """Import files and folders; every rejected file is in the report with its reason."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverServices:
    """What drivers may need of the engine; what is None is not offered.

    ``secrets`` are passwords and tokens; ``arrivals`` hears of what our listener stores (C-MOVE); ``server`` gives
    another server's settings by name (a proxy); ``database`` and ``importer`` are for folders; ``tell`` publishes
    an event of that name with JSON fields (a sign-in that a person has to finish); ``tokens`` are the access tokens
    that drivers made with the same services share.
    """

    secrets: SecretSource | None = None
    arrivals: Arrivals | None = None
    server: Callable[[str], ServerConfig] | None = None
    database: LocalDatabase | None = None
    importer: Importer | None = None
    tell: Callable[..., Any] | None = None
    tokens: TokenCache = field(default_factory=TokenCache)


class ServerDriver(Protocol):
    """One server by one protocol.

    Every method may raise `NetworkError`, `PeerTimeoutError`, `AssociationError`, `PeerError` with a
    sentence for the user, and `JobCancelled` once the control asks for it.
    """

    @property
    def name(self) -> str:
        """The server's name, for messages."""
        ...

    def echo(self, control: JobControl) -> float:
        """Verify that the server answers; seconds from connecting to the answer."""
        ...

    def find(self, query: Query, control: JobControl, on_records: OnRecords | None = None) -> FindResult:
        """Records that match; `on_records` gets them in batches while they come."""
        ...

    def retrieve(self, request: RetrieveRequest, sink: InstanceSink, control: JobControl) -> RetrieveResult:
        """Fetch instances into `sink`; failures of single instances are counted, not raised."""
        ...

    def store(self, instances: Sequence[InstanceRecord], control: JobControl, on_sent: OnSent) -> None:
        """Send local instances; `on_sent` hears of each as soon as its fate is known.

        Raises as all methods when it cannot go on; what `on_sent` was not told of is then not confirmed.
        """
        ...

    def worklist(self, query: WorklistQuery, control: JobControl) -> tuple[WorklistItem, ...]:
        """Scheduled procedure steps."""
        ...

    def picture(self, study: str, series: str, instance: str, control: JobControl) -> bytes | None:
        """A small JPEG or PNG that the server draws, None where it does not."""
        ...

    def close(self) -> None:
        """End what is open to the server; the driver is not used afterwards."""
        ...


def driver_for(
    config: ServerConfig,
    settings: Settings,
    pool: BulkPool | None = None,
    services: DriverServices | None = None,
) -> ServerDriver:
    """Driver for the server's protocol.

    Parameters
    ----------
    config : ServerConfig
        The server.
    settings : Settings
        Our AE title and PDU size.
    pool : BulkPool, optional
        Worker processes for bulk retrieval; without it, everything is fetched in this process.
    services : DriverServices, optional
        What else the driver may use.

    Raises
    ------
    UsageError
        There is no driver for the protocol.
    """
    offered = services or DriverServices()
    if config.protocol == "dimse":
        from VisualDICOMBrowserLib.servers.dimse.driver import DimseDriver

        return DimseDriver(config, settings, pool, offered)
    if config.protocol == "dicomweb":
        from VisualDICOMBrowserLib.servers.web.driver import WebDriver

        return WebDriver(config, settings, pool, offered)
    if config.protocol == "folder":
        from VisualDICOMBrowserLib.servers.folders.driver import FolderDriver

        return FolderDriver(config, settings, offered)
    message = f"There is no driver for the protocol {config.protocol!r}."
    raise UsageError(message, server=config.name)
