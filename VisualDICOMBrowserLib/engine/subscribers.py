"""The list of those who hear events. Safe from any thread; callbacks run on the thread that publishes."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable
from typing import Any

from VisualDICOMBrowserLib.engine.client import EventCallback

__all__ = ["Subscribers"]

_logger = logging.getLogger(__name__)


class Subscribers:
    """Gives every event to every callback; one that fails is logged and keeps nothing from the others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys = itertools.count()
        self._callbacks: dict[int, EventCallback] = {}

    def subscribe(self, callback: EventCallback) -> Callable[[], None]:
        """Call `callback` with every event from now on; the result ends that."""
        with self._lock:
            key = next(self._keys)
            self._callbacks[key] = callback

        def unsubscribe() -> None:
            with self._lock:
                self._callbacks.pop(key, None)

        return unsubscribe

    def publish(self, event: dict[str, Any]) -> None:
        """Give `event` to all who are subscribed now."""
        with self._lock:
            callbacks = list(self._callbacks.values())
        for callback in callbacks:
            try:
                callback(event)
            except Exception:
                _logger.exception("A subscriber failed on event %s", event.get("event"))
