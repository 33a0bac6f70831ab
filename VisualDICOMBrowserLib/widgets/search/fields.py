"""The fields of the search bar: text fields, fields that open a list, and the query button. Main thread only.

What is active is tinted and can be cleared where it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import show_icon
from VisualDICOMBrowserLib.widgets.look.theme import Theme, set_state

__all__ = ["FieldButton", "QueryButton", "TextField", "grab_focus", "place_popup"]


class TextField(qt.QLineEdit):
    """A text filter with a cross while it holds something.

    Parameters
    ----------
    theme : Theme
    name : str
        What it filters by, for screen readers.
    on_edit : Callable[[str], None]
        Told of every change that the user makes.
    on_enter : Callable[[], None]
        The Enter key.
    """

    def __init__(
        self,
        theme: Theme,
        name: str,
        on_edit: Callable[[str], None],
        on_enter: Callable[[], None],
        hint: str = "",
    ) -> None:
        qt.QLineEdit.__init__(self)
        self.accessibleName = name
        self.placeholderText = hint or _("Any")
        self._theme = theme
        self._cross = self.addAction(theme.icon("cross", "text"), qt.QLineEdit.TrailingPosition)
        self._cross.text = _("Clear {field}").format(field=name)
        self._cross.triggered.connect(lambda *_: self._clear())
        self._cross.visible = False
        theme.follow(self, self._show_theme)
        self.minimumWidth = qt.QFontMetrics(self.font).averageCharWidth() * 7
        self._value = ""
        self._quiet = False
        self._on_edit = on_edit
        self.textChanged.connect(self._changed)
        self.returnPressed.connect(lambda: on_enter())

    def put(self, value: str) -> None:
        """Show a value without telling of it."""
        if value != self._value:
            self._quiet = True
            self.text = value
            self.cursorPosition = 0
            self._quiet = False

    def _changed(self, value: str) -> None:
        self._value = value.strip()
        set_state(self, "state", "active" if self._value else "")
        self._cross.visible = bool(value)
        if not self._quiet:
            self._on_edit(self._value)

    def _clear(self) -> None:
        self.text = ""

    def _show_theme(self) -> None:
        self._cross.icon = self._theme.icon("cross", "text")

    def keyPressEvent(self, event: Any) -> None:
        """Esc clears the field first; a second one goes to the window."""
        if event.key() == qt.Qt.Key_Escape and self.text:
            self.text = ""
            event.accept()
            return
        qt.QLineEdit.keyPressEvent(self, event)


class FieldButton(qt.QPushButton):
    """A field whose value is chosen in a popup: text on the left, an arrow on the right.

    Parameters
    ----------
    theme : Theme
    label : str
        What it chooses, for screen readers.
    on_open : Callable[[FieldButton], None]
        Opens the popup below it.
    characters : int
        Least room for its text.
    """

    def __init__(self, theme: Theme, label: str, on_open: Callable[[Any], None], characters: int = 7) -> None:
        qt.QPushButton.__init__(self)
        self._theme = theme
        self._label = label
        self._value = ""
        self._active = False
        self._characters = characters
        self._share = 1.0
        self.sizePolicy = qt.QSizePolicy(qt.QSizePolicy.Expanding, qt.QSizePolicy.Fixed)
        self.focusPolicy = qt.Qt.StrongFocus
        self.clicked.connect(lambda *_: on_open(self))
        self.put("", False)

    def put(self, value: str, active: bool) -> None:
        """Show a value; `active` tints the field."""
        self._value = value
        self._active = active
        self.accessibleName = _("{label}: {value}").format(label=self._label, value=value)
        self.toolTip = value
        metrics = qt.QFontMetrics(self.font)
        characters = max(6, round(self._characters * self._share))
        self.minimumWidth = metrics.averageCharWidth() * characters + self._theme.px(30)
        self.update()

    def show_share(self, share: float) -> None:
        """Ask for this share of the room it usually has."""
        self._share = share
        self.put(self._value, self._active)

    @property
    def shown(self) -> str:
        """The value that it shows."""
        return self._value

    def keyPressEvent(self, event: Any) -> None:
        """Down and Enter open it too."""
        if event.key() in (qt.Qt.Key_Down, qt.Qt.Key_Return, qt.Qt.Key_Enter):
            self.click()
            return
        qt.QPushButton.keyPressEvent(self, event)

    def paintEvent(self, event: Any) -> None:
        """Draw it as the text fields beside it."""
        painter = qt.QPainter(self)
        try:
            painter.setRenderHint(qt.QPainter.Antialiasing)
            focused = self.focus or self.down
            edge = "accent" if self._active or focused else "edge"
            painter.setPen(qt.QPen(self._theme.colour(edge), 2 if focused else 1))
            painter.setBrush(self._theme.colour("askground" if self._active else "base"))
            inset = 1.0 if focused else 0.5
            area = qt.QRectF(inset, inset, self.width - 2 * inset, self.height - 2 * inset)
            painter.drawRoundedRect(area, 4, 4)
            painter.setPen(self._theme.colour("text" if self.enabled else "mid"))
            metrics = qt.QFontMetrics(self.font)
            unit = self._theme.px(1)
            side = self._theme.px(14)
            room = self.width - 36 * unit
            text = metrics.elidedText(self._value, qt.Qt.ElideRight, room)
            mirrored = self.layoutDirection == qt.Qt.RightToLeft
            left = 26 * unit if mirrored else 9 * unit
            align = qt.Qt.AlignVCenter | (qt.Qt.AlignRight if mirrored else qt.Qt.AlignLeft)
            painter.drawText(qt.QRect(left, 0, room, self.height), int(align), text)
            arrow = self._theme.pixmap("chevron-down", "text", side)
            place = 8 * unit if mirrored else self.width - side - 8 * unit
            painter.drawPixmap(place, (self.height - side) // 2, arrow)
        finally:
            painter.end()


class QueryButton(qt.QPushButton):
    """Asks the servers; wears a dot while the fields differ from what was asked."""

    def __init__(self, theme: Theme, on_query: Callable[[], None]) -> None:
        qt.QPushButton.__init__(self)
        self._theme = theme
        self._changed = False
        set_state(self, "kind", "primary")
        show_icon(theme, self, "server", "onaccent")
        self.sizePolicy = qt.QSizePolicy(qt.QSizePolicy.Fixed, qt.QSizePolicy.Fixed)
        self.clicked.connect(lambda *_: on_query())
        self.show_text(2)
        self.show_changed(False)

    def show_text(self, words: int) -> None:
        """Say what it does in two words, in one, or by its icon alone where there is little room."""
        self.text = (_("Query servers"), _("Query"), "")[2 - words]

    def show_changed(self, changed: bool) -> None:
        """Tell that the fields changed since the servers were asked."""
        self._changed = changed
        self.accessibleName = _("Query servers, the filters have changed") if changed else _("Query servers")
        hint = _("Ask the chosen servers with these filters (Enter)")
        if changed:
            hint = _("The filters have changed since the servers were asked. Ask again with these (Enter)")
        self.toolTip = hint
        self.update()

    @property
    def changed(self) -> bool:
        """Whether it wears the dot."""
        return self._changed

    def paintEvent(self, event: Any) -> None:
        """The button, and its dot."""
        qt.QPushButton.paintEvent(self, event)
        if not self._changed:
            return
        painter = qt.QPainter(self)
        try:
            painter.setRenderHint(qt.QPainter.Antialiasing)
            painter.setPen(qt.QPen(self._theme.colour("onaccent"), 1.5))
            painter.setBrush(self._theme.colour("warn"))
            side = 9
            left = 4 if self.layoutDirection == qt.Qt.RightToLeft else self.width - side - 4
            painter.drawEllipse(qt.QRectF(left, 4, side, side))
        finally:
            painter.end()


def grab_focus(widget: Any) -> None:
    """Let the keys go to a widget."""
    widget.setFocus()


def place_popup(popup: Any, below: Any) -> None:
    """Show a popup under a field, moved to stay on the screen."""
    popup.adjustSize()
    size = popup.sizeHint
    place = below.mapToGlobal(qt.QPoint(0, below.height + 2))
    left, top = place.x(), place.y()
    for screen in qt.QApplication.screens():
        area = screen.availableGeometry
        if area.contains(below.mapToGlobal(qt.QPoint(0, 0))):
            left = max(area.left(), min(left, area.right() - size.width()))
            top = max(area.top(), min(top, area.bottom() - size.height()))
    popup.move(left, top)
    popup.show()
    popup.raise_()
