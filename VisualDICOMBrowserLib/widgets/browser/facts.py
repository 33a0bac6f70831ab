"""What the engine finds out about the series that are shown, as marks on their cards. Main thread only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.browser.marking import marks_of
from VisualDICOMBrowserLib.widgets.page.states import OVERLAYS, Marks, is_whole

__all__ = ["SeriesFacts"]

_SHOW_MS, _ASK_MS = 100, 20
# A series that still grows is examined when nothing has come for so long.
_GROWING_MS = 1000
_MOST_KEPT = 20_000


class SeriesFacts:
    """Asks about the series of the patient that is shown, and marks their cards.

    Parameters
    ----------
    browser : Browser
    """

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._context = browser.context
        self._shown: list[Any] = []
        self._facts: dict[str, Mapping[str, Any]] = {}
        self._asked: dict[str, int] = {}
        self._here: set[str] = set()
        self._marks: dict[str, Marks] = {}
        self._show_timer = self._timer(self.refresh)
        self._ask_timer = self._timer(self._ask)

    def _timer(self, function: Any) -> Any:
        timer = qt.QTimer(self._browser)

        def fire(*_arguments: Any) -> None:
            timer.stop()
            function()

        timer.timeout.connect(fire)
        return timer

    def show(self, studies: Sequence[Any], series: Mapping[str, Sequence[Any]]) -> None:
        """Take what is shown: studies, newest first, and their series by StudyInstanceUID; ask what is not known."""
        model = self._browser.page.view.model()
        in_view_first = sorted(studies, key=lambda study: not model.is_open(study))
        self._shown = [each for study in in_view_first for each in series.get(study.StudyInstanceUID, ())]
        here = {each.SeriesInstanceUID for each in self._shown if each.local}
        if here != self._here:
            self._here = here
            # What led nowhere may lead to something that has come since.
            for each in self._shown:
                if each.Modality in OVERLAYS and not self._fact(each, "refers_to"):
                    self._asked.pop(each.SeriesInstanceUID, None)
        wanted = list(self._wanted())
        if wanted:
            growing = any(each.SeriesInstanceUID in self._asked for each in wanted)
            self._ask_timer.start(_GROWING_MS if growing else _ASK_MS)
        self.refresh()

    def note(self, event: Mapping[str, Any]) -> None:
        """Take what a ``series_facts`` event tells."""
        while len(self._facts) >= _MOST_KEPT:
            del self._facts[next(iter(self._facts))]
        self._facts[str(event["series"])] = event
        if not self._show_timer.active:
            self._show_timer.start(_SHOW_MS)

    def begin_anew(self) -> None:
        """The engine was started again: what it was asked before may never be answered."""
        self._asked.clear()
        self._ask_timer.start(_ASK_MS)

    def refresh(self) -> None:
        """Mark the cards anew if there is anything new to say."""
        host, waiting = self._context.host, self._browser.acts.loads_when_complete
        marks = marks_of(self._shown, self._facts, waiting, host.has_extension)
        if marks != self._marks:
            self._marks = marks
            self._browser.page.set_marks(marks)

    def needs(self, series: Any) -> str:
        """The extension that a series needs, empty if it needs none."""
        return self._marks.get(series.SeriesInstanceUID, Marks()).needs

    def close(self) -> None:
        """Ask and mark no more."""
        self._show_timer.stop()
        self._ask_timer.stop()

    def _fact(self, series: Any, name: str) -> Any:
        return self._facts.get(series.SeriesInstanceUID, {}).get(name)

    def _wanted(self) -> Iterator[Any]:
        """Of a part of a series it would be told that slices are missing: only whole ones are asked about."""
        return (
            each for each in self._shown if is_whole(each) and self._asked.get(each.SeriesInstanceUID) != each.local
        )

    def _ask(self) -> None:
        wanted = list(self._wanted())
        self._asked.update((each.SeriesInstanceUID, each.local) for each in wanted)
        if wanted:
            uids = [each.SeriesInstanceUID for each in wanted]
            self._context.ask("series_facts", None, lambda _error: None, series=uids)
