"""Where everything lies: sizes of rows, and the places within a card and a header. Main thread only.

Painting and clicks use the same places. All lengths follow the font.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.look.theme import Theme

__all__ = ["LARGEST", "SMALLEST", "CardPlaces", "HeaderPlaces", "Metrics", "point_of", "wheel_turn"]

SMALLEST, LARGEST = 48, 320
"""Bounds of the side of a picture."""

_SMALL = 80
_NARROW = 620
_ROW_WIDTH, _COMPACT_WIDTH = 300, 280


@dataclass(frozen=True, slots=True)
class CardPlaces:
    """``QRect``s of a card: the frame of a selected one, its picture, the two lines, and what can be clicked."""

    frame: Any
    picture: Any
    title: Any
    detail: Any
    state: Any
    scene: Any
    overlay: Any
    tag: Any


@dataclass(frozen=True, slots=True)
class HeaderPlaces:
    """``QRect``s of a header of a study."""

    box: Any
    chevron: Any
    more: Any


class Metrics:
    """Lengths for a theme's font, a picture size and a view's width.

    Parameters
    ----------
    theme : Theme
    """

    def __init__(self, theme: Theme) -> None:
        self._theme = theme
        self.side = 120
        self.as_rows = False
        self.width = 1
        self.font = qt.QFont()
        self.refresh(self.font)

    def refresh(self, font: Any) -> None:
        """Take up another font."""
        self.font = qt.QFont(font)
        self.line = qt.QFontMetrics(self.font).height()
        self._pixels: dict[float, int] = {}

    def px(self, length: float) -> int:
        """A length as of `Theme.px`, remembered: painting a card asks for dozens."""
        pixels = self._pixels.get(length)
        if pixels is None:
            pixels = self._pixels[length] = self._theme.px(length)
        return pixels

    @property
    def narrow(self) -> bool:
        """Whether headers of studies take two lines."""
        return self.width < self.px(_NARROW)

    @property
    def small(self) -> bool:
        """Whether pictures are so small that cards have one line only."""
        return self.side <= _SMALL

    @property
    def header_height(self) -> int:
        """Height of a study's header with the gaps above and below it."""
        lines = 2 * self.line + self.px(10) if self.narrow else self.line + self.px(17)
        return int(lines + 2 * self.px(5))

    @property
    def row_height(self) -> int:
        """Height of a compact row or a row of the Rows view."""
        return int(max(self.px(46), 2 * self.line + self.px(12)))

    def cell(self, kind: str) -> Any:
        """``QSize`` of a row of the list; widths share the view's width among whole columns."""
        whole = max(1, self.width - 1)
        if kind == "header":
            return qt.QSize(whole, self.header_height)
        if kind == "break":
            return qt.QSize(whole, 1)
        if kind == "compact" or self.as_rows:
            least = self.px(_ROW_WIDTH if self.as_rows else _COMPACT_WIDTH)
            return qt.QSize(whole // max(1, whole // least), self.row_height + (0 if self.as_rows else self.px(6)))
        columns = max(1, whole // (self.side + self.px(20)))
        lines = self.line + self.px(1) + (0 if self.small else self.line)
        return qt.QSize(whole // columns, self.side + lines + self.px(29))

    def header(self, rect: Any) -> HeaderPlaces:
        """Places within a header."""
        px = self.px
        box = qt.QRect(rect.x() + px(8), rect.y() + px(5), rect.width() - px(16), rect.height() - 2 * px(5))
        side = px(24)
        top = box.y() + (box.height() - side) // 2
        chevron = qt.QRect(box.x() + px(4), top, side, side)
        return HeaderPlaces(box, chevron, qt.QRect(box.right() - px(28), top, side, side))

    def card(self, rect: Any) -> CardPlaces:
        """Places within a card of the grid."""
        px, side = self.px, self.side
        left = rect.x() + px(9)
        frame = qt.QRect(left, rect.y() + px(3), side + px(14), rect.height() - px(6))
        picture = qt.QRect(left + px(7), rect.y() + px(11), side, side)
        text_width = side + px(6)
        title = qt.QRect(picture.x(), picture.bottom() + px(7), text_width, self.line)
        detail = qt.QRect(title.x(), title.bottom() + px(1), text_width, 0 if self.small else self.line)
        icon = px(18) if self.small else px(24)
        state = qt.QRect(picture.right() - icon - px(3), picture.y() + px(4), icon, icon)
        scene = qt.QRect(picture.right() - icon - px(3), picture.bottom() - icon - px(4), icon, icon)
        overlay = qt.QRect(picture.x() + px(4), picture.bottom() - icon - px(4), icon, icon)
        tag = qt.QRect(picture.x() + px(4), picture.y() + px(4), side - px(8), self.line + px(3))
        return CardPlaces(frame, picture, title, detail, state, scene, overlay, tag)

    def row(self, rect: Any, boxed: bool) -> CardPlaces:
        """Places within a compact row, which has a box around it, or a row of the Rows view."""
        px = self.px
        left, gap = rect.x() + px(9), px(3) if boxed else px(1)
        frame = qt.QRect(left, rect.y() + gap, rect.width() - px(14), rect.height() - 2 * gap)
        side = px(36) if not boxed else px(32)
        picture = qt.QRect(frame.x() + px(7), frame.y() + (frame.height() - side) // 2, side, side)
        icon = px(24)
        middle = frame.y() + (frame.height() - icon) // 2
        state = qt.QRect(frame.right() - icon - px(4), middle, icon, icon)
        scene = qt.QRect(state.x() - icon - px(2), middle, icon, icon)
        x = picture.right() + px(9)
        width = state.x() - x - px(4)
        top = frame.y() + (frame.height() - 2 * self.line) // 2
        title = qt.QRect(x, top, width, self.line)
        detail = qt.QRect(x, top + self.line, width, self.line)
        nothing = qt.QRect(0, 0, 0, 0)
        return CardPlaces(frame, picture, title, detail, state, scene, nothing, nothing)


def point_of(event: Any) -> Any:
    """Where a mouse event is, as ``QPoint``; Qt 5 and 6 have different names for it."""
    return event.position().toPoint() if hasattr(event, "position") else qt.QPoint(event.pos())


def wheel_turn(event: Any) -> int:
    """How far the wheel was turned, upwards positive; a property in one binding, a method in the other."""
    turned = event.angleDelta
    return int((turned() if callable(turned) else turned).y())
