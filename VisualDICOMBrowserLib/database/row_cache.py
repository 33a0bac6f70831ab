"""Rows of patients, studies and series that are being filed into, held in memory.

What a batch needs to know of existing rows is loaded once and kept until another program writes to the
database (`PRAGMA data_version`), a transaction fails or too many are held, so that filing an instance asks
the database nothing. Does not live here: inserting rows and the merging of displayed fields (`filing`).
Used under the lock of the writing connection.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import Any

from VisualDICOMBrowserLib.database.values import date_from_column

__all__ = ["PatientRow", "RowCache", "SeriesRow", "StudyRow", "TableRow", "count_images", "count_series"]

_MOST_SERIES = 5000


@dataclass(slots=True, eq=False)
class TableRow:
    """One row: its columns as text (``fields``), which of them differ from the file, and whether counts do."""

    fields: dict[str, str]
    changed: dict[str, None] = field(default_factory=dict)
    recount: bool = False


@dataclass(slots=True, eq=False)
class PatientRow(TableRow):
    """A patient; ``last_date`` (DA text) and ``count`` are over its studies."""

    key: int = 0
    count: int = 0
    last_date: str = ""


@dataclass(slots=True, eq=False)
class StudyRow(TableRow):
    """A study; ``count`` is the number of its series rows."""

    uid: str = ""
    patient: PatientRow = field(default_factory=lambda: PatientRow({}))
    count: int = 0


@dataclass(slots=True, eq=False)
class SeriesRow(TableRow):
    """A series; ``count`` is the number of its image rows, ``seen`` the rule inputs that were merged already."""

    uid: str = ""
    study: StudyRow = field(default_factory=lambda: StudyRow({}))
    count: int = 0
    seen: set[tuple[str | None, ...]] = field(default_factory=set)


class RowCache:
    """Loaded rows by their keys."""

    def __init__(self) -> None:
        self._patient_keys: dict[tuple[str, str], int] | None = None
        self._patients: dict[int, PatientRow] = {}
        self._studies: dict[str, StudyRow] = {}
        self._series: dict[str, SeriesRow] = {}

    def clear(self) -> None:
        """Forget everything; it is loaded again when needed."""
        self._patient_keys = None
        self.release()

    def release(self) -> None:
        """Forget loaded rows but not which patients there are."""
        self._patients.clear()
        self._studies.clear()
        self._series.clear()

    def load_patient_keys(self, connection: sqlite3.Connection) -> None:
        """Load which patients there are, if that is not known; there is no index on their identity."""
        if self._patient_keys is None:
            rows = connection.execute("SELECT PatientID, PatientsName, UID FROM Patients ORDER BY UID DESC")
            self._patient_keys = {(patient_id or "", name or ""): key for patient_id, name, key in rows}

    def trim(self) -> None:
        """Keep memory bounded; call between batches."""
        if len(self._series) > _MOST_SERIES:
            self.release()

    def series(self, connection: sqlite3.Connection, uid: str) -> SeriesRow | None:
        """Row of a series with its study and patient, None if there is none."""
        known = self._series.get(uid)
        if known is None:
            fields = _row(connection, "SELECT * FROM Series WHERE SeriesInstanceUID = ?", uid)
            if fields is None:
                return None
            study = self.study(connection, _text(fields["StudyInstanceUID"]))
            if study is None:
                study = StudyRow({}, uid=_text(fields["StudyInstanceUID"]))
            known = SeriesRow(_texts(fields), uid=uid, study=study, count=count_images(connection, uid))
            self._series[uid] = known
        return known

    def study(self, connection: sqlite3.Connection, uid: str) -> StudyRow | None:
        """Row of a study with its patient, None if there is none."""
        known = self._studies.get(uid)
        if known is None:
            fields = _row(connection, "SELECT * FROM Studies WHERE StudyInstanceUID = ?", uid)
            if fields is None:
                return None
            count = count_series(connection, uid)
            patient = self.patient(connection, int(fields["PatientsUID"])) or PatientRow({})
            known = StudyRow(_texts(fields), uid=uid, patient=patient, count=count)
            self._studies[uid] = known
        return known

    def patient(self, connection: sqlite3.Connection, key: int) -> PatientRow | None:
        """Row of a patient, None if there is none."""
        known = self._patients.get(key)
        if known is None:
            fields = _row(connection, "SELECT * FROM Patients WHERE UID = ?", key)
            if fields is None:
                return None
            dates = connection.execute(
                "SELECT StudyDate FROM Studies WHERE PatientsUID = ? AND StudyInstanceUID <> ''", (key,)
            ).fetchall()
            last = max((date_from_column(date) for (date,) in dates), default="")
            known = PatientRow(_texts(fields), key=key, count=len(dates), last_date=last)
            self._patients[key] = known
        return known

    def patient_named(self, connection: sqlite3.Connection, patient_id: str, name: str) -> PatientRow | None:
        """Row of the patient with exactly that PatientID and name, as CTK identifies patients."""
        self.load_patient_keys(connection)
        key = (self._patient_keys or {}).get((patient_id, name))
        return None if key is None else self.patient(connection, key)

    def add_patient(self, row: PatientRow, patient_id: str, name: str) -> None:
        """Take in a row that was just inserted."""
        self._patients[row.key] = row
        if self._patient_keys is not None:
            self._patient_keys[patient_id, name] = row.key

    def add_study(self, row: StudyRow) -> None:
        """Take in a row that was just inserted."""
        self._studies[row.uid] = row

    def add_series(self, row: SeriesRow) -> None:
        """Take in a row that was just inserted."""
        self._series[row.uid] = row


def count_images(connection: sqlite3.Connection, series_uid: str) -> int:
    """Number of image rows of a series, those of servers included, as CTK counts."""
    sql = "SELECT COUNT(*) FROM Images WHERE SeriesInstanceUID = ?"
    return int(connection.execute(sql, (series_uid,)).fetchone()[0])


def count_series(connection: sqlite3.Connection, study_uid: str) -> int:
    """Number of series rows of a study."""
    sql = "SELECT COUNT(*) FROM Series WHERE StudyInstanceUID = ?"
    return int(connection.execute(sql, (study_uid,)).fetchone()[0])


def _row(connection: sqlite3.Connection, sql: str, key: object) -> dict[str, Any] | None:
    cursor = connection.execute(sql, (key,))
    values = cursor.fetchone()
    return None if values is None else dict(zip((item[0] for item in cursor.description), values, strict=True))


def _texts(fields: dict[str, Any]) -> dict[str, str]:
    return {name: _text(value) for name, value in fields.items()}


def _text(value: Any) -> str:
    return "" if value is None else str(value)
