"""One slice view: the picture of a slice with its number and directions, scrolled and windowed. Main thread only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from VisualDICOMBrowserLib.desktop.slicing import VolumeSlicer
from VisualDICOMBrowserLib.widgets.language import _

__all__ = ["SliceView", "orientation_name"]

_MARGIN = 8
_SMALLEST = 120
_BLACK, _INK, _SHADE = "#000000", "#E7EAEE", "#9AA4AE"
_WHEEL_STEP = 120


def orientation_name(orientation: str) -> str:
    """An orientation as texts call it."""
    return {"axial": _("Axial"), "sagittal": _("Sagittal"), "coronal": _("Coronal")}[orientation]


class SliceView(qt.QWidget):
    """Wheel, arrows, Page Up and Down scroll; dragging changes window and level; Shift and moving links the views.

    Parameters
    ----------
    orientation : str
        ``axial``, ``sagittal`` or ``coronal``.
    on_window : Callable[[float, float], None]
        Called while the mouse is dragged with the parts of the widget's size moved right and down.
    on_index : Callable[[str, int], None]
        Called when the user chose another slice.
    on_point : Callable[[str, tuple or None, bool], None]
        Called with the voxel under the mouse, None outside, and whether Shift is held.
    on_large : Callable[[str], None]
        Called on a double click: the view wants all of the room, or gives it back.
    """

    def __init__(
        self,
        orientation: str,
        on_window: Callable[[float, float], None],
        on_index: Callable[[str, int], None],
        on_point: Callable[[str, tuple[float, float, float] | None, bool], None],
        on_large: Callable[[str], None],
    ) -> None:
        qt.QWidget.__init__(self)
        self.orientation = orientation
        self._on_window = on_window
        self._on_index = on_index
        self._on_point = on_point
        self._on_large = on_large
        self._slicer: VolumeSlicer | None = None
        self._image: Any = None
        self._index = 0
        self._center, self._width = 0.0, 1.0
        self._wheel = 0
        self._dragged: Any = None
        self.mouseTracking = True
        self.focusPolicy = qt.Qt.StrongFocus
        self.minimumSize = qt.QSize(_SMALLEST, _SMALLEST)
        self._name()

    @property
    def index(self) -> int:
        """Number of the slice that is shown, from 0."""
        return self._index

    @property
    def count(self) -> int:
        """How many slices there are."""
        return self._slicer.plane(self.orientation).count if self._slicer else 0

    @property
    def image(self) -> Any:
        """The ``QImage`` that is shown, or None."""
        return self._image

    def show_volume(self, slicer: VolumeSlicer | None, center: float = 0.0, width: float = 1.0) -> None:
        """Show the middle slice of a volume, or nothing."""
        self._slicer = slicer
        self._center, self._width = center, width
        self._index = self.count // 2
        self._draw()

    def set_window(self, center: float, width: float) -> None:
        """Show other values as black and white."""
        self._center, self._width = center, width
        self._draw()

    def set_index(self, index: int) -> None:
        """Show another slice, the nearest that there is."""
        index = min(max(index, 0), max(self.count - 1, 0))
        if index != self._index:
            self._index = index
            self._draw()

    def picture_rect(self) -> Any:
        """Where in the widget the picture is, a ``QRectF``."""
        if self._slicer is None:
            return qt.QRectF()
        plane = self._slicer.plane(self.orientation)
        scale = min(self.width / plane.width, self.height / plane.height)
        width, height = plane.width * scale, plane.height * scale
        return qt.QRectF((self.width - width) / 2, (self.height - height) / 2, width, height)

    def voxel_at(self, x: float, y: float) -> tuple[float, float, float] | None:
        """Voxel that is shown at a place of the widget; None beside the picture."""
        place = self.picture_rect()
        if self._slicer is None or not place.contains(qt.QPointF(x, y)):
            return None
        plane = self._slicer.plane(self.orientation)
        middle = place.center()
        scale = plane.width * plane.pixel / place.width()
        return self._slicer.voxel(self.orientation, self._index, (x - middle.x()) * scale, (y - middle.y()) * scale)

    def paintEvent(self, event: Any) -> None:
        """The picture on black, and what it is in the corners."""
        painter = qt.QPainter(self)
        try:
            painter.fillRect(self.rect, qt.QColor(_BLACK))
            if self._image is not None:
                painter.setRenderHint(qt.QPainter.SmoothPixmapTransform, True)
                painter.drawImage(self.picture_rect(), self._image)
            self._draw_texts(painter)
            if self.focus:
                painter.setPen(qt.QPen(self.palette.color(qt.QPalette.Link), 2))
                painter.drawRect(self.rect.adjusted(1, 1, -1, -1))
        finally:
            painter.end()

    def wheelEvent(self, event: Any) -> None:
        """One slice for each step of the wheel; away from the user goes up in the patient."""
        self._wheel += _value(event.angleDelta).y()
        steps, self._wheel = int(self._wheel / _WHEEL_STEP), self._wheel - int(self._wheel / _WHEEL_STEP) * _WHEEL_STEP
        self._choose(self._index + steps)
        event.accept()

    def mousePressEvent(self, event: Any) -> None:
        """The left button begins to change window and level."""
        if event.button() == qt.Qt.LeftButton:
            self._dragged = _place(event)

    def mouseMoveEvent(self, event: Any) -> None:
        """Change window and level, or tell what is under the mouse."""
        place = _place(event)
        if self._dragged is not None:
            moved = place - self._dragged
            self._dragged = place
            self._on_window(moved.x() / max(self.width, 1), moved.y() / max(self.height, 1))
            return
        shift = bool(event.modifiers() & qt.Qt.ShiftModifier)
        self._on_point(self.orientation, self.voxel_at(place.x(), place.y()), shift)

    def mouseReleaseEvent(self, event: Any) -> None:
        """Dragging ends."""
        self._dragged = None

    def mouseDoubleClickEvent(self, event: Any) -> None:
        """Take all of the room, or give it back."""
        self._dragged = None
        self._on_large(self.orientation)

    def leaveEvent(self, event: Any) -> None:
        """Nothing is under the mouse any more."""
        self._on_point(self.orientation, None, False)

    def keyPressEvent(self, event: Any) -> None:
        """Scroll by keys."""
        page = max(1, self.count // 10)
        steps = {
            qt.Qt.Key_Up: 1,
            qt.Qt.Key_Right: 1,
            qt.Qt.Key_Down: -1,
            qt.Qt.Key_Left: -1,
            qt.Qt.Key_PageUp: page,
            qt.Qt.Key_PageDown: -page,
            qt.Qt.Key_Home: -self.count,
            qt.Qt.Key_End: self.count,
        }
        if event.key() in steps:
            self._choose(self._index + steps[event.key()])
        else:
            qt.QWidget.keyPressEvent(self, event)

    def _choose(self, index: int) -> None:
        before = self._index
        self.set_index(index)
        if self._index != before:
            self._on_index(self.orientation, self._index)

    def _draw(self) -> None:
        self._image = None
        if self._slicer is not None:
            pixels = self._slicer.picture(self.orientation, self._index, self._center, self._width)
            kind = "P6" if pixels.ndim == 3 else "P5"
            image = qt.QImage()
            image.loadFromData(f"{kind} {pixels.shape[1]} {pixels.shape[0]} 255\n".encode() + pixels.tobytes())
            self._image = image
        self._name()
        self.update()

    def _name(self) -> None:
        number = _("{number} of {count}").format(number=self._index + 1, count=self.count)
        text = _("{view} slice, {number}").format(view=orientation_name(self.orientation), number=number)
        self.accessibleName = text if self.count else orientation_name(self.orientation)

    def _draw_texts(self, painter: Any) -> None:
        inner = self.rect.adjusted(_MARGIN, _MARGIN, -_MARGIN, -_MARGIN)
        _written(painter, inner, qt.Qt.AlignTop | qt.Qt.AlignLeft, orientation_name(self.orientation), _INK)
        if self._slicer is None:
            return
        _written(painter, inner, qt.Qt.AlignTop | qt.Qt.AlignRight, f"{self._index + 1} / {self.count}", _INK)
        if not (self._slicer.is_colour or self._slicer.is_label):
            window = _("W {width:.0f}  L {center:.0f}").format(width=abs(self._width), center=self._center)
            _written(painter, inner, qt.Qt.AlignBottom | qt.Qt.AlignLeft, window, _SHADE)
        left, right, above, below = self._slicer.plane(self.orientation).letters
        for flags, letter in (
            (qt.Qt.AlignVCenter | qt.Qt.AlignLeft, left),
            (qt.Qt.AlignVCenter | qt.Qt.AlignRight, right),
            (qt.Qt.AlignTop | qt.Qt.AlignHCenter, above),
            (qt.Qt.AlignBottom | qt.Qt.AlignHCenter, below),
        ):
            _written(painter, inner, flags, letter, _SHADE)


def _value(part: Any) -> Any:
    """Part of an event: a property of it here, a method on PythonQt."""
    return part() if callable(part) else part


def _place(event: Any) -> Any:
    return qt.QPointF(_value(event.position))


def _written(painter: Any, place: Any, flags: Any, text: str, colour: str) -> None:
    """Text with a dark edge, legible on bright pictures too."""
    painter.setPen(qt.QColor(_BLACK))
    for x, y in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        painter.drawText(place.translated(x, y), int(flags), text)
    painter.setPen(qt.QColor(colour))
    painter.drawText(place, int(flags), text)
