"""The part of `DicomDatabase` that sets how columns are shown, under CTK's names.

A mix-in without state of its own, over `columns.ColumnDisplay`. An unknown column reads as nothing and its
setters do nothing, as in CTK.
"""

from __future__ import annotations

from VisualDICOMBrowserLib.database.columns import Column
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.errors import UsageError

__all__ = ["DicomColumns"]


class DicomColumns:
    """Display of columns of an opened database."""

    _database: LocalDatabase

    def displayedNameForField(self, table: str, field: str) -> str:
        """Heading of a column."""
        column = self._column_of(table, field)
        return column.title if column else ""

    def setDisplayedNameForField(self, table: str, field: str, displayedName: str) -> None:
        """Change the heading of a column."""
        if self._column_of(table, field):
            self._database.columns.set(table, field, title=displayedName)

    def visibilityForField(self, table: str, field: str) -> bool:
        """Whether a column is shown."""
        column = self._column_of(table, field)
        return column is not None and column.visible

    def setVisibilityForField(self, table: str, field: str, visibility: bool) -> None:
        """Show or hide a column."""
        if self._column_of(table, field):
            self._database.columns.set(table, field, visible=visibility)

    def weightForField(self, table: str, field: str) -> int:
        """Place of a column among the visible ones, 0 if unknown."""
        column = self._column_of(table, field)
        return column.weight if column else 0

    def setWeightForField(self, table: str, field: str, weight: int) -> None:
        """Change the place of a column."""
        if self._column_of(table, field):
            self._database.columns.set(table, field, weight=weight)

    def formatForField(self, table: str, field: str) -> str:
        """Format of a column, JSON text."""
        column = self._column_of(table, field)
        return column.format if column else ""

    def setFormatForField(self, table: str, field: str, format: str) -> None:
        """Change the format of a column."""
        if self._column_of(table, field):
            self._database.columns.set(table, field, format=format)

    def _column_of(self, table: str, field: str) -> Column | None:
        try:
            return self._database.columns.get(table, field)
        except UsageError:
            return None
