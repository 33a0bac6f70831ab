"""The event ``server_changed``: merged, and told at most ten times per second.

Its thread ``change-events``, started at the first change, calls what publishes events. Any thread may add.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

__all__ = ["ChangeEvents", "Tell"]

Tell = Callable[..., Any]

_INTERVAL_S = 0.1
_MOST_WAITING = 500


class ChangeEvents:
    """Merges changes and tells of them, at most ten times per second.

    Parameters
    ----------
    tell : callable
        Takes the event's name and its fields.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._changed = threading.Condition()
        self._waiting: OrderedDict[tuple[str, str, str, str], dict[str, Any]] = OrderedDict()
        self._closed = False
        self._thread: threading.Thread | None = None

    def add(self, server: str, kind: str, study: str = "", series: str = "", instance: str = "") -> None:
        """Tell soon that something is new; without UIDs, that anything may be."""
        with self._changed:
            if self._closed:
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="change-events", daemon=True)
                self._thread.start()
            if len(self._waiting) >= _MOST_WAITING:
                # Too much to list; whoever listens looks at the whole server.
                kind, study, series, instance = "study", "", "", ""
                self._forget(server)
            key = (server, kind, study, series)
            event = self._waiting.setdefault(
                key,
                {"server": server, "kind": kind, "StudyInstanceUID": study, "SeriesInstanceUID": series,
                 "SOPInstanceUID": instance, "count": 0},
            )  # fmt: skip
            if event["SOPInstanceUID"] != instance:
                event["SOPInstanceUID"] = ""
            event["count"] += 1
            self._changed.notify()

    def close(self) -> None:
        """End the thread; what still waits is not told."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _forget(self, server: str) -> None:
        for key in [key for key in self._waiting if key[0] == server and any(key[2:])]:
            del self._waiting[key]

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._waiting)
                # What comes together is told together.
                if self._changed.wait_for(lambda: self._closed, _INTERVAL_S):
                    return
                _, event = self._waiting.popitem(last=False)
            self._tell("server_changed", **event)
