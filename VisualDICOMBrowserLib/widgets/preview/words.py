"""What is written on a slice. Pure functions, standard library only."""

from __future__ import annotations

from VisualDICOMBrowserLib.widgets.language import _

__all__ = ["place_text", "window_text"]

_MINUS = "\u2212"


def window_text(window: tuple[float, float] | None) -> str:
    """Center and width as width and level, empty for colour."""
    if window is None:
        return ""
    center, width = window
    return _("W {width}  L {level}").format(width=_number(width, width), level=_number(center, width))


def place_text(position: float | None) -> str:
    """Where along the normal a slice lies."""
    if position is None:
        return ""
    return _("{place} mm").format(place=f"{position:.1f}".replace("-", _MINUS))


def _number(value: float, width: float) -> str:
    """Whole numbers, but for windows so narrow that these would say nothing."""
    text = f"{value:.0f}" if width >= 10 else f"{value:.3g}"
    return text.replace("-", _MINUS)
