"""The box with the connection test of a server: its steps, what a fault means and what to do. Main thread only."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import Pill, label, push_button
from VisualDICOMBrowserLib.widgets.look.theme import set_state
from VisualDICOMBrowserLib.widgets.servers.advice_box import AdviceBox
from VisualDICOMBrowserLib.widgets.servers.connection_tests import ConnectionTests
from VisualDICOMBrowserLib.widgets.servers.server_words import verdict
from VisualDICOMBrowserLib.widgets.servers.step_lines import StepLines

__all__ = ["ConnectionTest"]


class ConnectionTest(qt.QFrame):
    """Shows the last test of the chosen server, or the one under way.

    Parameters
    ----------
    context : BrowserContext
    tests : ConnectionTests
    on_act : Callable[[Mapping], None]
        Called with an act of the diagnosis that the user chose.
    on_test : Callable[[bool], None]
        Called when the user wants a test; with True to send a test image too.
    on_listener : Callable[[], None]
        Called when the user wants to set up our listener.
    """

    def __init__(
        self,
        context: BrowserContext,
        tests: ConnectionTests,
        on_act: Callable[[Mapping[str, Any]], None],
        on_test: Callable[[bool], None],
        on_listener: Callable[[], None],
    ) -> None:
        qt.QFrame.__init__(self)
        self._tests = tests
        self._server: dict[str, Any] = {}
        set_state(self, "kind", "box")
        theme = context.theme
        self._pill = Pill("")
        self._when = label("", "small")
        self._sending = push_button(
            theme,
            _("Test sending too"),
            lambda: on_test(True),
            "send",
            _("Sends one small test image to the server, which may stay there"),
        )
        self._again = push_button(theme, _("Test again"), lambda: on_test(False), "refresh", key="F5")
        self._stop = push_button(theme, _("Stop"), lambda: tests.stop(self._name), "stop")
        header = qt.QHBoxLayout()
        header.spacing = 8
        header.addWidget(label(_("Connection test"), "strong"))
        header.addWidget(self._pill)
        header.addStretch(1)
        for part in (self._when, self._sending, self._again, self._stop):
            header.addWidget(part)
        self._steps = StepLines(theme)
        self._advice = AdviceBox(context, on_act, on_listener)
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(14, 10, 14, 12)
        layout.spacing = 10
        layout.addLayout(header)
        layout.addWidget(self._steps)
        layout.addWidget(self._advice)
        self.setLayout(layout)

    def show_server(self, server: Mapping[str, Any]) -> None:
        """Show the test of a server."""
        self._server = dict(server)
        name = self._name
        running = name in self._tests.running
        last = self._tests.last.get(name)
        self.visible = bool(name) and (running or last is not None)
        if not self.visible and not (running or last):
            return
        protocol, way = str(self._server.get("protocol")), str(self._server.get("retrieve_protocol"))
        steps = self._tests.steps(name)
        words, tone = verdict(protocol, steps, running, way)
        if not running and last is not None and not last.get("steps"):
            words, tone = _("could not be carried out"), "error"
        self._pill.text = words
        self._pill.set_tone(tone)
        self._pill.accessibleName = _("Connection test: {words}").format(words=words)
        self._again.visible = not running
        works = not running and last is not None and bool(last.get("ok"))
        self._sending.visible = works and protocol != "folder" and bool(self._server.get("store_enabled"))
        self._stop.visible = running
        self._when.text = "" if running or last is None else _when(last)
        self._steps.show_steps(self._server, steps, running)
        self._advice.show_test(self._server, None if running else last)

    def close_windows(self) -> None:
        """Close what was opened from here."""
        self._advice.close_windows()

    @property
    def _name(self) -> str:
        return str(self._server.get("name", ""))


def _when(last: Mapping[str, Any]) -> str:
    """When a test was, and how long it took."""
    moment = time.localtime(float(last.get("time", 0.0)))
    today = time.localtime()[:3] == moment[:3]
    shown = time.strftime("%H:%M" if today else "%Y-%m-%d %H:%M", moment)
    return _("{time}, took {seconds} s").format(time=shown, seconds=f"{float(last.get('seconds', 0.0)):.1f}")
