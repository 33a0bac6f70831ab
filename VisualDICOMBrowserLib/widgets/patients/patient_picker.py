"""A popup with all patients, the recent ones on top, and a field to search in them. Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.catalogue.entries import PatientEntry, PatientKey
from VisualDICOMBrowserLib.widgets.catalogue.filters import Filters
from VisualDICOMBrowserLib.widgets.catalogue.matching import Matcher
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.language import _, plural
from VisualDICOMBrowserLib.widgets.look.parts import clear_button, label, leading_icon
from VisualDICOMBrowserLib.widgets.look.theme import set_state
from VisualDICOMBrowserLib.widgets.patients.patient_model import PatientModel
from VisualDICOMBrowserLib.widgets.patients.patient_paint import PatientDelegate
from VisualDICOMBrowserLib.widgets.search.fields import grab_focus

__all__ = ["PatientPicker"]

_WIDTH, _HEIGHT, _RECENT = 360, 440, 12


class PatientPicker(qt.QFrame):
    """Searchable list of patients.

    Parameters
    ----------
    context : BrowserContext
    on_chosen : Callable[[PatientEntry], None]
    parent : QWidget
    """

    def __init__(self, context: BrowserContext, on_chosen: Callable[[PatientEntry], None], parent: Any = None) -> None:
        qt.QFrame.__init__(self, parent)
        self.setWindowFlags(qt.Qt.Popup)
        set_state(self, "kind", "popup")
        self._theme = context.theme
        self._on_chosen = on_chosen
        self._entries: list[PatientEntry] = []
        self.field = qt.QLineEdit()
        self.field.placeholderText = _("Name or ID")
        self.field.accessibleName = _("Search patients by name or ID")
        self._model = PickerModel()
        self._delegate = PatientDelegate(self._theme, self._model)
        self._delegate.narrow = True
        self.list = qt.QListView()
        self._count = label("", "small")
        self._prepare()

    def open_at(self, entries: Sequence[PatientEntry], recent: Sequence[PatientKey], place: Any) -> None:
        """Show these patients, the recent ones first, with the upper left corner at a point of the screen."""
        known = {entry.key: entry for entry in entries}
        top = [known[tuple(key)] for key in recent if tuple(key) in known][:_RECENT]
        first = {entry.key for entry in top}
        self._entries = [*top, *(entry for entry in entries if entry.key not in first)]
        self.field.clear()
        self._search("")
        self.resize(self._theme.px(_WIDTH), self._theme.px(_HEIGHT))
        self.move(place)
        self.show()
        grab_focus(self.field)

    def shown(self) -> list[PatientEntry]:
        """The patients that fit what is typed."""
        return list(self._model.entries())

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Arrows, Home, End and Enter in the field move in the list and choose."""
        if event.type() != qt.QEvent.KeyPress:
            return False
        key, count = event.key(), self._model.rowCount()
        steps = {qt.Qt.Key_Down: 1, qt.Qt.Key_Up: -1, qt.Qt.Key_PageDown: 8, qt.Qt.Key_PageUp: -8}
        if key in steps and count:
            row = min(max(self.list.currentIndex().row() + steps[key], 0), count - 1)
            self.list.setCurrentIndex(self._model.index(row, 0))
            return True
        if key in (qt.Qt.Key_Return, qt.Qt.Key_Enter):
            self._choose(self.list.currentIndex())
            return True
        return False

    def _prepare(self) -> None:
        leading_icon(self._theme, self.field, "search")
        clear_button(self._theme, self.field)
        self.field.textChanged.connect(lambda text: self._search(text))
        self.field.installEventFilter(self)
        self.list.setModel(self._model)
        self.list.setItemDelegate(self._delegate)
        self.list.accessibleName = _("Patients")
        self.list.frameShape = qt.QFrame.NoFrame
        self.list.uniformItemSizes = True
        self.list.mouseTracking = True
        self.list.editTriggers = qt.QAbstractItemView.NoEditTriggers
        self.list.verticalScrollMode = qt.QAbstractItemView.ScrollPerPixel
        self.list.horizontalScrollBarPolicy = qt.Qt.ScrollBarAlwaysOff
        self.list.clicked.connect(lambda index: self._choose(index))
        self.list.activated.connect(lambda index: self._choose(index))
        layout = qt.QVBoxLayout()
        margin = self._theme.px(6)
        layout.setContentsMargins(margin, margin, margin, margin)
        layout.spacing = margin
        layout.addWidget(self.field)
        layout.addWidget(self.list, 1)
        layout.addWidget(self._count)
        self.setLayout(layout)
        self._theme.follow(self, lambda: self.list.viewport().update())

    def _search(self, text: str) -> None:
        named = Matcher(Filters(PatientName=text)).patients(self._entries)
        by_id = {entry.key for entry in Matcher(Filters(PatientID=text)).patients(self._entries)}
        found = {entry.key for entry in named} | by_id
        self._model.show([entry for entry in self._entries if entry.key in found])
        count = self._model.rowCount()
        self._count.text = plural(count, "{count} patient", "{count} patients") if count else _("No patient fits.")
        if count:
            self.list.setCurrentIndex(self._model.index(0, 0))

    def _choose(self, index: Any) -> None:
        row = index.row()
        if 0 <= row < self._model.rowCount():
            entry = self._model.entry(row)
            self.hide()
            self._on_chosen(entry)


class PickerModel(PatientModel):
    """Patients in the order in which they are given."""

    def _ordered(self) -> list[PatientEntry]:
        return list(self._given)
