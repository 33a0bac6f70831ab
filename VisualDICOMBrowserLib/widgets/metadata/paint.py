"""Paints the lines of the tree: groups, indented elements, what was searched for, what differs. Main thread only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.look.paint import draw_icon, draw_text, elided, scaled_font, text_width
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.metadata.model import COLUMNS, AttributeModel
from VisualDICOMBrowserLib.widgets.metadata.tree import Shown

__all__ = ["AttributeDelegate"]

_HEIGHT, _GAP, _INDENT, _CHEVRON = 26, 6, 13, 12
_FOUND = {"light": "#FFDD80", "dark": "#7A5B12", "contrast": "#6B5200"}
"""By look, the ground of what was searched for; the text on it keeps its colour."""
_NOTHING = "\u2013"


class AttributeDelegate(qt.QStyledItemDelegate):
    """Reads lines from the model and colours from the theme.

    Attributes
    ----------
    search : str
        What is highlighted.
    focused : Callable[[], int]
        Number of the line that has the focus, -1 for none.
    """

    def __init__(self, theme: Theme, model: AttributeModel) -> None:
        qt.QStyledItemDelegate.__init__(self)
        self._theme = theme
        self._model = model
        self._font = qt.QApplication.font()
        self._medium = scaled_font(self._font)
        self._medium.setWeight(qt.QFont.Medium)
        self._bold = scaled_font(self._font, 1.0, True)
        self._height = max(theme.px(_HEIGHT), qt.QFontMetrics(self._font).height() + theme.px(6))
        self.search = ""
        self.focused: Callable[[], int] = lambda: -1

    def sizeHint(self, option: Any, index: Any) -> Any:
        """All lines are of the same height."""
        return qt.QSize(self._theme.px(40), self._height)

    def chevron(self, rect: Any, line: Shown) -> Any:
        """``QRect`` of the mark that folds a line, in its first cell."""
        side = self._theme.px(_CHEVRON)
        x = rect.x() + self._theme.px(_GAP) + line.depth * self._theme.px(_INDENT)
        return qt.QRect(x, rect.center().y() - side // 2, side, side)

    def paint(self, painter: Any, option: Any, index: Any) -> None:
        """Paint one cell."""
        if index.row() >= len(self._model.lines()):
            return
        line, rect = self._model.line(index.row()), qt.QRect(option.rect)
        painter.save()
        try:
            self._paint_ground(painter, option, rect, line)
            if line.row.kind == "group":
                self._paint_group(painter, rect, line)
            else:
                self._paint_cell(painter, rect, line, COLUMNS[index.column()])
            if index.row() == self.focused():
                painter.setPen(qt.QPen(self._theme.colour("accent"), 1, qt.Qt.DotLine))
                painter.drawLine(rect.left(), rect.top(), rect.right(), rect.top())
                painter.drawLine(rect.left(), rect.bottom(), rect.right(), rect.bottom())
        finally:
            painter.restore()

    def _paint_ground(self, painter: Any, option: Any, rect: Any, line: Shown) -> None:
        if option.state & qt.QStyle.State_Selected:
            token = "selection"
        elif line.row.kind == "group":
            token = "bar"
        elif line.row.differs and not line.row.rows:
            token = "warnground"
        else:
            token = "hover" if option.state & qt.QStyle.State_MouseOver else "base"
        painter.fillRect(rect, self._theme.colour(token))

    def _paint_group(self, painter: Any, rect: Any, line: Shown) -> None:
        place = self._paint_chevron(painter, rect, line)
        draw_text(painter, place, line.row.name, self._bold, self._theme.colour("mid"))

    def _paint_chevron(self, painter: Any, rect: Any, line: Shown) -> Any:
        """The mark, and where the text beside it goes."""
        mark = self.chevron(rect, line)
        if line.unfolded is not None:
            icon = "chevron-down" if line.unfolded else "chevron-right"
            draw_icon(painter, self._theme, icon, "mid", mark)
        return rect.adjusted(mark.right() + self._theme.px(_GAP) - rect.x(), 0, -self._theme.px(_GAP), 0)

    def _paint_cell(self, painter: Any, rect: Any, line: Shown, column: str) -> None:
        row, gap = line.row, self._theme.px(_GAP)
        place = rect.adjusted(gap, 0, -gap, 0)
        if column == "tag":
            place = self._paint_chevron(painter, rect, line)
        elif column == "name":
            place = place.adjusted(line.depth * self._theme.px(_INDENT), 0, 0, 0)
        value = getattr(row, column)
        missing = value is None and row.kind == "element"
        strong = row.differs and column in ("a", "b")
        font = self._bold if strong else self._medium if column == "name" else self._font
        token = "mid" if missing or column in ("tag", "vr") else "text"
        text = _NOTHING if missing else (value or "").replace("\n", " ").replace("\r", " ")
        if column != "vr":
            self._paint_found(painter, place, text, font)
        draw_text(painter, place, text, font, self._theme.colour(token))

    def _paint_found(self, painter: Any, rect: Any, text: str, font: Any) -> None:
        """The ground of what was searched for, as far as it is in sight."""
        start = text.casefold().find(self.search) if self.search else -1
        shown = elided(text, font, rect.width())
        if start < 0 or start + len(self.search) > len(shown):
            return
        before = text_width(text[:start], font)
        wide = text_width(text[start : start + len(self.search)], font)
        height = qt.QFontMetrics(font).height() + 2
        mark = qt.QRectF(rect.x() + before - 1, rect.center().y() - height / 2 + 0.5, wide + 2, height)
        painter.save()
        painter.setRenderHint(qt.QPainter.Antialiasing, True)
        painter.setPen(qt.Qt.NoPen)
        painter.setBrush(qt.QColor(_FOUND[self._theme.look]))
        painter.drawRoundedRect(mark, 2, 2)
        painter.restore()
