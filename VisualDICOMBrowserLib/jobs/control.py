"""How running work hears that it shall end, and tells how far it is: the queue's `JobControl`.

One object per start of a job. Safe from any thread; callbacks of `on_cancel` run on the thread that asks
for the end.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from VisualDICOMBrowserLib.errors import JobCancelled

__all__ = ["ProgressReceiver", "QueueJobControl"]

_logger = logging.getLogger(__name__)


class ProgressReceiver(Protocol):
    """Where a control passes on what its job tells; the queue."""

    def on_progress(self, control: QueueJobControl, done: int, total: int | None, received_bytes: int | None) -> None:
        """The job told how far it is."""
        ...

    def on_log(self, control: QueueJobControl, message: str) -> None:
        """The job wrote one sentence."""
        ...


class QueueJobControl:
    """Meets `model.JobControl` for one start of job `job_id`; the queue keeps ``priority`` up to date."""

    def __init__(self, job_id: str, receiver: ProgressReceiver, priority: int = 10) -> None:
        self.job_id = job_id
        self.priority = priority
        self._receiver = receiver
        self._lock = threading.Lock()
        self._stop = False
        self._callbacks: list[Callable[[], None]] = []

    @property
    def cancel_requested(self) -> bool:
        """True once the job shall end: the user cancelled or paused it, or the queue closes."""
        return self._stop

    def raise_if_cancelled(self) -> None:
        """Raise `JobCancelled` once the job shall end."""
        if self._stop:
            message = f"Job {self.job_id} was asked to end."
            raise JobCancelled(message, subject=self.job_id)

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Call `callback` once when the job shall end, at once if it already shall."""
        with self._lock:
            if not self._stop:
                self._callbacks.append(callback)
                return
        self._call(callback)

    def progress(self, done: int, total: int | None = None, received_bytes: int | None = None) -> None:
        """Tell how much is done; what is None stays as told before."""
        self._receiver.on_progress(self, done, total, received_bytes)

    def log(self, message: str) -> None:
        """Add one sentence to the job's log."""
        self._receiver.on_log(self, message)

    def request_stop(self) -> None:
        """Tell the job to end; the second time nothing happens."""
        with self._lock:
            self._stop = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            self._call(callback)

    def release(self) -> None:
        """Forget the callbacks, because the work has ended."""
        with self._lock:
            self._callbacks.clear()

    def _call(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception:
            _logger.exception("Telling job %s to end failed", self.job_id)
