"""One query to servers, from the question to the answers in the catalogue. Main thread only.

Answers are taken as the engine's ``search_records`` events bring them. How far each server is, is learned from the
events of the jobs that ask, so that a count is there while a slow server still answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.widgets.catalogue.filters import Filters
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.search.chip_states import is_busy

__all__ = ["SearchRun"]

_ENDED = ("done", "partly", "failed", "cancelled", "not_asked", "offline")


@dataclass
class _Search:
    """One ``search`` of the engine: whom it asks, and whether its answers show on the chips."""

    servers: tuple[str, ...]
    query: dict[str, Any]
    level: str = "STUDY"
    quiet: bool = False
    following: bool = False
    jobs: dict[str, str] = field(default_factory=dict)
    on_end: Callable[[], None] | None = None


class SearchRun:
    """Asks servers and keeps the catalogue's remote rows.

    Parameters
    ----------
    context : BrowserContext
    catalogue : Catalogue
        Gets ``add_remote`` and ``clear_remote``.
    on_change : Callable[[], None]
        Called after each change of `states` and of the catalogue.
    """

    def __init__(self, context: BrowserContext, catalogue: Any, on_change: Callable[[], None]) -> None:
        self._context = context
        self._catalogue = catalogue
        self._on_change = on_change
        self._searches: dict[str, _Search] = {}
        self._waiting = 0
        self._early: list[dict[str, Any]] = []
        self._other_jobs: set[str] = set()
        self._round = 0
        self._cut: dict[str, list[str]] = {}
        self._found: dict[str, set[str]] = {}
        self._limit = 0
        self.offline = False
        self.states: dict[str, dict[str, Any]] = {}
        self.filters: Filters | None = None
        self.servers: list[str] = []
        self.asked_at: float | None = None
        self._end = context.client.subscribe(self.note)

    @property
    def finished(self) -> bool:
        """Whether no server owes an answer."""
        return not any(is_busy(state) for state in self.states.values())

    def close(self) -> None:
        """Hear of nothing any more."""
        self._end()

    # What the user does

    def ask(self, filters: Filters, servers: Sequence[str], limit: int = 0) -> None:
        """Ask servers; what earlier queries brought is forgotten.

        Parameters
        ----------
        limit : int
            Most studies wanted of each, 0 for what the settings of the server say.
        """
        if not self._context.host.before_network():
            return
        self._round += 1
        for search_id in list(self._searches):
            if not self._searches[search_id].quiet:
                self._context.ask("cancel_search", None, _ignored, search_id=search_id)
                del self._searches[search_id]
        if not self.offline:  # who cannot be asked cannot tell anew what is known of it
            self._catalogue.clear_remote()
        self.filters, self.servers, self._limit = filters, list(servers), limit
        self.asked_at = time.time()
        self._cut, self._found, self.states = {}, {}, {}
        self._start(_Search(tuple(servers), self._query(filters)))

    def ask_again(self) -> None:
        """The same question to the same servers."""
        if self.filters is not None:
            self.ask(self.filters, self.servers, self._limit)

    def retry(self, server: str) -> None:
        """Ask one server once more."""
        if self.filters is not None and self._context.host.before_network():
            self._cut.pop(server, None)
            self._start(_Search((server,), self._query(self.filters)))

    def stop(self, server: str = "") -> None:
        """Ask a server no further, or all; what has come stays."""
        for search_id, search in list(self._searches.items()):
            if search.quiet or (server and server not in search.servers):
                continue
            jobs = [job_id for job_id, name in search.jobs.items() if server in ("", name)]
            if jobs:
                self._context.ask("cancel_jobs", None, _ignored, job_ids=jobs)
            elif not server or len(search.servers) == 1:
                self._context.ask("cancel_search", None, _ignored, search_id=search_id)
        for name, state in self.states.items():
            if server in ("", name) and is_busy(state):
                self._close_state(name, {"state": "cancelled"})
        self._on_change()

    def ask_next(self, server: str) -> None:
        """Ask for what the limit of a server held back, by what the engine finds fit: offset or narrower dates."""
        if not self._context.host.before_network():
            return
        cut = self._cut.pop(server, [])
        for search_id in cut:
            self._ask_following(search_id, server)
        if cut:
            self._note_asked(server, self.states[server].get("query") or {}, keep=True)
            self._on_change()

    def ask_series(
        self, StudyInstanceUID: str, servers: Sequence[str], on_end: Callable[[], None] | None = None
    ) -> None:
        """Learn the series of a study; no chip tells of it."""
        query = {"StudyInstanceUID": StudyInstanceUID}
        self._start(_Search(tuple(servers), query, level="SERIES", quiet=True, on_end=on_end))

    def ask_patient(self, PatientID: str, servers: Sequence[str], on_end: Callable[[], None] | None = None) -> None:
        """Learn all studies of a patient, for priors; no chip tells of it."""
        self._start(_Search(tuple(servers), {"PatientID": PatientID}, quiet=True, on_end=on_end))

    # What the engine tells

    def note(self, event: Mapping[str, Any]) -> None:
        """Take an event of the engine."""
        name = event.get("event")
        if name in ("search_records", "search_finished"):
            if event["search_id"] in self._searches:
                self._take(event)
            elif self._waiting:
                self._early.append(dict(event))
        elif name in ("job_changed", "job_finished"):
            if event["job"].get("kind") == "find":
                self._note_job(event["job"])
        elif name in ("engine_ready", "engine_failed"):
            self._engine_restarted()

    def _query(self, filters: Filters) -> dict[str, Any]:
        query = dict(filters.as_query())
        if self._limit:
            query["limit"] = self._limit
        return query

    def _start(self, search: _Search) -> None:
        if not search.quiet:
            for server in search.servers:
                self._note_asked(server, search.query)
        self._waiting += 1
        asked_in = self._round

        def begun(search_id: str) -> None:
            self._begun({search_id: search}, asked_in)

        def refused(error: VisualDICOMError) -> None:
            self._waiting -= 1
            self._forget_early()
            if not search.quiet:
                for server in search.servers:
                    self._close_state(server, {"state": "failed", "error": error.as_dict()})
            self._on_change()

        self._context.ask("search", begun, refused, level=search.level, servers=list(search.servers), **search.query)
        self._on_change()

    def _ask_following(self, search_id: str, server: str) -> None:
        self._waiting += 1
        asked_in = self._round

        def begun(parts: list[dict[str, Any]]) -> None:
            self._begun(
                {each["search_id"]: _Search((server,), each["query"], following=True) for each in parts}, asked_in
            )

        def refused(error: VisualDICOMError) -> None:
            self._waiting -= 1
            self._forget_early()
            if asked_in == self._round:
                told = {"state": "partly", "limit_reached": True, "stuck": True, "warnings": [str(error)]}
                self._close_state(server, told)
                self._on_change()

        self._context.ask("search_next", begun, refused, search_id=search_id, server=server)

    def _begun(self, searches: Mapping[str, _Search], asked_in: int) -> None:
        """The engine has begun these; what it has already told of them is taken now."""
        self._waiting -= 1
        for search_id, search in searches.items():
            if not search.quiet and asked_in != self._round:  # asked for something else meanwhile
                self._context.ask("cancel_search", None, _ignored, search_id=search_id)
                continue
            self._searches[search_id] = search
        for event in self._early:
            if event["search_id"] in searches and event["search_id"] in self._searches:
                self._take(event)
        self._forget_early()
        self._on_change()

    def _note_asked(self, server: str, query: Mapping[str, Any], *, keep: bool = False) -> None:
        """A server is being asked; with `keep` for more than what it has told."""
        known = self.states.get(server, {}) if keep else {}
        fresh = {"count": 0, "limit_reached": False, "warnings": [], "error": None, **known}
        self.states[server] = {**fresh, "state": "queued", "since": time.monotonic(), "query": dict(query)}

    def _forget_early(self) -> None:
        if not self._waiting:
            self._early = []

    def _take(self, event: Mapping[str, Any]) -> None:
        search_id = str(event["search_id"])
        search = self._searches[search_id]
        if event["event"] == "search_records":
            self._catalogue.add_remote(search.level, event["records"])
            if search.level == "STUDY" and not search.quiet:
                self._note_found(event["records"])
        else:
            del self._searches[search_id]
            if not search.quiet:
                for server, state in event["servers"].items():
                    self._server_ended(search_id, search, server, state)
            if search.on_end is not None:
                search.on_end()
        self._on_change()

    def _server_ended(self, search_id: str, search: _Search, server: str, state: Mapping[str, Any]) -> None:
        still = any(server in other.servers for other in self._searches.values() if not other.quiet)
        before = self.states.get(server, {})
        if state.get("limit_reached") and state["state"] in ("done", "partly"):
            self._cut.setdefault(server, []).append(search_id)
        changes = dict(state)
        if search.following:
            changes["count"] = len(self._found.get(server, ()))
            changes["page"] = before.get("page")
        elif state.get("limit_reached"):
            changes["page"] = state.get("count")
        changes["limit_reached"] = bool(self._cut.get(server))
        if still and changes.get("state") in ("done", "partly"):
            changes.pop("state")
            self.states[server] = {**before, **changes}
        elif before.get("state") == "cancelled" and state["state"] == "cancelled":
            self.states[server] = {**before, "count": state["count"]}
        else:
            self._close_state(server, changes)

    def _note_found(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Which studies each server has named: what follows may overlap with what came before."""
        for record in records:
            for server in record.get("sources") or ():
                self._found.setdefault(server, set()).add(str(record.get("StudyInstanceUID")))

    def _close_state(self, server: str, changes: Mapping[str, Any]) -> None:
        before = self.states.get(server, {})
        seconds = before.get("seconds")
        if is_busy(before):
            seconds = time.monotonic() - float(before.get("since") or time.monotonic())
        self.states[server] = {**before, "seconds": seconds, **changes}

    def _note_job(self, job: Mapping[str, Any]) -> None:
        job_id, server = str(job["job_id"]), str(job.get("server"))
        for search in self._searches.values():
            if job_id in search.jobs:
                self._job_told(search, server, job)
                return
        if job_id in self._other_jobs or not is_busy(self.states.get(server, {})):
            return
        # Events are brief; whose job it is stands in its parameters.
        self._other_jobs.add(job_id)
        self._context.ask("job", self._assign, _ignored, job_id=job_id)

    def _assign(self, job: Mapping[str, Any]) -> None:
        query = (job.get("parameters") or {}).get("query") or {}
        for search in self._searches.values():
            wanted = {"level": search.level, **search.query}
            if job["server"] in search.servers and _same(query, wanted):
                search.jobs[str(job["job_id"])] = str(job["server"])
                self._job_told(search, str(job["server"]), job)
                return
        self._other_jobs.discard(str(job["job_id"]))  # its search may not have been named yet

    def _job_told(self, search: _Search, server: str, job: Mapping[str, Any]) -> None:
        """A count while it runs, and the end of a quick server while others still answer."""
        if search.quiet or search.following or not is_busy(self.states.get(server, {})):
            return
        result = job.get("result") or {}
        state = {
            "state": job["state"],
            "count": int(result.get("count") or job.get("progress_done") or 0),
            "limit_reached": bool(result.get("limit_reached")),
            "warnings": list(result.get("warnings") or ()),
            "error": job.get("error"),
            "next_try": job.get("next_try"),
        }
        if job["state"] in _ENDED:
            self._close_state(server, state)
            if job.get("started") and job.get("finished"):
                self.states[server]["seconds"] = float(job["finished"]) - float(job["started"])
        else:
            self.states[server].update(state)
        self._on_change()

    def _engine_restarted(self) -> None:
        """Its searches went with the engine; what they have brought stays."""
        ended = [server for server, state in self.states.items() if is_busy(state)]
        self._searches, self._early, self._other_jobs = {}, [], set()
        for server in ended:
            message = f"{server}: the background engine was restarted while it was asked."
            self._close_state(server, {"state": "failed", "error": {"code": "engine", "message": message}})
        if ended:
            self._on_change()


def _ignored(_error: VisualDICOMError) -> None:
    """What has ended meanwhile needs no cancel."""


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    def plain(query: Mapping[str, Any]) -> dict[str, Any]:
        return {key: list(value) if isinstance(value, (tuple, list)) else value for key, value in query.items()}

    return plain(one) == plain(other)
