"""All settings in one window, beside the browser; each takes effect at once. Main thread only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import icon_label, label, primary_button, push_button
from VisualDICOMBrowserLib.widgets.settings.page_database import DatabasePage
from VisualDICOMBrowserLib.widgets.settings.page_fetching import FetchingPage
from VisualDICOMBrowserLib.widgets.settings.page_listener import ListenerPage
from VisualDICOMBrowserLib.widgets.settings.page_look import LookPage

__all__ = ["SettingsWindow"]

_SIZE = (860, 640)
_LIST_WIDTH = 190
_ICONS = ("database", "image", "ring", "contrast")


class SettingsWindow(qt.QWidget):
    """Database, pictures and fetching, this computer, look.

    Parameters
    ----------
    context : BrowserContext
    on_view : Callable[[str], None]
        Called with the key of a view setting (``page_look``: order of series, opened studies) after it changed.
    on_servers : Callable[[], None], optional
        Opens the servers window.
    """

    def __init__(
        self,
        context: BrowserContext,
        on_view: Callable[[str], None] = lambda key: None,
        on_servers: Callable[[], None] | None = None,
    ) -> None:
        qt.QWidget.__init__(self)
        self._context = context
        self._look = LookPage(context, on_view)
        self._pages = [DatabasePage(context, self.close), FetchingPage(context), ListenerPage(context), self._look]
        self.windowTitle = _("Settings")
        self.setProperty("ground", "window")
        self.setAttribute(qt.Qt.WA_StyledBackground, True)
        self._build(on_servers)
        self.resize(context.theme.px(_SIZE[0]), context.theme.px(_SIZE[1]))
        context.theme.follow(self, self._take_look)
        self._unsubscribe = context.client.subscribe(self._on_event)
        self.refresh()

    def refresh(self) -> None:
        """Ask the engine for everything that is shown."""
        self._ask_values()
        for page in self._pages:
            page.refresh()

    def show_page(self, number: int) -> None:
        """Show a page: 0 database, 1 pictures and fetching, 2 this computer, 3 look."""
        self._list.currentRow = number

    def closeEvent(self, event: Any) -> None:
        """Listen to the engine no longer; a window that is closed is not shown again."""
        self._unsubscribe()
        self._unsubscribe = lambda: None
        self._look.close_page()
        qt.QWidget.closeEvent(self, event)

    def keyPressEvent(self, event: Any) -> None:
        """Esc closes."""
        if event.key() == qt.Qt.Key_Escape:
            self.close()
        else:
            qt.QWidget.keyPressEvent(self, event)

    def _take_look(self) -> None:
        theme = self._context.theme
        theme.apply(self)
        for row, icon in enumerate(_ICONS):
            self._list.item(row).setIcon(theme.icon(icon, "mid", theme.px(16)))

    def _build(self, on_servers: Callable[[], None] | None) -> None:
        theme = self._context.theme
        px = theme.px
        head = self._strip("below")
        head.layout().addWidget(icon_label(theme, "gear", "accent", 18))
        head.layout().addWidget(label(_("Settings"), "title"))
        head.layout().addStretch(1)
        head.layout().addWidget(label(_("Changes apply at once and are kept for the next start"), "mid"))
        self._list = qt.QListWidget()
        self._list.accessibleName = _("Pages of settings")
        self._list.setFixedWidth(px(_LIST_WIDTH))
        self._stack = qt.QStackedWidget()
        for page in self._pages:
            self._list.addItem(page.heading)
            self._stack.addWidget(page)
        self._list.currentRowChanged.connect(self._show_page)
        self._list.currentRow = 0
        middle = qt.QHBoxLayout()
        middle.spacing = 0
        middle.addWidget(self._list)
        middle.addWidget(self._stack, 1)
        foot = self._strip("above")
        if on_servers is not None:
            open_servers: Callable[[], None] = on_servers
            foot.layout().addWidget(push_button(theme, _("Servers..."), open_servers, "server"))
        foot.layout().addStretch(1)
        foot.layout().addWidget(primary_button(theme, _("Close"), lambda: self._end()))
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.spacing = 0
        layout.addWidget(head)
        layout.addLayout(middle, 1)
        layout.addWidget(foot)
        self.setLayout(layout)

    def _strip(self, line: str) -> Any:
        px = self._context.theme.px
        strip = qt.QFrame()
        strip.setProperty("ground", "bar" if line == "below" else "window")
        strip.setProperty("line", line)
        row = qt.QHBoxLayout()
        row.setContentsMargins(px(16), px(8), px(16), px(8))
        row.spacing = px(8)
        strip.setLayout(row)
        return strip

    def _end(self) -> None:
        self.close()

    def _show_page(self, number: int) -> None:
        if 0 <= number < len(self._pages):
            self._stack.currentIndex = number

    def _ask_values(self) -> None:
        before = self._changes()
        self._context.ask("settings", lambda changed: self._show_values(changed, before))

    def _changes(self) -> int:
        return sum(page.changes for page in self._pages)

    def _show_values(self, changed: dict[str, Any], before: int) -> None:
        if self._changes() != before:
            # The user was faster than the answer, which would take back what was just chosen.
            self._ask_values()
            return
        for page in self._pages:
            page.show_values(changed)

    def _on_event(self, event: dict[str, Any]) -> None:
        name = event.get("event")
        self._pages[0].note_event(event)
        if name == "servers_changed":
            self._pages[1].refresh()
        elif name == "engine_ready":
            self.refresh()
