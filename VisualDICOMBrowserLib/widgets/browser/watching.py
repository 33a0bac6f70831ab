"""Which studies are watched for new images, until when, and what came of them. Main thread only."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from VisualDICOMBrowserLib.widgets.language import _, plural

__all__ = ["Watching"]

_LONG_S = 365 * 24 * 3600


class Watching:
    """Knows what the engine watches.

    Parameters
    ----------
    browser : Browser
    on_change : Callable[[], None]
        Called when other studies are watched than before.
    """

    def __init__(self, browser: Any, on_change: Callable[[], None]) -> None:
        self._browser = browser
        self._on_change = on_change
        self._until: dict[str, float] = {}

    def refresh(self) -> None:
        """Ask the engine what it watches."""
        self._browser.context.ask("watches", self._take, lambda _error: None)

    def watched(self, studies: Sequence[Any]) -> list[Any]:
        """Those of the studies that are watched."""
        return [each for each in studies if each.StudyInstanceUID in self._until]

    def words(self, studies: Sequence[Any]) -> str:
        """Until when any of the studies is watched; empty if none is."""
        ends = [self._until[each.StudyInstanceUID] for each in self.watched(studies)]
        if not ends:
            return ""
        end = max(ends)
        if end - time.time() > _LONG_S:
            return _("Watching")
        local = time.localtime(end)
        today = time.strftime("%Y%m%d", local) == time.strftime("%Y%m%d")
        return _("Watching until {time}").format(time=time.strftime("%H:%M" if today else "%Y-%m-%d %H:%M", local))

    def hear(self, event: dict[str, Any]) -> None:
        """Take an event of the engine."""
        name = event.get("event")
        if name in ("watch_ended", "engine_ready"):
            self.refresh()
        elif name == "watch_news":
            self._tell(str(event["StudyInstanceUID"]), int(event.get("imported") or 0), list(event.get("series") or ()))

    def _tell(self, uid: str, count: int, series: list[str]) -> None:
        browser = self._browser
        study = browser.catalogue.one_study(uid)
        if study is None or not count:
            return
        text = plural(count, "{count} new image of {patient}", "{count} new images of {patient}")
        show = (_("Show"), lambda: browser.navigation.show_series(uid, series))
        browser.note_bar.say(
            text.format(count=count, patient=study.patient.shown_name), "info", (show,), f"watch {uid}"
        )

    def _take(self, watches: list[dict[str, Any]]) -> None:
        until = {str(each["StudyInstanceUID"]): float(each["until"]) for each in watches}
        if until != self._until:
            self._until = until
            self._on_change()
