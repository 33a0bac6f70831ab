"""Instances that our node received, on their way into the database: taken one by one, stored and indexed in batches.

Association threads call `IncomingBatches.put`, the thread ``node-writer`` does the rest. Does not live here:
receiving (``store``), what storing means (``database.storing``).

The guarantee. Success is answered only for an instance whose file is whole and has a name under which the next
start indexes it, whatever kills this program. With ``flush`` its bytes and its name are on the disk by then, so
that it also outlives a power cut; without, they are on the disk before it is indexed. It is indexed within a moment;
queries, and unless much is under way the release of its sender, are answered after that (or after five seconds).

What may turn out otherwise than well is not answered early: an instance that is known already, and all while the
database is slow or too much waits, are answered when their own batch is indexed. Once a batch failed, instances are
refused until a later try succeeds; those confirmed before stay and are indexed by such a try or by the next start.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from VisualDICOMBrowserLib.database.records import AddOutcome
from VisualDICOMBrowserLib.database.storing import InstanceStore
from VisualDICOMBrowserLib.database.storing_arrival import Arrival
from VisualDICOMBrowserLib.errors import BugError, StorageFault, VisualDICOMError

__all__ = ["IncomingBatches", "Sender", "StoredByNode"]

logger = logging.getLogger(__name__)

# Receiving and indexing share processor and disk (who flushes takes it from who receives), so what comes in a burst
# is indexed when nothing came for a moment, when the first has waited for so long, or when so many batches wait.
_QUIET_S = 0.05
_GATHER_S = 1.5
_GATHERED_BATCHES = 8
# A batch under way for longer means that the disk or another program holds the database.
_SLOW_S = 2.0
# Waiting batches from which on senders wait too; the files are on the disk, only their headers in memory.
_MOST_BATCHES = 16
# The tag cache is filled when nothing came for so long.
_REST_S = 0.5
_FIRST_RETRY_S, _LONGEST_RETRY_S = 0.5, 30.0
_SETTLE_S = 5.0
_END_S = 30.0


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent an instance: AE title, address, and for a C-MOVE who asked for it (PS3.7 9.1.1.1)."""

    calling_ae_title: str = ""
    address: str = ""
    originator: str = ""
    originator_message_id: int | None = None


@dataclass(frozen=True, slots=True)
class StoredByNode:
    """One instance that was stored and indexed, with its outcome and its sender."""

    arrival: Arrival
    outcome: AddOutcome
    sender: Sender


OnStored = Callable[[Sequence[StoredByNode]], None]
Take = Callable[[Arrival, Sender], bool]


@dataclass(slots=True, eq=False)
class _Entry:
    arrival: Arrival
    sender: Sender
    early: bool
    """Success was answered already."""
    done: threading.Event = field(default_factory=threading.Event)
    outcome: AddOutcome | None = None
    fault: VisualDICOMError | None = None


class IncomingBatches:
    """The way of received instances into one store.

    Parameters
    ----------
    store : InstanceStore
        Where they go.
    most_files, most_bytes : int
        Most of a batch.
    flush : bool
        Answer only what is on the disk.
    on_stored : callable
        Called after the commit of each batch, in the thread ``node-writer``.
    take : callable, optional
        Asked of each instance in the thread of its association; true if somebody took its file over, so that it is
        neither stored nor indexed here (a forced retrieve).
    """

    def __init__(
        self,
        store: InstanceStore,
        *,
        most_files: int,
        most_bytes: int,
        flush: bool,
        on_stored: OnStored,
        take: Take | None = None,
    ) -> None:
        self._store = store
        self._most_files = most_files
        self._most_bytes = most_bytes
        self._flush = flush
        self._on_stored = on_stored
        self._take = take
        self._changed = threading.Condition()
        self._queue: deque[_Entry] = deque()
        self._queued_bytes = 0
        self._under_way: Counter[str] = Counter()
        self._put = self._ended = self._due_up_to = 0
        self._hurry = 0
        self._busy_since: float | None = None
        self._failure: VisualDICOMError | None = None
        self._retry_at = 0.0
        self._retry_s = _FIRST_RETRY_S
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="node-writer", daemon=True)
        self._thread.start()

    def put(self, arrival: Arrival, sender: Sender) -> AddOutcome:
        """Take one whole instance; returns when its sender may be told what became of it.

        Its part file is gone or kept afterwards, never left behind.

        Raises
        ------
        StorageFault, DatabaseFault
            It could not be kept or indexed; nothing of it stays. Or an earlier one could not be indexed
            and no try succeeded since.
        """
        entry = _Entry(arrival, sender, early=False)
        try:
            if self._take is not None and self._take(arrival, sender):
                return arrival.outcome("imported", "")
            self._admit(entry)
            try:
                if entry.early:
                    entry.early = self._store.is_new(arrival)
                if entry.early:
                    entry.arrival = self._store.keep(arrival, flush=self._flush)
                self._enqueue(entry)
            except BaseException:
                self._forget(entry)
                raise
        except BaseException:
            self._store.discard(entry.arrival.part)
            raise
        if entry.early:
            return arrival.outcome("imported", str(arrival.target))
        entry.done.wait()
        if entry.fault is not None:
            raise entry.fault
        if entry.outcome is None:
            message = "An instance was neither stored nor refused."
            raise BugError(message)
        return entry.outcome

    def before_release(self) -> None:
        """Wait as `settle` if little is under way, so that who sent a few instances finds them; else do not wait."""
        if self._put - self._ended <= self._most_files:
            self.settle()

    def settle(self, timeout_s: float = _SETTLE_S) -> bool:
        """Wait until all that was put so far is indexed; False if that failed or takes longer."""
        with self._changed:
            mark = self._put
            if self._ended >= mark:
                return True
            self._hurry += 1
            self._changed.notify_all()
            try:
                self._changed.wait_for(
                    lambda: self._ended >= mark or self._failure is not None or self._closed, timeout_s
                )
            finally:
                self._hurry -= 1
            return self._ended >= mark

    def close(self) -> None:
        """Index what was taken, as far as that works at once, and end the thread; later ones are refused."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(_END_S)

    # Association threads

    def _admit(self, entry: _Entry) -> None:
        """Reserve the instance's UID, and decide whether success may be answered before it is indexed."""
        uid = entry.arrival.sop_uid
        with self._changed:
            if self._closed:
                message = "The node is ending."
                raise StorageFault(message, code="store_closed")
            if self._failure is not None and (self._queue or self._busy_since is not None):
                raise self._failure
            slow = self._busy_since is not None and time.monotonic() - self._busy_since > _SLOW_S
            full = self._holds(_MOST_BATCHES)
            entry.early = not (self._under_way[uid] or slow or full or self._failure)
            self._under_way[uid] += 1

    def _enqueue(self, entry: _Entry) -> None:
        with self._changed:
            if self._closed and not entry.early:
                message = "The node is ending."
                raise StorageFault(message, code="store_closed")
            self._queue.append(entry)
            self._queued_bytes += entry.arrival.size
            self._put += 1
            if len(self._queue) == 1 or self._is_due(entry):
                self._changed.notify_all()

    def _forget(self, entry: _Entry) -> None:
        with self._changed:
            self._release(entry)

    def _release(self, entry: _Entry) -> None:
        uid = entry.arrival.sop_uid
        self._under_way[uid] -= 1
        if not self._under_way[uid]:
            del self._under_way[uid]

    # The writer's thread

    def _run(self) -> None:
        with ExitStack() as hold:
            holding = False
            while True:
                with self._changed:
                    rested = not self._changed.wait_for(self._has_work, _REST_S)
                if rested and holding:
                    hold.close()
                    holding = False
                with self._changed:
                    if not self._wait_for_batch():
                        return
                    batch = self._cut()
                    self._busy_since = time.monotonic()
                if not holding:
                    # Until nothing comes any more the processor belongs to what comes.
                    hold.enter_context(self._store.tag_cache.held())
                    holding = True
                self._write(batch)

    def _has_work(self) -> bool:
        return self._closed or (bool(self._queue) and time.monotonic() >= self._retry_at)

    def _wait_for_batch(self) -> bool:
        """Wait until there is a batch worth writing; False once closed and nothing is left that could be written."""
        while not self._has_work():
            left = self._retry_at - time.monotonic() if self._queue else None
            self._changed.wait(left)
        if self._ended >= self._due_up_to:
            self._gather()
            self._due_up_to = self._put
        return bool(self._queue)

    def _gather(self) -> None:
        """Wait for the end of a burst."""
        latest = time.monotonic() + _GATHER_S
        while not any(map(self._is_due, self._queue)) and time.monotonic() < latest:
            known = self._put
            self._changed.wait(_QUIET_S)
            if self._put == known:
                return

    def _is_due(self, entry: _Entry) -> bool:
        """Whether nothing more is waited for, once `entry` is in the queue."""
        return not entry.early or bool(self._closed or self._hurry) or self._holds(_GATHERED_BATCHES)

    def _holds(self, batches: int) -> bool:
        return len(self._queue) >= batches * self._most_files or self._queued_bytes >= batches * self._most_bytes

    def _cut(self) -> list[_Entry]:
        """The next batch, taken from the queue."""
        batch: list[_Entry] = []
        size = 0
        while self._queue and len(batch) < self._most_files and (not batch or size < self._most_bytes):
            batch.append(self._queue.popleft())
            size += batch[-1].arrival.size
        self._queued_bytes -= size
        return batch

    def _write(self, batch: list[_Entry]) -> None:
        try:
            outcomes = self._store.store([entry.arrival for entry in batch])
        except VisualDICOMError as failure:
            self._failed(batch, failure)
            return
        except Exception:
            logger.exception("A batch of received instances could not be stored")
            message = "Received instances could not be stored because of an unexpected fault."
            self._failed(batch, BugError(message, next_step="The log says more."))
            return
        stored = []
        for entry, outcome in zip(batch, outcomes, strict=True):
            entry.outcome = outcome
            stored.append(StoredByNode(entry.arrival, outcome, entry.sender))
            if entry.early and outcome.status in ("conflict", "rejected"):
                logger.warning("An instance that was taken could not be kept: %s", outcome.reason)
        # Before anybody is answered, so that who waits for a C-MOVE has heard of it when the C-MOVE ends.
        try:
            self._on_stored(stored)
        except Exception:
            logger.exception("A fault in telling of received instances")
        with self._changed:
            self._failure, self._retry_at, self._retry_s = None, 0.0, _FIRST_RETRY_S
            self._end(batch)

    def _failed(self, batch: list[_Entry], failure: VisualDICOMError) -> None:
        """Refuse those that wait for their answer; the others stay and are tried again."""
        logger.warning("Received instances could not be indexed and are tried again: %s", failure)
        with self._changed:
            entries = [*batch, *self._queue]
            refused = [entry for entry in entries if not entry.early]
            early = [entry for entry in entries if entry.early]
            # A node that ends leaves them to the next start.
            self._queue = deque(() if self._closed else early)
            self._queued_bytes = sum(entry.arrival.size for entry in self._queue)
            self._failure = failure
            self._retry_at = time.monotonic() + self._retry_s
            self._retry_s = min(2 * self._retry_s, _LONGEST_RETRY_S)
            for entry in refused:
                self._store.discard(entry.arrival.part)
                entry.fault = failure
            self._end([*refused, *early] if self._closed else refused)

    def _end(self, entries: Sequence[_Entry]) -> None:
        """Note, under the lock, that these need no further work."""
        self._busy_since = None
        self._ended += len(entries)
        for entry in entries:
            self._release(entry)
            entry.done.set()
        self._changed.notify_all()
