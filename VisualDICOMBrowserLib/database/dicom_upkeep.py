"""The part of `DicomDatabase` that removes, tidies up and completes.

A mix-in without state of its own. Names, arguments and answers are those of ctkDICOMDatabase; nothing compacts
the files (``vacuum``), for that would hold the database for minutes.
"""

from __future__ import annotations

from collections.abc import Callable

from VisualDICOMBrowserLib.database.dicom_values import DicomValues
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.removal import RemovalReport
from VisualDICOMBrowserLib.errors import UsageError

__all__ = ["DicomUpkeep"]


class DicomUpkeep:
    """Removal and upkeep of an opened database. What writes raises `DatabaseReadOnlyError` where nothing may be."""

    _database: LocalDatabase
    _values: DicomValues
    _error: str

    def removePatient(self, patientUID: str | int, cleanup: bool = True) -> bool:
        """Remove a patient; False if there is none."""
        return self._removed(lambda: self._database.writer.remove_patient(int(patientUID)))

    def removeStudy(self, studyInstanceUID: str, cleanup: bool = True) -> bool:
        """Remove a study; False if there is none."""
        return self._removed(lambda: self._database.writer.remove_study(studyInstanceUID))

    def removeSeries(self, seriesInstanceUID: str, clearCachedTags: bool = False, cleanup: bool = True) -> bool:
        """Remove a series, its cached tags always with it; False if there is none."""
        return self._removed(lambda: self._database.writer.remove_series(seriesInstanceUID))

    def cleanup(self, vacuum: bool = False) -> bool:
        """Remove patients, studies and series whose images are gone; results of queries stay (CTK removes them)."""
        self._database.writer.remove_empty_rows()
        self._values.forget()
        return True

    def cleanupSeries(self, seriesInstanceUID: str, vacuum: bool = False) -> bool:
        """Remove a series if it has no images; False if it has."""
        return self._tidied("SELECT 1 FROM Images WHERE SeriesInstanceUID = ? LIMIT 1", seriesInstanceUID)

    def cleanupStudy(self, studyInstanceUID: str, vacuum: bool = False) -> bool:
        """Remove a study if it has no series; False if it has."""
        return self._tidied("SELECT 1 FROM Series WHERE StudyInstanceUID = ? LIMIT 1", studyInstanceUID)

    def cleanupPatient(self, patientUID: str | int, vacuum: bool = False) -> bool:
        """Remove a patient if it has no studies; False if it has."""
        return self._tidied("SELECT 1 FROM Studies WHERE PatientsUID = ? LIMIT 1", patientUID)

    def prepareInsert(self) -> None:
        """Nothing: changes by other programs are noticed without being told of them."""

    def isDisplayedFieldsTableAvailable(self) -> bool:
        """True; every schema that is opened has displayed fields."""
        return True

    def updateDisplayedFields(self) -> None:
        """Compute displayed fields of instances that another program inserted; nothing where none may be written."""
        if not self._database.read_only:
            self._database.writer.update_displayed_fields()
            self._values.forget()

    def _tidied(self, children: str, key: str | int) -> bool:
        """Remove what is empty, unless the query `children` for `key` finds something."""
        return not self._database.connections.rows(children, (key,)) and self.cleanup()

    def _removed(self, remove: Callable[[], RemovalReport]) -> bool:
        try:
            remove()
        except UsageError as error:
            self._error = str(error)
            return False
        self._values.forget()
        return True
