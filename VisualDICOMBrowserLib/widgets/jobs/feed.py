"""Brings what the engine tells of jobs to the views: the list once, then every change, ten times per second at most.

One `JobsFeed` serves the job list, the status line and the patient page. Main thread only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.jobs.state import Job, JobsState
from VisualDICOMBrowserLib.widgets.jobs.words import note_of, server_limit, what_of

__all__ = ["UPDATE_MS", "JobsFeed"]

UPDATE_MS = 100
_TICK_MS = 1000

Listener = Callable[[set[str]], None]
"""Called with the ids of the jobs that changed; an empty set means all of them."""


class JobsFeed:
    """The state of all jobs, kept up to date.

    Parameters
    ----------
    context : BrowserContext
    on_resumed : Callable[[int], None], optional
        Called with the number of unfinished jobs that go on, when the list first comes and after each restart of the
        engine, if there are any.
    describe : Callable[[Job], str], optional
        What a job is about, in a few words, where its label is only a UID.
    """

    def __init__(
        self,
        context: BrowserContext,
        on_resumed: Callable[[int], None] | None = None,
        describe: Callable[[Job], str] | None = None,
    ) -> None:
        self.state = JobsState()
        self._context = context
        self._on_resumed = on_resumed
        self._describe = describe
        self._listeners: list[Listener] = []
        self._changed: set[str] = set()
        self._waiting_s: dict[str, float] = {}
        self._announce = True
        self.servers: dict[str, dict[str, Any]] = {}
        # Told at once after a quiet while, then no more often than the views can be read.
        self._flush_timer = qt.QTimer()
        self._flush_timer.interval = UPDATE_MS
        self._flush_timer.timeout.connect(lambda *_: self._flush())
        # Countdowns and speeds change without any news.
        self._tick_timer = qt.QTimer()
        self._tick_timer.interval = _TICK_MS
        self._tick_timer.timeout.connect(lambda *_: self._tick())
        self._unsubscribe = context.client.subscribe(self._hear)
        self.refresh()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with the ids of jobs that changed, with an empty set for all; the result ends that."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    def refresh(self) -> None:
        """Ask for all jobs and for what the servers' settings say of retries and limits."""
        self._context.ask("jobs", self._take_all, lambda _error: None)
        self._refresh_servers()

    def describe(self, job: Job) -> str:
        """What a job is about, in a few words."""
        label = what_of(job)
        concerns = job.get("concerns") or {}
        if self._describe is not None and label in ("", concerns.get("study"), *concerns.get("series", ())):
            return self._describe(job) or label
        return label

    def max_waiting_s(self, job: Job) -> float | None:
        """How long a job's server lets it be tried again; None if that is not known."""
        return self._waiting_s.get(str(job.get("server") or ""))

    def note(self, job: Job) -> str:
        """What the list notes of a job."""
        limit = server_limit(job, self.state, self.servers.get(str(job.get("server") or "")))
        return note_of(job, self.state, self.max_waiting_s(job), limit)

    def note_offline(self, offline: bool) -> None:
        """Whether servers are left alone, so that jobs wait for the user to go online."""
        if offline != self.state.offline:
            self.state.offline = offline
            self._tell(set())

    def close(self) -> None:
        """Hear no more; idempotent."""
        self._unsubscribe()
        self._flush_timer.stop()
        self._tick_timer.stop()
        self._listeners.clear()

    def _hear(self, event: dict[str, Any]) -> None:
        name = event.get("event")
        if name in ("job_changed", "job_finished"):
            job = event["job"]
            self.state.update(job)
            self._changed.add(str(job["job_id"]))
            if not self._flush_timer.active:
                self._flush_timer.start()
            if not self._tick_timer.active:
                self._tick_timer.start()
        elif name == "engine_ready":
            self._announce = True
            self.refresh()
        elif name == "servers_changed":
            self._refresh_servers()

    def _flush(self) -> None:
        self._flush_timer.stop()
        changed, self._changed = self._changed, set()
        if changed:
            self._tell(changed)

    def _tick(self) -> None:
        moving = {str(job["job_id"]) for job in self.state.jobs() if job["state"] in ("running", "waiting")}
        if moving:
            self._tell(moving)
        else:
            self._tick_timer.stop()

    def _tell(self, changed: set[str]) -> None:
        for listener in list(self._listeners):
            listener(changed)

    def _take_all(self, jobs: list[Job]) -> None:
        self.state.replace(jobs)
        self._tell(set())
        unfinished = self.state.summary().unfinished
        if unfinished:
            self._tick_timer.start()
        if self._announce:
            self._announce = False
            if unfinished and self._on_resumed is not None:
                self._on_resumed(unfinished)

    def _refresh_servers(self) -> None:
        self._context.ask("servers", self._take_servers, lambda _error: None)
        self._context.ask("settings", self._take_settings, lambda _error: None)

    def _take_servers(self, servers: list[dict[str, Any]]) -> None:
        self.servers = {str(server["name"]): server for server in servers}
        self._waiting_s.update((name, float(server["max_waiting_s"])) for name, server in self.servers.items())
        self._tell(set())

    def _take_settings(self, changed: dict[str, Any]) -> None:
        # Only what differs from the default is told; jobs of no single server wait an hour unless told otherwise.
        self._waiting_s[""] = float(changed.get("jobs/max_waiting_s", 3600))
