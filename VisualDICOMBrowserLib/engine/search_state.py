"""What one search has found so far, and how far each server is.

Plain state without threads: `search.Searches` holds its lock for every call, except for those that say they read or
write the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.local_lookup import local_counts, local_records
from VisualDICOMBrowserLib.database.patient_connections import allow_server
from VisualDICOMBrowserLib.engine.merged import Key, MergedRecords, identity_of
from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.jobs.job import JobRecord
from VisualDICOMBrowserLib.model import AnyRecord, Level, PatientRecord, Query

__all__ = ["Search"]

Counted = list[tuple[AnyRecord, int]]


class Search:
    """One search.

    Parameters
    ----------
    search_id : str
    query : Query
    order : sequence of str
        All servers in the user's order.
    named : bool
        Whether the user named the servers to ask.
    """

    def __init__(self, search_id: str, query: Query, order: Sequence[str], *, named: bool) -> None:
        self.search_id = search_id
        self.query = query
        self.merged = MergedRecords(query.level, order)
        self.changed: dict[Key, None] = {}
        self.published = 0.0
        self.local_done = False
        self.finished = False
        self._named = named
        self._servers: dict[str, dict[str, Any]] = {}
        self._jobs: dict[str, str] = {}
        self._untrusted: set[str] = set()
        self._counted: dict[str, set[Key]] = {}
        self._looked_up: set[Key] = set()
        self._patients: dict[Key, PatientRecord] | None = None

    # Servers

    def started(self, server: str, job_id: str, *, trusted: bool) -> None:
        """A job asks `server`."""
        self._jobs[job_id] = server
        self._servers[server] = _server("queued")
        if not trusted:
            self._untrusted.add(server)

    def failed_to_start(self, server: str, error: VisualDICOMError) -> None:
        """The job for `server` could not be queued."""
        self._servers[server] = {**_server("failed"), "error": error.as_dict()}

    def held(self, server: str, why: VisualDICOMError) -> None:
        """`server` is left alone, because the user works offline."""
        self._servers[server] = {**_server("offline"), "error": why.as_dict()}

    def not_asked(self, servers: Iterable[str]) -> None:
        """Servers that may not be asked about this patient unless they are named."""
        for server in servers:
            why = f"{server} is not trusted and was not allowed for this patient, so it was not asked."
            self._servers[server] = {**_server("not_asked"), "warnings": [why]}

    def note_job(self, job: JobRecord) -> None:
        """A job of this search stands as told."""
        state = self._servers[self._jobs[job.job_id]]
        result = job.result or {}
        state["state"] = job.state.value
        state["error"] = job.error
        if job.state.finished:
            state["limit_reached"] = bool(result.get("limit_reached"))
            state["warnings"] = list(result.get("warnings", ()))

    def knows(self, job_id: str) -> bool:
        """Whether that job is one of this search."""
        return job_id in self._jobs

    def running_jobs(self) -> list[str]:
        """Jobs that have not ended."""
        return [job_id for job_id, server in self._jobs.items() if self._servers[server]["state"] not in _ENDED]

    @property
    def ended(self) -> bool:
        """Whether everybody has answered or failed."""
        return self.local_done and not self.running_jobs()

    def servers(self) -> dict[str, dict[str, Any]]:
        """By server: ``state``, ``count``, ``limit_reached``, ``warnings`` and ``error``."""
        return {name: dict(state) for name, state in self._servers.items()}

    # Records

    def add(self, server: str, records: Iterable[AnyRecord]) -> None:
        """Take answers of a server."""
        known = list(records)
        self.changed.update(dict.fromkeys(self.merged.add(server, known)))
        counted = self._counted.setdefault(server, set())
        counted.update(identity_of(record, self.query.level) for record in known)
        if server in self._servers:
            self._servers[server]["count"] = len(counted)

    def add_local(self, found: Counted) -> None:
        """Take local records with their numbers of instances."""
        for record, instances in found:
            self.changed[self.merged.add_local(record, instances)] = None

    def not_looked_up(self, records: Iterable[AnyRecord]) -> dict[Key, AnyRecord]:
        """Those of `records` of which nobody has asked yet whether they are here."""
        new = {identity_of(record, self.query.level): record for record in records}
        new = {key: record for key, record in new.items() if key not in self._looked_up}
        self._looked_up.update(new)
        return new

    def take_changed(self) -> list[dict[str, Any]]:
        """Merged records that changed since the last call."""
        changed, self.changed = self.changed, {}
        return self.merged.plain(changed)

    # With the database, without the lock; in one thread

    def local_matches(self, database: LocalDatabase) -> Counted:
        """Local records that fit the query."""
        return _counted(database, database.reader.find(self.query))

    def local_of(self, database: LocalDatabase, wanted: dict[Key, AnyRecord]) -> Counted:
        """Local records of what servers named, also where they do not fit the query."""
        if not wanted:
            return []
        if self.query.level is not Level.PATIENT:
            return _counted(database, local_records(database, self.query.level, [key[0] for key in wanted]))
        if self._patients is None:
            here = database.reader.patients()
            self._patients = {identity_of(patient, Level.PATIENT): patient for patient in here}
        return _counted(database, [self._patients[key] for key in wanted if key in self._patients])

    def allow(self, database: LocalDatabase, server: str, patients: Iterable[str]) -> None:
        """Let a server be asked about these patients from now on, as far as they are here."""
        if not database.read_only:
            for patient_id in patients:
                allow_server(database, patient_id, server)

    def newly_allowed(self, job: JobRecord) -> list[str]:
        """PatientIDs for which a server that is not trusted answered because the user named it."""
        if not (self._named and job.state.finished and job.server in self._untrusted):
            return []
        answered = self.merged.plain(self._counted.get(job.server, ()))
        return sorted({row["PatientID"] for row in answered if row.get("PatientID") and row["local"]})


_ENDED = frozenset(("done", "partly", "failed", "cancelled", "not_asked", "offline"))


def _server(state: str) -> dict[str, Any]:
    return {"state": state, "count": 0, "limit_reached": False, "warnings": [], "error": None}


def _counted(database: LocalDatabase, records: Sequence[AnyRecord]) -> Counted:
    return list(zip(records, local_counts(database, records), strict=True))
