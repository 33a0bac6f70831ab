"""The commands an engine understands, each one method of `Commands` with plain JSON arguments and result.

The method's name is the command's name on the wire and its parameters are the command's arguments.
None of them waits for the network or for long work; those that start a job return its id.
"""

from __future__ import annotations

import dataclasses
import inspect
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib import __version__
from VisualDICOMBrowserLib.engine.kind_find import query_from
from VisualDICOMBrowserLib.engine.kind_local import thumbnail_fields
from VisualDICOMBrowserLib.engine.parts import EngineParts
from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.jobs.job import Priority
from VisualDICOMBrowserLib.jobs.queue import JobQueue
from VisualDICOMBrowserLib.model import Level, Query, record_as_dict
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.node import Node

__all__ = ["Commands"]


class Commands:
    """The command table over the parts and the queue of one engine."""

    def __init__(self, parts: EngineParts, queue: JobQueue) -> None:
        self._parts = parts
        self._queue = queue
        self._node_lock = threading.Lock()
        self._node: Node | None = None
        self._node_fields: dict[str, Any] = {}

    def run(self, command: str, arguments: Mapping[str, Any]) -> Any:
        """Call the method named `command` with `arguments`."""
        if command not in _COMMANDS:
            message = f"The engine knows no command {command!r}."
            raise UsageError(message, code="unknown_command", subject=command)
        method = getattr(self, command)
        try:
            bound = inspect.signature(method).bind(**arguments)
        except TypeError as error:
            message = f"The command {command} was given wrong arguments: {error}."
            raise UsageError(message, subject=command) from None
        return method(*bound.args, **bound.kwargs)

    def close(self) -> None:
        """End our own node."""
        self.stop_node()

    def ping(self) -> dict[str, Any]:
        """Version of the engine and the database it works on."""
        return {
            "version": __version__,
            "database": str(self._parts.database.folder),
            "read_only": self._parts.database.read_only,
        }

    # Local database

    def import_files(self, paths: list[str], copy: bool | None = None) -> str:
        """Import files and folders; returns the job's id. `copy` left out takes the setting."""
        absolute = [str(Path(path).absolute()) for path in paths]
        if not absolute:
            message = "There is nothing to import: no path was given."
            raise UsageError(message)
        parameters = {
            "paths": absolute,
            "copy": self._parts.settings.flag("import/copy") if copy is None else copy,
        }
        label = absolute[0] if len(absolute) == 1 else f"{absolute[0]} and {len(absolute) - 1} more"
        return self._queue.submit("import", parameters, label=label)

    def records(self, level: str = "PATIENT", **filters: Any) -> list[dict[str, Any]]:
        """Records of the local database at `level` that match `filters` (fields of `Query`)."""
        found = self._parts.database.reader.find(_query(level, filters))
        return [record_as_dict(record) for record in found]

    def counts(self) -> dict[str, int]:
        """Numbers of patients, studies, series and instances in the local database."""
        counts = self._parts.database.reader.counts()
        return {
            "patients": counts.patients,
            "studies": counts.studies,
            "series": counts.series,
            "instances": counts.instances,
        }

    def remove(self, level: str, uid: str | int) -> str:
        """Remove a patient (by key), study or series from the local database; returns the job's id."""
        parameters = {"level": _level(level).value, "uid": str(uid)}
        return self._queue.submit("remove", parameters, priority=Priority.HIGH, label=str(uid))

    def make_thumbnails(self, series: list[str], force: bool = False) -> str:
        """Make the pictures of series; returns the job's id."""
        return self._queue.submit("thumbnail", {"series": series, "force": force}, label="Pictures")

    def thumbnail(self, series: str) -> dict[str, Any] | None:
        """What is known of the picture of a series, None if it was never made."""
        known = self._parts.thumbnails.cached(series)
        return None if known is None else thumbnail_fields(known)

    def precache_tags(self, tags: list[str]) -> None:
        """Read these tags (``GGGG,EEEE``) too from what is indexed from now on, also by later engines.

        Slicer's DICOM plugins name theirs, so that loading finds them in the tag cache.
        """
        own = self._parts.database.own
        known = {*(own.get("engine", "precached_tags") or ()), *tags}
        self._parts.database.add_tags(tags)
        own.put("engine", "precached_tags", sorted(known))

    def conflicts(self) -> list[dict[str, Any]]:
        """Files that were not taken because another file has the same SOP Instance UID."""
        return [conflict.as_dict() for conflict in self._parts.database.own.conflicts()]

    # Servers

    def servers(self) -> list[dict[str, Any]]:
        """Settings of all servers, in their order."""
        return [config.to_dict() for config in self._parts.servers.list()]

    def add_server(self, **fields: Any) -> dict[str, Any]:
        """Add a server; returns its settings with defaults filled in."""
        known = {field.name for field in dataclasses.fields(ServerConfig)}
        if unknown := sorted(set(fields) - known):
            message = f"A server has no field {', '.join(unknown)}."
            raise UsageError(message, subject=unknown[0])
        return self._parts.servers.add(ServerConfig.from_dict(fields)).to_dict()

    def edit_server(self, name: str, **changes: Any) -> dict[str, Any]:
        """Change some settings of a server; ``new_name`` renames it."""
        if "new_name" in changes:
            changes["name"] = changes.pop("new_name")
        return self._parts.servers.edit(name, **changes).to_dict()

    def remove_server(self, name: str) -> None:
        """Forget a server."""
        self._parts.servers.remove(name)

    def test_server(self, name: str) -> str:
        """Send a C-ECHO; returns the job's id."""
        self._parts.servers.get(name)
        return self._queue.submit("echo", {}, server=name, priority=Priority.HIGH, label="Test")

    def find(self, server: str, level: str = "STUDY", **filters: Any) -> str:
        """Ask a server; returns the job's id, the answers come as events and by `find_results`."""
        self._parts.servers.get(server)
        _query(level, filters)
        query = {"level": _level(level).value, **filters}
        return self._queue.submit("find", {"query": query}, server=server, priority=Priority.HIGH, label="Query")

    def find_results(self, job_id: str) -> list[dict[str, Any]]:
        """Records that a query has brought so far."""
        return self._parts.found.get(job_id)

    def retrieve(
        self,
        server: str,
        StudyInstanceUID: str,
        SeriesInstanceUID: str = "",
        SOPInstanceUIDs: list[str] | None = None,
        PatientID: str = "",
        label: str = "",
    ) -> str:
        """Fetch a study, a series or instances from a server; returns the job's id."""
        self._parts.servers.get(server)
        if not StudyInstanceUID:
            message = "A retrieve needs the StudyInstanceUID."
            raise UsageError(message, server=server, next_step=f"Query {server} for it first.")
        parameters: dict[str, Any] = {"StudyInstanceUID": StudyInstanceUID}
        if SeriesInstanceUID:
            parameters["SeriesInstanceUID"] = SeriesInstanceUID
        if SOPInstanceUIDs:
            parameters["SOPInstanceUIDs"] = SOPInstanceUIDs
        if PatientID:
            parameters["PatientID"] = PatientID
        return self._queue.submit(
            "retrieve", parameters, server=server, label=label or SeriesInstanceUID or StudyInstanceUID
        )

    # Jobs

    def jobs(self) -> list[dict[str, Any]]:
        """All jobs without their parameters and logs, the newest last."""
        return [job.as_dict(brief=True) for job in self._queue.jobs()]

    def job(self, job_id: str) -> dict[str, Any]:
        """One job."""
        return self._queue.job(job_id).as_dict()

    def take_up_job(self, job_id: str) -> dict[str, Any]:
        """One job without its parameters and log; goes on if an earlier engine left it unfinished."""
        return self._queue.take_up(job_id).as_dict(brief=True)

    def cancel_job(self, job_id: str) -> bool:
        """Ask a job to end; False if it had ended already."""
        return self._queue.cancel(job_id)

    def clear_jobs(self) -> int:
        """Forget finished jobs; returns how many."""
        return self._queue.clear_finished()

    def resume_jobs(self) -> list[str]:
        """Take up jobs that an earlier engine left unfinished; returns their ids."""
        return self._queue.resume_unfinished()

    # Settings and our own node

    def settings(self) -> dict[str, Any]:
        """Settings that differ from their defaults."""
        return dict(self._parts.settings.changed())

    def set_setting(self, key: str, value: Any) -> None:
        """Change one setting and keep it with the database."""
        self._parts.settings[key] = value
        self._parts.database.own.put("settings", key, self._parts.settings[key])

    def start_node(self, host: str = "", port: int | None = None, ae_title: str = "") -> dict[str, Any]:
        """Offer the local database to other DICOM nodes; returns address, port and AE title."""
        with self._node_lock:
            if self._node is None:
                self._start_node(host, port, ae_title)
            return self.node()

    def _start_node(self, host: str, port: int | None, ae_title: str) -> None:
        settings = self._parts.settings
        address = host or settings.text("node/host")
        title = ae_title or settings.text("node/ae_title")
        node = Node(
            self._parts.database,
            self._parts.store,
            ae_title=title,
            host=address,
            port=settings.integer("node/port") if port is None else port,
            destinations={config.called_ae_title: config for config in self._parts.servers.list()},
            on_stored=lambda outcome: self._parts.changes.add(series=[outcome.SeriesInstanceUID]),
        )
        node.start()
        self._node = node
        self._node_fields = {"running": True, "host": address, "port": node.port, "ae_title": title}

    def stop_node(self) -> None:
        """End our own node, if it runs."""
        with self._node_lock:
            node, self._node = self._node, None
            if node is not None:
                node.close()

    def node(self) -> dict[str, Any]:
        """Whether our own node runs, and where."""
        return self._node_fields if self._node is not None else {"running": False}


_COMMANDS = frozenset(name for name in vars(Commands) if not name.startswith("_") and name not in ("run", "close"))


def _level(text: str) -> Level:
    try:
        return Level(str(text).upper())
    except ValueError:
        message = f"{text!r} is not a level; use PATIENT, STUDY, SERIES or IMAGE."
        raise UsageError(message, subject=str(text)) from None


def _query(level: str, filters: dict[str, Any]) -> Query:
    try:
        return query_from({"level": _level(level), **filters})
    except TypeError:
        known = ", ".join(name for name in inspect.signature(Query).parameters if name != "level")
        wrong = ", ".join(sorted(set(filters) - set(inspect.signature(Query).parameters)))
        message = f"There is no filter {wrong}."
        raise UsageError(message, subject=wrong, next_step=f"Known filters: {known}.") from None
