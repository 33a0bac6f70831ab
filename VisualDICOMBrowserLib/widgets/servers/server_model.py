"""The servers as a Qt model: order by dragging, check marks, and words for screen readers. Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.servers.server_words import mark_of_test, server_line

__all__ = ["SERVER_ROLE", "ServerModel"]

SERVER_ROLE = int(qt.Qt.UserRole) + 1
"""What a row is drawn from: a dict with ``name line enabled default icon token words unsaved``."""


class ServerModel(qt.QAbstractListModel):
    """One row for each server.

    Parameters
    ----------
    on_check : Callable[[str, bool], None]
        Asked to switch a server on or off.
    on_move : Callable[[str, int], None]
        Asked to put a server at another place.
    """

    def __init__(self, on_check: Callable[[str, bool], None], on_move: Callable[[str, int], None]) -> None:
        qt.QAbstractListModel.__init__(self)
        self._on_check = on_check
        self._on_move = on_move
        self._rows: list[dict[str, Any]] = []
        self._dragged = -1

    def show(
        self,
        servers: Sequence[Mapping[str, Any]],
        tests: Mapping[str, Mapping[str, Any]],
        running: Sequence[str],
        unsaved: Sequence[str] = (),
        new: str | None = None,
    ) -> None:
        """Show servers in their order, and last the `new` one that is not in the list yet."""
        rows = []
        for server in servers:
            name = str(server["name"])
            icon, token, words = mark_of_test(server, tests.get(name), name in running)
            if name in unsaved:
                icon, token, words = "warning", "warn", _("Something entered here cannot be used yet")
            rows.append(
                {
                    "name": name,
                    "line": server_line(server, servers),
                    "enabled": bool(server["enabled"]),
                    "default": bool(server["default"]),
                    "icon": icon,
                    "token": token,
                    "words": words,
                    "new": False,
                }
            )
        if new is not None:
            words = _("Joins the list once the red fields are filled in")
            shown = {"name": new or _("New server"), "line": words, "enabled": True, "default": False}
            rows.append({**shown, "icon": "pencil", "token": "warn", "words": words, "new": True})
        self._take(rows)

    def row_of(self, name: str) -> int:
        """Where a server stands, -1 if it does not."""
        return next((row for row, shown in enumerate(self._rows) if shown["name"] == name and not shown["new"]), -1)

    def row(self, number: int) -> dict[str, Any]:
        """What a row shows."""
        return self._rows[number]

    def toggle(self, number: int) -> None:
        """Ask for the other state of a check mark."""
        row = self._rows[number]
        if not row["new"]:
            self._on_check(row["name"], not row["enabled"])

    def rowCount(self, parent: Any = None) -> int:
        """Number of servers."""
        return len(self._rows)

    def data(self, index: Any, role: int = qt.Qt.DisplayRole) -> Any:
        """Texts of a row."""
        if not index.isValid() or index.row() >= len(self._rows):
            return None
        row = self._rows[index.row()]
        if role == qt.Qt.DisplayRole:
            return row["name"]
        if role == qt.Qt.ToolTipRole:
            return f"{row['line']}\n{row['words']}"
        if role == qt.Qt.CheckStateRole:
            return 2 if row["enabled"] else 0
        if role == qt.Qt.AccessibleTextRole:
            asked = _("asked in queries") if row["enabled"] else _("not asked in queries")
            parts = [row["name"], row["line"], _("default") if row["default"] else "", asked, row["words"]]
            return ", ".join(part for part in parts if part)
        return row if role == SERVER_ROLE else None

    def setData(self, index: Any, value: Any, role: int = qt.Qt.EditRole) -> bool:
        """Set a check mark."""
        if role != qt.Qt.CheckStateRole:
            return False
        self.toggle(index.row())
        return True

    def flags(self, index: Any) -> Any:
        """Rows can be dragged and checked; they are dropped between rows."""
        if not index.isValid():
            return qt.Qt.ItemIsDropEnabled
        return qt.Qt.ItemIsSelectable | qt.Qt.ItemIsEnabled | qt.Qt.ItemIsDragEnabled | qt.Qt.ItemIsUserCheckable

    def supportedDropActions(self) -> Any:
        """Rows are moved."""
        return qt.Qt.MoveAction

    def mimeData(self, indexes: Any) -> Any:
        """Remember which row is dragged; others than this list have no use for it."""
        self._dragged = indexes[0].row() if indexes else -1
        self._mime = qt.QMimeData()
        self._mime.setData("application/x-qabstractitemmodeldatalist", qt.QByteArray(b""))
        return self._mime

    def dropMimeData(self, mime: Any, action: Any, row: int, column: int, parent: Any) -> bool:
        """Ask for the place where a row was dropped."""
        dragged, self._dragged = self._dragged, -1
        if not 0 <= dragged < len(self._rows) or self._rows[dragged]["new"]:
            return False
        place = len(self._rows) if row < 0 else row
        place -= place > dragged
        saved = sum(1 for shown in self._rows if not shown["new"])
        place = min(place, saved - 1)
        if place != dragged:
            self._on_move(self._rows[dragged]["name"], place)
        # The list is shown anew when the engine has moved it; Qt must not remove the row.
        return False

    def _take(self, rows: list[dict[str, Any]]) -> None:
        if [row["name"] for row in rows] == [row["name"] for row in self._rows]:
            # The same servers: the selection and the place of the list stay.
            self._rows = rows
            if rows:
                self.dataChanged.emit(self.index(0, 0), self.index(len(rows) - 1, 0))
            return
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()
