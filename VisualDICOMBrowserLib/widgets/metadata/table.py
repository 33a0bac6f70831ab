"""The tree of attributes: folds and unfolds by keys and clicks, and tells what is selected. Main thread only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.context import ViewSettings
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.metadata.model import COLUMNS, AttributeModel
from VisualDICOMBrowserLib.widgets.metadata.paint import AttributeDelegate
from VisualDICOMBrowserLib.widgets.metadata.tree import Path, Row, Shown

__all__ = ["AttributeTable"]

_WIDTHS = {"tag": 150, "name": 300, "vr": 46, "a": 300}
_KEY = "metadata/columns"
_A = COLUMNS.index("a")


class AttributeTable(qt.QTreeView):
    """Shows lines.

    Parameters
    ----------
    theme : Theme
    settings : ViewSettings
        Where the widths of the columns are remembered.
    on_toggle : Callable[[tuple of str], None]
        Called with the path of a row that is to be folded or unfolded.
    on_selected : Callable[[], None]
        Called when another row was chosen.
    """

    def __init__(
        self,
        theme: Theme,
        settings: ViewSettings,
        on_toggle: Callable[[Path], None],
        on_selected: Callable[[], None],
    ) -> None:
        qt.QTreeView.__init__(self)
        self._settings = settings
        self._on_toggle = on_toggle
        self._on_selected = on_selected
        self._lines = AttributeModel()
        self._delegate = AttributeDelegate(theme, self._lines)
        self.accessibleName = _("Attributes")
        self.rootIsDecorated = False
        self.indentation = 0
        self.uniformRowHeights = True
        self.itemsExpandable = False
        self.mouseTracking = True
        self.selectionMode = qt.QAbstractItemView.ExtendedSelection
        self.selectionBehavior = qt.QAbstractItemView.SelectRows
        self.editTriggers = qt.QAbstractItemView.NoEditTriggers
        self.verticalScrollMode = qt.QAbstractItemView.ScrollPerPixel
        # A header of our own: that of the view lets its columns be dragged, and Qt 5 has no property against it.
        self._header = qt.QHeaderView(qt.Qt.Horizontal)
        self._header.stretchLastSection = True
        self.setHeader(self._header)
        self.setModel(self._lines)
        self.setItemDelegate(self._delegate)
        kept = settings.get(_KEY) or {}
        self._a_width = int(kept.get("a") or theme.px(_WIDTHS["a"]))
        for column, name in enumerate(COLUMNS[:3]):
            self.setColumnWidth(column, int(kept.get(name) or theme.px(_WIDTHS[name])))
        self.setColumnWidth(_A, self._a_width)
        self.selectionModel().selectionChanged.connect(lambda *_: self._on_selected())
        self._delegate.focused = lambda: self.currentIndex().row() if self.focus else -1
        theme.follow(self, self.viewport().update)

    @property
    def lines(self) -> list[Shown]:
        """What is listed."""
        return self._lines.lines()

    def remember(self) -> None:
        """Keep the widths of the columns."""
        self._keep_a()
        self._settings.put(_KEY, {**self._widths(), "a": self._a_width})

    def _widths(self) -> dict[str, int]:
        return {name: int(self.columnWidth(column)) for column, name in enumerate(COLUMNS[:3])}

    def _keep_a(self) -> None:
        # Alone, the column of values takes what the others leave.
        if self._lines.comparing:
            self._a_width = int(self.columnWidth(_A))

    def show_lines(self, lines: list[Shown], comparing: bool, search: str) -> None:
        """List other lines; what is selected stays so where it is still there."""
        chosen = {row.path for row in self.selected()}
        current = self.currentIndex().row()
        here = self.lines[current].row.path if 0 <= current < len(self.lines) else None
        scrolled = self.verticalScrollBar().value
        in_sight = self.viewport().rect.intersects(self.visualRect(self.currentIndex()))
        self._delegate.search = search
        self._keep_a()
        begins = comparing and not self._lines.comparing
        if not self._lines.show(lines, comparing):
            self.viewport().update()
            return
        if begins:
            self.setColumnWidth(_A, self._a_width)
        selection = self.selectionModel()
        flags = qt.QItemSelectionModel.Select | qt.QItemSelectionModel.Rows
        for number, line in enumerate(lines):
            if line.row.kind == "group":
                self.setFirstColumnSpanned(number, self.rootIndex(), True)
            if line.row.path == here:
                selection.setCurrentIndex(self._lines.index(number, 0), qt.QItemSelectionModel.NoUpdate)
            if line.row.path in chosen:
                selection.select(self._lines.index(number, 0), flags)
        self.verticalScrollBar().value = scrolled
        if in_sight:
            self.scrollTo(self.currentIndex())
        self._on_selected()

    def selected(self) -> list[Row]:
        """Rows that are selected, from top to bottom."""
        numbers = sorted({index.row() for index in self.selectedIndexes()})
        return [self.lines[number].row for number in numbers if number < len(self.lines)]

    def choose(self, path: Path) -> None:
        """Select a row that is listed and bring it into sight."""
        for number, line in enumerate(self.lines):
            if line.row.path == path:
                self.setCurrentIndex(self._lines.index(number, 0))
                self.scrollTo(self._lines.index(number, 0))

    def keyPressEvent(self, event: Any) -> None:
        """Left folds or goes to what it stands below, Right unfolds."""
        number = self.currentIndex().row()
        line = self.lines[number] if 0 <= number < len(self.lines) else None
        keys = {qt.Qt.Key_Left: False, qt.Qt.Key_Right: True}
        if line is None or event.key() not in keys:
            qt.QTreeView.keyPressEvent(self, event)
        elif line.unfolded is not None and line.unfolded != keys[event.key()]:
            self._on_toggle(line.row.path)
        elif event.key() == qt.Qt.Key_Left:
            above = [n for n in range(number) if self._is_above(self.lines[n], line)]
            if above:
                self.setCurrentIndex(self._lines.index(above[-1], 0))

    def mousePressEvent(self, event: Any) -> None:
        """A click on the mark of a row folds it."""
        point = _point(event)
        index = self.indexAt(point)
        if index.isValid() and event.button() == qt.Qt.LeftButton:
            line = self.lines[index.row()]
            first = self.visualRect(self._lines.index(index.row(), 0))
            mark = self._delegate.chevron(first, line).adjusted(-6, -6, 6, 6)
            if line.unfolded is not None and mark.contains(point):
                self._on_toggle(line.row.path)
                return
        qt.QTreeView.mousePressEvent(self, event)

    def mouseDoubleClickEvent(self, event: Any) -> None:
        """A double click anywhere on a row folds it."""
        index = self.indexAt(_point(event))
        if index.isValid() and self.lines[index.row()].unfolded is not None:
            self._on_toggle(self.lines[index.row()].row.path)

    @staticmethod
    def _is_above(line: Shown, below: Shown) -> bool:
        return line.row.kind == "group" if below.depth == 0 else line.depth < below.depth and line.unfolded is not None


def _point(event: Any) -> Any:
    if not hasattr(event, "position"):
        return qt.QPoint(event.pos())
    place = event.position
    return (place() if callable(place) else place).toPoint()
