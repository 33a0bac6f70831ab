"""What the settings of servers make the engine do by itself: looking into watched folders.

`ServerPlans.refresh` brings the schedule in line with the list of servers; it is called at the start and after every
change of the list. Any thread.
"""

from __future__ import annotations

import threading
from functools import partial

from VisualDICOMBrowserLib.engine.schedule import Schedule
from VisualDICOMBrowserLib.jobs.job import Priority
from VisualDICOMBrowserLib.jobs.queue import JobQueue
from VisualDICOMBrowserLib.servers.registry import ServerRegistry

__all__ = ["ServerPlans"]

_PREFIX = "folder "


class ServerPlans:
    """Plans of one engine.

    Parameters
    ----------
    servers : ServerRegistry
        The servers as they are set up.
    schedule : Schedule
        Where plans are entered.
    queue : JobQueue
        Where looks are submitted; identical ones merge, so a slow folder is never looked through twice at once.
    """

    def __init__(self, servers: ServerRegistry, schedule: Schedule, queue: JobQueue) -> None:
        self._servers = servers
        self._schedule = schedule
        self._queue = queue
        self._lock = threading.Lock()
        self._planned: dict[str, float] = {}

    def refresh(self) -> None:
        """Look into exactly the folders that are to be watched now."""
        with self._lock:
            wanted = {
                config.name: config.folder_watch_s
                for config in self._servers.list()
                if config.protocol == "folder" and config.enabled and config.folder_watch_s
            }
            for name in set(self._planned) - set(wanted):
                self._schedule.remove(_PREFIX + name)
            for name, interval in wanted.items():
                if self._planned.get(name) != interval:
                    self._schedule.add(_PREFIX + name, interval, partial(self._look, name), at_once=True)
            self._planned = wanted

    def _look(self, name: str) -> None:
        query = {"query": {"level": "STUDY", "limit": 1}}
        label = "Looking into the folder"
        self._queue.submit("find", query, server=name, priority=Priority.LOW, label=label, by_user=False)
