"""The queue as a state machine: after every step it runs exactly the jobs that the model says."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from job_kinds import WAIT_S, GatedKind, make_queue

from VisualDICOMBrowserLib.errors import PeerTimeoutError
from VisualDICOMBrowserLib.jobs.journal import Journal
from VisualDICOMBrowserLib.jobs.states import JobState

WORKERS = 3
KIND_LIMITS = {"few": 1, "many": 0}
SERVER_LIMITS = {"A": 1, "B": 2, "": 0}
OUTCOMES = {
    JobState.DONE: {},
    JobState.PARTLY: {"failed_count": 1},
    JobState.FAILED: PeerTimeoutError("Silent."),
}


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


class QueueMachine(RuleBasedStateMachine):
    """Steps are what callers, jobs and restarts do; every step waits until the queue has come to rest."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="vdb")
        self.jobs: dict[str, ModelJob] = {}

    @initialize()
    def open(self) -> None:
        self.kinds = {name: GatedKind(name, limit) for name, limit in KIND_LIMITS.items()}
        self.queue = make_queue(
            Journal(Path(self.folder.name) / "own.sql"),
            *self.kinds.values(),
            max_concurrent=WORKERS,
            server_limit=SERVER_LIMITS.__getitem__,
        )

    @rule(
        kind=st.sampled_from(sorted(KIND_LIMITS)),
        server=st.sampled_from(sorted(SERVER_LIMITS)),
        about=st.integers(0, 4),
        priority=st.sampled_from([0, 10, 20]),
    )
    def submit(self, kind: str, server: str, about: int, priority: int) -> None:
        job_id = self.queue.submit(kind, {"about": about}, server=server, priority=priority)
        same = [
            known
            for known, job in self.jobs.items()
            if (job.kind, job.server, job.about) == (kind, server, about) and not job.state.finished
        ]
        if same:
            assert [job_id] == same
            job = self.jobs[job_id]
            job.merged += 1
            job.priority = max(job.priority, priority)
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

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.jobs)))
        unfinished = not self.jobs[job_id].state.finished
        assert self.queue.cancel(job_id) == unfinished
        if unfinished:
            assert self.queue.wait(job_id, WAIT_S).state is JobState.CANCELLED
            self.jobs[job_id].state = JobState.CANCELLED
        self.settle()

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), priority=st.sampled_from([0, 10, 20]))
    def set_priority(self, data: st.DataObject, priority: int) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.jobs)))
        unfinished = not self.jobs[job_id].state.finished
        assert self.queue.set_priority(job_id, priority) == unfinished
        if unfinished:
            self.jobs[job_id].priority = priority

    @rule()
    def restart(self) -> None:
        self.queue.close()
        self.open()
        unfinished = [job_id for job_id, job in self.jobs.items() if not job.state.finished]
        for job_id in unfinished:
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
        found = {job.job_id: (job.state, job.attempts, job.merged, job.priority) for job in self.queue.jobs()}
        assert found == {
            job_id: (job.state, job.attempts, job.merged, job.priority) for job_id, job in self.jobs.items()
        }

    def running(self) -> list[str]:
        return [job_id for job_id, job in self.jobs.items() if job.state is JobState.RUNNING]

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
        if len(running) >= WORKERS:
            return None
        startable = [
            (-job.priority, job.number, job_id)
            for job_id, job in self.jobs.items()
            if job.state is JobState.QUEUED
            and not 0 < KIND_LIMITS[job.kind] <= sum(other.kind == job.kind for other in running)
            and not 0 < SERVER_LIMITS[job.server] <= sum(other.server == job.server for other in running)
        ]
        return min(startable)[2] if startable else None

    def teardown(self) -> None:
        if hasattr(self, "queue"):
            self.queue.close()
        self.folder.cleanup()


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
