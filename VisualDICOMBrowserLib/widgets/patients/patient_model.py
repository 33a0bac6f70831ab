"""The patient list as a Qt model over entries of the catalogue. Main thread only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.catalogue.entries import PatientEntry, PatientKey
from VisualDICOMBrowserLib.widgets.patients.columns import COLUMNS, column_title, spoken

__all__ = ["PatientModel"]

_NAMES = tuple(column.name for column in COLUMNS)
_ALIGNED = tuple(
    int((qt.Qt.AlignRight if column.number else qt.Qt.AlignLeft) | qt.Qt.AlignVCenter) for column in COLUMNS
)


class PatientModel(qt.QStandardItemModel):
    """Rows of patients in the order of a column.

    The base class holds no items, only the number of rows: a view asks for it with every index that it makes, of all
    rows after each filter, and Qt answers that itself many times quicker than this class could.
    """

    def __init__(self) -> None:
        qt.QStandardItemModel.__init__(self)
        self.setColumnCount(len(COLUMNS))
        self._entries: list[PatientEntry] = []
        self._given: list[PatientEntry] = []
        self._values: list[Any] = []
        self._value_of: dict[PatientEntry, Any] | None = None
        self._titles = {name: column_title(name) for name in _NAMES}
        self._column = _NAMES.index("last")
        self._descending = True
        self.fetching: frozenset[PatientKey] = frozenset()

    @property
    def sorting(self) -> tuple[int, bool]:
        """Number of the column that orders, and whether it does so downwards."""
        return self._column, self._descending

    def show(self, entries: Sequence[PatientEntry]) -> bool:
        """Show these patients, given by name; False if they are the same in the same order as before."""
        self._given = list(entries)
        ordered = self._ordered()
        if ordered == self._entries:
            return False
        self.beginResetModel()
        self._entries = ordered
        was = self.blockSignals(True)  # part of the reset, nothing that views are to follow by itself
        self.setRowCount(len(ordered))
        self.blockSignals(was)
        self.endResetModel()
        return True

    def stay(self, entries: Collection[PatientEntry]) -> bool:
        """Whether those of these patients that are shown are still where they belong."""
        if self._value_of is None:
            self._value_of = dict(zip(self._given, self._values, strict=True))
        sort, values = COLUMNS[self._column].sort, self._value_of
        return all(values[entry] == sort(entry) for entry in entries if entry in values)

    def reorder(self) -> None:
        """Put the patients in order once more, after some of them have changed."""
        self.show(self._given)

    def order_by(self, column: int, descending: bool) -> None:
        """Take another order."""
        self._column, self._descending = column, descending
        self.show(self._given)

    def entry(self, row: int) -> PatientEntry:
        """The patient of a row."""
        return self._entries[row]

    def entries(self) -> list[PatientEntry]:
        """All of them in order."""
        return self._entries

    def row_of(self, key: PatientKey) -> int:
        """Row of a patient, -1 if it is not shown."""
        try:
            return [entry.key for entry in self._entries].index(key)
        except ValueError:
            return -1

    def rows_of(self, entries: Collection[PatientEntry]) -> dict[PatientKey, int]:
        """Rows of patients by their keys, of those that are shown."""
        wanted = frozenset(entries)
        rows = {entry.key: row for row, entry in enumerate(self._entries) if entry in wanted}
        # A patient who went and came back is another object with the same key, which takes longer to look for.
        missing = {entry.key for entry in wanted} - rows.keys()
        if missing:
            ids = {key[0] for key in missing}
            at = enumerate(self._entries)
            rows.update((each.key, row) for row, each in at if each.key[0] in ids and each.key in missing)
        return rows

    def set_titles(self, titles: dict[str, str]) -> None:
        """Take the titles of the columns."""
        self._titles.update(titles)
        self.headerDataChanged.emit(qt.Qt.Horizontal, 0, len(COLUMNS) - 1)

    def set_fetching(self, keys: Collection[PatientKey]) -> bool:
        """Say which patients are being fetched; True if that is news."""
        before, self.fetching = self.fetching, frozenset(keys)
        return before != self.fetching

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:
        """Titles of the columns, those of numbers at the right."""
        if orientation != qt.Qt.Horizontal or not 0 <= section < len(COLUMNS):
            return None
        if role in (qt.Qt.DisplayRole, qt.Qt.ToolTipRole):
            return self._titles[_NAMES[section]]
        if role == qt.Qt.TextAlignmentRole:
            return _ALIGNED[section]
        return None

    def data(self, index: Any, role: int = 0) -> Any:
        """Text of a cell; the whole row for screen readers."""
        if not index.isValid() or index.row() >= len(self._entries):
            return None
        entry = self._entries[index.row()]
        if role == qt.Qt.DisplayRole:
            return COLUMNS[index.column()].text(entry)
        if role == qt.Qt.ToolTipRole:
            named = ", ".join(entry.servers)
            text = COLUMNS[index.column()].text(entry)
            return f"{text}\n{named}" if named and _NAMES[index.column()] == "where" else text
        if role == qt.Qt.AccessibleTextRole:
            return spoken(entry, fetching=entry.key in self.fetching)
        return None

    def _ordered(self) -> list[PatientEntry]:
        sort = COLUMNS[self._column].sort
        given, values = self._given, list(map(sort, self._given))
        self._values, self._value_of = values, None
        blank: list[int] = []
        said: Any = range(len(given))
        if "" in values or () in values:
            blank = [row for row, value in enumerate(values) if value in ("", ())]
            said = [row for row, value in enumerate(values) if value not in ("", ())]
        ordered = sorted(said, key=values.__getitem__, reverse=self._descending)
        return [given[row] for row in (*ordered, *blank)]
