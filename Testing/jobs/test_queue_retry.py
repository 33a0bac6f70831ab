"""Failures in the queue: the wait for another try, what is left when there is none, and a full disk."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from job_kinds import WAIT_S, Clocks, GatedKind, Listener, MakeQueue

from VisualDICOMBrowserLib.errors import NetworkError, PeerError, PeerTimeoutError, StorageFault, VisualDICOMError
from VisualDICOMBrowserLib.jobs.job import JobRecord
from VisualDICOMBrowserLib.jobs.journal import Journal
from VisualDICOMBrowserLib.jobs.outcome import UnfinishedWork
from VisualDICOMBrowserLib.jobs.queue import JobQueue
from VisualDICOMBrowserLib.jobs.retry import RetryByError
from VisualDICOMBrowserLib.jobs.states import JobState

SILENT = PeerTimeoutError("PACS_A did not answer in 10 s.", server="PACS_A")
LOST = NetworkError("Connection lost.", code="connection_lost", server="PACS_A")
REFUSED = NetworkError("PACS_A: nothing listens on port 11112.", code="refused", server="PACS_A")
MAX_WAITING_S = 100.0


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def queue(new_queue: MakeQueue, clocks: Clocks) -> JobQueue:
    return new_queue(retry=by_error(), **clocks.options())


def by_error(max_waiting_s: float = MAX_WAITING_S) -> RetryByError:
    return RetryByError(lambda job: max_waiting_s, random=lambda: 0.5)


def pass_s(queue: JobQueue, clocks: Clocks, seconds: float) -> None:
    """Let time pass, and the queue look at its clocks."""
    clocks.pass_s(seconds)
    queue.limits_changed()


def sentences(job: JobRecord) -> list[str]:
    return [line.split(maxsplit=1)[1] for line in job.log]


def test_failed_job_waits_ever_longer_and_gives_up_in_the_end(
    queue: JobQueue, kind: GatedKind, listener: Listener, clocks: Clocks
) -> None:
    began = clocks.wall
    job_id = queue.submit("gated", {}, server="PACS_A")
    for attempt, wait_s in enumerate([2.0, 4.0, 8.0, 16.0, 32.0, 38.0], start=1):
        kind.let_end(job_id, SILENT)
        waiting = listener.wait_state(job_id, JobState.WAITING, attempt)
        assert waiting.next_try == clocks.wall + wait_s
        assert waiting.failing is not None
        assert (waiting.failing.count, waiting.failing.since) == (attempt, began)
        assert waiting.error is not None
        assert waiting.error["code"] == "timeout"
        pass_s(queue, clocks, wait_s - 0.5)
        assert queue.wait(job_id, 0.0).state is JobState.WAITING
        pass_s(queue, clocks, 0.5)
        running = listener.wait_state(job_id, JobState.RUNNING, attempt + 1)
        assert (running.next_try, running.error) == (None, None)
    kind.let_end(job_id, SILENT)
    failed = queue.wait(job_id, WAIT_S)
    assert (failed.state, failed.attempts) == (JobState.FAILED, 7)
    assert sentences(failed)[0] == "PACS_A did not answer in 10 s. Next try in 0:02."
    assert sentences(failed)[5] == "PACS_A did not answer in 10 s. Next try in 0:38."
    assert sentences(failed)[6] == "PACS_A did not answer in 10 s. Given up after failing for 1:40."
    attempts = queue.attempts(job_id)
    assert [each.outcome for each in attempts] == ["waiting"] * 6 + ["failed"]
    assert {(each.error or {}).get("code") for each in attempts} == {"timeout"}


def test_refused_job_fails_at_once(queue: JobQueue, kind: GatedKind) -> None:
    job_id = queue.submit("gated", {}, server="PACS_A")
    kind.let_end(job_id, REFUSED)
    failed = queue.wait(job_id, WAIT_S)
    assert (failed.state, failed.attempts) == (JobState.FAILED, 1)
    assert sentences(failed) == ["PACS_A: nothing listens on port 11112."]


def test_job_for_which_the_user_waits_fails_at_once(new_queue: MakeQueue) -> None:
    kind = GatedKind(retries=False)
    queue = new_queue(kind, retry=by_error())
    for error in (SILENT, StorageFault("Disk full.", code="disk_full")):
        job_id = queue.submit("gated", {"about": error.code})
        kind.let_end(job_id, error)
        assert queue.wait(job_id, WAIT_S).state is JobState.FAILED


def test_progress_begins_a_new_run_of_failures(
    queue: JobQueue, kind: GatedKind, listener: Listener, clocks: Clocks
) -> None:
    job_id = queue.submit("gated", {})
    for attempt in range(1, 20):
        kind.wait_running(lambda running, attempt=attempt: len(kind.started) == attempt and bool(running))
        kind.controls[job_id].progress(10 * attempt, 200)
        kind.let_end(job_id, LOST)
        waiting = listener.wait_state(job_id, JobState.WAITING, attempt)
        assert waiting.next_try == clocks.wall + 2.0
        pass_s(queue, clocks, 70.0)
    kind.let_end(job_id, {})
    assert queue.wait(job_id, WAIT_S).state is JobState.DONE


def test_waiting_job_is_tried_at_once_by_hand_or_by_a_new_request(
    queue: JobQueue, kind: GatedKind, listener: Listener
) -> None:
    """Case 72 (duplicates)."""
    job_id = queue.submit("gated", {})
    kind.let_end(job_id, SILENT)
    listener.wait_state(job_id, JobState.WAITING, 1)
    assert not queue.resume(job_id)
    assert queue.submit("gated", {}, by_user=False) == job_id
    assert queue.job(job_id).state is JobState.WAITING
    assert queue.retry(job_id)
    assert listener.wait_state(job_id, JobState.RUNNING, 2).failing is None
    kind.let_end(job_id, SILENT)
    assert listener.wait_state(job_id, JobState.WAITING, 2).failing is not None
    assert queue.submit("gated", {}) == job_id
    listener.wait_state(job_id, JobState.RUNNING, 3)
    kind.let_end(job_id, {})
    assert queue.wait(job_id, WAIT_S).state is JobState.DONE


def test_waiting_job_is_paused_and_cancelled(queue: JobQueue, kind: GatedKind, listener: Listener) -> None:
    job_id = queue.submit("gated", {})
    kind.let_end(job_id, SILENT)
    listener.wait_state(job_id, JobState.WAITING)
    assert queue.pause(job_id)
    paused = queue.job(job_id)
    assert (paused.state, paused.next_try) == (JobState.PAUSED, None)
    assert queue.cancel(job_id)
    cancelled = queue.wait(job_id, WAIT_S)
    assert (cancelled.state, cancelled.error) == (JobState.CANCELLED, None)
    assert queue.attempts(job_id)[0].error == SILENT.as_dict()


def test_earlier_try_wakes_the_queue_from_a_longer_wait(
    new_queue: MakeQueue, kind: GatedKind, listener: Listener
) -> None:
    """Real clocks: all threads sleep for the job of an hour when the one of a moment comes."""

    class AsTold:
        def next_try(self, job: JobRecord, error: VisualDICOMError, now: float) -> float | None:
            return now + float(job.parameters["about"])

    queue = new_queue(max_concurrent=2, retry=AsTold())
    long = queue.submit("gated", {"about": 3600.0})
    kind.let_end(long, SILENT)
    listener.wait_state(long, JobState.WAITING)
    short = queue.submit("gated", {"about": 0.05})
    kind.let_end(short, SILENT)
    listener.wait_state(short, JobState.WAITING)
    kind.let_end(short, {})
    assert queue.wait(short, WAIT_S).state is JobState.DONE
    assert queue.job(long).state is JobState.WAITING


@pytest.mark.parametrize("jump_s", [-10 * 3600.0, 10 * 3600.0])
def test_clock_jump_leaves_the_wait_as_it_is_and_corrects_its_time(
    queue: JobQueue, kind: GatedKind, listener: Listener, clocks: Clocks, jump_s: float
) -> None:
    """Case 72 (clock jump)."""
    jobs = [queue.submit("gated", {"about": number}) for number in range(20)]
    for job_id in jobs:
        kind.let_end(job_id, SILENT)
        listener.wait_state(job_id, JobState.WAITING)
    clocks.wall += jump_s
    pass_s(queue, clocks, 1.0)
    listener.wait(lambda event: event.job.next_try == clocks.wall + 1.0)
    assert {job.state for job in queue.jobs()} == {JobState.WAITING}
    pass_s(queue, clocks, 1.0)
    for job_id in jobs:
        kind.let_end(job_id, {})
        record = queue.wait(job_id, WAIT_S)
        assert (record.state, record.attempts) == (JobState.DONE, 2)


def test_work_that_stopped_halfway_waits_and_is_partly_done_in_the_end(
    queue: JobQueue, kind: GatedKind, listener: Listener, clocks: Clocks
) -> None:
    job_id = queue.submit("gated", {})
    kind.let_end(job_id, UnfinishedWork(LOST, {"done_count": 60, "failed_count": 140}))
    waiting = listener.wait_state(job_id, JobState.WAITING)
    assert waiting.result == {"done_count": 60, "failed_count": 140}
    pass_s(queue, clocks, 2.0)
    kind.let_end(job_id, UnfinishedWork(REFUSED, {"done_count": 61}))
    partly = queue.wait(job_id, WAIT_S)
    assert (partly.state, partly.error) == (JobState.PARTLY, None)
    assert partly.result == {
        "done_count": 61,
        "failed_count": 1,
        "reason": "PACS_A: nothing listens on port 11112.",
        "reason_code": "refused",
    }
    assert sentences(partly)[-1].startswith("PACS_A: nothing listens on port 11112.")
    first, second = queue.attempts(job_id)
    assert (first.outcome, second.outcome) == ("waiting", "partly")
    assert (second.error or {})["code"] == "refused"


def test_what_an_earlier_start_did_counts_when_the_last_one_did_nothing(
    queue: JobQueue, kind: GatedKind, listener: Listener, clocks: Clocks
) -> None:
    job_id = queue.submit("gated", {})
    kind.let_end(job_id, UnfinishedWork(LOST, {"done_count": 60, "failed_count": 140}))
    listener.wait_state(job_id, JobState.WAITING)
    pass_s(queue, clocks, 2.0)
    kind.let_end(job_id, REFUSED)
    partly = queue.wait(job_id, WAIT_S)
    assert partly.state is JobState.PARTLY
    assert (partly.result or {})["failed_count"] == 140
    assert queue.retry(job_id)
    kind.let_end(job_id, REFUSED)
    failed = queue.wait(job_id, WAIT_S)
    assert (failed.state, failed.result) == (JobState.FAILED, None)


def test_work_that_stopped_before_anything_was_done_has_failed(queue: JobQueue, kind: GatedKind) -> None:
    job_id = queue.submit("gated", {})
    kind.let_end(job_id, UnfinishedWork(REFUSED, {"done_count": 0, "failed_count": 200}))
    failed = queue.wait(job_id, WAIT_S)
    assert (failed.state, failed.result) == (JobState.FAILED, {"done_count": 0, "failed_count": 200})
    assert (failed.error or {})["code"] == "refused"


def test_result_of_unfinished_work_that_is_no_json_is_a_fault_of_the_program(queue: JobQueue, kind: GatedKind) -> None:
    job_id = queue.submit("gated", {})
    kind.let_end(job_id, UnfinishedWork(LOST, {"done": {1}}))
    assert (queue.wait(job_id, WAIT_S).error or {})["code"] == "bug"


def test_full_disk_pauses_the_job(queue: JobQueue, kind: GatedKind, listener: Listener) -> None:
    full = StorageFault("Disk full, 0.2 GB left.", code="disk_full")
    job_id = queue.submit("gated", {})
    kind.let_end(job_id, UnfinishedWork(full, {"done_count": 60}))
    paused = listener.wait_state(job_id, JobState.PAUSED)
    assert (paused.error or {})["code"] == "disk_full"
    assert sentences(paused) == ["Disk full, 0.2 GB left. Paused, nothing is lost."]
    assert [each.outcome for each in queue.attempts(job_id)] == ["paused"]
    assert queue.resume(job_id)
    assert listener.wait_state(job_id, JobState.RUNNING, 2).error is None
    kind.let_end(job_id, {})
    assert queue.wait(job_id, WAIT_S).state is JobState.DONE


def test_start_that_cannot_be_stored_is_tried_again(
    queue: JobQueue, kind: GatedKind, listener: Listener, clocks: Clocks, tmp_path: Path
) -> None:
    job_id = queue.submit("gated", {})
    kind.let_end(job_id, SILENT)
    listener.wait_state(job_id, JobState.WAITING)
    other = sqlite3.connect(tmp_path / "own.sql", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    pass_s(queue, clocks, 2.0)
    waiting = listener.wait(lambda event: (event.job.error or {}).get("code") == "journal").job
    assert (waiting.state, waiting.attempts) == (JobState.WAITING, 1)
    other.execute("ROLLBACK")
    other.close()
    pass_s(queue, clocks, 4.0)
    kind.let_end(job_id, {})
    done = queue.wait(job_id, WAIT_S)
    assert (done.state, done.attempts) == (JobState.DONE, 2)
    assert [each.outcome for each in queue.attempts(job_id)] == ["waiting", "done"]


def test_wait_that_could_not_be_stored_is_stored_later(
    queue: JobQueue, kind: GatedKind, listener: Listener, tmp_path: Path
) -> None:
    jobs = [queue.submit("gated", {"about": number}) for number in range(2)]
    kind.wait_running(lambda running: set(running) == set(jobs))
    other = sqlite3.connect(tmp_path / "own.sql", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    kind.let_end(jobs[0], SILENT)
    listener.wait_state(jobs[0], JobState.WAITING)
    other.execute("ROLLBACK")
    other.close()
    kind.let_end(jobs[1], {})
    queue.wait(jobs[1], WAIT_S)
    journal = Journal(tmp_path / "own.sql")
    entry = journal.get(jobs[0])
    (attempt,) = journal.attempts(jobs[0])
    journal.close()
    assert entry is not None
    assert (entry.record.state, attempt.outcome) == (JobState.WAITING, "waiting")
    assert (attempt.error or {})["code"] == "timeout"


def test_end_that_could_not_be_stored_is_not_lost_by_another_try(
    queue: JobQueue, kind: GatedKind, tmp_path: Path
) -> None:
    job_id = queue.submit("gated", {})
    kind.wait_running(lambda running: running == [job_id])
    other = sqlite3.connect(tmp_path / "own.sql", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    kind.let_end(job_id, REFUSED)
    assert queue.wait(job_id, WAIT_S).state is JobState.FAILED
    other.execute("ROLLBACK")
    other.close()
    assert queue.retry(job_id)
    kind.let_end(job_id, {})
    assert queue.wait(job_id, WAIT_S).state is JobState.DONE
    assert [each.outcome for each in queue.attempts(job_id)] == ["failed", "done"]
    assert [job.state for job in queue.jobs()] == [JobState.DONE]


def test_time_without_an_engine_does_not_count_as_failing(
    new_queue: MakeQueue, kind: GatedKind, listener: Listener, clocks: Clocks
) -> None:
    """Case 72 (restart with waiting jobs)."""
    queue = new_queue(retry=by_error(), **clocks.options())
    job_id = queue.submit("gated", {})
    kind.let_end(job_id, SILENT)
    listener.wait_state(job_id, JobState.WAITING, 1)
    pass_s(queue, clocks, 1.0)
    queue.close()
    clocks.pass_s(5000.0)
    queue = new_queue(retry=by_error(), **clocks.options())
    assert queue.resume_unfinished() == [job_id]
    listener.wait_state(job_id, JobState.RUNNING, 2)
    clocks.pass_s(3.0)
    kind.let_end(job_id, SILENT)
    failing = listener.wait_state(job_id, JobState.WAITING, 2).failing
    assert failing is not None
    assert (failing.count, failing.lasted_s) == (2, 3.0)


def test_peer_that_asks_for_time_is_left_alone_that_long(
    queue: JobQueue, kind: GatedKind, listener: Listener, clocks: Clocks
) -> None:
    asked: dict[str, Any] = {"code": "http_429", "server": "PACS_A", "retry_after": 60.0}
    job_id = queue.submit("gated", {}, server="PACS_A")
    kind.let_end(job_id, PeerError("Server asks to wait 60 s.", **asked))
    waiting = listener.wait_state(job_id, JobState.WAITING)
    assert (waiting.next_try or 0.0) >= clocks.wall + 60.0
