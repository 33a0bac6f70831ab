"""What the host side knows of an engine: the protocol every client meets, and the client in this process.

Lives here: `EngineClient` (what hosts use), `EngineLike` (what the transport needs of an engine), and
`InProcessClient`. Clients over a pipe or a socket are ``process_client`` and ``socket_client``; which of
them one gets for a folder decides ``open_engine``. Any thread may call a client.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, runtime_checkable

from VisualDICOMBrowserLib.engine.wire import as_json_value
from VisualDICOMBrowserLib.errors import BugError, EngineError, VisualDICOMError

__all__ = ["EngineClient", "EngineLike", "EventCallback", "InProcessClient", "ReplyCallback", "carry_out"]

_logger = logging.getLogger(__name__)

EventCallback = Callable[[dict[str, Any]], None]
ReplyCallback = Callable[[Any, VisualDICOMError | None], None]


class EngineLike(Protocol):
    """All that the transport needs of an engine."""

    def handle(self, command: str, arguments: dict[str, Any]) -> Any:
        """Carry out one command and return a JSON value; must not wait for jobs or peers.

        Raises
        ------
        VisualDICOMError
            The command failed or is unknown (`UsageError`).
        """
        ...

    def subscribe(self, callback: EventCallback) -> Callable[[], None]:
        """Call `callback` with every event from now on; the result ends that."""
        ...

    def close(self) -> None:
        """End all work; idempotent."""
        ...


@runtime_checkable
class EngineClient(Protocol):
    """An engine as its hosts see it, wherever it runs."""

    def request(self, command: str, **arguments: Any) -> Any:
        """Carry out one command and wait for its result.

        Raises
        ------
        EngineError
            The engine ended, cannot be reached, or did not answer in time.
        VisualDICOMError
            What the engine raised.
        """
        ...

    def send(self, command: str, on_reply: ReplyCallback | None = None, **arguments: Any) -> int:
        """Send one command without waiting; `on_reply` gets result or error, on any thread.

        Returns the number of the command, unique in this client.
        """
        ...

    def subscribe(self, callback: EventCallback) -> Callable[[], None]:
        """Call `callback` with every event from now on, on any thread; the result ends that."""
        ...

    def close(self) -> None:
        """Let go of the engine, and end it if it is this client's own; idempotent."""
        ...


def carry_out(engine: EngineLike, command: str, arguments: dict[str, Any]) -> Any:
    """Result of one command; whatever goes wrong leaves as a `VisualDICOMError`."""
    try:
        return engine.handle(command, arguments)
    except VisualDICOMError:
        raise
    except Exception as error:
        _logger.exception("Command %s failed", command)
        message = f"The command {command} met a fault of this program ({type(error).__name__}: {error})."
        raise BugError(message, subject=command, next_step="The log has the details.") from error


class InProcessClient:
    """Client of an engine in this very process; `close` closes the engine.

    Arguments and results pass through JSON as they would over a pipe, so that callers cannot tell which
    client they have. Commands of `send` run one after the other on a thread of its own.
    """

    def __init__(self, engine: EngineLike) -> None:
        self._engine = engine
        self._numbers = itertools.count(1)
        self._sender = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine-client")
        self._closed = False

    def request(self, command: str, **arguments: Any) -> Any:
        """Carry out one command on the calling thread; see `EngineClient`."""
        if self._closed:
            raise _closed_error()
        return as_json_value(carry_out(self._engine, command, as_json_value(arguments)))

    def send(self, command: str, on_reply: ReplyCallback | None = None, **arguments: Any) -> int:
        """Carry out one command on the client's own thread; see `EngineClient`."""
        number = next(self._numbers)
        copied = as_json_value(arguments)
        try:
            self._sender.submit(self._answer, command, copied, on_reply)
        except RuntimeError:  # the executor has been shut down
            if on_reply is not None:
                on_reply(None, _closed_error())
        return number

    def _answer(self, command: str, arguments: dict[str, Any], on_reply: ReplyCallback | None) -> None:
        result, failure = None, None
        try:
            result = as_json_value(carry_out(self._engine, command, arguments))
        except VisualDICOMError as error:
            failure = error
        if on_reply is not None:
            try:
                on_reply(result, failure)
            except Exception:
                _logger.exception("A reply callback of command %s failed", command)

    def subscribe(self, callback: EventCallback) -> Callable[[], None]:
        """Call `callback` with every event, on the engine's threads; see `EngineClient`."""
        return self._engine.subscribe(callback)

    def close(self) -> None:
        """Finish commands under way and close the engine."""
        if not self._closed:
            self._closed = True
            self._sender.shutdown(wait=True)
            self._engine.close()


def _closed_error() -> EngineError:
    return EngineError("The engine of this database has been closed.", code="engine_closed")
