"""Every change of a job, made in journal, memory and news together, so that all three always tell the same.

Lives here: how a job is added, joined, claimed, moved, ended and resumed. Does not live here: threads, locks and
the running of work (``queue``, the only caller, which holds its lock for every call).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from VisualDICOMBrowserLib.errors import JournalError, UnknownJobError, UsageError, VisualDICOMError
from VisualDICOMBrowserLib.jobs.control import QueueJobControl
from VisualDICOMBrowserLib.jobs.entry import JobEntry, JobTable
from VisualDICOMBrowserLib.jobs.job import LOG_LIMIT, JobRecord, RetryPolicy, log_line
from VisualDICOMBrowserLib.jobs.journal import Journal, JournalEntry
from VisualDICOMBrowserLib.jobs.news import JobNews
from VisualDICOMBrowserLib.jobs.outcome import Outcome
from VisualDICOMBrowserLib.jobs.states import JobState, moved

__all__ = ["JobLedger"]

_logger = logging.getLogger(__name__)


class JobLedger:
    """The jobs of one queue.

    Parameters
    ----------
    journal, table, news
        Where changes go: to disk, to memory, to the listener.
    retry : RetryPolicy
        Decides whether a failed job waits for another try.
    resumable : Collection[str]
        Names of the kinds whose jobs can go on in a later engine.
    clock : Callable[[], float]
        Unix time in seconds.
    """

    def __init__(
        self,
        journal: Journal,
        table: JobTable,
        news: JobNews,
        *,
        retry: RetryPolicy,
        resumable: Collection[str],
        clock: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._table = table
        self._news = news
        self._retry = retry
        self._resumable = resumable
        self._clock = clock
        self._unstored: dict[str, JobEntry] = {}

    def entry(self, job_id: str) -> JobEntry:
        """A job, held here or only in the journal.

        Raises
        ------
        UnknownJobError
            Neither has it.
        """
        held = self._held(job_id)
        if held is not None:
            return held
        stored = self._journal.get(job_id)
        if stored is None:
            message = f"There is no job {job_id}."
            raise UnknownJobError(message, subject=job_id, next_step="See the list of jobs.")
        return _entry_of(stored)

    def records(self) -> list[JobRecord]:
        """All jobs, oldest first."""
        held = [(stored, self._held(stored.record.job_id)) for stored in self._journal.jobs()]
        return [stored.record if entry is None else entry.record for stored, entry in held]

    def add(self, record: JobRecord, identity: str) -> JobEntry:
        """Queue a new job; its id is given by the journal."""
        entry = _entry_of(self._journal.add(replace(record, created=self._clock()), identity))
        self._table.add(entry)
        self._news.tell(entry.record)
        return entry

    def identical(self, kind: str, identity: str) -> JobEntry | None:
        """Unfinished job that an identical request joins; one an earlier engine left is taken up."""
        held = self._table.identical(identity)
        if held is not None or kind not in self._resumable:
            return held
        for stored in self._journal.unfinished(identity):
            if not stored.record.cancel_requested and self._held(stored.record.job_id) is None:
                return self._resume(stored)
        return None

    def join(self, entry: JobEntry, priority: int) -> None:
        """Let one more request be answered by a job."""
        record = entry.record
        self._store(entry, merged=record.merged + 1, priority=max(record.priority, priority))

    def set_priority(self, entry: JobEntry, priority: int) -> None:
        """Change which queued jobs a job goes before."""
        self._store(entry, priority=priority)

    def request_cancel(self, entry: JobEntry) -> None:
        """Write down that the user wants a job to end; one that does not run has ended with that."""
        entry.record = self._journal.record_cancel_request(entry.record)
        self._table.release_identity(entry)
        if entry.control is None:
            self.finish(entry, JobState.CANCELLED)
        else:
            self._news.tell(entry.record)

    def claim(self, entry: JobEntry, control: QueueJobControl) -> bool:
        """Write down that a job starts; one of which that cannot be written fails instead."""
        now = self._clock()
        claimed = replace(
            entry.record,
            state=moved(entry.record.state, JobState.RUNNING, entry.record.job_id),
            attempts=entry.record.attempts + 1,
            started=now,
        )
        try:
            self._journal.start_attempt(claimed, now)
        except JournalError as error:
            self.finish(entry, JobState.FAILED, error=error.as_dict())
            return False
        entry.record = claimed
        self._table.start(entry, control)
        self._news.tell(claimed)
        return True

    def end(self, entry: JobEntry, outcome: Outcome, *, closing: bool) -> None:
        """Close the start of a job with what came of it; while `closing`, what failed goes on later."""
        self._table.stop(entry)
        if outcome.error is None:
            state = JobState.PARTLY if outcome.partly else JobState.DONE
            self.finish(entry, state, result=outcome.result, error=None)
        elif entry.record.cancel_requested or (outcome.gave_up and not closing):
            self.finish(entry, JobState.CANCELLED)
        elif closing:
            self.move(entry, JobState.QUEUED, outcome="interrupted")
        else:
            self._fail(entry, outcome.error)

    def progress(self, control: QueueJobControl, done: int, total: int | None, received_bytes: int | None) -> None:
        """Note and announce how far a running job is; kept on disk with its next change of state."""
        entry = self._table.running(control)
        if entry is not None:
            record = entry.record
            entry.record = replace(
                record,
                progress_done=done,
                progress_total=record.progress_total if total is None else total,
                received_bytes=record.received_bytes if received_bytes is None else received_bytes,
            )
            self._news.tell_progress(entry.record)

    def log(self, control: QueueJobControl, message: str) -> None:
        """Add a sentence to the log of a running job."""
        entry = self._table.running(control)
        if entry is not None:
            self._log(entry, message)
            self._news.tell_progress(entry.record)

    def requeue_due(self) -> None:
        """Queue waiting jobs whose next try has come."""
        for entry in self._table.due(self._clock()):
            self.move(entry, JobState.QUEUED, next_try=None)

    def resume_unfinished(self) -> list[JobEntry]:
        """Take up what an earlier engine left; returns the jobs that go on."""
        stored = [entry for entry in self._journal.unfinished() if self._held(entry.record.job_id) is None]
        return [entry for entry in map(self._resume, stored) if not entry.record.state.finished]

    def taken_up(self, job_id: str) -> JobEntry:
        """A job, which goes on if an earlier engine left it unfinished."""
        held = self._held(job_id)
        stored = None if held else self._journal.get(job_id)
        if stored is None or stored.record.state.finished:
            return self.entry(job_id)
        return self._resume(stored)

    def finish(self, entry: JobEntry, state: JobState, **changes: Any) -> None:
        """End a job for good."""
        self.move(entry, state, outcome=state.value, finished=self._clock(), **changes)
        self._table.remove(entry)

    def move(self, entry: JobEntry, state: JobState, *, outcome: str = "", **changes: Any) -> None:
        """Bring a job into another state; `outcome` is that of the start which ends by this.

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
                self._journal.end_attempt(record, outcome, self._clock(), changes.get("error"))
            else:
                self._journal.save(record)
        except JournalError:
            _logger.exception("Job %s is now %s, which could not be stored", record.job_id, state.value)
            if state.finished:
                self._unstored[record.job_id] = entry
        entry.record = record
        self._table.place(entry)
        self._news.tell(record)

    def store_late(self) -> None:
        """Store the ends of jobs that could not be stored when they came."""
        for job_id, entry in list(self._unstored.items()):
            record = entry.record
            try:
                self._journal.end_attempt(record, record.state.value, record.finished or 0.0, record.error)
            except JournalError:
                _logger.exception("The end of job %s could not be stored", job_id)
                return
            del self._unstored[job_id]

    def _held(self, job_id: str) -> JobEntry | None:
        return self._table.get(job_id) or self._unstored.get(job_id)

    def _resume(self, stored: JournalEntry) -> JobEntry:
        entry = _entry_of(stored)
        record = entry.record
        if record.cancel_requested:
            self.finish(entry, JobState.CANCELLED)
            return entry
        if record.kind not in self._resumable:
            self.finish(entry, JobState.FAILED, error=_cannot_go_on(record).as_dict())
            return entry
        self._table.add(entry)
        if record.state is JobState.RUNNING:
            self.move(entry, JobState.QUEUED, outcome="interrupted")
            self._log(entry, "The engine ended while this job ran; it goes on.")
        self._news.tell(entry.record)
        return entry

    def _fail(self, entry: JobEntry, error: VisualDICOMError) -> None:
        self._log(entry, str(error))
        next_try = self._next_try(entry.record, error)
        if next_try is None:
            self.finish(entry, JobState.FAILED, error=error.as_dict())
        else:
            self.move(entry, JobState.WAITING, outcome="waiting", error=error.as_dict(), next_try=next_try)

    def _next_try(self, record: JobRecord, error: VisualDICOMError) -> float | None:
        try:
            return self._retry.next_try(record, error, self._clock())
        except Exception:
            _logger.exception("Whether job %s is tried again could not be decided", record.job_id)
            return None

    def _store(self, entry: JobEntry, **changes: Any) -> None:
        """Change a record without changing its state: on disk first."""
        changed = replace(entry.record, **changes)
        self._journal.save(changed)
        entry.record = changed
        self._table.place(entry)
        self._news.tell(changed)

    def _log(self, entry: JobEntry, message: str) -> None:
        if len(entry.record.log) >= LOG_LIMIT:
            return
        now = self._clock()
        entry.record = replace(entry.record, log=(*entry.record.log, log_line(now, message)))
        try:
            self._journal.add_log(entry.record.job_id, now, message)
        except JournalError:
            _logger.exception("The log of job %s could not be stored", entry.record.job_id)


def _entry_of(stored: JournalEntry) -> JobEntry:
    return JobEntry(stored.number, stored.identity, stored.record)


def _cannot_go_on(record: JobRecord) -> UsageError:
    message = f"The engine ended before this job did, and a job of kind {record.kind} cannot go on."
    return UsageError(message, code="not_resumable", subject=record.job_id, next_step="Start it again.")
