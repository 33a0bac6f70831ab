"""Commands for looking after the local database: what a removal means, removing, checking, columns, who may be
asked about a patient; see ``commands`` for the rules.
"""

from __future__ import annotations

import shutil
from collections import Counter
from typing import Any

from VisualDICOMBrowserLib.database.footprint import database_size, footprint
from VisualDICOMBrowserLib.database.patient_connections import connections_of, set_server
from VisualDICOMBrowserLib.engine.arguments import level_from
from VisualDICOMBrowserLib.engine.desk import EngineDesk
from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.jobs.job import Priority
from VisualDICOMBrowserLib.model import Level

__all__ = ["CareCommands"]

_TABLES = ("Patients", "Studies", "Series")
_OWN_COLUMNS = "columns"
_STATES = ("allow", "deny", "")


class CareCommands:
    """What a window asks to look after the local database."""

    def __init__(self, desk: EngineDesk) -> None:
        self._desk = desk
        self._parts = desk.parts
        self._database = desk.parts.database
        self._queue = desk.queue

    def use_as_picture(self, series: str, SOPInstanceUID: str, frame: int = 0) -> str:
        """Make this image the picture of its series from now on; empty goes back to the middle. Returns a job's id."""
        self._parts.thumbnails.choose(series, SOPInstanceUID, frame)
        # A job for an earlier choice that still runs may have read that one already, so it is not the same job.
        parameters = {"series": [series], "force": True, "choice": [SOPInstanceUID, frame]}
        return self._queue.submit("thumbnail", parameters, priority=Priority.HIGH, label="Picture")

    def footprint(
        self, patients: list[int] | None = None, studies: list[str] | None = None, series: list[str] | None = None
    ) -> dict[str, Any]:
        """What the removal of patients (by key), studies and series would mean.

        Numbers of ``series``, ``studies``, ``instances``; ``bytes`` (``estimated`` for very many files); what would
        be deleted from disk (``deleted_series``, ``deleted_files``) and what stays (``linked_files``);
        ``elsewhere``: how many of the series each server was last seen to have; ``only_here_series``: how many none.
        """
        found = footprint(self._database, patients or (), studies or (), series or ())
        elsewhere: Counter[str] = Counter()
        known: set[str] = set()
        servers = {config.name for config in self._parts.servers.list()}
        for study in dict.fromkeys(found.series.values()):
            for server, records in self._desk.remote.series(study).items():
                there = {record.SeriesInstanceUID for record in records} & found.series.keys()
                if there and server in servers:
                    elsewhere[server] += len(there)
                    known |= there
        return {
            "series": len(found.series),
            "studies": len(set(found.series.values())),
            "instances": found.instances,
            "bytes": found.bytes,
            "estimated": found.estimated,
            "deleted_series": found.deleted_series,
            "deleted_files": found.deleted_files,
            "linked_files": found.linked_files,
            "only_here_series": len(found.series.keys() - known),
            "elsewhere": dict(elsewhere),
        }

    def remove_many(self, items: list[dict[str, Any]]) -> str:
        """Remove patients (by key), studies and series, each ``{level, uid}``, in one job; returns its id."""
        plain = [[level_from(item.get("level", "")).value, str(item.get("uid", ""))] for item in items]
        if not plain or Level.IMAGE.value in {level for level, _ in plain}:
            message = "Patients, studies or series can be removed; nothing of that was named."
            raise UsageError(message)
        label = plain[0][1] if len(plain) == 1 else f"{plain[0][1]} and {len(plain) - 1} more"
        return self._queue.submit("remove", {"items": plain}, priority=Priority.HIGH, label=label)

    def database_info(self, brief: bool = False) -> dict[str, Any]:
        """Folder, numbers, sizes, free space, schema, whether it may be written, and what the opening met.

        With `brief` what a status line shows: folder, patients, free space, whether it may be written.
        """
        if brief:
            return {
                "folder": str(self._database.folder),
                "patients": self._database.reader.patient_count(),
                "free_bytes": shutil.disk_usage(self._database.folder).free,
                "read_only": self._database.read_only,
            }
        counts = self._database.reader.counts()
        version = self._database.connections.rows("SELECT Version FROM SchemaInfo")
        return {
            "folder": str(self._database.folder),
            "patients": counts.patients,
            "studies": counts.studies,
            "series": counts.series,
            "instances": counts.instances,
            **database_size(self._database),
            "read_only": self._database.read_only,
            "schema": str(version[0][0]) if version else "",
            "notices": list(self._database.notices),
        }

    def check_database(self) -> str:
        """Check the database and whether every file is there; returns the job's id."""
        return self._queue.submit("check", {}, label="Check of the database")

    def column_properties(self, table: str) -> list[dict[str, Any]]:
        """Columns of ``Patients``, ``Studies`` or ``Series``, the visible ones first: as CTK keeps them, then ours."""
        columns = [
            {"field": c.field, "title": c.title, "visible": c.visible, "weight": c.weight, "format": c.format}
            for c in self._database.columns.of_table(_table(table))
        ]
        own = self._database.own.get(_OWN_COLUMNS, table) or {}
        return [*columns, *({"field": field, **values} for field, values in own.items())]

    def set_column_properties(self, table: str, columns: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Change what is given of columns (``field``, ``title``, ``visible``, ``weight``, ``format``); returns all.

        Columns that CTK does not know are kept in our own file.
        """
        known = {column.field for column in self._database.columns.of_table(_table(table))}
        own = dict(self._database.own.get(_OWN_COLUMNS, table) or {})
        for column in columns:
            given = {name: column[name] for name in ("title", "visible", "weight", "format") if name in column}
            field = str(column.get("field", ""))
            if field in known:
                self._database.columns.set(table, field, **given)
            else:
                own[field] = {"title": "", "visible": True, "weight": 0, "format": "", **own.get(field, {}), **given}
        if own:
            self._database.own.put(_OWN_COLUMNS, table, own)
        return self.column_properties(table)

    def patient_servers(self, PatientID: str) -> list[dict[str, Any]]:
        """Who may be asked about a local patient: of each server ``server``, ``state`` (allow, deny, empty), ``asked``.

        ``asked`` says what that comes to: trusted servers are asked unless denied, others only if allowed.
        """
        known = connections_of(self._database, PatientID)
        allow = {name for patient in known for name in patient.allow}
        deny = {name for patient in known for name in patient.deny}
        states = []
        for config in self._parts.servers.list():
            state = "deny" if config.name in deny else "allow" if config.name in allow else ""
            asked = config.enabled and state != "deny" and (config.trusted or state == "allow")
            states.append({"server": config.name, "state": state, "trusted": config.trusted, "asked": asked})
        return states

    def set_patient_server(self, PatientID: str, server: str, state: str) -> None:
        """Let a server be asked about a local patient (``allow``), never (``deny``), or as its settings say (empty)."""
        if state not in _STATES:
            message = f"{state!r} is no state; use allow, deny or nothing."
            raise UsageError(message, subject=state)
        self._parts.servers.get(server)
        if not connections_of(self._database, PatientID):
            message = f"There is no patient {PatientID} in the local database."
            raise UsageError(message, subject=PatientID)
        set_server(self._database, PatientID, server, state)


def _table(name: str) -> str:
    if name not in _TABLES:
        message = f"There is no table {name}; use {', '.join(_TABLES)}."
        raise UsageError(message, subject=name)
    return name
