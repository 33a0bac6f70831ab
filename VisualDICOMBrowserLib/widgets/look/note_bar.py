"""The notification bar: messages of the background, one at a time, in the layout. Main thread only."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.theme import Theme, set_state

__all__ = ["Note", "NoteBar"]

_INFO_MS = 8000
_MOST_ACTIONS = 2
_ICONS = {"info": ("info", "accent"), "warn": ("warning", "warn"), "error": ("cross-circle", "error")}
_LEVELS = {"warning": "warn"}

# Words, what they do, and, where that cannot be done, why not.
Action = tuple[str, Callable[[], None]] | tuple[str, Callable[[], None], str]


@dataclass
class Note:
    """A message of the bar."""

    text: str
    level: str
    actions: tuple[Action, ...]
    key: str
    details: str
    count: int = 1


class NoteBar(qt.QFrame):
    """Says what happened in the background; hidden while there is nothing to say.

    One message is shown at a time, the others wait behind it. Messages of the same key, or of the same text, are
    one with a count. Information leaves by itself after eight seconds, all else when it is closed.

    Parameters
    ----------
    theme : Theme
    """

    def __init__(self, theme: Theme) -> None:
        qt.QFrame.__init__(self)
        self._theme = theme
        self._notes: list[Note] = []
        self._at = 0
        self._timer = qt.QTimer(self)
        self._timer.timeout.connect(lambda *_: self.close_note())
        self._build()
        self.hide()
        theme.follow(self, self._show_icons)

    def _build(self) -> None:
        self._icon = qt.QLabel()
        self._text = qt.QLabel()
        self._text.wordWrap = True
        self._text.textFormat = qt.Qt.RichText
        self._text.textInteractionFlags = qt.Qt.TextSelectableByMouse
        self._buttons = [self._action_button(place) for place in range(_MOST_ACTIONS)]
        self._more = self._link(_("Details"), self._toggle_details)
        self._place = self._link("", self.show_next)
        self._place.toolTip = _("Show the next message")
        self._close = qt.QToolButton()
        self._close.accessibleName = _("Close this message")
        self._close.toolTip = _("Close this message")
        self._close.clicked.connect(lambda *_: self.close_note())
        self._details = qt.QPlainTextEdit()
        self._details.readOnly = True
        self._details.accessibleName = _("Details")
        self._details.hide()
        row = qt.QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.spacing = self._theme.px(8)
        row.addWidget(self._icon)
        row.addWidget(self._text, 1)
        for part in (*self._buttons, self._more, self._place, self._close):
            row.addWidget(part)
        column = qt.QVBoxLayout()
        column.setContentsMargins(self._theme.px(9), self._theme.px(4), self._theme.px(8), self._theme.px(4))
        column.addLayout(row)
        column.addWidget(self._details)
        self.setLayout(column)

    def _link(self, text: str, action: Callable[[], None]) -> Any:
        button = qt.QPushButton(text)
        button.flat = True
        button.autoDefault = False
        set_state(button, "kind", "link")
        button.clicked.connect(lambda *_: action())
        return button

    def _action_button(self, place: int) -> Any:
        button = qt.QPushButton()
        button.autoDefault = False
        button.clicked.connect(lambda *_: self._act(place))
        return button

    @property
    def notes(self) -> tuple[Note, ...]:
        """All messages that are there."""
        return tuple(self._notes)

    @property
    def current(self) -> Note | None:
        """The message that is shown."""
        return self._notes[self._at] if self._notes else None

    def say(
        self, text: str, level: str = "info", actions: Sequence[Action] = (), key: str = "", details: str = ""
    ) -> None:
        """Show a sentence or put it behind what is shown.

        Parameters
        ----------
        text : str
        level : str
            ``info``, ``warn`` or ``error``.
        actions : sequence of (text, callable) or (text, callable, why not)
            At most two; one that has a reason why not is disabled and says it. A message leaves when one of its
            buttons is pressed.
        key : str
            Messages of the same cause have the same key.
        details : str
            Shown on demand.
        """
        level = _LEVELS.get(level, level)
        note = Note(text, level if level in _ICONS else "info", tuple(actions[:_MOST_ACTIONS]), key or text, details)
        for place, present in enumerate(self._notes):
            if present.key == note.key:
                note.count = present.count + 1
                self._notes[place] = note
                break
        else:
            self._notes.append(note)
        self._show()

    def take_back(self, key: str) -> None:
        """Remove the message of a key, because its cause is gone."""
        shown = self.current
        self._notes = [note for note in self._notes if note.key != key]
        self._at = self._notes.index(shown) if shown in self._notes else 0
        self._show()

    def close_note(self) -> None:
        """Remove the message that is shown and show the next one."""
        if self._notes:
            del self._notes[self._at]
        self._at = min(self._at, max(0, len(self._notes) - 1))
        self._show()

    def show_next(self) -> None:
        """Show another message; this one stays."""
        if self._notes:
            self._at = (self._at + 1) % len(self._notes)
            self._show()

    def _act(self, place: int) -> None:
        note = self.current
        if note is None or place >= len(note.actions):
            return
        self.close_note()
        note.actions[place][1]()

    def _toggle_details(self) -> None:
        self._details.visible = self._details.isHidden()

    def _show(self) -> None:
        note = self.current
        self._timer.stop()
        if note is None:
            self.hide()
            return
        set_state(self, "note", note.level)
        counted = _("{message} ({count} times)").format(message=note.text, count=note.count)
        plain = counted if note.count > 1 else note.text
        self._text.text = _headed(plain)
        self.accessibleName = plain
        for place, button in enumerate(self._buttons):
            button.visible = place < len(note.actions)
            if place < len(note.actions):
                button.text = note.actions[place][0]
                button.toolTip = "".join(note.actions[place][2:])
                button.enabled = not button.toolTip
        if self._details.plainText != note.details:
            self._details.plainText = note.details
            self._details.hide()
        self._more.visible = bool(note.details)
        self._place.visible = len(self._notes) > 1
        self._place.text = _("{number} of {count}").format(number=self._at + 1, count=len(self._notes))
        self._show_icons()
        self.show()
        if note.level == "info":
            self._timer.start(_INFO_MS)

    def _show_icons(self) -> None:
        note = self.current
        name, token = _ICONS[note.level if note else "info"]
        side = self._theme.px(16)
        self._icon.pixmap = self._theme.pixmap(name, token, side)
        self._close.icon = self._theme.icon("close", "text", side)
        self._close.iconSize = qt.QSize(side, side)
        self._details.maximumHeight = self._theme.px(120)


def _headed(text: str) -> str:
    """Rich text whose first sentence is bold, if more follow."""
    first, stop, rest = text.partition(". ")
    if not rest:
        return html.escape(text)
    return f"<b>{html.escape(first + stop.strip())}</b> {html.escape(rest)}"
