"""Spans of study dates, and how to halve them for a server that gives only so many answers at once.

Pure functions, standard library only.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

__all__ = ["Span", "halves"]

_EARLIEST = datetime.date(1970, 1, 1)


@dataclass(frozen=True)
class Span:
    """Dates ``YYYYMMDD``, both included; empty for no bound."""

    first: str = ""
    last: str = ""


def halves(span: Span, oldest: str = "", today: datetime.date | None = None) -> list[Span]:
    """The two halves of a span; where it has no bound, the outer half keeps none.

    Parameters
    ----------
    oldest : str
        The oldest date that the server has named, from which a span without a beginning is halved.

    Returns
    -------
    list of Span
        One span, the same, if it is a single day.
    """
    today = today or datetime.date.today()
    last = _day(span.last) or today
    first = _day(span.first) or min(_day(oldest) or _EARLIEST, last)
    if first >= last:
        if not span.first and span.last:
            # All that was named is of the last day; what was not may be older. If nothing named is dated, who knows.
            only_last_day = _day(oldest) == last
            return [Span(span.last, span.last), Span("", _before(last))] if only_last_day else [span]
        return [span] if span.first == span.last else [Span(_after(last), span.last), Span(span.first, _text(last))]
    middle = first + (last - first) // 2
    return [Span(_after(middle), span.last), Span(span.first, _text(middle))]


def _day(text: str) -> datetime.date | None:
    try:
        return datetime.date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return None


def _text(day: datetime.date) -> str:
    return day.isoformat().replace("-", "")


def _before(day: datetime.date) -> str:
    return _text(day - datetime.timedelta(days=1))


def _after(day: datetime.date) -> str:
    return _text(day + datetime.timedelta(days=1))
