"""Fixtures for tests of the transport: database folders, child commands, and a listener one can wait on."""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
WAIT_S = 30.0


class Listener:
    """Keeps events and lets tests wait for one."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self._changed = threading.Condition()

    def __call__(self, event: dict[str, Any]) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def wait(self, test: Callable[[dict[str, Any]], bool], times: int = 1) -> dict[str, Any]:
        """The event of that number that passes `test`; fails after half a minute."""
        with self._changed:
            assert self._changed.wait_for(lambda: sum(map(test, self.events)) >= times, WAIT_S), self.events
            return [event for event in self.events if test(event)][times - 1]

    def wait_named(self, name: str, times: int = 1) -> dict[str, Any]:
        return self.wait(lambda event: event["event"] == name, times)


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def child_of() -> Callable[..., list[str]]:
    """Command of a small engine as a child process on a folder."""

    def command(folder: Path, *options: str) -> list[str]:
        return [sys.executable, str(HERE / "small_engine.py"), "--database", str(folder), *options]

    return command


@pytest.fixture(autouse=True)
def runtime_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A private runtime folder per test, short enough for the path of a socket."""
    with tempfile.TemporaryDirectory(prefix="vdb") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)
