"""Instances on their way from a driver into the database.

`DatabaseSink` is the `InstanceSink` of one retrieve: drivers add files from any thread, one thread of its own
(named ``sink-…``) stores and indexes them in batches, so that the network never waits for the database.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from VisualDICOMBrowserLib.database.records import AddOutcome
from VisualDICOMBrowserLib.database.storing import InstanceStore
from VisualDICOMBrowserLib.errors import StorageFault, VisualDICOMError
from VisualDICOMBrowserLib.model import ReceivedFile

__all__ = ["DatabaseSink"]

_BATCH_FILES = 100
_BATCH_BYTES = 64 * 1024 * 1024
_WAITING_FILES = 2000
_GATHERING_S = 0.1
_STORED = ("imported", "unchanged")


class DatabaseSink:
    """Stores what one retrieve receives.

    Parameters
    ----------
    store : InstanceStore
        Puts files in place and indexes them.
    name : str
        For the thread's name.
    on_batch : callable
        Called with the outcomes of each batch, from the sink's thread, after their commit.
    """

    def __init__(self, store: InstanceStore, name: str, on_batch: Callable[[Sequence[AddOutcome]], None]) -> None:
        self._store = store
        self._on_batch = on_batch
        self._queue: queue.Queue[ReceivedFile | None] = queue.Queue(_WAITING_FILES)
        self._failure: VisualDICOMError | None = None
        self.counts: Counter[str] = Counter()
        self.refused: list[AddOutcome] = []
        self.series: set[str] = set()
        self.instances: set[str] = set()
        self._thread = threading.Thread(target=self._work, name=f"sink-{name}", daemon=True)
        self._thread.start()

    def new_part(self) -> Path:
        """Path of a fresh ``.part`` file beside the database's instances."""
        return self._store.new_part()

    def add(self, received: ReceivedFile) -> None:
        """Take over one file that is written whole.

        Raises
        ------
        StorageFault
            Files given earlier could not be stored, so that receiving more is in vain.
        """
        if self._failure is not None:
            self._store.discard(received.path)
            raise self._failure
        self._queue.put(received)

    def discard(self, path: Path) -> None:
        """Remove a ``.part`` file that will not be completed."""
        self._store.discard(path)

    def finish(self) -> None:
        """Wait until all that was added is stored and indexed, and end the thread.

        Raises
        ------
        StorageFault
            Some files could not be stored; what was stored before stays.
        """
        self._queue.put(None)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        ended = False
        while not ended:
            batch, ended = self._next_batch()
            if not batch:
                continue
            if self._failure is None:
                self._store_batch(batch)
            else:
                self._give_up(self._failure, batch)

    def _give_up(self, fault: VisualDICOMError, batch: list[ReceivedFile]) -> None:
        self._failure = fault
        for received in batch:
            self._store.discard(received.path)

    def _store_batch(self, batch: list[ReceivedFile]) -> None:
        try:
            outcomes = self._store.accept(batch)
        except VisualDICOMError as fault:
            self._give_up(fault, batch)
            return
        except OSError as fault:
            message = f"Received images cannot be stored: {fault.strerror or fault}."
            next_step = "Make room on the disk of the database, then fetch again."
            self._give_up(StorageFault(message, next_step=next_step), batch)
            return
        self.counts.update(outcome.status for outcome in outcomes)
        self.refused += [outcome for outcome in outcomes if outcome.status in ("conflict", "rejected")]
        self.instances.update(outcome.SOPInstanceUID for outcome in outcomes if outcome.status in _STORED)
        self.series.update(outcome.SeriesInstanceUID for outcome in outcomes if outcome.SeriesInstanceUID)
        self._on_batch(outcomes)

    def _next_batch(self) -> tuple[list[ReceivedFile], bool]:
        """Files that wait, gathered for a moment since a batch costs the same few flushes whatever its size."""
        batch: list[ReceivedFile] = []
        size = 0
        received = self._queue.get()
        until = time.monotonic() + _GATHERING_S
        while received is not None:
            batch.append(received)
            size += received.size
            if len(batch) >= _BATCH_FILES or size >= _BATCH_BYTES:
                return batch, False
            try:
                received = self._queue.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                return batch, False
        return batch, True
