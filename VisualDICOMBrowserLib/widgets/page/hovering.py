"""The slices under the mouse: asks for the strip of a series once the mouse has stayed on it. Main thread only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.page.pictures import Strips

__all__ = ["SliceHover"]

_STRIP_SIDE = 200
_STRIP_AFTER_MS = 120


class SliceHover:
    """Strips of the series that the mouse has been on.

    Parameters
    ----------
    context : BrowserContext
    parent : QWidget
    """

    def __init__(self, context: BrowserContext, parent: Any) -> None:
        self._context = context
        self._asked: Any = None
        self.strips = Strips()
        self._timer = qt.QTimer(parent)
        self._timer.interval = _STRIP_AFTER_MS
        self._timer.timeout.connect(lambda *_args: self._ask())

    def hovered(self, series: Any) -> None:
        """The mouse is on a series; of a remote one nothing is asked."""
        if series.local and not self.strips.known(series.SeriesInstanceUID):
            if self._asked is not series:
                self._asked = series
                self._timer.start()
        else:
            self._asked = None
            self._timer.stop()

    def index_at(self, series: Any, share: float) -> int | None:
        """Number from 0 of the slice that is shown at a share of the picture's width; None without a strip."""
        return self.strips.index_at(series.SeriesInstanceUID, share)

    def note(self, event: Mapping[str, Any]) -> None:
        """Take a strip that a ``strip_ready`` event tells of."""
        self.strips.note(event)

    def _ask(self) -> None:
        self._timer.stop()
        series, self._asked = self._asked, None
        if series is not None:
            self._context.ask("ask_strip", None, lambda _error: None, series=series.SeriesInstanceUID, side=_STRIP_SIDE)
