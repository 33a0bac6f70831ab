"""Studies that are watched: fetched again and again for a while, so that what is new arrives by itself.

Every so often a `retrieve` job is submitted, which asks the servers and fetches what is not here; identical jobs
merge, so a slow server is never asked twice at once. Watches are kept beside the database and go on with the next
engine. What came is told by ``watch_news`` events. Safe from any thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from VisualDICOMBrowserLib.database.own_store import OwnStore
from VisualDICOMBrowserLib.engine.schedule import Schedule
from VisualDICOMBrowserLib.errors import UsageError

__all__ = ["Watch", "Watches"]

_SECTION = "watches"
_SHORTEST_INTERVAL_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """One watched study: where it is asked for, every how many seconds, and until when (Unix time)."""

    StudyInstanceUID: str
    server: str
    interval_s: float
    until: float
    received: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Plain fields, for the store and the wire."""
        return asdict(self)


class Watches:
    """The watched studies of one engine.

    Parameters
    ----------
    own : OwnStore
        Where they are kept.
    schedule : Schedule
        When they are asked for.
    fetch : callable
        Submits a retrieve of a study from a server (empty: from wherever it is) and returns the job's id, empty if
        servers are not asked now.
    tell : callable
        Publishes an event.
    """

    def __init__(
        self, own: OwnStore, schedule: Schedule, fetch: Callable[[str, str], str], tell: Callable[..., None]
    ) -> None:
        self._own = own
        self._schedule = schedule
        self._fetch = fetch
        self._tell = tell
        self._lock = threading.Lock()
        self._watches: dict[str, Watch] = {}
        self._jobs: dict[str, str] = {}

    def resume(self) -> None:
        """Go on with what an earlier engine watched."""
        for values in self._own.items(_SECTION).values():
            self._begin(Watch(**values))

    def start(self, study: str, server: str, *, minutes: float, interval_s: float) -> dict[str, Any]:
        """Watch a study for `minutes` from now, in place of an earlier watch of it.

        Raises
        ------
        UsageError
            A time is not usable.
        """
        if minutes <= 0 or interval_s < _SHORTEST_INTERVAL_S:
            message = f"A study is watched for some minutes, every {_SHORTEST_INTERVAL_S:g} s or more."
            raise UsageError(message, subject=study)
        watch = Watch(StudyInstanceUID=study, server=server, interval_s=interval_s, until=time.time() + minutes * 60)
        self._own.put(_SECTION, study, watch.as_dict())
        self._begin(watch)
        return watch.as_dict()

    def stop(self, study: str) -> bool:
        """Watch a study no more; False if it was not watched."""
        with self._lock:
            watch = self._watches.pop(study, None)
        self._schedule.remove(_name(study))
        self._own.delete(_SECTION, study)
        if watch is not None:
            self._tell("watch_ended", **watch.as_dict())
        return watch is not None

    def list(self) -> list[dict[str, Any]]:
        """All watches."""
        with self._lock:
            return [watch.as_dict() for watch in self._watches.values()]

    def rename_server(self, old: str, new: str) -> None:
        """Studies that were asked for at `old` are asked for at `new`."""
        with self._lock:
            renamed = [replace(watch, server=new) for watch in self._watches.values() if watch.server == old]
            self._watches.update((watch.StudyInstanceUID, watch) for watch in renamed)
        for watch in renamed:
            self._own.put(_SECTION, watch.StudyInstanceUID, watch.as_dict())

    def forget_server(self, server: str) -> None:
        """Watch no study any more that is asked for at that server alone."""
        with self._lock:
            studies = [study for study, watch in self._watches.items() if watch.server == server]
        for study in studies:
            self.stop(study)

    def on_job(self, job: dict[str, Any]) -> None:
        """Hear of the end of any job; tells news of watched studies."""
        with self._lock:
            study = self._jobs.pop(job["job_id"], None)
            watch = self._watches.get(study) if study is not None else None
            imported = int((job.get("result") or {}).get("imported", 0))
            if study is None or watch is None or not imported:
                return
            watch = Watch(**{**watch.as_dict(), "received": watch.received + imported})
            self._watches[study] = watch
        series = (job.get("result") or {}).get("series_uids", [])
        self._tell("watch_news", StudyInstanceUID=study, server=watch.server, imported=imported, series=series)

    def _begin(self, watch: Watch) -> None:
        study = watch.StudyInstanceUID
        with self._lock:
            self._watches[study] = watch
        self._schedule.add(_name(study), watch.interval_s, lambda: self._look(study), at_once=True)

    def _look(self, study: str) -> None:
        with self._lock:
            watch = self._watches.get(study)
        if watch is None:
            return
        if time.time() >= watch.until:
            self.stop(study)
            return
        with self._lock:  # so that the end of the job is not heard of before it is known here
            self._jobs[self._fetch(study, watch.server)] = study


def _name(study: str) -> str:
    return f"watch {study}"
