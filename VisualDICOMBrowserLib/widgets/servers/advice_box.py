"""The box below a test: what the fault means, what to do, and buttons that do it. Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.ending import delete_later
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import label, link_button, primary_button, push_button
from VisualDICOMBrowserLib.widgets.look.theme import set_state
from VisualDICOMBrowserLib.widgets.servers.log_window import LogWindow
from VisualDICOMBrowserLib.widgets.servers.server_words import act_title, field_of_step

__all__ = ["AdviceBox"]


class AdviceBox(qt.QFrame):
    """Shows what a test of a server found.

    Parameters
    ----------
    context : BrowserContext
    on_act : Callable[[Mapping], None]
        Called with an act of the diagnosis that the user chose: ``change``, ``edit``, ``sign_in`` or ``listener``.
    on_listener : Callable[[], None]
        Called when the user wants to set up our listener.
    """

    def __init__(
        self, context: BrowserContext, on_act: Callable[[Mapping[str, Any]], None], on_listener: Callable[[], None]
    ) -> None:
        qt.QFrame.__init__(self)
        self._context = context
        self._on_act = on_act
        self._server: dict[str, Any] = {}
        self._last: dict[str, Any] = {}
        self._log = LogWindow(context)
        self._made: list[Any] = []
        self._headline = label("", "strong")
        self._text = label("")
        for part in (self._headline, self._text):
            part.wordWrap = True
            part.textInteractionFlags = qt.Qt.TextSelectableByMouse
        theme = context.theme
        self._copy = push_button(theme, _("Copy request for the administrator"), self._copy_request, "copy")
        self._edit = push_button(theme, _("Edit"), self._edit_failed)
        self._listener = push_button(theme, _("Set up the listener"), on_listener)
        self._technical = link_button(_("Technical log"), self._show_log)
        self._acts = qt.QHBoxLayout()
        self._acts.setContentsMargins(0, 0, 0, 0)
        self._acts.spacing = 8
        buttons = qt.QHBoxLayout()
        buttons.spacing = 8
        buttons.addLayout(self._acts)
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
        self.setLayout(layout)

    def show_test(self, server: Mapping[str, Any], last: Mapping[str, Any] | None) -> None:
        """Show the last test of a server; nothing without one."""
        self.visible = last is not None
        self._server, self._last = dict(server), dict(last or {})
        if last is None:
            return
        failed, ok = self._failed(), bool(last.get("ok"))
        set_state(self, "note", "info" if ok else "error")
        advice = [str(sentence) for sentence in last.get("advice", ())]
        headline = str(failed["message"]) if failed else str(last.get("error") or "")
        if ok and advice:
            headline, advice = advice[0], advice[1:]
        self._headline.text = headline
        self._headline.visible = bool(headline)
        self._text.text = " ".join(advice)
        self._text.visible = bool(advice)
        acts = [act for act in last.get("acts") or () if act.get("act") != "copy_request"]
        self._show_acts(acts)
        self._copy.text = _("Copy request") if acts else _("Copy request for the administrator")
        self._copy.toolTip = self._copy.accessibleName if acts else ""
        self._copy.visible = bool(last.get("request"))
        step = str(failed.get("name", ""))
        field = field_of_step(step, str(server.get("protocol")))
        self._edit.visible = bool(field) and not any(act.get("act") == "edit" for act in acts)
        self._edit.text = _edit_text(field)
        self._listener.visible = step == "listener"
        self._technical.visible = bool(last.get("job_id"))

    def close_windows(self) -> None:
        """Close what was opened from here."""
        self._log.close()

    def _failed(self) -> dict[str, Any]:
        """The step that failed; empty if none did."""
        steps = self._last.get("steps") or ()
        return next((dict(step) for step in steps if step["state"] == "failed"), {})

    def _show_acts(self, acts: list[Mapping[str, Any]]) -> None:
        for button in self._made:
            button.hide()
            delete_later(button)
        self._made = []
        for act in acts:
            make = primary_button if act["act"] in ("change", "sign_in", "listener") else push_button
            button = make(self._context.theme, act_title(act), partial(self._choose, act))
            self._acts.addWidget(button)
            button.show()
            self._made.append(button)

    def _choose(self, act: Mapping[str, Any]) -> None:
        if act["act"] == "details":
            title = _("Certificate of {server}").format(server=self._server.get("name", ""))
            self._log.show_text(str(act.get("text", "")), title)
        else:
            self._on_act(act)

    def _copy_request(self) -> None:
        qt.QApplication.clipboard().setText(str(self._last.get("request", "")))
        self._context.report(_("The request for the administrator is in the clipboard."), "info")

    def _edit_failed(self) -> None:
        field = field_of_step(str(self._failed().get("name", "")), str(self._server.get("protocol")))
        self._on_act({"act": "edit", "field": field})

    def _show_log(self) -> None:
        title = _("Connection test of {server}").format(server=self._server.get("name", ""))
        self._log.show_job(str(self._last.get("job_id", "")), title)


def _edit_text(field: str) -> str:
    names = {
        "host": _("Edit host"),
        "port": _("Edit port"),
        "tls": _("Edit encryption"),
        "tls_ca_file": _("Edit encryption"),
        "called_ae_title": _("Edit called AE title"),
        "retrieve_protocol": _("Edit the way of retrieving"),
        "proxy": _("Edit proxy"),
        "store_ae_title": _("Edit where to send"),
        "url": _("Edit URL"),
        "auth": _("Edit sign-in"),
        "folder": _("Edit folder"),
    }
    return names.get(field, _("Edit"))
