"""The queue in one life of the program: order, limits, merging, cancel, progress, outcomes."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from job_kinds import WAIT_S, GatedKind, Listener, MakeQueue, outcome_of

from VisualDICOMBrowserLib.errors import (
    BugError,
    EngineError,
    PeerTimeoutError,
    VisualDICOMError,
)
from VisualDICOMBrowserLib.jobs.job import JobRecord, Priority
from VisualDICOMBrowserLib.jobs.journal import Journal
from VisualDICOMBrowserLib.jobs.queue import JobQueue
from VisualDICOMBrowserLib.jobs.states import JobState


def test_job_runs_and_ends_with_its_result(new_queue: MakeQueue, kind: GatedKind, listener: Listener) -> None:
    clock = iter(float(second) for second in range(100)).__next__
    queue = new_queue(clock=clock)
    job_id = queue.submit("gated", {"paths": ("a",)}, server="PACS_A", label="Series 1", priority=Priority.HIGH)
    kind.wait_running(lambda running: running == [job_id])
    running = queue.job(job_id)
    assert (running.state, running.attempts, running.finished) == (JobState.RUNNING, 1, None)
    assert running.parameters == {"paths": ["a"]}
    kind.let_end(job_id, {"count": (1, 2)})
    done = queue.wait(job_id, WAIT_S)
    assert (done.state, done.result, done.error) == (JobState.DONE, {"count": [1, 2]}, None)
    assert done.created < (done.started or 0) < (done.finished or 0)
    assert queue.job(job_id) == done
    assert queue.jobs() == [done]
    listener.wait(lambda event: event.name == "job_finished")
    assert [(event.name, event.job.state.value) for event in listener.of(job_id)] == [
        ("job_changed", "queued"),
        ("job_changed", "running"),
        ("job_finished", "done"),
    ]


def test_results_with_failures_are_partly_done(new_queue: MakeQueue, kind: GatedKind) -> None:
    queue = new_queue()
    assert outcome_of(queue, kind, {"failed_count": 2}).state is JobState.PARTLY
    assert outcome_of(queue, kind, {"failed_count": 0}).state is JobState.DONE


def test_order_is_priority_then_age(new_queue: MakeQueue, kind: GatedKind) -> None:
    queue = new_queue(max_concurrent=1)
    first = queue.submit("gated", {"about": "first"})
    kind.wait_running(lambda running: running == [first])
    low = queue.submit("gated", {"about": "low"}, priority=Priority.LOW)
    normal = [queue.submit("gated", {"about": f"normal {number}"}) for number in range(3)]
    raised = queue.submit("gated", {"about": "raised"}, priority=Priority.LOW)
    high = queue.submit("gated", {"about": "high"}, priority=Priority.HIGH)
    assert queue.set_priority(raised, Priority.HIGHEST)
    expected = [first, raised, high, *normal, low]
    for job_id in expected:
        kind.let_end(job_id, {})
    for job_id in expected:
        assert queue.wait(job_id, WAIT_S).state is JobState.DONE
    assert kind.started == expected
    assert not queue.set_priority(first, Priority.HIGH)


def test_full_kind_or_server_holds_up_nobody_else(new_queue: MakeQueue) -> None:
    one, many = GatedKind("one", limit=1), GatedKind("many")
    queue = new_queue(one, many, max_concurrent=6, server_limit=lambda server: {"A": 2}.get(server, 0))
    ones = [queue.submit("one", {"about": number}, priority=Priority.HIGHEST) for number in range(3)]
    at_a = [queue.submit("many", {"about": number}, server="A", priority=Priority.HIGH) for number in range(4)]
    free = queue.submit("many", {}, server="B", priority=Priority.LOW)
    many.wait_running(lambda running: set(running) == {*at_a[:2], free})
    one.wait_running(lambda running: running == ones[:1])
    many.let_end(at_a[0], {})
    one.let_end(ones[0], {})
    many.wait_running(lambda running: set(running) == {*at_a[1:3], free})
    one.wait_running(lambda running: running == ones[1:2])


def test_identical_unfinished_jobs_are_one(new_queue: MakeQueue, kind: GatedKind) -> None:
    queue = new_queue(max_concurrent=1)
    first = queue.submit("gated", {"about": "x"}, server="A")
    assert queue.submit("gated", {"about": "x", "else": 1}, server="A") == first
    kind.wait_running(lambda running: running == [first])
    queued = queue.submit("gated", {"about": "y"}, priority=Priority.LOW)
    other_server = queue.submit("gated", {"about": "x"}, server="B")
    assert len({first, queued, other_server}) == 3
    assert queue.submit("gated", {"about": "y"}, priority=Priority.HIGH) == queued
    assert queue.submit("gated", {"about": "y"}, priority=Priority.LOW) == queued
    assert (queue.job(first).merged, queue.job(queued).merged) == (1, 2)
    assert queue.job(queued).priority == Priority.HIGH
    for job_id in (first, queued, other_server):
        kind.let_end(job_id, {})
        queue.wait(job_id, WAIT_S)
    assert kind.started == [first, queued, other_server]
    assert queue.submit("gated", {"about": "x"}, server="A") not in (first, queued, other_server)


def test_cancelled_job_is_not_joined(new_queue: MakeQueue, kind: GatedKind) -> None:
    queue = new_queue()
    first = queue.submit("gated", {"about": "x"})
    kind.wait_running(lambda running: running == [first])
    kind.controls[first].on_cancel(lambda: None)
    queue.cancel(first)
    assert queue.submit("gated", {"about": "x"}) != first


def test_queued_job_is_cancelled_at_once(new_queue: MakeQueue, kind: GatedKind, listener: Listener) -> None:
    queue = new_queue(max_concurrent=1)
    first = queue.submit("gated", {"about": "first"})
    queued = queue.submit("gated", {"about": "queued"})
    assert queue.cancel(queued)
    record = queue.wait(queued, WAIT_S)
    assert (record.state, record.cancel_requested, record.attempts) == (JobState.CANCELLED, True, 0)
    assert not queue.cancel(queued)
    kind.let_end(first, {})
    assert queue.wait(first, WAIT_S).state is JobState.DONE
    assert kind.started == [first]
    listener.wait(lambda event: event.name == "job_finished" and event.job.job_id == queued)


def test_cancel_is_stored_before_the_work_hears_of_it(new_queue: MakeQueue, kind: GatedKind, tmp_path: Path) -> None:
    queue = new_queue()
    job_id = queue.submit("gated", {})
    kind.wait_running(lambda running: running == [job_id])
    stored: list[bool] = []

    def look() -> None:
        other = Journal(tmp_path / "own.sql")
        entry = other.get(job_id)
        stored.append(entry is not None and entry.record.cancel_requested)
        other.close()

    control = kind.controls[job_id]
    control.on_cancel(look)
    assert not control.cancel_requested
    assert queue.cancel(job_id)
    assert control.cancel_requested
    control.on_cancel(look)
    assert stored == [True, True]
    assert queue.wait(job_id, WAIT_S).state is JobState.CANCELLED


def test_progress_reaches_the_record_and_its_last_value_the_listener(
    new_queue: MakeQueue, kind: GatedKind, listener: Listener
) -> None:
    queue = new_queue()
    job_id = queue.submit("gated", {})
    kind.wait_running(lambda running: running == [job_id])
    control = kind.controls[job_id]
    for done in range(5000):
        control.progress(done, 5000)
    control.progress(5000, received_bytes=77)
    record = queue.job(job_id)
    assert (record.progress_done, record.progress_total, record.received_bytes) == (5000, 5000, 77)
    listener.wait(lambda event: event.job.progress_done == 5000)
    control.log("Half way.")
    listener.wait(lambda event: any(line.endswith("Half way.") for line in event.job.log))
    assert len(listener.of(job_id)) < 500
    kind.let_end(job_id, {})
    done = queue.wait(job_id, WAIT_S)
    assert (done.progress_done, len(done.log)) == (5000, 1)
    control.progress(1)
    control.log("Too late.")
    assert queue.job(job_id) == done


def test_listener_may_use_the_queue(new_queue: MakeQueue, kind: GatedKind) -> None:
    seen: list[JobState] = []
    done = threading.Event()
    queues: list[JobQueue] = []

    def look(event: Any) -> None:
        if event.name == "job_finished":
            seen.append(queues[0].job(event.job.job_id).state)
            done.set()

    queues.append(new_queue(listener=look))
    outcome_of(queues[0], kind, {})
    assert done.wait(WAIT_S)
    assert seen == [JobState.DONE]


class TwiceMore:
    """Tries again twice, `delay` seconds later."""

    def __init__(self, delay: float) -> None:
        self.delay = delay

    def next_try(self, job: JobRecord, error: VisualDICOMError, now: float) -> float | None:
        return now + self.delay if job.attempts < 3 and not isinstance(error, BugError) else None


def test_retry_policy_decides_about_another_try(new_queue: MakeQueue, kind: GatedKind, tmp_path: Path) -> None:
    queue = new_queue(retry=TwiceMore(0.0))
    job_id = queue.submit("gated", {})
    for attempt in range(1, 4):
        kind.wait_running(lambda running, attempt=attempt: len(kind.started) == attempt and bool(running))
        kind.let_end(job_id, PeerTimeoutError("Silent."))
    record = queue.wait(job_id, WAIT_S)
    assert (record.state, record.attempts, record.next_try) == (JobState.FAILED, 3, None)
    journal = Journal(tmp_path / "own.sql")
    assert [each.outcome for each in journal.attempts(job_id)] == ["waiting", "waiting", "failed"]
    journal.close()


def test_waiting_job_knows_its_time_and_can_be_cancelled(
    new_queue: MakeQueue, kind: GatedKind, listener: Listener
) -> None:
    queue = new_queue(retry=TwiceMore(1000.0), clock=lambda: 50.0)
    job_id = queue.submit("gated", {})
    kind.let_end(job_id, PeerTimeoutError("Silent."))
    waiting = listener.wait(lambda event: event.job.state is JobState.WAITING).job
    assert waiting.next_try == 1050.0
    assert waiting.error is not None
    assert queue.cancel(job_id)
    assert queue.wait(job_id, WAIT_S).state is JobState.CANCELLED


def test_wait_ends_at_its_timeout_and_when_the_queue_closes(new_queue: MakeQueue, kind: GatedKind) -> None:
    queue = new_queue()
    job_id = queue.submit("gated", {})
    kind.wait_running(lambda running: running == [job_id])
    assert queue.wait(job_id, 0.0).state is JobState.RUNNING
    seen: list[JobState] = []
    waiter = threading.Thread(target=lambda: seen.append(queue.wait(job_id).state))
    waiter.start()
    queue.close()
    waiter.join(WAIT_S)
    assert seen == [JobState.QUEUED]


def test_history_is_kept_until_cleared(new_queue: MakeQueue, kind: GatedKind) -> None:
    now = [1000.0]
    queue = new_queue(clock=lambda: now[0])
    old = outcome_of(queue, kind, {"number": 1})
    now[0] = 2000.0
    young = outcome_of(queue, kind, {"number": 2})
    running = queue.submit("gated", {"about": "running"})
    assert [record.job_id for record in queue.jobs()] == [old.job_id, young.job_id, running]
    assert queue.clear_finished(older_than_s=500.0) == 1
    assert queue.clear_finished() == 1
    assert [record.job_id for record in queue.jobs()] == [running]


def test_closed_queue_takes_nothing_and_closes_twice(new_queue: MakeQueue) -> None:
    queue = new_queue()
    queue.close()
    queue.close()
    with pytest.raises(EngineError, match="has been closed"):
        queue.submit("gated", {})
