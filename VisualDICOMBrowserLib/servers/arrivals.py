"""Instances that come to our listener because we asked for them by C-MOVE.

`Arrivals` joins the two sides: the node tells of everything it has stored, a retrieve by C-MOVE expects some of it.
A forced retrieve takes its instances over before they are stored, because they are to replace what is here.
Safe from any thread; no network, no files.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from VisualDICOMBrowserLib.model import ReceivedFile, StoredInstance

__all__ = ["Arrival", "Arrivals", "Expectation", "ListenerAddress", "TakeOver"]

_KEPT = ("imported", "unchanged")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerAddress:
    """Where our listener takes instances: AE title, host and port."""

    ae_title: str
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One instance that the node has stored and indexed, and who sent it.

    ``originator`` is the AE title that asked for the C-MOVE and ``originator_message_id`` its message, where the
    sender told them (PS3.7 9.1.1.1).
    """

    instance: StoredInstance
    StudyInstanceUID: str
    calling_ae_title: str
    address: str = ""
    originator: str = ""
    originator_message_id: int | None = None


@dataclass(frozen=True, slots=True)
class TakeOver:
    """Who keeps wanted instances aside instead of having them stored.

    ``add`` gets their files; ``originator`` is our AE title towards the server. What was not asked for by that title
    is taken only where it is here already, so that nothing that somebody else sends can be lost.
    """

    add: Callable[[ReceivedFile], None]
    originator: str


class Expectation:
    """What one C-MOVE waits for; arrivals that `wanted` accepts go to `on_arrival`, in the node's thread.

    With `take_over` their files go there in place of the database.

    ``instances`` are the UIDs of what is in the database now, ``refused`` the reasons of what the database did not
    take, by UID; ``count`` counts all of them, also what came twice; ``senders`` are AE titles and addresses.
    """

    def __init__(
        self,
        wanted: Callable[[Arrival], bool],
        on_arrival: Callable[[Sequence[StoredInstance]], None],
        take_over: TakeOver | None = None,
    ) -> None:
        self._wanted = wanted
        self._on_arrival = on_arrival
        self._take_over = take_over
        self._changed = threading.Condition()
        self._closed = False
        self.instances: set[str] = set()
        self.refused: dict[str, str] = {}
        self.senders: set[tuple[str, str]] = set()
        self.bytes = 0
        self.count = 0
        self.last_at = time.monotonic()

    def offer(self, arrivals: Sequence[Arrival]) -> None:
        """Take those of `arrivals` that are waited for."""
        mine = [arrival for arrival in arrivals if self._wanted(arrival)]
        if not mine:
            return
        instances = [arrival.instance for arrival in mine]
        with self._changed:
            if self._closed:
                return
            # Within the lock, so that nothing is told after `close`.
            self._on_arrival(instances)
            for instance in instances:
                if instance.status in _KEPT:
                    self.instances.add(instance.SOPInstanceUID)
                else:
                    self.refused[instance.SOPInstanceUID] = instance.reason
            self._count(mine)

    @property
    def takes_over(self) -> bool:
        """Whether it takes files over at all."""
        return self._take_over is not None

    def take(self, arrival: Arrival, file: ReceivedFile, is_here: Callable[[], bool]) -> bool:
        """Take the file of an arrival over; False if it is to be stored as usual.

        Raises
        ------
        StorageFault, DatabaseFault
            It is wanted, but can no longer be kept; the file is gone.
        """
        taker = self._take_over
        if taker is None or not self._wanted(arrival):
            return False
        if arrival.originator.strip() != taker.originator and not is_here():
            return False
        with self._changed:
            if self._closed:
                return False
            taker.add(file)
            self.instances.add(arrival.instance.SOPInstanceUID)
            self._count([arrival])
        return True

    def _count(self, arrivals: Sequence[Arrival]) -> None:
        self.senders.update((arrival.calling_ae_title, arrival.address) for arrival in arrivals)
        self.bytes += sum(arrival.instance.size for arrival in arrivals)
        self.count += len(arrivals)
        self.last_at = time.monotonic()
        self._changed.notify_all()

    def wait_for_more(self, known: int, timeout_s: float) -> bool:
        """Wait until `count` is more than `known`; False after `timeout_s` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self.count > known, timeout_s)

    def close(self) -> None:
        """Take nothing from here on."""
        with self._changed:
            self._closed = True


class Arrivals:
    """Between our node and the retrieves that wait for it.

    Parameters
    ----------
    listen : callable, optional
        Starts our listener if it does not run, and tells where it listens; raises `NetworkError` if it cannot.
    """

    def __init__(self, listen: Callable[[], ListenerAddress] | None = None) -> None:
        self._listen = listen
        self._lock = threading.Lock()
        self._expectations: list[Expectation] = []

    def listener(self) -> ListenerAddress | None:
        """Where our listener takes instances, started if need be; None if there is none.

        Raises
        ------
        NetworkError
            It cannot listen.
        """
        return None if self._listen is None else self._listen()

    @contextmanager
    def expect(
        self,
        wanted: Callable[[Arrival], bool],
        on_arrival: Callable[[Sequence[StoredInstance]], None],
        take_over: TakeOver | None = None,
    ) -> Iterator[Expectation]:
        """Collect arrivals that `wanted` accepts while the block runs."""
        expectation = Expectation(wanted, on_arrival, take_over)
        with self._lock:
            self._expectations.append(expectation)
        try:
            yield expectation
        finally:
            with self._lock:
                self._expectations.remove(expectation)
            expectation.close()

    @property
    def take_over(self) -> bool:
        """Whether any retrieve takes files over."""
        with self._lock:
            return any(expectation.takes_over for expectation in self._expectations)

    def take(self, arrival: Arrival, file: ReceivedFile, is_here: Callable[[], bool]) -> bool:
        """Whether a retrieve takes a whole file over, so that the node does not store it; see `Expectation.take`."""
        with self._lock:
            expectations = list(self._expectations)
        return any(expectation.take(arrival, file, is_here) for expectation in expectations)

    def stored(self, arrivals: Sequence[Arrival]) -> None:
        """The node has stored and indexed these."""
        with self._lock:
            expectations = list(self._expectations)
        for expectation in expectations:
            expectation.offer(arrivals)
