"""The job kinds that only ask a server: ``find`` (C-FIND) and ``echo`` (C-ECHO)."""

from __future__ import annotations

from typing import Any

from VisualDICOMBrowserLib.engine.parts import EngineParts
from VisualDICOMBrowserLib.jobs.job import JobRecord
from VisualDICOMBrowserLib.model import AnyRecord, JobControl, Level, Query

__all__ = ["EchoKind", "FindKind", "query_from"]


def query_from(fields: dict[str, Any]) -> Query:
    """Query with the given fields as plain JSON values."""
    plain = dict(fields)
    plain["level"] = Level(plain.get("level", Level.STUDY))
    plain["Modalities"] = tuple(plain.get("Modalities", ()))
    return Query(**plain)


class FindKind:
    """Asks one server; answers go out as ``find_records`` events while they come.

    Parameters of the job: ``query`` (fields of `Query`). Result: ``count``, ``limit_reached``, ``warnings``;
    the records themselves are kept in memory by job (`FoundRecords`).
    """

    name = "find"
    limit = 0
    resumable = False

    def __init__(self, parts: EngineParts) -> None:
        self._parts = parts

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
            plain = self._parts.found.add(job.job_id, records)
            self._parts.hub.publish(
                "find_records",
                job_id=job.job_id,
                server=job.server,
                level=query.level.value,
                records=plain,
            )
            control.progress(count)

        driver = self._parts.driver(job.server)
        try:
            answer = driver.find(query, control, tell)
        finally:
            driver.close()
        return {"count": count, "limit_reached": answer.limit_reached, "warnings": list(answer.warnings)}


class EchoKind:
    """Verifies that a server answers (C-ECHO). Result: ``seconds``."""

    name = "echo"
    limit = 0
    resumable = False

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
