"""Everything the commands of one engine work with: the parts, the queue, and what runs beside it.

One record, made and closed by `engine.Engine`; the groups of commands get it by constructor.
"""

from __future__ import annotations

from dataclasses import dataclass

from VisualDICOMBrowserLib.database.remote_records import RemoteRecords
from VisualDICOMBrowserLib.engine.fact_finder import FactFinder
from VisualDICOMBrowserLib.engine.listening import Listening
from VisualDICOMBrowserLib.engine.notifications import Notifications
from VisualDICOMBrowserLib.engine.parts import EngineParts
from VisualDICOMBrowserLib.engine.planning import ServerPlans
from VisualDICOMBrowserLib.engine.search import Searches
from VisualDICOMBrowserLib.engine.view_pictures import ViewPictures
from VisualDICOMBrowserLib.engine.watching import Watches
from VisualDICOMBrowserLib.jobs.queue import JobQueue

__all__ = ["EngineDesk"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineDesk:
    """The queue over the parts, searches over many servers, watched studies, our listener, notifications, what is
    known of servers, pictures for views, and what there is to know of series.
    """

    parts: EngineParts
    queue: JobQueue
    searches: Searches
    plans: ServerPlans
    watches: Watches
    listening: Listening
    notifications: Notifications
    remote: RemoteRecords
    pictures: ViewPictures
    facts: FactFinder

    def offline_changed(self) -> None:
        """Hold or let go what has to do with servers, and tell everybody."""
        self.queue.limits_changed(self.parts.offline.take_span())
        self.notifications.servers_changed()
        self.parts.hub.publish("offline_changed", offline=self.parts.offline.on)

    def servers_changed(self) -> None:
        """Bring in line what depends on the list of servers, and tell everybody."""
        self.plans.refresh()
        self.queue.limits_changed()
        self.notifications.servers_changed()
        self.parts.hub.publish("servers_changed")
