"""Gives every row of the list its size and paints it. Main thread only."""

from __future__ import annotations

from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.page.geometry import Metrics
from VisualDICOMBrowserLib.widgets.page.model import PageModel, study_state
from VisualDICOMBrowserLib.widgets.page.paint_card import Look, Scrub, paint_card, paint_row
from VisualDICOMBrowserLib.widgets.page.paint_header import HeaderLook, counts_place, paint_header
from VisualDICOMBrowserLib.widgets.page.pictures import Pictures, Strips
from VisualDICOMBrowserLib.widgets.page.rows import PageRow
from VisualDICOMBrowserLib.widgets.page.words import earlier_text, expected_of

__all__ = ["PageDelegate"]

_LEAST_TARGET = 24


class PageDelegate(qt.QStyledItemDelegate):
    """Paints headers, cards and rows.

    Parameters
    ----------
    theme : Theme
    model : PageModel
    metrics : Metrics
    pictures : Pictures
    strips : Strips
    """

    def __init__(self, theme: Theme, model: PageModel, metrics: Metrics, pictures: Pictures, strips: Strips) -> None:
        qt.QStyledItemDelegate.__init__(self)
        self._theme = theme
        self._model = model
        self._metrics = metrics
        self._pictures = pictures
        self._strips = strips
        self.hovered = -1
        self.scrub_share: float | None = None
        self.more_hovered = False
        self.link_hovered = False
        self.current = -1
        self.focused = False

    def sizeHint(self, option: Any, index: Any) -> Any:
        """Size of a row."""
        row = self._model.row(index.row())
        return self._metrics.cell("break" if row is None else row.kind)

    def paint(self, painter: Any, option: Any, index: Any) -> None:
        """Paint a row."""
        number = index.row()
        row = self._model.row(number)
        if row is None or row.kind == "break":
            return
        painter.save()
        try:
            rect = qt.QRect(option.rect)
            if row.series is None:
                look = self.header_look(row, number)
                paint_header(painter, self._theme, self._metrics, rect, look)
            else:
                selected = bool(option.state & qt.QStyle.State_Selected)
                self._paint_series(painter, rect, row, number, selected)
        finally:
            painter.restore()

    def header_look(self, row: PageRow, number: int) -> HeaderLook:
        """What the header of a study shows."""
        study, studies = row.study, self._model.studies
        series = self._model.series(study)
        states = [self._model.state(each) for each in series]
        return HeaderLook(
            study,
            self._model.is_open(study),
            earlier_text(studies[0].StudyDate, study.StudyDate) if studies else "",
            len(series),
            sum(1 for each in series if each.new),
            study_state(study, series, states),
            self.focused and number == self.current,
            number == self.hovered,
            number == self.hovered and self.more_hovered,
            self._model.hides_of(study),
            number == self.hovered and self.link_hovered,
        )

    def link_place(self, study: Any, rect: Any) -> Any:
        """``QRect`` of the words in a study's header that show what filters hide; empty if they hide nothing."""
        number = self._model.number_of(f"header:{study.StudyInstanceUID}")
        row = self._model.row(number)
        look = None if row is None else self.header_look(row, number)
        if look is None or not look.linked:
            return qt.QRect(0, 0, 0, 0)
        words = counts_place(self._metrics, rect, look)
        more = max(0, self._metrics.px(_LEAST_TARGET) - words.height() + 1) // 2
        return words.adjusted(0, -more, 0, more) if words.width() else words

    def _paint_series(self, painter: Any, rect: Any, row: PageRow, number: int, selected: bool) -> None:
        metrics, series = self._metrics, row.series
        in_row = row.kind == "compact" or metrics.as_rows
        side = metrics.row(rect, row.kind == "compact").picture.width() if in_row else metrics.side
        ratio = painter.device().devicePixelRatioF()
        path = str(series.thumbnail or "")
        picture = self._pictures.get(path, side, ratio) if path else None
        state = self._model.state(series)
        slices = 0 if state.share is None else max(state.ticks, expected_of(series))
        look = Look(
            series,
            state,
            self._model.mark_of(series),
            picture,
            selected,
            self.focused and number == self.current,
            number == self.hovered,
            self._scrub(series, side, ratio) if number == self.hovered and not in_row else None,
            self._model.arrivals.shares(series.SeriesInstanceUID, slices) if slices else None,
            slices,
        )
        if in_row:
            paint_row(painter, self._theme, metrics, rect, look, not metrics.as_rows)
        else:
            paint_card(painter, self._theme, metrics, rect, look)

    def _scrub(self, series: Any, side: int, ratio: float) -> Scrub | None:
        if self.scrub_share is None:
            return None
        found = self._strips.frame(series.SeriesInstanceUID, self.scrub_share, side, ratio)
        return None if found is None else Scrub(*found, self.scrub_share)
