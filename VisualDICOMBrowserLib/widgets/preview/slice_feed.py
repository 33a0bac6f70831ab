"""Slices of one series, asked for one at a time: while one is made only the newest wish waits. Main thread only.

So the picture follows the mouse as fast as the engine can, and nothing is made that nobody will see.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any

from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.widgets.context import BrowserContext

__all__ = ["SliceFeed"]

_PATIENCE_S = 3.0
"""A wish goes out after this time even if the one before it was never answered."""

_numbers = itertools.count(1)


class SliceFeed:
    """Asks for slices and tells what came.

    Parameters
    ----------
    context : BrowserContext
    on_picture : Callable[[Mapping[str, Any]], None]
        Gets the fields of ``picture_ready`` (see ``engine.view_pictures``); without a ``path`` it has a ``reason``.
    on_event : Callable[[Mapping[str, Any]], None], optional
        Gets all other events.
    """

    def __init__(
        self,
        context: BrowserContext,
        on_picture: Callable[[Mapping[str, Any]], None],
        on_event: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        self._context = context
        self._on_picture = on_picture
        self._on_event = on_event
        self._series = ""
        self._request = ""
        self._asked: float | None = None
        self._next: dict[str, Any] | None = None
        self._unsubscribe: Callable[[], None] | None = None

    @property
    def busy(self) -> bool:
        """Whether an answer is waited for."""
        return self._asked is not None

    def begin(self, series: str) -> None:
        """Go over to a series: what is still made of another one is not told."""
        self._series = series
        self._request = f"slice-{next(_numbers)}"
        self._asked = self._next = None
        if self._unsubscribe is None:
            self._unsubscribe = self._context.client.subscribe(self._on_any_event)

    def ask(self, **wish: Any) -> None:
        """Ask for ``index``, ``center``, ``width``, ``side``: as the command ``ask_slice`` takes them."""
        if self._asked is not None and time.monotonic() - self._asked < _PATIENCE_S:
            self._next = wish
            return
        self._next = None
        self._asked = time.monotonic()
        request = self._request

        def failed(error: VisualDICOMError) -> None:
            self._take({"request": request, "path": "", "reason": str(error)})

        self._context.ask("ask_slice", None, failed, request=request, series=self._series, **wish)

    def close(self) -> None:
        """Ask and tell nothing more."""
        self._request = ""
        self._asked = self._next = None
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def _on_any_event(self, event: Mapping[str, Any]) -> None:
        if event["event"] == "picture_ready":
            self._take(event)
        elif self._on_event is not None:
            self._on_event(event)

    def _take(self, answer: Mapping[str, Any]) -> None:
        if not self._request or answer["request"] != self._request:
            return
        self._asked = None
        following = self._next
        if following is not None:
            self.ask(**following)
        self._on_picture(answer)
