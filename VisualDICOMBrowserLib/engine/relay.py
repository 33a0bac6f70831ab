"""One engine per database folder, shared: this process runs it, or relays to the one that does.

`SharedEngine` decides by the folder's lock. Who holds the lock runs the engine and serves it to others; who does
not attaches to the one that holds it, and when that one ends, whoever gets the lock first goes on from the
journal. Any thread may call; while nobody runs the engine, calls wait. The thread ``engine-takeover`` looks for
the next engine.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.database.storing_lock import SessionLock
from VisualDICOMBrowserLib.engine.address import lock_file, read_address
from VisualDICOMBrowserLib.engine.client import EngineLike, EventCallback, InProcessClient, ReplyCallback
from VisualDICOMBrowserLib.engine.client_session import notice
from VisualDICOMBrowserLib.engine.lock import take_engine_lock
from VisualDICOMBrowserLib.engine.server import EngineServer
from VisualDICOMBrowserLib.engine.socket_client import ENGINE_ENDED, SocketClient
from VisualDICOMBrowserLib.engine.subscribers import Subscribers
from VisualDICOMBrowserLib.engine.wire import as_json_value
from VisualDICOMBrowserLib.errors import BugError, EngineError, StorageFault, VisualDICOMError

__all__ = ["EngineFactory", "SharedEngine"]

_logger = logging.getLogger(__name__)

EngineFactory = Callable[[Path], EngineLike]

_LOOK_AGAIN_S = 0.05


class _HostedEngine(InProcessClient):
    """The engine in this process, served to others, under the folder's lock."""

    def __init__(self, folder: Path, factory: EngineFactory, lock: SessionLock) -> None:
        self._lock = lock
        try:
            self.engine = factory(folder)
            super().__init__(self.engine)
            self._server = self._serve(folder)
        except BaseException:
            lock.release()
            raise

    def _serve(self, folder: Path) -> EngineServer:
        try:
            return EngineServer(self.engine, folder)
        except BaseException:
            super().close()
            raise

    def close(self) -> None:
        """Part with attached programs first, so that they wait for the lock while the engine ends."""
        try:
            self._server.close()
        finally:
            try:
                super().close()
            finally:
                self._lock.release()


class SharedEngine:
    """The engine of the database in `folder`, wherever it runs; meets `EngineClient` and `EngineLike`.

    Parameters
    ----------
    folder : Path
        The database folder, made if there is none.
    factory : EngineFactory
        Makes the engine, if this process is to run it.
    on_attach : str
        Command sent to the engine of another process each time this attaches to it, empty for none. A
        long-lived host has unfinished jobs taken up so, which the engine of a one-shot command leaves alone.
    patience_s : float
        How long to wait for an engine that starts or ends in another process.

    Raises
    ------
    EngineError
        Another program has the lock and cannot be reached.
    VisualDICOMError
        The engine cannot be made.
    """

    def __init__(self, folder: Path, factory: EngineFactory, *, on_attach: str = "", patience_s: float = 30.0) -> None:
        self._folder = folder
        self._factory = factory
        self._on_attach = on_attach
        self._patience_s = patience_s
        self._subscribers = Subscribers()
        self._numbers = itertools.count(1)
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._upstream: _HostedEngine | SocketClient | None = None
        self._failure: VisualDICOMError | None = None
        self._deferred: list[Callable[[], None]] = []
        self._takeover: threading.Thread | None = None
        _make_folder(folder)
        self._adopt(self._obtain())

    @property
    def hosting(self) -> bool:
        """Whether the engine runs in this process."""
        return isinstance(self._upstream, _HostedEngine)

    def request(self, command: str, **arguments: Any) -> Any:
        """Carry out one command and wait for its result; see `EngineClient`."""
        return self._repeated(lambda upstream: upstream.request(command, **arguments))

    def handle(self, command: str, arguments: dict[str, Any]) -> Any:
        """Carry out one command that came over the wire; see `EngineLike`."""

        def ask(upstream: _HostedEngine | SocketClient) -> Any:
            if isinstance(upstream, _HostedEngine):
                return upstream.engine.handle(command, arguments)
            return upstream.request(command, **arguments)

        return self._repeated(ask)

    def send(self, command: str, on_reply: ReplyCallback | None = None, **arguments: Any) -> int:
        """Send one command without waiting; see `EngineClient`."""
        copied = as_json_value(arguments)
        with self._changed:
            number = next(self._numbers)

        def first_reply(result: Any, error: VisualDICOMError | None) -> None:
            if _is_cut_off(error):
                self._pass_on(command, on_reply, copied)
            elif on_reply is not None:
                on_reply(result, error)

        self._pass_on(command, first_reply, copied)
        return number

    def subscribe(self, callback: EventCallback) -> Callable[[], None]:
        """Call `callback` with every event, whoever runs the engine; see `EngineClient`."""
        return self._subscribers.subscribe(callback)

    def close(self) -> None:
        """End the engine if it runs here, else part with it; idempotent."""
        with self._changed:
            self._closing.set()
            upstream, self._upstream = self._upstream, None
            takeover = self._takeover
            self._changed.notify_all()
        if upstream is not None:
            upstream.close()
        if takeover is not None and takeover is not threading.current_thread():
            takeover.join(self._patience_s)
        self._run_deferred()

    def _repeated(self, ask: Callable[[_HostedEngine | SocketClient], Any]) -> Any:
        """Ask the engine; once more if it ended under the question, as the user would.

        What such a command started is in the journal, and the repeated one joins it.
        """
        try:
            return ask(self._ready())
        except EngineError as error:
            if not _is_cut_off(error):
                raise
        return ask(self._ready())

    def _pass_on(self, command: str, on_reply: ReplyCallback | None, arguments: dict[str, Any]) -> None:
        """Send a command to the engine; while there is none, keep it for the next."""

        def go_on() -> None:
            upstream = self._upstream
            if upstream is not None:
                upstream.send(command, on_reply, **arguments)
            elif on_reply is not None:
                on_reply(None, self._failure or _closed_error())

        with self._changed:
            if self._upstream is None and self._failure is None and not self._closing.is_set():
                self._deferred.append(go_on)
                return
        go_on()

    def _ready(self) -> _HostedEngine | SocketClient:
        """The engine as it is reached now; waits while the next one is being looked for."""
        with self._changed:
            self._changed.wait_for(lambda: self._upstream or self._failure or self._closing.is_set(), self._patience_s)
            if self._upstream is None:
                raise self._failure or (_closed_error() if self._closing.is_set() else _in_use_error(self._folder))
            return self._upstream

    def _obtain(self) -> _HostedEngine | SocketClient:
        """Become the engine or attach to it; looks until one of both succeeds or patience ends."""
        deadline = time.monotonic() + self._patience_s
        while True:
            lock = take_engine_lock(lock_file(self._folder))
            if lock is not None:
                return _HostedEngine(self._folder, self._factory, lock)
            failure = _in_use_error(self._folder)
            address = read_address(self._folder)
            if address is not None:
                try:
                    return SocketClient(self._folder, address)
                except EngineError as error:
                    failure = error
            if time.monotonic() > deadline:
                raise failure
            if self._closing.wait(_LOOK_AGAIN_S):
                raise _closed_error()

    def _adopt(self, upstream: _HostedEngine | SocketClient) -> None:
        upstream.subscribe(self._subscribers.publish)
        with self._changed:
            closing = self._closing.is_set()
            if not closing:
                self._upstream = upstream
                self._changed.notify_all()
        if closing:
            upstream.close()
        elif isinstance(upstream, SocketClient):
            upstream.when_lost(self._on_lost)
            if self._on_attach:
                upstream.send(self._on_attach)
        self._run_deferred()

    def _on_lost(self) -> None:
        with self._changed:
            self._upstream = None
            if not self._closing.is_set():
                self._takeover = threading.Thread(target=self._take_over, name="engine-takeover", daemon=True)
                self._takeover.start()

    def _take_over(self) -> None:
        try:
            upstream = self._obtain()
        except VisualDICOMError as error:
            self._fail(error)
            return
        except Exception as error:
            _logger.exception("No engine could take over")
            message = f"The engine met a fault of this program as it started ({type(error).__name__}: {error})."
            self._fail(BugError(message, next_step="The log has the details."))
            return
        self._adopt(upstream)
        where = "this one runs it now" if isinstance(upstream, _HostedEngine) else "another one runs it now"
        text = f"The program that ran the background engine has ended; {where}. Unfinished jobs go on."
        self._subscribers.publish(notice("info", text))

    def _fail(self, error: VisualDICOMError) -> None:
        with self._changed:
            self._failure = error
            self._changed.notify_all()
        if not self._closing.is_set():
            _logger.error("No engine could take over: %s", error)
            self._subscribers.publish({"event": "engine_failed", "error": error.as_dict()})
        self._run_deferred()

    def _run_deferred(self) -> None:
        with self._changed:
            deferred, self._deferred = self._deferred, []
        for go_on in deferred:
            go_on()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"The database folder {folder} cannot be made: {error.strerror}."
        raise StorageFault(message, subject=str(folder), next_step="Choose another folder.") from error


def _is_cut_off(error: VisualDICOMError | None) -> bool:
    return error is not None and error.code == ENGINE_ENDED


def _in_use_error(folder: Path) -> EngineError:
    message = f"Database {folder} is in use by a program that does not answer."
    return EngineError(message, code="engine_unreachable", subject=str(folder), next_step="End that program.")


def _closed_error() -> EngineError:
    return EngineError("The engine of this database has been closed.", code="engine_closed")
