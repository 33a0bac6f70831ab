"""Filing scanned files: which rows an instance needs, and inserting those that are missing.

Identity is CTK's: a patient is PatientID and PatientsName (an empty PatientID becomes the StudyInstanceUID, an
empty name the PatientID); an existing series keeps its study and an existing study its patient; a SOP Instance
UID that has a local file stays as it is. A row that CTK made for an instance of a server becomes local. Values
have the form in which CTK inserts them, without leading spaces that mean nothing. Does not live here:
transactions (`writer`), what displayed fields say (`rule_set`). Used under the lock of the writing connection.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from VisualDICOMBrowserLib.database.own_store import OwnStore
from VisualDICOMBrowserLib.database.paths import DatabasePaths
from VisualDICOMBrowserLib.database.records import AddOutcome, ScannedFile, instance_number
from VisualDICOMBrowserLib.database.row_cache import (
    PatientRow,
    RowCache,
    SeriesRow,
    StudyRow,
    count_images,
    count_series,
)
from VisualDICOMBrowserLib.database.rule_set import RuleSet
from VisualDICOMBrowserLib.database.tag_kinds import significant_values
from VisualDICOMBrowserLib.database.values import (
    date_from_column,
    date_to_column,
    integer_to_column,
    local_timestamp,
    storable,
    utc_timestamp,
)

__all__ = ["Filer", "existing_instances"]

# What CTK notes for a patient that came from files and not from a server.
_LOCAL_CONNECTION = '{"allow":[""],"deny":[]}'
_KEYS_PER_QUERY = 400
_INSERT_IMAGE = (
    "INSERT INTO Images (Filename, URL, SeriesInstanceUID, InsertTimestamp, DisplayedFieldsUpdatedTimestamp,"
    " SOPInstanceUID) VALUES (?, '', ?, ?, ?, ?)"
)
_MAKE_LOCAL = (
    "UPDATE Images SET Filename = ?, URL = '', SeriesInstanceUID = ?, InsertTimestamp = ?,"
    " DisplayedFieldsUpdatedTimestamp = ? WHERE SOPInstanceUID = ?"
)
_PATIENT_COLUMNS = (
    ("PatientsBirthTime", "0010,0032"),
    ("PatientsSex", "0010,0040"),
    ("PatientsComments", "0010,4000"),
)
_STUDY_COLUMNS = (
    ("StudyID", "0020,0010"),
    ("StudyTime", "0008,0030"),
    ("AccessionNumber", "0008,0050"),
    ("ModalitiesInStudy", "0008,0061"),
    ("InstitutionName", "0008,0080"),
    ("ReferringPhysician", "0008,0090"),
    ("PerformingPhysiciansName", "0008,1050"),
    ("StudyDescription", "0008,1030"),
)
_SERIES_COLUMNS = (
    ("SeriesTime", "0008,0031"),
    ("SeriesDescription", "0008,103E"),
    ("Modality", "0008,0060"),
    ("BodyPartExamined", "0018,0015"),
    ("FrameOfReferenceUID", "0020,0052"),
    ("ContrastAgent", "0018,0010"),
    ("ScanningSequence", "0018,0020"),
)
_SERIES_NUMBERS = (
    ("SeriesNumber", "0020,0011"),
    ("AcquisitionNumber", "0020,0012"),
    ("EchoNumber", "0018,0086"),
    ("TemporalPosition", "0020,0100"),
)


@dataclass(slots=True)
class _Work:
    """What filing one batch collects: rows of Images to insert, rows to update, series to count anew."""

    existing: dict[str, tuple[str, str]]
    now: str = field(default_factory=local_timestamp)
    stamp: str = field(default_factory=utc_timestamp)
    rows: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    touched: dict[str, SeriesRow] = field(default_factory=dict)
    to_count: set[str] = field(default_factory=set)


class Filer:
    """Files batches of scanned files into the tables.

    Parameters
    ----------
    paths : DatabasePaths
    own : OwnStore
        Where further birth dates are noted.
    cache : RowCache
    """

    def __init__(self, paths: DatabasePaths, own: OwnStore, cache: RowCache) -> None:
        self._paths = paths
        self._own = own
        self._cache = cache
        self._other_dates: set[tuple[str, str, str]] = set()

    def file(self, connection: sqlite3.Connection, batch: Sequence[ScannedFile], rules: RuleSet) -> list[AddOutcome]:
        """Insert what is missing; the caller holds a transaction and forgets the cache if it fails."""
        work = _Work(
            existing_instances(connection, [file.SOPInstanceUID for file in batch if file.SOPInstanceUID.isascii()])
        )
        outcomes = [self._file_one(connection, file, rules, work) for file in batch]
        connection.executemany(_INSERT_IMAGE, work.rows)
        for uid in work.to_count:
            series = self._cache.series(connection, uid)
            if series is not None:
                series.count = count_images(connection, uid)
                series.recount = True
                work.touched[uid] = series
        rules.write(connection, work.touched.values(), work.stamp)
        self._note_birth_dates()
        return outcomes

    def _file_one(self, connection: sqlite3.Connection, file: ScannedFile, rules: RuleSet, work: _Work) -> AddOutcome:
        values = significant_values(file.values)
        sop, uid = values.get("0008,0018", ""), values.get("0020,000E", "")
        stored = self._paths.stored(file.path, owned=file.owned)
        refused = _reason_to_refuse(file, stored)
        if refused:
            return AddOutcome("rejected", sop, uid, file.path, refused)
        known = work.existing.get(sop)
        if known is not None and known[0]:
            return AddOutcome("exists", sop, known[1], self._paths.absolute(known[0]))
        series = work.touched.get(uid)
        if series is None:
            work.touched[uid] = series = self._series(connection, uid, values, work.now)
        rules.apply(values, series)
        self._compare_birth_date(series.study.patient, values)
        if known is None:
            work.rows.append((stored, uid, work.now, work.stamp, sop))
            series.count += 1
            series.recount = True
        else:
            # The instance was known from a server and becomes local.
            connection.execute(_MAKE_LOCAL, (stored, uid, work.now, work.stamp, sop))
            work.to_count.update((uid, known[1]))
        work.existing[sop] = (stored, uid)
        return AddOutcome("imported", sop, uid, file.path, number=instance_number(file.values))

    def _series(self, connection: sqlite3.Connection, uid: str, values: Mapping[str, str], now: str) -> SeriesRow:
        known = self._cache.series(connection, uid)
        if known is not None:
            return known
        study = self._study(connection, values["0020,000D"], values, now)
        fields = {column: values.get(tag, "") for column, tag in _SERIES_COLUMNS}
        fields.update((column, str(integer_to_column(values.get(tag, "")))) for column, tag in _SERIES_NUMBERS)
        # Another program may have left images of a series that it has not made yet.
        row = SeriesRow(fields, recount=True, uid=uid, study=study, count=count_images(connection, uid))
        columns = {
            "SeriesInstanceUID": uid,
            "StudyInstanceUID": study.uid,
            "SeriesDate": date_to_column(values.get("0008,0021", "")),
            **fields,
            **{column: int(fields[column]) for column, _ in _SERIES_NUMBERS},
            "InsertTimestamp": now,
        }
        _insert(connection, "Series", columns)
        study.count += 1
        study.recount = True
        self._cache.add_series(row)
        return row

    def _study(self, connection: sqlite3.Connection, uid: str, values: Mapping[str, str], now: str) -> StudyRow:
        known = self._cache.study(connection, uid)
        if known is not None:
            return known
        patient = self._patient(connection, values, now)
        fields = {column: values.get(tag, "") for column, tag in _STUDY_COLUMNS}
        date = date_to_column(values.get("0008,0020", ""))
        fields["StudyDate"] = date or ""
        columns = {
            "StudyInstanceUID": uid,
            "PatientsUID": patient.key,
            **fields,
            "StudyDate": date,
            "InsertTimestamp": now,
        }
        _insert(connection, "Studies", columns)
        patient.count += 1
        patient.last_date = max(patient.last_date, date_from_column(date))
        patient.recount = True
        row = StudyRow(fields, recount=True, uid=uid, patient=patient, count=count_series(connection, uid))
        self._cache.add_study(row)
        return row

    def _patient(self, connection: sqlite3.Connection, values: Mapping[str, str], now: str) -> PatientRow:
        patient_id = storable(values.get("0010,0020", "") or values["0020,000D"])
        name = storable(values.get("0010,0010", "") or patient_id)
        known = self._cache.patient_named(connection, patient_id, name)
        if known is not None:
            return known
        fields = {column: values.get(tag, "") for column, tag in _PATIENT_COLUMNS}
        birth_date = date_to_column(values.get("0010,0030", ""))
        columns = {
            "PatientsName": name,
            "PatientID": patient_id,
            "PatientsBirthDate": birth_date,
            **fields,
            "InsertTimestamp": now,
            "Connections": _LOCAL_CONNECTION,
        }
        key = _insert(connection, "Patients", columns)
        fields.update(PatientID=patient_id, PatientsName=name, PatientsBirthDate=birth_date or "")
        row = PatientRow(fields, recount=True, key=key)
        self._cache.add_patient(row, patient_id, name)
        return row

    def _compare_birth_date(self, patient: PatientRow, values: Mapping[str, str]) -> None:
        date = values.get("0010,0030")
        if not date or not patient.key:
            return
        present = date_from_column(patient.fields.get("PatientsBirthDate", ""))
        if not present:
            column = date_to_column(date)
            if column:
                patient.fields["PatientsBirthDate"] = column
                patient.changed["PatientsBirthDate"] = None
        elif present != date:
            self._other_dates.add((patient.fields["PatientID"], patient.fields["PatientsName"], date))

    def _note_birth_dates(self) -> None:
        """Note differing dates before the commit, so that no crash can lose them; a repetition is harmless."""
        if self._other_dates:
            self._own.record_other_birth_dates((a, b, storable(c)) for a, b, c in self._other_dates)
            self._other_dates.clear()


def existing_instances(connection: sqlite3.Connection, sop_uids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Stored file name (empty: known from a server only) and series of those instances that have a row."""
    found: dict[str, tuple[str, str]] = {}
    for start in range(0, len(sop_uids), _KEYS_PER_QUERY):
        keys = sop_uids[start : start + _KEYS_PER_QUERY]
        rows = connection.execute(
            "SELECT SOPInstanceUID, Filename, SeriesInstanceUID FROM Images"
            f" WHERE SOPInstanceUID IN ({', '.join('?' * len(keys))})",
            keys,
        )
        found.update((sop, (name or "", series)) for sop, name, series in rows)
    return found


def _reason_to_refuse(file: ScannedFile, stored: str) -> str:
    values = file.values
    uids = (values.get("0008,0018", ""), values.get("0020,000E", ""), values.get("0020,000D", ""))
    if not all(uids):
        return "It lacks a study, series or instance UID."
    if not "".join(uids).isascii():
        return "Its UIDs contain characters that no UID may have."
    if not stored.isascii() and storable(stored) != stored:
        return "Its file name is not valid text on this system."
    if file.owned and not os.path.exists(file.path):  # noqa: PTH110  (speed)
        return "Its file is gone: it was removed while it was being stored."
    return ""


def _insert(connection: sqlite3.Connection, table: str, columns: Mapping[str, str | int | None]) -> int:
    values = [storable(value) if isinstance(value, str) else value for value in columns.values()]
    sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(values))})"
    return connection.execute(sql, values).lastrowid or 0
