"""The box with the connection test of a server: its steps, what a fault means and what to do. Main thread only."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import Pill, label, link_button, push_button
from VisualDICOMBrowserLib.widgets.look.theme import set_state
from VisualDICOMBrowserLib.widgets.servers.connection_tests import ConnectionTests
from VisualDICOMBrowserLib.widgets.servers.log_window import LogWindow
from VisualDICOMBrowserLib.widgets.servers.server_words import field_of_step, verdict
from VisualDICOMBrowserLib.widgets.servers.step_lines import StepLines

__all__ = ["ConnectionTest"]


class ConnectionTest(qt.QFrame):
    """Shows the last test of the chosen server, or the one under way.

    Parameters
    ----------
    context : BrowserContext
    tests : ConnectionTests
    on_edit : Callable[[str], None]
        Called with the setting that the user wants to correct.
    on_test : Callable[[], None]
        Called when the user wants a test.
    on_listener : Callable[[], None]
        Called when the user wants to set up our listener.
    """

    def __init__(
        self,
        context: BrowserContext,
        tests: ConnectionTests,
        on_edit: Callable[[str], None],
        on_test: Callable[[], None],
        on_listener: Callable[[], None],
    ) -> None:
        qt.QFrame.__init__(self)
        self._context = context
        self._tests = tests
        self._on_edit = on_edit
        self._on_listener = on_listener
        self._server: dict[str, Any] = {}
        self._log = LogWindow(context)
        set_state(self, "kind", "box")
        self._pill = Pill("")
        self._when = label("", "small")
        self._again = push_button(context.theme, _("Test again"), on_test, "refresh", key="F5")
        self._stop = push_button(context.theme, _("Stop"), lambda: tests.stop(self._name), "stop")
        header = qt.QHBoxLayout()
        header.spacing = 8
        header.addWidget(label(_("Connection test"), "strong"))
        header.addWidget(self._pill)
        header.addStretch(1)
        header.addWidget(self._when)
        header.addWidget(self._again)
        header.addWidget(self._stop)
        self._steps = StepLines(context.theme)
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(14, 10, 14, 12)
        layout.spacing = 10
        layout.addLayout(header)
        layout.addWidget(self._steps)
        layout.addWidget(self._make_advice())
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
        protocol = str(self._server.get("protocol"))
        steps = self._tests.steps(name)
        words, tone = verdict(protocol, steps, running)
        if not running and last is not None and not last.get("steps"):
            words, tone = _("could not be carried out"), "error"
        self._pill.text = words
        self._pill.set_tone(tone)
        self._pill.accessibleName = _("Connection test: {words}").format(words=words)
        self._again.visible = not running
        self._stop.visible = running
        self._when.text = "" if running or last is None else _when(last)
        self._steps.show_steps(self._server, steps, running)
        self._show_advice(None if running else last)

    def close_windows(self) -> None:
        """Close what was opened from here."""
        self._log.close()

    @property
    def _name(self) -> str:
        return str(self._server.get("name", ""))

    def _make_advice(self) -> Any:
        self._advice = qt.QFrame()
        set_state(self._advice, "note", "error")
        self._headline = label("", "strong")
        self._headline.wordWrap = True
        self._text = label("")
        self._text.wordWrap = True
        for part in (self._headline, self._text):
            part.textInteractionFlags = qt.Qt.TextSelectableByMouse
        theme = self._context.theme
        self._copy = push_button(theme, _("Copy request for the administrator"), self._copy_request, "copy")
        self._edit = push_button(theme, _("Edit"), self._edit_failed)
        self._listener = push_button(theme, _("Set up the listener"), self._on_listener)
        self._technical = link_button(_("Technical log"), self._show_log)
        buttons = qt.QHBoxLayout()
        buttons.spacing = 8
        for button in (self._copy, self._edit, self._listener):
            buttons.addWidget(button)
        buttons.addStretch(1)
        buttons.addWidget(self._technical)
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(12, 10, 12, 10)
        layout.spacing = 6
        layout.addWidget(self._headline)
        layout.addWidget(self._text)
        layout.addLayout(buttons)
        self._advice.setLayout(layout)
        return self._advice

    def _show_advice(self, last: Mapping[str, Any] | None) -> None:
        self._advice.visible = last is not None
        if last is None:
            return
        failed = next((step for step in last["steps"] if step["state"] == "failed"), None)
        ok = bool(last.get("ok"))
        set_state(self._advice, "note", "info" if ok else "error")
        advice = [str(sentence) for sentence in last.get("advice", ())]
        headline = str(failed["message"]) if failed is not None else str(last.get("error") or "")
        if ok and advice:
            headline, advice = advice[0], advice[1:]
        self._headline.text = headline
        self._headline.visible = bool(headline)
        self._text.text = " ".join(advice)
        self._text.visible = bool(advice)
        step = str(failed["name"]) if failed is not None else ""
        self._copy.visible = bool(last.get("request"))
        self._edit.visible = bool(field_of_step(step, str(self._server.get("protocol"))))
        self._edit.text = _edit_text(field_of_step(step, str(self._server.get("protocol"))))
        self._listener.visible = step == "listener"
        self._technical.visible = bool(last.get("job_id"))

    def _copy_request(self) -> None:
        request = str(self._tests.last.get(self._name, {}).get("request", ""))
        qt.QApplication.clipboard().setText(request)
        self._context.report(_("The request for the administrator is in the clipboard."), "info")

    def _edit_failed(self) -> None:
        steps = self._tests.steps(self._name)
        failed = next((str(step["name"]) for step in steps if step["state"] == "failed"), "")
        self._on_edit(field_of_step(failed, str(self._server.get("protocol"))))

    def _show_log(self) -> None:
        job_id = str(self._tests.last.get(self._name, {}).get("job_id", ""))
        self._log.show_job(job_id, _("Connection test of {server}").format(server=self._name))


def _when(last: Mapping[str, Any]) -> str:
    """When a test was, and how long it took."""
    moment = time.localtime(float(last.get("time", 0.0)))
    today = time.localtime()[:3] == moment[:3]
    shown = time.strftime("%H:%M" if today else "%Y-%m-%d %H:%M", moment)
    return _("{time}, took {seconds} s").format(time=shown, seconds=f"{float(last.get('seconds', 0.0)):.1f}")


def _edit_text(field: str) -> str:
    names = {
        "host": _("Edit host"),
        "port": _("Edit port"),
        "tls": _("Edit encryption"),
        "tls_ca_file": _("Edit encryption"),
        "called_ae_title": _("Edit called AE title"),
        "retrieve_protocol": _("Edit the way of retrieving"),
        "store_ae_title": _("Edit where to send"),
        "url": _("Edit address"),
        "auth": _("Edit sign-in"),
        "folder": _("Edit folder"),
    }
    return names.get(field, _("Edit"))
