"""The journal: what is kept of every job, its starts and its log, so that a new engine can go on.

Tables of its own in the SQLite file beside the database. A job and its starts (attempts) are two records; a
start is written before the work begins and closed with its outcome, so a start without outcome is one that the
end of the program cut off. Does not live here: any decision (``queue``).

Safe from any thread (one connection, one lock). In WAL mode with ``synchronous=NORMAL`` every commit outlives
the end of the process; after a loss of power the newest commits may be missing. That repeats work, or forgets that a
job was asked for, paused or cancelled a moment before, but never loses files, because they are flushed and renamed
before the outcome is written here.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.errors import JournalError
from VisualDICOMBrowserLib.jobs.actions import Change
from VisualDICOMBrowserLib.jobs.job import LOG_FIRST, LOG_LIMIT, FailureRun, JobAttempt, JobRecord, log_line
from VisualDICOMBrowserLib.jobs.states import JobState

__all__ = ["Journal", "JournalEntry", "identity_digest"]

_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS Jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT UNIQUE,
    identity TEXT NOT NULL,
    finished REAL,
    parameters TEXT NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS JobsUnfinished ON Jobs (identity) WHERE finished IS NULL;
CREATE TABLE IF NOT EXISTS JobAttempts (
    job_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    started REAL NOT NULL,
    finished REAL,
    outcome TEXT NOT NULL DEFAULT '',
    error TEXT,
    PRIMARY KEY (job_id, number)
);
CREATE TABLE IF NOT EXISTS JobLog (
    number INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL,
    time REAL NOT NULL,
    message TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS JobLogByJob ON JobLog (job_id);
CREATE TABLE IF NOT EXISTS JobJournal (version INTEGER NOT NULL);
INSERT INTO JobJournal SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM JobJournal);
"""
_COLUMNS = "number, job_id, identity, parameters, record"
_SHORTEN_LOG = f"""
DELETE FROM JobLog WHERE number IN (
    SELECT number FROM JobLog WHERE job_id = :job_id ORDER BY number
    LIMIT max(0, (SELECT count(*) FROM JobLog WHERE job_id = :job_id) - {LOG_LIMIT}) OFFSET {LOG_FIRST}
)"""
_STORED = frozenset(field.name for field in fields(JobRecord)) - {"job_id", "parameters", "log"}
_FAILING = frozenset(field.name for field in fields(FailureRun))


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A stored job: its place in the order of submission, the digest of what it is about, and the record."""

    number: int
    identity: str
    record: JobRecord


def identity_digest(kind: str, server: str, identity: str) -> str:
    """Short text that is equal for jobs of which one answers for both."""
    return hashlib.sha256(json.dumps([kind, server, identity]).encode("ascii")).hexdigest()


class Journal:
    """Opens, and makes if needed, the job tables in the SQLite file `path`.

    Parameters
    ----------
    path : Path | None
        The file, or None to keep jobs in memory only (a database folder that cannot be written).
    busy_timeout_s : float
        How long a write waits for another process that is writing.

    Raises
    ------
    JournalError
        The file cannot be opened, is damaged, or was written by a newer release.
    """

    def __init__(self, path: Path | None, *, busy_timeout_s: float = 10.0) -> None:
        self._name = "in memory" if path is None else str(path)
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        with self._mapped_errors():
            connection = sqlite3.connect(
                ":memory:" if path is None else path,
                timeout=busy_timeout_s,
                isolation_level=None,
                check_same_thread=False,
            )
        try:
            with self._mapped_errors():
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=NORMAL")
                connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
                version = connection.execute("SELECT max(version) FROM JobJournal").fetchone()[0]
            if version > _VERSION:
                message = f"The job list {self._name} was written by a newer release of this program."
                raise JournalError(message, subject=self._name, next_step="Update this program.")
        except JournalError:
            connection.close()
            raise
        self._connection = connection

    def add(self, record: JobRecord, identity: str) -> JournalEntry:
        """Store a new job; the entry's record has the job's id, its kind and number."""
        with self._writing() as connection:
            cursor = connection.execute(
                "INSERT INTO Jobs (identity, parameters, record) VALUES (?, ?, '{}')",
                (identity, json.dumps(record.parameters)),
            )
            number = int(cursor.lastrowid or 0)
            record = replace(record, job_id=f"{record.kind}-{number}")
            connection.execute("UPDATE Jobs SET job_id = ? WHERE number = ?", (record.job_id, number))
            _update(connection, record)
        return JournalEntry(number, identity, record)

    def save(self, record: JobRecord) -> None:
        """Store what changed of a job; its parameters and log are stored elsewhere."""
        with self._writing() as connection:
            _update(connection, record)

    def save_all(self, changes: Iterable[Change], at: float) -> None:
        """Store what a person asked of jobs, their logs and the ends of starts included: all of it or nothing."""
        with self._writing() as connection:
            for change in changes:
                _update(connection, change.record)
                if change.outcome:
                    _end_attempt(connection, change.record, change.outcome, at, None)
                if change.message:
                    _add_log(connection, change.record.job_id, at, change.message)

    def rewrite(self, entries: Iterable[JournalEntry]) -> None:
        """Store records whose parameters or identity have changed: all of them or none."""
        with self._writing() as connection:
            for entry in entries:
                connection.execute(
                    "UPDATE Jobs SET identity = ?, parameters = ? WHERE job_id = ?",
                    (entry.identity, json.dumps(entry.record.parameters), entry.record.job_id),
                )
                _update(connection, entry.record)

    def start_attempt(self, record: JobRecord, started: float) -> None:
        """Store a claimed job together with its new start, number ``record.attempts``.

        An earlier start whose end could not be stored when it came is closed as interrupted.
        """
        with self._writing() as connection:
            _update(connection, record)
            connection.execute(
                "UPDATE JobAttempts SET finished = ?, outcome = 'interrupted' WHERE job_id = ? AND outcome = ''",
                (started, record.job_id),
            )
            connection.execute(
                "INSERT INTO JobAttempts (job_id, number, started) VALUES (?, ?, ?)",
                (record.job_id, record.attempts, started),
            )

    def end_attempt(self, record: JobRecord, outcome: str, at: float, error: dict[str, Any] | None = None) -> None:
        """Store a job together with the outcome of its current start, unless that has ended before."""
        with self._writing() as connection:
            _update(connection, record)
            _end_attempt(connection, record, outcome, at, error)

    def add_log(self, job_id: str, at: float, message: str) -> None:
        """Store one sentence of a job's log, and forget the oldest of its end if there are too many."""
        with self._writing() as connection:
            _add_log(connection, job_id, at, message)

    def get(self, job_id: str) -> JournalEntry | None:
        """One job with its log, None if it is not here."""
        found = self._select("WHERE job_id = ?", job_id)
        return found[0] if found else None

    def jobs(self, states: Collection[JobState] | None = None) -> list[JournalEntry]:
        """All jobs (in these states, if they are given) without their logs, oldest first."""
        found = self._select("", with_logs=False)
        return found if states is None else [entry for entry in found if entry.record.state in states]

    def unfinished(self, identity: str | None = None) -> list[JournalEntry]:
        """Jobs that have not ended, oldest first; of one identity only, if it is given."""
        if identity is None:
            return self._select("WHERE finished IS NULL")
        return self._select("WHERE finished IS NULL AND identity = ?", identity)

    def attempts(self, job_id: str) -> list[JobAttempt]:
        """Starts of a job, oldest first."""
        with self._using() as connection:
            rows = connection.execute(
                "SELECT number, started, finished, outcome, error FROM JobAttempts WHERE job_id = ? ORDER BY number",
                (job_id,),
            ).fetchall()
        return [
            JobAttempt(
                job_id=job_id,
                number=number,
                started=started,
                finished=finished,
                outcome=outcome,
                error=json.loads(error) if error else None,
            )
            for number, started, finished, outcome, error in rows
        ]

    def clear_finished(self, before: float | None = None) -> int:
        """Forget jobs that have ended (before Unix time `before`, if given); returns how many."""
        with self._writing() as connection:
            latest = float("inf") if before is None else before
            return _forget(connection, "finished < ?", latest)

    def forget_finished(self, job_ids: Iterable[str]) -> int:
        """Forget those of these jobs that have ended; returns how many."""
        with self._writing() as connection:
            named = "finished IS NOT NULL AND job_id IN (SELECT value FROM json_each(?))"
            return _forget(connection, named, json.dumps(list(job_ids)))

    def trim_history(self, before: float | None, most: int | None) -> int:
        """Forget jobs that ended before Unix time `before`, and all but the `most` that ended last; how many."""
        with self._writing() as connection:
            count = 0 if before is None else _forget(connection, "finished < ?", before)
            if most is not None:
                ended = "SELECT number FROM Jobs WHERE finished IS NOT NULL ORDER BY finished DESC, number DESC"
                count += _forget(connection, f"number IN ({ended} LIMIT -1 OFFSET ?)", most)
            return count

    def close(self) -> None:
        """Close the file; idempotent."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _select(self, condition: str, *values: str, with_logs: bool = True) -> list[JournalEntry]:
        with self._using() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM Jobs {condition} ORDER BY number", values).fetchall()
            lines: list[tuple[str, float, str]] = []
            if with_logs and rows:
                lines = connection.execute(
                    "SELECT job_id, time, message FROM JobLog"
                    f" WHERE job_id IN (SELECT job_id FROM Jobs {condition}) ORDER BY number",
                    values,
                ).fetchall()
        logs: dict[str, list[str]] = {}
        for job_id, at, message in lines:
            logs.setdefault(job_id, []).append(log_line(at, json.loads(message)))
        return [
            JournalEntry(number, identity, _record(job_id, parameters, record, tuple(logs.get(job_id, ()))))
            for number, job_id, identity, parameters, record in rows
        ]

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._mapped_errors():
            if self._connection is None:
                message = f"The job list {self._name} has been closed."
                raise JournalError(message, subject=self._name)
            yield self._connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._using() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def _mapped_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            message = f"The job list {self._name} could not be read or written: {error}."
            step = "Check the free space and the permissions of the database folder."
            raise JournalError(message, subject=self._name, next_step=step) from error


def _update(connection: sqlite3.Connection, record: JobRecord) -> None:
    values = {name: getattr(record, name) for name in _STORED}
    values["failing"] = None if record.failing is None else asdict(record.failing)
    connection.execute(
        "UPDATE Jobs SET finished = ?, record = ? WHERE job_id = ?",
        (record.finished, json.dumps(values), record.job_id),
    )


def _end_attempt(
    connection: sqlite3.Connection, record: JobRecord, outcome: str, at: float, error: dict[str, Any] | None
) -> None:
    connection.execute(
        "UPDATE JobAttempts SET finished = ?, outcome = ?, error = ? WHERE job_id = ? AND number = ? AND outcome = ''",
        (at, outcome, None if error is None else json.dumps(error), record.job_id, record.attempts),
    )


def _add_log(connection: sqlite3.Connection, job_id: str, at: float, message: str) -> None:
    connection.execute("INSERT INTO JobLog (job_id, time, message) VALUES (?, ?, ?)", (job_id, at, json.dumps(message)))
    connection.execute(_SHORTEN_LOG, {"job_id": job_id})


def _forget(connection: sqlite3.Connection, condition: str, value: float | str) -> int:
    count = connection.execute(f"DELETE FROM Jobs WHERE {condition}", (value,)).rowcount
    for table in ("JobAttempts", "JobLog") if count else ():
        connection.execute(f"DELETE FROM {table} WHERE job_id NOT IN (SELECT job_id FROM Jobs)")
    return count


def _record(job_id: str, parameters: str, stored: str, log: tuple[str, ...]) -> JobRecord:
    values = {key: value for key, value in json.loads(stored).items() if key in _STORED}
    values["state"] = JobState(values["state"])
    if values.get("failing") is not None:
        values["failing"] = FailureRun(**{key: values["failing"][key] for key in _FAILING if key in values["failing"]})
    return JobRecord(job_id=job_id, parameters=json.loads(parameters), log=log, **values)
