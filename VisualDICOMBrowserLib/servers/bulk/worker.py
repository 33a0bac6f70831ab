"""The worker process of bulk retrieval: ``python -m VisualDICOMBrowserLib.servers.bulk.worker``.

Reads one JSON object per line from stdin, writes one per line to stdout, and ends when stdin closes. Waits
idle with everything imported. Files are written to paths that the parent gave, flushed in threads of
their own, and reported by path. Threads: main (fetches), ``bulk-commands`` (stdin), ``bulk-flush-N``.

In:  ``{"fetch": n, "config": {...}, "caller": {...}, "part": {...}}``, ``{"give": n, "paths": [...]}``,
``{"cancel": n}``; for DICOMweb ``"web": {...}``, the sign-in, instead of ``"caller"``.
Out: ``{"ready": pid}``, ``{"files": [[path, class, instance, syntax, size], ...]}``, ``{"paths": count wanted}``,
``{"progress": [done, total, bytes]}``, ``{"log": text}``, then ``{"done": {...}}`` or ``{"error": {...}}``.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from VisualDICOMBrowserLib.errors import BugError, EngineError, JobCancelled, StorageFault, VisualDICOMError
from VisualDICOMBrowserLib.model import ReceivedFile, RetrieveResult
from VisualDICOMBrowserLib.servers.bulk.fetch import FetchPart, fetch
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.upper_layer.association import Caller

__all__ = ["main"]

_LOW_ON_PATHS = 48
_PATHS_WANTED = 96
# The parent gives paths when its database keeps up; it may rest for a while.
_PATH_WAIT_S = 120.0
_REPORTED_TOGETHER = 16
_REPORT_S = 0.02
# The disk takes several flushes together in the time of one.
_FLUSHERS = 4


class _Lines:
    """Writes JSON lines to the parent; safe from several threads."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, **message: Any) -> None:
        line = json.dumps(message, separators=(",", ":")) + "\n"
        with self._lock:
            self._stream.write(line)
            self._stream.flush()


class _Control:
    """`JobControl` of one fetch; the parent's cancel arrives as a line."""

    def __init__(self, lines: _Lines) -> None:
        self._lines = lines
        self._cancelled = threading.Event()
        self._callbacks: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    @property
    def cancel_requested(self) -> bool:
        return self._cancelled.is_set()

    def cancel(self) -> None:
        with self._lock:
            self._cancelled.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def raise_if_cancelled(self) -> None:
        if self._cancelled.is_set():
            message = "The transfer was cancelled."
            raise JobCancelled(message)

    def on_cancel(self, callback: Callable[[], None]) -> None:
        with self._lock:
            if not self._cancelled.is_set():
                self._callbacks.append(callback)
                return
        callback()

    def progress(self, done: int, total: int | None = None, received_bytes: int | None = None) -> None:
        self._lines.send(progress=[done, total, received_bytes])

    def log(self, message: str) -> None:
        self._lines.send(log=message)


class _Paths:
    """Paths of ``.part`` files that the parent gave for one fetch; asks for more in time."""

    def __init__(self, lines: _Lines) -> None:
        self._lines = lines
        self._paths: deque[str] = deque()
        self._condition = threading.Condition()
        self._asked = False

    def give(self, paths: list[str]) -> None:
        with self._condition:
            self._paths.extend(paths)
            self._asked = False
            self._condition.notify()

    def take(self) -> Path:
        with self._condition:
            ask = not self._asked and len(self._paths) < _LOW_ON_PATHS
            self._asked = self._asked or ask
        if ask:
            self._lines.send(paths=_PATHS_WANTED)
        with self._condition:
            if not self._condition.wait_for(lambda: bool(self._paths), _PATH_WAIT_S):
                message = "The engine gave no room for further images."
                raise EngineError(message)
            return Path(self._paths.popleft())


class _Sink:
    """`PartSink` that flushes files in threads of its own and then reports them to the parent."""

    def __init__(self, lines: _Lines, paths: _Paths) -> None:
        self._lines = lines
        self._paths = paths
        self._files: queue.SimpleQueue[ReceivedFile | None] = queue.SimpleQueue()
        self._failure: StorageFault | None = None
        self._flushed: list[ReceivedFile] = []
        self._reporting = threading.Lock()
        self._threads = [
            threading.Thread(target=self._flush, name=f"bulk-flush-{n}", daemon=True) for n in range(_FLUSHERS)
        ]
        for thread in self._threads:
            thread.start()

    def new_part(self) -> Path:
        return self._paths.take()

    def add(self, received: ReceivedFile) -> None:
        if self._failure is not None:
            raise self._failure
        self._files.put(received)

    def discard(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            path.unlink()

    def finish(self) -> None:
        """Report what is left, and raise what kept files from being flushed."""
        for _ in self._threads:
            self._files.put(None)
        for thread in self._threads:
            thread.join()
        self._report()
        if self._failure is not None:
            raise self._failure

    def _flush(self) -> None:
        while (received := self._next()) is not None:
            try:
                _flush_file(received.path)
            except OSError as fault:
                self.discard(received.path)
                self._failure = StorageFault(f"A received image cannot be written: {fault.strerror or fault}.")
                continue
            with self._reporting:
                self._flushed.append(received)
            self._report(least=_REPORTED_TOGETHER)

    def _next(self) -> ReceivedFile | None:
        """The next file; while none comes, what is flushed is reported."""
        try:
            return self._files.get(timeout=_REPORT_S)
        except queue.Empty:
            self._report()
            return self._files.get()

    def _report(self, least: int = 1) -> None:
        """Report what is flushed, if it is at least so much: each line costs the parent more than what it says."""
        with self._reporting:
            if len(self._flushed) < least:
                return
            flushed, self._flushed = self._flushed, []
            self._lines.send(
                files=[
                    [str(item.path), item.SOPClassUID, item.SOPInstanceUID, item.TransferSyntaxUID, item.size]
                    for item in flushed
                ]
            )


class _Fetch:
    """One request of the parent, and how it is cancelled and supplied while it runs."""

    def __init__(self, request: dict[str, Any], lines: _Lines) -> None:
        self.request = request
        self.control = _Control(lines)
        self.paths = _Paths(lines)


def _run(item: _Fetch, sink: _Sink) -> RetrieveResult:
    config = ServerConfig.from_dict(item.request["config"])
    part = FetchPart.from_dict(item.request["part"])
    if "web" not in item.request:
        return fetch(config, Caller(**item.request["caller"]), part, sink, item.control)
    from VisualDICOMBrowserLib.servers.web.fetch import WebLogin, fetch_over_web

    return fetch_over_web(config, WebLogin.from_dict(item.request["web"]), part.requests, sink, item.control)


class _Worker:
    def __init__(self, commands: TextIO, lines: _Lines) -> None:
        self._commands = commands
        self._lines = lines
        self._waiting: queue.SimpleQueue[_Fetch] = queue.SimpleQueue()
        self._fetches: dict[int, _Fetch] = {}

    def run(self) -> None:
        threading.Thread(target=self._read, name="bulk-commands", daemon=True).start()
        self._lines.send(ready=os.getpid())
        while True:
            item = self._waiting.get()
            try:
                outcome: dict[str, Any] = {"done": self._fetch(item)}
            except VisualDICOMError as error:
                outcome = {"error": error.as_dict()}
            except Exception as error:  # noqa: BLE001 - the parent must hear of every end of a fetch
                outcome = {"error": BugError(f"{type(error).__name__}: {error}").as_dict()}
            self._fetches.pop(item.request["fetch"], None)
            self._lines.send(**outcome)

    def _fetch(self, item: _Fetch) -> dict[str, Any]:
        sink = _Sink(self._lines, item.paths)
        try:
            result = _run(item, sink)
        finally:
            sink.finish()
        return asdict(result)

    def _read(self) -> None:
        for line in self._commands:
            message = json.loads(line)
            if "fetch" in message:
                item = self._fetches[message["fetch"]] = _Fetch(message, self._lines)
                self._waiting.put(item)
            elif "cancel" in message:
                if cancelled := self._fetches.get(message["cancel"]):
                    cancelled.control.cancel()
            elif supplied := self._fetches.get(message["give"]):
                supplied.paths.give(message["paths"])
        # The parent closed the pipe or is gone; what is half written is cleaned up at its next start.
        os._exit(0)


def _flush_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        getattr(os, "fdatasync", os.fsync)(descriptor)
    finally:
        os.close(descriptor)


def main() -> None:
    """Serve the parent until it closes stdin."""
    # Ctrl-C in a terminal reaches the whole group; the parent decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import pynetdicom  # noqa: F401 - imported while nobody waits

    # Nothing but our lines may reach the pipe.
    pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _Worker(sys.stdin, _Lines(pipe)).run()


if __name__ == "__main__":
    main()
