"""Tables of records (patients, studies, answers of servers) for Qt's views.

Records are plain dicts with DICOM keywords, as the engine sends them. Main thread only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.wording import person_name, written_date

__all__ = ["PATIENT_COLUMNS", "RESULT_COLUMNS", "STUDY_COLUMNS", "Column", "RecordModel"]

Record = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """One column: its title, the text of a record in it, and its first width in pixels."""

    title: str
    text: Callable[[Record], str]
    width: int = 100
    number: bool = False


def _value(key: str) -> Callable[[Record], str]:
    return lambda record: str(record.get(key, ""))


def _number(key: str) -> Callable[[Record], str]:
    return lambda record: f"{record[key]:,}" if record.get(key) is not None else ""


def _date(key: str) -> Callable[[Record], str]:
    return lambda record: written_date(str(record.get(key, "")))


def _patient(record: Record) -> str:
    return person_name(str(record.get("PatientName", ""))) or "(no name)"


def _modalities(record: Record) -> str:
    return " ".join(record.get("ModalitiesInStudy", ()))


PATIENT_COLUMNS = (
    Column("Patient", _patient, 150),
    Column("ID", _value("PatientID"), 90),
    Column("Sex", _value("PatientSex"), 40),
    Column("Born", _date("PatientBirthDate"), 84),
    Column("Last study", _date("LastStudyDate"), 84),
    Column("Studies", _number("NumberOfPatientRelatedStudies"), 60, number=True),
)
STUDY_COLUMNS = (
    Column("Study date", _date("StudyDate"), 90),
    Column("Description", lambda record: str(record.get("StudyDescription") or "(no description)"), 220),
    Column("Modalities", _modalities, 90),
    Column("Series", _number("NumberOfStudyRelatedSeries"), 56, number=True),
    Column("Images", _number("NumberOfStudyRelatedInstances"), 60, number=True),
    Column("Accession", _value("AccessionNumber"), 100),
)
RESULT_COLUMNS = (
    Column("Patient", _patient, 170),
    Column("ID", _value("PatientID"), 110),
    *STUDY_COLUMNS,
    Column("Server", _value("server"), 100),
)


class RecordModel(qt.QAbstractTableModel):
    """Rows of records; `identity` names a record, so that views can find it again after a refresh."""

    def __init__(self, columns: Sequence[Column], identity: Callable[[Record], Any]) -> None:
        qt.QAbstractTableModel.__init__(self)
        self._columns = tuple(columns)
        self._identity = identity
        self._records: list[Record] = []

    def show(self, records: Sequence[Record]) -> bool:
        """Show these records; False if they are the very same as before, and nothing happened."""
        if list(records) == self._records:
            return False
        self.beginResetModel()
        self._records = list(records)
        self.endResetModel()
        return True

    def add(self, records: Sequence[Record]) -> None:
        """Add records below the others."""
        if records:
            first = len(self._records)
            self.beginInsertRows(qt.QModelIndex(), first, first + len(records) - 1)
            self._records.extend(records)
            self.endInsertRows()

    def record(self, row: int) -> Record:
        """The record of a row."""
        return self._records[row]

    def identity(self, row: int) -> Any:
        """What names the record of a row."""
        return self._identity(self._records[row])

    def row_of(self, identity: Any) -> int:
        """Row of the record so named, -1 if it is not there."""
        for row, record in enumerate(self._records):
            if self._identity(record) == identity:
                return row
        return -1

    def rowCount(self, parent: Any = None) -> int:
        """Number of records; rows have no children."""
        return 0 if parent is not None and parent.isValid() else len(self._records)

    def columnCount(self, parent: Any = None) -> int:
        """Number of columns."""
        return len(self._columns)

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:
        """Titles of the columns."""
        if role == qt.Qt.DisplayRole and orientation == qt.Qt.Horizontal and 0 <= section < len(self._columns):
            return self._columns[section].title
        return None

    def data(self, index: Any, role: int = 0) -> Any:
        """Text of a cell; numbers stand at the right."""
        if not index.isValid() or index.row() >= len(self._records):
            return None
        column = self._columns[index.column()]
        if role in (qt.Qt.DisplayRole, qt.Qt.ToolTipRole):
            return column.text(self._records[index.row()])
        if role == qt.Qt.TextAlignmentRole and column.number:
            return qt.Qt.AlignRight | qt.Qt.AlignVCenter
        return None
