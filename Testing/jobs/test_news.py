"""How often listeners hear, and that the last word always arrives."""

from __future__ import annotations

import itertools
import threading

from hypothesis import given, settings
from hypothesis import strategies as st
from job_kinds import WAIT_S, Listener

from VisualDICOMBrowserLib.jobs.job import JobEvent, JobRecord
from VisualDICOMBrowserLib.jobs.news import JobNews, ProgressThrottle
from VisualDICOMBrowserLib.jobs.states import JobState


def record(done: int, state: JobState = JobState.RUNNING) -> JobRecord:
    return JobRecord(job_id="r-1", kind="retrieve", state=state, progress_done=done)


@settings(deadline=None)
@given(st.lists(st.floats(0.0, 0.05), min_size=1, max_size=200))
def test_at_most_ten_per_second_and_the_last_one_always(gaps: list[float]) -> None:
    throttle = ProgressThrottle()
    now = 0.0
    heard: list[tuple[float, int]] = []
    for done, gap in enumerate(gaps):
        now += gap
        throttle.hold(record(done))
        heard += [(now, each.progress_done) for each in throttle.take_due(now)]
    due = throttle.next_due()
    if due is not None:
        heard += [(due, each.progress_done) for each in throttle.take_due(due)]
    assert throttle.next_due() is None
    assert heard[-1][1] == len(gaps) - 1
    times = [at for at, _ in heard]
    assert all(later - earlier >= 0.0999 for earlier, later in itertools.pairwise(times))


def test_held_progress_is_dropped_when_newer_state_was_told() -> None:
    throttle = ProgressThrottle()
    throttle.hold(record(1))
    throttle.told(record(2), 5.0)
    assert throttle.next_due() is None
    throttle.hold(record(3))
    assert throttle.take_due(5.05) == []
    throttle.told(record(4, JobState.DONE), 5.06)
    assert throttle.take_due(9.0) == []


def test_events_come_in_order_on_one_thread_and_failures_are_logged(caplog: object) -> None:
    listener = Listener()
    threads: set[str] = set()

    def hear(event: JobEvent) -> None:
        threads.add(threading.current_thread().name)
        listener(event)
        if event.job.progress_done == 0:
            raise RuntimeError

    news = JobNews(hear)
    for done in range(5):
        news.tell(record(done))
    news.tell_progress(record(5))
    news.tell(record(6, JobState.DONE))
    listener.wait(lambda event: event.name == "job_finished")
    news.close(WAIT_S)
    assert [event.job.progress_done for event in listener.events] == [0, 1, 2, 3, 4, 6]
    assert [event.name for event in listener.events] == ["job_changed"] * 5 + ["job_finished"]
    assert threads == {"job-events"}


def test_close_delivers_held_progress() -> None:
    listener = Listener()
    news = JobNews(listener)
    news.tell(record(0))
    news.tell_progress(record(1))
    news.close(WAIT_S)
    assert [event.job.progress_done for event in listener.events] == [0, 1]
