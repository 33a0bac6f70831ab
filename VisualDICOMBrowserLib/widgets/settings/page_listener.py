"""The page of this computer: under which name it calls and listens, and whether it does now. Main thread only."""

from __future__ import annotations

from typing import Any

from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import push_button
from VisualDICOMBrowserLib.widgets.look.theme import set_state
from VisualDICOMBrowserLib.widgets.settings.fields import Page

__all__ = ["ListenerPage"]

_LAST_PORT = 65535


class ListenerPage(Page):
    """AE titles, port, known callers, listening now and at every start."""

    def __init__(self, context: BrowserContext) -> None:
        Page.__init__(self, context, _("This computer"))
        self._running = False
        self.add_heading(_("How we call servers"))
        self.add_setting("network/calling_ae_title", _("Calling AE title"), _("unless a server has another one"))
        self.add_heading(_("Listener"))
        self.add_text(_("Servers send images to it by C-MOVE, and other programs by C-STORE."))
        self._state = self.add_text("")
        self._switch = push_button(context.theme, _("Listen now"), self._toggle)
        self._other = push_button(context.theme, "", self._use_other_port)
        self._other.hide()
        self.add_buttons(self._switch, self._other)
        self.add_setting("node/start", _("Listen whenever this database is open"))
        self.add_setting("node/ae_title", _("AE title"), _("{host}, {port} and {number} are filled in"))
        port = self.add_setting("node/port", _("Port"), _("0 takes any free one"))
        port.setRange(0, _LAST_PORT)
        self.add_setting("node/ports_tried", _("Ports tried"), _("from that one on, for several copies"))
        self.add_setting(
            "node/host", _("Address"), _("127.0.0.1: this computer only; 0.0.0.0: everybody who reaches it")
        )
        self.add_setting(
            "node/allowed_callers", _("Known callers"), _("AE, AE@address or *@network; empty: anybody"), 300
        )
        self.add_setting("node/check_called_ae", _("Refuse callers that use another AE title than ours"))
        self.add_heading(_("Encryption (TLS)"))
        self.add_setting("node/tls_certificate_file", _("Certificate file"), _("PEM; empty: no encryption"), 300)
        self.add_setting("node/tls_key_file", _("Key file"), _("if it is not in the same file"), 300)
        self.add_setting("node/tls_ca_file", _("Trusted certificates"), _("of those who may vouch for callers"), 300)
        self.add_setting("node/tls_require_client", _("Refuse callers without a certificate"))

    def refresh(self) -> None:
        """Ask whether the listener runs."""
        self.context.ask("node", self._show_node)

    def put(self, key: str, value: Any, then: Any = None) -> None:
        """Change a setting, and listen anew with it if we listen now."""
        Page.put(self, key, value, then or (self._again if key.startswith("node/") and key != "node/start" else None))

    def _again(self) -> None:
        if self._running:
            self.context.ask("stop_node", lambda _result: self._start())

    def _toggle(self) -> None:
        if self._running:
            self.context.ask("stop_node", lambda _result: self.refresh())
        else:
            self._start()

    def _start(self) -> None:
        def refused(error: VisualDICOMError) -> None:
            self._show_node({"running": False, "problem": str(error)})

        self.context.ask("start_node", self._show_node, refused)

    def _use_other_port(self) -> None:
        port = self.field("node/port").value + 1
        was = self.field("node/port").blockSignals(True)
        self.field("node/port").value = port
        self.field("node/port").blockSignals(was)
        Page.put(self, "node/port", port, self._start)

    def _show_node(self, node: dict[str, Any]) -> None:
        self._running = bool(node.get("running"))
        problem = str(node.get("problem", ""))
        if self._running:
            text = _("Listening as {title}, {host}, port {port}.")
            self._state.text = text.format(title=node["ae_title"], host=node["host"], port=node["port"])
        else:
            self._state.text = problem or _("Not listening.")
        set_state(self._state, "state", "ok" if self._running else "error" if problem else "")
        self._switch.text = _("Stop listening") if self._running else _("Listen now")
        port = self.field("node/port").value
        self._other.visible = bool(problem) and 0 < port < _LAST_PORT
        self._other.text = _("Use port {port}").format(port=port + 1)
