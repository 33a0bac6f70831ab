"""Fixtures for tests of the queue: a gated kind, a listener, and queues that are closed in the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from job_kinds import GatedKind, Listener, MakeQueue, make_queue

from VisualDICOMBrowserLib.jobs.journal import Journal
from VisualDICOMBrowserLib.jobs.queue import JobQueue


@pytest.fixture
def kind() -> GatedKind:
    return GatedKind()


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def new_queue(tmp_path: Path, kind: GatedKind, listener: Listener) -> Iterator[MakeQueue]:
    queues: list[JobQueue] = []

    def make(*kinds: Any, **options: Any) -> JobQueue:
        journal = Journal(tmp_path / "own.sql", busy_timeout_s=0.05)
        queues.append(make_queue(journal, *(kinds or (kind,)), **{"listener": listener, **options}))
        return queues[-1]

    yield make
    for queue in queues:
        queue.close()
