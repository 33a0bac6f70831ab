"""One search over many servers: a ``find`` job for each, and answers that are merged while they come.

`Searches` starts the jobs and hears of them from the queue and from `FindKind`; its thread ``engine-searches`` merges
and publishes: ``search_records`` at most ten times per second and search, and once ``search_finished``. What one
search has found so far is in `search_state`. Safe from any thread.
"""

from __future__ import annotations

import itertools
import logging
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any, Protocol

from VisualDICOMBrowserLib.engine.kind_find import query_from
from VisualDICOMBrowserLib.engine.parts import EngineParts
from VisualDICOMBrowserLib.engine.retrieve_choice import may_be_asked
from VisualDICOMBrowserLib.engine.search_rest import Course, SearchRests
from VisualDICOMBrowserLib.engine.search_state import Search
from VisualDICOMBrowserLib.errors import UsageError, VisualDICOMError
from VisualDICOMBrowserLib.jobs.job import JobEvent, JobRecord
from VisualDICOMBrowserLib.model import AnyRecord, Level, Query, record_from_dict
from VisualDICOMBrowserLib.servers.config import ServerConfig

__all__ = ["Searches", "SubmitJob"]

logger = logging.getLogger(__name__)

_KEPT_SEARCHES = 20
_INTERVAL_S = 0.1


class SubmitJob(Protocol):
    """Queues a job and returns its id."""

    def __call__(self, kind: str, parameters: dict[str, Any], server: str) -> str:
        """As `JobQueue.submit`, with the priority and label of a search."""
        ...


class Searches:
    """The searches of one engine.

    Parameters
    ----------
    parts : EngineParts
    submit : callable
        Queues a ``find`` job.
    cancel : callable
        Ends a job.
    interval_s : float
        Shortest time between two ``search_records`` of one search.
    """

    def __init__(
        self,
        parts: EngineParts,
        submit: SubmitJob,
        cancel: Callable[[str], Any],
        *,
        interval_s: float = _INTERVAL_S,
    ) -> None:
        self._parts = parts
        self._submit = submit
        self._cancel = cancel
        self._interval_s = interval_s
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._searches: OrderedDict[str, Search] = OrderedDict()
        self._rests = SearchRests()
        self._items: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="engine-searches", daemon=True)
        self._thread.start()

    def start(self, level: str, fields: dict[str, Any], servers: Sequence[str] | None = None) -> str:
        """Begin a search; returns its id.

        Parameters
        ----------
        level : str
            What is looked for: PATIENT, STUDY, SERIES or IMAGE.
        fields : dict
            Fields of `Query`.
        servers : sequence of str, optional
            Whom to ask; left out: every enabled server that is trusted, or allowed for the patient of the query.
            One that is named is asked in any case, and if it answers, may be asked about the patient from then on.

        Raises
        ------
        UsageError
            There is no such server, level or field.
        """
        query = _query(level, fields)
        plain = {"level": query.level.value, **{name: value for name, value in fields.items() if name != "level"}}
        return self._start(query, plain, servers)

    def following(self, search_id: str, server: str) -> list[dict[str, Any]]:
        """Ask a server for what its limit held back of a search: by offset where it counts, else by halved dates.

        Returns
        -------
        list of dict
            The searches that ask for it: ``search_id`` and ``query`` (fields of `Query`) of each.

        Raises
        ------
        UsageError
            Nothing was held back, the search is not kept, or its dates cannot be narrowed further.
        """
        with self._lock:
            course, queries = self._rests.following(search_id, server)
        begun = []
        for query in queries:
            plain = {name: value for name, value in asdict(query).items() if value not in ("", 0, ())}
            plain["level"] = query.level.value
            new_id = self._start(query, plain, [server], course)
            begun.append({"search_id": new_id, "query": {key: plain[key] for key in plain if key != "level"}})
        return begun

    def _start(
        self, query: Query, plain: dict[str, Any], servers: Sequence[str] | None, course: Course | None = None
    ) -> str:
        configs = self._parts.servers.list()
        asked, not_asked = self._whom_to_ask(configs, query, servers)
        with self._lock:
            search = Search(
                f"search-{next(self._numbers)}", query, [config.name for config in configs], named=servers is not None
            )
            search.not_asked(not_asked)
            for config in asked:
                # Under the lock, so that no news of the job is looked at before the search knows it.
                self._rests.begin(search.search_id, config.name, query, course)
                self._begin(search, config, plain)
            self._searches[search.search_id] = search
            while len(self._searches) > _KEPT_SEARCHES:
                self._searches.popitem(last=False)
        self._items.put(lambda: self._add_local(search))
        return search.search_id

    def result(self, search_id: str) -> dict[str, Any]:
        """What a search has found so far: ``records`` (`MergedRecords.plain`), ``servers`` and ``finished``.

        Raises
        ------
        UsageError
            There is no such search, or it is too long ago.
        """
        with self._lock:
            search = self._search(search_id)
            return {
                "level": search.query.level.value,
                "records": search.merged.all(),
                "servers": search.servers(),
                "finished": search.finished,
            }

    def cancel(self, search_id: str) -> None:
        """End the jobs of a search that no other search waits for.

        Raises
        ------
        UsageError
            There is no such search, or it is too long ago.
        """
        with self._lock:
            jobs = set(self._search(search_id).running_jobs())
            for other in self._searches.values():
                if other.search_id != search_id:
                    jobs -= set(other.running_jobs())
        for job_id in jobs:
            self._cancel(job_id)

    def on_records(self, job_id: str, server: str, records: list[AnyRecord]) -> None:
        """Hear of answers of a ``find`` job; never blocks."""
        self._items.put(lambda: self._add_records(job_id, server, records))

    def on_job(self, event: JobEvent) -> None:
        """Hear of a job; never blocks."""
        if event.job.kind == "find":
            self._items.put(lambda: self._note_job(event.job))

    def close(self) -> None:
        """End the thread."""
        self._items.put(None)
        self._thread.join()

    def _whom_to_ask(
        self, configs: Sequence[ServerConfig], query: Query, servers: Sequence[str] | None
    ) -> tuple[list[ServerConfig], list[str]]:
        """Servers to ask, and those left out because they may not be asked about this patient."""
        if servers is not None:
            return [self._parts.servers.get(name) for name in dict.fromkeys(servers)], []
        enabled = [config for config in configs if config.enabled]
        asked = [config for config in enabled if may_be_asked(self._parts, config, query.PatientID)]
        return asked, [config.name for config in enabled if config not in asked]

    def _begin(self, search: Search, config: ServerConfig, query: dict[str, Any]) -> None:
        if self._parts.offline.holds("find", config.name):
            search.held(config.name, self._parts.offline.refusal(config.name))
            return
        try:
            job_id = self._submit("find", {"query": query}, config.name)
        except VisualDICOMError as error:
            search.failed_to_start(config.name, error)
            return
        search.started(config.name, job_id, trusted=config.trusted)
        try:
            so_far = self._parts.found.get(job_id)
        except UsageError:
            return  # a new job; only one that another search had begun has answers
        records = [record_from_dict(search.query.level, values) for values in so_far]
        self._items.put(lambda: self._add_records(job_id, config.name, records))

    def _search(self, search_id: str) -> Search:
        if search_id not in self._searches:
            message = f"The search {search_id} is not kept."
            raise UsageError(message, code="unknown_search", subject=search_id, next_step="Search again.")
        return self._searches[search_id]

    # In the thread

    def _work(self) -> None:
        wait_s: float | None = None
        while True:
            try:
                item = self._items.get(timeout=wait_s)
            except queue.Empty:
                item = _nothing
            if item is None:
                return
            try:
                item()
            except VisualDICOMError as fault:
                logger.warning("A search could not be compared with the local database: %s", fault)
            except Exception:
                logger.exception("A search met a fault of this program")
            wait_s = self._publish_due()

    def _add_local(self, search: Search) -> None:
        try:
            found = search.local_matches(self._parts.database)
            with self._lock:
                search.add_local(found)
        finally:
            with self._lock:
                search.local_done = True

    def _add_records(self, job_id: str, server: str, records: list[AnyRecord]) -> None:
        for search in self._of_job(job_id):
            with self._lock:
                search.add(server, records)
                self._rests.add(search.search_id, server, records)
                new = search.not_looked_up(records)
            found = search.local_of(self._parts.database, new)
            with self._lock:
                search.add_local(found)

    def _note_job(self, job: JobRecord) -> None:
        for search in self._of_job(job.job_id):
            with self._lock:
                search.note_job(job)
                if job.state.finished and (result := job.result or {}).get("limit_reached"):
                    self._rests.cut(search.search_id, job.server, result.get("next_offset"))
                answered = search.newly_allowed(job)
            search.allow(self._parts.database, job.server, answered)

    def _of_job(self, job_id: str) -> list[Search]:
        with self._lock:
            return [search for search in self._searches.values() if search.knows(job_id)]

    def _publish_due(self) -> float | None:
        """Publish what is due; seconds until something else will be, None for never."""
        now = time.monotonic()
        events: list[tuple[str, dict[str, Any]]] = []
        due_s: list[float] = []
        with self._lock:
            for search in self._searches.values():
                left_s = search.published + self._interval_s - now
                ended = search.ended and not search.finished
                if search.changed and left_s > 0 and not ended:
                    due_s.append(left_s)
                elif search.changed:
                    search.published = now
                    events.append(("search_records", {"search_id": search.search_id, "records": search.take_changed()}))
                if ended:
                    search.finished = True
                    events.append(("search_finished", {"search_id": search.search_id, "servers": search.servers()}))
        for name, fields in events:
            self._parts.hub.publish(name, **fields)
        return min(due_s) if due_s else None


def _nothing() -> None:
    """Wake up only to publish."""


def _query(level: str, fields: dict[str, Any]) -> Query:
    try:
        return replace(query_from(fields), level=Level(str(level).upper()))
    except ValueError:
        message = f"{level!r} is not a level; use PATIENT, STUDY, SERIES or IMAGE."
        raise UsageError(message, subject=str(level)) from None
    except TypeError:
        wrong = ", ".join(sorted(set(fields) - set(Query.__dataclass_fields__)))
        message = f"There is no filter {wrong}."
        raise UsageError(message, subject=wrong) from None
