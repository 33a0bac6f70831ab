"""The picture of a slice on black, with what is written in its corners, under mouse and wheel. Main thread only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.look.paint import elided, scaled_font, text_width
from VisualDICOMBrowserLib.widgets.look.theme import Theme

__all__ = ["PictureCalls", "PictureView"]

_BLACK, _INK, _SHADE, _TRACK = "#000000", "#FFFFFF", "#000000", "#5A6068"
_WHEEL_STEP = 120
_MARGIN, _BAR, _HANDLE, _GRIP = 8, 3, 9, 18
_STROKE = 0.7
"""Share of the width that the mouse crosses from the first slice to the last."""


class PictureCalls:
    """What a picture asks for.

    Attributes
    ----------
    step : Callable[[int], None]
        That many slices on or back.
    seek : Callable[[int], None]
        The slice of that number, from 0.
    window : Callable[[float, float], None]
        Wider and brighter, in shares of the picture's size.
    reset_window : Callable[[], None]
        The window of the file again.
    """

    def __init__(self) -> None:
        self.step: Callable[[int], None] = lambda _steps: None
        self.seek: Callable[[int], None] = lambda _index: None
        self.window: Callable[[float, float], None] = lambda _wider, _brighter: None
        self.reset_window: Callable[[], None] = lambda: None


class PictureView(qt.QWidget):
    """Shows one picture as large as fits.

    Parameters
    ----------
    theme : Theme
    calls : PictureCalls, optional
        Without them the picture stands still and has no bar.
    """

    def __init__(self, theme: Theme, calls: PictureCalls | None = None) -> None:
        qt.QWidget.__init__(self)
        self._theme = theme
        self._calls = calls
        self._pixmap: Any = None
        self._scaled: Any = None
        self._corners = ("", "", "", "")
        self._words = ""
        self._index, self._count = 0, 0
        self._wheel = 0
        self._from: Any = None
        self._dragging = ""
        self._rest = 0.0
        self.mouseTracking = calls is not None

    @property
    def picture(self) -> Any:
        """The ``QPixmap`` that is shown, None if there is none."""
        return self._pixmap

    @property
    def words(self) -> str:
        """What stands in place of a picture."""
        return self._words

    @property
    def corners(self) -> tuple[str, str, str, str]:
        """Texts in the corners: top left, top right, bottom left, bottom right."""
        return self._corners

    def show_pixmap(self, pixmap: Any) -> None:
        """Show a picture, None for none."""
        self._pixmap = None if pixmap is None or pixmap.isNull() else pixmap
        self._scaled = None
        self._words = ""
        self.update()

    def show_words(self, words: str) -> None:
        """Show words; over the picture, if there is one."""
        self._words = words
        self.update()

    def show_texts(self, *corners: str) -> None:
        """Write into the corners: top left, top right, bottom left, bottom right."""
        self._corners = (corners[0], corners[1], corners[2], corners[3])
        self.update()

    def show_place(self, index: int, count: int) -> None:
        """Show on the bar which of how many slices it is."""
        self._index, self._count = index, count
        self.update()

    def paintEvent(self, event: Any) -> None:
        """Black, the picture, the texts and the bar."""
        painter = qt.QPainter(self)
        try:
            painter.fillRect(self.rect, qt.QColor(_BLACK))
            self._paint_picture(painter)
            if self._words:
                self._paint_words(painter)
            if self._calls is not None:
                self._paint_corners(painter)
                if self._count > 1:
                    self._paint_bar(painter)
        finally:
            painter.end()

    def wheelEvent(self, event: Any) -> None:
        """Towards the user goes on."""
        if self._calls is None:
            event.ignore()
            return
        self._wheel -= _value(event.angleDelta).y()
        steps = int(self._wheel / _WHEEL_STEP)
        self._wheel -= steps * _WHEEL_STEP
        if steps:
            self._calls.step(steps)
        event.accept()

    def mousePressEvent(self, event: Any) -> None:
        """The left button takes hold of the bar, or changes the window."""
        if self._calls is None or event.button() != qt.Qt.LeftButton:
            qt.QWidget.mousePressEvent(self, event)
            return
        self._from = _point(event)
        on_bar = self._count > 1 and self._from.y() > self._bar().y() - self._theme.px(_GRIP) // 2
        self._dragging = "bar" if on_bar else "window"
        if on_bar:
            self._seek(self._from.x())

    def mouseMoveEvent(self, event: Any) -> None:
        """Move through the slices; with the button down the window or the bar."""
        if self._calls is None:
            return
        before, self._from = self._from, _point(event)
        if before is None:
            return
        moved = self._from - before
        if self._dragging == "bar":
            self._seek(self._from.x())
        elif self._dragging == "window":
            self._calls.window(moved.x() / max(self.width, 1), moved.y() / max(self.height, 1))
        elif self._count > 1 and self._from.y() < self._bar().y() - self._theme.px(_GRIP) // 2:
            self._rest += moved.x() * self._count / max(self.width * _STROKE, 1)
            steps = int(self._rest)
            self._rest -= steps
            if steps:
                self._calls.step(steps)

    def mouseReleaseEvent(self, event: Any) -> None:
        """Dragging ends."""
        self._dragging = ""

    def mouseDoubleClickEvent(self, event: Any) -> None:
        """The window of the file again."""
        if self._calls is not None:
            self._dragging = ""
            self._calls.reset_window()

    def leaveEvent(self, event: Any) -> None:
        """The next stroke begins where the mouse comes in."""
        self._from = None
        self._rest = 0.0
        qt.QWidget.leaveEvent(self, event)

    def resizeEvent(self, event: Any) -> None:
        """Scale the picture anew."""
        self._scaled = None
        qt.QWidget.resizeEvent(self, event)

    def _seek(self, x: int) -> None:
        bar = self._bar()
        share = (x - bar.x()) / max(bar.width(), 1)
        if self._calls is not None:
            self._calls.seek(min(self._count - 1, max(0, round(share * (self._count - 1)))))

    def _bar(self) -> Any:
        """``QRect`` of the bar at the foot of the picture."""
        margin, height = self._theme.px(_MARGIN), self._theme.px(_BAR)
        return qt.QRect(margin, self.height - margin - height, max(1, self.width - 2 * margin), height)

    def _paint_picture(self, painter: Any) -> None:
        if self._pixmap is None:
            return
        if self._scaled is None:
            ratio = float(self.devicePixelRatioF())
            size = qt.QSize(round(self.width * ratio), round(self.height * ratio))
            self._scaled = self._pixmap.scaled(size, qt.Qt.KeepAspectRatio, qt.Qt.SmoothTransformation)
            self._scaled.setDevicePixelRatio(ratio)
        ratio = float(self._scaled.devicePixelRatio())
        width, height = self._scaled.width() / ratio, self._scaled.height() / ratio
        painter.drawPixmap(qt.QPointF((self.width - width) / 2, (self.height - height) / 2), self._scaled)

    def _paint_words(self, painter: Any) -> None:
        margin = self._theme.px(_MARGIN)
        room = self.rect.adjusted(margin * 2, margin * 4, -margin * 2, -margin * 4)
        flags = int(qt.Qt.AlignCenter) | int(qt.Qt.TextWordWrap)
        painter.setFont(self.font)
        needed = qt.QRect(painter.boundingRect(room, flags, self._words))
        if self._pixmap is not None:
            ground = qt.QColor(_SHADE)
            ground.setAlpha(190)
            painter.fillRect(needed.adjusted(-margin, -margin, margin, margin), ground)
        painter.setPen(qt.QColor(_INK))
        painter.drawText(room, flags, self._words)

    def _paint_corners(self, painter: Any) -> None:
        font = scaled_font(self.font, 11 / 13, True)
        height, margin = qt.QFontMetrics(font).height(), self._theme.px(_MARGIN)
        foot = self._bar().y() - margin // 2 - height if self._count > 1 else self.height - margin - height
        painter.setFont(font)
        for row, top in ((0, margin), (1, foot)):
            left, right = self._corners[2 * row], self._corners[2 * row + 1]
            room = self.width - 2 * margin
            wide = min(text_width(right, font), room)
            _written(painter, self.width - margin - wide, top, wide, height, right)
            rest = max(0, room - wide - margin)
            _written(painter, margin, top, rest, height, elided(left, font, rest))

    def _paint_bar(self, painter: Any) -> None:
        bar = self._bar()
        share = self._index / (self._count - 1)
        done = qt.QRect(bar)
        done.setWidth(round(bar.width() * share))
        painter.setRenderHint(qt.QPainter.Antialiasing, True)
        painter.fillRect(bar, qt.QColor(_TRACK))
        # The picture is black in every look, so is its bar blue as on dark ground.
        painter.fillRect(done, qt.QColor("#62AAF0"))
        side, thick = self._theme.px(_HANDLE), self._theme.px(_HANDLE) * 2 // 3
        x = min(bar.right() - thick + 1, max(bar.x(), done.right() - thick // 2))
        painter.setPen(qt.Qt.NoPen)
        painter.setBrush(qt.QColor(_INK))
        painter.drawRoundedRect(qt.QRectF(x, bar.center().y() - side / 2 + 0.5, thick, side), 2, 2)


def _value(part: Any) -> Any:
    """Part of an event: a property of it, or a method, as the binding has it."""
    return part() if callable(part) else part


def _point(event: Any) -> Any:
    """Where a mouse event is, as ``QPoint``; Qt 5 and 6 have different names for it."""
    return _value(event.position).toPoint() if hasattr(event, "position") else qt.QPoint(event.pos())


def _written(painter: Any, x: int, y: int, width: int, height: int, text: str) -> None:
    """White on a dark shade, to be read on any picture."""
    if not text:
        return
    flags = int(qt.Qt.AlignLeft) | int(qt.Qt.AlignVCenter) | int(qt.Qt.AlignAbsolute) | int(qt.Qt.TextDontClip)
    painter.setPen(qt.QColor(_SHADE))
    for aside, below in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1)):
        painter.drawText(qt.QRect(x + aside, y + below, width, height), flags, text)
    painter.setPen(qt.QColor(_INK))
    painter.drawText(qt.QRect(x, y, width, height), flags, text)
