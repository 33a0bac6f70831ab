"""Working offline, as the browser shows and switches it. Main thread only.

The engine keeps the mode and holds what has to do with servers; here it is shown, and there is the way back.
"""

from __future__ import annotations

from typing import Any

from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.search.announcing import announce

__all__ = ["OFFLINE_KEY", "OfflineMode"]

OFFLINE_KEY = "offline"
"""Key of what the notification bar says of it."""


class OfflineMode:
    """Whether servers are left alone.

    Parameters
    ----------
    browser : Browser
    """

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self.on = False

    def refresh(self) -> None:
        """Ask the engine."""
        self._browser.context.ask("offline", self._take)

    def hear(self, event: dict[str, Any]) -> None:
        """Take an event of the engine."""
        name = event.get("event")
        if name == "offline_changed":
            self._take(bool(event.get("offline")))
        elif name == "engine_ready":
            self.refresh()

    def go_offline(self) -> None:
        """Leave servers alone from now on."""
        self._browser.context.ask("set_offline", offline=True)

    def go_online(self) -> None:
        """Ask servers again."""
        self._browser.context.ask("set_offline", offline=False)

    def toggle(self) -> None:
        """The other of both."""
        self.go_online() if self.on else self.go_offline()

    def say_not_asked(self) -> None:
        """Say why a query brought nothing."""
        online = (_("Go online"), self.go_online)
        text = _("Working offline: no server was asked. What is known is shown.")
        self._browser.note_bar.say(text, "info", (online,), OFFLINE_KEY)

    def _take(self, on: bool) -> None:
        browser, before = self._browser, self.on
        self.on = on
        browser.chips.note_offline(on)
        browser.feed.note_offline(on)
        browser.run.offline = on
        if before == on:
            return
        announce(browser.chips, _("Working offline") if on else _("Online again"))
        browser.note_bar.take_back(OFFLINE_KEY)
        if not on:
            # What could not be asked while offline is asked now.
            browser.showing.queried()
        browser.showing.show_page()
