"""The steps of a connection test, each with its sign, what it found and its time. Main thread only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import label
from VisualDICOMBrowserLib.widgets.look.theme import Theme, set_state
from VisualDICOMBrowserLib.widgets.servers.server_words import step_title, steps_of

__all__ = ["StepLines"]

_ICON_SIZE = 16
_MARKS = {
    "passed": ("check-circle", "ok"),
    "failed": ("cross-circle", "error"),
    "running": ("refresh", "accent"),
    "skipped": ("minus", "mid"),
    "not tried": ("minus", "mid"),
    "": ("minus", "mid"),
}


class StepLines(qt.QWidget):
    """A line for each step; steps that wait are shown too.

    Parameters
    ----------
    theme : Theme
    """

    def __init__(self, theme: Theme) -> None:
        qt.QWidget.__init__(self)
        self._theme = theme
        self._lines: list[tuple[Any, Any, Any, Any, Any]] = []
        self._tokens: list[tuple[str, str]] = []
        self._grid = qt.QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(3, 1)
        self.setLayout(self._grid)
        theme.follow(self, self._draw)

    def show_steps(self, server: Mapping[str, Any], steps: Sequence[Mapping[str, Any]], running: bool) -> None:
        """Show what is known of the steps of this server's test."""
        order = list(steps_of(str(server.get("protocol")), str(server.get("retrieve_protocol"))))
        names = [*order, *(str(step["name"]) for step in steps if step["name"] not in order)]
        known = {str(step["name"]): step for step in steps}
        while len(self._lines) < len(names):
            self._add()
        self._tokens = []
        waiting = False
        for number, line in enumerate(self._lines):
            for part in line:
                part.visible = number < len(names)
            if number < len(names):
                step = known.get(names[number])
                begun = running and step is None and not waiting
                waiting = waiting or step is None
                self._show_line(line, number, step_title(names[number], server), step, begun)
        self._draw()

    def _show_line(
        self, line: tuple[Any, Any, Any, Any, Any], number: int, title: str, step: Mapping[str, Any] | None, begun: bool
    ) -> None:
        _sign, count, name, message, took = line
        state = str(step["state"]) if step is not None else "running" if begun else ""
        self._tokens.append(_MARKS.get(state, _MARKS[""]))
        count.text = str(number + 1)
        name.text = title
        nothing = _("not tried") if state in ("not tried", "") else ""
        message.text = str(step["message"]) if step is not None and step["message"] else nothing
        message.text = _("under way") if begun else message.text
        seconds = float(step["seconds"]) if step is not None else 0.0
        tried = state in ("passed", "failed")
        took.text = _milliseconds(seconds) if tried else ""
        for part in (count, name):
            set_state(part, "role", "strong" if tried or begun else "mid")
            set_state(part, "state", "error" if state == "failed" else "")
        words = {"passed": _("passed"), "failed": _("failed"), "skipped": _("not needed")}.get(state, nothing)
        name.accessibleName = f"{number + 1} {title}, {words or message.text}. {message.text}"

    def _add(self) -> None:
        row = len(self._lines)
        sign = qt.QLabel()
        count, name = label("", "strong"), label("", "strong")
        message, took = label("", "mid"), label("", "small")
        message.wordWrap = True
        message.textInteractionFlags = qt.Qt.TextSelectableByMouse
        name.minimumWidth = self._theme.px(150)
        places = ((sign, 0), (count, 1), (name, 2), (message, 3), (took, 4))
        for part, column in places:
            place = qt.Qt.AlignTop | (qt.Qt.AlignRight if column == len(places) - 1 else qt.Qt.AlignLeft)
            if part is message:
                self._grid.addWidget(part, row, column)
            else:
                self._grid.addWidget(part, row, column, place)
        self._lines.append((sign, count, name, message, took))

    def _draw(self) -> None:
        side = self._theme.px(_ICON_SIZE)
        for line, (icon, token) in zip(self._lines, self._tokens, strict=False):
            line[0].pixmap = self._theme.pixmap(icon, token, side)


def _milliseconds(seconds: float) -> str:
    if seconds < 1:
        return _("{count} ms").format(count=max(1, round(seconds * 1000)))
    return _("{count} s").format(count=f"{seconds:.1f}")
