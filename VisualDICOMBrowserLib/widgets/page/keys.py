"""Keys of the patient page: what they do while the list has the focus. Main thread only."""

from __future__ import annotations

from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.page.model import PageModel

__all__ = ["PageKeys"]


class PageKeys:
    """Acts on keys of a `PageView`.

    Parameters
    ----------
    view : PageView
    model : PageModel
    calls : ViewCallbacks
    """

    def __init__(self, view: Any, model: PageModel, calls: Any) -> None:
        self._view = view
        self._list = model
        self._calls = calls
        self._ways = {
            qt.Qt.Key_Return: self._enter,
            qt.Qt.Key_Enter: self._enter,
            qt.Qt.Key_Space: self._space,
            qt.Qt.Key_Escape: self._escape,
            qt.Qt.Key_Left: lambda: self._turn(False),
            qt.Qt.Key_Right: lambda: self._turn(True),
        }
        self._with_control = {
            qt.Qt.Key_A: self.select_all,
            qt.Qt.Key_Plus: lambda: self._grow(1),
            qt.Qt.Key_Equal: lambda: self._grow(1),
            qt.Qt.Key_Minus: lambda: self._grow(-1),
            qt.Qt.Key_0: self._usual,
        }

    def press(self, event: Any) -> bool:
        """Whether a key was one of the page's own."""
        modifiers = _plain(event.modifiers()) & ~_plain(qt.Qt.KeypadModifier)
        control = modifiers & ~_plain(qt.Qt.ShiftModifier) == _plain(qt.Qt.ControlModifier)
        if control and event.key() in self._with_control:
            return bool(self._with_control[event.key()]())
        if not modifiers and event.key() in self._ways:
            return bool(self._ways[event.key()]())
        return False

    def select_all(self) -> bool:
        """Select the series of the active study; if they all are, those of the patient."""
        row = self._list.row(self._view.currentIndex().row())
        chosen = {each.SeriesInstanceUID for each in self._view.selected_series()}
        here = [each.SeriesInstanceUID for each in self._list.series(row.study)] if row is not None else []
        here = [uid for uid in here if self._list.number_of_series(uid) >= 0]
        if not here or set(here) <= chosen:
            here = [each.SeriesInstanceUID for each in self._list.all_series()]
        self._view.select_series(here)
        return True

    def _row(self) -> Any:
        return self._list.row(self._view.currentIndex().row())

    def _enter(self) -> bool:
        row, chosen = self._row(), self._view.selected_series()
        if chosen:
            self._calls.open(chosen)
        elif row is not None and row.series is not None:
            self._calls.open([row.series])
        elif row is not None and row.kind == "header":
            self._view.set_open([row.study], not self._list.is_open(row.study), row.study)
        return True

    def _space(self) -> bool:
        row = self._row()
        if row is not None and row.series is not None:
            self._calls.preview(row.series)
        elif row is not None and row.kind == "header" and self._list.hides_of(row.study) >= 0:
            self._calls.show_all(row.study)
        return True

    def _escape(self) -> bool:
        return bool(self._calls.escape())

    def _turn(self, on: bool) -> bool:
        row = self._row()
        if row is None or row.kind != "header":
            return False
        self._view.set_open([row.study], on, row.study)
        return True

    def _grow(self, steps: int) -> bool:
        self._calls.resize_pictures(steps)
        return True

    def _usual(self) -> bool:
        self._calls.usual_pictures()
        return True


def _plain(flag: Any) -> int:
    """Flags as a number: PySide6 gives enums with a value, PythonQt numbers."""
    return int(flag.value) if hasattr(flag, "value") else int(flag)
