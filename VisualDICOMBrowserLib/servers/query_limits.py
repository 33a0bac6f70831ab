"""What a server's settings make of a query: its fixed or moving date filter and its limits.

Pure functions; any thread. Asked again of its own result, `effective_query` changes nothing more.
"""

from __future__ import annotations

import calendar
import datetime
from dataclasses import replace

from VisualDICOMBrowserLib.model import Level, Query
from VisualDICOMBrowserLib.servers.config import ServerConfig

__all__ = ["effective_query", "is_search", "recent_since"]

_SEARCHED = ("PatientID", "PatientName", "StudyDescription", "SeriesDescription", "AccessionNumber", "Modalities")


def effective_query(config: ServerConfig, query: Query, today: datetime.date) -> Query:
    """`query` within the dates and limits of the server's settings.

    A query that names a study, series or instance is left as it is: its answer is known to be wanted. The limits
    hold for patients and studies: ``search_limit`` if the query has filters, else ``query_limit``.

    Parameters
    ----------
    config : ServerConfig
        The server; ``date_from``, ``date_to``, ``recent_count``, ``recent_unit``, ``query_limit``, ``search_limit``.
    query : Query
        What the user asks for.
    today : datetime.date
        The day from which recent days, months and years are counted back.

    Returns
    -------
    Query
        Its dates are the narrower ones of both; they may exclude each other, then nothing matches.
    """
    if query.StudyInstanceUID or query.SeriesInstanceUID or query.SOPInstanceUID:
        return query
    first, last = _dates_of(config, today)
    limit = query.limit
    if query.level in (Level.PATIENT, Level.STUDY):
        most = config.search_limit if is_search(config, query, today) else config.query_limit
        limit = min([number for number in (limit, most) if number], default=0)
    return replace(
        query,
        date_from=max(query.date_from, first),
        date_to=min((day for day in (query.date_to, last) if day), default=""),
        limit=limit,
    )


def is_search(config: ServerConfig, query: Query, today: datetime.date) -> bool:
    """Whether a query looks for something, and does not just list what the server's settings show.

    A date that the settings set anyway does not make a search of a plain list.
    """
    first, last = _dates_of(config, today)
    filters = (*_SEARCHED, "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    return (
        any(getattr(query, name) for name in filters)
        or query.date_from not in ("", first)
        or query.date_to not in ("", last)
    )


def recent_since(count: int, unit: str, today: datetime.date) -> datetime.date:
    """First day of the last `count` ``days``, ``months`` or ``years``, `today` included.

    The same day of an earlier month, or its last day where it has no such day; one day is today alone.
    """
    if unit == "days":
        return today - datetime.timedelta(days=min(count - 1, today.toordinal() - 1))
    months = today.year * 12 + today.month - 1 - count * (12 if unit == "years" else 1)
    year, month = divmod(max(months, 12), 12)
    return datetime.date(year, month + 1, min(today.day, calendar.monthrange(year, month + 1)[1]))


def _dates_of(config: ServerConfig, today: datetime.date) -> tuple[str, str]:
    first = config.date_from
    if config.recent_count:
        since = recent_since(config.recent_count, config.recent_unit, today)
        # Not strftime, which writes years before 1000 with fewer digits on some systems.
        first = max(first, since.isoformat().replace("-", ""))
    return first, config.date_to
