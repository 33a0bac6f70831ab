"""Reads the engine's overview page by page, and follows what changes. Main thread only; nothing waits.

While the first pages come, patients are shown as far as they are known. What changes is asked for one question at a
time, so that a busy import is followed as fast as the engine answers and no faster.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.widgets.catalogue.catalogue import Catalogue
from VisualDICOMBrowserLib.widgets.context import BrowserContext

__all__ = ["CatalogueLoader"]

_LEVELS = ("PATIENT", "STUDY", "SERIES")
# Taking a page of so many rows does not hold up the window for longer than a frame or two.
_PAGE = 1000
_AT_ONCE = 200
# Above so many changed series all is read anew, which is quicker.
_MANY = 20_000


class CatalogueLoader:
    """Fills a catalogue and keeps it up to date.

    Parameters
    ----------
    context : BrowserContext
    catalogue : Catalogue
    on_change : Callable[[], None]
        Called after every page and every change that was taken.
    on_listed : Callable[[], None], optional
        Called besides when all patients are known, before their studies are read.
    """

    def __init__(
        self,
        context: BrowserContext,
        catalogue: Catalogue,
        on_change: Callable[[], None],
        on_listed: Callable[[], None] = lambda: None,
    ) -> None:
        self._context = context
        self._catalogue = catalogue
        self._on_change = on_change
        self._on_listed = on_listed
        self._round = 0
        self._reading = False
        self._again = False
        self._asked = False
        self._level = 0
        self._here: set[str] = set()
        self._series: dict[str, None] = {}
        self._studies: dict[str, None] = {}
        self._gone: set[str] = set()
        self.failure: VisualDICOMError | None = None
        self._end = context.client.subscribe(self.note)

    @property
    def loading(self) -> bool:
        """Whether the overview is being read."""
        return self._reading

    @property
    def idle(self) -> bool:
        """Whether nothing is being read, and nothing waits to be."""
        return not (self._reading or self._asked or self._series or self._studies)

    @property
    def listed(self) -> bool:
        """Whether all patients of the database are known, be it without their studies."""
        return not self._reading or self._level > 0

    def hurry(self, rows: Sequence[int], on_known: Callable[[], None]) -> None:
        """Learn all of the patients with these row numbers now, before what else is still to be read."""
        asked_in = self._round

        def take(reply: dict[str, Any]) -> None:
            if asked_in == self._round:
                self._catalogue.update(reply)
                on_known()

        if self._reading and rows:
            self._context.ask("rows", take, lambda _error: None, patients=list(rows))

    def start(self) -> None:
        """Read everything, anew if it has been read."""
        self._round += 1
        self._reading, self._again, self._asked = True, False, False
        self._here, self._gone = set(), set()
        self._series, self._studies = {}, {}
        self._level = 0
        self.failure = None
        self._page(self._round, 0, 0)

    def close(self) -> None:
        """Hear of nothing any more."""
        self._round += 1
        self._end()
        gc.unfreeze()

    def note(self, event: Mapping[str, Any]) -> None:
        """Take an event of the engine."""
        name = event.get("event")
        if name == "engine_ready":
            # What was asked before the engine was ready is answered; what an engine that ended owed has failed.
            if not self._reading:
                self.start()
        elif name == "thumbnail_ready":
            self._catalogue.note_thumbnail(event)
        elif name == "content_changed" and self._round:
            self._note_content(event)

    def _note_content(self, event: Mapping[str, Any]) -> None:
        series, studies, removed = event["series"], event["studies"], event["removed"]
        if removed:
            self._catalogue.remove(removed)
            if self._reading or self._asked:
                self._gone.update(removed)
            self._on_change()
        if not (series or studies or removed):
            if self._reading:
                self._again = True
            else:
                self.start()
            return
        self._series.update(dict.fromkeys(series))
        self._studies.update(dict.fromkeys(studies))
        if len(self._series) > _MANY and not self._reading:
            self.start()
        else:
            self._ask_changed()

    # The overview

    def _page(self, asked_in: int, level: int, after: int) -> None:
        def take(reply: dict[str, Any]) -> None:
            if asked_in == self._round:
                self._take_page(asked_in, level, reply)

        def fail(error: VisualDICOMError) -> None:
            if asked_in == self._round:
                self._reading, self.failure = False, error
                self._on_change()

        self._context.ask("overview", take, fail, level=_LEVELS[level], after=after, limit=_PAGE)

    def _take_page(self, asked_in: int, level: int, reply: dict[str, Any]) -> None:
        following, last = reply["next"], level + 1 == len(_LEVELS)
        # The engine reads the next page while this one is taken.
        if following is not None:
            self._page(asked_in, level, following)
        elif not last:
            self._page(asked_in, level + 1, 0)
        self._catalogue.set_rows(_LEVELS[level], reply["fields"], reply["rows"])
        if last:
            self._here.update(row[0] for row in reply["rows"])
        # Entries refer to each other; a search for garbage among them all holds up the window for a tenth of a second.
        gc.collect(1)
        gc.freeze()
        if following is None:
            self._level = level + 1
            if last:
                self._finish()
            elif level == 0:
                self._on_listed()
        self._on_change()

    def _finish(self) -> None:
        self._reading = False
        self._catalogue.keep_local(self._here)
        self._here = set()
        self._ask_about_gone()
        self._catalogue.loaded = True
        if self._again:
            self.start()
        else:
            self._ask_changed()

    # What changed

    def _ask_about_gone(self) -> None:
        """What was removed while an answer was under way may be in that answer; or it has come back since."""
        gone, self._gone = self._gone, set()
        self._catalogue.remove(gone)
        self._series.update(dict.fromkeys(gone))

    def _ask_changed(self) -> None:
        if self._reading or self._asked or not (self._series or self._studies):
            return
        series, studies = list(self._series)[:_AT_ONCE], list(self._studies)[:_AT_ONCE]
        for uid in series:
            del self._series[uid]
        for uid in studies:
            del self._studies[uid]
        asked_in = self._round
        self._asked = True

        def take(reply: dict[str, Any]) -> None:
            if asked_in == self._round:
                self._asked = False
                self._catalogue.update(reply)
                self._ask_about_gone()
                self._on_change()
                self._ask_changed()

        def fail(error: VisualDICOMError) -> None:
            if asked_in == self._round:
                self._asked, self.failure = False, error
                self._ask_changed()

        self._context.ask("rows", take, fail, series=series, studies=studies)
