"""What is selected, and what can be done with it: a bar that is there only while something is. Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.browser.menus import Item, fill_menu
from VisualDICOMBrowserLib.widgets.language import _, plural
from VisualDICOMBrowserLib.widgets.look.parts import label, push_button, tool_button

__all__ = ["SelectionBar"]


class SelectionBar(qt.QFrame):
    """Counts of the selection and its actions.

    Parameters
    ----------
    theme : Theme
    on_load, on_clear : Callable[[], None]
        Load what is selected, select nothing.
    more : Callable[[], Sequence of Item]
        Entries of the menu behind the last button.
    """

    def __init__(
        self,
        theme: Any,
        on_load: Callable[[], None],
        on_send: Callable[[], Sequence[Item]],
        on_clear: Callable[[], None],
        more: Callable[[], Sequence[Item]],
    ) -> None:
        qt.QFrame.__init__(self)
        self.objectName = "selectionBar"
        self.accessibleName = _("Selection")
        self._title = label("", "strong")
        self._detail = label("", "mid")
        self._load = push_button(theme, _("Load"), on_load, "cube", "", "", "primary")
        self._options = push_button(theme, _("Load with options..."), _nothing)
        self._options.enabled = False
        self._options.toolTip = _("Choosing how to load comes with a later version.")
        self._send = push_button(theme, _("Send..."), _nothing, "send")
        self._send_menu = self._menu_of(self._send, on_send)
        self._export = push_button(theme, _("Export..."), _nothing, "export")
        self._export.enabled = False
        self._export.toolTip = _("Export comes with a later version.")
        self._more = push_button(theme, "...", _nothing, "", _("More actions"))
        self._more.accessibleName = _("More actions")
        self._more_menu = self._menu_of(self._more, more)
        self._close = tool_button(theme, "close", _("Select nothing"), on_clear, "", "Esc")
        layout = qt.QHBoxLayout()
        layout.setContentsMargins(12, 6, 12, 6)
        layout.spacing = 8
        layout.addWidget(self._title)
        layout.addWidget(self._detail, 1)
        for each in (self._load, self._options, self._send, self._export, self._more, self._close):
            layout.addWidget(each)
        self.setLayout(layout)
        self.hide()

    def arrange(self, narrow: bool) -> None:
        """Leave out what a narrow panel has no room for; it is in the menu too."""
        self._options.visible = not narrow
        self._export.visible = not narrow
        self._detail.visible = not narrow

    def show_selection(self, series: int, images: int, size: str, where: str, place: str) -> None:
        """Show what is selected; nothing hides the bar."""
        self._title.text = plural(series, "{count} series selected", "{count} series selected")
        parts = [plural(images, "{count} image", "{count} images"), size, where]
        self._detail.text = " · ".join(part for part in parts if part)
        self._load.toolTip = plural(series, "Load {count} series into ", "Load {count} series into ") + place
        self.visible = series > 0

    def _menu_of(self, button: Any, items: Callable[[], Sequence[Item]]) -> Any:
        menu = qt.QMenu(button)

        def fill() -> None:
            menu.clear()
            fill_menu(menu, items())

        menu.aboutToShow.connect(lambda *_args: fill())
        button.setMenu(menu)
        return menu


def _nothing() -> None:
    """What a button does that only opens its menu."""
