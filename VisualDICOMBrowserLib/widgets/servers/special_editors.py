"""Editors of secrets, of HTTP headers and of other servers, and the choice of an editor. Main thread only.

A secret is written, never read back: the form knows only which ones are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.servers.callers_editor import CallersEditor
from VisualDICOMBrowserLib.widgets.servers.editors import (
    ChoiceEditor,
    ComboEditor,
    DateEditor,
    Editor,
    FlagEditor,
    NumberEditor,
    OnChange,
    PathEditor,
    TextEditor,
    WheelGuard,
    character_width,
)
from VisualDICOMBrowserLib.widgets.servers.fields import Field

__all__ = ["HeadersEditor", "OnSecret", "SecretEditor", "SecretHeadersEditor", "ServerEditor", "editor_for"]

OnSecret = Callable[[str, str], None]
"""Keeps the secret of a field; an empty one is forgotten."""

_HEADER_LINES = 3
_HEADER = "header:"
_SECRET_WIDTH = 22


class ServerEditor(ChoiceEditor):
    """One of the other servers."""

    def __init__(self, field: Field, on_change: OnChange, guard: WheelGuard) -> None:
        ChoiceEditor.__init__(self, field, on_change, guard)
        self.offer_servers([])

    def offer_servers(self, names: Collection[str]) -> None:
        """Offer the servers that there are."""
        self.offer([("", _("Choose a server")), *((name, name) for name in names)])


class HeadersEditor(Editor):
    """HTTP headers, one a line."""

    def __init__(self, field: Field, on_change: OnChange) -> None:
        Editor.__init__(self, field, on_change)
        self.widget = self._text = qt.QPlainTextEdit()
        self._text.tabChangesFocus = True
        self._text.sizePolicy = qt.QSizePolicy(qt.QSizePolicy.Expanding, qt.QSizePolicy.Fixed)
        line = qt.QFontMetrics(self._text.font).lineSpacing()
        self._text.setFixedHeight(line * _HEADER_LINES + line)
        self._text.placeholderText = "X-Study-Group: 7"
        self._text.textChanged.connect(lambda *_: self._tell())

    def value(self) -> Any:
        """Texts by header."""
        lines = [line.partition(":") for line in self._text.plainText.splitlines() if line.strip()]
        return {name.strip(): text.strip() for name, _colon, text in lines}

    def set_value(self, value: Any) -> None:
        """Show headers."""
        if self.value() != value:
            text = "\n".join(f"{name}: {words}" for name, words in (value or {}).items())
            self._quietly(self._text, "plainText", text)


class _Secrets(Editor):
    """What both editors of secrets have in common: they hold nothing, and are told what is kept."""

    def __init__(self, field: Field, on_secret: OnSecret) -> None:
        Editor.__init__(self, field, lambda *_: None)
        self._on_secret = on_secret
        self.widget = qt.QWidget()
        self._layout = qt.QHBoxLayout()
        self._layout.setContentsMargins(0, 0, 0, 0)
        self.widget.setLayout(self._layout)

    def value(self) -> Any:
        """Nothing: secrets are no settings."""
        return None

    def set_value(self, value: Any) -> None:
        """Nothing to show."""

    def show_kept(self, kept: Collection[str]) -> None:
        """Tell which secrets the server has."""
        raise NotImplementedError


def _hidden_line() -> Any:
    line = qt.QLineEdit()
    line.echoMode = qt.QLineEdit.Password
    return line


class SecretEditor(_Secrets):
    """One password or token."""

    def __init__(self, field: Field, on_secret: OnSecret) -> None:
        _Secrets.__init__(self, field, on_secret)
        self._line = _hidden_line()
        self._line.setFixedWidth(character_width(self._line, field.width or _SECRET_WIDTH))
        self._line.editingFinished.connect(lambda *_: self._keep())
        self._forget = qt.QPushButton(_("Forget"))
        self._forget.clicked.connect(lambda *_: self._on_secret(self.field.name, ""))
        self._layout.addWidget(self._line)
        self._layout.addWidget(self._forget)
        self._layout.addStretch(1)
        self.show_kept(())

    @property
    def focus(self) -> Any:
        """The line."""
        return self._line

    def show_kept(self, kept: Collection[str]) -> None:
        """Tell whether it is kept."""
        there = self.field.name in kept
        self._line.placeholderText = _("kept, type a new one") if there else _("none yet")
        self._forget.visible = there

    def _keep(self) -> None:
        text = self._line.text
        if text:
            self._line.clear()
            self._on_secret(self.field.name, text)


class SecretHeadersEditor(_Secrets):
    """HTTP headers whose values nobody should see."""

    def __init__(self, field: Field, on_secret: OnSecret) -> None:
        _Secrets.__init__(self, field, on_secret)
        self._name = qt.QLineEdit()
        self._name.placeholderText = "X-Api-Key"
        self._name.accessibleName = _("Name of the secret header")
        self._value = _hidden_line()
        self._value.accessibleName = _("Text of the secret header")
        self._value.placeholderText = _("its text")
        self._value.returnPressed.connect(lambda *_: self._keep())
        self._add = qt.QPushButton(_("Keep"))
        self._add.clicked.connect(lambda *_: self._keep())
        self._kept = qt.QLabel()
        self._kept.textFormat = qt.Qt.PlainText
        self._kept.wordWrap = True
        self._forget = qt.QPushButton(_("Forget all"))
        self._forget.clicked.connect(lambda *_: [self._on_secret(name, "") for name in self._names])
        self._names: list[str] = []
        for widget, stretch in ((self._name, 1), (self._value, 1), (self._add, 0), (self._kept, 1), (self._forget, 0)):
            self._layout.addWidget(widget, stretch)
        self.show_kept(())

    @property
    def focus(self) -> Any:
        """The name."""
        return self._name

    def show_kept(self, kept: Collection[str]) -> None:
        """Name the headers that are kept."""
        self._names = [name for name in kept if name.startswith(_HEADER)]
        shown = ", ".join(name[len(_HEADER) :] for name in self._names)
        self._kept.text = _("Kept: {names}").format(names=shown) if shown else ""
        self._kept.visible = bool(shown)
        self._forget.visible = bool(shown)

    def _keep(self) -> None:
        name, text = self._name.text.strip(), self._value.text
        if name and text:
            self._name.clear()
            self._value.clear()
            self._on_secret(_HEADER + name, text)


def editor_for(field: Field, on_change: OnChange, on_secret: OnSecret, guard: WheelGuard) -> Editor:
    """The editor that a field's kind asks for."""
    plain = {
        "text": TextEditor,
        "date": DateEditor,
        "file": PathEditor,
        "folder": PathEditor,
        "flag": FlagEditor,
        "headers": HeadersEditor,
        "callers": CallersEditor,
    }
    guarded = {
        "whole": NumberEditor,
        "number": NumberEditor,
        "choice": ChoiceEditor,
        "combo": ComboEditor,
        "server": ServerEditor,
    }
    secret = {"secret": SecretEditor, "secret_headers": SecretHeadersEditor}
    if field.kind in plain:
        return plain[field.kind](field, on_change)
    if field.kind in guarded:
        return guarded[field.kind](field, on_change, guard)
    return secret[field.kind](field, on_secret)
