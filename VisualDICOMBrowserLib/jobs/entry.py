"""The jobs a queue holds in memory, found by id, by what they are about, and by who may start next.

Bookkeeping without threads or files; the queue's lock guards it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from VisualDICOMBrowserLib.jobs.control import QueueJobControl
from VisualDICOMBrowserLib.jobs.job import JobRecord
from VisualDICOMBrowserLib.jobs.journal import JournalEntry
from VisualDICOMBrowserLib.jobs.limits import Limits, ReadyJobs
from VisualDICOMBrowserLib.jobs.states import JobState
from VisualDICOMBrowserLib.jobs.waiting import WaitingJobs

__all__ = ["JobEntry", "JobTable"]


@dataclass(slots=True, eq=False)
class JobEntry:
    """A job's current record, its place in the order of submission, and its control while it runs.

    ``failed_at`` is the steady time (not Unix time) from which a run of failures is counted on.
    """

    number: int
    identity: str
    record: JobRecord
    control: QueueJobControl | None = None
    failed_at: float = 0.0

    @classmethod
    def of(cls, stored: JournalEntry) -> JobEntry:
        """Entry of a job as the journal has it."""
        return cls(stored.number, stored.identity, stored.record)

    @property
    def job_class(self) -> tuple[str, str]:
        """What limits count by: kind and server."""
        return self.record.kind, self.record.server

    @property
    def told_to_end(self) -> bool:
        """Whether the user cancelled or paused the job while it ran."""
        return self.record.cancel_requested or self.record.pause_requested


class JobTable:
    """Unfinished jobs of one queue.

    Parameters
    ----------
    limits : Limits
        How many jobs may run at once.
    clock, steady : Callable[[], float]
        Unix time, which may jump, and seconds that only ever grow.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float], steady: Callable[[], float]) -> None:
        self._limits = limits
        self._ready = ReadyJobs()
        self._entries: dict[str, JobEntry] = {}
        self._identities: dict[str, JobEntry] = {}
        self._waiting = WaitingJobs(clock, steady)

    def add(self, entry: JobEntry) -> None:
        """Hold a job; identical requests join it from now on."""
        self._entries[entry.record.job_id] = entry
        self._identities[entry.identity] = entry
        self.place(entry)

    def remove(self, entry: JobEntry) -> None:
        """Let go of a job that has ended."""
        self.release_identity(entry)
        self._ready.discard(entry.record.job_id)
        self._waiting.discard(entry.record.job_id)
        self._entries.pop(entry.record.job_id, None)

    def release_identity(self, entry: JobEntry) -> None:
        """Let no identical request join this job any more."""
        if self._identities.get(entry.identity) is entry:
            del self._identities[entry.identity]

    def rename(self, entry: JobEntry, stored: JournalEntry) -> None:
        """Take over a record that names its server otherwise; one that runs counts for the new name from now on."""
        joined = self._identities.get(entry.identity) is entry
        self.release_identity(entry)
        if entry.control is not None:
            self._limits.end(entry.job_class)
        self._ready.discard(entry.record.job_id)
        entry.record, entry.identity = stored.record, stored.identity
        if entry.control is not None:
            self._limits.start(entry.job_class)
        if joined:
            self._identities.setdefault(entry.identity, entry)
        self.place(entry)

    def place(self, entry: JobEntry) -> None:
        """Bring the lists up to date after a change of state or priority."""
        record = entry.record
        if not self.holds(entry):
            return
        self._ready.discard(record.job_id)
        self._waiting.discard(record.job_id)
        if record.state is JobState.QUEUED:
            self._ready.add(record.job_id, entry.job_class, record.priority, entry.number)
        elif record.state is JobState.WAITING:
            self._waiting.add(record)

    def get(self, job_id: str) -> JobEntry | None:
        """The job of that id, None if it is not held."""
        return self._entries.get(job_id)

    def holds(self, entry: JobEntry) -> bool:
        """Whether the job is unfinished and in the hands of this queue."""
        return self._entries.get(entry.record.job_id) is entry

    def identical(self, identity: str) -> JobEntry | None:
        """The job that an identical request joins, None if there is none."""
        return self._identities.get(identity)

    def next_startable(self) -> JobEntry | None:
        """Take the best queued job that the limits let start."""
        job_id = self._ready.pop(self._limits.has_room)
        return None if job_id is None else self._entries[job_id]

    def start(self, entry: JobEntry, control: QueueJobControl) -> None:
        """Count a job as running under `control`."""
        entry.control = control
        self._limits.start(entry.job_class)

    def stop(self, entry: JobEntry) -> None:
        """Count a job as running no more."""
        entry.control = None
        self._limits.end(entry.job_class)

    def running(self, control: QueueJobControl) -> JobEntry | None:
        """The job that runs under `control`, None if that start has ended."""
        entry = self._entries.get(control.job_id)
        return entry if entry is not None and entry.control is control else None

    def entries(self) -> list[JobEntry]:
        """All jobs, in no order."""
        return list(self._entries.values())

    def controls(self) -> list[QueueJobControl]:
        """Controls of all running jobs."""
        return [entry.control for entry in self._entries.values() if entry.control is not None]

    def take_due(self) -> list[JobEntry]:
        """Waiting jobs whose next try has come; they are not given out again before they are placed."""
        return [self._entries[job_id] for job_id in self._waiting.take_due()]

    def next_try_in_s(self) -> float | None:
        """Seconds until the first waiting job is tried again, None if none waits."""
        return self._waiting.remaining_s()

    def moved_tries(self) -> list[tuple[JobEntry, float]]:
        """Waiting jobs whose next try has another Unix time since the wall clock jumped, with that time."""
        return [(self._entries[job_id], at) for job_id, at in self._waiting.moved().items()]
