"""Waiting for jobs as a person at the command line does: progress, the next try of one that failed, and Ctrl+C.

Called by the commands whose jobs stay in the queue: fetching, sending, and going on with jobs. What is told here goes
to standard error, never into a document.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from VisualDICOMBrowserLib.cli.output import Output
from VisualDICOMBrowserLib.engine.session import Session
from VisualDICOMBrowserLib.errors import JobCancelled

__all__ = ["follow"]


def follow(session: Session, job_id: str, output: Output, others: Sequence[str] = ()) -> dict[str, Any]:
    """Wait until a job has ended and return it; `others` are jobs of this command that are waited for later.

    Raises
    ------
    JobCancelled
        The user interrupted (``interrupted``): the jobs stay in the queue. Or the job was cancelled.
    VisualDICOMError
        The job failed; the error is the job's own.
    """
    if session.client.request("offline"):
        output.message("Working offline: this waits until somebody goes online (settings network/offline false).")
    try:
        return session.wait(job_id, on_progress=_Teller(output))
    except KeyboardInterrupt:
        hosting = getattr(session.client, "hosting", True)
        raise _interrupted([job_id, *others], elsewhere=not hosting) from None


class _Teller:
    """Shows progress, and says once for each wait when the job is tried again and why; from any thread."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._lock = threading.Lock()
        self._told: float | None = None

    def __call__(self, job: Mapping[str, Any]) -> None:
        with self._lock:
            next_try = job.get("next_try")
            if job.get("state") != "waiting" or next_try is None:
                self._output.progress(job)
            elif next_try != self._told:
                self._told = next_try
                seconds = max(0, round(next_try - time.time()))
                self._output.message(f"Next try in {seconds} s: {(job.get('error') or {}).get('message', '')}")


def _interrupted(job_ids: Sequence[str], *, elsewhere: bool) -> JobCancelled:
    named = " ".join(job_ids)
    what = f"The job {named} stays" if len(job_ids) == 1 else f"The jobs {named} stay"
    if elsewhere:
        message = f"Interrupted. {what} in the queue; the program that runs the engine of this database goes on."
        return JobCancelled(
            message, code="interrupted", next_step=f"See it with jobs list, end it: jobs cancel {named}"
        )
    message = f"Interrupted. {what} in the queue, and what was stored so far stays."
    return JobCancelled(message, code="interrupted", next_step=f"Go on with: jobs resume {named}")
