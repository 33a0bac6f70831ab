"""Every change of a job, made in journal, memory and news together, so that all three always tell the same.

Lives here: how a job is found, added, changed, moved and ended. Does not live here: when that happens by itself
(``course``) or because a person asks (``selection``), threads and locks (``queue``, whose lock is held for every
call).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from VisualDICOMBrowserLib.errors import JournalError, UnknownJobError, VisualDICOMError
from VisualDICOMBrowserLib.jobs.actions import Change
from VisualDICOMBrowserLib.jobs.control import QueueJobControl
from VisualDICOMBrowserLib.jobs.entry import JobEntry, JobTable
from VisualDICOMBrowserLib.jobs.job import JobRecord, bounded_log, log_line
from VisualDICOMBrowserLib.jobs.journal import Journal, JournalEntry
from VisualDICOMBrowserLib.jobs.news import JobNews
from VisualDICOMBrowserLib.jobs.outcome import partial_result
from VisualDICOMBrowserLib.jobs.renaming import names_server, with_server_renamed
from VisualDICOMBrowserLib.jobs.states import JobState, moved

__all__ = ["JobLedger"]

_logger = logging.getLogger(__name__)


class JobLedger:
    """The jobs of one queue.

    Parameters
    ----------
    journal, table, news
        Where changes go: to disk, to memory, to the listener.
    clock : Callable[[], float]
        Unix time in seconds.
    """

    def __init__(self, journal: Journal, table: JobTable, news: JobNews, clock: Callable[[], float]) -> None:
        self._journal = journal
        self._table = table
        self._news = news
        self._clock = clock
        self._unstored: dict[str, JobEntry] = {}

    def held(self, job_id: str) -> JobEntry | None:
        """A job in the hands of this queue, None if it is not."""
        return self._table.get(job_id) or self._unstored.get(job_id)

    def entry(self, job_id: str) -> JobEntry:
        """A job, held here or only in the journal.

        Raises
        ------
        UnknownJobError
            Neither has it.
        """
        held = self.held(job_id)
        if held is not None:
            return held
        stored = self._journal.get(job_id)
        if stored is None:
            message = f"There is no job {job_id}."
            raise UnknownJobError(message, subject=job_id, next_step="See the list of jobs.")
        return JobEntry.of(stored)

    def records(self) -> list[JobRecord]:
        """All jobs without their logs, oldest first."""
        held = [(stored, self.held(stored.record.job_id)) for stored in self._journal.jobs()]
        return [stored.record if entry is None else replace(entry.record, log=()) for stored, entry in held]

    def stored(self, entry: JobEntry) -> bool:
        """Whether the journal has the job as it stands."""
        return entry.record.job_id not in self._unstored

    def done_elsewhere(self, entry: JobEntry) -> bool:
        """Whether another unfinished job does the same as this one."""
        held = self._table.identical(entry.identity)
        stored = self._journal.unfinished(entry.identity) if held is None else []
        job_id = entry.record.job_id
        return held is not None or any(other.record.job_id != job_id for other in stored)

    def add(self, record: JobRecord, identity: str) -> JobEntry:
        """Queue a new job; its id is given by the journal."""
        entry = JobEntry.of(self._journal.add(replace(record, created=self._clock()), identity))
        self._table.add(entry)
        self._news.tell(entry.record)
        return entry

    def set_priority(self, entry: JobEntry, priority: int) -> None:
        """Change which queued jobs a job goes before, and tell its work if it runs."""
        self.apply([(entry, Change(replace(entry.record, priority=priority)))])

    def rename_server(self, old: str, new: str, identity_of: Callable[[JobRecord, str], str]) -> int:
        """Let jobs that name the server `old` name `new`; `identity_of` a record, given the one it had. How many do.

        Raises
        ------
        JournalError
            They could not be stored; everything is as it was.
        """
        self.store_late()
        changed = []
        for stored in self._journal.jobs():
            entry = self.held(stored.record.job_id)
            record = stored.record if entry is None else entry.record
            if names_server(record, old):
                record = with_server_renamed(record, old, new)
                changed.append((entry, JournalEntry(stored.number, identity_of(record, stored.identity), record)))
        self._journal.rewrite(stored for _, stored in changed)
        for entry, stored in changed:
            if entry is not None:
                self._table.rename(entry, stored)
                self._news.tell(entry.record)
        return len(changed)

    def apply(self, changes: Sequence[tuple[JobEntry, Change]]) -> None:
        """Make the changes a person asked for: on disk first, all of them or none.

        Raises
        ------
        JournalError
            They could not be stored; everything is as it was.
        """
        self.store_late()
        now = self._clock()
        self._journal.save_all([change for _, change in changes], now)
        for entry, change in changes:
            self._unstored.pop(entry.record.job_id, None)
            self._take(entry, change, now)

    def _take(self, entry: JobEntry, change: Change, now: float) -> None:
        """Bring memory and listeners up to a change that is on disk."""
        before, record = entry.record.state, change.record
        if change.message:
            record = replace(record, log=bounded_log(record.log, log_line(now, change.message)))
        entry.record = record
        if record.cancel_requested:
            self._table.release_identity(entry)
        if record.state.finished:
            self._table.remove(entry)
        elif record.state is JobState.QUEUED is not before and not self._table.holds(entry):
            # One that was queued by an earlier engine and only changes its priority is not taken up by that.
            self._table.add(entry)
        else:
            self._table.place(entry)
        if entry.control is not None:
            entry.control.priority = record.priority
        self._news.tell(record)

    def start(self, entry: JobEntry, control: QueueJobControl) -> None:
        """Write down that a job starts under `control`, and count it as running.

        Raises
        ------
        JournalError
            That could not be stored; the job is as it was.
        """
        before, now = entry.record, self._clock()
        state = moved(before.state, JobState.RUNNING, before.job_id)
        started = replace(before, state=state, attempts=before.attempts + 1, started=now)
        self._journal.start_attempt(started, now)
        self._unstored.pop(before.job_id, None)
        entry.record = started
        self._table.start(entry, control)
        self._news.tell(started)

    def move(
        self,
        entry: JobEntry,
        state: JobState,
        *,
        outcome: str = "",
        cause: VisualDICOMError | None = None,
        **changes: Any,
    ) -> None:
        """Bring a job into another state; `outcome` and `cause` are those of the start which ends by this.

        A journal that cannot be written does not hold up a job whose work has ended; it is stored later
        (`store_late`), and if that fails too, the next engine repeats the work, which loses nothing.

        Raises
        ------
        BugError
            The table of states has no such move.
        """
        before = entry.record
        record = replace(before, state=moved(before.state, state, before.job_id), **changes)
        try:
            if before.state is JobState.RUNNING:
                self._journal.end_attempt(record, outcome, self._clock(), None if cause is None else cause.as_dict())
            else:
                self._journal.save(record)
            self._unstored.pop(record.job_id, None)
        except JournalError:
            _logger.exception("Job %s is now %s, which could not be stored", record.job_id, state.value)
            self._unstored[record.job_id] = entry
        entry.record = record
        self._table.place(entry)
        self._news.tell(record)

    def finish(self, entry: JobEntry, state: JobState, *, error: VisualDICOMError | None = None) -> None:
        """End a job; what is partly done keeps no error, its result says why."""
        result = entry.record.result
        if error is not None and state is JobState.PARTLY:
            result = partial_result(result or {}, error)
        self.move(
            entry,
            state,
            outcome=state.value,
            cause=error,
            finished=self._clock(),
            next_try=None,
            pause_requested=False,
            result=result,
            error=error.as_dict() if error is not None and state is JobState.FAILED else None,
        )
        self._table.remove(entry)

    def note(self, entry: JobEntry, message: str) -> None:
        """Add a sentence to the log of a job; listeners hear of it with its next change."""
        now = self._clock()
        entry.record = replace(entry.record, log=bounded_log(entry.record.log, log_line(now, message)))
        try:
            self._journal.add_log(entry.record.job_id, now, message)
        except JournalError:
            _logger.exception("The log of job %s could not be stored", entry.record.job_id)

    def store_late(self) -> None:
        """Store the states of jobs that could not be stored when they came."""
        for job_id, entry in list(self._unstored.items()):
            record = entry.record
            outcome = "interrupted" if record.state is JobState.QUEUED else record.state.value
            try:
                self._journal.end_attempt(record, outcome, record.finished or self._clock(), record.error)
            except JournalError:
                _logger.exception("The state of job %s could not be stored", job_id)
                return
            del self._unstored[job_id]
