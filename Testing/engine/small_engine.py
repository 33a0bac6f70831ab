"""A small real engine for tests of the transport, and the same as a child process when run as a program."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.engine.child import claim_standard_streams, run_child
from VisualDICOMBrowserLib.engine.subscribers import Subscribers
from VisualDICOMBrowserLib.errors import DatabaseFault, PeerError, UsageError


class SmallEngine:
    """Answers a handful of commands; a file ``refuse`` in its folder keeps it from starting."""

    def __init__(self, folder: Path) -> None:
        if (folder / "refuse").exists():
            message = "The database is damaged."
            raise DatabaseFault(message, subject=str(folder), next_step="Restore a copy.")
        self.folder = folder
        self.closed = threading.Event()
        self._subscribers = Subscribers()

    def handle(self, command: str, arguments: dict[str, Any]) -> Any:
        method = getattr(self, f"command_{command}", None)
        if method is None:
            message = f"The engine knows no command {command!r}."
            raise UsageError(message, code="unknown_command", subject=command)
        return method(**arguments)

    def subscribe(self, callback: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        return self._subscribers.subscribe(callback)

    def close(self) -> None:
        self.closed.set()

    def command_same(self, value: Any) -> Any:
        return value

    def command_tuple(self) -> tuple[int, ...]:
        return (1, 2)

    def command_pid(self) -> int:
        return os.getpid()

    def command_publish(self, event: str, fields: dict[str, Any]) -> None:
        self._subscribers.publish({"event": event, **fields})

    def command_refuse(self) -> None:
        message = "PACS_A refused."
        raise PeerError(message, code="refused", server="PACS_A", subject="1.2.3", next_step="Ask its administrator.")

    def command_break(self) -> None:
        message = "unforeseen"
        raise RuntimeError(message)

    def command_not_json(self) -> object:
        return object()

    def command_print(self, text: str) -> None:
        print(text, flush=True)  # noqa: T201
        print(text, file=sys.stderr, flush=True)  # noqa: T201

    def command_touch(self, name: str) -> None:
        (self.folder / name).touch()

    def command_kill(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class DeafEngine(SmallEngine):
    """Ignores the polite ways of ending a process."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def close(self) -> None:
        threading.Event().wait()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument("--deaf", action="store_true")
    arguments = parser.parse_args()
    stdin, stdout = claim_standard_streams()
    return run_child(DeafEngine if arguments.deaf else SmallEngine, arguments.database, stdin, stdout)


if __name__ == "__main__":
    sys.exit(main())
