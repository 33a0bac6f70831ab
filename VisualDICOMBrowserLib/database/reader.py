"""Queries on the local database.

Every answer holds local instances only, in natural order: patients by displayed name, studies newest first,
series by number, instances by instance number. Dates are DICOM text whatever form the columns have. Patient
filters work on an index in memory (`patient_index`), the others are SQL (`query_sql`). Safe from any thread
(each has a connection of its own); nothing here writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.database.connection import ReadConnections
from VisualDICOMBrowserLib.database.instance_values import InstanceValues
from VisualDICOMBrowserLib.database.local_rows import LOCAL_COUNT, LOCAL_IMAGE, LOCAL_SERIES, NO_REMOTE
from VisualDICOMBrowserLib.database.own_store import OwnStore
from VisualDICOMBrowserLib.database.paths import DatabasePaths
from VisualDICOMBrowserLib.database.patient_index import PatientIndex, select
from VisualDICOMBrowserLib.database.query_sql import Conditions, conditions_for
from VisualDICOMBrowserLib.database.tag_cache import TagCache
from VisualDICOMBrowserLib.database.values import date_from_column, natural_key
from VisualDICOMBrowserLib.model import (
    AnyRecord,
    InstanceRecord,
    Level,
    PatientRecord,
    Query,
    SeriesRecord,
    StudyRecord,
)

__all__ = ["Counts", "DatabaseReader"]

_UPWARDS = "JOIN Studies s ON s.StudyInstanceUID = e.StudyInstanceUID JOIN Patients p ON p.UID = s.PatientsUID"
_STUDIES = f"""
SELECT s.StudyInstanceUID, p.PatientID, p.PatientsName, p.PatientsBirthDate, p.PatientsSex, s.StudyDate,
    s.StudyTime, s.StudyID, s.StudyDescription, s.AccessionNumber, s.ModalitiesInStudy, s.InstitutionName,
    s.ReferringPhysician, COUNT(*), SUM({LOCAL_COUNT}), group_concat(DISTINCT e.Modality)
FROM Studies s JOIN Patients p ON p.UID = s.PatientsUID JOIN Series e ON e.StudyInstanceUID = s.StudyInstanceUID
WHERE s.StudyInstanceUID <> '' AND {LOCAL_SERIES}
"""
_SERIES = f"""
SELECT e.SeriesInstanceUID, e.StudyInstanceUID, p.PatientID, e.SeriesNumber, e.SeriesDescription, e.Modality,
    e.SeriesDate, e.SeriesTime, e.BodyPartExamined, e.FrameOfReferenceUID, {LOCAL_COUNT}, e.DisplayedSize
FROM Series e {_UPWARDS}
WHERE s.StudyInstanceUID <> '' AND {LOCAL_SERIES}
"""
_INSTANCES = f"""
SELECT i.SOPInstanceUID, i.Filename, e.SeriesInstanceUID, e.StudyInstanceUID
FROM Images i JOIN Series e ON e.SeriesInstanceUID = i.SeriesInstanceUID {_UPWARDS}
WHERE {LOCAL_IMAGE}
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of local rows."""

    patients: int
    studies: int
    series: int
    instances: int


class DatabaseReader:
    """Reads from an opened database; made by `LocalDatabase`.

    Every method raises `DatabaseFault` or `StorageFault` where SQLite fails.
    """

    def __init__(self, connections: ReadConnections, paths: DatabasePaths, tag_cache: TagCache, own: OwnStore) -> None:
        self._connections = connections
        self._paths = paths
        self._values = InstanceValues(tag_cache)
        self._index = PatientIndex(connections, own.other_birth_dates)

    def find(self, query: Query) -> Sequence[AnyRecord]:
        """Records of ``query.level`` that fit `query`, in natural order, at most ``query.limit``."""
        if query.level is Level.PATIENT:
            return self.patients(query)
        if query.level is Level.STUDY:
            return self.studies(query)
        if query.level is Level.SERIES:
            return self.series(query)
        return self.instances(query)

    def patients(self, query: Query = Query(level=Level.PATIENT)) -> list[PatientRecord]:  # noqa: B008  (frozen)
        """Patients that have a study, series and instance that fit; by displayed name."""
        chosen = select(self._index.patients(), query.PatientName, query.PatientID)
        conditions = conditions_for(query).below_study()
        if conditions:
            found = conditions_for(query)
            sql = f"SELECT DISTINCT s.PatientsUID FROM Studies s WHERE {' AND '.join(conditions)}"
            keys = {row[0] for row in self._rows(sql, found)}
            chosen = [patient for patient in chosen if patient.record.key in keys]
        return [patient.record for patient in _limited(chosen, query)]

    def studies(self, query: Query = Query()) -> list[StudyRecord]:  # noqa: B008  (frozen)
        """Studies that fit and have a series that fits; the newest first, undated ones last."""
        found = self._conditions(query)
        sql = f"{_STUDIES}{_and(found.below_study())} GROUP BY s.StudyInstanceUID"
        records = [_study(row) for row in self._rows(sql, found)]
        records.sort(key=lambda record: (record.StudyDescription, record.StudyInstanceUID))
        records.sort(key=lambda record: (record.StudyDate, record.StudyTime), reverse=True)
        return _limited(records, query)

    def series(self, query: Query = Query(level=Level.SERIES)) -> list[SeriesRecord]:  # noqa: B008  (frozen)
        """Series that fit; by number inside a study, those without number last."""
        found = self._conditions(query)
        sql = f"{_SERIES}{_and([*found.study, *found.below_series()])}"
        rows = self._rows(sql, found)
        zeros = self.real_zeros([row[0] for row in rows if not row[3]])
        records = [_series(row, zeros) for row in rows]
        records.sort(key=_series_order)
        return _limited(records, query)

    def instances(self, query: Query = Query(level=Level.IMAGE)) -> list[InstanceRecord]:  # noqa: B008  (frozen)
        """Instances that fit; by instance number inside a series."""
        found = self._conditions(query)
        sql = f"{_INSTANCES}{_and([*found.study, *found.series, *found.image])}"
        records = self._values.records(
            (sop, self._paths.absolute(stored), series, study) for sop, stored, series, study in self._rows(sql, found)
        )
        records.sort(key=_instance_order)
        return _limited(records, query)

    def instances_of_series(self, uid: str) -> list[InstanceRecord]:
        """Instances of one series by instance number, each with the absolute path of its file."""
        return self.instances(Query(level=Level.IMAGE, SeriesInstanceUID=uid))

    def series_of_patient(self, key: int) -> list[str]:
        """SeriesInstanceUIDs of every series row of a patient."""
        rows = self._connections.rows(
            "SELECT e.SeriesInstanceUID FROM Series e JOIN Studies s ON s.StudyInstanceUID = e.StudyInstanceUID"
            " WHERE s.PatientsUID = ?",
            (key,),
        )
        return [row[0] for row in rows]

    def counts(self) -> Counts:
        """Numbers of local patients, studies, series and instances."""
        parameters = {"no_remote": self._no_remote()}
        series = self._connections.rows(
            f"SELECT COUNT(DISTINCT e.StudyInstanceUID), COUNT(*) FROM Series e WHERE {LOCAL_SERIES}", parameters
        )[0]
        instances = self._connections.rows(
            "SELECT (SELECT COUNT(*) FROM Images) - (SELECT COUNT(*) FROM Images WHERE Filename IS NULL)"
            " - (SELECT COUNT(*) FROM Images WHERE Filename = '')"
        )[0][0]
        return Counts(len(self._index.patients()), series[0], series[1], instances)

    def patient_count(self) -> int:
        """Number of local patients alone, which is much quicker than all `counts`."""
        sql = (
            "SELECT COUNT(*) FROM Patients p WHERE EXISTS (SELECT 1 FROM Studies s WHERE s.PatientsUID = p.UID AND"
            " EXISTS (SELECT 1 FROM Series e WHERE e.StudyInstanceUID = s.StudyInstanceUID AND e.StudyInstanceUID <> ''"
            f" AND {LOCAL_SERIES}))"
        )
        return int(self._connections.rows(sql, {"no_remote": self._no_remote()})[0][0])

    def real_zeros(self, series_uids: Sequence[str]) -> frozenset[str]:
        """Series whose file really says number 0; the column has 0 also where there is no number."""
        first: dict[str, str] = {}
        paths: dict[str, str] = {}
        sql = "SELECT SOPInstanceUID, Filename FROM Images WHERE SeriesInstanceUID = ? AND Filename <> '' LIMIT 1"
        for uid in series_uids:
            for sop, stored in self._connections.rows(sql, (uid,)):
                first[sop], paths[sop] = uid, self._paths.absolute(stored)
        numbers = self._values.texts(paths, "0020,0011")
        return frozenset(first[sop] for sop, number in numbers.items() if number and not number.strip("+-0 "))

    def thumbnail_path(self, study: str, series: str, sop: str) -> Path:
        """Where CTK looks for the thumbnail of an instance; the file need not exist."""
        return self._paths.thumbnail(study, series, sop)

    def close(self) -> None:
        """Close what the reader keeps open for itself. May be called again."""
        self._index.close()

    def _conditions(self, query: Query) -> Conditions:
        if not query.PatientName and not query.PatientID:
            return conditions_for(query)
        chosen = select(self._index.patients(), query.PatientName, query.PatientID)
        return conditions_for(query, [patient.record.key or 0 for patient in chosen])

    def _rows(self, sql: str, found: Conditions) -> list[tuple[Any, ...]]:
        parameters = {**found.parameters, "no_remote": self._no_remote()}
        return self._connections.rows(sql, parameters)

    def _no_remote(self) -> int:
        return int(self._connections.rows(NO_REMOTE)[0][0])


def _and(conditions: Iterable[str]) -> str:
    return "".join(f" AND {condition}" for condition in conditions)


def _limited(records: list[Any], query: Query) -> list[Any]:
    return records[: query.limit] if query.limit > 0 else list(records)


def _study(row: tuple[Any, ...]) -> StudyRecord:
    (uid, patient_id, name, birth, sex, date, time, study_id, description, accession, stated, institution, *rest) = row
    physician, series, instances, modalities = rest
    named = {item for text in (stated, modalities) for item in str(text or "").replace("\\", ",").split(",")}
    return StudyRecord(
        StudyInstanceUID=uid,
        PatientID=_text(patient_id),
        PatientName=_text(name),
        PatientBirthDate=date_from_column(birth),
        PatientSex=_text(sex),
        StudyDate=date_from_column(date),
        StudyTime=_text(time),
        StudyID=_text(study_id),
        StudyDescription=_text(description),
        AccessionNumber=_text(accession),
        ModalitiesInStudy=tuple(sorted({item.strip() for item in named} - {""})),
        InstitutionName=_text(institution),
        ReferringPhysicianName=_text(physician),
        NumberOfStudyRelatedSeries=series,
        NumberOfStudyRelatedInstances=instances,
    )


def _series(row: tuple[Any, ...], zeros: frozenset[str]) -> SeriesRecord:
    uid, study, patient_id, number, description, modality, date, time, body_part, frame, count, size = row
    columns, _, rows = _text(size).partition("x")
    return SeriesRecord(
        SeriesInstanceUID=uid,
        StudyInstanceUID=study,
        PatientID=_text(patient_id),
        SeriesNumber=(int(number) if isinstance(number, int) and (number or uid in zeros) else None),
        SeriesDescription=_text(description),
        Modality=_text(modality),
        SeriesDate=date_from_column(date),
        SeriesTime=_text(time),
        BodyPartExamined=_text(body_part),
        FrameOfReferenceUID=_text(frame),
        NumberOfSeriesRelatedInstances=count,
        Rows=int(rows) if rows.isdecimal() else None,
        Columns=int(columns) if columns.isdecimal() else None,
    )


def _series_order(record: SeriesRecord) -> tuple[Any, ...]:
    number = record.SeriesNumber
    return (record.StudyInstanceUID, number is None, number or 0, natural_key(record.SeriesInstanceUID))


def _instance_order(record: InstanceRecord) -> tuple[Any, ...]:
    number = record.InstanceNumber
    return (record.SeriesInstanceUID, number is None, number or 0, natural_key(record.SOPInstanceUID))


def _text(value: Any) -> str:
    return "" if value is None else str(value)
