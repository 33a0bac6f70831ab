"""The engine as a script sees it: one object, typed records, and calls that can wait for their job.

`Session` wraps any `EngineClient`. The command line, the demo and the scripted module's logic use it; a window uses
the client directly and never waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.engine.client import EngineClient
from VisualDICOMBrowserLib.errors import EngineError, JobCancelled, error_from_dict
from VisualDICOMBrowserLib.model import AnyRecord, Level, record_from_dict

__all__ = ["Session"]

Job = dict[str, Any]

_LOOK_AGAIN_S = 2.0
_KEPT_ENDS = 1000


class Session:
    """Work with one engine from a script.

    Parameters
    ----------
    client : EngineClient
        Closed together with the session.
    """

    def __init__(self, client: EngineClient) -> None:
        self.client = client
        self._condition = threading.Condition()
        self._finished: dict[str, Job] = {}
        self._unsubscribe = client.subscribe(self._on_event)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the session and its client."""
        self._unsubscribe()
        self.client.close()

    def subscribe(self, callback: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        """Call `callback` with every event of the engine; the returned function ends that."""
        return self.client.subscribe(callback)

    def wait(
        self,
        job_id: str,
        timeout: float | None = None,
        on_progress: Callable[[Job], None] | None = None,
    ) -> Job:
        """Wait until a job has ended and return it.

        Parameters
        ----------
        job_id : str
            What a starting call returned.
        timeout : float, optional
            Longest wait in seconds.
        on_progress : callable, optional
            Called with the job whenever it told of progress.

        Raises
        ------
        EngineError
            The job did not end in time.
        JobCancelled
            The job was cancelled.
        VisualDICOMError
            The job failed; the error is the job's own.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        stop = self.client.subscribe(_progress_filter(job_id, on_progress)) if on_progress else None
        try:
            job = self._wait_ended(job_id, deadline)
        finally:
            if stop is not None:
                stop()
        if job.get("error"):
            raise error_from_dict(job["error"])
        if job["state"] == "cancelled":
            message = f"The job {job_id} was cancelled; what it had done stays."
            raise JobCancelled(message, subject=job_id)
        return job

    def _wait_ended(self, job_id: str, deadline: float | None) -> Job:
        job: Job = self.client.request("job", job_id=job_id)
        while job.get("finished") is None:
            remaining = _LOOK_AGAIN_S if deadline is None else min(_LOOK_AGAIN_S, deadline - time.monotonic())
            if remaining <= 0:
                message = f"The job {job_id} has not ended in the time given."
                raise EngineError(message, code="job_timeout", subject=job_id, next_step="It goes on by itself.")
            with self._condition:
                self._condition.wait_for(lambda: job_id in self._finished, remaining)
                ended = self._finished.pop(job_id, None)
            # A restarted engine may have announced the end to nobody, or may have left the job to who wants it.
            job = ended or self.client.request("take_up_job", job_id=job_id)
        return job

    def import_files(
        self, paths: Iterable[str | Path], *, copy: bool | None = None, timeout: float | None = None
    ) -> dict[str, Any]:
        """Import files and folders and return the result: counts, and rejected files with their reasons."""
        job_id = self.client.request("import_files", paths=[str(Path(path).absolute()) for path in paths], copy=copy)
        return dict(self.wait(job_id, timeout)["result"])

    def records(self, level: Level | str = Level.PATIENT, **filters: Any) -> list[Any]:
        """Records of the local database; `filters` are fields of `Query`."""
        found = self.client.request("records", level=Level(level).value, **filters)
        return [record_from_dict(level, fields) for fields in found]

    def find(
        self, server: str, level: Level | str = Level.STUDY, *, timeout: float | None = None, **filters: Any
    ) -> list[Any]:
        """Ask a server and return its records; `filters` are fields of `Query`."""
        job_id = self.client.request("find", server=server, level=Level(level).value, **filters)
        self.wait(job_id, timeout)
        found = self.client.request("find_results", job_id=job_id)
        return [record_from_dict(level, fields) for fields in found]

    def retrieve(
        self,
        server: str,
        StudyInstanceUID: str,
        SeriesInstanceUID: str = "",
        *,
        timeout: float | None = None,
        on_progress: Callable[[Job], None] | None = None,
    ) -> dict[str, Any]:
        """Fetch a study or series and return the result: counts, bytes, seconds and failures."""
        job_id = self.client.request(
            "retrieve", server=server, StudyInstanceUID=StudyInstanceUID, SeriesInstanceUID=SeriesInstanceUID
        )
        return dict(self.wait(job_id, timeout, on_progress)["result"])

    def make_thumbnails(
        self, series: Sequence[str], *, force: bool = False, timeout: float | None = None
    ) -> dict[str, dict[str, Any]]:
        """Make the pictures of series; returns path, kind, label and reason by SeriesInstanceUID."""
        job_id = self.client.request("make_thumbnails", series=list(series), force=force)
        self.wait(job_id, timeout)
        return {uid: self.client.request("thumbnail", series=uid) for uid in series}

    def remove(self, record: AnyRecord, *, timeout: float | None = None) -> dict[str, Any]:
        """Remove a patient, study or series of the local database, given as its record."""
        job_id = self.client.request("remove", **_address(record))
        return dict(self.wait(job_id, timeout)["result"])

    def _on_event(self, event: dict[str, Any]) -> None:
        if event.get("event") == "job_finished":
            with self._condition:
                self._finished[event["job"]["job_id"]] = event["job"]
                while len(self._finished) > _KEPT_ENDS:
                    self._finished.pop(next(iter(self._finished)))
                self._condition.notify_all()


def _address(record: AnyRecord) -> dict[str, Any]:
    key = getattr(record, "key", None)
    if key is not None:
        return {"level": "PATIENT", "uid": key}
    series = getattr(record, "SeriesInstanceUID", "")
    if series:
        return {"level": "SERIES", "uid": series}
    return {"level": "STUDY", "uid": getattr(record, "StudyInstanceUID", "")}


def _progress_filter(job_id: str, on_progress: Callable[[Job], None]) -> Callable[[dict[str, Any]], None]:
    def tell(event: dict[str, Any]) -> None:
        if event.get("event") == "job_changed" and event["job"]["job_id"] == job_id:
            on_progress(event["job"])

    return tell
