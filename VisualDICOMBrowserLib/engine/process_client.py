"""A client whose engine is a child process, started again when it dies.

The thread ``engine-client`` starts the child, reads it and restarts it; event and reply callbacks run on it.
Hosts in which Python threads starve (Slicer) use the transport over ``QProcess`` instead, which has the same
parts: `ClientSession`, `RestartPolicy`, `child_command`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from VisualDICOMBrowserLib.engine.child_process import ChildProcess
from VisualDICOMBrowserLib.engine.client_session import notice
from VisualDICOMBrowserLib.engine.session_client import SessionClient
from VisualDICOMBrowserLib.engine.supervision import (
    RestartPolicy,
    child_command,
    child_environment,
    ended_error,
    given_up_error,
)
from VisualDICOMBrowserLib.errors import EngineError, VisualDICOMError

__all__ = ["ProcessClient"]

_logger = logging.getLogger(__name__)


class ProcessClient(SessionClient):
    """Client of a child engine (or relay) on the database in `folder`; meets `EngineClient`.

    Commands that were under way when a child dies fail with `EngineError`; those sent until the next child
    runs wait for it. Subscribers get an ``engine_notice`` when it does, and when no further try is made.

    Parameters
    ----------
    folder : Path
        The database folder.
    command : Sequence[str] | None
        Program and arguments, `child_command` if None.
    environment : Mapping[str, str] | None
        Environment of the child, `child_environment` if None.
    policy : RestartPolicy | None
        Decides about restarts.
    request_timeout_s : float
        How long `request` waits, a restart included.
    stop_timeout_s : float
        How long `close` takes at most; see `ChildProcess.stop`.
    clock : Callable[[], float]
        Seconds of a steady clock.
    """

    def __init__(
        self,
        folder: Path,
        *,
        command: Sequence[str] | None = None,
        environment: Mapping[str, str] | None = None,
        policy: RestartPolicy | None = None,
        request_timeout_s: float = 60.0,
        stop_timeout_s: float = 15.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(request_timeout_s)
        self._folder = folder
        self._command = list(command) if command is not None else child_command(folder)
        self._environment = dict(environment) if environment is not None else child_environment()
        self._policy = policy or RestartPolicy()
        self._stop_timeout_s = stop_timeout_s
        self._clock = clock
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._child: ChildProcess | None = None
        self._reader = threading.Thread(target=self._supervise, name="engine-client", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int | None:
        """Process id of the child that runs now, None between two."""
        child = self._child
        return None if child is None else child.pid

    def close(self) -> None:
        """End the child and all threads; idempotent. Commands under way fail."""
        with self._lock:
            self._closing.set()
            child = self._child
        self._session.end(EngineError("The engine of this database has been closed.", code="engine_closed"))
        if child is not None:
            child.stop(self._stop_timeout_s)
        if self._reader is not None and self._reader is not threading.current_thread():
            self._reader.join(self._stop_timeout_s)

    def _supervise(self) -> None:
        while not self._closing.is_set():
            started = self._clock()
            lost = self._run_child()
            if self._closing.is_set() or self._session.ended is not None:
                return
            delay = self._policy.delay_after(self._clock() - started)
            if delay is None:
                self._give_up()
                return
            _logger.warning("%s", lost)
            self._disconnected(lost)
            self._closing.wait(delay)

    def _run_child(self) -> VisualDICOMError:
        """Start a child and read it until it ends; returns how that is told to callers."""
        try:
            with self._lock:
                if self._closing.is_set():
                    return ended_error(self._folder, None)
                child = self._child = ChildProcess(self._command, self._environment)
        except OSError as error:
            message = f"The background engine could not be started: {error.strerror or error}."
            return EngineError(message, code="engine_not_started")
        self._connected(child.outbox)
        while data := child.read():
            self._session.feed(data)
        with self._lock:
            self._child = None
        exit_code = child.stop(self._stop_timeout_s)
        child.release()
        return ended_error(self._folder, exit_code)

    def _give_up(self) -> None:
        error = given_up_error(self._folder)
        _logger.error("%s", error)
        self._session.publish(notice("error", str(error)))
        self._session.end(error)
