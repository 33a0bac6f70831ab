"""Many jobs at once: ten thousand in the queue, a thousand cancels while work runs."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from job_kinds import WAIT_S, Clocks, GatedKind, MakeQueue

from VisualDICOMBrowserLib.errors import PeerTimeoutError
from VisualDICOMBrowserLib.jobs.job import JobEvent, JobRecord, Priority
from VisualDICOMBrowserLib.jobs.retry import RetryByError
from VisualDICOMBrowserLib.jobs.states import JobState
from VisualDICOMBrowserLib.model import JobControl

MANY = 10_000
STORM = 1000
logger = logging.getLogger(__name__)


@contextmanager
def timed(what: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    logger.info("%s: %.2f s", what, time.perf_counter() - began)


def test_ten_thousand_jobs(new_queue: MakeQueue, kind: GatedKind) -> None:
    """Case 72 (10,000 jobs). The times are in the log of the test."""
    queue = new_queue(max_concurrent=2)
    holders = [queue.submit("gated", {"about": f"holder {number}"}) for number in range(2)]
    kind.wait_running(lambda running: set(running) == set(holders))
    with timed("submit"):
        jobs = [queue.submit("gated", {"about": number}, server=f"S{number % 7}") for number in range(MANY)]
    with timed("list"):
        assert len(queue.jobs()) == MANY + 2
    with timed("pause all"):
        assert queue.pause_many(jobs) == jobs
    assert {queue.job(job_id).state for job_id in jobs[::100]} == {JobState.PAUSED}
    with timed("resume all"):
        assert queue.resume_many() == jobs
    queue.close()
    queue = new_queue(max_concurrent=2)
    with timed("take up after a restart"):
        assert queue.resume_unfinished() == [*holders, *jobs]
    kind.wait_running(lambda running: set(running) == set(holders))
    last = queue.submit("gated", {"about": MANY - 1}, server=f"S{(MANY - 1) % 7}", priority=Priority.HIGHEST)
    assert last == jobs[-1]
    kind.let_end(holders[0], {})
    kind.wait_running(lambda running: set(running) == {holders[1], last})
    with timed("cancel all"):
        assert queue.cancel_many() == [holders[1], *jobs]
    for job_id in (holders[1], last):
        assert queue.wait(job_id, WAIT_S).state is JobState.CANCELLED
    with timed("try all again"):
        assert queue.retry_many(jobs) == jobs
    with timed("cancel all again"):
        assert queue.cancel_many() == jobs
    with timed("trim"):
        assert queue.trim_history(None, 100) > MANY - 110


class Counted(GatedKind):
    """Fails at the first start, does its work at the second, and counts how many run at once."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._now = 0
        self.most = 0

    def run(self, job: JobRecord, control: JobControl) -> dict[str, Any]:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            if job.attempts == 1:
                message = "Silent."
                raise PeerTimeoutError(message)
            return {}
        finally:
            with self._lock:
                self._now -= 1


class StateCounter:
    """Counts how often jobs were told to be in a state."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._counts: Counter[JobState] = Counter()

    def __call__(self, event: JobEvent) -> None:
        with self._changed:
            self._counts[event.job.state] += 1
            self._changed.notify_all()

    def wait(self, state: JobState, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._counts[state] >= count, WAIT_S), self._counts


def test_many_jobs_that_are_due_at_once_keep_to_the_limits(new_queue: MakeQueue) -> None:
    """Case 72 (10,000 jobs, clock jump)."""
    clocks, counter, kind = Clocks(), StateCounter(), Counted()
    policy = RetryByError(lambda job: 1e9, random=lambda: 0.5)
    queue = new_queue(
        kind, listener=counter, server_limit=lambda server: 3, retry=policy, max_concurrent=8, **clocks.options()
    )
    for number in range(STORM):
        queue.submit("gated", {"about": number}, server="A")
    counter.wait(JobState.WAITING, STORM)
    clocks.wall += 100_000.0
    queue.limits_changed()
    assert {job.state for job in queue.jobs()} == {JobState.WAITING}
    clocks.pass_s(2.0)
    queue.limits_changed()
    counter.wait(JobState.DONE, STORM)
    assert {job.attempts for job in queue.jobs()} == {2}
    assert kind.most <= 3


def test_cancel_storm_while_work_runs(new_queue: MakeQueue, kind: GatedKind) -> None:
    """Case 72 (cancel storms): several threads cancel and submit at once; no job is lost, none starts afterwards."""
    queue = new_queue(max_concurrent=4)
    jobs = [queue.submit("gated", {"about": number}) for number in range(STORM)]
    kind.wait_running(lambda running: running != [])
    late: list[str] = []

    def cancel(part: list[str]) -> None:
        for job_id in part:
            queue.cancel(job_id)
            queue.cancel(job_id)

    def submit() -> None:
        late.extend(queue.submit("gated", {"about": f"late {number}"}) for number in range(20))

    threads = [threading.Thread(target=cancel, args=(jobs[start::4],)) for start in range(4)]
    threads.append(threading.Thread(target=submit))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    for job_id in jobs:
        assert queue.wait(job_id, WAIT_S).state is JobState.CANCELLED
    for job_id in late:
        kind.let_end(job_id, {})
    for job_id in late:
        assert queue.wait(job_id, WAIT_S).state is JobState.DONE
    assert kind.running == []
    for record in queue.jobs():
        assert len(queue.attempts(record.job_id)) == record.attempts <= 1
