"""Filters in words, and the dates of a filter. The one place here that knows how `Filters` keeps dates. No Qt."""

from __future__ import annotations

import re
from dataclasses import replace

from VisualDICOMBrowserLib.widgets.catalogue.filters import Filters
from VisualDICOMBrowserLib.widgets.catalogue.filters import date_span as span_of
from VisualDICOMBrowserLib.widgets.language import _, plural
from VisualDICOMBrowserLib.widgets.search.bar_texts import field_title, modality_text, only_texts
from VisualDICOMBrowserLib.widgets.wording import written_date

__all__ = [
    "date_key",
    "date_presets",
    "date_span",
    "date_text",
    "filter_word",
    "filter_words",
    "with_last",
    "with_preset",
    "with_range",
]

_LAST = re.compile(r"last_(\d+)_(days|months|years)")


def date_presets() -> list[tuple[str, str]]:
    """Keys and texts of the presets, the first for any date."""
    return [
        ("", _("Any date")),
        ("today", _("Today")),
        ("yesterday", _("Yesterday")),
        ("last_7_days", _("Last 7 days")),
        ("last_30_days", _("Last 30 days")),
        ("last_3_months", _("Last 3 months")),
        ("last_1_years", _("Last year")),
    ]


def date_key(filters: Filters) -> str:
    """Key of the preset in use, empty for any date; what is no preset has fields of its own."""
    return filters.date


def date_span(filters: Filters) -> tuple[str, str]:
    """First and last day, ``YYYYMMDD``, empty for no bound."""
    return span_of(filters)


def date_text(filters: Filters) -> str:
    """What the field of dates shows."""
    known = dict(date_presets()).get(filters.date)
    if known is not None:
        return known
    recent = _LAST.fullmatch(filters.date)
    if recent is not None:
        number = int(recent.group(1))
        if recent.group(2) == "years":
            return plural(number, "Last year", "Last {count} years")
        if recent.group(2) == "months":
            return plural(number, "Last month", "Last {count} months")
        return plural(number, "Last day", "Last {count} days")
    first, last = (written_date(day) for day in date_span(filters))
    if first and last:
        return first if first == last else _("{first} to {last}").format(first=first, last=last)
    if first:
        return _("Since {date}").format(date=first)
    return _("Until {date}").format(date=last) if last else _("Any date")


def with_preset(filters: Filters, key: str) -> Filters:
    """The same with a preset."""
    return replace(filters.without("date"), date=key)


def with_last(filters: Filters, number: int, unit: str) -> Filters:
    """The same with the last so many ``days``, ``months`` or ``years``."""
    return with_preset(filters, f"last_{number}_{unit}")


def with_range(filters: Filters, first: str, last: str) -> Filters:
    """The same with a range; an empty day is no bound."""
    return replace(with_preset(filters, "range" if first or last else ""), date_from=first, date_to=last)


def filter_word(filters: Filters, name: str) -> str:
    """What one filter says, in short."""
    if name == "Modalities":
        return modality_text(filters.Modalities)
    if name == "date":
        return date_text(filters)
    if name == "only":
        return only_texts().get(filters.only, filters.only)
    return str(getattr(filters, name))


def filter_words(filters: Filters) -> str:
    """All filters in one line."""
    named = (
        _("{title}: {value}").format(title=field_title(name, short=True), value=filter_word(filters, name))
        for name in filters.active()
    )
    return ", ".join(named) or _("No filter")
