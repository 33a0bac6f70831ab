"""What a person asks of jobs: pause, resume, try again, raise, for one, many and all."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from job_kinds import WAIT_S, GatedKind, Listener, MakeQueue, make_queue, outcome_of

from VisualDICOMBrowserLib.errors import JournalError, PeerTimeoutError, UnknownJobError, UsageError
from VisualDICOMBrowserLib.jobs.job import JobRecord, Priority
from VisualDICOMBrowserLib.jobs.journal import Journal
from VisualDICOMBrowserLib.jobs.queue import JobQueue
from VisualDICOMBrowserLib.jobs.states import JobState
from VisualDICOMBrowserLib.model import JobControl, NullControl, priority_of


def stored_state(tmp_path: Path, job_id: str) -> JobRecord:
    journal = Journal(tmp_path / "own.sql")
    entry = journal.get(job_id)
    journal.close()
    assert entry is not None
    return entry.record


def test_queued_job_is_paused_at_once_and_goes_on_when_resumed(
    new_queue: MakeQueue, kind: GatedKind, tmp_path: Path
) -> None:
    queue = new_queue(max_concurrent=1)
    first = queue.submit("gated", {"about": 1})
    kind.wait_running(lambda running: running == [first])
    second, third = queue.submit("gated", {"about": 2}), queue.submit("gated", {"about": 3})
    assert queue.pause(second)
    assert not queue.pause(second)
    assert stored_state(tmp_path, second).state is JobState.PAUSED
    for job_id in (first, third):
        kind.let_end(job_id, {})
        assert queue.wait(job_id, WAIT_S).state is JobState.DONE
    assert queue.wait(second, 0.0).state is JobState.PAUSED
    assert not queue.resume(third)
    assert queue.resume(second)
    assert not queue.resume(second)
    kind.let_end(second, {})
    done = queue.wait(second, WAIT_S)
    assert (done.state, done.attempts) == (JobState.DONE, 1)
    assert [line.split(maxsplit=1)[1] for line in done.log] == ["Paused.", "Resumed."]
    assert kind.started == [first, third, second]
    assert not queue.pause(second)


def test_running_job_is_paused_when_its_work_gives_up(
    new_queue: MakeQueue, kind: GatedKind, listener: Listener, tmp_path: Path
) -> None:
    queue = new_queue()
    job_id = queue.submit("gated", {})
    kind.wait_running(lambda running: running == [job_id])
    kind.controls[job_id].progress(60, 200)
    stored: list[JobRecord] = []
    kind.controls[job_id].on_cancel(lambda: stored.append(stored_state(tmp_path, job_id)))
    assert queue.pause(job_id)
    assert stored[0].pause_requested or stored[0].state is JobState.PAUSED
    paused = listener.wait_state(job_id, JobState.PAUSED)
    assert (paused.pause_requested, paused.progress_done, paused.error, paused.finished) == (False, 60, None, None)
    assert [each.outcome for each in queue.attempts(job_id)] == ["paused"]
    assert queue.resume(job_id)
    kind.let_end(job_id, {})
    done = queue.wait(job_id, WAIT_S)
    assert (done.state, done.attempts) == (JobState.DONE, 2)
    assert [each.outcome for each in queue.attempts(job_id)] == ["paused", "done"]


class Slow(GatedKind):
    """Hears that it shall end, and ends only when the test lets it."""

    def run(self, job: JobRecord, control: JobControl) -> dict[str, Any]:
        try:
            return super().run(job, NullControl())
        finally:
            control.raise_if_cancelled()


def slow_job(new_queue: MakeQueue) -> tuple[JobQueue, Slow, str]:
    kind = Slow()
    queue = new_queue(kind)
    job_id = queue.submit("gated", {})
    kind.wait_running(lambda running: running == [job_id])
    return queue, kind, job_id


def test_job_resumed_before_its_pause_has_come_goes_on(new_queue: MakeQueue) -> None:
    queue, kind, job_id = slow_job(new_queue)
    assert queue.pause(job_id)
    assert not queue.pause(job_id)
    assert queue.resume(job_id)
    assert not queue.resume(job_id)
    kind.let_end(job_id, {})
    kind.wait_running(lambda running: len(kind.started) == 2)
    kind.let_end(job_id, {})
    record = queue.wait(job_id, WAIT_S)
    assert (record.state, record.attempts) == (JobState.DONE, 2)


def test_job_cancelled_before_its_pause_has_come_is_cancelled(new_queue: MakeQueue) -> None:
    queue, kind, job_id = slow_job(new_queue)
    assert queue.pause(job_id)
    assert queue.cancel(job_id)
    assert not queue.pause(job_id)
    assert not queue.resume(job_id)
    assert not queue.retry(job_id)
    kind.let_end(job_id, {})
    record = queue.wait(job_id, WAIT_S)
    assert (record.state, record.cancel_requested, record.pause_requested) == (JobState.CANCELLED, True, False)


def test_work_that_ends_or_breaks_after_a_pause(new_queue: MakeQueue, listener: Listener) -> None:
    class Stubborn(GatedKind):
        def run(self, job: JobRecord, control: JobControl) -> dict[str, Any]:
            return super().run(job, NullControl())

    kind = Stubborn()
    queue = new_queue(kind)
    whole, broken = queue.submit("gated", {"about": 1}), queue.submit("gated", {"about": 2})
    kind.wait_running(lambda running: len(running) == 2)
    assert queue.pause_many([whole, broken]) == [whole, broken]
    kind.let_end(whole, {})
    kind.let_end(broken, PeerTimeoutError("The connection was closed."))
    assert queue.wait(whole, WAIT_S).state is JobState.DONE
    assert listener.wait_state(broken, JobState.PAUSED).error is None
    assert queue.cancel(broken)
    assert queue.wait(broken, WAIT_S).state is JobState.CANCELLED


@pytest.mark.parametrize("end", ["failed", "partly", "cancelled"])
def test_ended_job_is_tried_again_as_the_same_job(
    new_queue: MakeQueue, kind: GatedKind, listener: Listener, end: str
) -> None:
    queue = new_queue()
    job_id = queue.submit("gated", {})
    kind.wait_running(lambda running: running == [job_id])
    if end == "cancelled":
        assert queue.cancel(job_id)
    else:
        kind.let_end(job_id, PeerTimeoutError("Silent.") if end == "failed" else {"failed_count": 2})
    assert queue.wait(job_id, WAIT_S).state.value == end
    assert queue.retry(job_id)
    running = listener.wait_state(job_id, JobState.RUNNING, attempts=2)
    assert (running.error, running.result, running.finished, running.cancel_requested) == (None, None, None, False)
    assert running.log[-1].endswith("Tried again by hand.")
    assert not queue.retry(job_id)
    assert queue.submit("gated", {}) == job_id
    kind.let_end(job_id, {"count": 1})
    done = queue.wait(job_id, WAIT_S)
    assert (done.state, done.result, done.attempts) == (JobState.DONE, {"count": 1}, 2)
    assert [each.outcome for each in queue.attempts(job_id)] == [end, "done"]
    assert not queue.retry(job_id)
    assert [job.job_id for job in queue.jobs()] == [job_id]


def test_job_is_not_tried_again_beside_an_identical_one(new_queue: MakeQueue, kind: GatedKind) -> None:
    """Case 72 (duplicates)."""
    queue = new_queue()
    failed = [queue.submit("gated", {"about": "x"})]
    kind.let_end(failed[0], PeerTimeoutError("Silent."))
    queue.wait(failed[0], WAIT_S)
    failed.append(queue.submit("gated", {"about": "x"}))
    kind.let_end(failed[1], PeerTimeoutError("Silent."))
    queue.wait(failed[1], WAIT_S)
    third = queue.submit("gated", {"about": "x"})
    assert not queue.retry(failed[0])
    assert queue.retry_many() == []
    assert queue.cancel(third)
    assert queue.wait(third, WAIT_S).state is JobState.CANCELLED
    assert queue.retry_many() == failed[:1]
    assert queue.retry_many() == []


def test_request_of_the_user_brings_on_a_paused_job_and_prefetch_does_not(
    new_queue: MakeQueue, kind: GatedKind, listener: Listener
) -> None:
    """Case 72 (duplicates)."""
    queue = new_queue()
    job_id = queue.submit("gated", {})
    kind.wait_running(lambda running: running == [job_id])
    queue.pause(job_id)
    listener.wait_state(job_id, JobState.PAUSED)
    assert queue.submit("gated", {}, priority=Priority.HIGH, by_user=False) == job_id
    assert queue.job(job_id).state is JobState.PAUSED
    assert queue.submit("gated", {}) == job_id
    kind.let_end(job_id, {})
    done = queue.wait(job_id, WAIT_S)
    assert (done.state, done.merged, done.priority) == (JobState.DONE, 2, Priority.HIGH)
    assert done.log[-1].endswith("Goes on, because it was asked for again.")


def test_raised_priority_reaches_running_work(new_queue: MakeQueue, kind: GatedKind) -> None:
    """Case 72 (priority inversion): an urgent request that joins a prefetch makes its work urgent."""
    queue = new_queue()
    job_id = queue.submit("gated", {}, priority=Priority.LOW)
    kind.wait_running(lambda running: running == [job_id])
    control = kind.controls[job_id]
    assert priority_of(control) == Priority.LOW
    queue.set_priority(job_id, Priority.HIGH)
    assert priority_of(control) == Priority.HIGH
    assert queue.submit("gated", {}, priority=Priority.HIGHEST) == job_id
    assert priority_of(control) == Priority.HIGHEST
    assert priority_of(NullControl()) == Priority.NORMAL


def test_prefetch_never_takes_the_last_thread(new_queue: MakeQueue, kind: GatedKind) -> None:
    """Case 72 (priority inversion)."""
    queue = new_queue(max_concurrent=3)
    low = [queue.submit("gated", {"about": number}, priority=Priority.LOW) for number in range(5)]
    kind.wait_running(lambda running: running == low[:2])
    urgent = queue.submit("gated", {"about": "urgent"}, priority=Priority.HIGHEST)
    kind.wait_running(lambda running: set(running) == {*low[:2], urgent})
    assert queue.set_priority(low[4], Priority.HIGH)
    kind.let_end(urgent, {})
    kind.wait_running(lambda running: set(running) == {*low[:2], low[4]})


def test_changed_limit_of_a_kind_holds_at_once(new_queue: MakeQueue) -> None:
    setting = [1]
    kind = GatedKind()
    kind.limit = lambda: setting[0]  # type: ignore[assignment]
    queue = new_queue(kind)
    jobs = [queue.submit("gated", {"about": number}) for number in range(3)]
    kind.wait_running(lambda running: running == jobs[:1])
    setting[0] = 2
    queue.limits_changed()
    kind.wait_running(lambda running: set(running) == set(jobs[:2]))


def test_actions_on_all_jobs(new_queue: MakeQueue, kind: GatedKind, listener: Listener) -> None:
    queue = new_queue(max_concurrent=2)
    failed = outcome_of(queue, kind, PeerTimeoutError("Silent.")).job_id
    gone = queue.submit("gated", {"about": "gone"})
    queue.cancel(gone)
    queue.wait(gone, WAIT_S)
    done = outcome_of(queue, kind, {}).job_id
    jobs = [queue.submit("gated", {"about": number}) for number in range(4)]
    kind.wait_running(lambda running: set(running) == set(jobs[:2]))
    assert queue.pause_many() == jobs
    for job_id in jobs:
        listener.wait_state(job_id, JobState.PAUSED)
    assert queue.pause_many() == []
    assert queue.resume_many([jobs[3], jobs[2], jobs[3], done]) == [jobs[3], jobs[2]]
    kind.wait_running(lambda running: set(running) == set(jobs[2:]))
    assert queue.resume_many() == jobs[:2]
    assert queue.retry_many() == [failed]
    assert queue.cancel_many() == [failed, *jobs]
    for job_id in (failed, *jobs):
        assert queue.wait(job_id, WAIT_S).state is JobState.CANCELLED
    assert queue.cancel_many() == []
    assert queue.retry_many() == []
    assert queue.retry_many([gone]) == [gone]


def test_nothing_changes_if_one_job_is_unknown_or_the_journal_cannot_be_written(
    new_queue: MakeQueue, kind: GatedKind, tmp_path: Path
) -> None:
    queue = new_queue(max_concurrent=1)
    jobs = [queue.submit("gated", {"about": number}) for number in range(3)]
    kind.wait_running(lambda running: running == jobs[:1])
    before = queue.jobs()
    for act in (queue.pause_many, queue.cancel_many, queue.resume_many, queue.retry_many):
        with pytest.raises(UnknownJobError, match="no job r-9"):
            act([*jobs, "r-9"])
    for ask in (queue.pause, queue.resume, queue.retry, queue.attempts):
        with pytest.raises(UnknownJobError, match="no job r-9"):
            ask("r-9")
    other = sqlite3.connect(tmp_path / "own.sql", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for act in (queue.pause_many, queue.cancel_many):
        with pytest.raises(JournalError):
            act(None)
    other.execute("ROLLBACK")
    other.close()
    assert queue.jobs() == before
    assert not kind.controls[jobs[0]].cancel_requested


def test_jobs_of_an_earlier_engine_follow_without_being_taken_up(tmp_path: Path) -> None:
    """Case 72 (restart): as a one-shot command sees the jobs."""
    journal = Journal(tmp_path / "own.sql")
    ids = {}
    for state in (JobState.QUEUED, JobState.RUNNING, JobState.WAITING, JobState.PAUSED):
        record = journal.add(JobRecord(job_id="", kind="gated"), state.value).record
        record = replace(record, state=state, attempts=1, next_try=5.0)
        journal.start_attempt(record, 1.0)
        ids[state] = record.job_id
    unknown = journal.add(JobRecord(job_id="", kind="of-a-later-release"), "unknown").record
    journal.save(replace(unknown, state=JobState.FAILED, finished=3.0))
    kind = GatedKind()
    queue = make_queue(journal, kind)
    assert queue.set_priority(ids[JobState.QUEUED], Priority.HIGH)
    assert not queue.wait(ids[JobState.QUEUED]).state.finished
    assert queue.pause_many() == [ids[JobState.QUEUED], ids[JobState.RUNNING], ids[JobState.WAITING]]
    assert {job.state for job in queue.jobs()} == {JobState.PAUSED, JobState.FAILED}
    assert queue.attempts(ids[JobState.RUNNING])[0].outcome == "interrupted"
    assert kind.started == []
    assert not queue.retry(unknown.job_id)
    assert queue.cancel(ids[JobState.WAITING])
    assert queue.resume(ids[JobState.QUEUED])
    kind.let_end(ids[JobState.QUEUED], {})
    assert queue.wait(ids[JobState.QUEUED], WAIT_S).state is JobState.DONE
    assert kind.started == [ids[JobState.QUEUED]]
    queue.close()


def test_job_whose_server_was_deleted_fails_with_that_sentence(new_queue: MakeQueue, kind: GatedKind) -> None:
    """Case 72 (dependency on a deleted server): its limit is not known, its kind finds no server."""

    def no_limit(server: str) -> int:
        raise KeyError(server)

    class Asks(GatedKind):
        def run(self, job: JobRecord, control: JobControl) -> dict[str, Any]:
            message = f"There is no server {job.server}."
            raise UsageError(message, code="unknown_server", server=job.server, next_step="See the list of servers.")

    queue = new_queue(Asks(), server_limit=no_limit)
    record = queue.wait(queue.submit("gated", {}, server="PACS_A"), WAIT_S)
    assert (record.state, record.attempts) == (JobState.FAILED, 1)
    assert record.error is not None
    assert (record.error["code"], record.error["message"]) == ("unknown_server", "There is no server PACS_A.")
    assert record.log[-1].endswith("There is no server PACS_A. See the list of servers.")


def test_log_of_a_talkative_job_keeps_both_ends(new_queue: MakeQueue, kind: GatedKind) -> None:
    queue = new_queue()
    job_id = queue.submit("gated", {})
    kind.wait_running(lambda running: running == [job_id])
    for number in range(250):
        kind.controls[job_id].log(str(number))
    running = queue.job(job_id)
    kind.let_end(job_id, {})
    queue.wait(job_id, WAIT_S)
    assert [int(line.split()[1]) for line in running.log] == [*range(100), *range(150, 250)]
    assert queue.job(job_id).log == running.log
    assert queue.jobs()[0].log == ()


def test_brief_fields_stay_small(new_queue: MakeQueue) -> None:
    record = JobRecord(
        job_id="r-1",
        kind="retrieve",
        state=JobState.WAITING,
        parameters={"paths": ["a"] * 10_000},
        result={"missing": ["1.2.3"] * 10_000},
        log=("line",) * 200,
    )
    assert len(repr(record.as_dict(brief=True))) < 1000
    ended = replace(record, state=JobState.PARTLY, result={"failed_count": 1})
    assert ended.as_dict(brief=True)["result"] == {"failed_count": 1}


def test_history_is_trimmed(new_queue: MakeQueue, kind: GatedKind) -> None:
    now = [1000.0]
    queue = new_queue(clock=lambda: now[0])
    ended = []
    for number in range(4):
        now[0] += 100.0
        ended.append(outcome_of(queue, kind, {"number": number}).job_id)
    running = queue.submit("gated", {"about": "running"})
    assert queue.trim_history(None, None) == 0
    assert queue.trim_history(max_age_s=250.0, max_count=None) == 1
    assert queue.trim_history(max_age_s=None, max_count=2) == 1
    assert [job.job_id for job in queue.jobs()] == [*ended[2:], running]
