"""What listeners of the queue hear, and how often.

One thread, ``job-events``, calls the listener, so events come in order, never two at once, and a slow or
failing listener holds up no job. Changes of state leave at once; progress is merged to at most ten events per
second and job, and its last value always leaves.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from VisualDICOMBrowserLib.jobs.job import JobEvent, JobRecord

__all__ = ["JobNews", "ProgressThrottle"]

_logger = logging.getLogger(__name__)

PROGRESS_INTERVAL_S = 0.1


class ProgressThrottle:
    """Decides which progress leaves when; knows no clock and no threads.

    Times are seconds of any steady clock, passed in by the caller.
    """

    def __init__(self, interval_s: float = PROGRESS_INTERVAL_S) -> None:
        self._interval = interval_s
        self._last: dict[str, float] = {}
        self._held: dict[str, JobRecord] = {}

    def hold(self, record: JobRecord) -> None:
        """Keep `record` until its time; it replaces an older one of the same job."""
        self._held[record.job_id] = record

    def told(self, record: JobRecord, now: float) -> None:
        """Note that listeners have just heard of this job, so what is held is out of date."""
        self._held.pop(record.job_id, None)
        if record.state.finished:
            self._last.pop(record.job_id, None)
        else:
            self._last[record.job_id] = now

    def take_due(self, now: float) -> list[JobRecord]:
        """Records whose time has come."""
        due = [job_id for job_id in self._held if self._due_at(job_id) <= now]
        for job_id in due:
            self._last[job_id] = now
        return [self._held.pop(job_id) for job_id in due]

    def next_due(self) -> float | None:
        """When the next held record is due, None if none is held."""
        return min((self._due_at(job_id) for job_id in self._held), default=None)

    def _due_at(self, job_id: str) -> float:
        last = self._last.get(job_id)
        return float("-inf") if last is None else last + self._interval


class JobNews:
    """Carries events from the queue to its listener on a thread of its own.

    Callers serialise `tell` and `tell_progress` (the queue's lock does), so that an older record never
    follows a newer one.
    """

    def __init__(self, listener: Callable[[JobEvent], None]) -> None:
        self._listener = listener
        self._condition = threading.Condition()
        self._events: deque[JobEvent] = deque()
        self._throttle = ProgressThrottle()
        self._closing = False
        self._thread = threading.Thread(target=self._deliver, name="job-events", daemon=True)
        self._thread.start()

    def tell(self, record: JobRecord) -> None:
        """Announce a change of state; it leaves at once."""
        name = "job_finished" if record.state.finished else "job_changed"
        with self._condition:
            self._throttle.told(record, time.monotonic())
            self._events.append(JobEvent(name, record))
            self._condition.notify()

    def tell_progress(self, record: JobRecord) -> None:
        """Announce progress; it leaves merged with what else comes in a tenth of a second."""
        with self._condition:
            self._throttle.hold(record)
            self._condition.notify()

    def close(self, timeout_s: float) -> None:
        """Deliver what is left and end the thread; gives up on a listener that hangs longer than told."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)

    def _deliver(self) -> None:
        while (batch := self._next_batch()) is not None:
            for event in batch:
                try:
                    self._listener(event)
                except Exception:
                    _logger.exception("A listener failed on %s of job %s", event.name, event.job.job_id)

    def _next_batch(self) -> list[JobEvent] | None:
        """Events to deliver now; waits for some; None at the end."""
        with self._condition:
            while True:
                now = float("inf") if self._closing else time.monotonic()
                batch = list(self._events)
                self._events.clear()
                batch += [JobEvent("job_changed", record) for record in self._throttle.take_due(now)]
                if batch:
                    return batch
                if self._closing:
                    return None
                due = self._throttle.next_due()
                self._condition.wait(None if due is None else max(0.0, due - now))
