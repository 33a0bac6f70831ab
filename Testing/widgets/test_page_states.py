"""What a card says of a series, and the order of rows: pure functions."""

from __future__ import annotations

from typing import Any

import pytest

from Testing.support.page_samples import NOW, PACS, a_patient, a_series, a_study, job
from VisualDICOMBrowserLib.widgets.page.rows import order_series, page_rows, usually_open
from VisualDICOMBrowserLib.widgets.page.states import CardState, Marks, card_state, is_compact
from VisualDICOMBrowserLib.widgets.page.words import dimensions, earlier_text, ordinal, wait_text

REFUSED = {"code": "refused", "message": "Main PACS: nothing listens on port 11112."}
REMOTE: dict[str, Any] = {"local": 0, "frames": 0, "expected": 96, "sources": {PACS: {"instances": 96}}}


def series_of(**fields: Any) -> Any:
    return a_series(a_study(a_patient(), "1.9", "20260819", "MR head"), 4, "FLAIR", thumbnail="x.png", **fields)


def state_of(
    state: str = "", marks: Marks | None = None, loaded: str = "", *, fields: Any = None, **job_fields: Any
) -> CardState:
    series = series_of(**(fields or {}))
    known = job(state, series.SeriesInstanceUID, **job_fields) if state else None
    return card_state(series, known, loaded, marks, NOW)


@pytest.mark.parametrize(
    ("state", "name", "text"),
    [
        (state_of(), "local", "256\u00d7256\u00d744"),
        (state_of(fields=REMOTE), "remote", "Main PACS \u00b7 96 images"),
        (state_of(fields={"local": 114, "expected": 210}), "partly", "114 of 210 local"),
        (state_of("queued", fields=REMOTE, place=2), "queued", "Queued, 2nd"),
        (
            state_of("running", fields=REMOTE, progress_done=61, progress_total=100, speed=22e6),
            "downloading",
            "61 / 100 \u00b7 22 MB/s",
        ),
        (state_of("waiting", fields=REMOTE, next_try=NOW + 38), "retry", "Retry in 0:38"),
        (state_of("paused", fields=REMOTE), "paused", "Paused \u00b7 0 / 96"),
        (state_of("failed", fields=REMOTE, error=REFUSED), "failed", "Refused \u00b7 Retry"),
        (state_of("partly", fields={"local": 114, "expected": 210}), "failed", "96 missing \u00b7 Retry"),
        (state_of(loaded="176 slices"), "scene", "In scene \u00b7 176 slices"),
        (state_of(fields={"new": 12}), "local", "12 new images"),
        (state_of(marks=Marks(warning="Uneven spacing"), loaded="9 slices"), "warning", "Uneven spacing"),
        (state_of(marks=Marks(needs="SlicerRT")), "needs", "Needs SlicerRT"),
        (state_of(marks=Marks(sets=2)), "local", "2 frame sets"),
        (state_of("queued", Marks(loads_when_complete=True), fields=REMOTE), "queued", "Loads when complete"),
    ],
)
def test_most_urgent_fact_is_told(state: CardState, name: str, text: str):
    assert (state.name, state.text) == (name, text)


def test_failure_that_was_made_good_is_forgotten():
    assert state_of("failed", error=REFUSED, fields={"expected": 44}).name == "local"


def test_failure_keeps_its_whole_sentence():
    assert state_of("failed", fields=REMOTE, error=REFUSED).hint == REFUSED["message"]


def test_reason_without_a_short_word_is_its_first_sentence():
    error = {"code": "x", "server": PACS, "message": "Main PACS: it burns. Call somebody."}
    assert state_of("failed", fields=REMOTE, error=error).text == "it burns \u00b7 Retry"


def test_job_of_the_whole_study_tells_of_this_series_only():
    series = series_of(local=10, expected=40, sources={PACS: {}})
    whole = job("running", progress_done=500, progress_total=1000) | {"concerns": {"study": "1.9", "series": []}}
    state = card_state(series, whole)
    assert (state.text, state.share) == ("10 / 40", 0.25)


def test_scene_and_new_are_told_beside_the_rest():
    state = state_of("running", loaded="3 slices", progress_done=1, progress_total=2)
    assert state.in_scene
    assert not state.new


@pytest.mark.parametrize(
    ("modality", "fields", "compact"),
    [
        ("SR", {}, True),
        ("MR", {}, False),
        ("MR", {"Rows": None, "label": "Raw data"}, True),
        ("SEG", {}, True),
        ("SEG", {"thumbnail": "x.png"}, False),
    ],
)
def test_objects_without_picture_are_compact_rows(modality: str, fields: dict[str, Any], compact: bool):
    study = a_study(a_patient(), "1.9", "20260819", "MR head")
    assert is_compact(a_series(study, 1, "x", modality, **fields)) == compact


def test_compact_rows_come_on_a_line_of_their_own():
    study = a_study(a_patient(), "1.9", "20260819", "MR head")
    a_series(study, 2, "second", thumbnail="x")
    a_series(study, 1, "report", "SR")
    a_series(study, None, "no number", thumbnail="x")
    a_series(study, 1, "first", thumbnail="x")
    rows = page_rows([study], {"1.9": study.series}, lambda _study: True, "number")
    assert [row.kind for row in rows] == ["header", "card", "card", "card", "break", "compact"]
    assert [row.series.SeriesDescription for row in rows[1:4]] == ["first", "second", "no number"]


def test_closed_study_is_its_header():
    study = a_study(a_patient(), "1.9", "20260819", "MR head")
    a_series(study, 1, "first")
    assert [row.kind for row in page_rows([study], {"1.9": study.series}, lambda _study: False, "number")] == ["header"]


def test_series_are_sorted_as_asked():
    study = a_study(a_patient(), "1.9", "20260819", "MR head")
    a_series(study, 3, "b", "MR", SeriesTime="0800")
    a_series(study, 1, "c", "MR", SeriesTime="0900")
    a_series(study, 2, "a", "CT", SeriesTime="1000")
    orders = {
        name: [each.SeriesNumber for each in order_series(study.series, name)]
        for name in ("number", "time", "modality", "description")
    }
    assert orders == {"number": [1, 2, 3], "time": [3, 1, 2], "modality": [2, 1, 3], "description": [2, 3, 1]}


def test_newest_and_like_priors_stand_open():
    patient = a_patient()
    studies = [a_study(patient, str(number), "20260101", "") for number in range(4)]
    for study, modality in zip(studies, ("MR", "CT", "CR", "MR"), strict=True):
        a_series(study, 1, "x", modality)
    assert usually_open(studies) == {"0", "1", "3"}


def test_times_in_words():
    assert earlier_text("20260819", "20260818") == "1 day earlier"
    assert earlier_text("20260819", "20250203") == "18 months earlier"
    assert earlier_text("20260819", "20200101") == "6 years earlier"
    assert earlier_text("20260819", "20260819") == earlier_text("20260819", "") == ""
    assert [wait_text(38), wait_text(3700), wait_text(-1)] == ["0:38", "1:01:40", "0:00"]
    assert [ordinal(place) for place in (1, 2, 3, 4, 11, 22)] == ["next", "2nd", "3rd", "4th", "11th", "22nd"]


def test_dimensions_end_with_slices_unless_there_is_one():
    assert dimensions(series_of(Columns=512, Rows=256, frames=1, local=1)) == "512\u00d7256"
    assert dimensions(series_of(Columns=None, Rows=None, frames=3)) == "3 images"
