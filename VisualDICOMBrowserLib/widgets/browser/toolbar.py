"""The row above the patient: tabs, order, cards or rows, size of pictures, tabs or list, layouts. Main thread only."""

from __future__ import annotations

from typing import Any, Protocol

import qt

from VisualDICOMBrowserLib.widgets.browser.menus import Item, fill_menu
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import (
    Segmented,
    hint_with_key,
    icon_label,
    label,
    push_button,
    tool_button,
)
from VisualDICOMBrowserLib.widgets.look.theme import set_state

__all__ = ["ORDERS", "ToolBar", "ToolBarActions"]

ORDERS = ("number", "time", "modality", "description")
SMALLEST, LARGEST = 48, 320
_STEP = 16
_SMALL_BELOW, _STEPS_FROM = 900, 1200
"""Widths, for a font of 13 pixels: words and sizes are cut short below the one, plus and minus come with the other."""
_SHORT_SLIDER, _SLIDER = 70, 110


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
        self._theme = theme
        self._actions = actions
        self._narrow = self._short = False
        self._order_name = ""
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
        self._slider.pageStep = _STEP
        self._smaller = tool_button(
            theme, "minus", _("Smaller pictures"), lambda: self._step(-_STEP), "", "Ctrl+-", True
        )
        self._larger = tool_button(theme, "plus", _("Larger pictures"), lambda: self._step(_STEP), "", "Ctrl++", True)
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
        self._full.checkable = True
        self._gear = tool_button(theme, "gear", _("Settings, servers, import"), _nothing)
        self._gear_menu = qt.QMenu(self._gear)
        self._gear_menu.aboutToShow.connect(lambda *_args: self._fill_gear())
        self._gear.setMenu(self._gear_menu)
        self._gear.popupMode = qt.QToolButton.InstantPopup
        self._lay_out()

    def _lay_out(self) -> None:
        self._left = qt.QHBoxLayout()
        self._left.spacing = 4
        sizes = qt.QHBoxLayout()
        sizes.spacing = 2
        for each in (self._smaller, self._slider, self._larger):
            sizes.addWidget(each)
        self._windows = qt.QHBoxLayout()
        self._windows.spacing = 8
        layout = qt.QHBoxLayout()
        layout.setContentsMargins(12, 4, 12, 4)
        layout.spacing = 8
        layout.addLayout(self._left, 1)
        layout.addWidget(self._order)
        layout.addWidget(self._views)
        layout.addLayout(sizes)
        layout.addWidget(self._modes)
        layout.addLayout(self._windows)
        self.setLayout(layout)
        self._make_head()
        self._place_windows()

    def _make_head(self) -> None:
        """The first row of the side panel: its title, and the buttons that a row with a name has no room for."""
        self.head = qt.QFrame()
        set_state(self.head, "ground", "bar")
        set_state(self.head, "line", "below")
        self._head_windows = qt.QHBoxLayout()
        self._head_windows.spacing = 4
        row = qt.QHBoxLayout()
        px = self._theme.px
        row.setContentsMargins(px(12), px(3), px(8), px(3))
        row.spacing = px(8)
        row.addWidget(icon_label(self._theme, "layers", "accent"))
        row.addWidget(label(_("DICOM browser"), "strong"), 1)
        row.addLayout(self._head_windows)
        self.head.setLayout(row)
        self.head.visible = False

    def _place_windows(self) -> None:
        place = self._head_windows if self._narrow else self._windows
        for each in (self._side, self._full, self._gear):
            place.addWidget(each)

    def _step(self, by: int) -> None:
        self._slider.value = self._slider.value + by

    def put_left(self, widget: Any, stretch: int = 0) -> None:
        """Add a widget to the place at the left."""
        self._left.addWidget(widget, stretch)

    def arrange(self, narrow: bool, full: bool, width: int) -> None:
        """Leave out what a narrow panel has no room for, and on the whole screen what does nothing there."""
        px = self._theme.px
        if narrow != self._narrow:
            self._narrow = narrow
            self._place_windows()
        self._short = narrow or width < px(_SMALL_BELOW)
        self.head.visible = narrow
        self._views.visible = self._slider.visible = not narrow
        self._modes.visible = not (narrow or full)
        self._side.visible = not full
        self._smaller.visible = self._larger.visible = width >= px(_STEPS_FROM)
        self._slider.setFixedWidth(px(_SHORT_SLIDER if self._short else _SLIDER))
        self._full.checked = full
        self._full.toolTip = hint_with_key(_("Leave full screen") if full else _("Full screen"), "F11")
        self._show_order()

    def _show_order(self) -> None:
        self._order.text = "" if self._short else self._order_name
        self._order.toolTip = _("Order of series: {order}").format(order=self._order_name)

    def show_state(self, order: str, rows: bool, size: int, as_list: bool, side: bool) -> None:
        """Show what is chosen."""
        self._order_name = order_name(order)
        self._show_order()
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
