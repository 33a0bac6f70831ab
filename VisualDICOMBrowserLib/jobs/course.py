"""What becomes of jobs by themselves: joined, started, failed, tried again, ended, and taken up by a later engine.

Decides; the changes are made by ``ledger``. Does not live here: what a person asks of jobs (``selection``), and
threads and locks (``queue``, whose lock is held for every call).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import replace

from VisualDICOMBrowserLib.errors import JournalError, UsageError, VisualDICOMError
from VisualDICOMBrowserLib.jobs.actions import Change, resumed, tried_again
from VisualDICOMBrowserLib.jobs.control import QueueJobControl
from VisualDICOMBrowserLib.jobs.entry import JobEntry, JobTable
from VisualDICOMBrowserLib.jobs.job import JobRecord, RetryPolicy
from VisualDICOMBrowserLib.jobs.journal import Journal, JournalEntry
from VisualDICOMBrowserLib.jobs.ledger import JobLedger
from VisualDICOMBrowserLib.jobs.news import JobNews
from VisualDICOMBrowserLib.jobs.outcome import Outcome, something_done
from VisualDICOMBrowserLib.jobs.retry import counted_failure, needs_space, span_in_words
from VisualDICOMBrowserLib.jobs.states import JobState

__all__ = ["JobCourse"]

_logger = logging.getLogger(__name__)


class JobCourse:
    """The course of the jobs of one queue.

    Parameters
    ----------
    journal, table, news, ledger
        Where jobs are, who hears of them, and who changes them.
    retry : RetryPolicy
        Decides whether a failed job waits for another try.
    resumable : Collection[str]
        Names of the kinds whose jobs can go on in a later engine.
    patient : Collection[str]
        Names of the kinds whose jobs may wait for another try.
    clock, steady : Callable[[], float]
        Unix time, which may jump, and seconds that only ever grow.
    """

    def __init__(
        self,
        journal: Journal,
        table: JobTable,
        news: JobNews,
        ledger: JobLedger,
        *,
        retry: RetryPolicy,
        resumable: Collection[str],
        patient: Collection[str],
        clock: Callable[[], float],
        steady: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._table = table
        self._news = news
        self._ledger = ledger
        self._retry = retry
        self._resumable = resumable
        self._patient = patient
        self._clock = clock
        self._steady = steady

    def identical(self, kind: str, identity: str) -> JobEntry | None:
        """Unfinished job that an identical request joins; one an earlier engine left is taken up."""
        held = self._table.identical(identity)
        if held is not None or kind not in self._resumable:
            return held
        for stored in self._journal.unfinished(identity):
            if not stored.record.cancel_requested and self._ledger.held(stored.record.job_id) is None:
                return self._resume(stored)
        return None

    def join(self, entry: JobEntry, priority: int, *, by_user: bool) -> None:
        """Let one more request be answered by a job; one of the user brings on a job that is paused or waits."""
        now = self._clock()
        running = entry.control is not None
        brought = (resumed(entry.record, running, now) or tried_again(entry.record, running, now)) if by_user else None
        record = entry.record if brought is None else brought.record
        joined = replace(record, merged=record.merged + 1, priority=max(record.priority, priority))
        message = "" if brought is None else "Goes on, because it was asked for again."
        self._ledger.apply([(entry, Change(joined, message))])

    def claim(self, entry: JobEntry, control: QueueJobControl) -> bool:
        """Start a job; False for one of which that cannot be written down: it waits, or fails."""
        try:
            self._ledger.start(entry, control)
        except JournalError as error:
            self._fail(entry, error)
            return False
        return True

    def end(self, entry: JobEntry, outcome: Outcome, *, closing: bool) -> None:
        """Close the start of a job with what came of it; while `closing`, what failed goes on later."""
        stopped = closing or (entry.control is not None and entry.control.cancel_requested)
        self._table.stop(entry)
        if outcome.result is not None:
            entry.record = replace(entry.record, result=outcome.result)
        if outcome.error is None:
            self._ledger.finish(entry, JobState.PARTLY if outcome.partly else JobState.DONE)
        elif entry.record.cancel_requested or (outcome.gave_up and not stopped):
            self._ledger.finish(entry, JobState.CANCELLED)
        elif entry.record.pause_requested:
            self._ledger.note(entry, "Paused.")
            self._ledger.move(entry, JobState.PAUSED, outcome="paused", pause_requested=False)
        elif stopped:
            self._ledger.move(entry, JobState.QUEUED, outcome="interrupted")
        else:
            self._fail(entry, outcome.error)
        if self._ledger.stored(entry):
            self._ledger.store_late()

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
            self._ledger.note(entry, message)
            self._news.tell_progress(entry.record)

    def requeue_due(self) -> None:
        """Queue waiting jobs whose next try has come, and correct the time of the others if the clock jumped."""
        for entry in self._table.take_due():
            self._ledger.move(entry, JobState.QUEUED, next_try=None, error=None)
        for entry, next_try in self._table.moved_tries():
            # Not stored: a later engine caps the wait at its planned length, whatever the clock says by then.
            entry.record = replace(entry.record, next_try=next_try)
            self._table.place(entry)
            self._news.tell(entry.record)

    def resume_unfinished(self) -> list[JobEntry]:
        """Take up what an earlier engine left; returns the jobs that go on."""
        stored = [entry for entry in self._journal.unfinished() if self._ledger.held(entry.record.job_id) is None]
        return [entry for entry in map(self._resume, stored) if not entry.record.state.finished]

    def taken_up(self, job_id: str) -> JobEntry:
        """A job, which goes on if an earlier engine left it unfinished."""
        held = self._ledger.held(job_id)
        stored = None if held else self._journal.get(job_id)
        if stored is None or stored.record.state.finished:
            return self._ledger.entry(job_id)
        return self._resume(stored)

    def _resume(self, stored: JournalEntry) -> JobEntry:
        entry = JobEntry.of(stored)
        record = entry.record
        if record.cancel_requested:
            self._ledger.finish(entry, JobState.CANCELLED)
            return entry
        if record.kind not in self._resumable:
            self._ledger.finish(entry, JobState.FAILED, error=_cannot_go_on(record))
            return entry
        # Time in which no engine was at work does not count as failing.
        entry.failed_at = self._steady()
        self._table.add(entry)
        if record.state is JobState.RUNNING and record.pause_requested:
            self._ledger.note(entry, "The engine ended while this job came to its pause; it is paused.")
            self._ledger.move(entry, JobState.PAUSED, outcome="interrupted", pause_requested=False)
        elif record.state is JobState.RUNNING:
            self._ledger.note(entry, "The engine ended while this job ran; it goes on.")
            self._ledger.move(entry, JobState.QUEUED, outcome="interrupted")
        else:
            self._news.tell(entry.record)
        return entry

    def _fail(self, entry: JobEntry, error: VisualDICOMError) -> None:
        """Let a job wait for its next try, pause it, or end it, as its error demands."""
        now, steady = self._clock(), self._steady()
        failing = counted_failure(entry.record, now, steady - entry.failed_at)
        entry.failed_at = steady
        entry.record = replace(entry.record, failing=failing)
        patient = entry.record.kind in self._patient
        if patient and needs_space(error):
            self._ledger.note(entry, f"{error} Paused, nothing is lost.")
            self._ledger.move(entry, JobState.PAUSED, outcome="paused", cause=error, error=error.as_dict())
        elif patient and (next_try := self._next_try(entry.record, error, now)) is not None:
            wait_s = max(0.0, next_try - now)
            self._ledger.note(entry, f"{error} Next try in {span_in_words(wait_s)}.")
            failing = replace(failing, wait_s=wait_s)
            changes = {"error": error.as_dict(), "next_try": next_try, "failing": failing}
            self._ledger.move(entry, JobState.WAITING, outcome="waiting", cause=error, **changes)
        else:
            given_up = f" Given up after failing for {span_in_words(failing.lasted_s)}." if failing.count > 1 else ""
            self._ledger.note(entry, f"{error}{given_up}")
            partly = something_done(entry.record.result)
            self._ledger.finish(entry, JobState.PARTLY if partly else JobState.FAILED, error=error)

    def _next_try(self, record: JobRecord, error: VisualDICOMError, now: float) -> float | None:
        try:
            return self._retry.next_try(record, error, now)
        except Exception:
            _logger.exception("Whether job %s is tried again could not be decided", record.job_id)
            return None


def _cannot_go_on(record: JobRecord) -> UsageError:
    message = f"The engine ended before this job did, and a job of kind {record.kind} cannot go on."
    return UsageError(message, code="not_resumable", subject=record.job_id, next_step="Start it again.")
