"""What is here of things that a server named: local records by UID or by patient, with their number of instances.

For showing one record for what lies in several places; queries with filters are the reader's. Any thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.model import (
    AnyRecord,
    InstanceRecord,
    Level,
    PatientRecord,
    Query,
    SeriesRecord,
    StudyRecord,
)

__all__ = ["local_counts", "local_matches", "local_records"]

_UIDS_AT_ONCE = 400
_OF_PATIENTS = (
    "SELECT s.PatientsUID, COUNT(*) FROM Studies s JOIN Series e ON e.StudyInstanceUID = s.StudyInstanceUID"
    " JOIN Images i ON i.SeriesInstanceUID = e.SeriesInstanceUID"
    " WHERE {} s.StudyInstanceUID <> '' AND i.Filename <> '' GROUP BY s.PatientsUID"
)
_UID_FIELDS = {
    Level.STUDY: "StudyInstanceUID",
    Level.SERIES: "SeriesInstanceUID",
    Level.IMAGE: "SOPInstanceUID",
}


def local_matches(database: LocalDatabase, query: Query) -> Sequence[AnyRecord]:
    """Local records that fit a query."""
    return database.reader.find(query)


def local_records(database: LocalDatabase, level: Level, uids: Iterable[str]) -> list[AnyRecord]:
    """Local studies, series or instances with these UIDs, whatever else they say; none of patients."""
    field = _UID_FIELDS.get(level)
    # A backslash separates UIDs in a query, so that one inside a UID could mean others.
    wanted = [uid for uid in dict.fromkeys(uids) if uid.strip() and "\\" not in uid] if field else []
    found: list[AnyRecord] = []
    for start in range(0, len(wanted), _UIDS_AT_ONCE):
        chunk = "\\".join(wanted[start : start + _UIDS_AT_ONCE])
        found += database.reader.find(Query(**{"level": level, str(field): chunk}))  # type: ignore[arg-type]
    return found


def local_counts(database: LocalDatabase, records: Sequence[AnyRecord]) -> list[int]:
    """How many instances of each of these local records are here, in one query whatever their number."""
    keys = [record.key for record in records if isinstance(record, PatientRecord) and record.key is not None]
    of_patients = _of_patients(database, keys) if keys else {}
    return [_local_count(record, of_patients) for record in records]


def _of_patients(database: LocalDatabase, keys: Sequence[int]) -> Mapping[int, int]:
    """Instances by patient's key."""
    few = len(keys) <= _UIDS_AT_ONCE
    which = f"s.PatientsUID IN ({','.join('?' * len(keys))}) AND" if few else ""
    return dict(database.connections.rows(_OF_PATIENTS.format(which), keys if few else ()))


def _local_count(record: AnyRecord, of_patients: Mapping[int, int]) -> int:
    if isinstance(record, PatientRecord):
        return of_patients.get(record.key, 0) if record.key is not None else 0
    if isinstance(record, StudyRecord):
        return record.NumberOfStudyRelatedInstances or 0
    if isinstance(record, SeriesRecord):
        return record.NumberOfSeriesRelatedInstances or 0
    return 1 if isinstance(record, InstanceRecord) and record.path else 0
