"""The engine as a child of Qt's ``QProcess``: its lines arrive as Qt signals, no Python thread runs.

Meets `engine.client.EngineClient`. What is said over the pipes is in `engine.client_session`, when a child that
ended is started again in `engine.supervision`. Main thread only; reply and event callbacks run there too, from
the event loop or while `request` and `wait` wait.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import qt

from VisualDICOMBrowserLib.engine.client import EventCallback, ReplyCallback
from VisualDICOMBrowserLib.engine.client_session import ClientSession, notice
from VisualDICOMBrowserLib.engine.supervision import (
    RestartPolicy,
    child_command,
    child_environment,
    ended_error,
    given_up_error,
)
from VisualDICOMBrowserLib.errors import EngineError, VisualDICOMError

__all__ = ["QProcessClient"]

_logger = logging.getLogger(__name__)

_STEP_MS = 20
_KEPT_LINES = 60


class QProcessClient:
    """Client of a child engine (or relay) on the database in `folder`.

    Parameters
    ----------
    folder : Path
        The database folder.
    command : Sequence[str] | None
        Program and arguments of the child, `child_command` if None.
    policy : RestartPolicy | None
        Decides about restarts.
    request_timeout_s : float
        How long `request` waits, a restart included.
    stop_timeout_s : float
        How long `close` takes at most: a third each for asking, terminating and killing.
    """

    def __init__(
        self,
        folder: Path,
        *,
        command: Sequence[str] | None = None,
        policy: RestartPolicy | None = None,
        request_timeout_s: float = 60.0,
        stop_timeout_s: float = 15.0,
    ) -> None:
        self.folder = folder
        self._command = list(command) if command is not None else child_command(folder)
        self._policy = policy or RestartPolicy()
        self._request_timeout_s = request_timeout_s
        self._stop_timeout_ms = int(stop_timeout_s * 1000)
        self._session = ClientSession()
        self._process: Any = None
        self._started = 0.0
        self._closed = False
        self._words: deque[str] = deque(maxlen=_KEPT_LINES)
        # Qt destroys the process with the application; a host that forgets `close` must not leave an engine.
        qt.QApplication.instance().aboutToQuit.connect(self.close)
        self._start()

    @property
    def pid(self) -> int | None:
        """Process id of the child that runs now, None between two."""
        return None if self._process is None else int(self._process.processId())

    @property
    def last_words(self) -> list[str]:
        """The last lines of the child's log, and when and how it ended."""
        return list(self._words)

    def request(self, command: str, **arguments: Any) -> Any:
        """Carry out one command and wait for its result, without running other events meanwhile.

        Raises
        ------
        EngineError
            The engine ended, or did not answer in time.
        VisualDICOMError
            What the engine raised.
        """
        answers: list[tuple[Any, VisualDICOMError | None]] = []
        number = self.send(command, lambda result, error: answers.append((result, error)), **arguments)
        deadline = time.monotonic() + self._request_timeout_s
        while not answers:
            if time.monotonic() >= deadline:
                raise self._session.unanswered(number, command, self._request_timeout_s)
            self._step()
        result, error = answers[0]
        if error is not None:
            raise error
        return result

    def send(self, command: str, on_reply: ReplyCallback | None = None, **arguments: Any) -> int:
        """Send one command; `on_reply` gets its result or error later. Returns the command's number."""
        number = self._session.send(command, arguments, on_reply)
        self._flush()
        return number

    def subscribe(self, callback: EventCallback) -> Callable[[], None]:
        """Call `callback` with every event from now on; the result ends that."""
        return self._session.subscribe(callback)

    def wait(self, condition: Callable[[], bool], timeout_s: float | None = None) -> bool:
        """Keep the window alive until `condition` holds; False if it did not within `timeout_s` seconds."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not condition():
            if self._session.ended is not None:
                raise self._session.ended
            if deadline is not None and time.monotonic() >= deadline:
                return False
            self._step()
            qt.QApplication.processEvents()
        return True

    def close(self) -> None:
        """End the child; idempotent. Commands under way fail."""
        if self._closed:
            return
        self._closed = True
        qt.QApplication.instance().aboutToQuit.disconnect(self.close)
        self._session.end(EngineError("The engine of this database has been closed.", code="engine_closed"))
        process = self._process
        if process is None:
            return
        share = self._stop_timeout_ms // 3
        process.closeWriteChannel()
        if not process.waitForFinished(share):
            process.terminate()
            if not process.waitForFinished(share):
                process.kill()
                process.waitForFinished(share)
        self._process = None

    def _start(self) -> None:
        if self._closed:
            return
        environment = qt.QProcessEnvironment.systemEnvironment()
        environment.insert("PYTHONPATH", child_environment()["PYTHONPATH"])
        # Without a parent PythonQt would delete it in its own signal, as soon as nothing of ours names it any more.
        process = qt.QProcess(qt.QApplication.instance())
        process.setProcessEnvironment(environment)
        process.started.connect(self._flush)
        process.readyReadStandardOutput.connect(self._read)
        process.readyReadStandardError.connect(self._log)
        process.finished.connect(lambda *_: self._ended())
        process.errorOccurred.connect(lambda *_: self._failed())
        self._process = process
        self._started = time.monotonic()
        process.start(self._command[0], self._command[1:])

    def _step(self) -> None:
        """Wait a moment for what the child says, and take it."""
        if self._process is None:
            # Between two children; the next is started by a timer.
            time.sleep(_STEP_MS / 1000)
            qt.QApplication.processEvents(qt.QEventLoop.ExcludeUserInputEvents)
        elif self._process.waitForReadyRead(_STEP_MS):
            # Qt does not repeat the signal if we are called by a slot of that very signal.
            self._read()

    def _flush(self) -> None:
        if self._process is not None and self._process.state() == qt.QProcess.Running:
            data = self._session.data_to_send()
            if data:
                self._process.write(data)

    def _read(self) -> None:
        if self._process is not None:
            data = self._process.readAllStandardOutput().data()
            if data:
                self._session.feed(data)

    def _log(self) -> None:
        if self._process is not None:
            text = self._process.readAllStandardError().data().decode("utf-8", "replace")
            for line in text.splitlines():
                _logger.info("engine: %s", line)
                self._words.append(line)

    def _failed(self) -> None:
        """An error of the process: only one that never started has no `finished` signal to follow."""
        process = self._process
        if process is not None and process.error() == qt.QProcess.FailedToStart:
            message = f"The background engine could not be started: {process.errorString()}."
            self._lost(EngineError(message, code="engine_not_started"))

    def _ended(self) -> None:
        if self._process is not None:
            self._read()
            self._log()
            self._lost(ended_error(self.folder, int(self._process.exitCode())))

    def _lost(self, error: VisualDICOMError) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.deleteLater()
        if self._closed or self._session.ended is not None:
            return
        self._words.append(f"{datetime.now():%H:%M:%S} {error.message}")
        delay = self._policy.delay_after(time.monotonic() - self._started)
        if delay is None:
            final = given_up_error(self.folder)
            self._session.publish(notice("error", str(final)))
            self._session.end(final)
            return
        _logger.warning("%s", error)
        self._session.connection_lost(error)
        qt.QTimer.singleShot(int(delay * 1000), self._start)
