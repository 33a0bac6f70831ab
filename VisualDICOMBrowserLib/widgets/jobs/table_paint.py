"""Paints the job list: titles of groups, rows of columns, rows of two lines where it is narrow, and action icons.

Main thread only.
"""

from __future__ import annotations

from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.jobs.acts import ACTS, row_acts
from VisualDICOMBrowserLib.widgets.jobs.rows import JobRow
from VisualDICOMBrowserLib.widgets.jobs.table_model import ACT_COLUMN, PROGRESS_COLUMN, TASK_COLUMN, JobsModel
from VisualDICOMBrowserLib.widgets.jobs.words import icon_of
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.paint import draw_icon, draw_progress, draw_text, scaled_font, text_width
from VisualDICOMBrowserLib.widgets.look.theme import Theme

__all__ = ["JobsDelegate"]

_ROW, _TWO_LINES, _BUTTON, _ICON, _GAP, _INDENT = 28, 46, 24, 16, 8, 20
_BAR_WIDTH, _BAR_HEIGHT = 64, 6
_SECONDARY = frozenset({2, 4, 5})


class JobsDelegate(qt.QStyledItemDelegate):
    """Reads the rows from the model and the colours from the theme.

    Attributes
    ----------
    narrow : bool
        All in the first column, in two lines.
    hot : tuple or None
        Key of the row and name of the action under the mouse.
    """

    def __init__(self, theme: Theme, model: JobsModel, font: Any) -> None:
        qt.QStyledItemDelegate.__init__(self)
        self._theme = theme
        self._model = model
        self._font = font
        self.narrow = False
        self.hot: tuple[tuple[str, ...], str] | None = None

    def sizeHint(self, option: Any, index: Any) -> Any:
        """Rows are as high as two lines of text or one icon need."""
        two = self.narrow and self._model.row(index.row()).kind != "group"
        return qt.QSize(self._theme.px(60), self._theme.px(_TWO_LINES if two else _ROW))

    def sign_width(self) -> int:
        """How far from its left edge the sign reaches by which a bundle unfolds."""
        return self._theme.px(_GAP + _ICON + 4)

    def act_rects(self, row: JobRow, cell: Any) -> list[tuple[str, Any]]:
        """The action icons in the last cell of a row, from the left, with the squares to press."""
        if row.kind == "group":
            return []
        side = self._theme.px(_BUTTON)
        names = row_acts(row.jobs)
        left = cell.right() + 1 - side * len(names) - self._theme.px(6)
        top = cell.y() + (cell.height() - side) // 2
        return [(name, qt.QRect(left + number * side, top, side, side)) for number, name in enumerate(names)]

    def helpEvent(self, event: Any, view: Any, option: Any, index: Any) -> bool:
        """Name the action icon under the mouse."""
        if event.type() == qt.QEvent.ToolTip and index.isValid() and index.column() == ACT_COLUMN:
            cell = qt.QRect(option.rect)
            for name, rect in self.act_rects(self._model.row(index.row()), cell):
                if rect.contains(event.pos()):
                    act = ACTS[name]
                    text = _("{hint} ({key})").format(hint=_(act.words), key=act.key)
                    qt.QToolTip.showText(event.globalPos(), text)
                    return True
            return True
        return bool(qt.QStyledItemDelegate.helpEvent(self, event, view, option, index))

    def paint(self, painter: Any, option: Any, index: Any) -> None:
        """Paint one cell."""
        row, rect = self._model.row(index.row()), qt.QRect(option.rect)
        painter.save()
        try:
            if row.kind == "group":
                self._paint_group(painter, rect, row, option)
                return
            self._paint_ground(painter, rect, option, index.column())
            if index.column() == ACT_COLUMN:
                self._paint_acts(painter, rect, row)
            elif self.narrow:
                self._paint_two_lines(painter, rect, row)
            elif index.column() == TASK_COLUMN:
                self._paint_task(painter, rect, row)
            elif index.column() == PROGRESS_COLUMN:
                self._paint_progress(painter, rect, row)
            else:
                token = "mid" if index.column() in _SECONDARY else "text"
                cell = rect.adjusted(self._theme.px(_GAP), 0, -self._theme.px(4), 0)
                text = self._model.painted_cells(row)[index.column()]
                draw_text(painter, cell, text, self._font, self._theme.colour(token))
        finally:
            painter.restore()

    def _paint_ground(self, painter: Any, rect: Any, option: Any, column: int) -> None:
        selected = bool(option.state & qt.QStyle.State_Selected)
        hovered = bool(option.state & qt.QStyle.State_MouseOver)
        token = "selection" if selected else "hover" if hovered else "base"
        painter.fillRect(rect, self._theme.colour(token))
        if selected and column == TASK_COLUMN:
            painter.fillRect(
                qt.QRect(rect.x(), rect.y(), self._theme.px(3), rect.height()), self._theme.colour("accent")
            )

    def _paint_group(self, painter: Any, rect: Any, row: JobRow, option: Any) -> None:
        painter.fillRect(rect, self._theme.colour("bar"))
        side = self._theme.px(14)
        mark = qt.QRect(rect.x() + self._theme.px(4), rect.y() + (rect.height() - side) // 2, side, side)
        draw_icon(painter, self._theme, "chevron-down" if row.open else "chevron-right", "mid", mark)
        text = rect.adjusted(self._theme.px(22), 0, -self._theme.px(4), 0)
        draw_text(painter, text, row.title, scaled_font(self._font, 1.0, True), self._theme.colour("text"))
        if option.state & qt.QStyle.State_HasFocus:
            painter.setPen(self._theme.colour("accent"))
            painter.setBrush(qt.QBrush())
            painter.drawRect(rect.adjusted(0, 0, -1, -1))

    def _start(self, painter: Any, rect: Any, row: JobRow) -> Any:
        """Paint the icon of a row, and the sign of a bundle; returns what is left for the text."""
        side = self._theme.px(_ICON)
        left = rect.x() + self._theme.px(_GAP) + row.depth * self._theme.px(_INDENT)
        top = rect.y() + (rect.height() - side) // 2
        if row.kind == "bundle":
            name = "chevron-down" if row.open else "chevron-right"
            token = "mid"
        else:
            name, token = icon_of(row.jobs[0])
        draw_icon(painter, self._theme, name, token, qt.QRect(left, top, side, side))
        return qt.QRect(rect).adjusted(left + side + self._theme.px(10) - rect.x(), 0, -self._theme.px(4), 0)

    def _paint_task(self, painter: Any, rect: Any, row: JobRow) -> None:
        cell = self._start(painter, rect, row)
        draw_text(painter, cell, self._model.painted_cells(row)[TASK_COLUMN], self._font, self._theme.colour("text"))

    def _paint_progress(self, painter: Any, rect: Any, row: JobRow) -> None:
        progress = self._model.progress(row)
        cell = rect.adjusted(self._theme.px(_GAP), 0, -self._theme.px(4), 0)
        if progress.share is not None:
            width, height = self._theme.px(_BAR_WIDTH), self._theme.px(_BAR_HEIGHT)
            bar = qt.QRect(cell.x(), cell.y() + (cell.height() - height) // 2, width, height)
            draw_progress(painter, self._theme, bar, progress.share)
            cell = cell.adjusted(width + self._theme.px(_GAP), 0, 0, 0)
        loud = progress.tone in ("error", "warn")
        font = scaled_font(self._font, 1.0, True) if loud else self._font
        draw_text(painter, cell, progress.text, font, self._theme.colour(progress.tone))

    def _paint_two_lines(self, painter: Any, rect: Any, row: JobRow) -> None:
        cell = self._start(painter, rect, row)
        half = cell.height() // 2
        upper = qt.QRect(cell.x(), cell.y() + self._theme.px(3), cell.width(), half - self._theme.px(3))
        lower = qt.QRect(cell.x(), cell.y() + half, cell.width(), half - self._theme.px(3))
        cells, progress = self._model.painted_cells(row), self._model.progress(row)
        task, what = cells[TASK_COLUMN], cells[1]
        draw_text(painter, upper, what or task, self._font, self._theme.colour("text"))
        if progress.share is not None:
            width, height = self._theme.px(_BAR_WIDTH) // 2, self._theme.px(_BAR_HEIGHT)
            bar = qt.QRect(lower.x(), lower.y() + (lower.height() - height) // 2, width, height)
            draw_progress(painter, self._theme, bar, progress.share)
            lower = lower.adjusted(width + self._theme.px(6), 0, 0, 0)
        small = scaled_font(self._font, 12 / 13)
        colour = self._theme.colour("mid" if progress.tone == "text" else progress.tone)
        taken = draw_text(painter, lower, progress.text, small, colour)
        rest = ", ".join(text for text in (cells[4], cells[2], task if what else "") if text)
        if progress.text and rest:
            comma = text_width(", ", small)
            draw_text(painter, lower.adjusted(taken, 0, 0, 0), ",", small, self._theme.colour("mid"))
            taken += comma
        if lower.width() > taken:
            draw_text(painter, lower.adjusted(taken, 0, 0, 0), rest, small, self._theme.colour("mid"))

    def _paint_acts(self, painter: Any, rect: Any, row: JobRow) -> None:
        side = self._theme.px(_ICON)
        for name, square in self.act_rects(row, rect):
            hot = self.hot == (row.key, name)
            if hot:
                painter.setPen(self._theme.colour("edge"))
                painter.setBrush(self._theme.colour("bar"))
                painter.setRenderHint(qt.QPainter.Antialiasing, True)
                painter.drawRoundedRect(qt.QRectF(square).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
            inset = (square.width() - side) // 2
            at = qt.QRect(square.x() + inset, square.y() + inset, side, side)
            draw_icon(painter, self._theme, ACTS[name].icon, "text", at)
