"""The settings of our own listener and whether it runs; changes apply at once. No widgets. Main thread only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.settings import SETTINGS
from VisualDICOMBrowserLib.widgets.context import BrowserContext

__all__ = ["OwnNode"]

_PAUSE_MS = 600
_OURS = ("node/", "notify/", "network/calling_ae_title")
# These are read when they are needed; the others when the listener starts.
_NEEDS_NO_START = ("node/start", "network/calling_ae_title")


class OwnNode:
    """What this computer is called, and what it listens to.

    Parameters
    ----------
    context : BrowserContext
    on_change : Callable[[], None]
        Called when settings, problems or the state of the listener have changed.
    """

    def __init__(self, context: BrowserContext, on_change: Callable[[], None]) -> None:
        self._context = context
        self._on_change = on_change
        self._pending: dict[str, Any] = {}
        self.settings: dict[str, Any] = {key: item.default for key, item in SETTINGS.items() if key.startswith(_OURS)}
        self.problems: dict[str, str] = {}
        self.node: dict[str, Any] = {"running": False}
        self.notifier: dict[str, Any] = {}
        self.trouble = ""
        self._timer = qt.QTimer()
        self._timer.interval = _PAUSE_MS
        self._timer.timeout.connect(lambda *_: self.flush())

    def load(self) -> None:
        """Ask the engine how things are."""
        self._context.ask("settings", self._loaded)
        self._context.ask("node", self._told)

    def change(self, key: str, value: Any, finished: bool) -> None:
        """The user has changed a setting; it is kept after a pause, or at once if `finished`."""
        if self.settings.get(key) == value:
            return
        self.settings[key] = value
        self._pending[key] = value
        if finished:
            self.flush()
        else:
            self._timer.start()
        self._on_change()

    def flush(self) -> None:
        """Keep what was changed, and start the listener anew if it runs and reads that at its start."""
        self._timer.stop()
        pending, self._pending = self._pending, {}
        for key, value in pending.items():
            self.problems.pop(key, None)
            self._keep(key, value)
        if self.node.get("running") and any(_restarts_node(key) for key in pending):
            self._context.ask("stop_node")
            self.listen()
        if any(key.startswith("notify/") for key in pending):
            self._context.ask("stop_notifier")
            self._ask_notifier()

    def listen(
        self,
        port: int | None = None,
        then: Callable[[], None] = lambda: None,
        otherwise: Callable[[], None] = lambda: None,
    ) -> None:
        """Start the listener, on another port than before if given, which is kept; `then` or `otherwise` follows."""
        self.flush_port(port)
        self.trouble = ""

        def started(node: dict[str, Any]) -> None:
            self._told(node)
            then()

        def not_started(error: VisualDICOMError) -> None:
            self._not_started(error)
            otherwise()

        self._context.ask("start_node", started, not_started)

    def flush_port(self, port: int | None) -> None:
        """Keep another port."""
        if port is not None:
            self.settings["node/port"] = port
            self._context.ask("set_setting", key="node/port", value=port)

    def stop(self) -> None:
        """End the listener."""
        self.trouble = ""
        self._context.ask("stop_node", lambda _result: self._context.ask("node", self._told))

    def _keep(self, key: str, value: Any) -> None:
        self._context.ask("set_setting", None, lambda error: self._refused(key, error), key=key, value=value)

    def _ask_notifier(self) -> None:
        if self.settings["notify/enabled"]:
            self._context.ask("start_notifier", self._notified, self._not_started)
        else:
            self._notified({})

    def _loaded(self, changed: dict[str, Any]) -> None:
        for key in self.settings:
            if key not in self._pending:
                self.settings[key] = changed.get(key, SETTINGS[key].default)
        if self.settings["notify/enabled"]:
            self._ask_notifier()
        self._on_change()

    def _told(self, node: dict[str, Any]) -> None:
        self.node = node
        self.trouble = str(node.get("problem") or "")
        self._on_change()

    def _notified(self, notifier: dict[str, Any]) -> None:
        self.notifier = notifier
        self._on_change()

    def _not_started(self, error: VisualDICOMError) -> None:
        self.node = {"running": False}
        self.trouble = str(error)
        self._on_change()

    def _refused(self, key: str, error: VisualDICOMError) -> None:
        self.problems[key] = str(error)
        self._on_change()


def _restarts_node(key: str) -> bool:
    return key.startswith("node/") and key not in _NEEDS_NO_START
