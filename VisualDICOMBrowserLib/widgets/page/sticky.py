"""The header of the study whose cards are at the top, held there while they scroll. Main thread only."""

from __future__ import annotations

from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.page.delegate import PageDelegate
from VisualDICOMBrowserLib.widgets.page.geometry import Metrics, point_of, wheel_turn
from VisualDICOMBrowserLib.widgets.page.model import PageModel
from VisualDICOMBrowserLib.widgets.page.paint_header import paint_header

__all__ = ["StickyHeader"]


class StickyHeader(qt.QWidget):
    """Lies over the top of the view; acts like the header that it stands for.

    Parameters
    ----------
    view : PageView
    theme : Theme
    metrics : Metrics
    delegate : PageDelegate
        Knows what a header shows.
    model : PageModel
    """

    def __init__(self, view: Any, theme: Theme, metrics: Metrics, delegate: PageDelegate, model: PageModel) -> None:
        qt.QWidget.__init__(self, view)
        self._view = view
        self._theme = theme
        self._metrics = metrics
        self._painter = delegate
        self._list = model
        self._row: Any = None
        self.visible = False

    def depth(self) -> int:
        """How much of the view it covers."""
        return int(self.height) if self.visible else 0

    def place_later(self) -> None:
        """Look again where it belongs, once the list is laid out."""
        qt.QTimer.singleShot(0, lambda: self.place() if self else None)

    def place(self) -> None:
        """Show the header that has scrolled out of view, pushed up by the next one."""
        number = self._wanted()
        if number < 0:
            self._row = None
            self.visible = False
            return
        self._row = self._list.row(number)
        height = self._metrics.header_height
        area = self._view.viewport().geometry
        top = 0
        following = self._next_header(number)
        if following >= 0:
            above = self._view.visualRect(self._list.index(following, 0)).y()
            top = min(0, above - height)
        self.geometry = qt.QRect(area.x(), area.y() + top, area.width(), height)
        self.visible = True
        self.update()

    def _wanted(self) -> int:
        """The last header above the top of the view, if its study reaches into it."""
        found = -1
        for number, row in enumerate(self._list.rows()):
            if row.kind != "header":
                continue
            if self._view.visualRect(self._list.index(number, 0)).y() >= 0:
                break
            found = number
        above = self._list.row(found)
        return found if above is not None and self._list.is_open(above.study) else -1

    def _next_header(self, number: int) -> int:
        rows = self._list.rows()
        for later in range(number + 1, len(rows)):
            if rows[later].kind == "header":
                return later
        return -1

    def paintEvent(self, event: Any) -> None:
        """Paint it as the list does."""
        if self._row is None:
            return
        painter = qt.QPainter(self)
        try:
            area = qt.QRect(0, 0, self.width, self.height)
            painter.fillRect(area, self._theme.colour("base"))
            number = self._list.number_of(self._row.key)
            look = self._painter.header_look(self._row, number)
            paint_header(painter, self._theme, self._metrics, area, look)
        finally:
            painter.end()

    def mousePressEvent(self, event: Any) -> None:
        """Act as the header in the list; closing a study brings its header back into view."""
        if self._row is None or event.button() != qt.Qt.LeftButton:
            return
        point = point_of(event)
        rect = qt.QRect(0, 0, self.width, self.height)
        self._view.press_header(self._row.study, rect, point, event.modifiers(), self.mapToGlobal(point))

    def contextMenuEvent(self, event: Any) -> None:
        """The menu of the study."""
        if self._row is not None:
            self._view.open_study_menu(self._row.study, qt.QPoint(event.globalPos()))

    def wheelEvent(self, event: Any) -> None:
        """Scroll the list below."""
        event.accept()
        scroll = self._view.verticalScrollBar()
        scroll.value = scroll.value - wheel_turn(event) * scroll.singleStep * 3 // 120
