"""Our own SQLite file beside CTK's: ``visual-dicom-browser.sql``.

Kept here: JSON values by section and key (settings, servers, thumbnail states: whoever writes a section owns
it), files that were not taken because another with the same SOP Instance UID was there first, further birth
dates of a patient, and what a removal has yet to delete. The job journal opens the same file with tables of
its own. Nothing in it is needed to read the DICOM database. Safe from any thread; every call is one short
transaction that outlives the process.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.database.connection import ReadConnections, WriteConnection, read_only_error

__all__ = ["Conflict", "OwnStore", "PendingRemoval"]

_KEYS_AT_ONCE = 400
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS Entries (section TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,"
    " PRIMARY KEY (section, key)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS Conflicts (SOPInstanceUID TEXT NOT NULL, SeriesInstanceUID TEXT NOT NULL,"
    " path TEXT NOT NULL, kept_path TEXT NOT NULL, reason TEXT NOT NULL, time REAL NOT NULL,"
    " PRIMARY KEY (SOPInstanceUID, path)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS ConflictsOfSeries ON Conflicts (SeriesInstanceUID)",
    "CREATE TABLE IF NOT EXISTS OtherBirthDates (PatientID TEXT NOT NULL, PatientName TEXT NOT NULL,"
    " PatientBirthDate TEXT NOT NULL, PRIMARY KEY (PatientID, PatientName, PatientBirthDate)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS PendingRemovals (number INTEGER PRIMARY KEY, SeriesInstanceUID TEXT NOT NULL,"
    " StudyInstanceUID TEXT NOT NULL, instances TEXT NOT NULL)",
)


@dataclass(frozen=True, slots=True)
class Conflict:
    """A file that was not taken: `kept_path` has the same SOP Instance UID with other content and came first.

    `time` is in seconds since 1970.
    """

    SOPInstanceUID: str
    SeriesInstanceUID: str
    path: str
    kept_path: str
    reason: str
    time: float

    def as_dict(self) -> dict[str, Any]:
        """Fields by name, for the wire."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class PendingRemoval:
    """A removal that has begun: rows ``(SOPInstanceUID, Filename, InsertTimestamp)`` of one series."""

    number: int
    SeriesInstanceUID: str
    StudyInstanceUID: str
    instances: tuple[tuple[str, str, str], ...]


class OwnStore:
    """The opened file.

    Parameters
    ----------
    path : Path
        The file; made if missing and `writable`.
    writable : bool
        False opens for reading only; a missing file is then an empty one.

    Raises
    ------
    DatabaseFault, StorageFault
        The file cannot be opened or is damaged.
    """

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        self.path = path
        self._file = WriteConnection(path) if writable else None
        self._readers: ReadConnections | None = None
        try:
            if self._file is not None:
                with self._file.transaction() as connection:
                    for statement in _SCHEMA:
                        connection.execute(statement)
            if path.exists():
                self._readers = ReadConnections(path, writable=writable)
        except BaseException:
            self.close()
            raise

    def get(self, section: str, key: str) -> Any | None:
        """Value under that key, None if there is none."""
        rows = self._rows("SELECT value FROM Entries WHERE section = ? AND key = ?", (section, key))
        return json.loads(rows[0][0]) if rows else None

    def get_many(self, section: str, keys: Sequence[str]) -> dict[str, Any]:
        """Values of those of `keys` that the section has."""
        found: dict[str, Any] = {}
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            chunk = tuple(keys[start : start + _KEYS_AT_ONCE])
            marks = ", ".join("?" * len(chunk))
            sql = f"SELECT key, value FROM Entries WHERE section = ? AND key IN ({marks})"
            rows = self._rows(sql, (section, *chunk))
            found.update((key, json.loads(value)) for key, value in rows)
        return found

    def put(self, section: str, key: str, value: Any) -> None:
        """Keep a JSON value under that key, in place of an earlier one."""
        text = json.dumps(value)
        with self._writing().transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO Entries VALUES (?, ?, ?)", (section, key, text))

    def put_many(self, section: str, values: Mapping[str, Any]) -> None:
        """Keep several values of a section in one transaction."""
        rows = [(section, key, json.dumps(value)) for key, value in values.items()]
        with self._writing().transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO Entries VALUES (?, ?, ?)", rows)

    def clear(self, section: str) -> None:
        """Forget all values of a section."""
        with self._writing().transaction() as connection:
            connection.execute("DELETE FROM Entries WHERE section = ?", (section,))

    def delete(self, section: str, key: str) -> None:
        """Forget the value under that key, if there is one."""
        with self._writing().transaction() as connection:
            connection.execute("DELETE FROM Entries WHERE section = ? AND key = ?", (section, key))

    def rename_section(self, old: str, new: str) -> None:
        """Call the section `old` `new` from now on; what was there before is forgotten."""
        with self._writing().transaction() as connection:
            connection.execute("DELETE FROM Entries WHERE section = ?", (new,))
            connection.execute("UPDATE Entries SET section = ? WHERE section = ?", (new, old))

    def rename_key(self, section: str, old: str, new: str) -> None:
        """Keep the value under `old` under `new` from now on; what was there before is forgotten."""
        with self._writing().transaction() as connection:
            connection.execute("DELETE FROM Entries WHERE section = ? AND key = ?", (section, new))
            connection.execute("UPDATE Entries SET key = ? WHERE section = ? AND key = ?", (new, section, old))

    def items(self, section: str) -> dict[str, Any]:
        """All values of a section by key."""
        rows = self._rows("SELECT key, value FROM Entries WHERE section = ?", (section,))
        return {key: json.loads(value) for key, value in rows}

    def record_conflict(
        self, *, SOPInstanceUID: str, SeriesInstanceUID: str, path: str, kept_path: str, reason: str
    ) -> None:
        """Keep in mind that the file `path` was not taken; the same file again is one conflict."""
        row = (SOPInstanceUID, SeriesInstanceUID, path, kept_path, reason, time.time())
        with self._writing().transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO Conflicts VALUES (?, ?, ?, ?, ?, ?)", row)

    def conflicts(self) -> list[Conflict]:
        """All conflicts, the newest first."""
        return [Conflict(*row) for row in self._rows("SELECT * FROM Conflicts ORDER BY time DESC, path")]

    def record_other_birth_dates(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Keep ``(PatientID, PatientName, PatientBirthDate)`` of files that differ from the patient's row."""
        with self._writing().transaction() as connection:
            connection.executemany("INSERT OR IGNORE INTO OtherBirthDates VALUES (?, ?, ?)", rows)

    def other_birth_dates(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """Further birth dates (``YYYYMMDD``) by PatientID and PatientName, in order."""
        rows = self._rows("SELECT * FROM OtherBirthDates ORDER BY PatientBirthDate")
        dates: dict[tuple[str, str], tuple[str, ...]] = {}
        for patient_id, name, date in rows:
            dates[patient_id, name] = (*dates.get((patient_id, name), ()), date)
        return dates

    def begin_removal(
        self, series_uid: str, study_uid: str, instances: Iterable[tuple[str, str, str]]
    ) -> PendingRemoval:
        """Note, before anything is deleted, what belongs to a series that is to be removed."""
        noted = tuple(instances)
        with self._writing().transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO PendingRemovals (SeriesInstanceUID, StudyInstanceUID, instances) VALUES (?, ?, ?)",
                (series_uid, study_uid, json.dumps(noted)),
            )
        return PendingRemoval(cursor.lastrowid or 0, series_uid, study_uid, noted)

    def pending_removals(self) -> list[PendingRemoval]:
        """Removals that were begun and not ended."""
        rows = self._rows("SELECT number, SeriesInstanceUID, StudyInstanceUID, instances FROM PendingRemovals")
        return [
            PendingRemoval(number, series, study, tuple((sop, name, time) for sop, name, time in json.loads(text)))
            for number, series, study, text in rows
        ]

    def end_removal(self, removal: PendingRemoval) -> None:
        """Everything that was noted is deleted."""
        with self._writing().transaction() as connection:
            connection.execute("DELETE FROM PendingRemovals WHERE number = ?", (removal.number,))

    def forget(self, *, uids: Iterable[str] = (), patient: tuple[str, str] | None = None) -> None:
        """Forget what is known of removed series and studies, and of a patient (PatientID, PatientName).

        Entries of every section whose key is one of `uids` go, and the conflicts of those series.
        """
        keys = [(uid,) for uid in uids]
        with self._writing().transaction() as connection:
            connection.executemany("DELETE FROM Conflicts WHERE SeriesInstanceUID = ?", keys)
            connection.executemany("DELETE FROM Entries WHERE key = ?", keys)
            if patient is not None:
                connection.execute("DELETE FROM OtherBirthDates WHERE PatientID = ? AND PatientName = ?", patient)

    def close(self) -> None:
        """Close every connection. May be called again."""
        if self._readers is not None:
            self._readers.close()
        if self._file is not None:
            self._file.close()

    def _rows(self, sql: str, parameters: tuple[str, ...] = ()) -> list[tuple[Any, ...]]:
        return [] if self._readers is None else self._readers.rows(sql, parameters)

    def _writing(self) -> WriteConnection:
        if self._file is None:
            raise read_only_error(self.path)
        return self._file
