"""The window for signing in with a code: where to open what, how it stands, and how it ended. Non-modal.

Never waits itself: the engine tells when a code is needed and what came of it. Main thread only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import qt

from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import BusyMark, label, primary_button, push_button
from VisualDICOMBrowserLib.widgets.look.theme import set_state
from VisualDICOMBrowserLib.widgets.servers.sign_in_state import SignInState, SignInStates, sentence_of

__all__ = ["SignInLine", "SignInWindow"]

_TICK_MS = 1000
_TONES = {"done": "info", "expired": "warn", "refused": "error", "failed": "error"}


class SignInWindow(qt.QDialog):
    """Shows one sign-in at a time, the one that waits longest first; `hear` is to be given the engine's events.

    Parameters
    ----------
    context : BrowserContext
    parent : QWidget, optional
    """

    def __init__(self, context: BrowserContext, parent: Any = None) -> None:
        qt.QDialog.__init__(self, parent)
        self._context = context
        self._states = SignInStates()
        self._then: dict[str, Callable[[], None]] = {}
        self.windowTitle = _("Sign in")
        self._title = label("", "heading")
        self._steps = label(_("Open this address in a browser, on any computer or phone, and enter the code."))
        self._steps.wordWrap = True
        self._place = self._make_place()
        self._busy = BusyMark(context.theme)
        self._sentence = label("")
        self._sentence.wordWrap = True
        line = qt.QHBoxLayout()
        line.spacing = 8
        line.addWidget(self._busy)
        line.addWidget(self._sentence, 1)
        self._state_box = qt.QFrame()
        self._state_box.setLayout(line)
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(18, 16, 18, 14)
        layout.spacing = 12
        for part in (self._title, self._steps, self._place, self._state_box):
            layout.addWidget(part)
        layout.addStretch(1)
        layout.addLayout(self._make_buttons())
        self.setLayout(layout)
        self.minimumWidth = context.theme.px(540)
        self._fitted = ""
        self._clock = qt.QTimer(self)
        self._clock.interval = _TICK_MS
        self._clock.timeout.connect(lambda *_: self._show())
        context.theme.follow(self, lambda: context.theme.apply(self))

    def start(self, server: str, then: Callable[[], None] | None = None) -> None:
        """Sign in to a server now; `then` is called once that is done."""
        self._then.pop(server, None)
        if then is not None:
            self._then[server] = then
        if not self._states.asking(server):
            self._come_up()
            return

        def failed(error: VisualDICOMError) -> None:
            self._states.failed(server, str(error))
            self._show()

        def begun(job_id: str) -> None:
            self._states.begun(server, job_id)
            self._show()

        self._context.ask("echo_server", begun, failed, name=server)
        self._come_up()

    def hear(self, event: dict[str, Any]) -> None:
        """Take an event of the engine."""
        if not self._states.hear(event):
            return
        state = self._states.shown
        if event["event"] == "sign_in_needed":
            self._come_up()
        elif self.visible and state is not None:
            self._show()
        for server in list(self._then):
            known = self._states.of(server)
            if known is not None and known.step == "done":
                self._then.pop(server)()

    def _make_place(self) -> Any:
        theme = self._context.theme
        self._address, self._code = _read_only(_("Address to open")), _read_only(_("Code to enter"))
        set_state(self._code, "role", "code")
        grid = qt.QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(8)
        grid.setColumnStretch(1, 1)
        copy_address = push_button(theme, _("Copy address"), lambda: _copy(self._address.text), "copy")
        copy_code = push_button(theme, _("Copy code"), lambda: _copy(self._code.text), "copy")
        for row, (title, field, button) in enumerate(
            ((_("Address"), self._address, copy_address), (_("Code"), self._code, copy_code))
        ):
            name = label(title, "mid")
            name.setBuddy(field)
            grid.addWidget(name, row, 0)
            grid.addWidget(field, row, 1)
            grid.addWidget(button, row, 2)
        place = qt.QWidget()
        place.setLayout(grid)
        return place

    def _make_buttons(self) -> Any:
        theme = self._context.theme
        self._open = primary_button(theme, _("Open in the browser"), self._open_address, "link")
        self._again = primary_button(theme, _("Get a new code"), self._start_again, "refresh")
        self._cancel = push_button(theme, _("Cancel sign-in"), self._give_up)
        self._close = push_button(theme, _("Close"), self.close)
        buttons = qt.QHBoxLayout()
        buttons.spacing = 8
        buttons.addStretch(1)
        for button in (self._open, self._again, self._cancel, self._close):
            buttons.addWidget(button)
        return buttons

    def _come_up(self) -> None:
        self._show()
        self.show()
        self.raise_()

    def _show(self) -> None:
        state = self._states.shown
        if state is None:
            return
        waiting = state.step == "waiting"
        self._title.text = _("Sign in to {server}").format(server=state.server)
        self._steps.visible = self._place.visible = waiting
        self._address.text, self._code.text = state.address, state.code
        for field in (self._address, self._code):
            field.cursorPosition = 0
        self._sentence.text = sentence_of(state, self._states.seconds_left(state))
        set_state(self._state_box, "note", _TONES.get(state.step, ""))
        self._open.visible = waiting
        self._again.visible = state.ended and state.step != "done"
        self._cancel.visible = not state.ended
        self._cancel.enabled = bool(state.job_id)
        self._close.visible = state.ended
        self._busy.visible = not state.ended
        if self._fitted != state.step:
            # Another step shows other parts; the user's own size is left alone meanwhile.
            self._fitted = state.step
            self.layout().activate()
            self.adjustSize()
        if state.ended:
            self._busy.stop()
            self._clock.stop()
        else:
            self._busy.start()
            self._clock.start()

    def _shown(self) -> SignInState:
        return self._states.shown or SignInState("")

    def _open_address(self) -> None:
        qt.QDesktopServices.openUrl(qt.QUrl(self._shown().url))

    def _start_again(self) -> None:
        server = self._shown().server
        self.start(server, self._then.get(server))

    def _give_up(self) -> None:
        job_id = self._shown().job_id
        if job_id:
            self._context.ask("cancel_job", job_id=job_id)


class SignInLine(qt.QWidget):
    """The button below the settings of a server to which people sign in with a code.

    Parameters
    ----------
    context : BrowserContext
    on_sign_in : Callable[[], None]
    """

    def __init__(self, context: BrowserContext, on_sign_in: Callable[[], None]) -> None:
        qt.QWidget.__init__(self)
        self._button = push_button(context.theme, _("Sign in now..."), on_sign_in, "key")
        layout = qt.QHBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._button)
        layout.addWidget(label(_("With a code, in any browser. It is kept until the server ends it."), "small"), 1)
        self.setLayout(layout)
        self.hide()

    def show_server(self, values: Mapping[str, Any], *, usable: bool) -> None:
        """Show the line for a server that needs it."""
        self.visible = values.get("protocol") == "dicomweb" and values.get("auth") == "device_code"
        self._button.enabled = usable
        self._button.toolTip = "" if usable else _("Correct the red fields first")


def _read_only(name: str) -> Any:
    field = qt.QLineEdit()
    field.readOnly = True
    field.accessibleName = name
    return field


def _copy(text: str) -> None:
    qt.QApplication.clipboard().setText(text)
