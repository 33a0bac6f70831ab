"""The files or objects that a job did not take, each with its reason, and a button that writes them to a file.

Main thread only.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.jobs.reports import Rejected, table_text
from VisualDICOMBrowserLib.widgets.language import _, plural
from VisualDICOMBrowserLib.widgets.look.parts import label, link_button

__all__ = ["RejectedList", "RejectedModel"]


class RejectedModel(qt.QAbstractTableModel):
    """One row for each file: its name, why it was not taken; the whole path in its hint."""

    def __init__(self) -> None:
        qt.QAbstractTableModel.__init__(self)
        self._items: list[Rejected] = []

    def show(self, items: Sequence[Rejected]) -> None:
        """Show other files."""
        if list(items) == self._items:
            return
        self.beginResetModel()
        self._items = list(items)
        self.endResetModel()

    def items(self) -> list[Rejected]:
        """All files."""
        return list(self._items)

    def rowCount(self, parent: Any = None) -> int:
        """Number of files; they have no children."""
        return 0 if parent is not None and parent.isValid() else len(self._items)

    def columnCount(self, parent: Any = None) -> int:
        """File and reason."""
        return 2

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:
        """Titles of the columns."""
        if role == qt.Qt.DisplayRole and orientation == qt.Qt.Horizontal:
            return (_("File or object"), _("Reason"))[section]
        return None

    def data(self, index: Any, role: int = 0) -> Any:
        """Text of a cell."""
        if not index.isValid() or index.row() >= len(self._items):
            return None
        item = self._items[index.row()]
        if role == qt.Qt.ToolTipRole:
            return f"{item.what}\n{item.reason}"
        if role == qt.Qt.DisplayRole:
            return Path(item.what).name if index.column() == 0 else item.reason
        return None


class RejectedList(qt.QWidget):
    """The list with its count and *Export list*; hidden while it is empty."""

    def __init__(self, context: BrowserContext) -> None:
        qt.QWidget.__init__(self)
        self._context = context
        self._model = RejectedModel()
        self._count = label("", "strong")
        self._table = qt.QTreeView()
        self._table.accessibleName = _("Rejected files")
        self._table.setModel(self._model)
        self._table.rootIsDecorated = False
        self._table.uniformRowHeights = True
        self._table.setProperty("kind", "boxed")
        self._table.selectionMode = qt.QAbstractItemView.ExtendedSelection
        self._table.textElideMode = qt.Qt.ElideMiddle
        self._table.setColumnWidth(0, context.theme.px(130))
        head = qt.QHBoxLayout()
        head.setContentsMargins(0, 0, 0, 0)
        head.addWidget(self._count, 1)
        head.addWidget(link_button(_("Export list..."), self.ask_where, _("Write all names and reasons to a file")))
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.spacing = 4
        layout.addLayout(head)
        layout.addWidget(self._table, 1)
        self.setLayout(layout)
        self.hide()

    def show_items(self, items: Sequence[Rejected]) -> None:
        """Show these."""
        self._model.show(items)
        self._count.text = plural(len(items), "{count} not taken", "{count} not taken")
        self.visible = bool(items)

    def ask_where(self) -> None:
        """Ask for a file and write the list into it."""
        path = qt.QFileDialog.getSaveFileName(self, _("Export list"), "rejected.csv", "CSV (*.csv)")
        if path:
            self.export(path)

    def export(self, path: str) -> None:
        """Write the list to a file."""
        try:
            Path(path).write_text(table_text(self._model.items()), encoding="utf-8", newline="")
        except OSError as fault:
            reason = fault.strerror or str(fault)
            self._context.report(_("{path} could not be written: {reason}.").format(path=path, reason=reason), "error")
