"""The page on this computer: what it is called, and its listener. Main thread only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import Pill, label, line, primary_button, push_button
from VisualDICOMBrowserLib.widgets.look.theme import set_state
from VisualDICOMBrowserLib.widgets.servers.form_rows import FormRows, scrolled
from VisualDICOMBrowserLib.widgets.servers.own_node import OwnNode
from VisualDICOMBrowserLib.widgets.servers.own_table import listener_rows, notifier_rows, own_row_is_shown
from VisualDICOMBrowserLib.widgets.servers.server_words import free_port_in

__all__ = ["ThisComputerPage"]


class ThisComputerPage(qt.QWidget):
    """Settings of this computer.

    Parameters
    ----------
    context : BrowserContext
    node : OwnNode
    on_back : Callable[[], None]
        Called when the user goes back to the servers.
    """

    def __init__(self, context: BrowserContext, node: OwnNode, on_back: Callable[[], None]) -> None:
        qt.QWidget.__init__(self)
        self._context = context
        self._node = node
        page = qt.QWidget()
        column = qt.QVBoxLayout()
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._make_header(on_back))
        column.addWidget(self._make_trouble())
        self._listener = FormRows(listener_rows(), node.change, lambda *_: None, own_row_is_shown)
        column.addWidget(self._listener)
        column.addWidget(line())
        self._notifier = FormRows(notifier_rows(), node.change, lambda *_: None, own_row_is_shown)
        column.addWidget(self._notifier)
        column.addWidget(self._make_address())
        column.addStretch(1)
        page.setLayout(column)
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scrolled(page))
        self.setLayout(layout)

    def refresh(self) -> None:
        """Show how things are."""
        node = self._node
        running = bool(node.node.get("running"))
        values = {**node.settings, "encrypted": bool(node.settings.get("node/tls_certificate_file"))}
        self._listener.show_values(values, node.problems)
        self._notifier.show_values(values, node.problems)
        listening = _("listening on port {port}").format(port=node.node.get("port"))
        self._pill.text = listening if running else _("not listening")
        self._pill.set_tone("ok" if running else "error" if node.trouble else "mid")
        self._switch.text = _("Stop listening") if running else _("Start listening")
        self._switch.accessibleName = self._switch.text
        self._trouble.visible = bool(node.trouble)
        self._sentence.text = node.trouble
        free = free_port_in(node.trouble)
        self._free.visible = bool(free)
        if free:
            self._free.text = _("Use {port}").format(port=free)
        url = str(node.notifier.get("url", ""))
        self._address.visible = bool(url)
        self._url.text = _("Servers post to {url}, with a token that only they and we know.").format(url=url)

    def _make_header(self, on_back: Callable[[], None]) -> Any:
        header = qt.QWidget()
        self._pill = Pill("")
        self._switch = primary_button(self._context.theme, _("Start listening"), self._toggle)
        top = qt.QHBoxLayout()
        top.setContentsMargins(0, 0, 0, 0)
        top.addWidget(label(_("This computer"), "heading"))
        top.addWidget(self._pill)
        top.addStretch(1)
        top.addWidget(self._switch)
        top.addWidget(push_button(self._context.theme, _("Back to the servers"), on_back))
        remark = label(
            _("The listener takes images that servers send, as C-MOVE needs, and offers the local database to them."),
            "mid",
        )
        remark.wordWrap = True
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(18, 14, 22, 0)
        layout.addLayout(top)
        layout.addWidget(remark)
        header.setLayout(layout)
        return header

    def _make_trouble(self) -> Any:
        self._trouble = qt.QFrame()
        set_state(self._trouble, "note", "error")
        self._sentence = label("")
        self._sentence.wordWrap = True
        self._free = push_button(self._context.theme, "", self._use_free)
        layout = qt.QHBoxLayout()
        layout.setContentsMargins(12, 8, 12, 8)
        layout.addWidget(self._sentence, 1)
        layout.addWidget(self._free)
        self._trouble.setLayout(layout)
        self._trouble.hide()
        return self._trouble

    def _make_address(self) -> Any:
        self._address = qt.QWidget()
        self._url = label("", "mid")
        self._url.wordWrap = True
        theme = self._context.theme
        layout = qt.QHBoxLayout()
        layout.setContentsMargins(18, 0, 22, 12)
        layout.addWidget(self._url, 1)
        layout.addWidget(push_button(theme, _("Copy address"), lambda: self._copy("url"), "copy"))
        layout.addWidget(push_button(theme, _("Copy token"), lambda: self._copy("token"), "key"))
        self._address.setLayout(layout)
        self._address.hide()
        return self._address

    def _copy(self, name: str) -> None:
        qt.QApplication.clipboard().setText(str(self._node.notifier.get(name, "")))

    def _toggle(self) -> None:
        self._node.flush()
        if self._node.node.get("running"):
            self._node.stop()
        else:
            self._node.listen()

    def _use_free(self) -> None:
        port = free_port_in(self._node.trouble)
        if port:
            self._node.listen(port)
