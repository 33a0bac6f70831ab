"""Everything local at a glance: short rows of patients, studies and series, for views that hold all of them.

Rows are lists in the order of `FIELDS`, which is a quarter of the size of records with names and half the work.
`page` goes through a level by row number, so that a page costs the same wherever it begins; `of` gives the rows
of some series and studies with everything above them, for what has changed. Local rows only (`local_rows`). Any
thread; nothing is written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from VisualDICOMBrowserLib.database.instance_values import InstanceValues
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.local_rows import LOCAL_COUNT, LOCAL_SERIES, NO_REMOTE
from VisualDICOMBrowserLib.database.values import date_from_column
from VisualDICOMBrowserLib.model import Level

__all__ = ["FIELDS", "Overview", "Row"]

Row = list[Any]
Picture = Callable[[str, dict[str, Any]], tuple[str, str]]

FIELDS: dict[Level, tuple[str, ...]] = {
    Level.PATIENT: (
        "key", "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "DateAdded", "OtherBirthDates",
    ),
    Level.STUDY: (
        "StudyInstanceUID", "patient", "StudyDate", "StudyTime", "StudyID", "StudyDescription", "AccessionNumber",
        "ModalitiesInStudy", "InstitutionName", "ReferringPhysicianName",
    ),
    Level.SERIES: (
        "SeriesInstanceUID", "StudyInstanceUID", "SeriesNumber", "SeriesDescription", "Modality", "BodyPartExamined",
        "SeriesDate", "SeriesTime", "instances", "Rows", "Columns", "frames", "thumbnail", "label",
    ),
}  # fmt: skip

_AT_ONCE = 400
# Frames are counted for series of so few instances; of longer ones each instance is taken for one frame.
_FEW_INSTANCES = 8
_FRAMES_TAG = "0028,0008"
_BELOW_STUDY = f"SELECT 1 FROM Series e WHERE e.StudyInstanceUID = s.StudyInstanceUID AND {LOCAL_SERIES}"
_PATIENTS = f"""
SELECT p.UID, p.UID, p.PatientID, p.PatientsName, p.PatientsBirthDate, p.PatientsSex, p.InsertTimestamp FROM Patients p
WHERE EXISTS (SELECT 1 FROM Studies s WHERE s.PatientsUID = p.UID AND s.StudyInstanceUID <> ''
    AND EXISTS ({_BELOW_STUDY}))
"""
_STUDIES = f"""
SELECT s.rowid, s.StudyInstanceUID, s.PatientsUID, s.StudyDate, s.StudyTime, s.StudyID, s.StudyDescription,
    s.AccessionNumber, s.ModalitiesInStudy, s.InstitutionName, s.ReferringPhysician,
    (SELECT group_concat(DISTINCT e.Modality) FROM Series e WHERE e.StudyInstanceUID = s.StudyInstanceUID
        AND {LOCAL_SERIES})
FROM Studies s WHERE s.StudyInstanceUID <> '' AND EXISTS ({_BELOW_STUDY})
"""
_SERIES = f"""
SELECT e.rowid, e.SeriesInstanceUID, e.StudyInstanceUID, e.SeriesNumber, e.SeriesDescription, e.Modality,
    e.BodyPartExamined, e.SeriesDate, e.SeriesTime, {LOCAL_COUNT}, e.DisplayedSize
FROM Series e WHERE e.StudyInstanceUID <> '' AND {LOCAL_SERIES}
"""
_STATEMENTS = {
    Level.PATIENT: (_PATIENTS, "p.UID"),
    Level.STUDY: (_STUDIES, "s.rowid"),
    Level.SERIES: (_SERIES, "e.rowid"),
}


class Overview:
    """Short rows of one opened database.

    Parameters
    ----------
    database : LocalDatabase
        The open database.
    picture : callable
        Path and label of the picture that a state of the section ``thumbnails`` describes.
    """

    def __init__(self, database: LocalDatabase, picture: Picture) -> None:
        self._database = database
        self._picture = picture
        self._values = InstanceValues(database.tag_cache)

    def page(self, level: Level, after: int = 0, limit: int = 5000) -> tuple[list[Row], int | None]:
        """At most `limit` rows of a level that come after the row number `after`.

        Returns
        -------
        rows : list of list
            Values in the order of ``FIELDS[level]``.
        next : int or None
            What to give as `after` for the next page, None after the last one.
        """
        statement, number = _STATEMENTS[level]
        sql = f"{statement} AND {number} > :after ORDER BY {number} LIMIT :limit"
        found = self._rows(sql, {"after": after, "limit": limit})
        return self._plain(level, found), found[-1][0] if len(found) == limit and found else None

    def of(self, studies: Iterable[str], series: Iterable[str], patients: Iterable[int] = ()) -> dict[Level, list[Row]]:
        """Rows of these series and of all series of these studies and patients, with their studies and patients."""
        if keys := list(patients):
            sql = "SELECT StudyInstanceUID FROM Studies WHERE PatientsUID IN (SELECT value FROM json_each(?))"
            theirs = self._database.connections.rows(sql, (json.dumps(keys),))
            studies = [*studies, *(row[0] for row in theirs)]
        wanted = self._among(Level.SERIES, "e.SeriesInstanceUID", series)
        wanted += self._among(Level.SERIES, "e.StudyInstanceUID", studies)
        found = list({row[0]: row for row in wanted}.values())
        above = self._among(Level.STUDY, "s.StudyInstanceUID", [row[2] for row in found])
        whose = self._among(Level.PATIENT, "p.UID", [row[2] for row in above])
        return {
            Level.PATIENT: self._plain(Level.PATIENT, whose),
            Level.STUDY: self._plain(Level.STUDY, above),
            Level.SERIES: self._plain(Level.SERIES, found),
        }

    def _among(self, level: Level, column: str, values: Iterable[Any]) -> list[tuple[Any, ...]]:
        distinct = list(dict.fromkeys(values))
        sql = f"{_STATEMENTS[level][0]} AND {column} IN (SELECT value FROM json_each(:among))"
        return self._rows(sql, {"among": json.dumps(distinct)}) if distinct else []

    def _rows(self, sql: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        no_remote = int(self._database.connections.rows(NO_REMOTE)[0][0])
        return self._database.connections.rows(sql, {**parameters, "no_remote": no_remote})

    def _plain(self, level: Level, rows: Sequence[tuple[Any, ...]]) -> list[Row]:
        if level is Level.PATIENT:
            others = self._database.own.other_birth_dates()
            return [_patient(row, others) for row in rows]
        if level is Level.STUDY:
            return [_study(row) for row in rows]
        return self._series(rows)

    def _series(self, rows: Sequence[tuple[Any, ...]]) -> list[Row]:
        uids = [row[1] for row in rows]
        own = self._database.own
        states = own.get_many("thumbnails", uids)
        drawn = own.get_many("remote-pictures", [uid for uid in uids if uid not in states])
        zeros = self._database.reader.real_zeros([row[1] for row in rows if not row[3]])
        frames = self._frames([row[1] for row in rows if 0 < row[9] <= _FEW_INSTANCES])
        plain = []
        for row in rows:
            _, uid, study, number, description, modality, part, date, time, count, size = row
            columns, _, height = str(size or "").partition("x")
            path, label = self._pictured(uid, states, drawn)
            plain.append([
                uid, study, number if isinstance(number, int) and (number or uid in zeros) else None,
                description or "", modality or "", part or "", date_from_column(date), _text(time), count,
                _number(height), _number(columns), frames.get(uid, count), path, label,
            ])  # fmt: skip
        return plain

    def _pictured(self, uid: str, states: dict[str, Any], drawn: dict[str, Any]) -> tuple[str, str]:
        if uid in states:
            return self._picture(uid, states[uid])
        known = drawn.get(uid) or {}
        return str(known.get("path", "")), str(known.get("label") or known.get("reason") or "")

    def _frames(self, uids: Sequence[str]) -> dict[str, int]:
        """Frames of series, where one of their instances states a number."""
        owners: dict[str, str] = {}
        paths: dict[str, str] = {}
        for start in range(0, len(uids), _AT_ONCE):
            chunk = uids[start : start + _AT_ONCE]
            sql = (
                "SELECT SOPInstanceUID, SeriesInstanceUID, Filename FROM Images"
                f" WHERE SeriesInstanceUID IN ({', '.join('?' * len(chunk))}) AND Filename <> ''"
            )
            for sop, series, stored in self._database.connections.rows(sql, chunk):
                owners[sop], paths[sop] = series, self._database.paths.absolute(stored)
        # In one call, so that few files are looked into where another program left the cache without this tag.
        stated = self._values.texts(paths, _FRAMES_TAG)
        totals: dict[str, int] = {}
        for sop, series in owners.items():
            totals[series] = totals.get(series, 0) + (_number(stated.get(sop, "")) or 1)
        return totals


def _patient(row: tuple[Any, ...], others: dict[tuple[str, str], tuple[str, ...]]) -> Row:
    _, key, patient_id, name, birth, sex, added = row
    dates = others.get((_text(patient_id), _text(name)), ())
    return [key, _text(patient_id), _text(name), date_from_column(birth), _text(sex), _text(added), list(dates)]


def _study(row: tuple[Any, ...]) -> Row:
    (_, uid, patient, date, time, study_id, description, accession, stated, institution, physician, modalities) = row
    named = {item.strip() for text in (stated, modalities) for item in _text(text).replace("\\", ",").split(",")}
    return [
        uid, patient, date_from_column(date), _text(time), _text(study_id), _text(description), _text(accession),
        sorted(named - {""}), _text(institution), _text(physician),
    ]  # fmt: skip


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isdecimal() else None
