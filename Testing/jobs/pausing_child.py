"""A program whose jobs wait, are paused and resumed, and which tells of each step until it is killed."""

from __future__ import annotations

import os
import random
import sys
import threading
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.errors import PeerTimeoutError
from VisualDICOMBrowserLib.jobs.job import JobEvent, JobRecord
from VisualDICOMBrowserLib.jobs.journal import Journal
from VisualDICOMBrowserLib.jobs.queue import JobQueue
from VisualDICOMBrowserLib.jobs.retry import RetryByError
from VisualDICOMBrowserLib.jobs.states import JobState
from VisualDICOMBrowserLib.model import JobControl

WAIT_S = 30.0
JOBS = 8


class StandingKind:
    """Stands still until it is told to end; ``part`` says ``fail`` or ``deaf`` for another behaviour."""

    name = "gated"
    limit = 0
    resumable = True

    def identity(self, parameters: dict[str, Any]) -> str:
        return str(parameters)

    def run(self, job: JobRecord, control: JobControl) -> dict[str, Any]:
        if job.parameters["part"] == "fail":
            message = "The server is silent."
            raise PeerTimeoutError(message)
        told = threading.Event()
        if job.parameters["part"] != "deaf":
            control.on_cancel(told.set)
        told.wait()
        control.raise_if_cancelled()
        return {}


class States:
    """The last state of every job, and a way to wait for one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._states: dict[str, JobState] = {}

    def __call__(self, event: JobEvent) -> None:
        with self._changed:
            self._states[event.job.job_id] = event.job.state
            self._changed.notify_all()

    def wait(self, job_id: str, state: JobState) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._states.get(job_id) is state, WAIT_S)


def tell(*words: str) -> None:
    os.write(1, f"{' '.join(words)}\n".encode())


def stand(queue: JobQueue, states: States) -> None:
    """Bring one job into each state in which a kill may meet it."""

    def submit(part: str, state: JobState, server: str = "") -> str:
        job_id = queue.submit("gated", {"part": part}, server=server)
        states.wait(job_id, state)
        return job_id

    ids = {
        "waiting": submit("fail", JobState.WAITING),
        "paused": submit("stop", JobState.RUNNING),
        "pausing": submit("deaf", JobState.RUNNING),
        "running": submit("run", JobState.RUNNING, "full"),
        "queued": submit("queue", JobState.QUEUED, "full"),
        "held": submit("hold", JobState.QUEUED, "full"),
    }
    queue.pause_many([ids["paused"], ids["pausing"], ids["held"]])
    states.wait(ids["paused"], JobState.PAUSED)
    for name, job_id in ids.items():
        tell(name, job_id)
    tell("ready")


def stir(queue: JobQueue, seed: int) -> None:
    """Pause, resume, cancel and try again at random, telling before and after each step, without end."""
    chance = random.Random(seed)
    jobs = [queue.submit("gated", {"part": str(number)}) for number in range(JOBS)]
    while True:
        action = chance.choice(["pause", "resume", "cancel", "retry"])
        job_id = chance.choice(jobs)
        tell("try", action, job_id)
        followed = getattr(queue, action)(job_id)
        tell("did", action, job_id, str(followed))


def main() -> None:
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    states = States()
    queue = JobQueue(
        Journal(folder / "own.sql"),
        [StandingKind()],
        max_concurrent=4,
        listener=states,
        server_limit=lambda server: 1,
        retry=RetryByError(lambda job: 1e9, first_s=3600.0, longest_s=7200.0),
    )
    if seed:
        stir(queue, seed)
    stand(queue, states)
    sys.stdin.read()


if __name__ == "__main__":
    main()
