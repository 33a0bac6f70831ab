"""The state of all jobs, the rows of their list and what they say; without Qt."""

from __future__ import annotations

import time
from typing import Any

import pytest

from Testing.widgets.job_samples import NOW, brief, failure, one_of_each
from VisualDICOMBrowserLib.widgets.jobs.acts import acts_of, row_acts
from VisualDICOMBrowserLib.widgets.jobs.reports import log_text, next_steps, rejected_of, table_text
from VisualDICOMBrowserLib.widgets.jobs.rows import BUNDLE_FROM, RowChoice, filter_counts, rows_of
from VisualDICOMBrowserLib.widgets.jobs.state import JobsState
from VisualDICOMBrowserLib.widgets.jobs.words import (
    gives_up_at,
    note_of,
    progress_of,
    short_reason,
    span_text,
    speed_text,
    task_of,
    time_of,
)


class Clock:
    """A clock that moves when the test says so."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state(clock: Clock) -> JobsState:
    made = JobsState(clock)
    made.replace(one_of_each())
    return made


def test_summary_counts_every_state(state: JobsState):
    summary = state.summary()
    assert (summary.running, summary.waiting, summary.queued, summary.paused) == (3, 2, 2, 1)
    assert (summary.attention, summary.done, summary.unfinished) == (2, 6, 8)
    assert summary.share == pytest.approx((61 + 112 + 2050) / (100 + 300 + 4812))


def test_speed_and_time_left_follow_the_last_seconds(state: JobsState, clock: Clock):
    for step in range(1, 5):
        clock.now = NOW + step
        received = 120_000_000 + step * 20_000_000
        state.update(brief(2, "running", received_bytes=received, progress_done=61 + step * 5, progress_total=100))
    assert state.speed("retrieve-2") == pytest.approx(20_000_000)
    assert state.left_s("retrieve-2") == pytest.approx((100 - 81) / 5)
    job = state.get("retrieve-2")
    assert progress_of(job, state).text == "81 / 100, 20 MB/s"
    assert time_of(job, state) == "4 s left"
    assert state.summary().speed == pytest.approx(20_000_000)
    state.update(brief(2, "done", finished=clock.now))
    assert state.speed("retrieve-2") == 0.0
    assert state.left_s("retrieve-2") is None


def test_a_job_that_stands_still_gets_slower(state: JobsState, clock: Clock):
    clock.now = NOW + 1
    state.update(brief(2, "running", received_bytes=130_000_000, progress_done=71, progress_total=100))
    fast = state.speed("retrieve-2")
    clock.now = NOW + 10
    assert 0 < state.speed("retrieve-2") < fast / 5
    clock.now = NOW + 60
    assert state.speed("retrieve-2") == 0.0


def test_queue_is_ordered_by_priority_then_age(state: JobsState):
    assert [state.place(f"retrieve-{number}") for number in (7, 8, 9)] == [1, 2, 0]
    state.update(brief(8, "queued", priority=30))
    assert [state.place(f"retrieve-{number}") for number in (7, 8)] == [2, 1]
    assert state.highest_priority() == 30


def test_most_urgent_job_of_a_series_is_found():
    state = JobsState(lambda: NOW)
    state.update(brief(1, "done", study="1.5", series="1.5.1", finished=NOW - 9))
    assert state.by_series("1.5.1")["job_id"] == "retrieve-1"
    state.update(brief(2, "failed", study="1.5", series="1.5.1", finished=NOW - 5))
    assert state.by_series("1.5.1")["job_id"] == "retrieve-2"
    whole_study = brief(3, "running", study="1.5")
    whole_study["concerns"]["series"] = []
    state.update(whole_study)
    assert state.by_series("1.5.1")["job_id"] == "retrieve-2"
    assert state.by_series("1.5.1", "1.5")["job_id"] == "retrieve-3"
    assert [job["job_id"] for job in state.by_study("1.5")] == ["retrieve-1", "retrieve-2", "retrieve-3"]
    assert state.by_series("1.2.404") is None


def test_rows_come_in_groups(state: JobsState):
    rows = rows_of(state, RowChoice())
    titles = [row.title for row in rows if row.kind == "group"]
    assert titles == [
        "Needs attention (2)",
        "Running (3)",
        "Waiting to try again (2)",
        "Queued (3)",
        "Done today (6)",
    ]
    ids = [row.jobs[0]["job_id"] for row in rows if row.kind == "job"]
    assert ids[:2] == ["retrieve-1", "import-16"]
    assert ids[7:10] == ["retrieve-7", "retrieve-8", "retrieve-9"]
    folded = rows_of(state, RowChoice(folded={"running"}))
    assert "retrieve-2" not in [row.jobs[0]["job_id"] for row in folded if row.kind == "job"]


def test_filters_and_search_leave_what_matches(state: JobsState):
    counts = filter_counts(state, RowChoice())
    assert counts == {"all": 16, "running": 3, "waiting": 2, "queued": 3, "failed": 2, "done": 6}
    found = rows_of(state, RowChoice(search="demo t1 FETCH"))
    assert {row.jobs[0]["job_id"] for row in found if row.kind == "job"} == {"retrieve-2", "retrieve-7"}
    failed = rows_of(state, RowChoice(show="failed", search="research archive"))
    assert failed == []


def test_older_work_is_folded_and_finished_small_work_left_out(clock: Clock):
    state = JobsState(clock)
    state.update(brief(1, "done", finished=NOW - 3 * 86400))
    state.update(brief(2, "done", kind="thumbnail", finished=NOW))
    assert [row.title for row in rows_of(state, RowChoice())] == ["Done earlier (1)"]
    shown = rows_of(state, RowChoice(background=True, folded=set()))
    assert [row.kind for row in shown] == ["group", "job", "group", "job"]


def test_many_jobs_are_bundled_by_study(clock: Clock):
    state = JobsState(clock)
    for number in range(BUNDLE_FROM + 100):
        series = number % 100
        study = number // 100
        label = f"PATIENT {study} \u00b7 MR {series} brain"
        state.update(brief(number, "queued", label, study=f"1.{study}", series=f"1.{study}.{series}"))
    choice = RowChoice()
    rows = rows_of(state, choice)
    assert [row.kind for row in rows] == ["group", "bundle", "bundle", "bundle"]
    assert [row.title for row in rows[1:]] == ["PATIENT 0 \u00b7 MR", "PATIENT 1 \u00b7 MR", "PATIENT 2 \u00b7 MR"]
    choice.unfolded.add(rows[2].key)
    assert len(rows_of(state, choice)) == 4 + 100


def test_ten_thousand_jobs_are_listed_fast(clock: Clock):
    state = JobsState(clock)
    for number in range(10_000):
        state.update(brief(number, "queued", f"P {number // 50}", study=f"1.{number // 50}", series=f"1.1.{number}"))
    choice = RowChoice()
    started = time.perf_counter()
    rows_of(state, choice)
    state.summary()
    assert time.perf_counter() - started < 0.5


def test_words_of_each_state(state: JobsState):
    said = {job["job_id"]: progress_of(job, state).text for job in state.jobs()}
    assert said["retrieve-1"] == "96 of 210 images missing"
    assert said["import-16"] == "3 files rejected"
    assert said["retrieve-5"] == "Next try in 0:38"
    assert said["find-6"] == "Next try in 1:52"
    assert said["retrieve-7"] == "176 images"
    assert said["retrieve-9"] == "Paused at 40 / 1,804"
    tasks = {task_of(job) for job in state.jobs()}
    assert tasks == {"Fetch series", "Send study", "Query", "Import"}
    assert [time_of(state.get(f"retrieve-{number}"), state) for number in (5, 7, 8)] == ["attempt 3", "next", "no. 2"]


def test_note_says_why_it_waits_and_until_when(state: JobsState):
    job = state.get("retrieve-5")
    assert short_reason(job) == "busy"
    until = gives_up_at(job, 3600.0)
    assert until == NOW + 38 - 8 + 3600 - 60
    words = time.strftime("%H:%M", time.localtime(until))
    assert note_of(job, state, 3600.0).startswith("busy, gives up at ")
    assert words in note_of(job, state, 3600.0)
    assert note_of(state.get("retrieve-7"), state) == "high priority"
    assert note_of(state.get("retrieve-3"), state) == "asked 3 times"


def test_actions_follow_the_state(state: JobsState):
    def icons(job_id: str) -> tuple[str, ...]:
        return row_acts([state.get(job_id)])

    assert icons("retrieve-1") == ("retry", "clear")
    assert icons("retrieve-2") == ("pause", "cancel")
    assert icons("retrieve-5") == ("now", "cancel")
    assert icons("retrieve-7") == ("top", "cancel")
    assert icons("retrieve-9") == ("resume", "cancel")
    assert icons("retrieve-10") == ("clear",)
    assert acts_of([state.get("retrieve-2"), state.get("retrieve-1")]) == ["pause", "retry", "cancel", "clear"]


def test_best_next_action_comes_first(state: JobsState):
    steps = [step.words for step in next_steps(state.get("retrieve-1"))]
    assert steps == ["Fetch the 96 missing", "Load what is there"]
    assert next_steps(state.get("retrieve-5"))[0].words == "Try now"
    failed = brief(40, "failed", error=failure("Main PACS: the name is not known."), finished=NOW)
    assert [step.words for step in next_steps(failed)] == ["Try again"]


def test_rejected_files_have_their_reasons(state: JobsState):
    items = rejected_of(state.get("import-16"))
    assert [item.what for item in items] == [f"/incoming/scan{number}.dcm" for number in range(3)]
    assert table_text(items).splitlines()[1] == "/incoming/scan0.dcm,no Study Instance UID"


def at(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(NOW + seconds))


def failed_job() -> dict[str, Any]:
    """A job as the command ``job`` tells it, after two starts."""
    busy = failure("It is busy.")
    starts = [
        {"number": 1, "started": NOW + 1.2, "finished": NOW + 2, "outcome": "waiting", "error": busy},
        {"number": 2, "started": NOW + 40, "finished": NOW + 41, "outcome": "failed", "error": busy},
    ]
    log = [f"{at(2)} It is busy.", f"{at(41)} It is busy."]
    more = {"log": log, "starts": starts, "parameters": {"a": 1}}
    return {**brief(1, "failed", created=NOW, finished=NOW + 41), **more}


def test_plain_log_tells_the_course():
    assert log_text(failed_job(), technical=False).splitlines() == [
        f"{at(0)} Asked for.",
        f"{at(1)} Started.",
        f"{at(2)} It is busy.",
        f"{at(40)} Attempt 2 started.",
        f"{at(41)} It is busy.",
        f"{at(41)} Failed.",
    ]


def test_plain_log_goes_on_over_midnight():
    evening = time.mktime((2026, 8, 19, 23, 59, 50, 0, 0, -1))
    starts = [{"number": 1, "started": evening, "outcome": ""}]
    job = {**brief(1, "running", created=evening), "starts": starts, "log": ["23:59:58 One.", "00:00:03 Two."]}
    lines = log_text(job, technical=False).splitlines()
    assert lines == ["23:59:50 Asked for.", "23:59:50 Started.", "23:59:58 One.", "00:00:03 Two."]


def test_technical_log_adds_ids_and_starts():
    text = log_text(failed_job(), technical=True)
    assert "retrieve-1" in text
    assert '"a": 1' in text
    assert "start 2" in text
    assert "busy: It is busy." in text


def test_spans_and_speeds_read_well():
    assert [span_text(value) for value in (0.2, 24, 240, 7800)] == ["1 s", "24 s", "4 min", "2 h 10 min"]
    assert [speed_text(value) for value in (80_000, 400_000, 9_100_000, 22_000_000)] == [
        "80 kB/s",
        "0.4 MB/s",
        "9.1 MB/s",
        "22 MB/s",
    ]
