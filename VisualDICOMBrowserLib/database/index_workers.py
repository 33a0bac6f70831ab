"""The worker processes of an import, seen from the importing side.

A pool scans the headers of lists of files in several processes and gives the answers in the order in which
they arrive. A worker that dies is replaced; the file that it died of is found and rejected, so one
poisonous file never ends an import. The thread that iterates over `ScanPool.answers` owns the pool; one
thread per worker reads its pipe. Processes end when their input closes.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import VisualDICOMBrowserLib
from VisualDICOMBrowserLib.database.header_plan import TagPlan
from VisualDICOMBrowserLib.database.index_worker import encode_line
from VisualDICOMBrowserLib.errors import EnvironmentFault
from VisualDICOMBrowserLib.model import JobControl

__all__ = ["ScanPool", "child_environment"]

logger = logging.getLogger(__name__)

_MODULE = "VisualDICOMBrowserLib.database.index_worker"
# Lists that wait in a worker's pipe while it works on one, so that it never waits for us.
_AHEAD = 3
_CANCEL_CHECK_S = 0.2
_END_TIMEOUT_S = 5.0
_MOST_FAILED_STARTS = 3
_DEADLY = "The process that read this file ended; the file may be damaged."


class ScanPool:
    """`count` worker processes for one import; use it in a ``with`` statement.

    Parameters
    ----------
    plan : TagPlan
        What to look for.
    count : int
        Number of processes.
    inflate_limit : int
        Largest inflated size of a deflated data set, in bytes.
    """

    def __init__(self, plan: TagPlan, count: int, inflate_limit: int) -> None:
        self._head = encode_line({"vrs": plan.vrs, "inflate_limit": inflate_limit})
        self._count = count
        self._arrived: queue.SimpleQueue[tuple[_Worker, bytes]] = queue.SimpleQueue()
        self._workers: list[_Worker] = []
        self._failed_starts = 0

    def __enter__(self) -> ScanPool:
        try:
            for _ in range(self._count):
                self._workers.append(self._started())
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.end(kill=kind is not None)
        self._workers = []

    def answers(self, chunks: Iterator[Sequence[str]], control: JobControl) -> Iterator[tuple[Sequence[str], bytes]]:
        """Each list of paths with the line that answers it.

        Raises
        ------
        EnvironmentFault
            Worker processes cannot be started.
        JobCancelled
            `control` says so; the workers are to be ended.
        """
        again: deque[Sequence[str]] = deque()
        exhausted = False
        while True:
            control.raise_if_cancelled()
            for worker in self._workers:
                while len(worker.sent) < _AHEAD and not exhausted:
                    chunk = again.popleft() if again else next(chunks, None)
                    exhausted = chunk is None
                    if chunk is not None:
                        worker.send(chunk)
            if exhausted and not any(worker.sent for worker in self._workers):
                return
            try:
                worker, line = self._arrived.get(timeout=_CANCEL_CHECK_S)
            except queue.Empty:
                continue
            if line and worker.sent:
                yield worker.sent.popleft(), line
            elif not line:
                rejected = self._replace(worker, again)
                exhausted = exhausted and not again
                if rejected is not None:
                    yield rejected, encode_line([_DEADLY])

    def _started(self) -> _Worker:
        return _Worker(self._head, self._arrived)

    def _replace(self, dead: _Worker, again: deque[Sequence[str]]) -> Sequence[str] | None:
        """A new worker for a dead one; the list of the one file that was its end, if that is clear."""
        dead.end(kill=True)
        self._failed_starts += not dead.was_ready
        if self._failed_starts > _MOST_FAILED_STARTS:
            message = "The processes that read headers cannot be started."
            raise EnvironmentFault(message, next_step="Check the Python installation.")
        self._workers[self._workers.index(dead)] = self._started()
        if not dead.sent or not dead.was_ready:
            again.extend(dead.sent)
            return None
        suspect = dead.sent.popleft()
        again.extend(dead.sent)
        if len(suspect) == 1:
            return suspect
        logger.warning("A header reader ended; its %d files are read one by one", len(suspect))
        again.extend([path] for path in suspect)
        return None


class _Worker:
    """One process; `sent` are the lists it has not answered yet, in order."""

    def __init__(self, head: bytes, arrived: queue.SimpleQueue[tuple[_Worker, bytes]]) -> None:
        self.sent: deque[Sequence[str]] = deque()
        self.was_ready = False
        self._arrived = arrived
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", _MODULE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=child_environment(),
            )
        except OSError as error:
            message = f"The processes that read headers cannot be started: {error.strerror or error}."
            raise EnvironmentFault(message) from error
        self._write(head)
        self._reader = threading.Thread(target=self._read, name=f"import-worker-{self._process.pid}")
        self._reader.start()

    def send(self, chunk: Sequence[str]) -> None:
        """Give the worker a list; if it is dead, its reader tells."""
        self.sent.append(chunk)
        self._write(encode_line(list(chunk)))

    def end(self, *, kill: bool) -> None:
        """End the process and its reader; `kill` without letting it finish."""
        if kill:
            self._process.kill()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _write(self, line: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        ready = self._process.stdout.readline()
        if ready.endswith(b"\n"):
            self.was_ready = json.loads(ready) == {"ready": True}
            for line in self._process.stdout:
                if line.endswith(b"\n"):
                    self._arrived.put((self, line))
        self._arrived.put((self, b""))


def child_environment() -> dict[str, str]:
    """Environment in which a child process finds this package."""
    parent = str(Path(VisualDICOMBrowserLib.__file__).parent.parent)
    before = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": parent + (os.pathsep + before if before else "")}
