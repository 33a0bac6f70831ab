"""Choosing study dates: presets, the last so many days, since a day, a range. Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import line, push_button
from VisualDICOMBrowserLib.widgets.look.theme import Theme, set_state
from VisualDICOMBrowserLib.widgets.search.fields import grab_focus

__all__ = ["DatePopup"]

_DISPLAY = "yyyy-MM-dd"
_DICOM = "yyyyMMdd"


class DatePopup(qt.QFrame):
    """A popup of presets with fields below.

    Parameters
    ----------
    parent : QWidget
    theme : Theme
    presets : sequence of (key, text)
        The first stands for any date.
    on_preset : Callable[[str], None]
    on_last : Callable[[int, str], None]
        A number, and ``days``, ``months`` or ``years``.
    on_range : Callable[[str, str], None]
        First and last day, ``YYYYMMDD``; the last one empty for no end.
    """

    def __init__(
        self,
        parent: Any,
        theme: Theme,
        presets: Sequence[tuple[str, str]],
        on_preset: Callable[[str], None],
        on_last: Callable[[int, str], None],
        on_range: Callable[[str, str], None],
    ) -> None:
        qt.QFrame.__init__(self, parent)
        self.setWindowFlags(qt.Qt.Popup)
        set_state(self, "kind", "popup")
        self._theme = theme
        self._keys = [key for key, _text in presets]
        self._on_preset = on_preset
        self._on_last = on_last
        self._on_range = on_range
        self._list = qt.QListWidget()
        self._list.accessibleName = _("Study date")
        for _key, text in presets:
            self._list.addItem(text)
        self._list.itemClicked.connect(lambda *_: self._preset_chosen())
        self._list.itemActivated.connect(lambda *_: self._preset_chosen())
        self._list.verticalScrollBarPolicy = qt.Qt.ScrollBarAlwaysOff
        layout = qt.QVBoxLayout()
        edge = theme.px(8)
        layout.setContentsMargins(edge, edge, edge, edge)
        layout.spacing = theme.px(8)
        layout.addWidget(self._list)
        layout.addWidget(line())
        layout.addLayout(self._grid())
        self.setLayout(layout)
        theme.follow(self, self._show_theme)

    def show_choice(self, key: str, first: str, last: str) -> None:
        """Mark the preset in use, or show the range."""
        self._list.currentRow = self._keys.index(key) if key in self._keys else -1
        self._fit()
        today = qt.QDate.currentDate()
        from_day = qt.QDate.fromString(first, _DICOM) if first else today.addMonths(-1)
        until_day = qt.QDate.fromString(last, _DICOM) if last else today
        self._since.date = from_day
        self._first.date = from_day
        self._last.date = until_day

    def focus_list(self) -> None:
        """Let the keys move through the presets."""
        grab_focus(self._list)

    def choose_preset(self, key: str) -> None:
        """Choose a preset as the user does."""
        self._list.currentRow = self._keys.index(key)
        self._preset_chosen()

    def choose_last(self, number: int, unit: int) -> None:
        """Choose the last so many days (unit 0), months (1) or years (2)."""
        self._number.value = number
        self._unit.currentIndex = unit
        self._use_last()

    def choose_range(self, first: str, last: str) -> None:
        """Choose a range, ``YYYYMMDD``."""
        self._first.date = qt.QDate.fromString(first, _DICOM)
        self._last.date = qt.QDate.fromString(last, _DICOM)
        self._use_range()

    def _grid(self) -> Any:
        self._number = qt.QSpinBox()
        self._number.minimum = 1
        self._number.maximum = 999
        self._number.value = 14
        self._number.accessibleName = _("Number")
        self._unit = qt.QComboBox()
        self._unit.accessibleName = _("Unit")
        for text in (_("days"), _("months"), _("years")):
            self._unit.addItem(text)
        self._since = self._day(_("Since"))
        self._first = self._day(_("First day"))
        self._last = self._day(_("Last day"))
        grid = qt.QGridLayout()
        grid.spacing = self._theme.px(6)
        rows = (
            (_("Last"), (self._number, self._unit), self._use_last),
            (_("Since"), (self._since,), self._use_since),
            (_("From"), (self._first, self._last), self._use_range),
        )
        for row, (text, fields, action) in enumerate(rows):
            caption = qt.QLabel(text)
            caption.setBuddy(fields[0])
            grid.addWidget(caption, row, 0)
            for column, field in enumerate(fields):
                grid.addWidget(field, row, column + 1, 1, 3 - len(fields))
            button = push_button(self._theme, _("Set"), action, kind="small")
            button.accessibleName = _("{text}: set").format(text=text)
            grid.addWidget(button, row, 3)
        return grid

    def _day(self, name: str) -> Any:
        field = qt.QDateEdit()
        field.displayFormat = _DISPLAY
        field.calendarPopup = True
        field.date = qt.QDate.currentDate()
        field.accessibleName = name
        return field

    def _preset_chosen(self) -> None:
        row = self._list.currentRow
        if row >= 0:
            self.close()
            self._on_preset(self._keys[row])

    def _use_last(self) -> None:
        self.close()
        self._on_last(int(self._number.value), ("days", "months", "years")[self._unit.currentIndex])

    def _use_since(self) -> None:
        self.close()
        self._on_range(self._since.date.toString(_DICOM), "")

    def _use_range(self) -> None:
        first, last = sorted((self._first.date.toString(_DICOM), self._last.date.toString(_DICOM)))
        self.close()
        self._on_range(first, last)

    def _show_theme(self) -> None:
        self.palette = self._theme.palette()

    def _fit(self) -> None:
        """All presets without scrolling; their height is known once the look is applied."""
        self._list.ensurePolished()
        rows = sum(self._list.sizeHintForRow(row) for row in range(len(self._keys)))
        self._list.setFixedHeight(rows + 4)
