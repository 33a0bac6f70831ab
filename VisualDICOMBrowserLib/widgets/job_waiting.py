"""Waiting for a job without freezing the window, with any engine client. Not to be called in an event callback."""

from __future__ import annotations

import queue
from typing import Any

from VisualDICOMBrowserLib.engine.client import EngineClient
from VisualDICOMBrowserLib.errors import EngineError

__all__ = ["wait_for_job"]


def wait_for_job(client: EngineClient, job_id: str, timeout_s: float | None = None) -> dict[str, Any]:
    """The job once it has ended, in whatever state.

    A client that lives on Qt's event loop (`QProcessClient`) goes on running it; others wait on their threads.

    Raises
    ------
    EngineError
        The job has not ended within `timeout_s` seconds; it goes on.
    UsageError
        There is no such job.
    """
    ended: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def on_event(event: dict[str, Any]) -> None:
        if event.get("event") == "job_finished" and event["job"]["job_id"] == job_id:
            ended.put(event["job"])

    unsubscribe = client.subscribe(on_event)
    try:
        job = client.request("job", job_id=job_id)
        if job["finished"] is not None:
            return dict(job)
        wait = getattr(client, "wait", None)
        if wait is not None:
            wait(lambda: not ended.empty(), timeout_s)
            return ended.get(block=False)
        return ended.get(timeout=timeout_s)
    except queue.Empty:
        message = f"The job {job_id} has not ended in the given time. It goes on in the background."
        raise EngineError(message, code="job_timeout", subject=job_id) from None
    finally:
        unsubscribe()
