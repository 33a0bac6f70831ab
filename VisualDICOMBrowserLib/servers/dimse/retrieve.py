"""Which way a DIMSE server's instances come: C-GET, C-MOVE to our listener, or C-MOVE to a proxy.

C-GET itself is the driver's; C-MOVE is ``move``, the proxy ``proxy``. One thread per call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from VisualDICOMBrowserLib.errors import AssociationError, NetworkError, PeerError, UsageError
from VisualDICOMBrowserLib.model import FindResult, InstanceSink, JobControl, Query, RetrieveRequest, RetrieveResult
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse.links import end_link, open_link
from VisualDICOMBrowserLib.servers.dimse.move import (
    MOVE_PROPOSALS,
    MoveFollower,
    ServerCounts,
    move_instances,
    run_moves,
)
from VisualDICOMBrowserLib.servers.dimse.move_outcome import Destination, Moved
from VisualDICOMBrowserLib.servers.driver import DriverServices, driver_for
from VisualDICOMBrowserLib.servers.upper_layer.association import Caller
from VisualDICOMBrowserLib.settings import Settings

if TYPE_CHECKING:
    from VisualDICOMBrowserLib.servers.bulk.pool import BulkPool

__all__ = ["Retrieval"]

Get = Callable[[RetrieveRequest, InstanceSink, JobControl], RetrieveResult]
Find = Callable[[Query, JobControl], FindResult]


class Retrieval:
    """The retrieves of one driver.

    Parameters
    ----------
    config : ServerConfig
        The server; ``retrieve_protocol`` says what is tried.
    caller : Caller
        Who we are towards it.
    settings : Settings
        How long to wait for what a C-MOVE promised; our AE title towards a proxy.
    pool : BulkPool or None
        Worker processes for fetching from a proxy.
    services : DriverServices
        Our listener, and the other servers.
    get, find : callable
        The driver's C-GET and C-FIND.
    rest : callable
        Ends the driver's idle association, so that a server with few of them has one free.
    own_loop : bool
        False to use pynetdicom's path.
    """

    def __init__(
        self,
        config: ServerConfig,
        caller: Caller,
        settings: Settings,
        pool: BulkPool | None,
        services: DriverServices,
        *,
        get: Get,
        find: Find,
        rest: Callable[[], None],
        own_loop: bool,
    ) -> None:
        self._config = config
        self._caller = caller
        self._settings = settings
        self._pool = pool
        self._services = services
        self._get = get
        self._find = find
        self._rest = rest
        self._wait_s = float(settings["retrieve/move_wait_s"])
        self._own_loop = own_loop
        self._without_get = config.retrieve_protocol == "C-MOVE"
        self._said_get = False

    def run(self, request: RetrieveRequest, sink: InstanceSink, control: JobControl) -> RetrieveResult:
        """Fetch `request` as the server is set up.

        Raises
        ------
        UsageError
            C-MOVE is set and our listener is not offered (``not_offered``).
        NetworkError, AssociationError, PeerError, StorageFault, JobCancelled
            As the ways themselves.
        """
        control.raise_if_cancelled()
        protocol = self._config.retrieve_protocol
        if protocol == "proxy":
            return self._by_proxy(request, sink, control)
        if not self._without_get:
            try:
                result = self._get(request, sink, control)
            except AssociationError as refusal:
                if refusal.code != "no_context" or protocol != "auto" or self._services.arrivals is None:
                    raise
                control.log(f"{self._config.name} offers no C-GET.")
                self._without_get = True
            else:
                self._say_get(control)
                return result
        return self._to_listener(request, sink, control)

    def _say_get(self, control: JobControl) -> None:
        """Say once that it was C-GET, where it might have been C-MOVE."""
        if self._config.retrieve_protocol == "auto" and self._services.arrivals is not None and not self._said_get:
            control.log(f"{self._config.name} sent by C-GET.")
            self._said_get = True

    def _to_listener(self, request: RetrieveRequest, sink: InstanceSink, control: JobControl) -> RetrieveResult:
        arrivals = self._services.arrivals
        listener = arrivals.listener() if arrivals is not None else None
        if arrivals is None or listener is None:
            message = f"{self._config.name} sends by C-MOVE, for which our own listener has to run."
            raise UsageError(
                message, code="not_offered", server=self._config.name, next_step="Start the listener, then try again."
            )
        destination = Destination.of(listener, self._config.move_destination)
        control.log(f'{self._config.name} sends by C-MOVE to "{destination.ae_title}".')

        try:
            return move_instances(
                self._config,
                request,
                sink,
                control,
                arrivals=arrivals,
                destination=destination,
                move=lambda watch: self._moved(request, destination, watch, control),
                wait_s=self._wait_s,
                originator=self._caller.ae_title,
            )
        except PeerError as refusal:
            if refusal.code == "move_destination":
                self._deny_if_absent(request, control, refusal)
            raise

    def _by_proxy(self, request: RetrieveRequest, sink: InstanceSink, control: JobControl) -> RetrieveResult:
        from VisualDICOMBrowserLib.servers.dimse.proxy import ProxyRetrieval, proxy_config

        config = proxy_config(self._config, self._services.server)
        proxy = driver_for(config, self._settings, self._pool, self._services)
        try:
            return ProxyRetrieval(
                self._config, proxy, config, find=self._find, move=self._move_to, wait_s=self._wait_s
            ).run(request, sink, control)
        finally:
            proxy.close()

    def _move_to(self, request: RetrieveRequest, destination: Destination, control: JobControl) -> Moved:
        return self._moved(request, destination, ServerCounts(request, control), control)

    def _moved(
        self, request: RetrieveRequest, destination: Destination, watch: MoveFollower, control: JobControl
    ) -> Moved:
        """Run the C-MOVEs of `request` over an association of their own."""
        self._rest()
        link = open_link(self._config, self._caller, MOVE_PROPOSALS, own_loop=self._own_loop, control=control)
        try:
            moved = run_moves(self._config, link, request, destination, watch, control)
        except BaseException as error:
            if isinstance(error, PeerError) and error.code == "move_destination":
                link.release()
            else:
                end_link(link, error)
            raise
        link.release()
        return moved

    def _deny_if_absent(self, request: RetrieveRequest, control: JobControl, refusal: PeerError) -> None:
        """Orthanc answers alike when it has no such study; what it can be searched for decides."""
        try:
            found = self._find(Query(StudyInstanceUID=request.StudyInstanceUID), control).records
        except (PeerError, NetworkError):
            return
        if not found:
            message = f"{self._config.name} has none of the images asked for."
            raise PeerError(
                message, code="not_found", server=self._config.name, next_step="Query the server again."
            ) from refusal
