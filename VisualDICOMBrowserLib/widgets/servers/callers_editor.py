"""A small table of who may call our listener: rows to remove, and two fields to add one. Main thread only."""

from __future__ import annotations

from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import label
from VisualDICOMBrowserLib.widgets.look.theme import set_state
from VisualDICOMBrowserLib.widgets.servers.callers import ANY, KnownCaller, callers_in, problem_of, text_of
from VisualDICOMBrowserLib.widgets.servers.editors import Editor, OnChange, character_width
from VisualDICOMBrowserLib.widgets.servers.fields import Field

__all__ = ["CallersEditor"]

_ROWS_SHOWN = 4
_TITLE_WIDTH = 18


class CallersEditor(Editor):
    """The list of callers; empty for anybody."""

    def __init__(self, field: Field, on_change: OnChange) -> None:
        Editor.__init__(self, field, on_change)
        self._callers: list[KnownCaller] = []
        self._table = qt.QTreeWidget()
        self._table.rootIsDecorated = False
        self._table.setHeaderLabels([_("AE title"), _("Address or network")])
        self._table.selectionMode = qt.QAbstractItemView.ExtendedSelection
        self._table.setColumnWidth(0, character_width(self._table, _TITLE_WIDTH))
        row_height = qt.QFontMetrics(self._table.font).height() * 2
        self._table.setFixedHeight(row_height * (_ROWS_SHOWN + 1))
        self._table.itemSelectionChanged.connect(lambda *_: self._show_buttons())
        self._nobody = label(_("Anybody may call. Add callers to let only them in."), "mid")
        self._nobody.wordWrap = True
        self._sentence = label("", "small")
        self._sentence.wordWrap = True
        set_state(self._sentence, "state", "error")
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.spacing = 6
        for part in (self._nobody, self._table):
            layout.addWidget(part)
        layout.addLayout(self._make_line())
        layout.addWidget(self._sentence)
        self.widget = qt.QWidget()
        self.widget.setLayout(layout)
        self._show()

    @property
    def focus(self) -> Any:
        """The table; the fields have names of their own."""
        return self._table

    def value(self) -> Any:
        """The setting."""
        return text_of(self._callers)

    def set_value(self, value: Any) -> None:
        """Show the callers of a setting."""
        callers = callers_in(str(value or ""))
        if callers != self._callers:
            self._callers = callers
            self._show()

    def _make_line(self) -> Any:
        self._title, self._address = qt.QLineEdit(), qt.QLineEdit()
        self._title.placeholderText = _("AE title, or *")
        self._title.accessibleName = _("AE title of the caller")
        self._title.setFixedWidth(character_width(self._title, _TITLE_WIDTH))
        self._address.placeholderText = _("any address, or 10.1.2.3, 10.0.0.0/8")
        self._address.accessibleName = _("Address of the caller")
        self._add_button = qt.QPushButton(_("Add caller"))
        self._remove_button = qt.QPushButton(_("Remove"))
        for button, action in ((self._add_button, self._add), (self._remove_button, self._remove)):
            button.accessibleName = button.text
            button.autoDefault = False
            button.clicked.connect(lambda *_args, action=action: action())
        for field in (self._title, self._address):
            field.returnPressed.connect(lambda *_: self._add())
            field.textEdited.connect(lambda *_: self._say(""))
        line = qt.QHBoxLayout()
        line.setContentsMargins(0, 0, 0, 0)
        line.spacing = 8
        line.addWidget(self._title)
        line.addWidget(self._address, 1)
        line.addWidget(self._add_button)
        line.addWidget(self._remove_button)
        return line

    def _add(self) -> None:
        title, address = self._title.text.strip(), self._address.text.strip()
        if not title and not address:
            self._title.setFocus()
            return
        caller = KnownCaller(title or ANY, address)
        problem = problem_of(caller, self._callers)
        self._say(problem)
        if problem:
            return
        self._callers = [*self._callers, caller]
        self._title.clear()
        self._address.clear()
        self._title.setFocus()
        self._show()
        self._tell(True)

    def _remove(self) -> None:
        gone = {self._table.indexOfTopLevelItem(item) for item in self._table.selectedItems()}
        if gone:
            self._callers = [caller for row, caller in enumerate(self._callers) if row not in gone]
            self._show()
            self._tell(True)

    def _say(self, problem: str) -> None:
        self._sentence.text = problem
        self._sentence.visible = bool(problem)
        for field in (self._title, self._address):
            set_state(field, "state", "error" if problem else "")

    def _show(self) -> None:
        self._table.clear()
        for caller in self._callers:
            title = _("any AE title") if caller.title == ANY else caller.title
            self._table.addTopLevelItem(qt.QTreeWidgetItem([title, caller.address or _("any address")]))
        self._table.visible = bool(self._callers)
        self._nobody.visible = not self._callers
        self._say("")
        self._show_buttons()

    def _show_buttons(self) -> None:
        self._remove_button.visible = bool(self._callers)
        self._remove_button.enabled = bool(self._table.selectedItems())
