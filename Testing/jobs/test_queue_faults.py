"""What goes wrong around the queue: work, journal, listener and caller, and that the queue outlives it."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from job_kinds import WAIT_S, GatedKind, Listener, MakeQueue, outcome_of

from VisualDICOMBrowserLib.errors import (
    JobCancelled,
    JournalError,
    PeerTimeoutError,
    UnknownJobError,
    UsageError,
    VisualDICOMError,
)
from VisualDICOMBrowserLib.jobs.job import JobRecord
from VisualDICOMBrowserLib.jobs.journal import Journal
from VisualDICOMBrowserLib.jobs.states import JobState


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (PeerTimeoutError("PACS_A is silent.", server="PACS_A"), "timeout"),
        (RuntimeError("unforeseen"), "bug"),
        (SystemExit(3), "bug"),
        ({"value": {1, 2}}, "bug"),
        (["no object"], "bug"),
    ],
)
def test_failures_end_the_job_and_not_the_worker(
    new_queue: MakeQueue, kind: GatedKind, raised: Any, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    queue = new_queue(max_concurrent=1)
    record = outcome_of(queue, kind, raised)
    assert record.state is JobState.FAILED
    assert record.error is not None
    assert record.error["code"] == code
    assert len(record.log) == 1
    assert outcome_of(queue, kind, {}).state is JobState.DONE
    assert ("Traceback" in caplog.text) == (code == "bug")


def test_work_that_ends_some_other_way_after_a_cancel(new_queue: MakeQueue, caplog: pytest.LogCaptureFixture) -> None:
    class Stubborn(GatedKind):
        def run(self, job: JobRecord, control: Any) -> dict[str, Any]:
            try:
                super().run(job, control)
            except JobCancelled:
                if job.parameters["about"] == "broken":
                    message = "The connection was closed."
                    raise PeerTimeoutError(message) from None
            return {}

    kind = Stubborn()
    queue = new_queue(kind)
    states = {}
    for about in ("broken", "whole"):
        job_id = queue.submit("gated", {"about": about})
        kind.wait_running(lambda running, job_id=job_id: job_id in running)
        kind.controls[job_id].on_cancel(lambda: 1 / 0)
        queue.cancel(job_id)
        states[about] = queue.wait(job_id, WAIT_S).state
    assert states == {"broken": JobState.CANCELLED, "whole": JobState.DONE}
    assert "Telling job" in caplog.text


def test_cancel_that_cannot_be_stored_interrupts_nothing(new_queue: MakeQueue, kind: GatedKind, tmp_path: Path) -> None:
    queue = new_queue()
    job_id = queue.submit("gated", {})
    kind.wait_running(lambda running: running == [job_id])
    other = sqlite3.connect(tmp_path / "own.sql", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError):
        queue.cancel(job_id)
    with pytest.raises(JournalError):
        queue.submit("gated", {"about": "another"})
    assert not kind.controls[job_id].cancel_requested
    other.execute("ROLLBACK")
    other.close()
    kind.let_end(job_id, {})
    assert queue.wait(job_id, WAIT_S).state is JobState.DONE
    assert len(queue.jobs()) == 1


def test_work_that_ended_counts_even_if_that_cannot_be_stored(
    new_queue: MakeQueue, kind: GatedKind, tmp_path: Path, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    queue = new_queue()
    job_id = queue.submit("gated", {})
    kind.wait_running(lambda running: running == [job_id])
    other = sqlite3.connect(tmp_path / "own.sql", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    kind.let_end(job_id, {"count": 1})
    assert queue.wait(job_id, WAIT_S).state is JobState.DONE
    listener.wait(lambda event: event.name == "job_finished")
    assert "could not be stored" in caplog.text
    assert [job.state for job in (queue.job(job_id), *queue.jobs())] == [JobState.DONE] * 2
    assert queue.resume_unfinished() == []
    other.execute("ROLLBACK")
    other.close()
    queue.close()
    journal = Journal(tmp_path / "own.sql")
    assert journal.unfinished() == []
    assert [each.outcome for each in journal.attempts(job_id)] == ["done"]
    journal.close()


def test_failing_listener_harms_nobody(new_queue: MakeQueue, kind: GatedKind, caplog: pytest.LogCaptureFixture) -> None:
    def fail(event: Any) -> None:
        raise RuntimeError

    queue = new_queue(listener=fail)
    assert outcome_of(queue, kind, {}).state is JobState.DONE
    queue.close()
    assert "A listener failed on job_finished" in caplog.text


def test_deaf_job_does_not_hold_up_close(new_queue: MakeQueue, tmp_path: Path) -> None:
    release, began, ended = threading.Event(), threading.Event(), threading.Event()

    class Deaf(GatedKind):
        def run(self, job: JobRecord, control: Any) -> dict[str, Any]:
            began.set()
            release.wait(WAIT_S)
            control.progress(1)
            control.log("Late.")
            ended.set()
            return {}

    queue = new_queue(Deaf(), stop_timeout_s=0.05)
    job_id = queue.submit("gated", {})
    assert began.wait(WAIT_S)
    queue.close()
    journal = Journal(tmp_path / "own.sql")
    entry = journal.get(job_id)
    journal.close()
    release.set()
    assert ended.wait(WAIT_S)
    assert entry is not None
    assert entry.record.state is JobState.RUNNING


def test_unknown_things_are_named(new_queue: MakeQueue) -> None:
    queue = new_queue()
    for ask in (queue.job, queue.cancel, queue.wait, lambda job_id: queue.set_priority(job_id, 1)):
        with pytest.raises(UnknownJobError, match="no job r-9"):
            ask("r-9")
    with pytest.raises(UsageError, match="no kind of job"):
        queue.submit("dance", {})
    with pytest.raises(UsageError, match="not JSON"):
        queue.submit("gated", {"value": object()})


def test_broken_retry_policy_lets_the_job_fail(
    new_queue: MakeQueue, kind: GatedKind, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def next_try(self, job: JobRecord, error: VisualDICOMError, now: float) -> float | None:
            raise RuntimeError

    queue = new_queue(retry=Broken())
    assert outcome_of(queue, kind, PeerTimeoutError("Silent.")).state is JobState.FAILED
