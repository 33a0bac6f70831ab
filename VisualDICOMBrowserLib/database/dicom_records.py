"""The part of `DicomDatabase` that answers from the tables: parents, children, files, fields, times.

A mix-in without state of its own. Method names, arguments and answers are those of ctkDICOMDatabase; unknown is
``""`` or an empty list. Only instances with a file are handed out, except by the methods for URLs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.schema import COLUMN_DISPLAY_ROWS, SCHEMA_VERSION
from VisualDICOMBrowserLib.database.values import parse_timestamp

__all__ = ["DicomRecords"]

_KEY_COLUMNS = {"Patients": "UID", "Studies": "StudyInstanceUID", "Series": "SeriesInstanceUID"}
_COLUMNS = {table: tuple(field for name, field, *_ in COLUMN_DISPLAY_ROWS if name == table) for table in _KEY_COLUMNS}


class DicomRecords:
    """Look-ups in the tables of an opened database."""

    _database: LocalDatabase

    @property
    def patientFieldNames(self) -> list[str]:
        """Columns of the table Patients."""
        return list(_COLUMNS["Patients"])

    @property
    def studyFieldNames(self) -> list[str]:
        """Columns of the table Studies."""
        return list(_COLUMNS["Studies"])

    @property
    def seriesFieldNames(self) -> list[str]:
        """Columns of the table Series."""
        return list(_COLUMNS["Series"])

    def patients(self) -> list[str]:
        """Row numbers of all patients, as text."""
        return self._column("SELECT UID FROM Patients ORDER BY UID")

    def studiesForPatient(self, patientUID: str | int) -> list[str]:
        """Study Instance UIDs of a patient."""
        return self._column(
            "SELECT StudyInstanceUID FROM Studies WHERE PatientsUID = ? AND StudyInstanceUID <> '' ORDER BY rowid",
            patientUID,
        )

    def seriesForStudy(self, studyUID: str) -> list[str]:
        """Series Instance UIDs of a study."""
        return self._column("SELECT SeriesInstanceUID FROM Series WHERE StudyInstanceUID = ? ORDER BY rowid", studyUID)

    def instancesForSeries(self, seriesUID: str, hits: int = -1) -> list[str]:
        """SOP Instance UIDs of the local instances of a series, at most `hits` if that is positive."""
        return self._column(
            "SELECT SOPInstanceUID FROM Images WHERE SeriesInstanceUID = ? AND Filename <> '' ORDER BY Filename",
            seriesUID,
            hits=hits,
        )

    def filesForSeries(self, seriesUID: str, hits: int = -1) -> list[str]:
        """Absolute paths of the files of a series, at most `hits` if that is positive."""
        stored = self._column(
            "SELECT Filename FROM Images WHERE SeriesInstanceUID = ? AND Filename <> '' ORDER BY Filename",
            seriesUID,
            hits=hits,
        )
        return [self._database.paths.absolute(name) for name in stored]

    def urlsForSeries(self, seriesUID: str, hits: int = -1) -> list[str]:
        """URL of every instance, empty for a local one as in CTK, at most `hits` if that is positive."""
        sql = "SELECT COALESCE(URL, '') FROM Images WHERE SeriesInstanceUID = ? ORDER BY rowid"
        return self._column(sql, seriesUID, hits=hits)

    def studyForSeries(self, seriesUID: str) -> str:
        """Study Instance UID of a series."""
        return self._first("SELECT StudyInstanceUID FROM Series WHERE SeriesInstanceUID = ?", seriesUID)

    def patientForStudy(self, studyUID: str) -> str:
        """Row number of a study's patient, as text."""
        return self._first("SELECT PatientsUID FROM Studies WHERE StudyInstanceUID = ?", studyUID)

    def seriesForFile(self, fileName: str) -> str:
        """Series Instance UID of a file."""
        forms = self._database.paths.lookup_forms(fileName) if fileName else ("",)
        found = (self._first("SELECT SeriesInstanceUID FROM Images WHERE Filename = ?", form) for form in forms if form)
        return next(filter(None, found), "")

    def fileForInstance(self, sopInstanceUID: str) -> str:
        """Absolute path of an instance."""
        stored = self._first("SELECT Filename FROM Images WHERE SOPInstanceUID = ?", sopInstanceUID)
        return self._database.paths.absolute(stored)

    def urlForInstance(self, sopInstanceUID: str) -> str:
        """URL of an instance that CTK knows from a server only."""
        return self._first("SELECT URL FROM Images WHERE SOPInstanceUID = ?", sopInstanceUID)

    def instanceForURL(self, url: str) -> str:
        """SOP Instance UID of a URL; looks through all instances."""
        return self._first("SELECT SOPInstanceUID FROM Images WHERE URL = ?", url) if url else ""

    def nameForPatient(self, patientUID: str | int) -> str:
        """Name as DICOM has it."""
        return self.fieldForPatient("PatientsName", patientUID)

    def displayedNameForPatient(self, patientUID: str | int) -> str:
        """Name for people."""
        return self.fieldForPatient("DisplayedPatientsName", patientUID)

    def descriptionForStudy(self, studyUID: str) -> str:
        """Study description."""
        return self.fieldForStudy("StudyDescription", studyUID)

    def descriptionForSeries(self, seriesUID: str) -> str:
        """Series description."""
        return self.fieldForSeries("SeriesDescription", seriesUID)

    def descriptionsForFile(self, fileName: str) -> dict[str, str]:
        """Series and study description and patient name of a file."""
        series = self.seriesForFile(fileName)
        study = self.studyForSeries(series)
        return {
            "SeriesDescription": self.descriptionForSeries(series),
            "StudyDescription": self.descriptionForStudy(study),
            "PatientsName": self.nameForPatient(self.patientForStudy(study)),
        }

    def fieldForPatient(self, field: str, patientUID: str | int) -> str:
        """A column of a patient's row."""
        return self._field("Patients", field, patientUID)

    def fieldForStudy(self, field: str, studyInstanceUID: str) -> str:
        """A column of a study's row."""
        return self._field("Studies", field, studyInstanceUID)

    def fieldForSeries(self, field: str, seriesInstanceUID: str) -> str:
        """A column of a series' row."""
        return self._field("Series", field, seriesInstanceUID)

    def insertDateTimeForPatient(self, patientUID: str | int) -> datetime | None:
        """Local time at which the patient came in, None if unknown."""
        return parse_timestamp(self.fieldForPatient("InsertTimestamp", patientUID))

    def insertDateTimeForStudy(self, studyInstanceUID: str) -> datetime | None:
        """Local time at which the study came in, None if unknown."""
        return parse_timestamp(self.fieldForStudy("InsertTimestamp", studyInstanceUID))

    def insertDateTimeForSeries(self, seriesInstanceUID: str) -> datetime | None:
        """Local time at which the series came in, None if unknown."""
        return parse_timestamp(self.fieldForSeries("InsertTimestamp", seriesInstanceUID))

    def insertDateTimeForInstance(self, sopInstanceUID: str) -> datetime | None:
        """Local time at which the instance came in, None if unknown."""
        return parse_timestamp(
            self._first("SELECT InsertTimestamp FROM Images WHERE SOPInstanceUID = ?", sopInstanceUID)
        )

    def patientsCount(self) -> int:
        """Number of rows in Patients."""
        return int(self._first("SELECT COUNT(*) FROM Patients"))

    def studiesCount(self) -> int:
        """Number of rows in Studies, without the one that has no UID."""
        return int(self._first("SELECT COUNT(*) FROM Studies WHERE StudyInstanceUID <> ''"))

    def seriesCount(self) -> int:
        """Number of rows in Series."""
        return int(self._first("SELECT COUNT(*) FROM Series"))

    def imagesCount(self) -> int:
        """Number of rows in Images."""
        return int(self._first("SELECT COUNT(*) FROM Images"))

    def allFiles(self) -> list[str]:
        """Absolute paths of all files."""
        stored = self._column("SELECT Filename FROM Images WHERE Filename <> '' ORDER BY Filename")
        return [self._database.paths.absolute(name) for name in stored]

    def allFilesModifiedTimes(self) -> dict[str, datetime]:
        """Time of insertion of all files by absolute path."""
        rows = self._rows("SELECT Filename, InsertTimestamp FROM Images WHERE Filename <> ''")
        times = {self._database.paths.absolute(name): parse_timestamp(moment) for name, moment in rows}
        return {path: moment for path, moment in times.items() if moment is not None}

    def fileExistsAndUpToDate(self, filePath: str) -> bool:
        """Whether a file is in the database and was not written to since."""
        for form in self._database.paths.lookup_forms(filePath):
            inserted = parse_timestamp(self._first("SELECT InsertTimestamp FROM Images WHERE Filename = ?", form))
            if inserted is not None:
                path = Path(filePath)
                return path.exists() and datetime.fromtimestamp(path.stat().st_mtime) < inserted
        return False

    def thumbnailPathForInstance(self, studyInstanceUID: str, seriesInstanceUID: str, sopInstanceUID: str) -> str:
        """Absolute path of the thumbnail of an instance, empty if there is none."""
        path = self._database.paths.thumbnail(studyInstanceUID, seriesInstanceUID, sopInstanceUID)
        return str(path) if path.exists() else ""

    def connectionsInformationForPatient(self, patientUID: str | int) -> dict[str, list[str]]:
        """Servers that may (``allow``) and may not (``deny``) be asked for a patient."""
        try:
            stored = json.loads(self._field("Patients", "Connections", patientUID) or "{}")
            return {key: [str(name) for name in stored.get(key, [])] for key in ("allow", "deny")}
        except (ValueError, AttributeError, TypeError):
            return {"allow": [], "deny": []}

    def updateConnectionsForPatient(self, patientUID: str | int, allow: Iterable[str], deny: Iterable[str]) -> bool:
        """Set the servers that may and may not be asked for a patient."""
        self._database.writer.set_connections(int(patientUID), list(allow), list(deny))
        return True

    def schemaVersion(self) -> str:
        """Schema version that this program knows."""
        return SCHEMA_VERSION

    def schemaVersionLoaded(self) -> str:
        """Schema version of the opened database."""
        return self._first("SELECT Version FROM SchemaInfo")

    @staticmethod
    def compositePatientID(patientID: str, patientsName: str, patientsBirthDate: str) -> str:
        """``ID~birth date~name``."""
        return f"{patientID}~{patientsBirthDate}~{patientsName}"

    def _field(self, table: str, field: str, key: str | int) -> str:
        if field not in _COLUMNS[table]:
            return ""
        return self._first(f"SELECT {field} FROM {table} WHERE {_KEY_COLUMNS[table]} = ?", key)

    def _rows(self, sql: str, *parameters: str | int) -> list[tuple[Any, ...]]:
        return self._database.connections.rows(sql, parameters)

    def _first(self, sql: str, *parameters: str | int) -> str:
        rows = self._rows(f"{sql} LIMIT 1", *parameters)
        return "" if not rows or rows[0][0] is None else str(rows[0][0])

    def _column(self, sql: str, *parameters: str | int, hits: int = -1) -> list[str]:
        return [str(row[0]) for row in self._rows(f"{sql} LIMIT {hits if hits > 0 else -1}", *parameters)]
