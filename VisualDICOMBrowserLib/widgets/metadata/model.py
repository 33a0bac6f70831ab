"""The lines of the tree as a flat Qt model: what is unfolded is decided outside. Main thread only."""

from __future__ import annotations

from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.metadata.explaining import explanation
from VisualDICOMBrowserLib.widgets.metadata.tree import Shown

__all__ = ["COLUMNS", "AttributeModel"]

COLUMNS = ("tag", "name", "vr", "a", "b")


class AttributeModel(qt.QAbstractTableModel):
    """One row for each line; the last column is there while two series are compared."""

    def __init__(self) -> None:
        qt.QAbstractTableModel.__init__(self)
        self._lines: list[Shown] = []
        self.comparing = False

    def lines(self) -> list[Shown]:
        """All lines."""
        return self._lines

    def line(self, number: int) -> Shown:
        """One of them."""
        return self._lines[number]

    def show(self, lines: list[Shown], comparing: bool) -> bool:
        """Show other lines; False if only their values changed, so that selection and place stay."""
        same = comparing == self.comparing and [each.row.path for each in lines] == [
            each.row.path for each in self._lines
        ]
        if same:
            self._lines = lines
            if lines:
                self.dataChanged.emit(self.index(0, 0), self.index(len(lines) - 1, self.columnCount() - 1))
            return False
        self.beginResetModel()
        self._lines, self.comparing = lines, comparing
        self.endResetModel()
        return True

    def rowCount(self, parent: Any = None) -> int:
        """Number of lines; lines have none below, to Qt."""
        return 0 if parent is not None and parent.isValid() else len(self._lines)

    def columnCount(self, parent: Any = None) -> int:
        """Tag, attribute, VR and a value for each series."""
        return 5 if self.comparing else 4

    def data(self, index: Any, role: int = qt.Qt.DisplayRole) -> Any:
        """Texts of a cell."""
        if not index.isValid() or index.row() >= len(self._lines):
            return None
        line, column = self._lines[index.row()], COLUMNS[index.column()]
        value = getattr(line.row, column)
        if role == qt.Qt.DisplayRole:
            return line.row.name if line.row.kind == "group" and column == "tag" else value
        if role == qt.Qt.ToolTipRole:
            return self._hint(line, column)
        if role == qt.Qt.AccessibleTextRole:
            return self._spoken(line)
        return None

    def headerData(self, section: int, orientation: Any, role: int = qt.Qt.DisplayRole) -> Any:
        """Titles."""
        if orientation != qt.Qt.Horizontal:
            return None
        if role == qt.Qt.TextAlignmentRole:
            return int(qt.Qt.AlignLeft | qt.Qt.AlignVCenter)
        if role != qt.Qt.DisplayRole:
            return None
        titles = [_("Tag"), _("Attribute"), _("VR"), _("A") if self.comparing else _("Value"), _("B")]
        return titles[section] if 0 <= section < len(titles) else None

    def _hint(self, line: Shown, column: str) -> str | None:
        """The whole value of a cell; of tag, name and VR what the attribute is."""
        row = line.row
        if column in ("a", "b") or row.kind != "element":
            return getattr(row, column) or None
        name = _("{tag} {name}").format(tag=row.tag, name=row.name).strip()
        return f"{name}\n{explanation(row.tag, row.vr, row.path)}"

    def _spoken(self, line: Shown) -> str:
        row = line.row
        if row.kind == "group":
            return row.name
        parts = [row.tag, row.name, row.a or _("not there")]
        if self.comparing:
            parts += [row.b or _("not there"), _("differs") if row.differs else ""]
        return ", ".join(part for part in parts if part)
