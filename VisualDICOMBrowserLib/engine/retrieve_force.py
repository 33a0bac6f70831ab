"""The store of a forced retrieve: which series came whole, and what becomes of what is here.

Until then everything lies aside (`database.replacing`). One object per job; used by the sink's thread, then by the
job's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.database.records import AddOutcome
from VisualDICOMBrowserLib.database.replacing import SeriesReplacement
from VisualDICOMBrowserLib.database.storing import InstanceStore
from VisualDICOMBrowserLib.engine.retrieve_plan import RetrievePlan
from VisualDICOMBrowserLib.engine.retrieve_run import Asked
from VisualDICOMBrowserLib.model import JobControl, ReceivedFile

__all__ = ["ForcedSeries"]


class ForcedSeries:
    """Holds what comes, and lets whole series replace what is here.

    Attributes
    ----------
    counts : Counter
        Instances ``replaced``, ``imported`` and ``rejected``.
    series : set of str
        Series that have new files.
    """

    def __init__(self, store: InstanceStore, control: JobControl) -> None:
        self._replacement = SeriesReplacement(store)
        self._control = control
        self._kept: dict[str, int] = {}
        self._not_whole: list[str] = []
        self.counts: Counter[str] = Counter()
        self.series: set[str] = set()

    def new_part(self) -> Path:
        """Path of a fresh ``.part`` file; not yet created."""
        return self._replacement.new_part()

    def discard(self, path: Path) -> None:
        """Remove a part file that will not be completed."""
        self._replacement.discard(path)

    def accept(self, files: Sequence[ReceivedFile]) -> list[AddOutcome]:
        """Hold whole files until `settle`."""
        return self._replacement.accept(files)

    def settle(self, asked: Sequence[Asked], plan: RetrievePlan, here: Mapping[str, Set[str]]) -> list[AddOutcome]:
        """Replace the series that came whole, and those of which nothing is here to lose; drop the others.

        `here` are the instances that were here at the start, by series.

        Raises
        ------
        StorageFault, DatabaseFault
            The new files could not be put in place; see `Replacer.replace`.
        """
        whole: list[str] = []
        not_whole: list[str] = []
        for series in self._replacement.series:
            endangered = here.get(series)
            (whole if not endangered or _is_whole(series, asked, plan) else not_whole).append(series)
        for series in whole:
            kept = len(set(here.get(series, ())) - self._replacement.instances(series))
            if kept:
                self._kept[series] = kept
                what = "1 image" if kept == 1 else f"{kept} images"
                self._control.log(f"{what} of series {series} did not come again; the copies here stay.")
        for series in not_whole:
            self._control.log(f"Series {series} did not come whole; what was here of it stays.")
        self._not_whole = not_whole
        try:
            outcomes = self._replacement.commit(whole)
        finally:
            self._replacement.drop()
        self.counts.update(outcome.status for outcome in outcomes)
        self.series.update(item.SeriesInstanceUID for item in outcomes if item.status in ("replaced", "imported"))
        return outcomes

    def report(self) -> dict[str, Any]:
        """Further fields of the job's result.

        ``replaced`` instances, ``kept`` instances that are here and did not come again, by series, and the series
        that are ``not_whole``, of which nothing was changed.
        """
        return {"replaced": self.counts["replaced"], "kept": self._kept, "not_whole": self._not_whole}


def _is_whole(series: str, asked: Sequence[Asked], plan: RetrievePlan) -> bool:
    """Whether every instance of a series came that a source listed or announced."""
    if series not in plan.series or plan.series[series].missing:
        return False
    stored = {uid for request in asked for uid in request.delivery.stored_series}
    for request in asked:
        for piece in request.pieces:
            if piece.series != series:
                continue
            if any(uid not in stored for uid in piece.uids):
                return False
            if not piece.uids and not _came_whole(request, series, piece.expected):
                return False
    return True


def _came_whole(request: Asked, series: str, expected: int | None) -> bool:
    if request.error is not None or request.result is None or request.result.failed_count:
        return False
    return Counter(request.delivery.stored_series.values())[series] >= (expected or 1)
