"""The list of studies and series of a patient: one ``QListView``. Main thread only.

Headers of studies are rows as wide as the view less one pixel, which ends the line of cards before them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.page.calls import ViewCallbacks
from VisualDICOMBrowserLib.widgets.page.delegate import PageDelegate
from VisualDICOMBrowserLib.widgets.page.geometry import Metrics, point_of, wheel_turn
from VisualDICOMBrowserLib.widgets.page.keys import PageKeys
from VisualDICOMBrowserLib.widgets.page.model import PageModel
from VisualDICOMBrowserLib.widgets.page.pictures import Pictures, Strips
from VisualDICOMBrowserLib.widgets.page.pressing import press_icon
from VisualDICOMBrowserLib.widgets.page.sticky import StickyHeader

__all__ = ["PageView"]

_STEP = 48
_WAYS = {
    qt.Qt.Key_Left: qt.QAbstractItemView.MoveLeft,
    qt.Qt.Key_Right: qt.QAbstractItemView.MoveRight,
    qt.Qt.Key_Up: qt.QAbstractItemView.MoveUp,
    qt.Qt.Key_Down: qt.QAbstractItemView.MoveDown,
    qt.Qt.Key_Home: qt.QAbstractItemView.MoveHome,
    qt.Qt.Key_End: qt.QAbstractItemView.MoveEnd,
}


class PageView(qt.QListView):
    """Shows a `PageModel`.

    Parameters
    ----------
    theme : Theme
    model : PageModel
    strips : Strips
    calls : ViewCallbacks
    """

    def __init__(self, theme: Theme, model: PageModel, strips: Strips, calls: ViewCallbacks) -> None:
        qt.QListView.__init__(self)
        self._theme = theme
        self._list = model
        self._calls = calls
        self.metrics = Metrics(theme)
        self.pictures = Pictures(self, self._repaint)
        self._painter = PageDelegate(theme, model, self.metrics, self.pictures, strips)
        self._pressed: Any = None
        self._pressed_row = -1
        self._acted = False
        self._anchor = -1
        self._keys = PageKeys(self, model, calls)
        self.setModel(model)
        self.setItemDelegate(self._painter)
        self._dress()
        self._sticky = StickyHeader(self, theme, self.metrics, self._painter, model)
        self.selectionModel().selectionChanged.connect(lambda *_: calls.selection())
        self.selectionModel().currentChanged.connect(lambda *_: self._note_current())
        self.verticalScrollBar().valueChanged.connect(lambda *_: self._sticky.place())
        self.verticalScrollBar().rangeChanged.connect(lambda *_: self._show_handle())
        self._show_handle()
        model.modelReset.connect(lambda *_: self._after_reset())

    def _dress(self) -> None:
        self.viewMode = qt.QListView.IconMode
        self.movement = qt.QListView.Static
        self.flow = qt.QListView.LeftToRight
        self.wrapping = True
        self.resizeMode = qt.QListView.Adjust
        self.spacing = 0
        self.selectionMode = qt.QAbstractItemView.ExtendedSelection
        self.selectionRectVisible = True
        self.verticalScrollMode = qt.QAbstractItemView.ScrollPerPixel
        self.horizontalScrollBarPolicy = qt.Qt.ScrollBarAlwaysOff
        self.verticalScrollBarPolicy = qt.Qt.ScrollBarAlwaysOn
        self.verticalScrollBar().singleStep = self._theme.px(_STEP)
        self.frameShape = qt.QFrame.NoFrame
        self.mouseTracking = True
        self.accessibleName = _("Studies and series")
        self.setProperty("ground", "base")

    def _show_handle(self) -> None:
        """The bar keeps its place, so that cards do; its handle is shown while there is something to scroll."""
        bar = self.verticalScrollBar()
        bar.enabled = bar.maximum > bar.minimum

    def select_all(self) -> None:
        """As Ctrl+A: the series of the active study, then those of the patient."""
        self._keys.select_all()

    # Sizes

    def set_side(self, side: int) -> None:
        """Show pictures in another size; what was on top stays there."""
        self._keeping_place(lambda: setattr(self.metrics, "side", side))

    def set_rows_view(self, on: bool) -> None:
        """Show rows in place of cards."""

        def change() -> None:
            self.metrics.as_rows = on
            self._list.set_rows_view(on)

        self._keeping_place(change)

    def _keeping_place(self, change: Callable[[], None]) -> None:
        top = self._top_row()
        change()
        self.metrics.width = self.viewport().width
        self.scheduleDelayedItemsLayout()
        self.executeDelayedItemsLayout()
        if top is not None:
            number = self._list.number_of(top)
            if number >= 0:
                self.scrollTo(self._list.index(number, 0), qt.QAbstractItemView.PositionAtTop)
        self._sticky.place()
        self._repaint()

    def _top_row(self) -> str | None:
        if self.verticalScrollBar().value == 0:
            return None
        px = self.metrics.px
        index = self.indexAt(qt.QPoint(px(30), self._sticky.depth() + px(20)))
        row = self._list.row(index.row()) if index.isValid() else None
        return None if row is None else row.key

    def resizeEvent(self, event: Any) -> None:
        """Share the new width among whole columns."""
        self.metrics.width = self.viewport().width
        qt.QListView.resizeEvent(self, event)
        self._sticky.place()

    def refresh_look(self) -> None:
        """Take up another theme or font."""
        self.metrics.refresh(self.font)
        self.pictures.clear()
        self.scheduleDelayedItemsLayout()
        self._repaint()

    def changeEvent(self, event: Any) -> None:
        """Follow the font."""
        qt.QListView.changeEvent(self, event)
        if event.type() == qt.QEvent.FontChange:
            self.refresh_look()

    def repaint_rows(self, numbers: Sequence[int]) -> None:
        """Paint rows anew, without a layout."""
        for number in numbers:
            self.update(self._list.index(number, 0))
        if numbers:
            self.repaint_headers()

    def repaint_headers(self) -> None:
        """Paint headers of studies anew, whose progress depends on their series."""
        for number, row in enumerate(self._list.rows()):
            if row.kind == "header":
                self.update(self._list.index(number, 0))
        self._sticky.update()

    def _repaint(self) -> None:
        self.viewport().update()
        self._sticky.update()

    def _after_reset(self) -> None:
        self._painter.hovered = -1
        self._painter.current = self._anchor = -1
        self._sticky.place_later()

    def _note_current(self) -> None:
        index = self.currentIndex()
        self._painter.current = index.row() if index.isValid() else -1

    # What is selected

    def selected_series(self) -> list[Any]:
        """Selected series in the order of the page."""
        numbers = sorted(index.row() for index in self.selectedIndexes())
        rows = [self._list.row(number) for number in numbers]
        return [row.series for row in rows if row is not None and row.series is not None]

    def select_series(self, uids: Sequence[str]) -> None:
        """Select the series with these UIDs."""
        selection = qt.QItemSelection()
        for uid in uids:
            number = self._list.number_of_series(uid)
            if number >= 0:
                index = self._list.index(number, 0)
                selection.select(index, index)
        self.selectionModel().select(selection, qt.QItemSelectionModel.ClearAndSelect)

    def extend_to(self, number: int, more: bool = False) -> None:
        """Select all from the row that was clicked last up to this one, with `more` beside what is selected."""
        first = self._anchor if self._anchor >= 0 else number
        rows = [self._list.row(each) for each in range(min(first, number), max(first, number) + 1)]
        uids = [row.series.SeriesInstanceUID for row in rows if row is not None and row.series is not None]
        before = [each.SeriesInstanceUID for each in self.selected_series()] if more else []
        self.select_series([*before, *uids])
        self.make_current(number)

    def make_current(self, number: int) -> None:
        """Make a row the active one without selecting it."""
        if number >= 0:
            index = self._list.index(number, 0)
            self.selectionModel().setCurrentIndex(index, qt.QItemSelectionModel.NoUpdate)

    # Mouse

    def mousePressEvent(self, event: Any) -> None:
        """Open and close studies, act on icons of cards, else select."""
        point = point_of(event)
        index = self.indexAt(point)
        row = self._list.row(index.row()) if index.isValid() else None
        self._pressed, self._pressed_row, self._acted = None, -1, False
        if event.button() == qt.Qt.LeftButton and row is not None:
            rect = qt.QRect(self.visualRect(index))
            if row.kind == "header":
                self._acted = True
                self.press_header(row.study, rect, point, event.modifiers(), self.viewport().mapToGlobal(point))
                return
            if row.series is not None and press_icon(self, self._list, self._calls, row, rect, point):
                self._acted = True
                return
            if row.series is not None:
                self._pressed, self._pressed_row = point, index.row()
                if event.modifiers() & qt.Qt.ShiftModifier:
                    self._acted = True
                    self.extend_to(index.row(), bool(event.modifiers() & qt.Qt.ControlModifier))
                    return
                self._anchor = index.row()
        qt.QListView.mousePressEvent(self, event)

    def press_header(self, study: Any, rect: Any, point: Any, modifiers: Any, place: Any) -> None:
        """A click on the header of a study: its menu, or open and close it, with Ctrl all."""
        if self.metrics.header(rect).more.contains(point):
            self._calls.menu("STUDY", [study], place)
            return
        if self._painter.link_place(study, rect).contains(point):
            self._calls.show_all(study)
            return
        studies = self._list.studies if modifiers & qt.Qt.ControlModifier else [study]
        self.set_open(studies, not self._list.is_open(study), study)

    def set_open(self, studies: Sequence[Any], on: bool, study: Any = None) -> None:
        """Open or close studies; what is selected and in view stays."""
        chosen = [each.SeriesInstanceUID for each in self.selected_series()]
        value = self.verticalScrollBar().value
        self._list.set_open(studies, on)
        self.executeDelayedItemsLayout()
        self.verticalScrollBar().value = value
        self.select_series(chosen)
        if study is not None:
            number = self._list.number_of(f"header:{study.StudyInstanceUID}")
            self.make_current(number)
            if on and number >= 0:
                self.scrollTo(self._list.index(number, 0))
        self._sticky.place()
        self._calls.opened()

    def open_study_menu(self, study: Any, place: Any) -> None:
        """The menu of a study."""
        self._calls.menu("STUDY", [study], place)

    def mouseMoveEvent(self, event: Any) -> None:
        """Leaf through the slices under the mouse; with the button down drag cards out or draw a rubber band."""
        point = point_of(event)
        if not event.buttons():
            self._hover(point)
        if self._pressed is not None and event.buttons() & qt.Qt.LeftButton:
            far = (point - self._pressed).manhattanLength() >= qt.QApplication.instance().startDragDistance
            if far:
                self._pressed = None
                self._calls.drag(self._dragged())
            return
        if not self._acted:
            qt.QListView.mouseMoveEvent(self, event)

    def mouseReleaseEvent(self, event: Any) -> None:
        """End a click."""
        self._pressed = None
        if not self._acted:
            qt.QListView.mouseReleaseEvent(self, event)
        self._acted = False

    def mouseDoubleClickEvent(self, event: Any) -> None:
        """Load a series; a second quick click on an icon or header acts again."""
        index = self.indexAt(point_of(event))
        row = self._list.row(index.row()) if index.isValid() else None
        if row is None or row.series is None or event.button() != qt.Qt.LeftButton:
            self.mousePressEvent(event)
        else:
            rect = qt.QRect(self.visualRect(index))
            if not press_icon(self, self._list, self._calls, row, rect, point_of(event)):
                self._calls.open([row.series])

    def _dragged(self) -> list[Any]:
        row = self._list.row(self._pressed_row)
        chosen = self.selected_series()
        return chosen if row is None or row.series in chosen else [row.series]

    def _hover(self, point: Any) -> None:
        index = self.indexAt(point)
        number = index.row() if index.isValid() else -1
        row = self._list.row(number)
        painter = self._painter
        before, on_link = painter.hovered, painter.link_hovered
        painter.hovered, painter.scrub_share, painter.more_hovered, painter.link_hovered = number, None, False, False
        if row is not None and row.series is not None and not self.metrics.as_rows and row.kind == "card":
            picture = self.metrics.card(qt.QRect(self.visualRect(index))).picture
            if picture.contains(point):
                painter.scrub_share = (point.x() - picture.x()) / max(1, picture.width() - 1)
                self._calls.hover(row.series)
        elif row is not None and row.kind == "header":
            rect = qt.QRect(self.visualRect(index))
            painter.more_hovered = bool(self.metrics.header(rect).more.contains(point))
            painter.link_hovered = bool(painter.link_place(row.study, rect).contains(point))
        if painter.link_hovered != on_link:
            self.viewport().cursor = qt.QCursor(qt.Qt.ArrowCursor if on_link else qt.Qt.PointingHandCursor)
        for each in {before, number} - {-1}:
            self.update(self._list.index(each, 0))

    def scrubbed(self) -> tuple[Any, float | None]:
        """The series under the mouse, and how far right on its picture the mouse is; None where it is not on one."""
        row = self._list.row(self._painter.hovered)
        return (None if row is None else row.series), self._painter.scrub_share

    def leaveEvent(self, event: Any) -> None:
        """Show the picture of the card again."""
        self._hover(qt.QPoint(-10, -10))
        qt.QListView.leaveEvent(self, event)

    def wheelEvent(self, event: Any) -> None:
        """With Ctrl change the size of the pictures."""
        if event.modifiers() & qt.Qt.ControlModifier:
            self._calls.resize_pictures(1 if wheel_turn(event) > 0 else -1)
            event.accept()
        else:
            qt.QListView.wheelEvent(self, event)

    def contextMenuEvent(self, event: Any) -> None:
        """Open the menu of the selected series, of a study, or of the page."""
        point = qt.QPoint(event.pos())
        place = qt.QPoint(event.globalPos())
        index = self.indexAt(point)
        row = self._list.row(index.row()) if index.isValid() else None
        if row is None or row.kind == "break":
            self._calls.menu("", [], place)
        elif row.series is None:
            self._calls.menu("STUDY", [row.study], place)
        else:
            chosen = self.selected_series()
            self._calls.menu("SERIES", chosen if row.series in chosen else [row.series], place)

    # Keys and focus

    def keyPressEvent(self, event: Any) -> None:
        """Keys of the page; the rest moves over cards and headers, and letters jump to a description."""
        if self._keys.press(event):
            return
        way = _WAYS.get(event.key())
        if way is not None and event.modifiers() & qt.Qt.ShiftModifier:
            if self._anchor < 0:
                self._anchor = self.currentIndex().row()
            index = self.moveCursor(way, qt.Qt.NoModifier)
            if index.isValid():
                self.extend_to(index.row())
                self.scrollTo(index)
            return
        qt.QListView.keyPressEvent(self, event)
        if way is not None:
            self._anchor = self.currentIndex().row()

    def focusInEvent(self, event: Any) -> None:
        """Show which row is the active one."""
        qt.QListView.focusInEvent(self, event)
        self._painter.focused = True
        self._repaint()

    def focusOutEvent(self, event: Any) -> None:
        """Keys go elsewhere."""
        qt.QListView.focusOutEvent(self, event)
        self._painter.focused = False
        self._repaint()
