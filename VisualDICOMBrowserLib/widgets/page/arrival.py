"""The strip at the foot of a picture that shows which slices have come, each at its place. Main thread only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.look.tokens import DARK

__all__ = ["Arrivals", "arrived_shares", "paint_arrival"]

_TRACK, _GAP = (60, 64, 70, 230), (0, 0, 0, 120)
_STRIP, _TICK = 7, 3

Shares = tuple[tuple[float, float], ...]


def arrived_shares(count: int, ranges: Iterable[Iterable[int]], total: int) -> Shares | None:
    """Where on a strip the slices lie that have come, as shares of its width; None where their numbers do not tell.

    Numbers that repeat, or that do not run from 0 or 1 to `total`, tell no place.
    """
    runs = [(first, last) for first, last in ranges]
    if not runs or total < 1 or sum(last - first + 1 for first, last in runs) < count:
        return None
    start = 0 if runs[0][0] == 0 else 1
    if runs[0][0] < start or runs[-1][1] > start + total - 1:
        return None
    return tuple(((first - start) / total, (last - start + 1) / total) for first, last in runs)


class Arrivals:
    """What ``slices_arrived`` events told, by series."""

    def __init__(self) -> None:
        self._told: dict[str, Mapping[str, Any]] = {}

    def note(self, event: Mapping[str, Any]) -> list[str]:
        """Take an event; the series that it tells of."""
        self._told.update(event["series"])
        return list(event["series"])

    def keep(self, series_uids: set[str]) -> None:
        """Forget all other series."""
        self._told = {uid: told for uid, told in self._told.items() if uid in series_uids}

    def count(self, series_uid: str) -> int:
        """How many slices have come, as far as it was told."""
        return int(self._told.get(series_uid, {}).get("count") or 0)

    def shares(self, series_uid: str, total: int) -> Shares | None:
        """As `arrived_shares`, None too where nothing was told."""
        told = self._told.get(series_uid)
        return None if told is None else arrived_shares(int(told["count"]), told["ranges"], total)


def paint_arrival(painter: Any, px: Any, picture: Any, share: float, ticks: int, shares: Shares | None) -> None:
    """One tick for each slice at its place, as long as they can be told apart; else it fills from the left."""
    strip = qt.QRect(picture.x(), picture.bottom() - px(_STRIP) + 1, picture.width(), px(_STRIP))
    painter.fillRect(strip, qt.QColor(*_TRACK))
    blue = qt.QColor(DARK["accent"])
    for begin, end in ((0.0, share),) if shares is None else shares:
        left = strip.x() + round(begin * strip.width())
        right = strip.x() + round(end * strip.width())
        if right > left or end > begin:
            painter.fillRect(qt.QRect(left, strip.y(), max(1, right - left), strip.height()), blue)
    if 1 < ticks <= strip.width() // px(_TICK):
        painter.setPen(qt.QColor(*_GAP))
        for tick in range(1, ticks):
            x = strip.x() + round(tick * strip.width() / ticks)
            painter.drawLine(x, strip.y(), x, strip.bottom())
