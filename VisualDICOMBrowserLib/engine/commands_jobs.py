"""Commands on the job queue; see ``commands`` for the rules. ``job_ids`` left out means all that can."""

from __future__ import annotations

import dataclasses
from typing import Any

from VisualDICOMBrowserLib.engine.desk import EngineDesk

__all__ = ["JobCommands"]


class JobCommands:
    """What is asked of the queue."""

    def __init__(self, desk: EngineDesk) -> None:
        self._queue = desk.queue

    def jobs(self) -> list[dict[str, Any]]:
        """All jobs without their parameters and logs, the newest last."""
        return [job.as_dict(brief=True) for job in self._queue.jobs()]

    def job(self, job_id: str) -> dict[str, Any]:
        """One job with its log and its starts."""
        attempts = [dataclasses.asdict(attempt) for attempt in self._queue.attempts(job_id)]
        return {**self._queue.job(job_id).as_dict(), "starts": attempts}

    def take_up_job(self, job_id: str) -> dict[str, Any]:
        """One job without its parameters and log; goes on if an earlier engine left it unfinished."""
        return self._queue.take_up(job_id).as_dict(brief=True)

    def cancel_job(self, job_id: str) -> bool:
        """Ask a job to end; False if it had ended already."""
        return self._queue.cancel(job_id)

    def cancel_jobs(self, job_ids: list[str] | None = None) -> list[str]:
        """Ask jobs to end; returns the ids of those that had not ended."""
        return self._queue.cancel_many(job_ids)

    def pause_jobs(self, job_ids: list[str] | None = None) -> list[str]:
        """Let jobs rest until they are resumed, also over restarts; returns the ids of those that do."""
        return self._queue.pause_many(job_ids)

    def resume_jobs(self, job_ids: list[str] | None = None) -> list[str]:
        """Go on with paused jobs and with those that an earlier engine left unfinished; returns their ids."""
        if job_ids is None:
            taken_up = self._queue.resume_unfinished()
            return list(dict.fromkeys([*taken_up, *self._queue.resume_many(None)]))
        for job_id in job_ids:
            self._queue.take_up(job_id)
        resumed = set(self._queue.resume_many(job_ids))
        return [job_id for job_id in job_ids if job_id in resumed or not self._queue.job(job_id).state.finished]

    def retry_jobs(self, job_ids: list[str] | None = None) -> list[str]:
        """Try jobs again that failed, were cancelled or done in part, or wait; returns the ids of those that go on."""
        return self._queue.retry_many(job_ids)

    def set_job_priority(self, job_id: str, priority: int) -> bool:
        """Change which jobs this one goes before, also while it runs; False if it had ended already."""
        return self._queue.set_priority(job_id, priority)

    def clear_jobs(self, job_ids: list[str] | None = None) -> int:
        """Forget finished jobs, all or those of these that have ended; returns how many."""
        return self._queue.clear_finished() if job_ids is None else self._queue.forget_finished(job_ids)
