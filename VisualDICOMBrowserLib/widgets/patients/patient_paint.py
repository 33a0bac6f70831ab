"""Paints the patient list: cells of a wide list, two lines for each patient of a narrow one. Main thread only."""

from __future__ import annotations

from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.catalogue.entries import PatientEntry
from VisualDICOMBrowserLib.widgets.language import _, plural
from VisualDICOMBrowserLib.widgets.look.paint import (
    draw_icon,
    draw_pill,
    draw_tag,
    draw_text,
    pill_size,
    scaled_font,
    text_width,
)
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.patients.columns import COLUMNS, patient_name, second_line, where_words
from VisualDICOMBrowserLib.widgets.patients.patient_model import PatientModel
from VisualDICOMBrowserLib.widgets.wording import written_date

__all__ = ["PatientDelegate"]

_ROW, _TWO_LINES, _GAP, _ICON, _MARK = 30, 48, 8, 16, 3
_SMALL = 12 / 13
_SECONDARY = frozenset(("id", "sex", "added", "born"))


class PatientDelegate(qt.QStyledItemDelegate):
    """Reads entries from the model and colours from the theme.

    Attributes
    ----------
    narrow : bool
        All in the first column, in two lines.
    """

    def __init__(self, theme: Theme, model: PatientModel) -> None:
        qt.QStyledItemDelegate.__init__(self)
        self._theme = theme
        self._model = model
        self._font = qt.QApplication.font()
        self._bold = scaled_font(self._font, 1.0, True)
        self._small = scaled_font(self._font, _SMALL)
        self._pixels: dict[float, int] = {}
        self.narrow = False
        self._tags: dict[tuple[str, str, str], tuple[Any, int, int]] = {}
        self._more_width = text_width("+9", self._small)

    def _px(self, length: float) -> int:
        """A length as of `Theme.px`, remembered: hundreds of cells ask for it at every painting."""
        pixels = self._pixels.get(length)
        if pixels is None:
            pixels = self._pixels[length] = self._theme.px(length)
        return pixels

    def sizeHint(self, option: Any, index: Any) -> Any:
        """Rows are all of the same height."""
        lines = qt.QFontMetrics(self._font).height()
        height = lines + qt.QFontMetrics(self._small).height() + self._px(14) if self.narrow else 0
        return qt.QSize(self._px(40), max(height, self._px(_TWO_LINES if self.narrow else _ROW)))

    def paint(self, painter: Any, option: Any, index: Any) -> None:
        """Paint one cell."""
        row = index.row()
        if row >= len(self._model.entries()):
            return
        entry, rect = self._model.entry(row), qt.QRect(option.rect)
        painter.save()
        try:
            self._paint_ground(painter, option, rect, row, first=index.column() == 0)
            if self.narrow:
                self._paint_two_lines(painter, rect, entry)
            else:
                self._paint_cell(painter, rect, entry, index.column())
            if option.state & qt.QStyle.State_HasFocus:
                painter.setPen(qt.QPen(self._theme.colour("accent"), 1, qt.Qt.DotLine))
                painter.drawLine(rect.left(), rect.top(), rect.right(), rect.top())
                painter.drawLine(rect.left(), rect.bottom(), rect.right(), rect.bottom())
        finally:
            painter.restore()

    def _paint_ground(self, painter: Any, option: Any, rect: Any, row: int, first: bool) -> None:
        selected = bool(option.state & qt.QStyle.State_Selected)
        hovered = bool(option.state & qt.QStyle.State_MouseOver)
        plain = "card" if row % 2 else "base"
        painter.fillRect(rect, self._theme.colour("selection" if selected else "hover" if hovered else plain))
        if selected and first:
            mark = qt.QRect(rect)
            mark.setWidth(self._px(_MARK))
            painter.fillRect(mark, self._theme.colour("accent"))

    def _paint_cell(self, painter: Any, rect: Any, entry: PatientEntry, number: int) -> None:
        column, gap = COLUMNS[number], self._px(_GAP)
        cell = rect.adjusted(gap, 0, -gap // 2, 0)
        if column.name == "patient":
            self._paint_name(painter, rect.adjusted(gap + 2, 0, -gap // 2, 0), entry)
        elif column.name == "modalities":
            self._paint_modalities(painter, cell, entry.modalities)
        elif column.name == "where":
            self._paint_where(painter, cell, entry)
        else:
            missing = column.name in ("id", "description") and not getattr(
                entry, "PatientID" if column.name == "id" else "description"
            )
            token = "mid" if missing or column.name in _SECONDARY else "text"
            align = qt.Qt.AlignRight if column.number else qt.Qt.AlignLeft
            place = rect.adjusted(gap // 2, 0, -gap, 0) if column.number else cell
            draw_text(painter, place, column.text(entry), self._font, self._theme.colour(token), align)

    def _paint_name(self, painter: Any, rect: Any, entry: PatientEntry) -> None:
        gap = self._px(_GAP)
        pill = plural(entry.new, "{count} new", "{count} new") if entry.new else ""
        room = qt.QRect(rect)
        if pill:
            room.setWidth(max(0, rect.width() - pill_size(pill, self._font).width() - gap))
        width = draw_text(painter, room, patient_name(entry), self._bold, self._theme.colour("text"))
        if pill:
            middle = rect.y() + rect.height() // 2
            draw_pill(painter, self._theme, rect.x() + width + gap, middle, pill, "new", self._font)

    def _paint_modalities(self, painter: Any, rect: Any, modalities: tuple[str, ...]) -> None:
        x, middle, space = rect.x(), rect.y() + rect.height() // 2, self._px(4)
        for number, modality in enumerate(modalities):
            rest = len(modalities) - number
            tag, width, height = self._tag(modality)
            needed = width if rest == 1 else width + space + self._more_width
            if x + needed > rect.right() + 1 and (number or rest > 1):
                room = qt.QRect(x, rect.y(), max(0, rect.right() - x), rect.height())
                draw_text(painter, room, f"+{rest}", self._small, self._theme.colour("mid"))
                return
            painter.drawPixmap(x, middle - height // 2, tag)
            x += width + space

    def _tag(self, modality: str) -> tuple[Any, int, int]:
        """Picture of a modality in its frame, with its size: drawn once, as a list shows hundreds."""
        key = (modality, self._theme.text("mid"), self._theme.text("border"))
        if key not in self._tags:
            size = pill_size(modality, self._font)
            ratio = max(float(screen.devicePixelRatio) for screen in qt.QApplication.screens())
            picture = qt.QPixmap(round(size.width() * ratio), round(size.height() * ratio))
            picture.setDevicePixelRatio(ratio)
            picture.fill(qt.QColor(0, 0, 0, 0))
            painter = qt.QPainter(picture)
            try:
                width = draw_tag(painter, self._theme, 0, size.height() // 2, modality, self._font)
            finally:
                painter.end()
            self._tags[key] = (picture, width, size.height())
        return self._tags[key]

    def _paint_where(self, painter: Any, rect: Any, entry: PatientEntry) -> None:
        icon, token, words = where_words(entry, fetching=entry.key in self._model.fetching)
        side = self._px(_ICON)
        mark = qt.QRect(rect.x(), rect.y(), side, rect.height())
        draw_icon(painter, self._theme, icon, token, mark)
        text = rect.adjusted(side + self._px(5), 0, self._px(2), 0)
        colour = self._theme.colour("warn" if token == "warn" else "mid")
        draw_text(painter, text, words, self._small, colour)

    def _paint_two_lines(self, painter: Any, rect: Any, entry: PatientEntry) -> None:
        gap, side = self._px(12), self._px(_ICON)
        inner = rect.adjusted(gap, self._px(5), -gap, -self._px(5))
        half = inner.height() // 2
        top = qt.QRect(inner.x(), inner.y(), inner.width(), half)
        below = qt.QRect(inner.x(), inner.y() + half, inner.width(), inner.height() - half)
        date = written_date(entry.last_study) or (_("no date") if entry.studies else _("no study"))
        width = text_width(date, self._small)
        self._paint_name(painter, top.adjusted(0, 0, -width - gap, 0), entry)
        draw_text(painter, top, date, self._small, self._theme.colour("mid"), qt.Qt.AlignRight)
        icon, token, _words = where_words(entry, fetching=entry.key in self._model.fetching)
        draw_icon(
            painter, self._theme, icon, token, qt.QRect(below.right() - side + 1, below.y(), side, below.height())
        )
        line = below.adjusted(0, 0, -side - gap, 0)
        draw_text(painter, line, second_line(entry), self._small, self._theme.colour("mid"))
