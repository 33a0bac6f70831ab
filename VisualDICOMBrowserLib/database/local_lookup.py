"""What is here of things that a server named: local records by UID or by patient, with their number of instances.

For showing one record for what lies in several places; queries with filters are the reader's. Any thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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

__all__ = ["local_instances", "local_matches", "local_records"]

_UIDS_AT_ONCE = 400
_OF_PATIENT = (
    "SELECT COUNT(*) FROM Studies s JOIN Series e ON e.StudyInstanceUID = s.StudyInstanceUID"
    " JOIN Images i ON i.SeriesInstanceUID = e.SeriesInstanceUID"
    " WHERE s.PatientsUID = ? AND s.StudyInstanceUID <> '' AND i.Filename <> ''"
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


def local_instances(database: LocalDatabase, record: AnyRecord) -> int:
    """How many instances of a local record are here."""
    if isinstance(record, PatientRecord):
        return int(database.connections.rows(_OF_PATIENT, (record.key,))[0][0])
    if isinstance(record, StudyRecord):
        return record.NumberOfStudyRelatedInstances or 0
    if isinstance(record, SeriesRecord):
        return record.NumberOfSeriesRelatedInstances or 0
    return 1 if isinstance(record, InstanceRecord) and record.path else 0
