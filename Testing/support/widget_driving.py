"""Drives widgets as a user does, and finds them by the names that screen readers say. Test code only.

Needs `attributes_for` on its own name, as the test modules that use it.
"""

from __future__ import annotations

from typing import Any

import qt

__all__ = ["all_named", "click", "press", "shown", "texts", "type_into"]


def all_named(window: Any, name: str) -> list[Any]:
    """All widgets of that name, hidden ones too."""
    return [each for each in window.findChildren(qt.QWidget) if each.accessibleName == name]


def shown(window: Any, name: str) -> Any:
    """The visible widget that screen readers know by this name."""
    found = [each for each in all_named(window, name) if each.isVisibleTo(window)]
    assert len(found) == 1, f"{name}: {len(found)}"
    return found[0]


def type_into(window: Any, name: str, text: str, finish: bool = True) -> None:
    """Enter a text as a user does."""
    field = shown(window, name)
    field.setFocus()
    field.selectAll()
    for letter in text:
        press(field, 0, letter)
    if finish:
        press(field, qt.Qt.Key_Return, "\r")


def press(widget: Any, key: int, text: str = "", modifiers: Any = qt.Qt.NoModifier) -> None:
    """Press and release a key."""
    for kind in (qt.QEvent.KeyPress, qt.QEvent.KeyRelease):
        qt.QApplication.sendEvent(widget, qt.QKeyEvent(kind, key, modifiers, text))


def click(view: Any, point: Any) -> None:
    """Click with the left button in an item view."""
    for kind, buttons in (
        (qt.QEvent.MouseButtonPress, qt.Qt.LeftButton),
        (qt.QEvent.MouseButtonRelease, qt.Qt.NoButton),
    ):
        place = qt.QPointF(point)
        on_screen = qt.QPointF(view.viewport().mapToGlobal(point))
        event = qt.QMouseEvent(kind, place, on_screen, qt.Qt.LeftButton, buttons, qt.Qt.NoModifier)
        qt.QApplication.sendEvent(view.viewport(), event)


def texts(window: Any) -> str:
    """What all visible labels say."""
    return "\n".join(each.text for each in window.findChildren(qt.QLabel) if each.isVisibleTo(window))
