"""The menu of the list's header: show, hide and rename columns, and the popup that takes a new title.

Main thread only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import label
from VisualDICOMBrowserLib.widgets.look.theme import Theme, set_state
from VisualDICOMBrowserLib.widgets.patients.column_store import ChosenColumn
from VisualDICOMBrowserLib.widgets.search.fields import grab_focus

__all__ = ["RenamePopup", "fill_header_menu"]


def fill_header_menu(
    menu: Any,
    columns: Sequence[ChosenColumn],
    clicked: str,
    on_toggle: Callable[[str, bool], None],
    on_rename: Callable[[str], None] | None,
    on_sort: Callable[[str], None] | None,
    on_reset: Callable[[], None],
    kept: Collection[str] = (),
) -> None:
    """Fill a ``QMenu``; `clicked` is the column under the mouse, those of `kept` cannot be hidden."""
    menu.clear()
    named = next((each for each in columns if each.name == clicked), None)
    for words, action in ((_("Sort by {column}"), on_sort), (_("Rename {column}..."), on_rename)):
        if named is not None and action is not None:
            _add(menu, words.format(column=named.title), partial(action, clicked))
    if not menu.isEmpty():
        menu.addSeparator()
    shown = sum(1 for each in columns if each.visible)
    for each in columns:
        entry = _add(menu, each.title, partial(on_toggle, each.name, not each.visible))
        entry.checkable = True
        entry.checked = each.visible
        entry.enabled = each.name not in kept and not (each.visible and shown == 1)
    menu.addSeparator()
    _add(menu, _("Reset Columns"), on_reset)


def _add(menu: Any, text: str, action: Callable[[], None]) -> Any:
    entry = menu.addAction(text.replace("&", "&&"))
    entry.triggered.connect(lambda *_args: action())
    return entry


class RenamePopup(qt.QFrame):
    """A field for the title of a column; Enter takes it, Esc leaves it as it was.

    Parameters
    ----------
    theme : Theme
    parent : QWidget
    on_title : Callable[[str], None]
        Called with the title that the user wrote, empty for the usual one.
    """

    def __init__(self, theme: Theme, parent: Any, on_title: Callable[[str], None]) -> None:
        qt.QFrame.__init__(self, parent)
        self.setWindowFlags(qt.Qt.Popup)
        set_state(self, "kind", "popup")
        self._on_title = on_title
        self.field = qt.QLineEdit()
        self.field.accessibleName = _("Title of the column")
        self.field.returnPressed.connect(lambda *_args: self._take())
        layout = qt.QVBoxLayout()
        margin = theme.px(8)
        layout.setContentsMargins(margin, margin, margin, margin)
        layout.addWidget(label(_("Title of the column"), "caption"))
        layout.addWidget(self.field)
        self.setLayout(layout)

    def open_at(self, place: Any, title: str) -> None:
        """Show it with its upper left corner at a point of the screen."""
        self.field.text = title
        self.field.selectAll()
        self.adjustSize()
        self.move(place)
        self.show()
        grab_focus(self.field)

    def _take(self) -> None:
        self.hide()
        self._on_title(self.field.text.strip())
