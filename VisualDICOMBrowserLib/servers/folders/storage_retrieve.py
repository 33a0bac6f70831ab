"""A retrieve of a server whose storage lies on a disk that we reach: from there what can be, the rest by its network.

The drivers of servers with a ``storage_folder`` come here with their own way to fetch and to search. One thread per
call. Reading the folder itself is ``storage_folder``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from VisualDICOMBrowserLib.errors import PeerError, VisualDICOMError
from VisualDICOMBrowserLib.model import (
    FailedInstance,
    FindResult,
    InstanceRecord,
    InstanceSink,
    JobControl,
    Level,
    Query,
    RetrieveRequest,
    RetrieveResult,
)
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.driver import DriverServices
from VisualDICOMBrowserLib.servers.folders.storage_folder import StorageFetch, open_storage
from VisualDICOMBrowserLib.servers.progress import ProgressSum, combined, is_answered

__all__ = ["retrieve_past_network"]

Fetch = Callable[[RetrieveRequest, InstanceSink, JobControl], RetrieveResult]
Find = Callable[[Query, JobControl], FindResult]


def retrieve_past_network(
    config: ServerConfig,
    services: DriverServices,
    request: RetrieveRequest,
    sink: InstanceSink,
    control: JobControl,
    *,
    fetch: Fetch,
    find: Find,
) -> RetrieveResult:
    """Fetch `request` from the storage folder, and over the network what is not there; both together are the result.

    Parameters
    ----------
    config : ServerConfig
        ``storage_folder``.
    services : DriverServices
        Its ``database`` keeps the index of a folder, its ``secrets`` have the password of the REST address.
    request : RetrieveRequest
    sink : InstanceSink
    control : JobControl
    fetch, find : callable
        The driver's ways over the network.

    Raises
    ------
    VisualDICOMError
        As `fetch`, unless the server answered in order that it does not have what is left, which then counts as
        failed. What came from the folder is in the sink.
    """
    progress = ProgressSum(control, request.expected)
    with open_storage(config, services) as storage:
        read = storage.fetch(request, sink, progress.part()) if storage is not None else StorageFetch()
    if read.reason:
        control.log(f"The storage folder of {config.name} is not read: {read.reason}")
    if not read.fetched:
        return fetch(request, sink, control)
    count = len(read.fetched)
    control.log(f"{count} {'image' if count == 1 else 'images'} came from the storage folder of {config.name}.")
    if not read.is_sure(request):
        read = replace(read, listed=_listed(request, control, find))
    results = [RetrieveResult(received=count, bytes=read.bytes)]
    for left in read.left(request):
        try:
            results.append(fetch(left, sink, progress.part()))
        except VisualDICOMError as error:
            # A server that is busy has them perhaps later.
            if not is_answered(error) or error.code == "busy":
                raise
            control.log(str(error))
            failed = tuple(FailedInstance(SOPInstanceUID=uid, reason=str(error)) for uid in left.SOPInstanceUIDs)
            results.append(RetrieveResult(failed_count=left.expected or 1, failed=failed))
    return combined(results)


def _listed(request: RetrieveRequest, control: JobControl, find: Find) -> dict[str, str] | None:
    """Series by SOP Instance UID of all that the server says it has of a request, None if it does not say."""
    query = Query(
        level=Level.IMAGE, StudyInstanceUID=request.StudyInstanceUID, SeriesInstanceUID=request.SeriesInstanceUID
    )
    try:
        found = find(query, control)
    except PeerError as refusal:
        # Without a list everything is asked for.
        control.log(str(refusal))
        return None
    listed = {
        record.SOPInstanceUID: record.SeriesInstanceUID or request.SeriesInstanceUID
        for record in found.records
        if isinstance(record, InstanceRecord)
    }
    complete = not found.limit_reached and len(listed) >= (request.expected or 0)
    return listed if complete else None
