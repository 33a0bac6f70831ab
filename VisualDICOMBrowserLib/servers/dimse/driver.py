"""`DimseDriver`: one DICOM server by DIMSE (C-ECHO, C-FIND, C-GET, C-MOVE, C-STORE, worklist).

Keeps the association of its last query open for the next one, because a job asks several things in a row.
One job, one thread; bulk retrieval goes to the worker processes of `BulkPool` where there are any.
"""

from __future__ import annotations

import dataclasses
import datetime
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from VisualDICOMBrowserLib.errors import AssociationError, NetworkError
from VisualDICOMBrowserLib.model import (
    AnyRecord,
    FindResult,
    InstanceRecord,
    InstanceSink,
    JobControl,
    Query,
    RetrieveRequest,
    RetrieveResult,
    WorklistItem,
    WorklistQuery,
)
from VisualDICOMBrowserLib.servers.bulk.fetch import FetchPart, caller_for, fetch
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse.find import PATIENT_ROOT_FIND, STUDY_ROOT_FIND, Search
from VisualDICOMBrowserLib.servers.dimse.links import Link, end_link, open_link
from VisualDICOMBrowserLib.servers.dimse.retrieve import Retrieval
from VisualDICOMBrowserLib.servers.dimse.retrieve_plan import cut_instances, parts_of, plan_retrieve
from VisualDICOMBrowserLib.servers.dimse.storage_classes import UNCOMPRESSED
from VisualDICOMBrowserLib.servers.dimse.store import StoreJob, store_address
from VisualDICOMBrowserLib.servers.dimse.worklist import find_worklist
from VisualDICOMBrowserLib.servers.driver import DriverServices, OnRecords, OnSent
from VisualDICOMBrowserLib.servers.faults import operation_failed
from VisualDICOMBrowserLib.servers.query_limits import effective_query
from VisualDICOMBrowserLib.servers.upper_layer.association import Caller, ContextProposal
from VisualDICOMBrowserLib.settings import Settings

if TYPE_CHECKING:
    from VisualDICOMBrowserLib.servers.bulk.pool import BulkPool

__all__ = ["DimseDriver"]

_VERIFICATION = "1.2.840.10008.1.1"


class DimseDriver:
    """`ServerDriver` for DIMSE.

    Parameters
    ----------
    config : ServerConfig
        The server.
    settings : Settings
        Our AE title and PDU size.
    pool : BulkPool, optional
        Worker processes for bulk retrieval.
    services : DriverServices, optional
        Our listener and other servers, for C-MOVE.
    own_loop : bool
        False to receive through pynetdicom even where our own loop would work.
    """

    def __init__(
        self,
        config: ServerConfig,
        settings: Settings,
        pool: BulkPool | None = None,
        services: DriverServices | None = None,
        *,
        own_loop: bool = True,
    ) -> None:
        self._config = config
        # A limit of speed holds within one process (``servers.speed``).
        self._pool = pool = None if config.speed_limit_mb_s else pool
        self._services = services or DriverServices()
        self._caller = _with_key_password(caller_for(config, settings), config, self._services)
        self._own_loop = own_loop
        self._query_link: Link | None = None
        self._retrieval = Retrieval(
            config,
            self._caller,
            settings,
            pool,
            self._services,
            get=self._get,
            find=self._find,
            rest=self._end_query_link,
            own_loop=own_loop,
        )

    @property
    def name(self) -> str:
        """The server's name."""
        return self._config.name

    def echo(self, control: JobControl) -> float:
        """Verify that the server answers (C-ECHO); seconds from connecting to the answer."""
        control.raise_if_cancelled()
        started = time.monotonic()
        proposals = [ContextProposal(_VERIFICATION, UNCOMPRESSED)]
        link = open_link(self._config, self._caller, proposals, own_loop=self._own_loop, control=control)
        try:
            status = link.echo(control)
        except BaseException:
            link.abort()
            control.raise_if_cancelled()
            raise
        elapsed = time.monotonic() - started
        link.release()
        if status:
            raise operation_failed(self._config, "refused the test", status, "")
        return elapsed

    def find(self, query: Query, control: JobControl, on_records: OnRecords | None = None) -> FindResult:
        """Records that match (C-FIND, studies by the REST address if there is one); `on_records` gets batches."""
        control.raise_if_cancelled()
        query = effective_query(self._config, query, datetime.date.today())
        if not self._config.rest_url:
            return self._find(query, control, on_records)
        from VisualDICOMBrowserLib.servers.web.orthanc_cache import find_records

        return find_records(self._config, self._services, query, control, on_records, self._find)

    def _find(self, query: Query, control: JobControl, on_records: OnRecords | None = None) -> FindResult:
        """C-FIND over the association that is kept, else a new one."""
        kept, self._query_link = self._query_link, None
        told = _Told(on_records)
        if kept is not None:
            try:
                return self._search(kept, query, control, told)
            except (NetworkError, AssociationError):
                # The server may have closed the idle association; a fresh one decides.
                if told.anything:
                    raise
        return self._search(self._open_query_link(control), query, control, told)

    def retrieve(self, request: RetrieveRequest, sink: InstanceSink, control: JobControl) -> RetrieveResult:
        """Fetch instances by C-GET, by C-MOVE to our listener or by way of a proxy, as the server is set up.

        What lies in its storage folder is read there.
        """
        if not self._config.storage_folder:
            return self._retrieval.run(request, sink, control)
        from VisualDICOMBrowserLib.servers.folders.storage_retrieve import retrieve_past_network

        return retrieve_past_network(
            self._config, self._services, request, sink, control, fetch=self._retrieval.run, find=self._find
        )

    def worklist(self, query: WorklistQuery, control: JobControl) -> tuple[WorklistItem, ...]:
        """Scheduled procedure steps (Modality Worklist C-FIND)."""
        return find_worklist(self._config, self._caller, query, control, own_loop=self._own_loop)

    def picture(self, study: str, series: str, instance: str, control: JobControl) -> bytes | None:
        """None: DIMSE has no pictures drawn by the server."""
        return None

    def store(self, instances: Sequence[InstanceRecord], control: JobControl, on_sent: OnSent) -> None:
        """Send local instances (C-STORE) to the server's address for sending; `on_sent` hears of each."""
        control.raise_if_cancelled()
        StoreJob(store_address(self._config), self._caller, control, on_sent).run(instances)

    def close(self) -> None:
        """Release the association that is kept."""
        self._end_query_link()

    def _get(self, request: RetrieveRequest, sink: InstanceSink, control: JobControl) -> RetrieveResult:
        """C-GET, over several associations where that is faster."""
        plan = self._plan(request, control)
        if self._pool is not None and self._pool.workers:
            return self._pool.retrieve(self._config, self._caller, plan, sink, control)
        return fetch(self._config, self._caller, plan[0], sink, control, own_loop=self._own_loop)

    def _plan(self, request: RetrieveRequest, control: JobControl) -> list[FetchPart]:
        workers = self._pool.workers if self._pool is not None else 0
        most_parts = max(1, min(workers, self._config.workers("fetch")))
        if request.SOPClassUIDs and (most_parts == 1 or request.SOPInstanceUIDs):
            self._end_query_link()
            return parts_of(cut_instances(request, most_parts), request.SOPClassUIDs, most_parts)
        kept, self._query_link = self._query_link, None
        if kept is not None:
            try:
                return self._plan_over(kept, request, control, most_parts)
            except (NetworkError, AssociationError):
                # The server may have closed the idle association; a fresh one decides.
                control.log(f"{self.name} closed the idle connection; it is opened again.")
        try:
            link = self._open_query_link(control)
        except AssociationError as refusal:
            if refusal.code != "no_context":
                raise
            # A server may send without being searchable.
            return [FetchPart(requests=(request,), SOPClassUIDs=request.SOPClassUIDs)]
        return self._plan_over(link, request, control, most_parts)

    def _plan_over(self, link: Link, request: RetrieveRequest, control: JobControl, most_parts: int) -> list[FetchPart]:
        try:
            plan = plan_retrieve(self._config, link, request, control, most_parts)
        except BaseException as error:
            end_link(link, error)
            raise
        link.release()
        return plan

    def _open_query_link(self, control: JobControl) -> Link:
        proposals = [
            ContextProposal(STUDY_ROOT_FIND, UNCOMPRESSED, relational=True),
            ContextProposal(PATIENT_ROOT_FIND, UNCOMPRESSED),
        ]
        return open_link(self._config, self._caller, proposals, own_loop=self._own_loop, control=control)

    def _search(self, link: Link, query: Query, control: JobControl, told: OnRecords) -> FindResult:
        try:
            result = Search(self._config, link, query, control, told).run()
        except BaseException as error:
            end_link(link, error)
            raise
        if self._config.keep_association:
            self._query_link = link
        else:
            link.release()
        return result

    def _end_query_link(self) -> None:
        link, self._query_link = self._query_link, None
        if link is not None:
            link.release()


def _with_key_password(caller: Caller, config: ServerConfig, services: DriverServices) -> Caller:
    """The caller, able to open an encrypted key file."""
    if not (config.tls and config.tls_key_file and services.secrets):
        return caller
    return dataclasses.replace(caller, key_password=services.secrets.get(config.name).get("key_password", ""))


class _Told:
    """Passes records on and remembers whether there were any."""

    def __init__(self, on_records: OnRecords | None) -> None:
        self._on_records = on_records
        self.anything = False

    def __call__(self, records: list[AnyRecord]) -> None:
        self.anything = True
        if self._on_records is not None:
            self._on_records(records)
