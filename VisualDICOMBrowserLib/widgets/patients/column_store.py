"""Which columns of the patient list the user wants, under which titles and in which order. Main thread only.

All of it is kept with the database by the commands ``column_properties`` and ``set_column_properties``: columns that
CTK has in ``ColumnDisplayProperties``, where CTK's tables follow them, the others beside it. Before anybody chose
columns here, only what differs from CTK's first setting counts as chosen. Widths belong to the host's window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from VisualDICOMBrowserLib.database.schema import COLUMN_DISPLAY_ROWS
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.patients.columns import COLUMNS, PatientColumn, column_title

__all__ = ["ChosenColumn", "ColumnStore"]

_TABLE = "Patients"
_WIDTHS = "patients/widths"
_FIRST = {row[1]: (row[2], bool(row[3]), row[4]) for row in COLUMN_DISPLAY_ROWS if row[0] == _TABLE}


@dataclass
class ChosenColumn:
    """A column as the user wants it."""

    name: str
    title: str
    visible: bool


class ColumnStore:
    """Reads and keeps the columns.

    Parameters
    ----------
    context : BrowserContext
    on_read : Callable[[], None]
        Called when the database's settings have come.
    """

    def __init__(self, context: BrowserContext, on_read: Callable[[], None]) -> None:
        self._context = context
        self._on_read = on_read
        self._said: dict[str, dict[str, Any]] = {}

    def read(self) -> None:
        """Ask for what the database says; until it answers, columns are as they come."""
        self._context.ask("column_properties", self._take, lambda _error: None, table=_TABLE)

    def columns(self) -> list[ChosenColumn]:
        """All columns in order."""
        ordered = list(COLUMNS)
        if self._said:
            places = {column.name: place for place, column in enumerate(COLUMNS)}
            ordered.sort(key=lambda column: (self._weight(column), places[column.name]))
        return [self._chosen(column) for column in ordered]

    def width(self, name: str) -> int:
        """Width that the user gave a column, 0 for none."""
        return int((self._context.view_settings.get(_WIDTHS, {}) or {}).get(name, 0))

    def keep_widths(self, widths: dict[str, int]) -> None:
        """Remember widths."""
        known = dict(self._context.view_settings.get(_WIDTHS, {}) or {})
        self._context.view_settings.put(_WIDTHS, {**known, **widths})

    def keep(self, columns: Sequence[ChosenColumn]) -> None:
        """Keep columns in this order; one without title, or with its usual one, has CTK's in CTK's tables."""
        fields = {column.name: column.field for column in COLUMNS}
        kept = []
        for place, each in enumerate(columns, 1):
            usual = each.title in ("", column_title(each.name))
            title = _FIRST.get(fields[each.name], ("",))[0] if usual else each.title
            kept.append({"field": fields[each.name], "title": title, "visible": each.visible, "weight": place})
        self._said = {str(each["field"]): each for each in kept}
        self._write(kept)

    def reset(self) -> None:
        """Forget what the user chose."""
        self._said = {}
        self._context.view_settings.put(_WIDTHS, {})
        nothing = ("", True, 0)
        self._write(
            [
                dict(
                    zip(("field", "title", "visible", "weight"), (c.field, *_FIRST.get(c.field, nothing)), strict=True)
                )
                for c in COLUMNS
            ]
        )

    def _write(self, columns: list[dict[str, Any]]) -> None:
        # A database that is open for reading only keeps nothing; the list shows the choice all the same.
        self._context.ask("set_column_properties", None, lambda _error: None, table=_TABLE, columns=columns)

    def _take(self, rows: Sequence[dict[str, Any]]) -> None:
        ours = {column.field for column in COLUMNS}
        said = {str(row["field"]): dict(row) for row in rows if row["field"] in ours}
        chosen_here = any(row["weight"] for field, row in said.items() if field not in _FIRST)
        if not chosen_here:
            said = {field: row for field, row in said.items() if field in _FIRST and not _is_first(field, row)}
        self._said = said
        self._on_read()

    def _chosen(self, column: PatientColumn) -> ChosenColumn:
        said = self._said.get(column.field, {})
        title = str(said.get("title") or "")
        if title in ("", _FIRST.get(column.field, ("",))[0]):
            title = column_title(column.name)
        return ChosenColumn(column.name, title, bool(said.get("visible", column.shown)))

    def _weight(self, column: PatientColumn) -> int:
        """Place of a column: as kept, else after the column that it follows in a new list."""
        weight = 0
        for each in COLUMNS:
            weight = int(self._said.get(each.field, {}).get("weight") or weight)
            if each is column:
                break
        return weight


def _is_first(field: str, row: dict[str, Any]) -> bool:
    return (row["title"], bool(row["visible"]), row["weight"]) == _FIRST[field]
