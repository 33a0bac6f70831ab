"""The jobs a queue holds in memory, found by id, by what they are about, and by who may start next.

Bookkeeping without threads or files; the queue's lock guards it.
"""

from __future__ import annotations

from dataclasses import dataclass

from VisualDICOMBrowserLib.jobs.control import QueueJobControl
from VisualDICOMBrowserLib.jobs.job import JobRecord
from VisualDICOMBrowserLib.jobs.limits import Limits, ReadyJobs
from VisualDICOMBrowserLib.jobs.states import JobState

__all__ = ["JobEntry", "JobTable"]


@dataclass(slots=True, eq=False)
class JobEntry:
    """A job's current record, its place in the order of submission, and its control while it runs."""

    number: int
    identity: str
    record: JobRecord
    control: QueueJobControl | None = None

    @property
    def job_class(self) -> tuple[str, str]:
        """What limits count by: kind and server."""
        return self.record.kind, self.record.server


class JobTable:
    """Unfinished jobs of one queue."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._ready = ReadyJobs()
        self._entries: dict[str, JobEntry] = {}
        self._identities: dict[str, JobEntry] = {}
        self._waiting: dict[str, JobEntry] = {}

    def add(self, entry: JobEntry) -> None:
        """Hold a job; identical requests join it from now on."""
        self._entries[entry.record.job_id] = entry
        self._identities[entry.identity] = entry
        self.place(entry)

    def remove(self, entry: JobEntry) -> None:
        """Let go of a job that has ended."""
        self.release_identity(entry)
        self._ready.discard(entry.record.job_id)
        self._waiting.pop(entry.record.job_id, None)
        self._entries.pop(entry.record.job_id, None)

    def release_identity(self, entry: JobEntry) -> None:
        """Let no identical request join this job any more."""
        if self._identities.get(entry.identity) is entry:
            del self._identities[entry.identity]

    def place(self, entry: JobEntry) -> None:
        """Bring the lists up to date after a change of state or priority."""
        record = entry.record
        if not self.holds(entry):
            return
        self._ready.discard(record.job_id)
        self._waiting.pop(record.job_id, None)
        if record.state is JobState.QUEUED:
            self._ready.add(record.job_id, entry.job_class, record.priority, entry.number)
        elif record.state is JobState.WAITING:
            self._waiting[record.job_id] = entry

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

    def controls(self) -> list[QueueJobControl]:
        """Controls of all running jobs."""
        return [entry.control for entry in self._entries.values() if entry.control is not None]

    def due(self, now: float) -> list[JobEntry]:
        """Waiting jobs whose next try has come."""
        return [entry for entry in self._waiting.values() if (entry.record.next_try or 0.0) <= now]

    def next_try(self) -> float | None:
        """When the first waiting job is tried again, None if none waits."""
        return min((entry.record.next_try or 0.0 for entry in self._waiting.values()), default=None)
