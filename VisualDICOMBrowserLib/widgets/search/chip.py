"""One chip: a rounded frame with a sign, a name, words, and links. Main thread only."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.ending import delete_later
from VisualDICOMBrowserLib.widgets.look.parts import BusyMark, label, link_button
from VisualDICOMBrowserLib.widgets.look.theme import Theme, set_state
from VisualDICOMBrowserLib.widgets.search.announcing import announce
from VisualDICOMBrowserLib.widgets.search.chip_states import ChipState

__all__ = ["Chip"]

_SIGN_TOKENS = {"plain": "text", "ok": "ok", "ask": "accent", "warn": "warn", "error": "error", "off": "mid"}


class Chip(qt.QFrame):
    """Shows a `ChipState`; a click on it, Space or Enter call `on_click`, its links `on_action`.

    It keeps its widgets while its words change, so that nothing flickers and the focus stays.

    Parameters
    ----------
    theme : Theme
    on_click : Callable[[Chip], None]
    on_action : Callable[[ChipState, str], None]
        Told the name of the link.
    """

    def __init__(
        self, theme: Theme, on_click: Callable[[Any], None], on_action: Callable[[ChipState, str], None]
    ) -> None:
        qt.QFrame.__init__(self)
        self._theme = theme
        self._on_click = on_click
        self._on_action = on_action
        self._state: ChipState | None = None
        self._looks: tuple[str, bool] = ("", False)
        self._sign = qt.QLabel()
        self._busy = BusyMark(theme, 14)
        self._title = label("", "strong")
        self._words = label("")
        self._links: list[Any] = []
        self._row = qt.QHBoxLayout()
        side = theme.px(9)
        self._row.setContentsMargins(side, 0, side, 0)
        self._row.spacing = theme.px(6)
        for part in (self._sign, self._busy, self._title, self._words):
            self._row.addWidget(part)
        self.setLayout(self._row)
        self.focusPolicy = qt.Qt.TabFocus
        self.cursor = qt.QCursor(qt.Qt.PointingHandCursor)
        self.sizePolicy = qt.QSizePolicy(qt.QSizePolicy.Maximum, qt.QSizePolicy.Fixed)
        theme.follow(self, self._draw_sign)

    @property
    def state(self) -> ChipState | None:
        """What it shows."""
        return self._state

    def put(self, state: ChipState, *, chosen: bool = False) -> None:
        """Show a state; `chosen` marks the source that alone is shown."""
        before = self._state
        self._state = state
        if before is None or state.actions != before.actions:
            self._make_links(state)
        if before == state and self._looks == (state.tone, chosen):
            return
        self._title.text = state.name
        self._title.visible = bool(state.name)
        self._words.text = state.words
        self._words.visible = bool(state.words)
        if before is None or before.spoken != state.spoken:
            self.accessibleName = state.spoken
            if before is not None and before.servers == state.servers and state.servers:
                announce(self, state.spoken)
        self.toolTip = state.hint
        if self._looks != (state.tone, chosen):
            self._looks = (state.tone, chosen)
            set_state(self, "chip", state.tone)
            set_state(self, "state", "chosen" if chosen else "")
            # What these inherit from the frame is only taken up when they are polished anew.
            set_state(self._title, "role", "strong")
            set_state(self._words, "state", "error" if state.tone == "error" else "")
            for part in (self, self._title, self._words):
                part.ensurePolished()  # so that its width is known before it is shown
        self._draw_sign()

    @property
    def wanted_width(self) -> int:
        """The width at which nothing is cut off, also before Qt has laid it out anew."""
        self._row.invalidate()
        return int(self._row.sizeHint().width()) + 2

    def press(self, action: str) -> None:
        """Press a link, as a click does."""
        assert self._state is not None
        self._links[[name for name, _text in self._state.actions].index(action)].click()

    def _make_links(self, state: ChipState) -> None:
        for link in self._links:
            self._row.removeWidget(link)
            link.hide()
            delete_later(link)
        self._links = []
        for action, text in state.actions:
            link = link_button(text, partial(self._act, action))
            link.accessibleName = f"{text}, {state.name or state.words}"
            self._row.addWidget(link)
            link.ensurePolished()
            link.show()  # a layout counts only what is shown
            self._links.append(link)

    def _act(self, action: str) -> None:
        if self._state is not None:
            self._on_action(self._state, action)

    def _draw_sign(self) -> None:
        if self._state is None:
            return
        asking = self._state.tone == "ask"
        self._busy.visible = asking
        self._sign.visible = bool(self._state.icon) and not asking
        if asking:
            self._busy.start()
            return
        self._busy.stop()
        if self._state.icon:
            token = _SIGN_TOKENS[self._state.tone]
            self._sign.pixmap = self._theme.pixmap(self._state.icon, token, self._theme.px(15))

    def mouseReleaseEvent(self, event: Any) -> None:
        """A click."""
        if event.button() == qt.Qt.LeftButton:
            self._on_click(self)

    def keyPressEvent(self, event: Any) -> None:
        """Space and Enter are a click."""
        if event.key() in (qt.Qt.Key_Space, qt.Qt.Key_Return, qt.Qt.Key_Enter):
            self._on_click(self)
            return
        qt.QFrame.keyPressEvent(self, event)
