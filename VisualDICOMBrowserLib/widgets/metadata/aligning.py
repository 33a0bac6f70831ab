"""Which slice of one series goes with a slice of another. Pure, standard library only."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["aligned_index"]


def aligned_index(index: int, ours: Sequence[float | None], theirs: Sequence[float | None]) -> int:
    """The slice of `theirs` nearest to slice `index` of `ours`.

    By their places along the normal where all of both have different ones, and reach over a common range; else at
    the same share of the series.

    Parameters
    ----------
    index : int
    ours, theirs : sequence of float or None
        Place of each slice in mm.
    """
    if not ours or not theirs:
        return 0
    if _in_space(ours) and _in_space(theirs) and _overlap(ours, theirs):
        place = ours[index] or 0.0
        return min(range(len(theirs)), key=lambda number: abs((theirs[number] or 0.0) - place))
    if len(ours) < 2:
        return len(theirs) // 2
    return round(index * (len(theirs) - 1) / (len(ours) - 1))


def _in_space(places: Sequence[float | None]) -> bool:
    return None not in places and len(set(places)) == len(places)


def _overlap(ours: Sequence[float | None], theirs: Sequence[float | None]) -> bool:
    a, b = [each or 0.0 for each in ours], [each or 0.0 for each in theirs]
    return max(min(a), min(b)) <= min(max(a), max(b))
