"""Events on their way from the engine to its subscribers.

Most events leave at once. What would come thousands of times (content that changed while instances arrive)
is merged here, so that each subject speaks at most ten times per second and its last word always arrives.
Publishing is safe from any thread; subscribers are called in the publishing thread or in the thread
``engine-events``, one call at a time, and must not block.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from VisualDICOMBrowserLib.engine.arrived_slices import ArrivedSlices
from VisualDICOMBrowserLib.engine.client import EventCallback
from VisualDICOMBrowserLib.engine.subscribers import Subscribers

__all__ = ["ContentChanges", "EventHub"]


class EventHub:
    """Delivers events to subscribers, one at a time; one that fails is logged and never stops the others."""

    def __init__(self) -> None:
        self._delivery = threading.RLock()
        self._subscribers = Subscribers()

    def subscribe(self, callback: EventCallback) -> Callable[[], None]:
        """Call `callback` with every event from now on; the returned function ends that."""
        return self._subscribers.subscribe(callback)

    def publish(self, event: str, **fields: Any) -> None:
        """Deliver one event, named `event`, with `fields` that JSON can carry."""
        with self._delivery:
            self._subscribers.publish({"event": event, **fields})


class ContentChanges:
    """Gathers what changed in the database and publishes ``content_changed`` at most ten times per second.

    As often it publishes ``slices_arrived`` with ``series``: by UID how many instances are here (``count``), and which
    (``ranges`` of InstanceNumbers, first and last of each run); see `ArrivedSlices`.

    Parameters
    ----------
    hub : EventHub
        Where the events go.
    interval : float
        Shortest time between two events, in seconds.

    Attributes
    ----------
    arrived : ArrivedSlices
        Told of instances of series that are being fetched.
    """

    def __init__(self, hub: EventHub, interval: float = 0.1) -> None:
        self._hub = hub
        self._interval = interval
        self._condition = threading.Condition()
        self._pending: dict[str, set[str]] = {}
        self._closed = False
        self.arrived = ArrivedSlices(self._wake)
        self._thread = threading.Thread(target=self._deliver, name="engine-events", daemon=True)
        self._thread.start()

    def add(self, *, series: Iterable[str] = (), studies: Iterable[str] = (), removed: Iterable[str] = ()) -> None:
        """Note UIDs of series and studies that are new or grew, and of what was removed."""
        with self._condition:
            for name, uids in (("series", series), ("studies", studies), ("removed", removed)):
                self._pending.setdefault(name, set()).update(uids)
            self._condition.notify()

    def add_all(self) -> None:
        """Tell that anything may have changed: an event without UIDs."""
        self._hub.publish("content_changed", series=[], studies=[], removed=[])

    def close(self) -> None:
        """Publish what is pending and end the thread."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        self._thread.join()

    def _wake(self) -> None:
        with self._condition:
            self._condition.notify()

    def _deliver(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._closed or any(self._pending.values()) or self.arrived.waiting)
                pending, self._pending = self._pending, {}
                closed = self._closed
            if any(pending.values()):
                fields = {name: sorted(pending.get(name, ())) for name in ("series", "studies", "removed")}
                self._hub.publish("content_changed", **fields)
            if arrived := self.arrived.take():
                self._hub.publish("slices_arrived", series=arrived)
            if closed:
                return
            with self._condition:
                self._condition.wait_for(lambda: self._closed, self._interval)
