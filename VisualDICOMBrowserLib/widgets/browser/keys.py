"""Keys of the browser; they work only while the focus is inside of it. Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import qt

__all__ = ["add_keys"]


def add_keys(widget: Any, keys: Mapping[str, Callable[[], None]]) -> list[Any]:
    """Bind keys, such as ``Ctrl+F``, to what they do; the caller keeps the result.

    Parameters
    ----------
    widget : QWidget
        In which, and in whose children, they work.
    keys : mapping of str to callable
    """
    made = []
    for key, action in keys.items():
        shortcut = qt.QShortcut(qt.QKeySequence(key), widget)
        shortcut.context = qt.Qt.WidgetWithChildrenShortcut
        shortcut.activated.connect(lambda *_args, action=action: action())
        made.append(shortcut)
    return made
