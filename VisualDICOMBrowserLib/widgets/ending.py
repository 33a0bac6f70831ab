"""Deletes widgets when the event loop comes round, so that PythonQt survives it. Main thread only."""

from __future__ import annotations

from typing import Any

import qt

__all__ = ["delete_later"]

_ending: dict[int, Any] = {}


def delete_later(widget: Any) -> None:
    """Delete a widget soon.

    Slots of its parts often hold it. Were the last of them to let go of it while Qt deletes it, PythonQt would delete
    it a second time: so it is held until it is gone.
    """
    key = id(widget)
    _ending[key] = widget

    def leave(*_args: Any) -> None:
        # Qt says so when it begins to delete; the timer comes when it has ended.
        qt.QTimer.singleShot(0, lambda: _ending.pop(key, None))

    widget.destroyed.connect(leave)
    widget.deleteLater()
