"""A session on an empty database, and events one can wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from Testing.support.orthanc import Orthanc
from VisualDICOMBrowserLib.engine.open_engine import open_engine
from VisualDICOMBrowserLib.engine.session import Session

WAIT_S = 60.0


class EventLog:
    """Hears all events of a session and lets tests wait for some."""

    def __init__(self, session: Session) -> None:
        self.events: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self.stop = session.subscribe(self._hear)

    def wait(self, test: Callable[[dict[str, Any]], bool], times: int = 1) -> list[dict[str, Any]]:
        """The events that pass `test`, once there are as many; fails after a minute."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._passing(test)) >= times, WAIT_S), self.events[-20:]
            return self._passing(test)

    def named(self, name: str) -> list[dict[str, Any]]:
        """Events of that name so far."""
        with self._changed:
            return self._passing(lambda event: event["event"] == name)

    def _passing(self, test: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        return [event for event in self.events if test(event)]

    def _hear(self, event: dict[str, Any]) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """A session in this process on an empty database."""
    with Session(open_engine(tmp_path / "database")) as opened:
        yield opened


@pytest.fixture
def events(session: Session) -> Iterator[EventLog]:
    """What the engine of that session tells."""
    log = EventLog(session)
    yield log
    log.stop()


@pytest.fixture
def start_orthanc(tmp_path: Path) -> Iterator[Callable[..., Orthanc]]:
    """Starts Orthancs with empty storages; takes further arguments of `Orthanc`."""
    started: list[Orthanc] = []

    def start(**arguments: Any) -> Orthanc:
        server = Orthanc(tmp_path / f"orthanc-{len(started)}", no_delay=True, **arguments)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.stop()
