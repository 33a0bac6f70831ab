"""What delegates draw with: pills, tags, icons, progress, elided text in the colours of the look. Main thread only."""

from __future__ import annotations

from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.look.theme import Theme

__all__ = [
    "draw_icon",
    "draw_pill",
    "draw_progress",
    "draw_tag",
    "draw_text",
    "elided",
    "pill_size",
    "scaled_font",
    "text_width",
]

TONES = {
    "ok": ("ok", "okground"),
    "ask": ("accent", "askground"),
    "warn": ("warn", "warnground"),
    "error": ("error", "errorground"),
    "new": ("new", "newground"),
    "mid": ("mid", "base"),
    "bar": ("mid", "bar"),
}
"""By tone the tokens of a pill's text and ground."""

_SMALL = 11 / 13
_ONE_LINE = int(qt.Qt.AlignVCenter) | int(qt.Qt.AlignAbsolute) | int(qt.Qt.TextSingleLine)
_LEFT = int(qt.Qt.AlignLeft)
_RIGHT_TO_LEFT = qt.Qt.RightToLeft
_FITTED: dict[tuple[str, str, int, bool], tuple[str, int]] = {}
_MOST_FITTED = 5000


def scaled_font(font: Any, factor: float = 1.0, bold: bool = False) -> Any:
    """A copy of a font, `factor` times as large."""
    made = qt.QFont(font)
    if font.pixelSize() > 0:
        made.setPixelSize(max(1, round(font.pixelSize() * factor)))
    else:
        made.setPointSizeF(max(1.0, font.pointSizeF() * factor))
    if bold:
        made.setWeight(qt.QFont.DemiBold)
    return made


def text_width(text: str, font: Any) -> int:
    """Width of a line of text in pixels."""
    return int(qt.QFontMetrics(font).horizontalAdvance(text))


def elided(text: str, font: Any, width: float, middle: bool = False) -> str:
    """The text, or as much of it as fits with an ellipsis at its end or in its middle."""
    mode = qt.Qt.ElideMiddle if middle else qt.Qt.ElideRight
    return str(qt.QFontMetrics(font).elidedText(text, mode, int(width)))


def draw_text(
    painter: Any, rect: Any, text: str, font: Any, colour: Any, align: int | None = None, middle: bool = False
) -> int:
    """Draw one line of text, elided into a ``QRect`` and centred upright; returns the width it took."""
    shown, width = _fitted(text, font, int(rect.width()), middle)
    painter.setFont(font)
    painter.setPen(colour)
    # The side is that of the layout, not of the text: Arabic names begin at the left of a column read from there.
    side = _LEFT if align is None else int(align)
    direction = _direction()
    if direction == _RIGHT_TO_LEFT:
        side = int(qt.QStyle.visualAlignment(direction, qt.Qt.AlignLeft if align is None else align))
    painter.drawText(rect, side | _ONE_LINE, shown)
    return width


def draw_icon(painter: Any, theme: Theme, name: str, token: str, rect: Any) -> None:
    """Draw an icon in the middle of a ``QRect``, as large as fits."""
    side = min(rect.width(), rect.height())
    x = rect.x() + (rect.width() - side) // 2
    y = rect.y() + (rect.height() - side) // 2
    painter.drawPixmap(x, y, theme.pixmap(name, token, side))


def pill_size(text: str, font: Any) -> Any:
    """``QSize`` that `draw_pill` and `draw_tag` need; `font` is that of the view."""
    small = scaled_font(font, _SMALL, True)
    height = qt.QFontMetrics(small).height() + 2
    return qt.QSize(text_width(text, small) + height, height)


def draw_pill(painter: Any, theme: Theme, x: int, y_middle: int, text: str, tone: str, font: Any) -> int:
    """Draw a pill from `x` on, its middle at `y_middle`; returns its width. `font` is that of the view."""
    ink, ground = TONES[tone]
    return _pill(painter, x, y_middle, text, font, theme.colour(ink), theme.colour(ground), None)


def draw_tag(painter: Any, theme: Theme, x: int, y_middle: int, text: str, font: Any) -> int:
    """Draw a word in a thin frame, such as a modality; returns its width. `font` is that of the view."""
    return _pill(painter, x, y_middle, text, font, theme.colour("mid"), None, theme.colour("border"))


def draw_progress(painter: Any, theme: Theme, rect: Any, fraction: float, token: str = "accent") -> None:
    """Draw a bar that is filled up to `fraction`; from the right where the layout is so."""
    part = qt.QRectF(rect)
    part.setWidth(rect.width() * min(1.0, max(0.0, fraction)))
    if _direction() == qt.Qt.RightToLeft:
        part.moveRight(qt.QRectF(rect).right())
    radius = rect.height() / 2
    painter.save()
    painter.setRenderHint(qt.QPainter.Antialiasing, True)
    painter.setPen(qt.Qt.NoPen)
    painter.setBrush(theme.colour("track"))
    painter.drawRoundedRect(qt.QRectF(rect), radius, radius)
    if part.width() >= 1:
        painter.setBrush(theme.colour(token))
        painter.drawRoundedRect(part, radius, radius)
    painter.restore()


def _fitted(text: str, font: Any, room: int, middle: bool) -> tuple[str, int]:
    """What of a text fits into a width, and how wide that is; remembered, as the same cells are painted often."""
    key = (text, font.key(), room, middle)
    if key not in _FITTED:
        if len(_FITTED) >= _MOST_FITTED:
            _FITTED.clear()
        shown = elided(text, font, room, middle)
        _FITTED[key] = shown, text_width(shown, font)
    return _FITTED[key]


def _direction() -> Any:
    return qt.QApplication.instance().layoutDirection


def _pill(
    painter: Any, x: int, y_middle: int, text: str, font: Any, ink: Any, ground: Any | None, edge: Any | None
) -> int:
    size = pill_size(text, font)
    width = size.width() if ground is not None else size.width() - size.height() // 3
    top = y_middle - size.height() // 2
    radius = size.height() / 2 if ground is not None else 4
    painter.save()
    painter.setRenderHint(qt.QPainter.Antialiasing, True)
    painter.setPen(qt.Qt.NoPen if edge is None else edge)
    painter.setBrush(qt.QBrush() if ground is None else ground)
    painter.drawRoundedRect(qt.QRectF(x + 0.5, top + 0.5, width - 1, size.height() - 1), radius, radius)
    painter.setFont(scaled_font(font, _SMALL, True))
    painter.setPen(ink)
    painter.drawText(qt.QRect(x, top, width, size.height()), int(qt.Qt.AlignCenter), text)
    painter.restore()
    return int(width)
