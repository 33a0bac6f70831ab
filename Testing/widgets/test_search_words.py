"""What chips and fields of the search bar say, and how dates are halved; no widgets."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from VisualDICOMBrowserLib.engine.date_split import Span, halves
from VisualDICOMBrowserLib.widgets.catalogue.filters import Filters
from VisualDICOMBrowserLib.widgets.search.bar_texts import modality_text, servers_text
from VisualDICOMBrowserLib.widgets.search.chip_states import chip_of, local_chip, merged_chips
from VisualDICOMBrowserLib.widgets.search.filter_words import (
    date_text,
    filter_words,
    with_last,
    with_preset,
    with_range,
)
from VisualDICOMBrowserLib.widgets.search.saved_filters import SavedFilters, filters_from, filters_to
from VisualDICOMBrowserLib.widgets.view_settings import MemoryViewSettings

TODAY = datetime.date(2026, 8, 20)
REFUSED = {"code": "refused", "message": "Old PACS: nothing listens on port 104.", "next_step": "Test it."}


@pytest.mark.parametrize(
    ("state", "words", "tone", "actions"),
    [
        ({"state": "not_asked"}, "not asked", "off", []),
        ({"state": "running", "since": 94.0}, "asking, 6 s", "ask", ["stop"]),
        ({"state": "running", "since": 94.0, "count": 7}, "7 studies so far, 6 s", "ask", ["stop"]),
        ({"state": "done", "count": 3, "seconds": 0.42}, "3 studies · 0.4 s", "ok", []),
        ({"state": "done", "count": 1, "seconds": 12.3}, "1 study · 12 s", "ok", []),
        ({"state": "done", "count": 0, "seconds": 0.1}, "nothing found · 0.1 s", "plain", []),
        (
            {"state": "done", "count": 500, "limit_reached": True},
            "first 500 studies, more exist",
            "warn",
            ["narrow", "next"],
        ),
        ({"state": "done", "count": 2, "warnings": ["Asked without it."]}, "2 studies", "warn", ["why"]),
        ({"state": "waiting", "next_try": 1038.0}, "next try in 0:38", "warn", ["retry", "stop"]),
        ({"state": "failed", "error": REFUSED}, "connection refused", "error", ["retry", "why"]),
        ({"state": "failed", "error": {"message": "Old PACS: odd."}}, "odd", "error", ["retry", "why"]),
        ({"state": "cancelled", "count": 2}, "stopped, 2 studies", "plain", ["retry"]),
    ],
)
def test_a_chip_says_what_became_of_its_server(state: dict[str, Any], words: str, tone: str, actions: list[str]):
    chip = chip_of("Old PACS", state, 100.0, clock=1000.0)
    assert (chip.words, chip.tone, [name for name, _text in chip.actions]) == (words, tone, actions)


def test_a_chip_tells_that_the_fields_have_changed():
    assert chip_of("A", {"state": "done", "count": 1}, 0.0, earlier=True).words == "1 study, for earlier filters"
    assert chip_of("A", {"state": "not_asked"}, 0.0, earlier=True).words == "not asked"


def test_the_hint_of_a_chip_names_keys_time_and_advice():
    state = {"state": "failed", "error": REFUSED, "query": {"PatientID": "42", "Modalities": ["MR"]}, "seconds": 2.0}
    hint = chip_of("Old PACS", state, 0.0).hint
    assert "PatientID: 42, Modalities: MR" in hint
    assert "Took 2.0 s." in hint
    assert "nothing listens on port 104" in hint
    assert "Test it." in hint


def test_the_local_chip_counts():
    assert local_chip(1, 412).words == "1 of 412 patients"
    assert local_chip(412, 412).words == "412 patients"
    assert local_chip(1, 412, short=True).spoken == "Local, 1"


def test_chips_are_merged_where_there_is_little_room():
    states = {
        "A": {"state": "done", "count": 3},
        "B": {"state": "done", "count": 2},
        "C": {"state": "failed", "error": REFUSED},
        "D": {"state": "not_asked"},
        "E": {"state": "not_asked"},
    }
    chips = [chip_of(name, state, 0.0) for name, state in states.items()]
    counts = {"A": 3, "B": 2}
    wide = merged_chips(chips, narrow=False, counts=counts)
    assert [chip.spoken for chip in wide][-1] == "2 more, not asked"
    assert len(wide) == 4
    narrow = merged_chips(chips, narrow=True, counts=counts)
    assert [(chip.name, chip.words, chip.servers) for chip in narrow] == [
        ("2 servers", "5", ("A", "B")),
        ("", "1 failed", ("C",)),
    ]


@pytest.mark.parametrize(
    ("span", "oldest", "expected"),
    [
        (Span("20260101", "20260103"), "", [Span("20260103", "20260103"), Span("20260101", "20260102")]),
        (Span("20260101", "20260102"), "", [Span("20260102", "20260102"), Span("20260101", "20260101")]),
        (Span("20260101", "20260101"), "", [Span("20260101", "20260101")]),
        (Span("20260819", ""), "", [Span("20260820", ""), Span("20260819", "20260819")]),
        (Span("", ""), "20260810", [Span("20260816", ""), Span("", "20260815")]),
        (Span("", "20260101"), "20260101", [Span("20260101", "20260101"), Span("", "20251231")]),
        (Span("", "20260101"), "20260105", [Span("", "20260101")]),
        (Span("20260820", ""), "", [Span("20260821", ""), Span("20260820", "20260820")]),
    ],
)
def test_halves_cover_a_span_without_overlap(span: Span, oldest: str, expected: list[Span]):
    assert halves(span, oldest, TODAY) == expected


def test_dates_read_well():
    none = Filters()
    assert date_text(none) == "Any date"
    assert date_text(with_last(none, 7, "days")) == "Last 7 days"
    assert date_text(with_last(none, 14, "days")) == "Last 14 days"
    assert date_text(with_last(none, 2, "months")) == "Last 2 months"
    assert date_text(with_range(none, "20260101", "20260131")) == "2026-01-01 to 2026-01-31"
    assert date_text(with_range(none, "20260101", "")) == "Since 2026-01-01"
    assert with_range(with_preset(none, "today"), "", "") == none


def test_filters_in_one_line():
    filters = with_preset(Filters(PatientName="demo", Modalities=("MR", "CT", "SR")), "today")
    assert filter_words(filters) == "Name: demo, Modality: MR, CT, +1, Study date: Today"


def test_short_texts_of_fields():
    assert modality_text(()) == "All"
    assert modality_text(("MR", "CT", *"ABCDEF")) == "MR, CT, +6"
    assert servers_text([], 0) == "No server yet"
    assert servers_text(["A"], 3) == "A"
    assert servers_text(["A", "B"], 3) == "2 of 3 servers"
    assert servers_text(["A", "B"], 2) == "All 2 servers"


def test_filters_survive_being_kept():
    filters = with_range(Filters(PatientID="42", Modalities=("MR",)), "20260101", "20260131")
    assert filters_from(filters_to(filters)) == filters
    assert filters_from({"PatientID": "42", "Gone": 1}) == Filters(PatientID="42")


def test_saved_filters_lock_and_last_queries():
    settings = MemoryViewSettings()
    saved = SavedFilters(settings)
    mr = Filters(Modalities=("MR",))
    saved.keep("Today's MR", mr)
    saved.at_start = "Today's MR"
    assert SavedFilters(settings).first() == mr
    saved.lock(Filters(PatientID="42"))
    assert SavedFilters(settings).first() == Filters(PatientID="42")
    saved.lock(None)
    saved.forget("Today's MR")
    assert SavedFilters(settings).first() == Filters()
    for number in range(12):
        saved.asked(Filters(PatientID=str(number)))
    saved.asked(Filters(PatientID="10"))
    saved.asked(Filters())
    assert [filters.PatientID for filters in saved.last()] == ["10", "11", "9", "8", "7", "6", "5", "4"]
