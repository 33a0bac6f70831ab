"""The search bar: filters of what is known, and the one button that asks servers. Main thread only.

Typing filters after a pause of 150 ms. Servers are asked only by `query`: the button, or Enter in a field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.catalogue.filters import Filters
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import label, link_button
from VisualDICOMBrowserLib.widgets.look.theme import set_state
from VisualDICOMBrowserLib.widgets.search.bar_rows import NarrowRow, RowActions, WideRow
from VisualDICOMBrowserLib.widgets.search.bar_texts import MORE_FIELDS, TEXT_FIELDS, modality_text, servers_text
from VisualDICOMBrowserLib.widgets.search.check_popup import CheckItem, CheckPopup
from VisualDICOMBrowserLib.widgets.search.date_popup import DatePopup
from VisualDICOMBrowserLib.widgets.search.fields import FieldButton, grab_focus, place_popup
from VisualDICOMBrowserLib.widgets.search.filter_words import (
    date_key,
    date_presets,
    date_span,
    date_text,
    with_last,
    with_preset,
    with_range,
)
from VisualDICOMBrowserLib.widgets.search.more_popup import MoreActions, MorePopup
from VisualDICOMBrowserLib.widgets.search.saved_filters import SavedFilters
from VisualDICOMBrowserLib.widgets.search.server_choice import ServerChoice

__all__ = ["SearchBar"]

_TYPING_PAUSE_MS = 150
_MEDIUM, _WIDE = 700, 1100
_EVERYTHING_LIMIT = 500

OnQuery = Callable[[Filters, "list[str]", int], None]


class SearchBar(qt.QWidget):
    """The bar, in three layouts: `arrange`.

    Parameters
    ----------
    context : BrowserContext
    on_filters : Callable[[Filters], None]
        Told the filters a moment after the last change.
    on_query : Callable[[Filters, list[str], int], None]
        Told to ask servers for at most so many studies each, 0 for what their settings say.
    on_edit_servers : Callable[[], None]
        Opens the list of servers.
    """

    def __init__(
        self,
        context: BrowserContext,
        on_filters: Callable[[Filters], None],
        on_query: OnQuery,
        on_edit_servers: Callable[[], None] = lambda: None,
    ) -> None:
        qt.QWidget.__init__(self)
        self._context = context
        self._theme = context.theme
        self._on_filters = on_filters
        self._on_query = on_query
        self.saved = SavedFilters(context.view_settings)
        self._filters = self.saved.first()
        self._asked: tuple[Filters, tuple[str, ...]] | None = None
        self._counts: dict[str, int] = {}
        self._choice = ServerChoice(context.view_settings)
        self._layout_name = ""
        self._row_in_use: Any = None
        self._pause = qt.QTimer(self)
        self._pause.interval = _TYPING_PAUSE_MS
        self._pause.timeout.connect(self._tell)
        self._make_popups(on_edit_servers)
        self._make_rows()
        self.accessibleName = _("Search")
        self.arrange(_WIDE)
        self._show()

    # What the browser asks of it

    @property
    def filters(self) -> Filters:
        """What is filtered by."""
        return self._filters

    @property
    def servers(self) -> list[str]:
        """The servers that a query asks."""
        return self._choice.chosen

    @property
    def changed(self) -> bool:
        """Whether filters or servers differ from what was asked last."""
        return self._asked is not None and self._asked != (self._filters, tuple(self.servers))

    def set_filters(self, filters: Filters) -> None:
        """Show these filters, and tell of them at once."""
        self._filters = filters
        self._show()
        self._tell()

    def clear(self, name: str = "") -> None:
        """Take one filter away, or all."""
        self.set_filters(self._filters.without(name) if name else Filters())

    def query(self) -> None:
        """Ask the chosen servers; without any filter the bar asks first whether everything is meant."""
        self._tell()
        if not self.servers:
            self._open_servers(self._row_in_use.servers)
        elif not self._filters.as_query():
            self._question.visible = True
        else:
            self._ask(0)

    def note_asked(self, filters: Filters | None, servers: Sequence[str] = ()) -> None:
        """What servers were asked for last, where this bar did not ask; None forgets it."""
        self._asked = None if filters is None else (filters, tuple(servers))
        self._show_changed()

    def set_modality_counts(self, counts: Mapping[str, int]) -> None:
        """How many series of each modality are known."""
        self._counts = dict(counts)
        if self._modalities.visible:
            self._fill_modalities()

    def set_servers(self, servers: Sequence[Mapping[str, Any]]) -> None:
        """The servers, as the command ``servers`` gives them, in their order."""
        self._choice.set_known(servers)
        self._fill_servers()
        self._show()

    def set_server_states(self, states: Mapping[str, Mapping[str, Any]]) -> None:
        """What became of each server, as `SearchRun.states`, for the signs in the list of servers."""
        self._choice.states = {name: dict(state) for name, state in states.items()}
        if self._servers.visible:
            self._fill_servers()

    def focus_field(self) -> None:
        """Put the cursor into the first field."""
        field = self._row_in_use.first_field
        grab_focus(field)
        field.selectAll()

    def open_dates(self) -> None:
        """Open the choice of dates, as Narrow the dates does."""
        self._open_dates(self._row_in_use.date)

    def arrange(self, width: int) -> None:
        """Lay out for a width: wide from 1100 pixels on, narrow below 700; it does so itself when it is resized."""
        # A large font needs more room for the same fields.
        scale = max(1.0, self._context.theme.px(100) / 100)
        name = "wide" if width >= _WIDE * scale else "medium" if width >= _MEDIUM * scale else "narrow"
        self._wide_row.show_fields(TEXT_FIELDS if name == "wide" else TEXT_FIELDS[:2], width)
        if name == self._layout_name:
            self._wide_row.show_filters(self._filters)
            return
        first, self._layout_name = not self._layout_name, name
        narrow = name == "narrow"
        # What is hidden with the focus hands it on to whatever comes next in the window.
        focused = not first and any(each.focus for each in self.findChildren(qt.QLineEdit))
        self._wide_row.visible = not narrow
        self._narrow_row.visible = narrow
        self._row_in_use = self._narrow_row if narrow else self._wide_row
        hidden = () if name == "wide" else TEXT_FIELDS[2:]
        if narrow:
            shown = (*TEXT_FIELDS, "Modalities", "date", *MORE_FIELDS, "only", "servers")
        else:
            shown = (*hidden, *MORE_FIELDS, "only")
        self._more.arrange(shown, 1 if narrow else 2)
        self._show()
        if focused:
            grab_focus(self._row_in_use.first_field)

    def resizeEvent(self, event: Any) -> None:
        """Another width may need another layout."""
        qt.QWidget.resizeEvent(self, event)
        self.arrange(self.width)

    # Making

    def _make_popups(self, on_edit_servers: Callable[[], None]) -> None:
        theme = self._theme
        self._modalities = CheckPopup(
            self, theme, _("Modality"), self._modalities_checked, [(_("All"), lambda: self._modalities_checked([]))]
        )
        self._dates = DatePopup(
            self,
            theme,
            date_presets(),
            lambda key: self._change(with_preset(self._filters, key)),
            lambda number, unit: self._change(with_last(self._filters, number, unit)),
            lambda first, last: self._change(with_range(self._filters, first, last)),
        )
        links = [
            (_("Default"), lambda: self._choose_servers(None)),
            (_("All"), lambda: self._choose_servers(self._choice.names)),
            (_("Edit servers..."), lambda: self._edit_servers(on_edit_servers)),
        ]
        self._servers = CheckPopup(self, theme, _("Servers to ask"), self._choose_servers, links)
        self._narrow_fields = {
            "Modalities": FieldButton(theme, _("Modality"), self._open_modalities),
            "date": FieldButton(theme, _("Study date"), self._open_dates),
            "servers": FieldButton(theme, _("Servers to ask"), self._open_servers),
        }
        self._more = MorePopup(
            self,
            theme,
            (*TEXT_FIELDS, *MORE_FIELDS),
            self._narrow_fields,
            self.saved,
            MoreActions(
                edit=self._edit,
                only=lambda only: self._change(replace(self._filters, only=only)),
                enter=self.query,
                lock=lambda locked: self.saved.lock(self._filters if locked else None),
                use=self.set_filters,
                current=lambda: self._filters,
            ),
        )

    def _make_rows(self) -> None:
        actions = RowActions(
            edit=self._edit,
            enter=self.query,
            modalities=self._open_modalities,
            date=self._open_dates,
            more=self._open_more,
            clear=self.clear,
            servers=self._open_servers,
        )
        self._wide_row = WideRow(self._theme, actions)
        self._narrow_row = NarrowRow(self._theme, actions, self._narrow_fields)
        self._question = self._question_row()
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.spacing = 0
        # A window may become narrower than the present layout needs: that is when the next one takes over.
        layout.sizeConstraint = qt.QLayout.SetNoConstraint
        self.sizePolicy = qt.QSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Fixed)
        for row in (self._wide_row, self._narrow_row, self._question):
            layout.addWidget(row)
        self.setLayout(layout)

    def _question_row(self) -> Any:
        row = qt.QFrame()
        set_state(row, "note", "info")
        text = label(_("Ask for everything?"), "strong")
        week = link_button(_("Last 7 days"), self._ask_week)
        everything = link_button(
            _("All, up to {count}").format(count=_EVERYTHING_LIMIT), lambda: self._ask(_EVERYTHING_LIMIT)
        )
        no = link_button(_("No"), lambda: self._question.hide())
        layout = qt.QHBoxLayout()
        layout.setContentsMargins(self._theme.px(12), self._theme.px(3), self._theme.px(12), self._theme.px(3))
        layout.spacing = self._theme.px(8)
        for part in (text, week, everything, no):
            layout.addWidget(part)
        layout.addStretch(1)
        row.setLayout(layout)
        row.visible = False
        return row

    # What the user does

    def _edit(self, name: str, value: str) -> None:
        changes: dict[str, Any] = {name: value}
        self._filters = replace(self._filters, **changes)
        self._show()
        self._pause.start()

    def _change(self, filters: Filters) -> None:
        self.set_filters(filters)

    def _tell(self) -> None:
        self._pause.stop()
        if self.saved.locked:
            self.saved.lock(self._filters)
        self._on_filters(self._filters)

    def _ask(self, limit: int) -> None:
        self._question.visible = False
        self._asked = (self._filters, tuple(self.servers))
        self.saved.asked(self._filters)
        self._show_changed()
        self._on_query(self._filters, self.servers, limit)

    def _ask_week(self) -> None:
        self.set_filters(with_last(self._filters, 7, "days"))
        self._ask(0)

    def _modalities_checked(self, modalities: list[str]) -> None:
        self._change(replace(self._filters, Modalities=tuple(modalities)))
        self._fill_modalities()

    def _choose_servers(self, names: Sequence[str] | None) -> None:
        self._choice.choose(names)
        self._fill_servers()
        self._show()

    def _edit_servers(self, on_edit_servers: Callable[[], None]) -> None:
        self._servers.close()
        on_edit_servers()

    # Popups

    def _open_modalities(self, below: Any) -> None:
        self._fill_modalities()
        place_popup(self._modalities, below)
        self._modalities.focus_list()

    def _open_dates(self, below: Any) -> None:
        self._dates.show_choice(date_key(self._filters), *date_span(self._filters))
        place_popup(self._dates, below)
        self._dates.focus_list()

    def _open_more(self, below: Any) -> None:
        self._more.show_kept()
        place_popup(self._more, below)

    def _open_servers(self, below: Any) -> None:
        self._fill_servers()
        place_popup(self._servers, below)
        self._servers.focus_list()

    def _fill_modalities(self) -> None:
        known = {**dict.fromkeys(self._filters.Modalities, 0), **self._counts}
        order = sorted(known, key=lambda modality: (-known[modality], modality))
        items = [CheckItem(modality, modality, f"{known[modality]:,}") for modality in order]
        self._modalities.fill(items, self._filters.Modalities)

    def _fill_servers(self) -> None:
        self._servers.fill(self._choice.items(), self.servers)

    # Showing

    def _show(self) -> None:
        filters = self._filters
        for row in (self._wide_row, self._narrow_row):
            row.show_filters(filters)
        self._more.show_filters(filters)
        servers = servers_text(self.servers, len(self._choice.names))
        self._wide_row.servers.put(servers, False)
        self._narrow_fields["servers"].put(servers, False)
        for fields in (self._wide_row, None):
            modality = fields.modality if fields else self._narrow_fields["Modalities"]
            date = fields.date if fields else self._narrow_fields["date"]
            modality.put(modality_text(filters.Modalities), bool(filters.Modalities))
            date.put(date_text(filters), "date" in filters.active())
        if filters.as_query():
            self._question.visible = False
        self._show_changed()

    def _show_changed(self) -> None:
        for row in (self._wide_row, self._narrow_row):
            row.query.show_changed(self.changed)
