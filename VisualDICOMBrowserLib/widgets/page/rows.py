"""The rows of a patient page in their order: headers of studies, cards, compact rows. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from VisualDICOMBrowserLib.widgets.page.states import is_compact
from VisualDICOMBrowserLib.widgets.page.words import title_of

__all__ = ["ORDERS", "PageRow", "order_series", "page_rows", "usually_open"]

ORDERS = ("number", "time", "modality", "description")
_OPEN_AT_FIRST = 2


@dataclass(frozen=True, slots=True)
class PageRow:
    """One row of the list: ``header``, ``card``, ``compact``, or ``break``, which only ends a line."""

    kind: str
    study: Any
    series: Any = None

    @property
    def key(self) -> str:
        """What stays the same when the list is made anew."""
        uid = self.study.StudyInstanceUID if self.series is None else self.series.SeriesInstanceUID
        return f"{self.kind}:{uid}"


def order_series(series: Iterable[Any], order: str) -> list[Any]:
    """Series sorted by number, time, modality (then number) or description."""

    def number(each: Any) -> tuple[bool, int, str]:
        return each.SeriesNumber is None, int(each.SeriesNumber or 0), title_of(each).casefold()

    keys: dict[str, Callable[[Any], Any]] = {
        "number": number,
        "time": lambda each: (str(each.SeriesDate or ""), str(each.SeriesTime or ""), number(each)),
        "modality": lambda each: (str(each.Modality), number(each)),
        "description": lambda each: (title_of(each).casefold(), number(each)),
    }
    return sorted(series, key=keys.get(order, number))


def page_rows(
    studies: Sequence[Any],
    series_by_study: Mapping[str, Sequence[Any]],
    is_open: Callable[[Any], bool],
    order: str,
    compact: Callable[[Any], bool] = is_compact,
) -> list[PageRow]:
    """All rows: after the header of an open study its cards, then on a new line what has no picture."""
    rows: list[PageRow] = []
    for study in studies:
        rows.append(PageRow("header", study))
        if not is_open(study):
            continue
        ordered = order_series(series_by_study.get(study.StudyInstanceUID, ()), order)
        cards = [PageRow("card", study, each) for each in ordered if not compact(each)]
        small = [PageRow("compact", study, each) for each in ordered if compact(each)]
        rows += cards
        if cards and small:
            rows.append(PageRow("break", study))
        rows += small
    return rows


def usually_open(studies: Sequence[Any]) -> set[str]:
    """Studies, newest first, that stand open at first: the two newest, and priors with a modality of the newest."""
    opened = {each.StudyInstanceUID for each in studies[:_OPEN_AT_FIRST]}
    if studies:
        wanted = set(studies[0].ModalitiesInStudy or ()) - {"SR", "PR", "KO", "SEG", "DOC"}
        opened |= {each.StudyInstanceUID for each in studies[1:] if wanted & set(each.ModalitiesInStudy or ())}
    return opened
