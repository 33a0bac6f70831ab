"""The list of servers: check marks, the default one, the sign of the last test, order by dragging or keys.

Main thread only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.paint import draw_icon, draw_pill, draw_text, pill_size, scaled_font
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.servers.server_model import SERVER_ROLE, ServerModel

__all__ = ["ServerList"]

_SMALL = 11 / 13


class _Delegate(qt.QStyledItemDelegate):
    """Draws one server: handle, check mark, name, default, second line, sign of the last test."""

    def __init__(self, theme: Theme, model: ServerModel) -> None:
        qt.QStyledItemDelegate.__init__(self)
        self._theme = theme
        self._model = model

    def sizeHint(self, option: Any, index: Any) -> Any:
        """Two lines and some air."""
        small = qt.QFontMetrics(scaled_font(option.font, _SMALL)).height()
        height = qt.QFontMetrics(option.font).height() + small + self._theme.px(23)
        return qt.QSize(self._theme.px(160), height)

    def check_rect(self, rect: Any) -> Any:
        """Where the check mark of a row stands."""
        side = self._theme.px(16)
        return qt.QRect(rect.x() + self._theme.px(28), rect.y() + (rect.height() - side) // 2, side, side)

    def editorEvent(self, event: Any, model: Any, option: Any, index: Any) -> bool:
        """A click on the check mark switches the server on or off."""
        if event.type() == qt.QEvent.MouseButtonRelease and event.button() == qt.Qt.LeftButton:
            margin = self._theme.px(4)
            if self.check_rect(option.rect).adjusted(-margin, -margin, margin, margin).contains(_place(event)):
                self._model.toggle(index.row())
                return True
        return False

    def paint(self, painter: Any, option: Any, index: Any) -> None:
        """Draw the row."""
        row = index.data(SERVER_ROLE)
        theme, rect, px = self._theme, option.rect, self._theme.px
        selected = bool(option.state & qt.QStyle.State_Selected)
        hovered = bool(option.state & qt.QStyle.State_MouseOver)
        painter.save()
        if selected or hovered:
            painter.fillRect(rect, theme.colour("selection" if selected else "hover"))
        if selected:
            painter.fillRect(qt.QRect(rect.x(), rect.y(), px(3), rect.height()), theme.colour("accent"))
        painter.fillRect(qt.QRect(rect.x(), rect.bottom(), rect.width(), 1), theme.colour("border"))
        self._draw_handle(painter, rect)
        self._draw_check(painter, self.check_rect(rect), row["enabled"])
        self._draw_words(painter, rect, row, option.font)
        if row["icon"]:
            side = px(16)
            place = qt.QRect(rect.right() - px(28), rect.y() + (rect.height() - side) // 2, side, side)
            draw_icon(painter, theme, row["icon"], row["token"], place)
        if option.state & qt.QStyle.State_HasFocus:
            painter.setPen(qt.QPen(theme.colour("accent"), 1, qt.Qt.DotLine))
            painter.setBrush(qt.QBrush())
            painter.drawRect(rect.adjusted(px(3), 1, -2, -3))
        painter.restore()

    def _draw_handle(self, painter: Any, rect: Any) -> None:
        dot, step = self._theme.px(2), self._theme.px(4)
        left, top = rect.x() + self._theme.px(12), rect.y() + rect.height() // 2 - step - dot // 2
        for number in range(6):
            place = qt.QRect(left + number % 2 * step, top + number // 2 * step, dot, dot)
            painter.fillRect(place, self._theme.colour("edge"))

    def _draw_check(self, painter: Any, box: Any, checked: bool) -> None:
        theme = self._theme
        painter.setRenderHint(qt.QPainter.Antialiasing, True)
        painter.setPen(theme.colour("accent" if checked else "edge"))
        painter.setBrush(theme.colour("accent" if checked else "base"))
        painter.drawRoundedRect(qt.QRectF(box).adjusted(0.5, 0.5, -0.5, -0.5), 3, 3)
        painter.setRenderHint(qt.QPainter.Antialiasing, False)
        if checked:
            inset = theme.px(2)
            draw_icon(painter, theme, "check", "onaccent", box.adjusted(inset, inset, -inset, -inset))

    def _draw_words(self, painter: Any, rect: Any, row: dict[str, Any], font: Any) -> None:
        theme, px = self._theme, self._theme.px
        strong, small = scaled_font(font, 1.0, True), scaled_font(font, _SMALL)
        upper, lower = qt.QFontMetrics(strong).height(), qt.QFontMetrics(small).height()
        left, right = rect.x() + px(54), rect.right() - px(36)
        top = rect.y() + (rect.height() - upper - lower - px(4)) // 2
        pill = pill_size(_("default"), font).width() + px(8) if row["default"] else 0
        name_rect = qt.QRect(left, top, right - left - pill, upper)
        token = "text" if row["enabled"] else "mid"
        width = draw_text(painter, name_rect, row["name"], strong, theme.colour(token))
        if pill:
            draw_pill(painter, theme, left + width + px(8), top + upper // 2, _("default"), "ask", font)
        line_rect = qt.QRect(left, top + upper + px(4), right - left, lower)
        draw_text(painter, line_rect, row["line"], small, theme.colour("mid"))


def _place(event: Any) -> Any:
    """Where the mouse is; Qt 5 and 6 say it in two ways."""
    return event.position().toPoint() if hasattr(event, "position") else qt.QPoint(event.pos())


class ServerList(qt.QListView):
    """The servers.

    Parameters
    ----------
    theme : Theme
    model : ServerModel
    on_selected : Callable[[int], None]
        Called with the row that the user went to.
    on_key : Callable[[str], None]
        Called with ``delete``, ``duplicate``, ``up``, ``down`` or ``test``.
    """

    def __init__(
        self, theme: Theme, model: ServerModel, on_selected: Callable[[int], None], on_key: Callable[[str], None]
    ) -> None:
        qt.QListView.__init__(self)
        self._servers = model
        self._on_selected = on_selected
        self._on_key = on_key
        self._delegate = _Delegate(theme, model)
        self.setModel(model)
        self.setItemDelegate(self._delegate)
        self.accessibleName = _("Servers")
        self.frameShape = qt.QFrame.NoFrame
        self.mouseTracking = True
        self.horizontalScrollBarPolicy = qt.Qt.ScrollBarAlwaysOff
        self.dragDropMode = qt.QAbstractItemView.InternalMove
        self.defaultDropAction = qt.Qt.MoveAction
        self.verticalScrollMode = qt.QAbstractItemView.ScrollPerPixel
        self.selectionModel().currentChanged.connect(lambda *_: self._tell())
        # A click on the server that is chosen already comes back to it from another page.
        self.clicked.connect(lambda *_: self._tell())
        theme.follow(self, lambda: self.viewport().update())

    def choose(self, row: int) -> None:
        """Select a row without telling of it."""
        was = self.selectionModel().blockSignals(True)
        index = self._servers.index(row, 0)
        self.selectionModel().setCurrentIndex(index, qt.QItemSelectionModel.ClearAndSelect)
        self.selectionModel().blockSignals(was)
        self.viewport().update()

    def check_point(self, row: int) -> Any:
        """The middle of a row's check mark, in the viewport."""
        return self._delegate.check_rect(self.visualRect(self._servers.index(row, 0))).center()

    def keyPressEvent(self, event: Any) -> None:
        """Space switches on or off, Alt with an arrow moves, Del deletes."""
        row = self.currentIndex().row()
        alt = bool(event.modifiers() & qt.Qt.AltModifier)
        control = bool(event.modifiers() & qt.Qt.ControlModifier)
        names = {qt.Qt.Key_Delete: "delete", qt.Qt.Key_F5: "test"}
        if row >= 0 and event.key() == qt.Qt.Key_Space:
            self._servers.toggle(row)
        elif alt and event.key() in (qt.Qt.Key_Up, qt.Qt.Key_Down):
            self._on_key("up" if event.key() == qt.Qt.Key_Up else "down")
        elif control and event.key() == qt.Qt.Key_D:
            self._on_key("duplicate")
        elif event.key() in names:
            self._on_key(names[event.key()])
        else:
            qt.QListView.keyPressEvent(self, event)

    def _tell(self) -> None:
        row = self.currentIndex().row()
        if row >= 0:
            self._on_selected(row)
