"""One worker process as its parent sees it: start, lines out, lines in, end.

The reader thread (``bulk-worker-…``) only passes messages on; it ends with the process. Used by `BulkPool`.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import VisualDICOMBrowserLib

__all__ = ["WorkerProcess"]

_MODULE = "VisualDICOMBrowserLib.servers.bulk.worker"
_END_S = 3.0

Message = dict[str, Any]


class WorkerProcess:
    """A running worker.

    Parameters
    ----------
    name : str
        For the reader thread.
    """

    def __init__(self, name: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
            text=True,
            encoding="utf-8",
        )
        self._write_lock = threading.Lock()
        self._listener_lock = threading.Lock()
        self._listener: Callable[[Message], None] = _ignore
        self._end: Message | None = None
        self._thread = threading.Thread(target=self._read, name=name, daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs and its output is still read."""
        return self._thread.is_alive() and self._process.poll() is None

    def listen(self, listener: Callable[[Message], None] | None) -> None:
        """Who gets the messages from now on; ``{"died": exit code}`` is the last one, told also if it is past."""
        with self._listener_lock:
            self._listener = listener or _ignore
            end = self._end
        if end is not None and listener is not None:
            listener(end)

    def send(self, **message: Any) -> bool:
        """Give the worker one message; False if it is gone."""
        line = json.dumps(message, separators=(",", ":")) + "\n"
        stream = self._process.stdin
        try:
            with self._write_lock:
                if stream is None or stream.closed:
                    return False
                stream.write(line)
                stream.flush()
        except OSError:
            return False
        return True

    def close(self) -> None:
        """End the process: ask by closing its input, then terminate, then kill; wait for it."""
        with self._write_lock, contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        for insist in (self._process.terminate, self._process.kill):
            try:
                self._process.wait(_END_S)
                break
            except subprocess.TimeoutExpired:
                insist()
        self._process.wait()
        self._thread.join()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _read(self) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        for line in stream:
            try:
                message = json.loads(line)
            except ValueError:
                continue
            self._tell(message)
        self._tell({"died": self._process.wait()}, last=True)

    def _tell(self, message: Message, *, last: bool = False) -> None:
        with self._listener_lock:
            listener = self._listener
            if last:
                self._end = message
        listener(message)


def _ignore(message: Message) -> None:
    pass


def _environment() -> dict[str, str]:
    """This process's environment, in which the child finds this package."""
    package = str(Path(VisualDICOMBrowserLib.__file__).resolve().parent.parent)
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
