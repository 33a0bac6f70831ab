"""The process is killed while jobs wait, are paused, or are being paused and resumed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from job_kinds import WAIT_S, GatedKind, make_queue

from VisualDICOMBrowserLib.engine.supervision import child_environment
from VisualDICOMBrowserLib.jobs.journal import Journal
from VisualDICOMBrowserLib.jobs.states import JobState

HERE = Path(__file__).parent
GOES_ON = {"queued", "running"}
AFTER = {"pause": {"paused"}, "resume": GOES_ON, "retry": GOES_ON, "cancel": {"cancelled"}}


def lines_until_killed(tmp_path: Path, seed: int, last: int | None = None) -> list[list[str]]:
    """Words of each line of a child that is killed after `last` lines, or when it is ready."""
    child = subprocess.Popen(
        [sys.executable, str(HERE / "pausing_child.py"), str(tmp_path), str(seed)],
        env=child_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with child:
        assert child.stdout is not None
        lines = []
        for line in child.stdout:
            lines.append(line.decode().split())
            if len(lines) == last or lines[-1] == ["ready"]:
                child.kill()
    return lines


def test_jobs_of_a_killed_process_are_where_they_stood(tmp_path: Path) -> None:
    """Case 72 (restart with queued, running, waiting and paused jobs)."""
    told = lines_until_killed(tmp_path, 0)
    assert told.pop() == ["ready"]
    ids = dict(told)
    journal = Journal(tmp_path / "own.sql")
    before = {entry.record.job_id: entry.record for entry in journal.jobs()}
    kind = GatedKind()
    queue = make_queue(journal, kind, server_limit=lambda server: 1)
    assert queue.resume_unfinished() == list(ids.values())
    kind.wait_running(lambda running: running == [ids["running"]])
    states = {name: queue.job(job_id).state.value for name, job_id in ids.items()}
    assert states == {
        "waiting": "waiting",
        "paused": "paused",
        "pausing": "paused",
        "running": "running",
        "queued": "queued",
        "held": "paused",
    }
    waiting = queue.job(ids["waiting"])
    assert replace(waiting, log=()) == before[ids["waiting"]]
    assert waiting.failing is not None
    assert "The server is silent. Next try in " in waiting.log[0]
    assert queue.attempts(ids["pausing"])[0].outcome == "interrupted"
    assert queue.retry(ids["waiting"])
    assert queue.resume_many() == [ids["paused"], ids["pausing"], ids["held"]]
    for job_id in ids.values():
        kind.let_end(job_id, {})
    records = [queue.wait(job_id, WAIT_S) for job_id in ids.values()]
    assert {record.state for record in records} == {JobState.DONE}
    assert [record.attempts for record in records] == [2, 2, 2, 2, 1, 1]
    queue.close()


@pytest.mark.parametrize("seed", range(1, 6))
def test_no_step_that_was_answered_is_lost(tmp_path: Path, seed: int) -> None:
    """Case 72 (restart, cancel storm): only the step under way at the kill may or may not have been made."""
    told = lines_until_killed(tmp_path, seed, last=97 * seed)
    journal = Journal(tmp_path / "own.sql")
    expected = {entry.record.job_id: GOES_ON for entry in journal.jobs()}
    for line in told:
        if line[0] == "did" and line[3] == "True":
            expected[line[2]] = AFTER[line[1]]
    if told[-1][0] == "try":
        expected.pop(told[-1][2])
    kind = GatedKind()
    queue = make_queue(journal, kind)
    queue.resume_unfinished()
    found = {job.job_id: job.state.value for job in queue.jobs()}
    assert {job_id: found[job_id] for job_id, states in expected.items() if found[job_id] not in states} == {}
    assert len(expected) >= 7
    queue.close()
