"""The row above the patient: tabs, order, cards or rows, size of pictures, tabs or list, layouts. Main thread only."""

from __future__ import annotations

from typing import Any, Protocol

import qt

from VisualDICOMBrowserLib.widgets.browser.menus import Item, fill_menu
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import Segmented, push_button, tool_button

__all__ = ["ORDERS", "ToolBar", "ToolBarActions"]

ORDERS = ("number", "time", "modality", "description")
SMALLEST, LARGEST = 48, 320


def order_name(order: str) -> str:
    """An order of series as the button says it."""
    return {
        "number": _("Series number"),
        "time": _("Time"),
        "modality": _("Modality"),
        "description": _("Description"),
    }[order]


class ToolBarActions(Protocol):
    """What the buttons do."""

    def choose_order(self, order: str) -> None: ...
    def choose_view(self, rows: bool) -> None: ...
    def choose_size(self, pixels: int) -> None: ...
    def choose_mode(self, as_list: bool) -> None: ...
    def toggle_side_panel(self) -> None: ...
    def toggle_full_screen(self) -> None: ...
    def open_menu(self) -> list[Item]: ...


class ToolBar(qt.QFrame):
    """Buttons; the place at their left is for the patient tabs or the number of patients.

    Parameters
    ----------
    theme : Theme
    actions : ToolBarActions
    """

    def __init__(self, theme: Any, actions: ToolBarActions) -> None:
        qt.QFrame.__init__(self)
        self.objectName = "toolBar"
        self._actions = actions
        self._order = push_button(theme, "", _nothing, "sort", _("Order of series"))
        self._order.accessibleName = _("Order of series")
        self._order_menu = qt.QMenu(self._order)
        for order in ORDERS:
            entry = self._order_menu.addAction(order_name(order))
            entry.triggered.connect(lambda *_args, order=order: actions.choose_order(order))
        self._order.setMenu(self._order_menu)
        self._views = Segmented(
            theme,
            [("grid", _("Cards"), _("Series as cards")), ("rows", _("Rows"), _("Series as rows"))],
            lambda name: actions.choose_view(name == _("Rows")),
        )
        self._slider = qt.QSlider(qt.Qt.Horizontal)
        self._slider.setRange(SMALLEST, LARGEST)
        self._slider.setFixedWidth(110)
        self._slider.accessibleName = _("Size of pictures")
        self._slider.toolTip = _("Size of pictures (Ctrl+wheel, Ctrl+0)")
        self._slider.valueChanged.connect(lambda value: actions.choose_size(value))
        self._modes = Segmented(
            theme,
            [
                ("tabs", _("Tabs"), _("Patients as tabs (Ctrl+L)")),
                ("list", _("List"), _("Patients as a list (Ctrl+L)")),
            ],
            lambda name: actions.choose_mode(name == _("List")),
        )
        self._side = tool_button(theme, "panel", _("Side panel"), actions.toggle_side_panel)
        self._side.checkable = True
        self._full = tool_button(theme, "fullscreen", _("Full screen"), actions.toggle_full_screen, "", "F11")
        self._gear = tool_button(theme, "gear", _("Settings, servers, import"), _nothing)
        self._gear_menu = qt.QMenu(self._gear)
        self._gear_menu.aboutToShow.connect(lambda *_args: self._fill_gear())
        self._gear.setMenu(self._gear_menu)
        self._gear.popupMode = qt.QToolButton.InstantPopup
        self._left = qt.QHBoxLayout()
        self._left.spacing = 4
        layout = qt.QHBoxLayout()
        layout.setContentsMargins(12, 4, 12, 4)
        layout.spacing = 8
        layout.addLayout(self._left, 1)
        for each in (self._order, self._views, self._slider, self._modes, self._side, self._full, self._gear):
            layout.addWidget(each)
        self.setLayout(layout)

    def put_left(self, widget: Any, stretch: int = 0) -> None:
        """Add a widget to the place at the left."""
        self._left.addWidget(widget, stretch)

    def arrange(self, narrow: bool) -> None:
        """Leave out what a narrow panel has no room for."""
        for each in (self._order, self._views, self._slider, self._modes):
            each.visible = not narrow

    def show_state(self, order: str, rows: bool, size: int, as_list: bool, side: bool) -> None:
        """Show what is chosen."""
        self._order.text = order_name(order)
        self._views.choose(_("Rows") if rows else _("Cards"))
        self._modes.choose(_("List") if as_list else _("Tabs"))
        was = self._slider.blockSignals(True)
        self._slider.value = size
        self._slider.blockSignals(was)
        self._side.checked = side

    def _fill_gear(self) -> None:
        self._gear_menu.clear()
        fill_menu(self._gear_menu, self._actions.open_menu())


def _nothing() -> None:
    """What a button does that only opens its menu."""
