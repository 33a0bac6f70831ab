"""What a person asks of one job, of many, or of all: which jobs are meant, and which of them can follow.

`JobActions` is the part of `JobQueue` that does so; `JobSelection` finds the jobs and has ``ledger`` change them. What
each action makes of a record is in ``actions``. The queue's lock guards `JobSelection`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable

from VisualDICOMBrowserLib.jobs.actions import Action, Change, cancelled, paused, resumed, tried_again
from VisualDICOMBrowserLib.jobs.entry import JobEntry, JobTable
from VisualDICOMBrowserLib.jobs.journal import Journal
from VisualDICOMBrowserLib.jobs.ledger import JobLedger
from VisualDICOMBrowserLib.jobs.states import JobState

__all__ = ["JobActions", "JobSelection"]

# Which jobs an action on all of them means. What the user cancelled comes back only by name.
_ALL: dict[Action, frozenset[JobState]] = {
    paused: frozenset({JobState.QUEUED, JobState.WAITING, JobState.RUNNING}),
    resumed: frozenset({JobState.PAUSED, JobState.RUNNING}),
    tried_again: frozenset({JobState.WAITING, JobState.FAILED, JobState.PARTLY}),
    cancelled: frozenset({JobState.QUEUED, JobState.WAITING, JobState.PAUSED, JobState.RUNNING}),
}


class JobSelection:
    """Carries out an action on the jobs that can follow it.

    Parameters
    ----------
    journal, table, ledger
        Where jobs are, and who changes them.
    kinds : Collection[str]
        Names of the kinds that can run here.
    clock : Callable[[], float]
        Unix time in seconds.
    """

    def __init__(
        self,
        journal: Journal,
        table: JobTable,
        ledger: JobLedger,
        *,
        kinds: Collection[str],
        clock: Callable[[], float],
    ) -> None:
        self._journal = journal
        self._table = table
        self._ledger = ledger
        self._kinds = kinds
        self._clock = clock

    def act(self, action: Action, job_ids: Iterable[str] | None) -> list[JobEntry]:
        """Change these jobs, or all that are meant by None, in one step; returns those that were changed.

        Raises
        ------
        UnknownJobError
            One of them does not exist; nothing was changed.
        JournalError
            The changes could not be stored; nothing was changed.
        """
        now = self._clock()
        taken: set[str] = set()
        changes: list[tuple[JobEntry, Change]] = []
        wanted = self._all(_ALL[action]) if job_ids is None else dict.fromkeys(job_ids)
        for entry in map(self._ledger.entry, wanted):
            change = action(entry.record, entry.control is not None, now)
            if change is not None and self._may(entry, change, taken):
                taken.add(entry.identity)
                changes.append((entry, change))
        self._ledger.apply(changes)
        return [entry for entry, _ in changes]

    def _all(self, states: frozenset[JobState]) -> list[str]:
        """Ids of all jobs in these states, the oldest first; those an earlier engine left are among them."""
        held = self._table.entries()
        held_ids = {entry.record.job_id for entry in held}
        ids = {entry.number: entry.record.job_id for entry in held if entry.record.state in states}
        for stored in self._journal.jobs(states):
            if stored.record.job_id not in held_ids:
                ids[stored.number] = stored.record.job_id
        return [ids[number] for number in sorted(ids)]

    def _may(self, entry: JobEntry, change: Change, taken: set[str]) -> bool:
        """Whether a job that comes into the queue anew can run, and no other one does the same already."""
        if change.record.state is not JobState.QUEUED:
            return True
        if entry.record.kind not in self._kinds:
            return False
        if self._table.holds(entry):
            return True
        return entry.identity not in taken and not self._ledger.done_elsewhere(entry)


class JobActions(ABC):
    """What a person asks of the jobs of a queue. Safe from any thread."""

    @abstractmethod
    def _act(self, action: Action, job_ids: Iterable[str] | None) -> list[str]:
        """Carry out an action and return the ids of the jobs that followed it."""

    def cancel(self, job_id: str) -> bool:
        """Ask a job to end, and never start it again by itself.

        One that does not run ends at once. A running one is told through its control and ends as its kind
        allows; its end is announced by ``job_finished``. The request is in the journal before anything is
        interrupted, so no restart revives the job.

        Returns
        -------
        bool
            True if the job was unfinished, False if it had already ended.

        Raises
        ------
        UnknownJobError
            Neither queue nor journal has this job.
        JournalError
            The request could not be stored; the job goes on.
        """
        return bool(self._act(cancelled, [job_id]))

    def pause(self, job_id: str) -> bool:
        """Hold a job until it is resumed, also by later engines.

        One that is queued or waits is paused at once. A running one is told to end like a cancelled one and is paused
        when its kind gives up; what it did stays, and it goes on from there. One that ends instead has ended.

        Returns
        -------
        bool
            True if the job is or comes to be paused by this, False if it was paused already or has ended.

        Raises
        ------
        UnknownJobError
            Neither queue nor journal has this job.
        JournalError
            The request could not be stored; the job goes on.
        """
        return bool(self._act(paused, [job_id]))

    def resume(self, job_id: str) -> bool:
        """Let a paused job go on; False if it is not paused. Raises as `pause`."""
        return bool(self._act(resumed, [job_id]))

    def retry(self, job_id: str) -> bool:
        """Try a job again now: one that waits, or one that failed, is partly done or was cancelled.

        It keeps its id, its log and its count of starts.

        Returns
        -------
        bool
            False if the job is in another state, if its kind is not known here, or if an identical job is under way.

        Raises
        ------
        UnknownJobError
            Neither queue nor journal has this job.
        JournalError
            The request could not be stored; nothing has changed.
        """
        return bool(self._act(tried_again, [job_id]))

    def cancel_many(self, job_ids: Iterable[str] | None = None) -> list[str]:
        """`cancel` these jobs in one step, all unfinished ones for None; returns the ids of those that were.

        Raises
        ------
        UnknownJobError
            One of them does not exist; nothing has changed.
        JournalError
            The requests could not be stored; nothing has changed.
        """
        return self._act(cancelled, job_ids)

    def pause_many(self, job_ids: Iterable[str] | None = None) -> list[str]:
        """`pause` these jobs in one step, all unfinished ones for None. Returns and raises as `cancel_many`."""
        return self._act(paused, job_ids)

    def resume_many(self, job_ids: Iterable[str] | None = None) -> list[str]:
        """`resume` these jobs in one step, all paused ones for None. Returns and raises as `cancel_many`."""
        return self._act(resumed, job_ids)

    def retry_many(self, job_ids: Iterable[str] | None = None) -> list[str]:
        """`retry` these jobs in one step; for None all that wait, failed or are partly done, not the cancelled ones.

        Returns and raises as `cancel_many`.
        """
        return self._act(tried_again, job_ids)
