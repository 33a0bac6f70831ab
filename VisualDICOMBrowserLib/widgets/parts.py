"""Small pieces that the parts of the panel share: labelled fields, tables, the note bar. Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt

__all__ = ["NoteBar", "button", "labelled", "selected_rows", "set_widths", "table"]

_USUAL_CHARACTER = 7
"""Average width of a character, in pixels, that widths are given for."""


def labelled(text: str, field: Any) -> Any:
    """A layout with a small label above a field, which the label names for screen readers too."""
    label = qt.QLabel(text)
    font = qt.QFont(label.font)
    font.setPointSizeF(max(7.0, font.pointSizeF() * 0.85))
    label.font = font
    label.setBuddy(field)
    field.accessibleName = text
    layout = qt.QVBoxLayout()
    layout.spacing = 1
    layout.addWidget(label)
    layout.addWidget(field)
    return layout


def button(text: str, action: Callable[[], None], hint: str = "") -> Any:
    """A push button that calls `action`."""
    made = qt.QPushButton(text)
    made.toolTip = hint
    made.clicked.connect(lambda *_: action())
    return made


def table(model: Any, several: bool = True) -> Any:
    """A table of whole rows over `model`, which the caller keeps."""
    view = qt.QTreeView()
    view.rootIsDecorated = False
    view.uniformRowHeights = True
    view.alternatingRowColors = True
    view.allColumnsShowFocus = True
    mode = qt.QAbstractItemView.ExtendedSelection if several else qt.QAbstractItemView.SingleSelection
    view.selectionMode = mode
    view.editTriggers = qt.QAbstractItemView.NoEditTriggers
    view.frameShape = qt.QFrame.NoFrame
    view.styleSheet = "QTreeView::item { padding: 2px 0px; }"
    view.setModel(model)
    return view


def set_widths(view: Any, widths: Sequence[int]) -> None:
    """First widths of a table's columns, given for the usual font size and scaled with the font in use."""
    scale = qt.QFontMetrics(view.font).averageCharWidth() / _USUAL_CHARACTER
    for column, width in enumerate(widths):
        view.setColumnWidth(column, int(width * scale))


def selected_rows(view: Any) -> list[int]:
    """Rows that are selected in a view, from the top."""
    return sorted({index.row() for index in view.selectedIndexes()})


class NoteBar(qt.QFrame):
    """One line in the layout that says what happened in the background; hidden while there is nothing to say."""

    def __init__(self) -> None:
        qt.QFrame.__init__(self)
        self._icon = qt.QLabel()
        self._label = qt.QLabel()
        self._label.wordWrap = True
        self._label.textInteractionFlags = qt.Qt.TextSelectableByMouse
        close = qt.QToolButton()
        close.text = "Dismiss"
        close.autoRaise = True
        close.clicked.connect(lambda *_: self.hide())
        layout = qt.QHBoxLayout()
        layout.setContentsMargins(8, 4, 4, 4)
        layout.addWidget(self._icon)
        layout.addWidget(self._label, 1)
        layout.addWidget(close)
        self.setLayout(layout)
        self.frameShape = qt.QFrame.StyledPanel
        self.hide()

    def say(self, message: str, failed: bool = False) -> None:
        """Show a sentence, marked by a sign where something failed."""
        kind = qt.QStyle.SP_MessageBoxWarning if failed else qt.QStyle.SP_MessageBoxInformation
        side = qt.QFontMetrics(self._label.font).height()
        self._icon.pixmap = self.style().standardIcon(kind).pixmap(side, side)
        self._label.text = message
        self.show()
