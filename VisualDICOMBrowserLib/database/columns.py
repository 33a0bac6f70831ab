"""How columns are shown: title, order, visibility and format, in the table ``ColumnDisplayProperties``.

Kept once per database, shared with CTK's tables and Slicer. `set` writes at once. Safe from any thread.
"""

from __future__ import annotations

from dataclasses import dataclass

from VisualDICOMBrowserLib.database.connection import ReadConnections, WriteConnection, read_only_error
from VisualDICOMBrowserLib.errors import UsageError

__all__ = ["Column", "ColumnDisplay"]

_SELECT = (
    "SELECT TableName, FieldName, COALESCE(DisplayedName, ''), COALESCE(Visibility, 0), COALESCE(Weight, 0),"
    " COALESCE(Format, '') FROM ColumnDisplayProperties"
)


@dataclass(frozen=True, slots=True)
class Column:
    """Display of one column of ``Patients``, ``Studies`` or ``Series``.

    Parameters
    ----------
    table, field : str
        Names in the database.
    title : str
        Heading.
    visible : bool
    weight : int
        Position among the visible columns, smallest first.
    format : str
        JSON text: ``resizeMode`` (``interactive``, ``stretch``, ``resizeToContents``) and ``sort``
        (``ascending``, ``descending``); empty for none.
    """

    table: str
    field: str
    title: str
    visible: bool
    weight: int
    format: str


class ColumnDisplay:
    """The columns of one opened database."""

    def __init__(self, readers: ReadConnections, file: WriteConnection | None) -> None:
        self._readers = readers
        self._file = file

    def of_table(self, table: str) -> list[Column]:
        """Columns of a table, the visible ones first, each group in order."""
        rows = self._readers.rows(
            f"{_SELECT} WHERE TableName = ? ORDER BY COALESCE(Visibility, 0) = 0, Weight, rowid", (table,)
        )
        return [_column(row) for row in rows]

    def get(self, table: str, field: str) -> Column:
        """One column.

        Raises
        ------
        UsageError
            There is no such column.
        """
        rows = self._readers.rows(f"{_SELECT} WHERE TableName = ? AND FieldName = ?", (table, field))
        if not rows:
            message = f"There is no column {field} in {table}."
            raise UsageError(message, subject=f"{table}.{field}")
        return _column(rows[0])

    def set(
        self,
        table: str,
        field: str,
        *,
        title: str | None = None,
        visible: bool | None = None,
        weight: int | None = None,
        format: str | None = None,
    ) -> Column:
        """Change what is given of a column, keep the rest, and return it.

        Raises
        ------
        UsageError
            There is no such column.
        DatabaseReadOnlyError
            The database is open for reading only.
        """
        if self._file is None:
            raise read_only_error(self._readers.path)
        self.get(table, field)
        given: dict[str, str | int | None] = {
            "DisplayedName": title,
            "Visibility": None if visible is None else int(visible),
            "Weight": weight,
            "Format": format,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        if changes:
            assignments = ", ".join(f"{name} = ?" for name in changes)
            with self._file.transaction() as connection:
                connection.execute(
                    f"UPDATE ColumnDisplayProperties SET {assignments} WHERE TableName = ? AND FieldName = ?",
                    (*changes.values(), table, field),
                )
        return self.get(table, field)


def _column(row: tuple[str, str, str, int, int, str]) -> Column:
    table, field, title, visible, weight, form = row
    return Column(table, field, title, bool(visible), int(weight), form)
