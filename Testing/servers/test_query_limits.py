"""What the settings of a server make of a query: dates, recent days, months and years, limits."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from VisualDICOMBrowserLib.model import Level, Query
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.query_limits import effective_query, recent_since

TODAY = datetime.date(2026, 3, 31)


def config(**fields: Any) -> ServerConfig:
    return ServerConfig(name="PACS", host="h", called_ae_title="PACS", **fields)


def dates(query: Query, **fields: Any) -> tuple[str, str]:
    found = effective_query(config(**fields), query, TODAY)
    return found.date_from, found.date_to


def test_without_settings_a_query_stays_as_it_is() -> None:
    for query in (Query(), Query(level=Level.PATIENT, PatientName="x", date_from="20200101", limit=5)):
        assert effective_query(config(), query, TODAY) == query


@pytest.mark.parametrize(
    ("count", "unit", "first"),
    [
        (1, "days", "2026-03-31"),
        (7, "days", "2026-03-25"),
        (1, "months", "2026-02-28"),
        (4, "months", "2025-11-30"),
        (3, "months", "2025-12-31"),
        (27, "months", "2023-12-31"),
        (1, "years", "2025-03-31"),
        (100_000, "days", "1752-06-16"),
        (100_000, "months", "0001-01-31"),
        (100_000, "years", "0001-01-31"),
    ],
)
def test_recent_days_months_and_years(count: int, unit: str, first: str) -> None:
    """As a calendar counts: a month before the 31st is the last day of a shorter month."""
    assert recent_since(count, unit, TODAY).isoformat() == first


def test_a_leap_day_a_year_ago() -> None:
    assert recent_since(1, "years", datetime.date(2024, 2, 29)) == datetime.date(2023, 2, 28)
    assert recent_since(4, "years", datetime.date(2024, 2, 29)) == datetime.date(2020, 2, 29)


@given(
    st.integers(1, 100_000),
    st.sampled_from(("days", "months", "years")),
    st.dates(datetime.date(1, 1, 1), datetime.date(9999, 12, 31)),
)
def test_recent_is_never_later_and_never_fails(count: int, unit: str, today: datetime.date) -> None:
    assert recent_since(count, unit, today) <= max(today, datetime.date(1, 1, 31))


def test_the_narrower_dates_count() -> None:
    fixed = {"date_from": "20240101", "date_to": "20241231"}
    assert dates(Query(), **fixed) == ("20240101", "20241231")
    assert dates(Query(date_from="20230101", date_to="20240301"), **fixed) == ("20240101", "20240301")
    assert dates(Query(date_from="20240201"), **fixed) == ("20240201", "20241231")
    assert dates(Query(), recent_count=2, recent_unit="months", date_from="20200101") == ("20260131", "")


def test_a_known_study_is_not_hidden_by_dates_or_limits() -> None:
    fields = {"date_from": "20240101", "query_limit": 1, "search_limit": 1}
    for query in (Query(StudyInstanceUID="1.2"), Query(level=Level.SERIES, SeriesInstanceUID="1.2")):
        assert effective_query(config(**fields), query, TODAY) == query


@pytest.mark.parametrize(
    ("query", "limit"),
    [
        (Query(), 500),
        (Query(level=Level.PATIENT), 500),
        (Query(PatientName="x"), 50),
        (Query(Modalities=("CT",)), 50),
        (Query(date_from="20260101"), 50),
        (Query(limit=20), 20),
        (Query(PatientName="x", limit=200), 50),
        (Query(level=Level.SERIES, PatientID="x"), 0),
    ],
)
def test_limits_of_lists_and_searches(query: Query, limit: int) -> None:
    assert effective_query(config(query_limit=500, search_limit=50), query, TODAY).limit == limit


@given(
    st.builds(
        Query,
        level=st.sampled_from(Level),
        PatientName=st.sampled_from(("", "x")),
        date_from=st.sampled_from(("", "20200101", "20260330")),
        date_to=st.sampled_from(("", "20260331")),
        limit=st.integers(0, 3),
    ),
    st.sampled_from(({}, {"date_from": "20200101"}, {"recent_count": 3}, {"date_to": "20260331"})),
    st.integers(0, 2),
    st.integers(0, 2),
)
def test_asked_twice_it_changes_nothing_more(query: Query, fields: dict[str, Any], plain: int, search: int) -> None:
    """The engine and the driver may both ask."""
    server = config(query_limit=plain, search_limit=search, **fields)
    once = effective_query(server, query, TODAY)
    assert effective_query(server, once, TODAY) == once
