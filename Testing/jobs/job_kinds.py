"""Real job kinds for tests of the queue: one that waits at a gate, and helpers to make queues."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from VisualDICOMBrowserLib.jobs.job import JobEvent, JobRecord
from VisualDICOMBrowserLib.jobs.journal import Journal
from VisualDICOMBrowserLib.jobs.queue import JobQueue
from VisualDICOMBrowserLib.jobs.states import JobState
from VisualDICOMBrowserLib.model import JobControl

WAIT_S = 30.0

MakeQueue = Callable[..., JobQueue]


class Clocks:
    """A wall clock and a steady one, which move when the test says so."""

    def __init__(self) -> None:
        self.wall = 1_000_000.0
        self.steady = 50.0

    def pass_s(self, seconds: float) -> None:
        """Let time pass on both."""
        self.wall += seconds
        self.steady += seconds

    def options(self) -> dict[str, Callable[[], float]]:
        """Both as options of a queue."""
        return {"clock": lambda: self.wall, "steady": lambda: self.steady}


class GatedKind:
    """Runs until the test lets the job go on, with the outcome the test gives; ends when cancelled."""

    def __init__(self, name: str = "gated", limit: int = 0, *, resumable: bool = True, retries: bool = True) -> None:
        self.name = name
        self.limit = limit
        self.resumable = resumable
        self.retries = retries
        self._changed = threading.Condition()
        self._outcomes: dict[str, Any] = {}
        self.running: list[str] = []
        self.started: list[str] = []
        self.controls: dict[str, JobControl] = {}

    def identity(self, parameters: dict[str, Any]) -> str:
        return str(parameters.get("about", parameters))

    def run(self, job: JobRecord, control: JobControl) -> dict[str, Any]:
        with self._changed:
            self.running.append(job.job_id)
            self.started.append(job.job_id)
            self.controls[job.job_id] = control
            self._changed.notify_all()
        control.on_cancel(self._wake)
        try:
            with self._changed:
                self._changed.wait_for(lambda: job.job_id in self._outcomes or control.cancel_requested)
                outcome = self._outcomes.pop(job.job_id, None)
            if outcome is None:
                control.raise_if_cancelled()
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome if outcome is not None else {}
        finally:
            with self._changed:
                self.running.remove(job.job_id)
                self._changed.notify_all()

    def let_end(self, job_id: str, outcome: dict[str, Any] | BaseException) -> None:
        """Let a running job return or raise `outcome`."""
        with self._changed:
            self._outcomes[job_id] = outcome
            self._changed.notify_all()

    def wait_running(self, expected: Callable[[list[str]], bool]) -> None:
        """Wait until `expected` holds for the ids of running jobs."""
        with self._changed:
            assert self._changed.wait_for(lambda: expected(self.running), WAIT_S), self.running

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


class Listener:
    """Keeps the queue's events and lets tests wait for one."""

    def __init__(self) -> None:
        self.events: list[JobEvent] = []
        self._changed = threading.Condition()

    def __call__(self, event: JobEvent) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def wait_state(self, job_id: str, state: JobState, attempts: int | None = None) -> JobRecord:
        """Wait until the job was told to be in this state (after so many starts)."""
        return self.wait(
            lambda event: (
                event.job.job_id == job_id and event.job.state is state and attempts in (None, event.job.attempts)
            )
        ).job

    def wait(self, test: Callable[[JobEvent], bool]) -> JobEvent:
        with self._changed:
            assert self._changed.wait_for(lambda: any(map(test, self.events)), WAIT_S), self.events
            return next(event for event in self.events if test(event))

    def of(self, job_id: str) -> list[JobEvent]:
        with self._changed:
            return [event for event in self.events if event.job.job_id == job_id]


def make_queue(journal: Journal, *kinds: Any, **options: Any) -> JobQueue:
    """A queue with four threads and no server limits, unless told otherwise."""
    wanted = {"max_concurrent": 4, "listener": lambda event: None, "server_limit": lambda server: 0, **options}
    return JobQueue(journal, kinds, **wanted)


def outcome_of(queue: JobQueue, kind: GatedKind, outcome: Any) -> JobRecord:
    job_id = queue.submit("gated", {"about": repr(outcome)})
    kind.let_end(job_id, outcome)
    return queue.wait(job_id, WAIT_S)
