"""`DimseDriver`: one DICOM server by DIMSE (C-ECHO, C-FIND, C-GET).

Keeps the association of its last query open for the next one, because a job asks several things in a row.
One job, one thread; bulk retrieval goes to the worker processes of `BulkPool` where there are any.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from VisualDICOMBrowserLib.errors import AssociationError, NetworkError
from VisualDICOMBrowserLib.model import (
    AnyRecord,
    FindResult,
    InstanceSink,
    JobControl,
    Query,
    RetrieveRequest,
    RetrieveResult,
)
from VisualDICOMBrowserLib.servers.association import ContextProposal
from VisualDICOMBrowserLib.servers.bulk_fetch import FetchPart, caller_for, fetch
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse_find import PATIENT_ROOT_FIND, STUDY_ROOT_FIND, Search
from VisualDICOMBrowserLib.servers.driver import OnRecords
from VisualDICOMBrowserLib.servers.faults import operation_failed
from VisualDICOMBrowserLib.servers.links import Link, end_link, open_link
from VisualDICOMBrowserLib.servers.retrieve_plan import cut_instances, parts_of, plan_retrieve
from VisualDICOMBrowserLib.servers.storage_classes import UNCOMPRESSED
from VisualDICOMBrowserLib.settings import Settings

if TYPE_CHECKING:
    from VisualDICOMBrowserLib.servers.bulk_pool import BulkPool

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
    own_loop : bool
        False to receive through pynetdicom even where our own loop would work.
    """

    def __init__(
        self,
        config: ServerConfig,
        settings: Settings,
        pool: BulkPool | None = None,
        *,
        own_loop: bool = True,
    ) -> None:
        self._config = config
        self._caller = caller_for(config, settings)
        self._pool = pool
        self._own_loop = own_loop
        self._query_link: Link | None = None

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
        control.on_cancel(link.abort)
        try:
            status = link.echo()
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
        """Records that match (C-FIND); `on_records` gets them in batches while they come."""
        control.raise_if_cancelled()
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
        """Fetch instances (C-GET) into `sink`, over several associations where that is faster."""
        control.raise_if_cancelled()
        plan = self._plan(request, control)
        if self._pool is not None and self._pool.workers:
            return self._pool.retrieve(self._config, self._caller, plan, sink, control)
        return fetch(self._config, self._caller, plan[0], sink, control, own_loop=self._own_loop)

    def close(self) -> None:
        """Release the association that is kept."""
        self._end_query_link()

    def _plan(self, request: RetrieveRequest, control: JobControl) -> list[FetchPart]:
        workers = self._pool.workers if self._pool is not None else 0
        most_parts = max(1, min(workers, self._config.max_associations))
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
            ContextProposal(STUDY_ROOT_FIND, UNCOMPRESSED),
            ContextProposal(PATIENT_ROOT_FIND, UNCOMPRESSED),
        ]
        return open_link(self._config, self._caller, proposals, own_loop=self._own_loop, control=control)

    def _search(self, link: Link, query: Query, control: JobControl, told: OnRecords) -> FindResult:
        try:
            result = Search(self._config, link, query, control, told).run()
        except BaseException as error:
            end_link(link, error)
            raise
        self._query_link = link
        return result

    def _end_query_link(self) -> None:
        link, self._query_link = self._query_link, None
        if link is not None:
            link.release()


class _Told:
    """Passes records on and remembers whether there were any."""

    def __init__(self, on_records: OnRecords | None) -> None:
        self._on_records = on_records
        self.anything = False

    def __call__(self, records: list[AnyRecord]) -> None:
        self.anything = True
        if self._on_records is not None:
            self._on_records(records)
