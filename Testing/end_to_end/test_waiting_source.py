"""The only source of some images breaks off: the job waits for its next try, and brings the rest then."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from Testing.support.ct_series import dataset_bytes, make_ct_series
from Testing.support.many_servers import ManyServers
from Testing.support.orthanc import Orthanc
from VisualDICOMBrowserLib.jobs.states import JobState

_PIECE = 65536
_BROKEN_AFTER = 2_000_000


class BreakingForwarder:
    """Passes connections on to a port of this computer; breaks the first one that sends more than a limit."""

    def __init__(self, port: int, limit: int) -> None:
        self._target = port
        self._limit = limit
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._closed = False
        self.port = self._listener.getsockname()[1]
        self.broken = 0
        self._start(self._accept, "forwarder-accept")

    def close(self) -> None:
        """End all connections and threads."""
        with self._lock:
            self._closed = True
            ends = [self._listener, *self._sockets]
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join(20)

    def _start(self, work: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                outer, _ = self._listener.accept()
                inner = socket.create_connection(("127.0.0.1", self._target))
                with self._lock:
                    self._sockets += [outer, inner]
                    if self._closed:
                        return
                self._start(lambda a=outer, b=inner: self._pump(a, b), "forwarder-out")  # type: ignore[misc]
                self._start(lambda a=inner, b=outer: self._pump(a, b, back=True), "forwarder-back")  # type: ignore[misc]

    def _pump(self, source: socket.socket, sink: socket.socket, *, back: bool = False) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(_PIECE):
                passed += len(data)
                if back and not self.broken and passed > self._limit:
                    self.broken += 1
                    break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def orthancs(tmp_path: Path) -> Iterator[tuple[Orthanc, Orthanc]]:
    first, second = Orthanc(tmp_path / "first", dicomweb=True), Orthanc(tmp_path / "second")
    try:
        first.start()
        second.start()
        yield first, second
    finally:
        first.stop()
        second.stop()


def test_what_only_the_broken_source_has_comes_with_the_next_try(
    tmp_path: Path, orthancs: tuple[Orthanc, Orthanc]
) -> None:
    first, second = orthancs
    series = make_ct_series(tmp_path / "files", 40, size=256)
    files = list(series.files.values())
    first.put(files)
    second.put(files[:10])
    forwarder = BreakingForwarder(first.http_port, _BROKEN_AFTER)
    options = {"jobs/max_waiting_s": 600.0, "database/batch_files": 5}
    engine = ManyServers(tmp_path / "database", [second.config(name="Second")], options=options)
    try:
        engine.add(first.web_config(name="Best", url=f"http://127.0.0.1:{forwarder.port}/dicom-web"))
        started = time.time()
        job_id = engine.queue.submit("retrieve", {"StudyInstanceUID": series.StudyInstanceUID})
        waiting = engine.event("job_changed", lambda event: event["job"]["state"] == "waiting")["job"]
        assert waiting["job_id"] == job_id
        assert waiting["next_try"] > started
        assert waiting["error"]["code"] == "connection_lost"
        assert engine.queue.job(job_id).result is not None
        here = engine.instances()
        # What the other source has too came from it at once.
        assert {uid for uid, path in series.files.items() if path in files[:10]} <= here.keys()
        assert len(here) < 40

        job = engine.queue.wait(job_id, 60)

        assert job.state is JobState.DONE, job.error
        assert (job.attempts, job.next_try, forwarder.broken) == (2, None, 1)
        assert any("Next try in" in line for line in job.log)
        result = job.result or {}
        assert (result["present"], result["imported"]) == (len(here), 40 - len(here))
        assert (result["unchanged"], result["failed_count"]) == (0, 0)
        stored = engine.instances()
        assert Counter(stored.keys()) == Counter(series.files.keys())
        assert all(dataset_bytes(path) == dataset_bytes(series.files[uid]) for uid, path in stored.items())
    finally:
        engine.close()
        forwarder.close()
    assert not list((tmp_path / "database").rglob("*.part"))
