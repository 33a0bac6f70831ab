"""The two shapes of the search bar: fields side by side, and one field for a side panel. Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.catalogue.filters import Filters
from VisualDICOMBrowserLib.widgets.ending import delete_later
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import icon_label, label, labelled, link_button, push_button, tool_button
from VisualDICOMBrowserLib.widgets.look.theme import Theme, set_state
from VisualDICOMBrowserLib.widgets.search.bar_texts import TEXT_FIELDS, field_title
from VisualDICOMBrowserLib.widgets.search.fields import FieldButton, QueryButton, TextField
from VisualDICOMBrowserLib.widgets.search.filter_words import filter_word

__all__ = ["NarrowRow", "RowActions", "WideRow"]

_FIELD = 120
"""Usual width of a text field, for a font of 13 pixels."""


@dataclass(frozen=True)
class RowActions:
    """What the rows ask of the bar. Popups are told the field they open below."""

    edit: Callable[[str, str], None]
    enter: Callable[[], None]
    modalities: Callable[[Any], None]
    date: Callable[[Any], None]
    more: Callable[[Any], None]
    clear: Callable[[str], None]
    servers: Callable[[Any], None]


class WideRow(qt.QWidget):
    """Fields side by side with their labels above, and the servers on a ground of their own."""

    def __init__(self, theme: Theme, actions: RowActions) -> None:
        qt.QWidget.__init__(self)
        self._theme = theme
        self._actions = actions
        self._worded = True
        self._cells: dict[str, Any] = {}
        self.fields: dict[str, Any] = {}
        for name in TEXT_FIELDS:
            self.fields[name] = self._text_field(name)
            self._cells[name] = labelled(field_title(name), self.fields[name])
        self.modality = FieldButton(theme, field_title("Modalities"), actions.modalities)
        self.date = FieldButton(theme, field_title("date"), actions.date, 12)
        hint = _("More filters, saved filters, last queries")
        self.more = push_button(theme, _("More"), lambda: actions.more(self.more), "filter", hint)
        self.clear_all = push_button(theme, "", lambda: actions.clear(""), "cross", _("Take all filters away"))
        self.servers = FieldButton(theme, _("Servers to ask"), actions.servers, 16)
        self.query = QueryButton(theme, actions.enter)
        layout = qt.QHBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.spacing = 0
        layout.addLayout(self._filter_part(), 1)
        layout.addWidget(self._server_part())
        self.setLayout(layout)

    @property
    def first_field(self) -> Any:
        """Where Ctrl+F goes."""
        return self.fields["PatientName"]

    def show_fields(self, names: Sequence[str], width: int) -> None:
        """Show only these text fields, and as many words on the buttons as fit."""
        for name, cell in self._cells.items():
            cell.visible = name in names
        room = width - self._theme.px(_FIELD) * len(names)
        self._worded = room >= self._theme.px(820)
        self.query.show_text(2 if room >= self._theme.px(660) else 1 if room >= self._theme.px(600) else 0)
        for field in (self.date, self.servers):
            field.show_share(1.0 if room >= self._theme.px(700) else 0.95 if room >= self._theme.px(430) else 0.67)

    def show_filters(self, filters: Filters) -> None:
        """Show what is filtered by."""
        for name, field in self.fields.items():
            field.put(getattr(filters, name))
        number = len(filters.active())
        text = _("Clear ({count})").format(count=number) if number else _("Clear")
        self.clear_all.accessibleName = text
        self.clear_all.text = text if self._worded else f"{number or ''}"
        self.clear_all.enabled = number > 0
        beyond = [name for name in filters.active() if self._beyond(name)]
        text = _("More ({count})").format(count=len(beyond)) if beyond else _("More")
        self.more.accessibleName = text
        self.more.text = text if self._worded else f"{len(beyond) or ''}"
        set_state(self.more, "state", "active" if beyond else "")

    def _beyond(self, name: str) -> bool:
        if name in ("Modalities", "date"):
            return False
        return name not in self._cells or self._cells[name].isHidden()

    def _text_field(self, name: str) -> Any:
        return TextField(
            self._theme, field_title(name), lambda value: self._actions.edit(name, value), self._actions.enter
        )

    def _filter_part(self) -> Any:
        row = qt.QHBoxLayout()
        px = self._theme.px
        row.setContentsMargins(px(12), px(8), px(12), px(10))
        row.spacing = px(8)
        for name in TEXT_FIELDS:
            row.addWidget(self._cells[name], 4)
        for name, field in (("Modalities", self.modality), ("date", self.date)):
            row.addWidget(labelled(field_title(name), field), 3)
        for button in (self.more, self.clear_all):
            row.addWidget(button, 0, qt.Qt.AlignBottom)
        return row

    def _server_part(self) -> Any:
        part = qt.QFrame()
        set_state(part, "ground", "bar")
        set_state(part, "line", "left")
        caption = qt.QHBoxLayout()
        caption.spacing = self._theme.px(4)
        caption.addWidget(icon_label(self._theme, "server", "mid", 12))
        words = label(_("Servers to ask"), "caption")
        words.setBuddy(self.servers)
        caption.addWidget(words, 1)
        field = qt.QVBoxLayout()
        field.spacing = 3
        field.addLayout(caption)
        field.addWidget(self.servers)
        row = qt.QHBoxLayout()
        px = self._theme.px
        row.setContentsMargins(px(12), px(8), px(12), px(10))
        row.spacing = px(8)
        row.addLayout(field)
        row.addWidget(self.query, 0, qt.Qt.AlignBottom)
        part.setLayout(row)
        return part


class NarrowRow(qt.QWidget):
    """One field with a choice of what it filters by, the popup of all filters, and the query.

    Below it each further filter that is active stands as a chip with a cross.
    """

    def __init__(self, theme: Theme, actions: RowActions, buttons: Mapping[str, Any]) -> None:
        qt.QWidget.__init__(self)
        self._theme = theme
        self._actions = actions
        self._filters = Filters()
        self.date = buttons["date"]
        self._name = TEXT_FIELDS[0]
        self._which = FieldButton(theme, _("Search in"), self._open_which)
        self._which.sizePolicy = qt.QSizePolicy(qt.QSizePolicy.Fixed, qt.QSizePolicy.Fixed)
        self._menu = qt.QMenu(self)
        for name in TEXT_FIELDS:
            entry = self._menu.addAction(field_title(name))
            entry.triggered.connect(lambda *_, name=name: self.choose(name))
        self._field = TextField(theme, _("Search"), self._edited, actions.enter, _("Search"))
        hint = _("All filters, servers to ask, saved filters")
        self.more = push_button(theme, "", lambda: actions.more(self.more), "filter", hint, kind="small")
        self.servers = self.more
        self.query = QueryButton(theme, actions.enter)
        self.query.show_text(0)
        theme.follow(self, self._show_theme)
        row = qt.QHBoxLayout()
        row.spacing = theme.px(6)
        row.addWidget(self._which)
        row.addWidget(self._field, 1)
        row.addWidget(self.more)
        row.addWidget(self.query)
        self._chips = qt.QWidget()
        self._chip_row = qt.QHBoxLayout()
        self._chip_row.setContentsMargins(0, 0, 0, 0)
        self._chip_row.spacing = theme.px(6)
        self._chip_row.addStretch(1)
        self._chips.setLayout(self._chip_row)
        self._made: list[Any] = []
        self._shown: list[tuple[str, str]] = []
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(theme.px(10), theme.px(8), theme.px(10), theme.px(6))
        layout.spacing = theme.px(6)
        layout.addLayout(row)
        layout.addWidget(self._chips)
        self.setLayout(layout)

    @property
    def first_field(self) -> Any:
        """Where Ctrl+F goes."""
        return self._field

    @property
    def which(self) -> str:
        """Name of the filter that the field edits."""
        return self._name

    def choose(self, name: str) -> None:
        """Let the field edit another filter."""
        self._name = name
        self.show_filters(self._filters)

    def show_filters(self, filters: Filters) -> None:
        """Show what is filtered by."""
        self._filters = filters
        self._which.put(field_title(self.which, short=True), False)
        self._which.setFixedWidth(self._which_width)
        self._field.put(getattr(filters, self.which))
        others = [name for name in filters.active() if name != self.which]
        self.more.text = f"{len(others)}" if others else ""
        self.more.accessibleName = _("Filters, {count} more active").format(count=len(others))
        shown = [(name, filter_word(filters, name)) for name in others]
        if shown != self._shown:
            self._shown = shown
            self._make_chips()

    def _edited(self, value: str) -> None:
        self._actions.edit(self.which, value)

    def _open_which(self, below: Any) -> None:
        self._menu.popup(below.mapToGlobal(qt.QPoint(0, below.height)))

    def _show_theme(self) -> None:
        """Heights and widths that go with the font."""
        self._menu.palette = self._theme.palette()
        # The style sheet, which sets the size of the font, has not reached the field yet.
        font = qt.QFont(self._which.font)
        font.setPixelSize(self._theme.px(13))
        metrics = qt.QFontMetrics(font)
        widest = max(metrics.horizontalAdvance(field_title(name, short=True)) for name in TEXT_FIELDS)
        self._which_width = widest + self._theme.px(46)
        self._which.setFixedWidth(self._which_width)
        self.more.setFixedHeight(self._theme.px(28) + 2)

    def _make_chips(self) -> None:
        for chip in self._made:
            self._chip_row.removeWidget(chip)
            chip.hide()
            delete_later(chip)
        self._made = []
        for name, word in self._shown[:2]:
            self._add(self._chip(name, word))
        if len(self._shown) > 2:
            self._add(label(_("+{count}").format(count=len(self._shown) - 2), "mid"))
        if self._shown:
            self._add(link_button(_("Clear"), lambda: self._actions.clear(""), _("Take all filters away")), last=True)
        self._chips.visible = bool(self._shown)

    def _add(self, widget: Any, *, last: bool = False) -> None:
        if last:
            self._chip_row.addWidget(widget)
        else:
            self._chip_row.insertWidget(len(self._made), widget)
        self._made.append(widget)

    def _chip(self, name: str, word: str) -> Any:
        chip = qt.QFrame()
        set_state(chip, "chip", "ask")
        row = qt.QHBoxLayout()
        row.setContentsMargins(self._theme.px(9), 0, self._theme.px(3), 0)
        row.spacing = self._theme.px(2)
        row.addWidget(label(word))
        text = _("Take {filter} away").format(filter=field_title(name))
        cross = tool_button(self._theme, "cross", text, lambda: self._actions.clear(name), mini=True)
        row.addWidget(cross)
        chip.setLayout(row)
        chip.toolTip = _("{title}: {value}").format(title=field_title(name), value=word)
        return chip
