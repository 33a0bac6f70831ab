"""The queue as a state machine: after every step it runs exactly the jobs that the model says."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from job_kinds import WAIT_S, Clocks, GatedKind, Listener, make_queue

from VisualDICOMBrowserLib.errors import NetworkError, PeerTimeoutError
from VisualDICOMBrowserLib.jobs.journal import Journal
from VisualDICOMBrowserLib.jobs.retry import RetryByError
from VisualDICOMBrowserLib.jobs.states import JobState

WORKERS = 3
LOW = 0
KIND_LIMITS = {"few": 1, "many": 0}
SERVER_LIMITS = {"A": 1, "B": 2, "": 0}
OUTCOMES = {
    JobState.DONE: {},
    JobState.PARTLY: {"failed_count": 1},
    JobState.FAILED: NetworkError("Refused.", code="refused"),
}
RETRIED = (JobState.FAILED, JobState.PARTLY, JobState.CANCELLED)


@dataclass
class ModelJob:
    """What the model knows of a job."""

    number: int
    kind: str
    server: str
    about: int
    priority: int
    state: JobState = JobState.QUEUED
    attempts: int = 0
    merged: int = 0
    failures: int = 0
    next_try: float | None = None

    @property
    def identity(self) -> tuple[str, str, int]:
        return self.kind, self.server, self.about

    def queue(self) -> None:
        """A person lets the job go on."""
        self.state, self.failures, self.next_try = JobState.QUEUED, 0, None

    def room(self, most: int) -> int:
        """What is left of a limit for a job of this priority."""
        return max(1, most - 1) if self.priority == LOW else most


class QueueMachine(RuleBasedStateMachine):
    """Steps are what callers, jobs, clocks and restarts do; every step waits until the queue has come to rest."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="vdb")
        self.jobs: dict[str, ModelJob] = {}
        self.clocks = Clocks()
        self.listener = Listener()

    @initialize()
    def open(self) -> None:
        self.kinds = {name: GatedKind(name, limit) for name, limit in KIND_LIMITS.items()}
        self.queue = make_queue(
            Journal(Path(self.folder.name) / "own.sql"),
            *self.kinds.values(),
            max_concurrent=WORKERS,
            server_limit=SERVER_LIMITS.__getitem__,
            listener=self.listener,
            retry=RetryByError(lambda job: 1e9, random=lambda: 0.5),
            **self.clocks.options(),
        )

    @rule(
        kind=st.sampled_from(sorted(KIND_LIMITS)),
        server=st.sampled_from(sorted(SERVER_LIMITS)),
        about=st.integers(0, 4),
        priority=st.sampled_from([LOW, 10, 20]),
        by_user=st.booleans(),
    )
    def submit(self, kind: str, server: str, about: int, priority: int, by_user: bool) -> None:
        job_id = self.queue.submit(kind, {"about": about}, server=server, priority=priority, by_user=by_user)
        same = [known for known, job in self.jobs.items() if self.unfinished_same(job, (kind, server, about))]
        if same:
            assert [job_id] == same
            job = self.jobs[job_id]
            job.merged += 1
            job.priority = max(job.priority, priority)
            if by_user and job.state in (JobState.PAUSED, JobState.WAITING):
                job.queue()
        else:
            assert job_id not in self.jobs
            self.jobs[job_id] = ModelJob(len(self.jobs), kind, server, about, priority)
        self.settle()

    @precondition(lambda self: self.running())
    @rule(data=st.data(), state=st.sampled_from(sorted(OUTCOMES)))
    def end(self, data: st.DataObject, state: JobState) -> None:
        job_id = data.draw(st.sampled_from(self.running()))
        self.kinds[self.jobs[job_id].kind].let_end(job_id, OUTCOMES[state])
        assert self.queue.wait(job_id, WAIT_S).state is state
        self.jobs[job_id].state = state
        self.settle()

    @precondition(lambda self: self.running())
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(self.running()))
        job = self.jobs[job_id]
        self.kinds[job.kind].let_end(job_id, PeerTimeoutError("Silent."))
        self.listener.wait_state(job_id, JobState.WAITING, job.attempts)
        job.state = JobState.WAITING
        job.failures += 1
        job.next_try = self.clocks.wall + min(2.0**job.failures, 240.0)
        self.settle()

    @rule(seconds=st.sampled_from([1.0, 3.0, 50.0]))
    def pass_time(self, seconds: float) -> None:
        self.clocks.pass_s(seconds)
        self.queue.limits_changed()
        for job in self.jobs.values():
            if job.next_try is not None and job.next_try <= self.clocks.wall:
                job.state, job.next_try = JobState.QUEUED, None
        self.settle()

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.jobs)))
        unfinished = not self.jobs[job_id].state.finished
        assert self.queue.cancel(job_id) == unfinished
        if unfinished:
            self.note_cancelled(job_id)
        self.settle()

    @rule()
    def cancel_all(self) -> None:
        unfinished = [job_id for job_id, job in self.jobs.items() if not job.state.finished]
        assert self.queue.cancel_many() == unfinished
        for job_id in unfinished:
            self.note_cancelled(job_id)
        self.settle()

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def pause(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.jobs)))
        can = self.can_pause(job_id)
        assert self.queue.pause(job_id) == can
        if can:
            self.note_paused(job_id)
        self.settle()

    @rule()
    def pause_all(self) -> None:
        jobs = [job_id for job_id in self.jobs if self.can_pause(job_id)]
        assert self.queue.pause_many() == jobs
        for job_id in jobs:
            self.note_paused(job_id)
        self.settle()

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.jobs)))
        paused = self.jobs[job_id].state is JobState.PAUSED
        assert self.queue.resume(job_id) == paused
        if paused:
            self.jobs[job_id].queue()
        self.settle()

    @rule()
    def resume_all(self) -> None:
        paused = [job_id for job_id, job in self.jobs.items() if job.state is JobState.PAUSED]
        assert self.queue.resume_many() == paused
        for job_id in paused:
            self.jobs[job_id].queue()
        self.settle()

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.jobs)))
        can = self.can_retry(job_id)
        assert self.queue.retry(job_id) == can
        if can:
            self.jobs[job_id].queue()
        self.settle()

    @rule()
    def retry_all(self) -> None:
        retried = []
        for job_id, job in self.jobs.items():
            if job.state is not JobState.CANCELLED and self.can_retry(job_id):
                job.queue()
                retried.append(job_id)
        assert self.queue.retry_many() == retried
        self.settle()

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), priority=st.sampled_from([LOW, 10, 20]))
    def set_priority(self, data: st.DataObject, priority: int) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.jobs)))
        unfinished = not self.jobs[job_id].state.finished
        assert self.queue.set_priority(job_id, priority) == unfinished
        if unfinished:
            self.jobs[job_id].priority = priority
        self.settle()

    @rule()
    def restart(self) -> None:
        self.queue.close()
        self.open()
        unfinished = [job_id for job_id, job in self.jobs.items() if not job.state.finished]
        for job_id in unfinished:
            if self.jobs[job_id].state is JobState.RUNNING:
                self.jobs[job_id].state = JobState.QUEUED
        assert self.queue.resume_unfinished() == unfinished
        self.settle()

    @rule()
    def clear(self) -> None:
        ended = [job_id for job_id, job in self.jobs.items() if job.state.finished]
        assert self.queue.clear_finished() == len(ended)
        numbers = max((job.number for job in self.jobs.values()), default=-1)
        for job_id in ended:
            del self.jobs[job_id]
        for job in self.jobs.values():
            job.number -= numbers + 1

    @invariant()
    def records_are_as_the_model_says(self) -> None:
        if not hasattr(self, "queue"):
            return
        found = {
            job.job_id: (job.state, job.attempts, job.merged, job.priority, job.next_try) for job in self.queue.jobs()
        }
        assert found == {
            job_id: (job.state, job.attempts, job.merged, job.priority, job.next_try)
            for job_id, job in self.jobs.items()
        }

    def running(self) -> list[str]:
        return [job_id for job_id, job in self.jobs.items() if job.state is JobState.RUNNING]

    def unfinished_same(self, job: ModelJob, identity: tuple[str, str, int]) -> bool:
        return job.identity == identity and not job.state.finished

    def can_pause(self, job_id: str) -> bool:
        return self.jobs[job_id].state in (JobState.QUEUED, JobState.WAITING, JobState.RUNNING)

    def can_retry(self, job_id: str) -> bool:
        job = self.jobs[job_id]
        if job.state in RETRIED:
            return not any(self.unfinished_same(other, job.identity) for other in self.jobs.values())
        return job.state is JobState.WAITING

    def note_cancelled(self, job_id: str) -> None:
        assert self.queue.wait(job_id, WAIT_S).state is JobState.CANCELLED
        self.jobs[job_id].state, self.jobs[job_id].next_try = JobState.CANCELLED, None

    def note_paused(self, job_id: str) -> None:
        job = self.jobs[job_id]
        self.listener.wait_state(job_id, JobState.PAUSED, job.attempts)
        job.state, job.next_try = JobState.PAUSED, None

    def settle(self) -> None:
        """Let the model start what may start, and wait until the queue runs just that."""
        while (job_id := self._next()) is not None:
            self.jobs[job_id].state = JobState.RUNNING
            self.jobs[job_id].attempts += 1
        for name, kind in self.kinds.items():
            expected = {job_id for job_id in self.running() if self.jobs[job_id].kind == name}
            kind.wait_running(lambda ids, expected=expected: set(ids) == expected)

    def _next(self) -> str | None:
        running = [self.jobs[job_id] for job_id in self.running()]
        startable = [
            (-job.priority, job.number, job_id)
            for job_id, job in self.jobs.items()
            if job.state is JobState.QUEUED
            and len(running) < job.room(WORKERS)
            and not 0 < KIND_LIMITS[job.kind] <= sum(other.kind == job.kind for other in running)
            and not 0 < job_limit(job) <= sum(other.server == job.server for other in running)
        ]
        return min(startable)[2] if startable else None

    def teardown(self) -> None:
        if hasattr(self, "queue"):
            self.queue.close()
        self.folder.cleanup()


def job_limit(job: ModelJob) -> int:
    """Most jobs at the server of this one, 0 for any number."""
    most = SERVER_LIMITS[job.server]
    return job.room(most) if most else 0


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
