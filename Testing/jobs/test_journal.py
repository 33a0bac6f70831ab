"""What the journal keeps, in a real file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from VisualDICOMBrowserLib.errors import JournalError
from VisualDICOMBrowserLib.jobs.actions import Change
from VisualDICOMBrowserLib.jobs.job import LOG_FIRST, LOG_LAST, FailureRun, JobRecord
from VisualDICOMBrowserLib.jobs.journal import Journal, identity_digest
from VisualDICOMBrowserLib.jobs.states import JobState

text = st.text(st.characters(codec=None), max_size=20)
times = st.none() | st.floats(0, 4e9)
values = st.recursive(st.none() | st.booleans() | st.integers(-(2**60), 2**60) | text, st.lists, max_leaves=5)
objects = st.dictionaries(text, values, max_size=4)
records = st.builds(
    JobRecord,
    job_id=st.just(""),
    kind=st.from_regex(r"[a-z]+", fullmatch=True),
    server=text,
    label=text,
    priority=st.integers(-50, 50),
    state=st.sampled_from(JobState),
    parameters=objects,
    progress_done=st.integers(0, 2**60),
    progress_total=st.none() | st.integers(0, 2**60),
    received_bytes=st.integers(0, 2**60),
    attempts=st.integers(0, 100),
    merged=st.integers(0, 100),
    created=st.floats(0, 4e9),
    started=times,
    finished=times,
    next_try=times,
    result=st.none() | objects,
    error=st.none() | objects,
    failing=st.none() | st.builds(FailureRun, count=st.integers(1, 99), lasted_s=st.floats(0, 4e9)),
    cancel_requested=st.booleans(),
    pause_requested=st.booleans(),
)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "own.sql")
    yield made
    made.close()


def added(journal: Journal, **fields: Any) -> JobRecord:
    return journal.add(JobRecord(job_id="", kind="retrieve", **fields), "about").record


@settings(deadline=None)
@given(records, records)
def test_records_come_back_as_they_were(first: JobRecord, second: JobRecord) -> None:
    journal = Journal(None)
    try:
        entry = journal.add(first, "about")
        assert entry.record == replace(first, job_id=f"{first.kind}-{entry.number}")
        found = journal.get(entry.record.job_id)
        assert found is not None
        assert found.record == entry.record
        changed = replace(second, job_id=entry.record.job_id, parameters=first.parameters)
        journal.save(changed)
        found = journal.get(entry.record.job_id)
        assert found is not None
        assert found.record == changed
        assert [each.record for each in journal.unfinished()] == ([] if changed.finished is not None else [changed])
    finally:
        journal.close()


def test_jobs_outlive_the_connection_and_numbers_are_not_used_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "own.sql")
    first = added(journal, finished=1.0)
    second = added(journal, label="A", parameters={"paths": ["a\udcff"]})
    journal.add_log(second.job_id, 5.0, "Asked PACS_A.")
    journal.close()
    journal.close()
    journal = Journal(tmp_path / "own.sql")
    assert [entry.record.job_id for entry in journal.jobs()] == [first.job_id, second.job_id]
    (entry,) = journal.unfinished()
    assert replace(entry.record, log=()) == second
    assert entry.record.log[0].endswith(" Asked PACS_A.")
    assert journal.clear_finished() == 1
    journal.close()
    journal = Journal(tmp_path / "own.sql")
    assert added(journal).job_id == "retrieve-3"
    journal.close()


def test_attempts_are_records_of_their_own(journal: Journal) -> None:
    record = replace(added(journal), state=JobState.RUNNING, attempts=1)
    journal.start_attempt(record, 1.0)
    assert [(each.number, each.finished, each.outcome) for each in journal.attempts(record.job_id)] == [(1, None, "")]
    journal.end_attempt(replace(record, state=JobState.WAITING), "waiting", 2.0, {"code": "timeout"})
    journal.start_attempt(replace(record, attempts=2), 3.0)
    first, second = journal.attempts(record.job_id)
    assert (first.started, first.finished, first.outcome, first.error) == (1.0, 2.0, "waiting", {"code": "timeout"})
    assert (second.number, second.started, second.outcome) == (2, 3.0, "")


def test_unfinished_jobs_are_found_by_what_they_are_about(journal: Journal) -> None:
    digest = identity_digest("retrieve", "A", "1.2.3")
    entry = journal.add(JobRecord(job_id="", kind="retrieve"), digest)
    assert [found.record for found in journal.unfinished(digest)] == [entry.record]
    assert journal.unfinished(identity_digest("retrieve", "A1", ".2.3")) == []
    journal.save(replace(entry.record, finished=1.0))
    assert journal.unfinished(digest) == []


def test_clearing_forgets_attempts_and_log_of_old_jobs_only(journal: Journal, tmp_path: Path) -> None:
    old, young, live = added(journal), added(journal), added(journal)
    for record in (old, young, live):
        journal.start_attempt(replace(record, attempts=1), 1.0)
        journal.add_log(record.job_id, 1.0, "Began.")
    journal.save(replace(old, finished=10.0))
    journal.save(replace(young, finished=20.0))
    assert journal.clear_finished(before=15.0) == 1
    assert [entry.record.job_id for entry in journal.jobs()] == [young.job_id, live.job_id]
    with sqlite3.connect(tmp_path / "own.sql") as connection:
        for table in ("JobAttempts", "JobLog"):
            found = connection.execute(f"SELECT DISTINCT job_id FROM {table}").fetchall()
            assert set(found) == {(young.job_id,), (live.job_id,)}
    connection.close()


def test_log_keeps_its_beginning_and_its_end(journal: Journal) -> None:
    record, other = added(journal), added(journal)
    for number in range(LOG_FIRST + LOG_LAST + 10):
        journal.add_log(record.job_id, 1.0, str(number))
    journal.add_log(other.job_id, 1.0, "Another.")
    entry = journal.get(record.job_id)
    assert entry is not None
    lines = [int(line.split()[1]) for line in entry.record.log]
    assert lines == [*range(LOG_FIRST), *range(LOG_FIRST + 10, LOG_FIRST + LOG_LAST + 10)]
    found = journal.unfinished()
    assert [len(each.record.log) for each in found] == [LOG_FIRST + LOG_LAST, 1]
    assert [each.record.log for each in journal.jobs()] == [(), ()]


def test_changes_are_stored_all_or_none(journal: Journal, tmp_path: Path) -> None:
    left, queued = added(journal), added(journal)
    journal.start_attempt(replace(left, state=JobState.RUNNING, attempts=1), 1.0)
    changes = [
        Change(replace(left, state=JobState.PAUSED, attempts=1), "Paused.", "interrupted"),
        Change(replace(queued, state=JobState.PAUSED), "Paused."),
    ]
    with pytest.raises(TypeError):
        journal.save_all([*changes, Change(replace(queued, result={"no JSON": {1}}))], 2.0)
    assert {each.record.state for each in journal.unfinished()} == {JobState.RUNNING, JobState.QUEUED}
    assert journal.attempts(left.job_id)[0].outcome == ""
    journal.save_all(changes, 2.0)
    assert [each.record.state for each in journal.jobs({JobState.PAUSED})] == [JobState.PAUSED] * 2
    assert journal.jobs({JobState.QUEUED}) == []
    assert [each.record.log[0].split()[1] for each in journal.unfinished()] == ["Paused."] * 2
    (attempt,) = journal.attempts(left.job_id)
    assert (attempt.outcome, attempt.finished) == ("interrupted", 2.0)


def test_start_closes_one_whose_end_was_never_stored(journal: Journal) -> None:
    record = added(journal)
    journal.start_attempt(replace(record, attempts=1), 1.0)
    journal.start_attempt(replace(record, attempts=2), 5.0)
    assert [(each.outcome, each.finished) for each in journal.attempts(record.job_id)] == [
        ("interrupted", 5.0),
        ("", None),
    ]


def test_history_is_trimmed_by_age_and_by_number_and_never_what_goes_on(journal: Journal) -> None:
    ends = [5.0, 40.0, 10.0, 30.0, 20.0, None]
    ids = []
    for end in ends:
        record = added(journal)
        journal.start_attempt(replace(record, attempts=1), 1.0)
        journal.save(replace(record, finished=end))
        ids.append(record.job_id)
    assert journal.trim_history(None, None) == 0
    assert journal.trim_history(before=8.0, most=10) == 1
    assert journal.trim_history(before=None, most=2) == 2
    left = [each.record.job_id for each in journal.jobs()]
    assert left == [ids[1], ids[3], ids[5]]
    assert journal.attempts(ids[0]) == []
    assert len(journal.attempts(ids[1])) == 1
    assert journal.trim_history(None, 0) == 2
    assert [each.record.job_id for each in journal.jobs()] == [ids[5]]


def test_other_tables_of_the_file_are_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "own.sql") as connection:
        connection.execute("CREATE TABLE Other (x)")
        connection.execute("PRAGMA user_version = 7")
    connection.close()
    Journal(tmp_path / "own.sql").close()
    with sqlite3.connect(tmp_path / "own.sql") as connection:
        assert connection.execute("SELECT count(*) FROM Other").fetchone() == (0,)
        assert connection.execute("PRAGMA user_version").fetchone() == (7,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_damaged_newer_closed_and_unreachable_files_are_named(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.sql"
    damaged.write_bytes(b"no database at all, " * 100)
    with pytest.raises(JournalError, match=r"damaged\.sql could not be read or written"):
        Journal(damaged)
    with pytest.raises(JournalError, match="Check the free space"):
        Journal(tmp_path / "missing" / "own.sql")
    newer = Journal(tmp_path / "newer.sql")
    newer.close()
    with sqlite3.connect(tmp_path / "newer.sql") as connection:
        connection.execute("UPDATE JobJournal SET version = 99")
    connection.close()
    with pytest.raises(JournalError, match="newer release"):
        Journal(tmp_path / "newer.sql")
    with pytest.raises(JournalError, match="has been closed"):
        newer.jobs()


def test_write_waits_for_others_and_then_says_so(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "own.sql", busy_timeout_s=0.05)
    record = added(journal)
    other = sqlite3.connect(tmp_path / "own.sql", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError, match="locked"):
        journal.save(replace(record, merged=1))
    assert [entry.record for entry in journal.jobs()] == [record]
    other.execute("ROLLBACK")
    other.close()
    journal.save(replace(record, merged=1))
    journal.close()
