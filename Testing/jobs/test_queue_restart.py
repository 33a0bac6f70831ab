"""What goes on after the queue was closed, or its process killed at any moment."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from job_kinds import WAIT_S, GatedKind, make_queue

from VisualDICOMBrowserLib.engine.supervision import child_environment
from VisualDICOMBrowserLib.errors import PeerTimeoutError
from VisualDICOMBrowserLib.jobs.job import JobRecord, Priority
from VisualDICOMBrowserLib.jobs.journal import Journal, identity_digest
from VisualDICOMBrowserLib.jobs.states import JobState

HERE = Path(__file__).parent


def journal_of(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "own.sql")


def test_closed_queue_goes_on_in_the_next_one(tmp_path: Path) -> None:
    kind = GatedKind()
    queue = make_queue(journal_of(tmp_path), kind, max_concurrent=1)
    running = queue.submit("gated", {"about": 1}, label="first")
    kind.wait_running(lambda ids: ids == [running])
    queued = queue.submit("gated", {"about": 2})
    urgent = queue.submit("gated", {"about": 3}, priority=Priority.HIGH)
    gone = queue.submit("gated", {"about": 4})
    queue.cancel(gone)
    kind.controls[running].progress(5, 10)
    queue.close()
    assert kind.running == []

    kind = GatedKind()
    queue = make_queue(journal_of(tmp_path), kind, max_concurrent=1)
    assert [(job.job_id, job.state.value) for job in queue.jobs()] == [
        (running, "queued"),
        (queued, "queued"),
        (urgent, "queued"),
        (gone, "cancelled"),
    ]
    assert kind.started == []
    assert queue.resume_unfinished() == [running, queued, urgent]
    assert queue.resume_unfinished() == []
    for job_id in (running, queued, urgent):
        kind.let_end(job_id, {})
    first = queue.wait(running, WAIT_S)
    assert (first.state, first.attempts, first.label) == (JobState.DONE, 2, "first")
    assert (first.progress_done, first.progress_total) == (5, 10)
    assert queue.wait(queued, WAIT_S).attempts == 1
    assert queue.wait(urgent, WAIT_S).attempts == 1
    queue.close()
    journal = journal_of(tmp_path)
    assert [each.outcome for each in journal.attempts(running)] == ["interrupted", "done"]
    journal.close()


def left_running(journal: Journal, kind: str, **fields: object) -> str:
    """A job as a killed engine leaves it."""
    entry = journal.add(JobRecord(job_id="", kind=kind, label=kind), identity_digest(kind, "", "{}"))
    record = replace(entry.record, state=JobState.RUNNING, attempts=1, **fields)  # type: ignore[arg-type]
    journal.start_attempt(record, 1.0)
    return record.job_id


def test_what_a_killed_engine_left_is_sorted_out(tmp_path: Path) -> None:
    journal = journal_of(tmp_path)
    goes_on = left_running(journal, "gated")
    cannot = left_running(journal, "once")
    unknown = left_running(journal, "of-a-later-release")
    cancelled = left_running(journal, "gated", cancel_requested=True)
    kind, once = GatedKind(), GatedKind("once", resumable=False)
    queue = make_queue(journal, kind, once)
    assert queue.resume_unfinished() == [goes_on]
    kind.let_end(goes_on, {})
    done = queue.wait(goes_on, WAIT_S)
    assert (done.state, done.attempts) == (JobState.DONE, 2)
    assert "it goes on" in done.log[0]
    for job_id in (cannot, unknown):
        failed = queue.job(job_id)
        assert failed.state is JobState.FAILED
        assert failed.error is not None
        assert failed.error["code"] == "not_resumable"
        assert "cannot go on" in failed.error["message"]
    assert queue.job(cancelled).state is JobState.CANCELLED
    assert journal.attempts(cannot)[0].outcome == "failed"
    assert journal.attempts(goes_on)[0].outcome == "interrupted"
    queue.close()
    assert once.started == []


def test_waiting_and_paused_jobs_stay_so(tmp_path: Path) -> None:
    journal = journal_of(tmp_path)
    states = {}
    for state in (JobState.WAITING, JobState.PAUSED):
        entry = journal.add(JobRecord(job_id="", kind="gated"), state.value)
        journal.save(replace(entry.record, state=state, next_try=5000.0))
        states[entry.record.job_id] = state
    kind = GatedKind()
    queue = make_queue(journal, kind, clock=lambda: 100.0)
    assert queue.resume_unfinished() == list(states)
    assert {job.job_id: job.state for job in queue.jobs()} == states
    for job_id in states:
        assert queue.cancel(job_id)
        assert queue.job(job_id).state is JobState.CANCELLED
    queue.close()
    assert kind.started == []


def test_waiting_job_whose_time_has_come_runs(tmp_path: Path) -> None:
    journal = journal_of(tmp_path)
    entry = journal.add(JobRecord(job_id="", kind="gated"), "about")
    journal.save(replace(entry.record, state=JobState.WAITING, next_try=5000.0))
    kind = GatedKind()
    queue = make_queue(journal, kind, clock=lambda: 6000.0)
    (job_id,) = queue.resume_unfinished()
    kind.let_end(job_id, {})
    assert queue.wait(job_id, WAIT_S).state is JobState.DONE
    queue.close()


def test_jobs_left_by_another_engine_can_be_cancelled_and_joined_without_resuming(tmp_path: Path) -> None:
    journal = journal_of(tmp_path)
    joined = left_running(journal, "gated")
    other = journal.add(JobRecord(job_id="", kind="gated"), "other").record.job_id
    kind = GatedKind()
    queue = make_queue(journal, kind)
    assert queue.wait(joined).state is JobState.RUNNING
    assert queue.cancel(other)
    assert queue.job(other).state is JobState.CANCELLED
    assert kind.started == []
    assert queue.submit("gated", {}) == joined
    kind.let_end(joined, {})
    record = queue.wait(joined, WAIT_S)
    assert (record.state, record.attempts, record.merged) == (JobState.DONE, 2, 1)
    queue.close()


def test_failed_jobs_are_not_revived(tmp_path: Path) -> None:
    kind = GatedKind()
    queue = make_queue(journal_of(tmp_path), kind)
    job_id = queue.submit("gated", {})
    kind.let_end(job_id, PeerTimeoutError("Silent."))
    queue.wait(job_id, WAIT_S)
    queue.close()
    queue = make_queue(journal_of(tmp_path), kind)
    assert queue.resume_unfinished() == []
    queue.close()


@pytest.mark.parametrize("seed", range(4))
def test_every_job_is_done_in_the_end_however_often_the_process_is_killed(tmp_path: Path, seed: int) -> None:
    """A child counts steps into files, one per job, and is killed after a random number of them."""
    chance = random.Random(seed)
    jobs, kills = 30, 0
    while True:
        steps = chance.randrange(1, 60)
        child = subprocess.Popen(
            [sys.executable, str(HERE / "counting_child.py"), str(tmp_path), str(jobs)],
            env=child_environment(),
            stdout=subprocess.PIPE,
        )
        with child:
            assert child.stdout is not None
            lines = 0
            for line in child.stdout:
                lines += 1
                if line.strip() == b"all done":
                    break
                if lines == steps:
                    child.kill()
                    kills += 1
                    break
            if lines != steps:
                break
    assert child.returncode == 0
    assert kills >= 3
    journal = journal_of(tmp_path)
    records = [entry.record for entry in journal.jobs()]
    assert [record.state for record in records] == [JobState.DONE] * jobs
    for record in records:
        number = record.parameters["number"]
        steps_done = (tmp_path / f"{number}.steps").read_text().split()
        assert steps_done == [str(step) for step in range(10)]
        attempts = journal.attempts(record.job_id)
        assert len(attempts) == record.attempts
        assert [each.outcome for each in attempts] == ["interrupted"] * (len(attempts) - 1) + ["done"]
    assert sum(record.attempts for record in records) > jobs
    journal.close()
