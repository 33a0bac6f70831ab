"""The job queue: worker threads that run jobs by priority within limits, and everything asked of jobs meanwhile.

One lock guards journal and memory together. What becomes of jobs by themselves is in ``course``, what a person asks
of them in ``selection``, what a change consists of in ``ledger``, who may start next in ``limits``, what listeners
hear in ``news``; what a job does is its kind's business. Every method is safe from any thread; `JobQueue.close` ends
all threads (``job-1`` ... and ``job-events``).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from VisualDICOMBrowserLib.errors import EngineError, UsageError
from VisualDICOMBrowserLib.jobs.actions import Action
from VisualDICOMBrowserLib.jobs.control import QueueJobControl
from VisualDICOMBrowserLib.jobs.course import JobCourse
from VisualDICOMBrowserLib.jobs.entry import JobEntry, JobTable
from VisualDICOMBrowserLib.jobs.job import (
    JobAttempt,
    JobEvent,
    JobKind,
    JobRecord,
    NoRetry,
    Priority,
    RetryPolicy,
)
from VisualDICOMBrowserLib.jobs.journal import Journal, identity_digest
from VisualDICOMBrowserLib.jobs.ledger import JobLedger
from VisualDICOMBrowserLib.jobs.limits import Limits
from VisualDICOMBrowserLib.jobs.news import JobNews
from VisualDICOMBrowserLib.jobs.outcome import run_kind
from VisualDICOMBrowserLib.jobs.selection import JobActions, JobSelection

__all__ = ["JobQueue"]


class JobQueue(JobActions):
    """Runs jobs of the given kinds and keeps them in `journal`, which it closes in the end.

    Parameters
    ----------
    journal : Journal
        Where jobs are kept; jobs left in it are not touched before `resume_unfinished`.
    kinds : Iterable[JobKind]
        What jobs can be.
    max_concurrent : int
        Number of worker threads.
    listener : Callable[[JobEvent], None]
        Hears of every change, after the journal has it, on the thread ``job-events``.
    server_limit : Callable[[str], int]
        Most concurrent jobs of a server, 0 for any number; asked with the lock held, so it must be quick
        and must not call the queue.
    work_limit : Callable[[str, str], int]
        The same of one sort of work (`limits.work_of`) at a server.
    held : Callable[[str, str], bool]
        Whether jobs of that kind for that server wait in the queue for the time being; asked as `server_limit`.
    retry : RetryPolicy
        Decides whether a failed job waits for another try.
    clock, steady : Callable[[], float]
        Unix time, which may jump, and seconds that only ever grow, by which waits are counted.
    stop_timeout_s : float
        How long `close` waits for running jobs to end.
    """

    def __init__(
        self,
        journal: Journal,
        kinds: Iterable[JobKind],
        *,
        max_concurrent: int,
        listener: Callable[[JobEvent], None],
        server_limit: Callable[[str], int],
        work_limit: Callable[[str, str], int] = lambda work, server: 0,
        held: Callable[[str, str], bool] = lambda kind, server: False,
        retry: RetryPolicy | None = None,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        stop_timeout_s: float = 5.0,
    ) -> None:
        self._journal = journal
        self._kinds = {kind.name: kind for kind in kinds}
        self._clock = clock
        self._stop_timeout_s = stop_timeout_s
        self._changed = threading.Condition()
        self._closing = False
        self._closed = False
        limit_of = {name: kind.limit for name, kind in self._kinds.items()}
        limits = Limits(limit_of, server_limit, max_concurrent, work_limit, held)
        self._table = JobTable(limits, clock, steady)
        self._news = JobNews(listener)
        self._ledger = JobLedger(journal, self._table, self._news, clock)
        self._course = JobCourse(
            journal,
            self._table,
            self._news,
            self._ledger,
            retry=retry or NoRetry(),
            resumable={name for name, kind in self._kinds.items() if getattr(kind, "resumable", True)},
            patient={name for name, kind in self._kinds.items() if getattr(kind, "retries", True)},
            clock=clock,
            steady=steady,
        )
        self._selection = JobSelection(journal, self._table, self._ledger, kinds=self._kinds, clock=clock)
        self._workers = [
            threading.Thread(target=self._work, name=f"job-{number}", daemon=True)
            for number in range(1, max_concurrent + 1)
        ]
        for worker in self._workers:
            worker.start()

    def submit(
        self,
        kind: str,
        parameters: dict[str, Any],
        *,
        server: str = "",
        priority: int = Priority.NORMAL,
        label: str = "",
        by_user: bool = True,
    ) -> str:
        """Queue a job and return its id; that of an identical unfinished job, if there is one.

        Joining an identical job counts in its ``merged`` and raises its priority to `priority` if that is
        higher. One that an earlier engine left unfinished is taken up, and one that is paused or waits goes on
        at once, unless this request is not `by_user` (prefetch, follow-up work).

        Raises
        ------
        UsageError
            There is no such kind, or the parameters are not JSON.
        JournalError
            The job could not be stored; it is not queued.
        EngineError
            The queue has been closed.
        """
        parameters = _as_stored(kind, parameters)
        identity = identity_digest(kind, server, self._kind(kind).identity(parameters))
        with self._changed:
            self._require_open()
            entry = self._course.identical(kind, identity)
            if entry is not None:
                self._course.join(entry, priority, by_user=by_user)
            else:
                record = JobRecord(
                    job_id="", kind=kind, server=server, label=label, priority=priority, parameters=parameters
                )
                entry = self._ledger.add(record, identity)
            self._changed.notify_all()
            return entry.record.job_id

    def set_priority(self, job_id: str, priority: int) -> bool:
        """Change which queued jobs this one goes before; False if it had already ended. Running work is told.

        Raises
        ------
        UnknownJobError
            Neither queue nor journal has this job.
        JournalError
            The change could not be stored.
        """
        with self._changed:
            entry = self._ledger.entry(job_id)
            if entry.record.state.finished:
                return False
            self._ledger.set_priority(entry, priority)
            self._changed.notify_all()
            return True

    def rename_server(self, old: str, new: str) -> int:
        """Let every job that names the server `old`, ended ones included, name `new`; returns how many do.

        Raises
        ------
        JournalError
            That could not be stored; nothing was changed.
        """

        def identity_of(record: JobRecord, before: str) -> str:
            kind = self._kinds.get(record.kind)
            return (
                before
                if kind is None
                else identity_digest(record.kind, record.server, kind.identity(record.parameters))
            )

        with self._changed:
            self._require_open()
            count = self._ledger.rename_server(old, new, identity_of)
            self._changed.notify_all()
            return count

    def limits_changed(self, held_s: float = 0.0) -> None:
        """Let jobs start that a changed limit of a kind or server, or a changed clock, allows.

        The last `held_s` seconds, in which jobs were held, do not count for how long they may be tried again.
        """
        with self._changed:
            for entry in self._table.entries():
                entry.failed_at += held_s
            self._course.requeue_due()
            self._changed.notify_all()

    def job(self, job_id: str) -> JobRecord:
        """A job as it stands.

        Raises
        ------
        UnknownJobError
            Neither queue nor journal has this job.
        """
        with self._changed:
            return self._ledger.entry(job_id).record

    def jobs(self) -> list[JobRecord]:
        """All jobs, ended ones included, oldest first; without their logs, which `job` gives."""
        with self._changed:
            return self._ledger.records()

    def attempts(self, job_id: str) -> list[JobAttempt]:
        """The starts of a job, oldest first, each with the error that ended it.

        Raises
        ------
        UnknownJobError
            Neither queue nor journal has this job.
        """
        with self._changed:
            self._ledger.entry(job_id)
            return self._journal.attempts(job_id)

    def wait(self, job_id: str, timeout: float | None = None) -> JobRecord:
        """The job once it has ended, or as it stands after `timeout` seconds or when the queue closes.

        A job that was left by an earlier engine and not resumed is returned at once. One that is paused or waits for
        its next try has not ended.

        Raises
        ------
        UnknownJobError
            Neither queue nor journal has this job.
        """
        with self._changed:
            entry = self._ledger.entry(job_id)
            self._changed.wait_for(lambda: self._closed or not self._table.holds(entry), timeout)
            return entry.record

    def resume_unfinished(self) -> list[str]:
        """Go on with the jobs that an earlier engine left; returns the ids of those that do.

        Jobs that ran are queued again, paused ones stay paused and waiting ones wait. Jobs of a kind that
        cannot go on, or that is not known here, end as failed with a sentence.
        """
        with self._changed:
            self._require_open()
            entries = self._course.resume_unfinished()
            self._changed.notify_all()
            return [entry.record.job_id for entry in entries]

    def take_up(self, job_id: str) -> JobRecord:
        """Go on with one job, if an earlier engine left it unfinished; returns it as it stands.

        Raises
        ------
        UnknownJobError
            Neither queue nor journal has this job.
        """
        with self._changed:
            if self._closing:
                return self._ledger.entry(job_id).record
            record = self._course.taken_up(job_id).record
            self._changed.notify_all()
            return record

    def clear_finished(self, older_than_s: float = 0.0) -> int:
        """Forget jobs that ended (at least so many seconds ago); returns how many."""
        with self._changed:
            self._ledger.store_late()
            before = self._clock() - older_than_s if older_than_s > 0 else None
            return self._journal.clear_finished(before)

    def forget_finished(self, job_ids: Iterable[str]) -> int:
        """Forget those of these jobs that ended, and leave the others; returns how many."""
        with self._changed:
            self._ledger.store_late()
            return self._journal.forget_finished(job_ids)

    def trim_history(self, max_age_s: float | None, max_count: int | None) -> int:
        """Forget jobs that ended longer ago than `max_age_s` seconds, and all but the last `max_count`; how many.

        None sets no bound. Unfinished jobs stay, whatever their age.
        """
        with self._changed:
            self._ledger.store_late()
            return self._journal.trim_history(None if max_age_s is None else self._clock() - max_age_s, max_count)

    def close(self) -> None:
        """Ask running jobs to stop and end all threads; unfinished jobs stay in the journal. Idempotent.

        A job that does not stop in time is left to its daemon thread and counts as cut off.
        """
        with self._changed:
            if self._closing:
                return
            self._closing = True
            controls = self._table.controls()
            self._changed.notify_all()
        for control in controls:
            control.request_stop()
        deadline = time.monotonic() + self._stop_timeout_s
        for worker in self._workers:
            if worker is not threading.current_thread():
                worker.join(max(0.0, deadline - time.monotonic()))
        with self._changed:
            self._ledger.store_late()
            self._closed = True
            self._changed.notify_all()
        self._news.close(self._stop_timeout_s)
        self._journal.close()

    def on_progress(self, control: QueueJobControl, done: int, total: int | None, received_bytes: int | None) -> None:
        """Note how far a running job is; called by its control."""
        with self._changed:
            if not self._closed:
                self._course.progress(control, done, total, received_bytes)

    def on_log(self, control: QueueJobControl, message: str) -> None:
        """Add a sentence to the log of a running job; called by its control."""
        with self._changed:
            if not self._closed:
                self._course.log(control, message)

    def _work(self) -> None:
        while (claimed := self._next_claimed()) is not None:
            entry, control = claimed
            outcome = run_kind(self._kinds[entry.record.kind], entry.record, control)
            control.release()
            with self._changed:
                if not self._closed:
                    self._course.end(entry, outcome, closing=self._closing)
                    self._changed.notify_all()

    def _next_claimed(self) -> tuple[JobEntry, QueueJobControl] | None:
        """Wait for a job that may start, and claim it; None when the queue closes."""
        with self._changed:
            while not self._closing:
                self._course.requeue_due()
                entry = self._table.next_startable()
                if entry is None:
                    self._changed.wait(self._table.next_try_in_s())
                    continue
                control = QueueJobControl(entry.record.job_id, self, entry.record.priority)
                if self._course.claim(entry, control):
                    return entry, control
                self._changed.notify_all()
            return None

    def _act(self, action: Action, job_ids: Iterable[str] | None) -> list[str]:
        with self._changed:
            changed = self._selection.act(action, job_ids)
            told = [entry.control for entry in changed if entry.control is not None and entry.told_to_end]
            self._changed.notify_all()
            changed_ids = [entry.record.job_id for entry in changed]
        for control in told:
            control.request_stop()
        return changed_ids

    def _kind(self, name: str) -> JobKind:
        try:
            return self._kinds[name]
        except KeyError:
            message = f"There is no kind of job named {name!r}."
            raise UsageError(message, subject=name) from None

    def _require_open(self) -> None:
        if self._closing:
            message = "The job queue has been closed."
            raise EngineError(message, code="queue_closed")


def _as_stored(kind: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """`parameters` as they come back from the journal, so that work sees the same before and after a restart."""
    try:
        return dict(json.loads(json.dumps(parameters, allow_nan=False)))
    except (TypeError, ValueError) as error:
        message = f"The parameters of a job of kind {kind} are not JSON: {error}."
        raise UsageError(message) from error
