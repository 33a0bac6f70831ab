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
from VisualDICOMBrowserLib.errors import EngineError, JobCancelled, VisualDICOMError, error_from_dict
from VisualDICOMBrowserLib.model import AnyRecord, InstanceRecord, Level, WorklistItem, record_from_dict

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
            Called with the job whenever it told of progress, and whenever this call looks at it.

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
            job = self._wait_ended(job_id, deadline, on_progress)
        finally:
            if stop is not None:
                stop()
        if job.get("error"):
            raise error_from_dict(job["error"])
        if job["state"] == "cancelled":
            message = f"The job {job_id} was cancelled; what it had done stays."
            raise JobCancelled(message, subject=job_id)
        return job

    def _wait_ended(self, job_id: str, deadline: float | None, on_look: Callable[[Job], None] | None) -> Job:
        job: Job = self.client.request("job", job_id=job_id)
        while job.get("finished") is None:
            if on_look is not None:
                on_look(job)  # the event may have come before anybody listened
            if job["state"] == "paused":
                raise _paused(job)
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

    def search(
        self,
        level: Level | str = Level.STUDY,
        *,
        servers: Sequence[str] | None = None,
        timeout: float | None = None,
        **filters: Any,
    ) -> dict[str, Any]:
        """Ask the local database and many servers at once (left out: all enabled ones), and wait for all of them.

        Returns ``records``, each with its ``sources``, and ``servers`` with what became of each: state, count,
        limit_reached, warnings, error.
        """
        ended = threading.Event()
        names: list[str] = []

        def hear(event: dict[str, Any]) -> None:
            if event.get("event") == "search_finished" and event["search_id"] in names:
                ended.set()

        stop = self.client.subscribe(hear)
        try:
            asked = None if servers is None else list(servers)
            names.append(self.client.request("search", level=Level(level).value, servers=asked, **filters))
            deadline = None if timeout is None else time.monotonic() + timeout
            while not (result := self.client.request("search_result", search_id=names[0]))["finished"]:
                remaining = _LOOK_AGAIN_S if deadline is None else min(_LOOK_AGAIN_S, deadline - time.monotonic())
                if remaining <= 0:
                    self.client.request("cancel_search", search_id=names[0])
                    message = "The search has not ended in the time given."
                    raise EngineError(message, code="job_timeout", next_step="Ask fewer servers, or wait longer.")
                ended.wait(remaining)
        finally:
            stop()
        return dict(result)

    def retrieve(
        self,
        server: str,
        StudyInstanceUID: str,
        SeriesInstanceUID: str = "",
        *,
        servers: Sequence[str] | None = None,
        force: bool = False,
        timeout: float | None = None,
        on_progress: Callable[[Job], None] | None = None,
    ) -> dict[str, Any]:
        """Fetch a study or series and return the result: counts, bytes, seconds and failures.

        An empty `server` fetches from `servers`, or from wherever it is; `force` fetches again what is here.
        """
        job_id = self.client.request(
            "retrieve",
            server=server,
            servers=None if servers is None else list(servers),
            StudyInstanceUID=StudyInstanceUID,
            SeriesInstanceUID=SeriesInstanceUID,
            force=force,
        )
        return dict(self.wait(job_id, timeout, on_progress)["result"])

    def send(
        self,
        records: Sequence[AnyRecord],
        servers: Sequence[str] = (),
        *,
        address: dict[str, Any] | None = None,
        timeout: float | None = None,
        on_progress: Callable[[Job], None] | None = None,
    ) -> list[dict[str, Any]]:
        """Send records of the local database; the result for each receiver, `address` last.

        `address` is given by hand: ``called_ae_title``, ``host`` and ``port``, or ``url``.
        """
        jobs = []
        for level, uids in _by_level(records).items():
            jobs += self.client.request(
                "send", level=level, uids=uids, servers=list(servers), address=address, label=""
            )
        return [dict(self.wait(job_id, timeout, on_progress)["result"]) for job_id in jobs]

    def worklist(self, server: str, *, timeout: float | None = None, **fields: Any) -> list[WorklistItem]:
        """Scheduled procedure steps of a server's worklist; `fields` are those of `WorklistQuery`."""
        job_id = self.client.request("worklist", server=server, **fields)
        return [WorklistItem(**item) for item in self.wait(job_id, timeout)["result"]["items"]]

    def test_server(self, server: str, *, store: bool = False, timeout: float | None = None) -> dict[str, Any]:
        """Diagnosis of a server: ``ok``, ``steps``, ``advice``, and ``request`` for its administrator."""
        return dict(self.wait(self.client.request("test_server", name=server, store=store), timeout)["result"])

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
        if event.get("event") == "job_changed":  # also of one that is tried again after its end
            with self._condition:
                self._finished.pop(event["job"]["job_id"], None)
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


def _paused(job: Job) -> VisualDICOMError:
    """Why nobody should wait for a paused job."""
    if job.get("error"):
        return error_from_dict(job["error"])
    message = f"The job {job['job_id']} is paused."
    return EngineError(message, code="job_paused", subject=job["job_id"], next_step="Resume it to go on.")


def _by_level(records: Sequence[AnyRecord]) -> dict[str, list[str | int]]:
    """What identifies the records, by their level."""
    found: dict[str, list[str | int]] = {}
    for record in records:
        if isinstance(record, InstanceRecord):
            found.setdefault("IMAGE", []).append(record.SOPInstanceUID)
        else:
            address = _address(record)
            found.setdefault(address["level"], []).append(address["uid"])
    return found


def _progress_filter(job_id: str, on_progress: Callable[[Job], None]) -> Callable[[dict[str, Any]], None]:
    def tell(event: dict[str, Any]) -> None:
        if event.get("event") == "job_changed" and event["job"]["job_id"] == job_id:
            on_progress(event["job"])

    return tell
