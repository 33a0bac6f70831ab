"""Commands that ask, fetch, send and listen; see ``commands`` for the rules."""

from __future__ import annotations

import dataclasses
from typing import Any

from VisualDICOMBrowserLib.engine.arguments import level_from, query_of
from VisualDICOMBrowserLib.engine.desk import EngineDesk
from VisualDICOMBrowserLib.engine.kind_send import address_config
from VisualDICOMBrowserLib.engine.offline import OFFLINE
from VisualDICOMBrowserLib.engine.prefetch import young_studies
from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.jobs.job import JobRecord, Priority
from VisualDICOMBrowserLib.model import Level, Query, WorklistQuery

__all__ = ["NetworkCommands"]


class NetworkCommands:
    """What is asked of servers and of our own node."""

    def __init__(self, desk: EngineDesk) -> None:
        self._desk = desk
        self._parts = desk.parts
        self._queue = desk.queue

    def find(self, server: str, level: str = "STUDY", **filters: Any) -> str:
        """Ask one server; returns the job's id, the answers come as events and by `find_results`."""
        self._parts.servers.get(server)
        query_of(level, filters)
        self._parts.offline.require_online("find", server)
        query = {"level": level_from(level).value, **filters}
        return self._queue.submit("find", {"query": query}, server=server, priority=Priority.HIGH, label="Query")

    def find_results(self, job_id: str) -> list[dict[str, Any]]:
        """Records that a query has brought so far."""
        return self._parts.found.get(job_id)

    def search(self, level: str = "STUDY", servers: list[str] | None = None, **filters: Any) -> str:
        """Ask the local database and many servers at once; returns the search's id.

        `servers` left out means all that are enabled. Answers come as ``search_records`` events, the end as
        ``search_finished``.
        """
        query_of(level, filters)
        return self._desk.searches.start(level_from(level).value, dict(filters), servers)

    def search_result(self, search_id: str) -> dict[str, Any]:
        """What a search has brought so far: merged records, what became of each server, and whether it ended."""
        return self._desk.searches.result(search_id)

    def search_next(self, search_id: str, server: str) -> list[dict[str, Any]]:
        """Ask a server for what its limit held back of a search; ``search_id`` and ``query`` of each new search."""
        return self._desk.searches.following(search_id, server)

    def cancel_search(self, search_id: str) -> None:
        """Ask no further."""
        self._desk.searches.cancel(search_id)

    def retrieve(
        self,
        StudyInstanceUID: str,
        server: str = "",
        SeriesInstanceUID: str = "",
        SOPInstanceUIDs: list[str] | None = None,
        PatientID: str = "",
        label: str = "",
        servers: list[str] | None = None,
        force: bool = False,
        priority: int = Priority.NORMAL,
    ) -> str:
        """Fetch a study, a series or instances; returns the job's id.

        From `server` alone, from `servers` in that order, or, with neither, from wherever they are. `force` fetches
        again what is here already, which stays until the new copy is whole.
        """
        for name in [server] if server else servers or []:
            self._parts.servers.get(name)
        if not self._parts.long_lived:
            self._parts.offline.require_online("retrieve", server)  # nobody is there to go online again
        if not StudyInstanceUID:
            message = "A retrieve needs the StudyInstanceUID."
            raise UsageError(message, server=server, next_step="Query for it first.")
        given = {
            "SeriesInstanceUID": SeriesInstanceUID,
            "SOPInstanceUIDs": SOPInstanceUIDs,
            "PatientID": PatientID,
            "sources": None if server else servers,
            "force": force,
        }
        parameters = {"StudyInstanceUID": StudyInstanceUID, **{key: value for key, value in given.items() if value}}
        return self._queue.submit(
            "retrieve",
            parameters,
            server=server,
            priority=priority,
            label=label or SeriesInstanceUID or StudyInstanceUID,
        )

    def send(
        self,
        level: str,
        uids: list[str],
        servers: list[str] | None = None,
        address: dict[str, Any] | None = None,
        label: str = "",
    ) -> list[str]:
        """Send patients (by key), studies, series or instances; returns one job's id for each receiver.

        Receivers are `servers`, and an `address` given by hand: ``called_ae_title``, ``host``, ``port``, or ``url``.
        """
        if not uids or not (servers or address):
            message = "Sending needs what to send, and a server or an address."
            raise UsageError(message)
        if not self._parts.long_lived:
            for name in servers or [""]:
                self._parts.offline.require_online("send", name)
        parameters = {"level": level_from(level).value, "uids": [str(uid) for uid in uids]}
        text = label or ", ".join(parameters["uids"][:2])
        for name in servers or ():
            config = self._parts.servers.get(name)
            if not config.store_enabled:
                message = f"{name} is not set up for sending."
                raise UsageError(message, server=name, next_step="Allow it in the settings of the server.")
        jobs = [self._queue.submit("send", parameters, server=name, label=text) for name in servers or ()]
        if address:
            address_config(address)
            jobs.append(self._queue.submit("send", {**parameters, "address": address}, label=text))
        return jobs

    def worklist(self, server: str, **fields: Any) -> str:
        """Ask for scheduled procedure steps; returns the job's id, the steps are in its result."""
        self._parts.servers.get(server)
        known = {field.name for field in dataclasses.fields(WorklistQuery)}
        if unknown := ", ".join(sorted(set(fields) - known)):
            message = f"There is no worklist filter {unknown}."
            raise UsageError(message, subject=unknown, next_step=f"Known filters: {', '.join(sorted(known))}.")
        self._parts.offline.require_online("worklist", server)
        return self._queue.submit(
            "worklist", {"query": fields}, server=server, priority=Priority.HIGH, label="Worklist"
        )

    def watch(
        self, StudyInstanceUID: str, server: str = "", minutes: float = 60.0, interval_s: float = 60.0
    ) -> dict[str, Any]:
        """Fetch what is new of a study every so often for a while; news come as ``watch_news`` events."""
        if server:
            self._parts.servers.get(server)
        return self._desk.watches.start(StudyInstanceUID, server, minutes=minutes, interval_s=interval_s)

    def stop_watch(self, StudyInstanceUID: str) -> bool:
        """Watch a study no more; False if it was not watched."""
        return self._desk.watches.stop(StudyInstanceUID)

    def watches(self) -> list[dict[str, Any]]:
        """The studies that are watched."""
        return self._desk.watches.list()

    def show_patient(self, PatientID: str, StudyInstanceUID: str = "") -> list[str]:
        """The user looks at this patient: fetch ahead and refresh as each server's settings say.

        Returns the ids of the jobs that were started.
        """
        started = []
        for config in self._parts.servers.list():
            if not (config.enabled and config.retrieve_enabled) or config.manual:
                continue
            if self._parts.offline.holds("prefetch", config.name):
                continue
            if config.prefetch != "nothing":
                parameters = {"PatientID": PatientID, "StudyInstanceUID": StudyInstanceUID}
                started.append(
                    self._queue.submit(
                        "prefetch",
                        parameters,
                        server=config.name,
                        priority=Priority.LOW,
                        label="Fetching ahead",
                        by_user=False,
                    )
                )
            if config.refresh_younger_h:
                here = self._parts.database.reader.studies(Query(level=Level.STUDY, PatientID=PatientID))
                young = young_studies(here, config.refresh_younger_h)
                started += [self._refreshed(study.StudyInstanceUID, config.name) for study in young]
        return started

    def _refreshed(self, study: str, server: str) -> str:
        """Ask for what is new of a study; what the user paused stays paused."""
        parameters = {"StudyInstanceUID": study}
        return self._queue.submit("retrieve", parameters, server=server, label=study, by_user=False)

    def raise_priority(
        self, StudyInstanceUID: str = "", SeriesInstanceUID: str = "", priority: int = Priority.HIGHEST
    ) -> list[str]:
        """Let all unfinished jobs of a study or series go before others; returns their ids."""
        wanted = {"StudyInstanceUID": StudyInstanceUID, "SeriesInstanceUID": SeriesInstanceUID}
        wanted = {key: value for key, value in wanted.items() if value}
        if not wanted:
            message = "Raising a priority needs a StudyInstanceUID or a SeriesInstanceUID."
            raise UsageError(message)
        concerned = [job for job in self._queue.jobs() if not job.state.finished and _concerns(job, wanted)]
        return [job.job_id for job in concerned if self._queue.set_priority(job.job_id, priority)]

    def offline(self) -> bool:
        """Whether servers are left alone."""
        return self._parts.offline.on

    def set_offline(self, offline: bool) -> None:
        """Leave servers alone, or go online again; the setting ``network/offline``, told by ``offline_changed``."""
        self._parts.settings[OFFLINE] = offline
        if not self._parts.database.read_only:
            self._parts.database.own.put("settings", OFFLINE, bool(offline))
        self._desk.offline_changed()

    def start_node(self, host: str = "", port: int | None = None, ae_title: str = "") -> dict[str, Any]:
        """Take instances from other DICOM nodes and offer the local database; returns where it listens."""
        try:
            return self._desk.listening.start(host=host, port=port, ae_title=ae_title)
        finally:
            self._parts.hub.publish("node_changed")

    def stop_node(self) -> None:
        """End our own node."""
        self._desk.listening.stop()
        self._parts.hub.publish("node_changed")

    def node(self) -> dict[str, Any]:
        """Whether our own node runs, and where."""
        return self._desk.listening.fields()

    def start_notifier(self, host: str = "", port: int | None = None) -> dict[str, Any]:
        """Listen to what servers' own scripts post; returns address, port and token."""
        return self._desk.notifications.start_endpoint(host=host, port=port)

    def stop_notifier(self) -> None:
        """Listen to servers' scripts no more."""
        self._desk.notifications.stop_endpoint()


def _concerns(job: JobRecord, wanted: dict[str, str]) -> bool:
    query = job.parameters.get("query") or {}
    return all(value in (job.parameters.get(key), query.get(key)) for key, value in wanted.items())
