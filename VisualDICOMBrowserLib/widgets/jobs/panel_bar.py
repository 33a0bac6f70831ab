"""The head of the job panel: filters with counts, search, and what is done with all jobs. Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import label, push_button, tool_button

__all__ = ["FILTER_WORDS", "PanelBar"]

FILTER_WORDS = {
    "all": "All {count}",
    "running": "Running {count}",
    "waiting": "Waiting {count}",
    "queued": "Queued {count}",
    "failed": "Failed {count}",
    "done": "Done {count}",
}


class PanelBar(qt.QWidget):
    """One line where there is room, two where there is little.

    Parameters
    ----------
    context : BrowserContext
    on_filter, on_search : Callable[[str], None]
        Called with the name of the chosen filter and with the words to search for.
    on_all : Callable[[str], None]
        Called with ``pause``, ``resume``, ``retry``, ``clear``, ``menu`` or ``close``.
    closable : bool
        Whether there is a button that closes the panel.
    """

    def __init__(
        self,
        context: BrowserContext,
        on_filter: Callable[[str], None],
        on_search: Callable[[str], None],
        on_all: Callable[[str], None],
        closable: bool,
    ) -> None:
        qt.QWidget.__init__(self)
        self._theme = context.theme
        self._on_filter = on_filter
        self._on_all = on_all
        self._pauses = True
        self._closable = closable
        self._filters: dict[str, Any] = {}
        self.setProperty("ground", "window")
        self.setAttribute(qt.Qt.WA_StyledBackground, True)
        self._make_filters()
        self._make_search(on_search)
        self._make_buttons()
        self._lay_out()
        self.choose("all")

    def set_counts(self, counts: Mapping[str, int], pausable: bool, resumable: bool, failed: int, done: int) -> None:
        """Show how many jobs each filter shows, and which buttons have something to do."""
        for number, (name, words) in enumerate(FILTER_WORDS.items()):
            text = _(words).format(count=f"{counts.get(name, 0):,}")
            if self._filters[name].text != text:
                self._filters[name].text = text
                self._filters[name].accessibleName = text
                self._combo.setItemText(number, text)
        self._pauses = pausable or not resumable
        self._pause.text = _("Pause all") if self._pauses else _("Resume all")
        self._pause.accessibleName = self._pause.text
        px = self._theme.px
        self._pause.icon = self._theme.icon("pause" if self._pauses else "play", "text", px(16), "", px(3))
        self._pause.enabled = pausable or resumable
        self._retry.enabled = failed > 0
        self._clear.enabled = done > 0

    def choose(self, name: str) -> None:
        """Show which filter is chosen; `on_filter` is not called."""
        for known, button in self._filters.items():
            button.checked = known == name
        was = self._combo.blockSignals(True)
        self._combo.currentIndex = list(FILTER_WORDS).index(name)
        self._combo.blockSignals(was)

    def arrange(self, width: int) -> None:
        """Less in a line where it is narrow; what is left out is in the menu."""
        small, medium = width < self._theme.px(620), width < self._theme.px(1060)
        self._filter_row.visible = not medium
        self._combo.visible = medium
        self._title.visible = not small
        for button in (self._pause, self._retry, self._clear):
            button.visible = not small

    def menu_place(self) -> Any:
        """Where the menu of the gear opens, on the screen."""
        return self._gear.mapToGlobal(qt.QPoint(0, self._gear.height))

    def _make_filters(self) -> None:
        self._title = label(_("Jobs"), "heading")
        self._filter_row = qt.QWidget()
        row = qt.QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.spacing = self._theme.px(2)
        self._combo = qt.QComboBox()
        self._combo.accessibleName = _("Jobs to show")
        for name, words in FILTER_WORDS.items():
            button = push_button(self._theme, "", self._choosing(name), "", "", "", "filter")
            button.checkable = True
            self._filters[name] = button
            row.addWidget(button)
            self._combo.addItem(_(words).format(count=0))
        self._filter_row.setLayout(row)
        self._combo.sizeAdjustPolicy = qt.QComboBox.AdjustToContents
        self._combo.currentIndexChanged.connect(lambda index: self._chosen(list(FILTER_WORDS)[index]))

    def _make_search(self, on_search: Callable[[str], None]) -> None:
        self._search = qt.QLineEdit()
        self._search.placeholderText = _("Search jobs")
        self._search.accessibleName = _("Search jobs")
        self._search.clearButtonEnabled = True
        self._search.minimumWidth = self._theme.px(96)
        self._search.maximumWidth = self._theme.px(200)
        self._glass = self._search.addAction(self._theme.icon("search", "mid"), qt.QLineEdit.LeadingPosition)
        self._theme.follow(self, self._show_glass)
        self._search.textChanged.connect(lambda text: on_search(text))

    def _show_glass(self) -> None:
        self._glass.icon = self._theme.icon("search", "mid")

    def _make_buttons(self) -> None:
        theme = self._theme
        pause_all, retry, clear = _("Pause all"), _("Retry failed"), _("Clear done")
        self._pause = push_button(theme, pause_all, self._pause_or_resume, "pause", "", "Ctrl+Shift+P")
        self._retry = push_button(theme, retry, lambda: self._on_all("retry"), "retry", "", "Ctrl+Shift+T")
        self._clear = push_button(theme, clear, lambda: self._on_all("clear"), "", "", "Ctrl+Shift+Del")
        self._gear = tool_button(theme, "gear", _("More for all jobs"), lambda: self._on_all("menu"))
        self._close = tool_button(theme, "chevron-down", _("Close jobs"), lambda: self._on_all("close"), "", "Ctrl+J")

    def _lay_out(self) -> None:
        px = self._theme.px
        layout = qt.QHBoxLayout()
        layout.setContentsMargins(px(14), px(6), px(10), px(6))
        layout.spacing = px(8)
        layout.addWidget(self._title)
        for part in (self._filter_row, self._combo):
            layout.addWidget(part)
        layout.addWidget(self._search, 8)
        layout.addStretch(1)
        for part in (self._pause, self._retry, self._clear, self._gear, self._close):
            layout.addWidget(part)
        self._close.visible = self._closable
        self.setLayout(layout)

    def _choosing(self, name: str) -> Callable[[], None]:
        return lambda: self._chosen(name)

    def _chosen(self, name: str) -> None:
        self.choose(name)
        self._on_filter(name)

    def _pause_or_resume(self) -> None:
        self._on_all("pause" if self._pauses else "resume")
