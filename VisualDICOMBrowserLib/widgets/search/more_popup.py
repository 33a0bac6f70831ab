"""What the bar has no room for: further filters, the lock, saved filters, and the last queries. Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.catalogue.filters import Filters
from VisualDICOMBrowserLib.widgets.ending import delete_later
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import labelled, line, link_button, push_button, tool_button
from VisualDICOMBrowserLib.widgets.look.theme import Theme, set_state
from VisualDICOMBrowserLib.widgets.search.bar_texts import field_title, only_texts
from VisualDICOMBrowserLib.widgets.search.fields import TextField
from VisualDICOMBrowserLib.widgets.search.filter_words import filter_words
from VisualDICOMBrowserLib.widgets.search.saved_filters import SavedFilters

__all__ = ["MoreActions", "MorePopup"]

_LAST_SHOWN = 5


@dataclass(frozen=True)
class MoreActions:
    """What the popup asks of the bar."""

    edit: Callable[[str, str], None]
    only: Callable[[str], None]
    enter: Callable[[], None]
    lock: Callable[[bool], None]
    use: Callable[[Filters], None]
    current: Callable[[], Filters]


class MorePopup(qt.QFrame):
    """The popup below More.

    Parameters
    ----------
    parent : QWidget
    theme : Theme
    names : sequence of str
        All text filters it can show; `arrange` says which.
    buttons : mapping
        Further fields by name that are shown where the bar lacks them.
    saved : SavedFilters
    actions : MoreActions
    """

    def __init__(
        self,
        parent: Any,
        theme: Theme,
        names: Sequence[str],
        buttons: dict[str, Any],
        saved: SavedFilters,
        actions: MoreActions,
    ) -> None:
        qt.QFrame.__init__(self, parent)
        self.setWindowFlags(qt.Qt.Popup)
        set_state(self, "kind", "popup")
        self._theme = theme
        self._saved = saved
        self._actions = actions
        self._cells: dict[str, Any] = {}
        self.fields: dict[str, Any] = {}
        grid = qt.QGridLayout()
        grid.spacing = theme.px(8)
        self._grid = grid
        for name in names:
            field = self._text_field(name)
            self.fields[name] = field
            self._cells[name] = labelled(field_title(name), field)
        for name, button in buttons.items():
            self._cells[name] = labelled(field_title(name), button)
        self._only = qt.QComboBox()
        self._only_keys = list(only_texts())
        for text in only_texts().values():
            self._only.addItem(text)
        self._only.currentIndexChanged.connect(lambda *_: self._only_changed())
        self._cells["only"] = labelled(field_title("only"), self._only)
        self._lock = qt.QCheckBox(_("Lock filters: keep them for the next session"))
        self._lock.checked = saved.locked
        self._lock.toggled.connect(lambda *_: actions.lock(bool(self._lock.checked)))
        layout = qt.QVBoxLayout()
        edge = theme.px(12)
        layout.setContentsMargins(edge, edge, edge, edge)
        layout.spacing = theme.px(8)
        layout.addLayout(grid)
        layout.addWidget(self._lock)
        layout.addWidget(line())
        layout.addLayout(self._saving_row())
        self._kept = qt.QVBoxLayout()
        self._kept.spacing = 0
        layout.addLayout(self._kept)
        self.setLayout(layout)
        self._rows: list[Any] = []
        for cell in self._cells.values():
            cell.setParent(self)  # before any of them is shown, or it would be a window
            cell.hide()
        theme.follow(self, self._show_theme)

    def arrange(self, shown: Sequence[str], columns: int) -> None:
        """Show these fields, in so many columns."""
        for cell in self._cells.values():
            self._grid.removeWidget(cell)
            cell.hide()
        for number, name in enumerate(shown):
            self._grid.addWidget(self._cells[name], number // columns, number % columns)
            self._cells[name].show()

    def show_filters(self, filters: Filters) -> None:
        """Show what is filtered by."""
        for name, field in self.fields.items():
            field.put(getattr(filters, name))
        was = self._only.blockSignals(True)
        self._only.currentIndex = self._only_keys.index(filters.only) if filters.only in self._only_keys else 0
        self._only.blockSignals(was)
        set_state(self._only, "state", "active" if filters.only else "")

    def show_kept(self) -> None:
        """List the saved filters and the last queries anew."""
        for row in self._rows:
            self._kept.removeWidget(row)
            row.hide()
            delete_later(row)
        self._rows = []
        for name in self._saved.names():
            self._add_row(self._saved_row(name))
        last = self._saved.last()[:_LAST_SHOWN]
        if last:
            heading = qt.QLabel(_("Last queries"))
            set_state(heading, "role", "caption")
            self._add_row(heading)
        for filters in last:
            link = link_button(filter_words(filters), partial(self._use, filters))
            self._add_row(self._left(link))

    def _text_field(self, name: str) -> Any:
        """A field that tells its own filter."""
        actions = self._actions
        return TextField(self._theme, field_title(name), lambda value: actions.edit(name, value), self._entered)

    def _entered(self) -> None:
        self.close()
        self._actions.enter()

    def _only_changed(self) -> None:
        self._actions.only(self._only_keys[max(0, self._only.currentIndex)])

    def _saving_row(self) -> Any:
        self._name = qt.QLineEdit()
        self._name.placeholderText = _("Name for these filters")
        self._name.accessibleName = _("Name for these filters")
        self._name.returnPressed.connect(lambda: self._keep())
        save = push_button(self._theme, _("Save"), self._keep, hint=_("Keep these filters under this name"))
        row = qt.QHBoxLayout()
        row.addWidget(self._name, 1)
        row.addWidget(save)
        return row

    def keep_as(self, name: str) -> None:
        """Keep the filters in use under a name."""
        self._name.text = name
        self._keep()

    def _keep(self) -> None:
        name = self._name.text.strip()
        if name:
            self._saved.keep(name, self._actions.current())
            self._name.text = ""
            self.show_kept()
            self.adjustSize()

    def _saved_row(self, name: str) -> Any:
        holder = qt.QWidget()
        row = qt.QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        link = link_button(name, lambda: self._use(self._saved.filters(name)), filter_words(self._saved.filters(name)))
        row.addWidget(link)
        row.addStretch(1)
        start = qt.QCheckBox(_("At start"))
        start.toolTip = _("Begin with these filters when the browser opens")
        start.checked = self._saved.at_start == name
        start.toggled.connect(lambda *_, name=name, start=start: self._start_with(name, bool(start.checked)))
        row.addWidget(start)
        text = _("Forget the filters {name}").format(name=name)
        row.addWidget(tool_button(self._theme, "trash", text, lambda: self._forget(name)))
        holder.setLayout(row)
        return holder

    def _left(self, widget: Any) -> Any:
        holder = qt.QWidget()
        row = qt.QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(widget)
        row.addStretch(1)
        holder.setLayout(row)
        return holder

    def _add_row(self, widget: Any) -> None:
        self._kept.addWidget(widget)
        self._rows.append(widget)

    def _start_with(self, name: str, wanted: bool) -> None:
        self._saved.at_start = name if wanted else ""
        qt.QTimer.singleShot(0, self.show_kept)

    def _forget(self, name: str) -> None:
        self._saved.forget(name)
        qt.QTimer.singleShot(0, self.show_kept)

    def _show_theme(self) -> None:
        self.palette = self._theme.palette()

    def _use(self, filters: Filters) -> None:
        self.close()
        self._actions.use(filters)
