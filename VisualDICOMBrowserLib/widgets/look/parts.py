"""Small widgets that all views share: buttons, labelled fields, pills, switches, the asking sign. Main thread only.

Keys in hints are only shown: shortcuts belong to the browser, so that they work inside it alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.note_bar import NoteBar
from VisualDICOMBrowserLib.widgets.look.theme import Theme, set_state

__all__ = [
    "BusyMark",
    "ElidedLabel",
    "Labelled",
    "NoteBar",
    "Pill",
    "Segmented",
    "clear_button",
    "hint_with_key",
    "icon_label",
    "label",
    "labelled",
    "leading_icon",
    "line",
    "link_button",
    "primary_button",
    "push_button",
    "show_icon",
    "tool_button",
]

_ICON = 16
_GAP = 3
"""Between icon and text of a button, beyond the gap that Qt leaves."""
_BUSY_AFTER_MS = 200
_BUSY_STEP_MS = 80
_BUSY_STEPS = 12


def tool_button(
    theme: Theme, icon: str, text: str, action: Callable[[], None], hint: str = "", key: str = "", mini: bool = False
) -> Any:
    """A button of an icon alone; `text` names it for screen readers and, with the key, in its hint."""
    button = qt.QToolButton()
    button.accessibleName = text
    button.toolTip = hint_with_key(hint or text, key)
    button.autoRaise = True
    button.focusPolicy = qt.Qt.TabFocus
    if mini:
        set_state(button, "kind", "mini")
    show_icon(theme, button, icon, size=14 if mini else _ICON)
    button.clicked.connect(lambda *_: action())
    return button


def push_button(
    theme: Theme, text: str, action: Callable[[], None], icon: str = "", hint: str = "", key: str = "", kind: str = ""
) -> Any:
    """A button with a text; its kind is ``primary``, ``danger``, ``link``, ``small``, ``filter`` or none."""
    button = qt.QPushButton(text)
    button.accessibleName = text
    button.autoDefault = False
    if hint or key:
        button.toolTip = hint_with_key(hint or text, key)
    if kind:
        set_state(button, "kind", kind)
    if icon:
        show_icon(theme, button, icon, {"primary": "onaccent", "danger": "error", "link": "accent"}.get(kind, "text"))
    button.clicked.connect(lambda *_: action())
    return button


def primary_button(
    theme: Theme, text: str, action: Callable[[], None], icon: str = "", hint: str = "", key: str = ""
) -> Any:
    """The one button of a view that does what it is there for."""
    return push_button(theme, text, action, icon, hint, key, "primary")


def link_button(text: str, action: Callable[[], None], hint: str = "") -> Any:
    """A text that acts on a click."""
    button = qt.QPushButton(text)
    button.accessibleName = text
    button.autoDefault = False
    button.flat = True
    button.toolTip = hint
    button.cursor = qt.QCursor(qt.Qt.PointingHandCursor)
    set_state(button, "kind", "link")
    button.clicked.connect(lambda *_: action())
    return button


def show_icon(theme: Theme, button: Any, icon: str, token: str = "text", size: int = _ICON) -> None:
    """Give a button an icon that follows the look and the font."""

    def update() -> None:
        side = theme.px(size)
        # A text that such a button gets later needs the gap too.
        gap = theme.px(_GAP) if button.text or button.inherits("QPushButton") else 0
        button.icon = theme.icon(icon, token, side, "accent" if button.checkable else "", gap)
        button.iconSize = qt.QSize(side + gap, side)

    theme.follow(button, update)


def hint_with_key(hint: str, key: str) -> str:
    """A hint followed by the key that does the same, as the system writes it."""
    if not key:
        return hint
    shown = qt.QKeySequence(key).toString(qt.QKeySequence.NativeText)
    return _("{hint} ({key})").format(hint=hint, key=shown)


def clear_button(theme: Theme, field: Any) -> Any:
    """Give a line of text a cross at its end that empties it, there while it holds something; returns its action."""
    action = field.addAction(theme.icon("close"), qt.QLineEdit.TrailingPosition)
    action.text = _("Clear")
    action.toolTip = _("Clear")
    action.visible = bool(field.text)

    def show_icon_again() -> None:
        action.icon = theme.icon("close", "text", theme.px(_ICON))

    def on_text(text: str) -> None:
        action.visible = bool(text)

    action.triggered.connect(lambda *_: field.clear())
    field.textChanged.connect(on_text)
    theme.follow(field, show_icon_again)
    return action


def leading_icon(theme: Theme, field: Any, icon: str) -> None:
    """Show an icon at the start of a line of text, such as the magnifying glass."""
    action = field.addAction(theme.icon(icon, "mid"), qt.QLineEdit.LeadingPosition)

    def update() -> None:
        action.icon = theme.icon(icon, "mid", theme.px(_ICON))

    theme.follow(field, update)


def label(text: str, role: str = "") -> Any:
    """A text; its role is ``title``, ``heading``, ``strong``, ``mid``, ``caption``, ``small`` or none."""
    made = qt.QLabel(text)
    made.textFormat = qt.Qt.PlainText
    if role:
        set_state(made, "role", role)
    return made


def icon_label(theme: Theme, icon: str, token: str = "text", size: int = _ICON) -> Any:
    """A picture of an icon that follows the look."""
    made = qt.QLabel()

    def update() -> None:
        made.pixmap = theme.pixmap(icon, token, theme.px(size))

    theme.follow(made, update)
    return made


def line(upright: bool = False) -> Any:
    """A thin line between parts."""
    made = qt.QFrame()
    set_state(made, "kind", "line")
    if upright:
        made.setFixedWidth(1)
    else:
        made.setFixedHeight(1)
    return made


class Labelled(qt.QWidget):
    """A field below its label, which names the field for screen readers too."""

    def __init__(self, text: str, field: Any) -> None:
        qt.QWidget.__init__(self)
        caption = label(text, "caption")
        caption.setBuddy(field)
        if not field.accessibleName:
            field.accessibleName = text
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.spacing = 3
        layout.addWidget(caption)
        layout.addWidget(field)
        self.setLayout(layout)


def labelled(text: str, field: Any) -> Labelled:
    """`field` below its label."""
    return Labelled(text, field)


class Pill(qt.QLabel):
    """A short text on a rounded ground; its tone is ``ok ask warn error new mid``, or ``tag`` for a thin frame."""

    def __init__(self, text: str, tone: str = "mid") -> None:
        qt.QLabel.__init__(self, text)
        self.textFormat = qt.Qt.PlainText
        self.sizePolicy = qt.QSizePolicy(qt.QSizePolicy.Fixed, qt.QSizePolicy.Fixed)
        self.set_tone(tone)

    def set_tone(self, tone: str) -> None:
        """Show another tone."""
        set_state(self, "tone", tone)


class Segmented(qt.QWidget):
    """Buttons side by side, one of which is chosen.

    Parameters
    ----------
    theme : Theme
    choices : sequence of (icon, name, hint)
        The name is what `on_change` gets and `choose` takes.
    on_change : Callable[[str], None]
        Called when the user chooses another one.
    """

    def __init__(self, theme: Theme, choices: Sequence[tuple[str, str, str]], on_change: Callable[[str], None]) -> None:
        qt.QWidget.__init__(self)
        self._on_change = on_change
        self._buttons: dict[str, Any] = {}
        self._chosen = ""
        layout = qt.QHBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.spacing = 0
        for number, (icon, name, hint) in enumerate(choices):
            button = self._made(theme, icon, name, hint)
            place = "only" if len(choices) == 1 else {0: "first", len(choices) - 1: "last"}.get(number, "middle")
            set_state(button, "segment", place)
            self._buttons[name] = button
            layout.addWidget(button)
        self.setLayout(layout)
        self.sizePolicy = qt.QSizePolicy(qt.QSizePolicy.Fixed, qt.QSizePolicy.Fixed)
        if choices:
            self.choose(choices[0][1])

    @property
    def chosen(self) -> str:
        """Name of the button that is chosen."""
        return self._chosen

    def choose(self, name: str) -> None:
        """Choose a button; `on_change` is not called."""
        self._chosen = name
        for known, button in self._buttons.items():
            button.checked = known == name

    def _made(self, theme: Theme, icon: str, name: str, hint: str) -> Any:
        button = qt.QToolButton()
        button.checkable = True
        button.toolTip = hint
        button.accessibleName = hint
        show_icon(theme, button, icon)
        button.clicked.connect(lambda *_: self._pressed(name))
        return button

    def _pressed(self, name: str) -> None:
        before = self._chosen
        self.choose(name)
        if name != before:
            self._on_change(name)


class BusyMark(qt.QWidget):
    """The sign that something is being asked: appears 0.2 s after `start`, gone at `stop`; keeps its place."""

    def __init__(self, theme: Theme, side: int = _ICON) -> None:
        qt.QWidget.__init__(self)
        self._theme = theme
        self._step = -1
        self._timer = qt.QTimer(self)
        self._timer.timeout.connect(self._turn)
        self.accessibleName = _("Asking")
        self.setFixedSize(theme.px(side), theme.px(side))

    @property
    def running(self) -> bool:
        """Between `start` and `stop`."""
        return bool(self._timer.active)

    def start(self) -> None:
        """Show the sign if it takes longer."""
        if not self._timer.active:
            self._step = -1
            self._timer.start(_BUSY_AFTER_MS)

    def stop(self) -> None:
        """Take the sign away."""
        self._timer.stop()
        self._step = -1
        self.update()

    def _turn(self) -> None:
        self._timer.interval = _BUSY_STEP_MS
        self._step = (self._step + 1) % _BUSY_STEPS
        self.update()

    def paintEvent(self, event: Any) -> None:
        """Draw three quarters of a ring."""
        if self._step < 0:
            return
        painter = qt.QPainter(self)
        try:
            painter.setRenderHint(qt.QPainter.Antialiasing, True)
            pen = qt.QPen(self._theme.colour("accent"))
            pen.setWidthF(self.width / 8)
            pen.setCapStyle(qt.Qt.RoundCap)
            painter.setPen(pen)
            inset = self.width / 6
            ring = qt.QRectF(inset, inset, self.width - 2 * inset, self.height - 2 * inset)
            painter.drawArc(ring, -self._step * 360 * 16 // _BUSY_STEPS, 270 * 16)
        finally:
            painter.end()


class ElidedLabel(qt.QLabel):
    """One line that ends with an ellipsis where it does not fit; its hint then tells the whole text."""

    def __init__(self, text: str = "", role: str = "", middle: bool = False) -> None:
        qt.QLabel.__init__(self, text)
        self._mode = qt.Qt.ElideMiddle if middle else qt.Qt.ElideRight
        self._hint = ""
        self.textFormat = qt.Qt.PlainText
        self.sizePolicy = qt.QSizePolicy(qt.QSizePolicy.Preferred, qt.QSizePolicy.Fixed)
        if role:
            set_state(self, "role", role)

    def minimumSizeHint(self) -> Any:
        """Room for a few letters."""
        metrics = qt.QFontMetrics(self.font)
        return qt.QSize(min(metrics.horizontalAdvance(self.text), metrics.averageCharWidth() * 4), metrics.height())

    def paintEvent(self, event: Any) -> None:
        """Draw the part that fits."""
        rect = self.contentsRect()
        metrics = qt.QFontMetrics(self.font)
        fits = metrics.horizontalAdvance(self.text) <= rect.width()
        hint = "" if fits else self.text
        if hint != self._hint:
            self._hint = hint
            self.toolTip = hint
        painter = qt.QPainter(self)
        try:
            painter.setPen(self.palette.color(qt.QPalette.WindowText))
            shown = self.text if fits else metrics.elidedText(self.text, self._mode, rect.width())
            side = qt.QStyle.visualAlignment(self.layoutDirection, qt.Qt.AlignLeft)
            painter.drawText(rect, int(qt.Qt.AlignVCenter) | int(qt.Qt.AlignAbsolute) | int(side), shown)
        finally:
            painter.end()
