"""The look in use: colours by name, icons in them, and the style sheet. Main thread only.

A host's own style sheet file may take the place of ours; it is read again when it changes.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.look.icons import IconFiles, IconSet
from VisualDICOMBrowserLib.widgets.look.tokens import LOOKS

__all__ = ["Theme", "inset_text", "set_state"]

_SHEET = Path(__file__).parent / "visualdicombrowser.qss"
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_LENGTH = re.compile(r"@px\((\d+)\)")
_HALF = re.compile(r"@half\((\d+)\)")
_ICON = re.compile(r"@icon\(([\w-]+),(\w+)\)")
_HINT = re.compile(r"@hint\((\w+)\)")
_WEIGHT = re.compile(r"font-weight: (500|600);")
_QT5_WEIGHTS = {"500": "456", "600": "504"}
"""Qt 5 divides by 8 and has medium at 57 and half bold at 63; what is above it shows as bold."""
_TOKEN = re.compile(r"@(\w+)")
_INSET = 7
_HINT_IN_SHEETS = (6, 5)
_HINT_ALPHA = 170
_USUAL_PIXELS = 13
"""Height of the font that lengths are given for."""


class Theme:
    """Colours, icons and style sheet; views read it at every paint and are told by `subscribe` when it changes.

    Parameters
    ----------
    look : str
        ``light``, ``dark``, ``contrast``, or ``system``: light or dark, as the application's palette is.
    sheet : Path, optional
        A style sheet in place of ours.
    """

    def __init__(self, look: str = "system", sheet: Path | None = None) -> None:
        self._sheet = sheet or _SHEET
        self._asked = look
        self._font: Any = None
        self._pixels = _USUAL_PIXELS
        self._listeners: list[Callable[[], None]] = []
        self._icons = IconSet(_ratio())
        self._tokens = LOOKS[self.look]
        self._files = IconFiles()
        self._hints = _Hints()
        known = weakref.ref(self)  # The application outlives us and must not keep us.
        qt.QApplication.instance().paletteChanged.connect(lambda *_: _on_palette(known()))

    @property
    def look(self) -> str:
        """The look that is shown: ``light``, ``dark`` or ``contrast``."""
        if self._asked in LOOKS:
            return self._asked
        lightness = qt.QApplication.palette().color(qt.QPalette.Window).lightness()
        return "dark" if lightness < 128 else "light"

    @property
    def asked(self) -> str:
        """What `choose` was given."""
        return self._asked

    def choose(self, look: str) -> None:
        """Show another look from now on."""
        self._asked = look
        self.refresh()

    def use_sheet(self, sheet: Path | None) -> None:
        """Take another style sheet from now on; None takes ours."""
        self._sheet = sheet or _SHEET
        self.refresh()

    def refresh(self) -> None:
        """Take up a palette or style sheet that has changed, and tell all views."""
        self._tokens = LOOKS[self.look]
        self._icons = IconSet(_ratio())
        for listener in list(self._listeners):
            listener()

    def follow_palette(self) -> None:
        """Take up the application's palette where that makes another look of ``system``."""
        if LOOKS[self.look] is not self._tokens:
            self.refresh()

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after every change of the look; the result ends that."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    def follow(self, widget: Any, update: Callable[[], None]) -> None:
        """Call `update` now and after every change of the look, as long as the widget lives."""
        unsubscribe = self.subscribe(update)
        widget.destroyed.connect(lambda *_: unsubscribe())
        update()

    def px(self, length: float) -> int:
        """A length in pixels, given for a font of 13 pixels, for the font in use."""
        font = qt.QApplication.font()
        if font != self._font:  # asked for thousands of times while lists are painted
            self._font, self._pixels = font, qt.QFontInfo(font).pixelSize()
        return max(1, round(length * self._pixels / _USUAL_PIXELS))

    def text(self, token: str) -> str:
        """A colour as ``#RRGGBB``."""
        return self._tokens[token]

    def colour(self, token: str) -> Any:
        """A colour as ``QColor``."""
        return qt.QColor(self._tokens[token])

    def pixmap(self, name: str, token: str = "text", size: int = 16) -> Any:
        """An icon in a colour of the look."""
        return self._icons.pixmap(name, self._tokens.get(token, token), size)

    def icon(self, name: str, token: str = "text", size: int = 16, on: str = "", gap: int = 0) -> Any:
        """An icon for buttons and menus, pale where they are disabled, in colour `on` where they are checked.

        A `gap` beside it keeps it away from the text, for which Qt has no setting.
        """
        icon = qt.QIcon(self._beside(name, token, size, gap))
        icon.addPixmap(self._beside(name, "off", size, gap), qt.QIcon.Disabled)
        if on:
            icon.addPixmap(self._beside(name, on, size, gap), qt.QIcon.Normal, qt.QIcon.On)
        return icon

    def _beside(self, name: str, token: str, size: int, gap: int) -> Any:
        pixmap = self.pixmap(name, token, size)
        if not gap:
            return pixmap
        ratio = pixmap.devicePixelRatio()
        wide = qt.QPixmap(round((size + gap) * ratio), round(size * ratio))
        wide.setDevicePixelRatio(ratio)
        wide.fill(qt.QColor(0, 0, 0, 0))
        right_to_left = qt.QApplication.instance().layoutDirection == qt.Qt.RightToLeft
        painter = qt.QPainter(wide)
        try:
            painter.drawPixmap(gap if right_to_left else 0, 0, pixmap)
        finally:
            painter.end()
        return wide

    def sheet(self) -> str:
        """The style sheet with the colours of the look, lengths for the font, and files of icons."""
        text = _COMMENT.sub("", self._sheet_text())
        text = _LENGTH.sub(lambda found: str(self.px(int(found.group(1)))), text)
        text = _HALF.sub(lambda found: str(self.px(int(found.group(1))) // 2), text)
        text = _HINT.sub(r"placeholder-text-color: @\1;" if _qt_version() >= _HINT_IN_SHEETS else "", text)
        if _qt_version() < (6, 0):
            text = _WEIGHT.sub(lambda found: f"font-weight: {_QT5_WEIGHTS[found.group(1)]};", text)
        text = _ICON.sub(lambda found: self._icon_file(found.group(1), found.group(2)), text)
        return _TOKEN.sub(lambda found: self._tokens.get(found.group(1), found.group(0)), text)

    def _sheet_text(self) -> str:
        try:
            return self._sheet.read_text(encoding="utf-8")
        except (OSError, UnicodeError):  # Of the user's own file: gone, or half written.
            return _SHEET.read_text(encoding="utf-8")

    def _icon_file(self, name: str, token: str) -> str:
        return self._files.path(name, self._tokens.get(token, token))

    def palette(self) -> Any:
        """A ``QPalette`` of the look, for views that style sheets do not reach."""
        palette = qt.QPalette()
        for role, token in (
            (qt.QPalette.Window, "window"),
            (qt.QPalette.WindowText, "text"),
            (qt.QPalette.Base, "base"),
            (qt.QPalette.AlternateBase, "window"),
            (qt.QPalette.Text, "text"),
            (qt.QPalette.Button, "bar"),
            (qt.QPalette.ButtonText, "text"),
            (qt.QPalette.Highlight, "selection"),
            (qt.QPalette.HighlightedText, "text"),
            (qt.QPalette.PlaceholderText, "mid"),
            (qt.QPalette.ToolTipBase, "base"),
            (qt.QPalette.ToolTipText, "text"),
            (qt.QPalette.Link, "accent"),
        ):
            palette.setColor(role, self.colour(token))
        for role in (qt.QPalette.WindowText, qt.QPalette.Text, qt.QPalette.ButtonText):
            palette.setColor(qt.QPalette.Disabled, role, self.colour("off"))
        return palette

    def apply(self, widget: Any) -> None:
        """Give a window its palette and style sheet."""
        widget.palette = self.palette()
        widget.styleSheet = self.sheet()
        self._later_inset(widget)
        if _qt_version() < _HINT_IN_SHEETS and not widget.property("hintsKept"):
            widget.setProperty("hintsKept", True)
            widget.installEventFilter(self._hints)

    def _later_inset(self, widget: Any) -> None:
        """Keep the text of number and date fields off their edge, when the window has got all of them.

        Qt pays no regard to the padding that a style sheet gives the left of these fields.
        """
        gone: list[bool] = []
        widget.destroyed.connect(lambda *_: gone.append(True))

        def inset() -> None:
            if not gone:
                for field in widget.findChildren(qt.QAbstractSpinBox):
                    inset_text(field, self.px(_INSET))
                _tint_hints(widget)

        qt.QTimer.singleShot(0, inset)


class _Hints(qt.QObject):
    """Notices when Qt gives the fields of a window new palettes, as it does where the window is put elsewhere."""

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Lets everything pass."""
        if event.type() == qt.QEvent.StyleChange:
            qt.QTimer.singleShot(0, lambda: _tint_hints(watched))
        return False


def _tint_hints(window: Any) -> None:
    if bool(window):  # It may be gone by now.
        for field in window.findChildren(qt.QLineEdit):
            tint_hint(field)


def set_state(widget: Any, name: str, value: str) -> None:
    """Set a dynamic property that the style sheet selects by, and show the look that goes with it."""
    widget.setProperty(name, value)
    style = widget.style()
    style.unpolish(widget)
    style.polish(widget)
    # Frames take the margins of the sheet into their layout at this event only.
    qt.QApplication.sendEvent(widget, qt.QEvent(qt.QEvent.StyleChange))
    if widget.inherits("QLineEdit"):
        tint_hint(widget)


def _ratio() -> float:
    screens = qt.QApplication.screens()
    return max((float(screen.devicePixelRatio) for screen in screens), default=1.0)


def inset_text(field: Any, margin: int) -> None:
    """Keep the text of a number or date field `margin` pixels off the edge that it begins at."""
    line = field.findChild(qt.QLineEdit)
    if line is not None:
        right_to_left = field.layoutDirection == qt.Qt.RightToLeft
        line.setTextMargins(0 if right_to_left else margin, 0, margin if right_to_left else 0, 0)


def tint_hint(field: Any) -> None:
    """Make the hint in an empty field paler than a text: where style sheets cannot, Qt gives both one colour."""
    if _qt_version() < _HINT_IN_SHEETS:
        palette = field.palette
        colour = qt.QColor(palette.color(qt.QPalette.Text))
        colour.setAlpha(_HINT_ALPHA)
        palette.setColor(qt.QPalette.PlaceholderText, colour)
        field.setPalette(palette)


def _on_palette(theme: Theme | None) -> None:
    if theme is not None:
        theme.follow_palette()


def _qt_version() -> tuple[int, int]:
    major, minor, *_ = qt.qVersion().split(".")
    return int(major), int(minor)
