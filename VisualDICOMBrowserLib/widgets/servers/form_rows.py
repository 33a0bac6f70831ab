"""Lays out rows of fields: labels on the left, editors beside each other, one sentence below what is not usable.

Main thread only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.look.parts import ElidedLabel, label
from VisualDICOMBrowserLib.widgets.look.theme import set_state
from VisualDICOMBrowserLib.widgets.servers.editors import Editor, OnChange, WheelGuard
from VisualDICOMBrowserLib.widgets.servers.fields import Row, row_is_shown
from VisualDICOMBrowserLib.widgets.servers.special_editors import (
    OnSecret,
    SecretEditor,
    SecretHeadersEditor,
    ServerEditor,
    editor_for,
)

__all__ = ["FormRows", "scrolled"]


_TALL = ("headers", "callers")
_WIDE = ("text", "file", "folder", "headers", "callers", "secret_headers")


def scrolled(page: Any) -> Any:
    """A scroll area around a page, on the ground of the window."""
    scroll = qt.QScrollArea()
    scroll.widgetResizable = True
    scroll.frameShape = qt.QFrame.NoFrame
    scroll.setWidget(page)
    # Both would fill themselves with the application's colour.
    page.autoFillBackground = False
    scroll.viewport().autoFillBackground = False
    return scroll


class FormRows(qt.QWidget):
    """Rows of fields, with free room below.

    Parameters
    ----------
    rows : Sequence[Row]
    on_change : OnChange
    on_secret : OnSecret
    is_shown : Callable[[Row, Mapping], bool]
        Whether a row is shown for certain values.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        on_change: OnChange,
        on_secret: OnSecret,
        is_shown: Callable[[Row, Mapping[str, Any]], bool] = row_is_shown,
    ) -> None:
        qt.QWidget.__init__(self)
        self._rows = list(rows)
        self._is_shown = is_shown
        self._guard = WheelGuard()
        self._parts: list[tuple[Any, Any, Any, list[Editor]]] = []
        self._shown_rows = 0
        self._wrong_rows = 0
        self._grid = qt.QGridLayout()
        self._grid.setHorizontalSpacing(10)
        self._grid.setVerticalSpacing(7)
        self._grid.setColumnStretch(1, 1)
        self._grid.setContentsMargins(0, 0, 0, 0)
        for number, row in enumerate(self._rows):
            self._add(number, row, on_change, on_secret)
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(18, 12, 22, 8)
        layout.addLayout(self._grid)
        self._below = qt.QVBoxLayout()
        self._below.setContentsMargins(0, 8, 0, 0)
        layout.addLayout(self._below)
        layout.addStretch(1)
        self.setLayout(layout)

    @property
    def any_shown(self) -> bool:
        """Whether the values that were shown last need any of these rows."""
        return self._shown_rows > 0

    @property
    def any_wrong(self) -> bool:
        """Whether a shown row has a value that cannot be used."""
        return self._wrong_rows > 0

    def put_below(self, widget: Any) -> None:
        """Add a widget below the rows, as wide as the page."""
        self._below.addWidget(widget)

    def show_values(
        self, values: Mapping[str, Any], problems: Mapping[str, str], suspects: Mapping[str, str] | None = None
    ) -> None:
        """Show values and what is wrong with them, and the rows that they need.

        `suspects` are marked only: they may be usable and still not right for the server.
        """
        self._shown_rows = self._wrong_rows = 0
        for row, (title, holder, sentence, editors) in zip(self._rows, self._parts, strict=True):
            shown = self._is_shown(row, values)
            self._shown_rows += shown
            title.visible = shown
            holder.visible = shown
            if shown and editors and editors[0].field.kind not in _TALL:
                # The height of fields is known only under the style sheet.
                title.minimumHeight = editors[0].focus.sizeHint.height()
            wrong = []
            for editor in editors:
                name = editor.field.name
                if name in values:
                    editor.set_value(values[name])
                editor.show_problem(problems.get(name) or (suspects or {}).get(name, ""))
                wrong += [problems[name]] if name in problems else []
            self._wrong_rows += bool(shown and wrong)
            sentence.text = " ".join(wrong)
            sentence.visible = bool(wrong)

    def show_kept(self, secrets: Sequence[str]) -> None:
        """Tell which secrets are kept."""
        for editor in self._editors():
            if isinstance(editor, (SecretEditor, SecretHeadersEditor)):
                editor.show_kept(secrets)

    def offer_servers(self, names: Sequence[str]) -> None:
        """Offer servers where one is chosen."""
        for editor in self._editors():
            if isinstance(editor, ServerEditor):
                editor.offer_servers(names)

    def editor(self, name: str) -> Editor | None:
        """The editor of a setting that is shown, None if there is none."""
        parts = [part for part in self._parts if part[1].isVisibleTo(self)]
        return next((editor for part in parts for editor in part[3] if editor.field.name == name), None)

    def _editors(self) -> list[Editor]:
        return [editor for part in self._parts for editor in part[3]]

    def _add(self, number: int, row: Row, on_change: OnChange, on_secret: OnSecret) -> None:
        title = label(row.label, "mid")
        line = qt.QHBoxLayout()
        line.setContentsMargins(0, 0, 0, 0)
        line.spacing = 8
        editors = []
        stretched = False
        for place, field in enumerate(row.fields):
            editor = editor_for(field, on_change, on_secret, self._guard)
            named = field.accessible or field.label or row.label
            editor.focus.accessibleName = named
            if place and field.label and field.kind != "flag":
                line.addWidget(label(field.label, "mid"))
            wide = field.kind in _WIDE and not field.width
            line.addWidget(editor.widget, 1 if wide else 0)
            stretched = stretched or wide
            editors.append(editor)
        if editors:
            title.setBuddy(editors[0].focus)
        remark = ElidedLabel(row.remark, "small") if row.remark else None
        if remark is not None and not stretched:
            line.addWidget(remark, 1)
        elif not stretched:
            line.addStretch(1)
        sentence = label("", "small")
        set_state(sentence, "state", "error")
        sentence.wordWrap = True
        holder = qt.QWidget()
        column = qt.QVBoxLayout()
        column.setContentsMargins(0, 0, 0, 0)
        column.spacing = 2
        column.addLayout(line)
        if remark is not None and stretched:
            column.addWidget(remark)
        column.addWidget(sentence)
        holder.setLayout(column)
        self._grid.addWidget(title, number, 0, qt.Qt.AlignRight | qt.Qt.AlignTop)
        self._grid.addWidget(holder, number, 1)
        self._parts.append((title, holder, sentence, editors))
