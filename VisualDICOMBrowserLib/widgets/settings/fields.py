"""Pages of settings: rows of a label, a field and a hint, each of which takes effect at once. Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import qt

from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.settings import SETTINGS
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import label, line
from VisualDICOMBrowserLib.widgets.look.theme import set_state

__all__ = ["Page"]

_LARGEST = 2_000_000_000
_LABEL_WIDTH = 168


class Page(qt.QScrollArea):
    """One page: headings, rows, and fields of the engine's settings.

    Parameters
    ----------
    context : BrowserContext
    title : str
    """

    def __init__(self, context: BrowserContext, title: str) -> None:
        qt.QScrollArea.__init__(self)
        self.context = context
        self.heading = title
        self.changes = 0
        self._fields: dict[str, Any] = {}
        self._faults: dict[str, Any] = {}
        self._shown: dict[str, Any] = {}
        self.widgetResizable = True
        self.frameShape = qt.QFrame.NoFrame
        self.accessibleName = title
        px = context.theme.px
        self._column = qt.QVBoxLayout()
        self._column.setContentsMargins(px(20), px(14), px(20), px(14))
        self._column.spacing = px(8)
        outer = qt.QVBoxLayout()
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addLayout(self._column)
        outer.addStretch(1)
        inside = qt.QWidget()
        inside.setProperty("ground", "window")
        inside.setAttribute(qt.Qt.WA_StyledBackground, True)
        inside.setLayout(outer)
        self.setWidget(inside)

    def show_values(self, changed: Mapping[str, Any]) -> None:
        """Show the engine's settings; those that are not in `changed` have their default."""
        for key, field in self._fields.items():
            value = changed.get(key, SETTINGS[key].default)
            was = field.blockSignals(True)
            _put(field, value)
            field.blockSignals(was)
            # What the user was told of a field stays until the field has another value.
            if self._shown.get(key, value) != value:
                self._say(key, "")
            self._shown[key] = value

    def add_heading(self, text: str) -> None:
        """A heading, with a line above it unless it is the first."""
        if self._column.count():
            self._column.addSpacing(self.context.theme.px(6))
            self._column.addWidget(line())
        self._column.addWidget(label(text, "heading"))

    def add_text(self, text: str) -> Any:
        """A sentence; returns its label."""
        made = label(text, "mid")
        made.wordWrap = True
        self._column.addWidget(made)
        return made

    def add_widget(self, widget: Any) -> None:
        """Anything else over the whole width."""
        self._column.addWidget(widget)

    def add_buttons(self, *buttons: Any) -> None:
        """A row of buttons."""
        row = qt.QHBoxLayout()
        row.spacing = self.context.theme.px(8)
        for button in buttons:
            row.addWidget(button)
        row.addStretch(1)
        self._column.addLayout(row)

    def add_row(self, text: str, field: Any, hint: str = "") -> None:
        """A label, a field that it names, and a hint."""
        px = self.context.theme.px
        row = qt.QHBoxLayout()
        row.spacing = px(10)
        caption = label(text, "mid")
        caption.alignment = qt.Qt.AlignRight | qt.Qt.AlignVCenter
        caption.wordWrap = True
        caption.setFixedWidth(px(_LABEL_WIDTH))
        caption.setBuddy(field)
        field.accessibleName = field.accessibleName or text
        row.addWidget(caption)
        row.addWidget(field)
        if hint:
            about = label(hint, "small")
            about.wordWrap = True
            row.addWidget(about, 1)
        else:
            row.addStretch(1)
        self._column.addLayout(row)

    def add_setting(self, key: str, text: str, hint: str = "", width: int = 0) -> Any:
        """A row for one setting of the engine; its type is that of the setting's default."""
        setting = SETTINGS[key]
        px = self.context.theme.px
        field = self._field(key, setting.default)
        if isinstance(setting.default, bool):
            field.text = text
            self.add_row("", field, hint)
            field.accessibleName = text
        else:
            field.setFixedWidth(px(width or (220 if isinstance(setting.default, str) else 110)))
            self.add_row(text, field, hint or _unit(setting.unit))
        field.toolTip = _(setting.help)
        self._fields[key] = field
        fault = label("", "")
        fault.wordWrap = True
        fault.setContentsMargins(px(_LABEL_WIDTH + 10), 0, 0, 0)
        set_state(fault, "state", "error")
        fault.hide()
        self._faults[key] = fault
        self._column.addWidget(fault)
        return field

    def put(self, key: str, value: Any, then: Callable[[], None] | None = None) -> None:
        """Change one setting of the engine; what cannot be is said below the field."""
        self.changes += 1

        def refused(error: VisualDICOMError) -> None:
            self._say(key, str(error))

        def taken(_result: Any) -> None:
            self._say(key, "")
            if then is not None:
                then()

        self.context.ask("set_setting", taken, refused, key=key, value=value)

    def field(self, key: str) -> Any:
        """The field of a setting."""
        return self._fields[key]

    def _say(self, key: str, sentence: str) -> None:
        set_state(self._fields[key], "state", "error" if sentence else "")
        self._faults[key].text = sentence
        self._faults[key].visible = bool(sentence)

    def _field(self, key: str, default: Any) -> Any:
        if isinstance(default, bool):
            box = qt.QCheckBox()
            box.toggled.connect(lambda checked: self.put(key, bool(checked)))
            return box
        if isinstance(default, str):
            text = qt.QLineEdit()
            text.editingFinished.connect(lambda *_args: self._text_changed(key, text))
            return text
        number = qt.QSpinBox() if isinstance(default, int) else qt.QDoubleSpinBox()
        smallest = SETTINGS[key].minimum
        number.setRange(int(smallest) if smallest is not None else 0, _LARGEST)
        number.keyboardTracking = False
        number.valueChanged.connect(lambda *_args: self.put(key, number.value))
        return number

    def _text_changed(self, key: str, field: Any) -> None:
        # The field tells of every time it is left, also unchanged.
        if field.modified:
            field.modified = False
            self.put(key, field.text)


def _put(field: Any, value: Any) -> None:
    if field.inherits("QCheckBox"):
        field.checked = bool(value)
    elif field.inherits("QLineEdit"):
        if not field.modified:
            field.text = str(value)
    else:
        field.value = value


def _unit(unit: str) -> str:
    return _(unit) if unit else ""
