"""Which slices of a series have come while it is being fetched, so that a window can show each at its place.

Only series that a retrieve has begun are kept in mind, as long as it runs. Safe from any thread.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from VisualDICOMBrowserLib.database.records import AddOutcome

__all__ = ["ArrivedSlices", "ranges_of"]

Numbers = Mapping[str, int | None]
"""InstanceNumber by SOP Instance UID, None where an instance has none."""

_MOST_RANGES = 512
_MOST_SERIES = 50
_HERE = frozenset({"imported", "unchanged", "replaced", "held"})


def ranges_of(numbers: Iterable[int], most: int = _MOST_RANGES) -> list[list[int]]:
    """Numbers as first and last of each run without a gap; of more than `most` runs the smallest gaps are closed."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    if len(runs) <= most:
        return runs
    gaps = sorted(range(1, len(runs)), key=lambda place: runs[place][0] - runs[place - 1][1])
    closed = set(gaps[: len(runs) - most])
    merged: list[list[int]] = []
    for place, run in enumerate(runs):
        if place in closed:
            merged[-1][1] = run[1]
        else:
            merged.append(run)
    return merged


class ArrivedSlices:
    """Keeps in mind what came of the series that are being fetched.

    Parameters
    ----------
    wake : Callable[[], None]
        Called without a lock when there is something to take.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._here: dict[str, dict[str, int | None]] = {}
        self._retrieves: Counter[str] = Counter()
        self._changed: dict[str, None] = {}

    def begin(self, series: Mapping[str, Numbers]) -> None:
        """Keep series in mind, with what is here of each, until `end`."""
        with self._lock:
            for uid, numbers in series.items():
                self._retrieves[uid] += 1
                self._here.setdefault(uid, {}).update(numbers)
                self._changed[uid] = None
        self._wake()

    def add(self, outcomes: Sequence[AddOutcome]) -> None:
        """Note what came; what no retrieve waits for is passed over."""
        changed = False
        with self._lock:
            for outcome in outcomes:
                here = self._here.get(outcome.SeriesInstanceUID)
                if here is None or outcome.status not in _HERE:
                    continue
                known = here.get(outcome.SOPInstanceUID)
                here[outcome.SOPInstanceUID] = known if outcome.number is None else outcome.number
                self._changed[outcome.SeriesInstanceUID] = None
                changed = True
        if changed:
            self._wake()

    def end(self, series: Iterable[str]) -> None:
        """A retrieve of series has ended."""
        with self._lock:
            for uid in series:
                self._retrieves[uid] -= 1
                if self._retrieves[uid] <= 0:
                    del self._retrieves[uid]
                    self._here.pop(uid, None)
                    self._changed.pop(uid, None)

    @property
    def waiting(self) -> bool:
        """Whether there is something to take."""
        return bool(self._changed)

    def take(self) -> dict[str, dict[str, Any]]:
        """What has changed since the last time, of some series: ``count`` of instances, ``ranges`` of their numbers."""
        with self._lock:
            chosen = list(self._changed)[:_MOST_SERIES]
            for uid in chosen:
                del self._changed[uid]
            found = {uid: list(self._here[uid].values()) for uid in chosen}
        return {
            uid: {"count": len(numbers), "ranges": ranges_of(number for number in numbers if number is not None)}
            for uid, numbers in found.items()
        }
