"""Which servers may be asked about a patient: CTK's column ``Connections`` of the patient's row.

The empty name stands for local imports (docs of CTK's browser). Reading from any thread; writing is one short
transaction of the database's writer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from VisualDICOMBrowserLib.database.local_database import LocalDatabase

__all__ = ["PatientConnections", "allow_server", "connections_of", "forget_server", "rename_server", "set_server"]


@dataclass(frozen=True, slots=True)
class PatientConnections:
    """Servers allowed and denied for the patient with the row number `key`."""

    key: int
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


def connections_of(database: LocalDatabase, patient_id: str) -> list[PatientConnections]:
    """What is set for the local patients of that very PatientID; one row for each name it is used with."""
    rows = database.connections.rows("SELECT UID, Connections FROM Patients WHERE PatientID = ?", (patient_id,))
    return [PatientConnections(key, *_read(text)) for key, text in rows]


def allow_server(database: LocalDatabase, patient_id: str, server: str) -> None:
    """Let `server` be asked about the local patients of that PatientID, except where it is denied."""
    for known in connections_of(database, patient_id):
        if server not in known.allow and server not in known.deny:
            database.writer.set_connections(known.key, (*known.allow, server), known.deny)


def set_server(database: LocalDatabase, patient_id: str, server: str, state: str) -> None:
    """Note for the local patients of that PatientID that `server` may (``allow``) or may not (``deny``) be asked."""
    for known in connections_of(database, patient_id):
        allow = [name for name in known.allow if name != server] + ([server] if state == "allow" else [])
        deny = [name for name in known.deny if name != server] + ([server] if state == "deny" else [])
        database.writer.set_connections(known.key, allow, deny)


def rename_server(database: LocalDatabase, old: str, new: str) -> int:
    """Let what is set for the server `old`, of any patient, hold for `new`; returns for how many patients."""
    known = _naming(database, old)
    for each in known:
        allow, deny = ([new if name == old else name for name in names] for names in (each.allow, each.deny))
        database.writer.set_connections(each.key, list(dict.fromkeys(allow)), list(dict.fromkeys(deny)))
    return len(known)


def forget_server(database: LocalDatabase, server: str) -> int:
    """Allow `server` for no patient any more, lest another one of that name inherits it; what is denied stays so."""
    known = [each for each in _naming(database, server) if server in each.allow]
    for each in known:
        database.writer.set_connections(each.key, [name for name in each.allow if name != server], each.deny)
    return len(known)


def _naming(database: LocalDatabase, server: str) -> list[PatientConnections]:
    """What is set of all patients for whom `server` is allowed or denied."""
    rows = database.connections.rows("SELECT UID, Connections FROM Patients WHERE Connections <> ''", ())
    known = (PatientConnections(key, *_read(text)) for key, text in rows)
    return [each for each in known if server in each.allow or server in each.deny]


def _read(text: object) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Allowed and denied names; what another program left in another form allows nothing."""
    try:
        values = json.loads(str(text or "{}"))
        return _names(values.get("allow")), _names(values.get("deny"))
    except (ValueError, AttributeError):
        return (), ()


def _names(value: object) -> tuple[str, ...]:
    return tuple(str(name) for name in value) if isinstance(value, list) else ()
