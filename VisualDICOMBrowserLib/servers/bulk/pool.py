"""Warm worker processes that fetch the parts of a retrieve side by side.

The pool belongs to the engine; jobs use it from their own threads. A worker serves one part at a time, idle
ones wait on a pipe. Received files are given to the job's sink in the job's thread. The process itself is
``process``, its other end ``worker``.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from VisualDICOMBrowserLib.errors import AssociationError, EngineError, VisualDICOMError, error_from_dict
from VisualDICOMBrowserLib.model import (
    FailedInstance,
    InstanceSink,
    JobControl,
    ReceivedFile,
    RetrieveResult,
)
from VisualDICOMBrowserLib.servers.bulk.fetch import FetchPart
from VisualDICOMBrowserLib.servers.bulk.process import WorkerProcess
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.progress import PartControl, ProgressSum, settled
from VisualDICOMBrowserLib.servers.upper_layer.association import Caller
from VisualDICOMBrowserLib.servers.upper_layer.channel import CANCEL_WAIT_S

if TYPE_CHECKING:
    from VisualDICOMBrowserLib.servers.web.fetch import WebLogin

__all__ = ["BulkPool"]

_WAIT_S = 0.2
_FIRST_PATHS = 96
# Beyond what a worker needs to cancel in order.
_CANCEL_WAIT_S = CANCEL_WAIT_S + 3.0


class BulkPool:
    """At most `workers` processes, started by `start` or at first use.

    Parameters
    ----------
    workers : int
        Number of processes; 0 means that drivers fetch in their own process.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._condition = threading.Condition()
        self._workers: list[WorkerProcess] = []
        self._idle: list[WorkerProcess] = []
        self._numbers = 0
        self._closed = False
        self._by_server: Counter[str] = Counter()

    def start(self) -> None:
        """Start all processes without waiting for them, so that the first retrieve finds them ready."""
        with self._condition:
            while len(self._workers) < self.workers and not self._closed:
                self._idle.append(self._started())

    def close(self) -> None:
        """End all workers, also busy ones: a retrieve that still runs fails with `EngineError`."""
        with self._condition:
            self._closed = True
            workers, self._workers = self._workers, []
            self._idle.clear()
            self._condition.notify_all()
        for worker in workers:
            worker.close()

    def process_ids(self) -> list[int]:
        """Process ids of the workers."""
        with self._condition:
            return [worker.pid for worker in self._workers]

    def retrieve(
        self,
        config: ServerConfig,
        caller: Caller | WebLogin,
        parts: Sequence[FetchPart],
        sink: InstanceSink,
        control: JobControl,
    ) -> RetrieveResult:
        """Fetch `parts`, each over an association of its own, as many at once as workers and server allow.

        `caller` is who we are by DIMSE, or how we are signed in by DICOMweb.

        Raises
        ------
        EngineError
            A worker died; the pool replaces it.
        NetworkError, AssociationError, PeerError, StorageFault, JobCancelled
            As the driver's retrieve.
        """
        return _Retrieve(self, config, caller, parts, sink, control).run()

    def acquire(self, config: ServerConfig, *, block: bool) -> WorkerProcess | None:
        """A worker for one association to that server, None if none is free; waits shortly if `block`."""
        with self._condition:
            if block:
                self._condition.wait_for(lambda: self._closed or self._may_take(config), _WAIT_S)
            if self._closed:
                message = "The engine is closing, so nothing more is fetched."
                raise EngineError(message)
            if not self._may_take(config):
                return None
            worker = self._idle.pop() if self._idle else self._started()
            if not worker.alive:
                self._workers.remove(worker)
                worker.close()
                worker = self._started()
            self._by_server[config.name] += 1
            return worker

    def give_back(self, config: ServerConfig, worker: WorkerProcess) -> None:
        """Return a worker that ended its part; one that died is replaced."""
        worker.listen(None)
        with self._condition:
            self._by_server[config.name] -= 1
            if worker.alive and not self._closed:
                self._idle.append(worker)
            elif worker in self._workers:
                self._workers.remove(worker)
                # Whoever needs the new one hears why there is none.
                with suppress(EngineError):
                    self._idle.append(self._started())
            self._condition.notify_all()
        if not worker.alive:
            worker.close()

    def _may_take(self, config: ServerConfig) -> bool:
        free = bool(self._idle) or len(self._workers) < self.workers
        return free and self._by_server[config.name] < config.workers("fetch")

    def _started(self) -> WorkerProcess:
        self._numbers += 1
        try:
            worker = WorkerProcess(f"bulk-worker-{self._numbers}")
        except OSError as fault:
            message = f"A process for fetching cannot be started: {fault.strerror or fault}."
            raise EngineError(message, code="worker_start") from fault
        self._workers.append(worker)
        return worker


class _Running:
    """A part on a worker, and the paths it was given and has not reported."""

    def __init__(self, number: int, part: FetchPart, worker: WorkerProcess, control: PartControl) -> None:
        self.number = number
        self.part = part
        self.worker = worker
        self.control = control
        self.paths: set[str] = set()


class _Retrieve:
    """One retrieve over the pool, in the job's thread; workers' messages come through one queue."""

    def __init__(
        self,
        pool: BulkPool,
        config: ServerConfig,
        caller: Caller | WebLogin,
        parts: Sequence[FetchPart],
        sink: InstanceSink,
        control: JobControl,
    ) -> None:
        self._pool = pool
        self._config = config
        self._caller = caller
        self._waiting = list(parts)
        self._sink = sink
        self._control = control
        expected = [part.expected for part in parts]
        self._progress = ProgressSum(control, None if None in expected else sum(n or 0 for n in expected))
        self._messages: queue.SimpleQueue[tuple[_Running, dict[str, Any]]] = queue.SimpleQueue()
        self._running: list[_Running] = []
        self._outcomes: list[tuple[int | None, RetrieveResult | VisualDICOMError]] = []
        self._failure: VisualDICOMError | None = None
        self._cancel_deadline: float | None = None
        self._most = len(parts)
        self._numbers = 0

    def run(self) -> RetrieveResult:
        try:
            while self._waiting or self._running:
                self._check_cancel()
                self._start_parts()
                self._take_message()
        finally:
            self._abandon()
        if self._failure is not None:
            raise self._failure
        self._control.raise_if_cancelled()
        return settled(self._control, self._outcomes)

    def _check_cancel(self) -> None:
        wanted = self._control.cancel_requested or self._failure is not None
        if not wanted:
            return
        self._waiting.clear()
        if self._cancel_deadline is None:
            self._cancel_deadline = time.monotonic() + _CANCEL_WAIT_S
            for running in self._running:
                running.worker.send(cancel=running.number)
        elif time.monotonic() > self._cancel_deadline:
            # Most likely it waits for a server that does not answer; its end is reported like a death.
            for running in self._running:
                running.worker.close()

    def _start_parts(self) -> None:
        while self._waiting and len(self._running) < self._most:
            worker = self._pool.acquire(self._config, block=not self._running)
            if worker is None:
                return
            part = self._waiting.pop(0)
            self._numbers += 1
            running = _Running(self._numbers, part, worker, self._progress.part())
            self._running.append(running)
            worker.listen(partial(self._heard, running))
            worker.send(
                fetch=running.number,
                config=self._config.to_dict(),
                part=part.to_dict(),
                **_identity(self._caller),
            )
            self._give_paths(running, min(_FIRST_PATHS, (part.expected or _FIRST_PATHS) + 1))

    def _heard(self, running: _Running, message: dict[str, Any]) -> None:
        self._messages.put((running, message))

    def _take_message(self) -> None:
        try:
            running, message = self._messages.get(timeout=_WAIT_S)
        except queue.Empty:
            return
        if running not in self._running:
            return
        if "files" in message:
            self._add(running, message["files"])
        elif "paths" in message:
            self._give_paths(running, message["paths"])
        elif "progress" in message:
            running.control.progress(*message["progress"])
        elif "log" in message:
            self._control.log(message["log"])
        elif "done" in message:
            self._ended(running, _result(message["done"]))
        elif "error" in message:
            self._ended(running, error_from_dict(message["error"]))
        elif "died" in message:
            self._ended(running, self._died(message["died"]))

    def _add(self, running: _Running, files: list[list[Any]]) -> None:
        for path, sop_class, sop_instance, transfer_syntax, size in files:
            running.paths.discard(path)
            received = ReceivedFile(
                path=Path(path),
                SOPClassUID=sop_class,
                SOPInstanceUID=sop_instance,
                TransferSyntaxUID=transfer_syntax,
                size=size,
                flushed=True,
            )
            if self._failure is not None:
                self._sink.discard(received.path)
                continue
            try:
                self._sink.add(received)
            except VisualDICOMError as failure:
                self._failure = failure

    def _give_paths(self, running: _Running, count: int) -> None:
        paths = [str(self._sink.new_part()) for _ in range(count)]
        running.paths.update(paths)
        running.worker.send(give=running.number, paths=paths)

    def _ended(self, running: _Running, outcome: RetrieveResult | VisualDICOMError) -> None:
        self._running.remove(running)
        self._release(running)
        busy = isinstance(outcome, AssociationError) and outcome.code in ("busy", "local_limit")
        if busy and self._running and self._cancel_deadline is None:
            # The server allows fewer associations than we thought; the part follows on one that ends.
            self._waiting.append(running.part)
            self._most = len(self._running)
            return
        self._outcomes.append((running.part.expected, outcome))

    def _release(self, running: _Running) -> None:
        self._pool.give_back(self._config, running.worker)
        for path in running.paths:
            if Path(path).exists():
                self._sink.discard(Path(path))

    def _died(self, code: int) -> EngineError:
        return EngineError(
            f"The process that fetched from {self._config.name} ended unexpectedly ({code}).",
            code="worker_died",
            server=self._config.name,
            next_step="Retrieve again; what has arrived is kept.",
        )

    def _abandon(self) -> None:
        """End workers that are still busy, when the job's thread leaves on an unexpected error."""
        for running in list(self._running):
            running.worker.listen(None)
            running.worker.close()
            self._release(running)


def _identity(caller: Caller | WebLogin) -> dict[str, Any]:
    return {"caller": asdict(caller)} if isinstance(caller, Caller) else {"web": caller.to_dict()}


def _result(values: dict[str, Any]) -> RetrieveResult:
    failed = tuple(FailedInstance(**item) for item in values.pop("failed"))
    return RetrieveResult(**values, failed=failed)
