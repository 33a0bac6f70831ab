"""The job kinds that only ask a server: ``find`` and ``echo``.

A person waits for the answer, so that a failure is told at once and not tried again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from VisualDICOMBrowserLib.database.remote_records import RemoteRecords
from VisualDICOMBrowserLib.engine.gates import ServerGates
from VisualDICOMBrowserLib.engine.parts import EngineParts
from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.jobs.job import JobRecord
from VisualDICOMBrowserLib.model import AnyRecord, JobControl, Level, Query

__all__ = ["EchoKind", "FindKind", "OnFound", "query_from"]

OnFound = Callable[[str, str, list[AnyRecord]], None]
"""Called with job, server and records while they come."""

logger = logging.getLogger(__name__)


def query_from(fields: dict[str, Any]) -> Query:
    """Query with the given fields as plain JSON values."""
    plain = dict(fields)
    plain["level"] = Level(plain.get("level", Level.STUDY))
    plain["Modalities"] = tuple(plain.get("Modalities", ()))
    return Query(**plain)


class FindKind:
    """Asks one server; answers go out as ``find_records`` events while they come.

    Parameters of the job: ``query`` (fields of `Query`). Result: ``count``, ``limit_reached``, ``warnings``,
    ``next_offset``; the records themselves are kept in memory by job (`FoundRecords`).

    Parameters
    ----------
    parts : EngineParts
    on_records : callable, optional
        Hears of answers while they come (`Searches.on_records`).
    remote : RemoteRecords, optional
        Keeps in mind what the server has.
    gates : ServerGates, optional
        Limits what goes on at each server.
    """

    name = "find"
    limit = 0
    resumable = False
    retries = False

    def __init__(
        self,
        parts: EngineParts,
        on_records: OnFound | None = None,
        remote: RemoteRecords | None = None,
        gates: ServerGates | None = None,
    ) -> None:
        self._parts = parts
        self._on_records = on_records
        self._remote = remote
        self._gates = gates

    def identity(self, parameters: dict[str, Any]) -> str:
        """The same question is the same job."""
        return repr(sorted(parameters["query"].items()))

    def run(self, job: JobRecord, control: JobControl) -> dict[str, Any]:
        """Ask, and pass on each batch of answers."""
        query = query_from(job.parameters["query"])
        if self._parts.long_lived:
            self._parts.pool.start()  # who asks will fetch; the workers are ready by then
        self._parts.found.start(job.job_id)
        count = 0

        def tell(records: list[AnyRecord]) -> None:
            nonlocal count
            count += len(records)
            self._tell(job, query.level, records)
            control.progress(count)

        with ExitStack() as stack:
            if self._gates is not None:
                stack.enter_context(self._gates.hold(job.server, control, "query"))
            driver = self._parts.driver(job.server)
            stack.callback(driver.close)
            answer = driver.find(query, control, tell)
        return {
            "count": count,
            "limit_reached": answer.limit_reached,
            "warnings": [*answer.warnings, *_asked_without(job.server, query)],
            "next_offset": answer.next_offset,
        }

    def _tell(self, job: JobRecord, level: Level, records: list[AnyRecord]) -> None:
        plain = self._parts.found.add(job.job_id, records)
        self._parts.hub.publish("find_records", job_id=job.job_id, server=job.server, level=level.value, records=plain)
        if self._on_records is not None:
            self._on_records(job.job_id, job.server, records)
        if self._remote is not None:
            try:
                self._remote.seen(job.server, records)
            except VisualDICOMError as fault:  # a memory that fails is no reason to hide the answer
                logger.warning("What %s answered could not be remembered: %s", job.server, fault)


def _asked_without(server: str, query: Query) -> list[str]:
    """What servers cannot be asked for at this level (DICOM PS3.4 C.4.1.2: keys of upper levels only)."""
    if query.level in (Level.PATIENT, Level.STUDY) and query.SeriesDescription:
        return [f"{server} cannot search studies by series description. Asked without it."]
    return []


class EchoKind:
    """Verifies that a server answers (C-ECHO). Result: ``seconds``."""

    name = "echo"
    limit = 0
    resumable = False
    retries = False

    def __init__(self, parts: EngineParts) -> None:
        self._parts = parts

    def identity(self, parameters: dict[str, Any]) -> str:
        """All echoes to one server are the same."""
        return ""

    def run(self, job: JobRecord, control: JobControl) -> dict[str, Any]:
        """Send one C-ECHO."""
        driver = self._parts.driver(job.server)
        try:
            return {"seconds": driver.echo(control)}
        finally:
            driver.close()
