"""The interface of all server drivers, and the one place where a protocol becomes a driver.

A driver serves one job at a time from that job's thread; drivers are cheap, several per server may live
at once. Protocol modules are imported at first use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.model import (
    AnyRecord,
    FindResult,
    InstanceSink,
    JobControl,
    Query,
    RetrieveRequest,
    RetrieveResult,
)
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.settings import Settings

if TYPE_CHECKING:
    from VisualDICOMBrowserLib.servers.bulk_pool import BulkPool

__all__ = ["OnRecords", "ServerDriver", "driver_for"]

OnRecords = Callable[[list[AnyRecord]], None]


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

    def close(self) -> None:
        """End what is open to the server; the driver is not used afterwards."""
        ...


def driver_for(config: ServerConfig, settings: Settings, pool: BulkPool | None = None) -> ServerDriver:
    """Driver for the server's protocol.

    Parameters
    ----------
    config : ServerConfig
        The server.
    settings : Settings
        Our AE title and PDU size.
    pool : BulkPool, optional
        Worker processes for bulk retrieval; without it, everything is fetched in this process.

    Raises
    ------
    UsageError
        There is no driver for the protocol.
    """
    if config.protocol == "dimse":
        from VisualDICOMBrowserLib.servers.dimse_driver import DimseDriver

        return DimseDriver(config, settings, pool)
    message = f"There is no driver for the protocol {config.protocol!r}."
    raise UsageError(message, server=config.name)
