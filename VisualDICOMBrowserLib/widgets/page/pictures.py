"""Pictures of series and strips of their slices, loaded when they are painted and kept scaled. Main thread only.

A burst of loads is cut short after some milliseconds, so that a page with many pictures appears at once; what is
left is loaded when the event loop has had its turn.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import qt

__all__ = ["Pictures", "Strips"]

_MOST = 600
_BURST_S = 0.025
_MOST_STRIPS = 24


class Pictures:
    """Scaled pictures by path.

    Parameters
    ----------
    parent : QWidget
    on_more : Callable[[], None]
        Called when pictures that were left out can be painted.
    """

    def __init__(self, parent: Any, on_more: Callable[[], None]) -> None:
        self._on_more = on_more
        self._kept: OrderedDict[tuple[str, int], Any] = OrderedDict()
        self._spent = 0.0
        self._timer = qt.QTimer(parent)
        self._timer.timeout.connect(self._go_on)

    def get(self, path: str, side: int, ratio: float = 1.0) -> Any | None:
        """The picture, at most `side` wide and high; None if it comes later or cannot be read."""
        key = (path, side)
        if key in self._kept:
            self._kept.move_to_end(key)
            picture = self._kept[key]
            return None if picture.isNull() else picture
        if self._spent > _BURST_S:
            if not self._timer.active:
                self._timer.start(0)
            return None
        began = time.monotonic()
        picture = _scaled(qt.QPixmap(path), side, ratio)
        self._spent += time.monotonic() - began
        self._kept[key] = picture
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        if not self._timer.active:
            self._timer.start(0)
        return None if picture.isNull() else picture

    def forget(self, path: str) -> None:
        """Read a picture again when it is needed: its file has changed."""
        for key in [key for key in self._kept if key[0] == path]:
            del self._kept[key]

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()

    def _go_on(self) -> None:
        self._timer.stop()
        late = self._spent > _BURST_S
        self._spent = 0.0
        if late:
            self._on_more()


def _scaled(picture: Any, side: int, ratio: float) -> Any:
    if picture.isNull():
        return picture
    size = qt.QSize(round(side * ratio), round(side * ratio))
    scaled = picture.scaled(size, qt.Qt.KeepAspectRatio, qt.Qt.SmoothTransformation)
    scaled.setDevicePixelRatio(ratio)
    return scaled


class Strips:
    """Strips by series, as ``strip_ready`` events brought them."""

    def __init__(self) -> None:
        self._events: dict[str, dict[str, Any]] = {}
        self._pixmaps: OrderedDict[str, Any] = OrderedDict()

    def note(self, event: Mapping[str, Any]) -> None:
        """Take a strip."""
        uid = str(event["series"])
        self._events[uid] = dict(event)
        self._pixmaps.pop(uid, None)

    def known(self, series_uid: str) -> bool:
        """Whether there was an answer for a series, be it that it has no strip."""
        return series_uid in self._events

    def forget(self, series_uid: str) -> None:
        """Ask anew for a series that has changed."""
        self._events.pop(series_uid, None)
        self._pixmaps.pop(series_uid, None)

    def frame(self, series_uid: str, share: float, side: int, ratio: float = 1.0) -> tuple[Any, int, int] | None:
        """The slice at a share of the width: picture, its number from 1, and how many there are."""
        event = self._events.get(series_uid)
        if not event or not event.get("path") or not event.get("indices"):
            return None
        indices = list(event["indices"])
        place = _place(indices, share)
        strip = self._strip(series_uid, str(event["path"]))
        if strip.isNull():
            return None
        width, height = int(event["width"]), int(event["height"])
        cut = strip.copy(place * width, 0, width, height)
        return _scaled(cut, side, ratio), int(indices[place]) + 1, int(event["frames"])

    def index_at(self, series_uid: str, share: float) -> int | None:
        """Number from 0 of the slice at a share of the width; None where there is no strip."""
        event = self._events.get(series_uid)
        if not event or not event.get("path") or not event.get("indices"):
            return None
        indices = list(event["indices"])
        return int(indices[_place(indices, share)])

    def _strip(self, series_uid: str, path: str) -> Any:
        if series_uid not in self._pixmaps:
            self._pixmaps[series_uid] = qt.QPixmap(path)
            while len(self._pixmaps) > _MOST_STRIPS:
                self._pixmaps.popitem(last=False)
        self._pixmaps.move_to_end(series_uid)
        return self._pixmaps[series_uid]


def _place(indices: Sequence[int], share: float) -> int:
    return min(len(indices) - 1, max(0, int(share * len(indices))))
