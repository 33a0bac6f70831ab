"""What an empty view says: why it is empty, and the next step. Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.ending import delete_later
from VisualDICOMBrowserLib.widgets.look.parts import icon_label, label, push_button
from VisualDICOMBrowserLib.widgets.look.theme import Theme

__all__ = ["Button", "EmptyState"]

Button = tuple[str, Callable[[], None]]


class EmptyState(qt.QWidget):
    """An icon, a title, a sentence and buttons in the middle; the first button is the one that helps most.

    Parameters
    ----------
    theme : Theme
    icon : str
    title, sentence : str
    buttons : sequence of (text, action)
    """

    def __init__(
        self, theme: Theme, icon: str = "layers", title: str = "", sentence: str = "", buttons: Sequence[Button] = ()
    ) -> None:
        qt.QWidget.__init__(self)
        self._theme = theme
        self._icon = qt.QHBoxLayout()
        self._icon.setContentsMargins(0, 0, 0, theme.px(8))
        self._title = label("", "heading")
        self._sentence = label("", "mid")
        for each in (self._title, self._sentence):
            each.wordWrap = True
            each.alignment = qt.Qt.AlignCenter
        self._buttons = qt.QBoxLayout(qt.QBoxLayout.LeftToRight)
        self._row_width = 0
        self._buttons.spacing = theme.px(8)
        column = qt.QVBoxLayout()
        column.setContentsMargins(theme.px(16), theme.px(16), theme.px(16), theme.px(16))
        column.spacing = theme.px(6)
        column.addStretch(2)
        column.addLayout(self._icon)
        column.addWidget(self._title)
        column.addWidget(self._sentence)
        column.addSpacing(theme.px(10))
        column.addLayout(self._buttons)
        column.addStretch(3)
        self.setLayout(column)
        self.say(title, sentence, buttons, icon)

    @property
    def words(self) -> str:
        """Title and sentence."""
        return f"{self._title.text} {self._sentence.text}".strip()

    def say(self, title: str, sentence: str = "", buttons: Sequence[Button] = (), icon: str = "layers") -> None:
        """Show other words and buttons."""
        self._title.text = title
        self._sentence.text = sentence
        self._sentence.visible = bool(sentence)
        self.accessibleName = self.words
        _clear(self._icon)
        self._icon.addStretch(1)
        self._icon.addWidget(icon_label(self._theme, icon, "mid", 36))
        self._icon.addStretch(1)
        _clear(self._buttons)
        self._buttons.addStretch(1)
        self._row_width = 4 * self._theme.px(16)
        for number, (text, action) in enumerate(buttons):
            made = push_button(self._theme, text, action, "", "", "", "" if number else "primary")
            self._row_width += made.sizeHint.width() + 2 * self._theme.px(16)
            self._buttons.addWidget(made)
        self._buttons.addStretch(1)
        self._arrange()

    def resizeEvent(self, event: Any) -> None:
        """Put the buttons below each other where a row of them has no room."""
        self._arrange()
        qt.QWidget.resizeEvent(self, event)

    def _arrange(self) -> None:
        narrow = self.width < self._row_width
        self._buttons.setDirection(qt.QBoxLayout.TopToBottom if narrow else qt.QBoxLayout.LeftToRight)


def _clear(layout: Any) -> None:
    while layout.count():
        widget = layout.takeAt(0).widget()
        if widget is not None:
            widget.hide()
            delete_later(widget)
