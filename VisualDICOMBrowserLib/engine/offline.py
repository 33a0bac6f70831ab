"""Working offline: servers are left alone, and what has to do with them waits.

The setting ``network/offline`` decides, and it outlives the program: it tells of the place where the user works (no
network there), which does not change by opening a window anew, and every window shows it with the way back. Jobs that
wait stay queued, so that no attempt and no waiting time of theirs is used up; what runs may end. Folders are asked all
the same, and so is a server that somebody tests by hand, to learn whether it can be reached again. Any thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from VisualDICOMBrowserLib.errors import EngineError, UsageError
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.settings import Settings

__all__ = ["OFFLINE", "Offline"]

OFFLINE = "network/offline"
"""The setting."""

_KINDS = frozenset(("find", "worklist", "retrieve", "send", "prefetch"))


class Offline:
    """Whether an engine leaves servers alone.

    Parameters
    ----------
    settings : Settings
    server : callable
        Settings of the server of that name; raises `UsageError` if there is none.
    steady : callable
        Seconds of a clock that is never set back.
    """

    def __init__(
        self,
        settings: Settings,
        server: Callable[[str], ServerConfig],
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._server = server
        self._steady = steady
        self._since: float | None = steady() if self.on else None

    @property
    def on(self) -> bool:
        """Whether servers are left alone."""
        return self._settings.flag(OFFLINE)

    def holds(self, kind: str, server: str) -> bool:
        """Whether a job of this kind for this server (empty: for whichever has it) is not to start now."""
        return self.on and kind in _KINDS and not self._is_folder(server)

    def require_online(self, kind: str, server: str = "") -> None:
        """Refuse what somebody would wait for in vain.

        Raises
        ------
        EngineError
            This is held.
        """
        if self.holds(kind, server):
            raise self.refusal(server)

    def refusal(self, server: str) -> EngineError:
        """Why a server is not asked."""
        message = f"Working offline: {server or 'no server'} was {'not ' if server else ''}asked."
        return EngineError(message, code="offline", server=server, next_step="Go online first.")

    def take_span(self) -> float:
        """Seconds for which servers were left alone until now, told once, after the setting has changed."""
        now, since = self._steady(), self._since
        if self.on:
            self._since = now if since is None else since
            return 0.0
        self._since = None
        return 0.0 if since is None else now - since

    def _is_folder(self, server: str) -> bool:
        try:
            return bool(server) and self._server(server).protocol == "folder"
        except UsageError:  # removed meanwhile; its jobs say so once they may start
            return False
