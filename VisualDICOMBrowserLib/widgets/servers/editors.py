"""The small editors of a form: each holds one widget, gives and takes one value. Main thread only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.theme import set_state
from VisualDICOMBrowserLib.widgets.servers.fields import Field

__all__ = [
    "ChoiceEditor",
    "ComboEditor",
    "DateEditor",
    "Editor",
    "FlagEditor",
    "NumberEditor",
    "OnChange",
    "PathEditor",
    "TextEditor",
    "WheelGuard",
    "character_width",
]

OnChange = Callable[[str, Any, bool], None]
"""Hears of a field's name, its new value, and whether the user is done with it for now."""

_FIELD_EDGES = 4
"""Characters that the edges of a field take."""
_SPIN_BUTTONS = 2
"""Characters that the arrows of a number take."""
_DATE_LENGTH = 8


def character_width(widget: Any, characters: int) -> int:
    """Width of so many characters in the font of a widget, with the edges of a field."""
    return int(qt.QFontMetrics(widget.font).averageCharWidth() * (characters + _FIELD_EDGES))


class WheelGuard(qt.QObject):
    """Keeps the mouse wheel, on its way through a long form, from changing values that it passes."""

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Swallow the wheel over what has not the focus; the form scrolls then."""
        if event.type() == qt.QEvent.Wheel and not watched.hasFocus():
            event.ignore()
            return True
        return False


class Editor:
    """One field of a form.

    Parameters
    ----------
    field : Field
    on_change : OnChange
    """

    widget: Any

    def __init__(self, field: Field, on_change: OnChange) -> None:
        self.field = field
        self._on_change = on_change

    @property
    def focus(self) -> Any:
        """The widget that takes the keyboard."""
        return self.widget

    def value(self) -> Any:
        """What the user has entered."""
        raise NotImplementedError

    def set_value(self, value: Any) -> None:
        """Show a value without telling of a change."""
        raise NotImplementedError

    def show_problem(self, sentence: str) -> None:
        """Mark the field as unusable, or not, if there is no sentence."""
        set_state(self.focus, "state", "error" if sentence else "")
        self.focus.toolTip = sentence
        self.focus.accessibleDescription = sentence

    def _tell(self, finished: bool = False) -> None:
        self._on_change(self.field.name, self.value(), finished)

    def _sized(self, widget: Any) -> None:
        if self.field.width:
            buttons = _SPIN_BUTTONS if self.field.kind in ("whole", "number") else 0
            widget.setFixedWidth(character_width(widget, self.field.width + buttons))

    def _quietly(self, widget: Any, name: str, value: Any) -> None:
        """Set a property without telling of a change."""
        was = widget.blockSignals(True)
        setattr(widget, name, value)
        widget.blockSignals(was)


class TextEditor(Editor):
    """One line of text."""

    def __init__(self, field: Field, on_change: OnChange) -> None:
        Editor.__init__(self, field, on_change)
        self._line = qt.QLineEdit()
        self._line.placeholderText = field.placeholder
        self._sized(self._line)
        self._line.textEdited.connect(lambda *_: self._tell())
        self._line.editingFinished.connect(lambda *_: self._tell(True))
        self.widget = self._line

    @property
    def focus(self) -> Any:
        """The line."""
        return self._line

    def value(self) -> Any:
        """The text without blanks around it."""
        return self._line.text.strip()

    def set_value(self, value: Any) -> None:
        """Show a text, unless it is there but for blanks: the cursor stays where it is."""
        if self.value() != value:
            self._line.text = str(value or "")


class DateEditor(TextEditor):
    """A date as year-month-day; kept as DICOM writes it."""

    def __init__(self, field: Field, on_change: OnChange) -> None:
        TextEditor.__init__(self, field, on_change)
        self._line.placeholderText = _("any")

    def value(self) -> Any:
        """The digits of a date; anything else as it is, so that it can be refused."""
        text = self._line.text.strip()
        digits = text.replace("-", "")
        return digits if len(digits) == _DATE_LENGTH and digits.isdigit() else text

    def set_value(self, value: Any) -> None:
        """Show a date."""
        text = str(value or "")
        if self.value() != text:
            whole = len(text) == _DATE_LENGTH and text.isdigit()
            self._line.text = f"{text[:4]}-{text[4:6]}-{text[6:]}" if whole else text


class PathEditor(TextEditor):
    """A file or folder, typed or chosen."""

    def __init__(self, field: Field, on_change: OnChange) -> None:
        TextEditor.__init__(self, field, on_change)
        self._browse = qt.QPushButton(_("Choose..."))
        self._browse.clicked.connect(lambda *_: self._choose())
        self.widget = qt.QWidget()
        layout = qt.QHBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._line, 1)
        layout.addWidget(self._browse)
        self.widget.setLayout(layout)

    def _choose(self) -> None:
        if self.field.kind == "folder":
            chosen = qt.QFileDialog.getExistingDirectory(self.widget, _("Choose a folder"), self._line.text)
        else:
            kinds = _("Certificates and keys (*.pem *.crt *.cer *.key);;All files (*)")
            chosen = qt.QFileDialog.getOpenFileName(self.widget, _("Choose a file"), self._line.text, kinds)
        if chosen:
            self._line.text = str(chosen)
            self._tell(True)


class NumberEditor(Editor):
    """A number with its unit."""

    def __init__(self, field: Field, on_change: OnChange, guard: WheelGuard) -> None:
        Editor.__init__(self, field, on_change)
        self._whole = field.kind == "whole"
        self.widget = self._spin = qt.QSpinBox() if self._whole else qt.QDoubleSpinBox()
        if self._whole:
            self._spin.setRange(int(field.lowest), int(field.highest))
        else:
            self._spin.setRange(field.lowest, field.highest)
            self._spin.decimals = 1
        self._spin.specialValueText = field.zero if field.lowest == 0 else ""
        self._spin.suffix = f" {field.unit}" if field.unit else ""
        self._spin.focusPolicy = qt.Qt.StrongFocus
        self._spin.installEventFilter(guard)
        self._sized(self._spin)
        self._spin.valueChanged.connect(lambda *_: self._tell())

    def value(self) -> Any:
        """The number in the unit of the setting."""
        number = self._spin.value
        return int(number * self.field.scale) if self._whole else float(number) * self.field.scale

    def set_value(self, value: Any) -> None:
        """Show a number of the setting's unit."""
        if self.value() != value:
            shown = float(value or 0) / self.field.scale
            self._quietly(self._spin, "value", int(shown) if self._whole else shown)


class FlagEditor(Editor):
    """A check mark."""

    def __init__(self, field: Field, on_change: OnChange) -> None:
        Editor.__init__(self, field, on_change)
        self.widget = self._box = qt.QCheckBox(field.label)
        self._box.toggled.connect(lambda *_: self._tell(True))

    def value(self) -> Any:
        """Whether it is set."""
        return bool(self._box.checked)

    def set_value(self, value: Any) -> None:
        """Set it or not."""
        self._quietly(self._box, "checked", bool(value))


class ChoiceEditor(Editor):
    """One of several values."""

    def __init__(self, field: Field, on_change: OnChange, guard: WheelGuard) -> None:
        Editor.__init__(self, field, on_change)
        self.widget = self._combo = qt.QComboBox()
        self._values: list[str] = []
        self._combo.focusPolicy = qt.Qt.StrongFocus
        self._combo.installEventFilter(guard)
        self.offer(list(field.choices))
        self._combo.currentIndexChanged.connect(lambda *_: self._tell(True))

    def offer(self, choices: list[tuple[str, str]]) -> None:
        """Offer these values with their texts, and keep the one that is shown."""
        shown = self.value() if self._values else None
        self._values = [value for value, _text in choices]
        was = self._combo.blockSignals(True)
        self._combo.clear()
        for _value, text in choices:
            self._combo.addItem(text)
        self._combo.blockSignals(was)
        if shown is not None:
            self.set_value(shown)

    def value(self) -> Any:
        """The chosen value."""
        row = self._combo.currentIndex
        return self._values[row] if 0 <= row < len(self._values) else ""

    def set_value(self, value: Any) -> None:
        """Choose a value; one that is not offered is added, so that nothing is changed by looking at it."""
        if value not in self._values:
            self._values.append(value)
            was = self._combo.blockSignals(True)
            self._combo.addItem(str(value))
            self._combo.blockSignals(was)
        self._quietly(self._combo, "currentIndex", self._values.index(value))


class ComboEditor(Editor):
    """A text with some offered."""

    def __init__(self, field: Field, on_change: OnChange, guard: WheelGuard) -> None:
        Editor.__init__(self, field, on_change)
        self.widget = self._combo = qt.QComboBox()
        self._combo.editable = True
        self._combo.focusPolicy = qt.Qt.StrongFocus
        self._combo.installEventFilter(guard)
        self._offered = dict(field.choices)
        for text in self._offered.values():
            self._combo.addItem(text)
        self._sized(self._combo)
        self._combo.currentTextChanged.connect(lambda *_: self._tell())

    def value(self) -> Any:
        """The value of an offered text, or what was typed."""
        text = self._combo.currentText.strip()
        return next((value for value, offered in self._offered.items() if offered == text), text)

    def set_value(self, value: Any) -> None:
        """Show a value."""
        if self.value() != value:
            self._quietly(self._combo, "currentText", self._offered.get(value, str(value)))
