"""Tells assistive programs of a change that has not the focus. Main thread only.

A new ``accessibleName`` is told of by Qt itself, in every host; but a screen reader speaks it only for what has the
focus. Qt 6.8 has an event for the rest, which hosts with an older Qt do not have.
"""

from __future__ import annotations

from typing import Any

import qt

__all__ = ["announce"]


def announce(widget: Any, text: str) -> None:
    """Have `text` spoken when the user is not busy, where the host can."""
    announcement, accessible = getattr(qt, "QAccessibleAnnouncementEvent", None), getattr(qt, "QAccessible", None)
    if announcement is not None and accessible is not None and text:
        accessible.updateAccessibility(announcement(widget, text))
