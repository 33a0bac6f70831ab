"""Instances on their way from drivers into the database.

`DatabaseSink` belongs to one retrieve: drivers add files from any thread, each through the `Delivery` of its request;
one thread of the sink's own (named ``sink-...``) stores and indexes them in batches, so that the network never waits
for the database. How files become instances is the store's business (`database.storing`, `database.replacing`).
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from VisualDICOMBrowserLib.database.records import AddOutcome
from VisualDICOMBrowserLib.errors import BugError, StorageFault, VisualDICOMError
from VisualDICOMBrowserLib.model import ReceivedFile, StoredInstance

__all__ = ["DatabaseSink", "Delivery", "FileStore"]

logger = logging.getLogger(__name__)

_WAITING_FILES = 2000
_GATHERING_S = 0.1
_STORED = frozenset(("imported", "unchanged", "replaced", "held"))
_REFUSED = frozenset(("conflict", "rejected"))


class FileStore(Protocol):
    """What the sink needs of `InstanceStore` and of `SeriesReplacement`."""

    def new_part(self) -> Path:
        """Path of a fresh ``.part`` file; not yet created."""
        ...

    def discard(self, path: Path) -> None:
        """Remove a part file that will not be completed."""
        ...

    def accept(self, files: Sequence[ReceivedFile]) -> list[AddOutcome]:
        """Take whole files; one outcome for each, in order."""
        ...


class Delivery:
    """`InstanceSink` of one request to one server, and what it brought.

    What is counted here is true of everything added before the last `DatabaseSink.settle`.

    Attributes
    ----------
    server : str
    takes_arrivals : bool
        Files that come to our listener by C-MOVE are to be added too, in place of being stored by it.
    received, bytes : int
        Instances and their bytes as they came, repeated ones included.
    stored_series : dict of str to str
        Series by SOP Instance UID of what is stored.
    refused : list of AddOutcome
        What came and was not taken.
    """

    def __init__(self, sink: DatabaseSink, server: str) -> None:
        self._sink = sink
        self.server = server
        self.takes_arrivals = sink.takes_arrivals
        self.received = 0
        self.bytes = 0
        self.stored_series: dict[str, str] = {}
        self.refused: list[AddOutcome] = []

    def new_part(self) -> Path:
        """Path of a fresh ``.part`` file beside the database's instances."""
        return self._sink.store.new_part()

    def discard(self, path: Path) -> None:
        """Remove a ``.part`` file that will not be completed."""
        self._sink.store.discard(path)

    def add(self, received: ReceivedFile) -> None:
        """Take over one file that is written whole.

        Raises
        ------
        StorageFault, DatabaseFault
            Files given earlier could not be stored, so that receiving more is in vain.
        """
        self._sink.add(self, received)

    def stored(self, instances: Sequence[StoredInstance]) -> None:
        """Count instances of this request that came into the database by another way."""
        outcomes = [AddOutcome(i.status, i.SOPInstanceUID, i.SeriesInstanceUID, "", i.reason) for i in instances]
        self._sink.count(outcomes, [self] * len(outcomes), [item.size for item in instances])

    def note(self, outcome: AddOutcome, size: int) -> None:
        """Count one instance; called by the sink, under its lock."""
        self.received += 1
        self.bytes += size
        if outcome.status in _STORED:
            self.stored_series[outcome.SOPInstanceUID] = outcome.SeriesInstanceUID
        elif outcome.status in _REFUSED:
            self.refused.append(outcome)


_Waiting = tuple[Delivery, ReceivedFile]


class DatabaseSink:
    """Stores what one retrieve receives.

    Parameters
    ----------
    store : FileStore
        Puts files in place and indexes them.
    name : str
        For the thread's name.
    on_batch : callable
        Called with the outcomes of each batch, from the sink's thread, after their commit.
    batch_files, batch_mb : int
        Most instances, and most data in MB, that are stored together.
    takes_arrivals : bool
        See `Delivery`.
    on_counted : callable, optional
        Called with outcomes of all that came, also by another way, from any thread.
    """

    def __init__(
        self,
        store: FileStore,
        name: str,
        on_batch: Callable[[Sequence[AddOutcome]], None],
        *,
        batch_files: int = 100,
        batch_mb: int = 64,
        takes_arrivals: bool = False,
        on_counted: Callable[[Sequence[AddOutcome]], None] | None = None,
    ) -> None:
        self.store = store
        self._on_counted = on_counted
        self.takes_arrivals = takes_arrivals
        self._on_batch = on_batch
        self._batch_files = batch_files
        self._batch_bytes = batch_mb * 1024 * 1024
        self._queue: queue.Queue[_Waiting | threading.Event | None] = queue.Queue(_WAITING_FILES)
        self._failure: VisualDICOMError | None = None
        self._counting = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.series: set[str] = set()
        self._thread = threading.Thread(target=self._work, name=f"sink-{name}", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> VisualDICOMError | None:
        """Why nothing more can be stored, None while it can."""
        return self._failure

    def delivery(self, server: str) -> Delivery:
        """The sink of one request to a server."""
        return Delivery(self, server)

    def add(self, delivery: Delivery, received: ReceivedFile) -> None:
        """Take over one file of a delivery; see `Delivery.add`."""
        if self._failure is not None:
            self.store.discard(received.path)
            raise self._failure
        self._queue.put((delivery, received))

    def count(self, outcomes: Sequence[AddOutcome], deliveries: Sequence[Delivery], sizes: Sequence[int]) -> None:
        """Count what became of instances."""
        with self._counting:
            self.counts.update(outcome.status for outcome in outcomes)
            for outcome, delivery, size in zip(outcomes, deliveries, sizes, strict=True):
                delivery.note(outcome, size)
                if outcome.SeriesInstanceUID and outcome.status in _STORED and outcome.status != "held":
                    self.series.add(outcome.SeriesInstanceUID)
        if self._on_counted is not None:
            self._on_counted(outcomes)

    def settle(self) -> None:
        """Wait until all that was added is stored and counted, or can never be."""
        settled = threading.Event()
        self._queue.put(settled)
        settled.wait()

    def finish(self) -> None:
        """Wait until all that was added is stored and indexed, and end the thread.

        Raises
        ------
        StorageFault, DatabaseFault
            Some files could not be stored; what was stored before stays.
        """
        self._queue.put(None)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        end: threading.Event | None = threading.Event()
        while end is not None:
            batch, end = self._next_batch()
            if batch and self._failure is None:
                self._store_batch(batch)
            elif batch and self._failure is not None:
                self._give_up(self._failure, batch)
            if isinstance(end, threading.Event):
                end.set()

    def _give_up(self, fault: VisualDICOMError, batch: list[_Waiting]) -> None:
        self._failure = fault
        for _, received in batch:
            self.store.discard(received.path)

    def _store_batch(self, batch: list[_Waiting]) -> None:
        files = [received for _, received in batch]
        try:
            outcomes = self.store.accept(files)
            self.count(outcomes, [delivery for delivery, _ in batch], [received.size for received in files])
            self._on_batch(outcomes)
        except VisualDICOMError as fault:
            self._give_up(fault, batch)
        except OSError as fault:
            message = f"Received images cannot be stored: {fault.strerror or fault}."
            next_step = "Make room on the disk of the database, then fetch again."
            self._give_up(StorageFault(message, next_step=next_step), batch)
        except Exception as fault:  # the thread goes on, because others wait for it
            logger.exception("Storing received images met a fault of this program")
            message = f"Storing received images met a fault of this program ({type(fault).__name__}: {fault})."
            self._give_up(BugError(message, next_step="The log has the details."), batch)

    def _next_batch(self) -> tuple[list[_Waiting], threading.Event | None]:
        """Files that wait, and what ended the batch: an event to set, None for the end of all.

        They are gathered for a moment, since a batch costs the same few flushes whatever its size.
        """
        batch: list[_Waiting] = []
        size = 0
        item = self._queue.get()
        until = time.monotonic() + _GATHERING_S
        while item is not None and not isinstance(item, threading.Event):
            batch.append(item)
            size += item[1].size
            if len(batch) >= self._batch_files or size >= self._batch_bytes:
                return batch, threading.Event()
            try:
                item = self._queue.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                return batch, threading.Event()
        return batch, item
