"""The row of open patients: at most twelve tabs, of which the one looked at longest ago leaves. Main thread only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.catalogue.entries import PatientEntry, PatientKey
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.patients.columns import patient_name

__all__ = ["PatientTabs"]

MOST_TABS = 12
_LONGEST_TAB = 260


class PatientTabs(qt.QTabBar):
    """Tabs of patients.

    Parameters
    ----------
    context : BrowserContext
    on_current : Callable[[PatientKey | None], None]
        Called with the key of the tab that the user made the current one, or that became it because another was
        closed; None when the last one was closed.
    on_close : Callable[[PatientKey], None], optional
        Called with the key of a tab that the user closed, or that left because there are too many.
    """

    def __init__(
        self,
        context: BrowserContext,
        on_current: Callable[[PatientKey | None], None],
        on_close: Callable[[PatientKey], None] | None = None,
    ) -> None:
        qt.QTabBar.__init__(self)
        self._theme = context.theme
        self._on_current = on_current
        self._on_close = on_close
        self._busy = False
        self._keys: list[PatientKey] = []
        self._icons: dict[PatientKey, tuple[str, str]] = {}
        self._used: list[PatientKey] = []
        self.accessibleName = _("Open patients")
        self.expanding = False
        self.movable = True
        self.tabsClosable = True
        self.usesScrollButtons = True
        self.drawBase = False
        self.documentMode = True
        self.elideMode = qt.Qt.ElideRight
        self.focusPolicy = qt.Qt.TabFocus
        self.currentChanged.connect(lambda number: self._changed(number))
        self.tabCloseRequested.connect(lambda number: self._closed(number))
        self.tabMoved.connect(lambda first, last: self._moved(first, last))
        self._theme.follow(self, self._show_icons)

    def keys(self) -> list[PatientKey]:
        """Keys of the open patients, the one looked at last at the end."""
        return list(self._used)

    @property
    def current_key(self) -> PatientKey | None:
        """Key of the current patient."""
        number = self.currentIndex
        return self._keys[number] if 0 <= number < len(self._keys) else None

    def open_tab(self, entry: PatientEntry) -> None:
        """Make a patient's tab the current one, opened if there is none, without a word to `on_current`."""
        self._busy = True
        try:
            if entry.key not in self._keys:
                if len(self._keys) >= MOST_TABS:
                    self._leave(self._used[0])
                self._keys.append(entry.key)
                self._icons[entry.key] = ("person", "mid")
                self.addTab(_title(entry))
                self.note(entry, "person", "mid")
            self.currentIndex = self._keys.index(entry.key)
        finally:
            self._busy = False
        self._use(entry.key)
        self._show_icons()

    def note(self, entry: PatientEntry, icon: str = "person", token: str = "mid") -> None:
        """Show what has changed of an open patient: its name, and its state as an icon."""
        if entry.key not in self._keys:
            return
        number = self._keys.index(entry.key)
        if self.tabText(number) != _title(entry):
            self.setTabText(number, _title(entry))
        self.setTabToolTip(number, _hint(entry))
        if self._icons.get(entry.key) != (icon, token):
            self._icons[entry.key] = (icon, token)
            self._show_icons()

    def close_tab(self, key: PatientKey) -> None:
        """Take a patient's tab away, without a word to `on_current`."""
        if key in self._keys:
            was, self._busy = self._busy, True
            try:
                self._leave(key)
            finally:
                self._busy = was

    def close_current(self) -> None:
        """Close the current tab, as its cross does."""
        if self._keys:
            self._closed(self.currentIndex)

    def step(self, by: int) -> None:
        """Make the tab so many places further the current one, round and round."""
        if self._keys:
            self.currentIndex = (self.currentIndex + by) % len(self._keys)

    def tabSizeHint(self, number: int) -> Any:
        """Long names do not push the others away."""
        wanted = qt.QTabBar.tabSizeHint(self, number)
        return qt.QSize(min(wanted.width(), self._theme.px(_LONGEST_TAB)), wanted.height())

    def mouseReleaseEvent(self, event: Any) -> None:
        """The middle button closes a tab."""
        if event.button() == qt.Qt.MiddleButton:
            number = self.tabAt(qt.QPoint(event.pos()))
            if number >= 0:
                self._closed(number)
                return
        qt.QTabBar.mouseReleaseEvent(self, event)

    def keyPressEvent(self, event: Any) -> None:
        """Delete and Ctrl+W close the current tab."""
        control = event.modifiers() == qt.Qt.ControlModifier
        if event.key() == qt.Qt.Key_Delete or (event.key() == qt.Qt.Key_W and control):
            self.close_current()
        else:
            qt.QTabBar.keyPressEvent(self, event)

    def _changed(self, number: int) -> None:
        if not self._busy and 0 <= number < len(self._keys):
            self._use(self._keys[number])
            self._show_icons()
            self._on_current(self._keys[number])

    def _closed(self, number: int) -> None:
        key, before = self._keys[number], self.current_key
        self.close_tab(key)
        if self._on_close is not None:
            self._on_close(key)
        if self.current_key != before:
            if self.current_key is not None:
                self._use(self.current_key)
            self._show_icons()
            self._on_current(self.current_key)

    def _leave(self, key: PatientKey) -> None:
        number = self._keys.index(key)
        del self._keys[number]
        self._used.remove(key)
        self._icons.pop(key, None)
        self.removeTab(number)

    def _moved(self, first: int, last: int) -> None:
        self._keys.insert(last, self._keys.pop(first))

    def _use(self, key: PatientKey) -> None:
        self._used = [each for each in self._used if each != key] + [key]

    def _show_icons(self) -> None:
        side, current = self._theme.px(16), self.currentIndex
        for number, key in enumerate(self._keys):
            icon, token = self._icons[key]
            shown = "accent" if number == current and token == "mid" else token
            self.setTabIcon(number, self._theme.icon(icon, shown, side))


def _title(entry: PatientEntry) -> str:
    # A single & would underline the letter that follows.
    return patient_name(entry).replace("&", "&&")


def _hint(entry: PatientEntry) -> str:
    return "\n".join(part for part in (patient_name(entry), entry.PatientID) if part)
