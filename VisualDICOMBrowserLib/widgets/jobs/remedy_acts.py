"""Does what mends the cause of a failure: opens settings, tests, switches, copies a request. Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import qt

from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.jobs.remedies import Remedy, remedies_of
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.wording import size_text

__all__ = ["Remedies", "RemedyPlaces"]

_DISK_FULL = "disk_full"
_CARE = ("find", "remove_missing", "rebuild")
# What is changed at the server before the job is tried again.
_CHANGES: dict[str, dict[str, Any]] = {
    "use_move": {"retrieve_protocol": "C-MOVE"},
    "tls_on": {"tls": True},
    "tls_off": {"tls": False},
}


class RemedyPlaces(Protocol):
    """Where the browser shows servers and settings."""

    def open_servers(self, name: str = "") -> Any:
        """The window of servers, at one of them."""
        ...

    def open_settings(self) -> Any:
        """The window of settings."""
        ...

    def mend(self, name: str, job: Mapping[str, Any]) -> None:
        """Do what helps where files are gone or the database is damaged."""
        ...


class Remedies:
    """Carries out what helps.

    Parameters
    ----------
    context : BrowserContext
    places : RemedyPlaces
    """

    def __init__(self, context: BrowserContext, places: RemedyPlaces) -> None:
        self._context = context
        self._places = places
        self._tests: dict[str, Callable[[], None]] = {}

    def buttons(self, job: Mapping[str, Any]) -> list[tuple[str, Callable[[], None]]]:
        """The best one as words and an action, for the notification bar; empty where none is known."""
        return [(_(each.words), partial(self.run, each, job)) for each in remedies_of(job)[:1]]

    def run(self, remedy: Remedy, job: Mapping[str, Any]) -> None:
        """Carry out one of those of `remedies_of`."""
        server = str((job.get("error") or {}).get("server") or job.get("server") or "")
        if remedy.name == "test":
            self._places.open_servers(server).test_many([server])
        elif remedy.name == "edit":
            self._places.open_servers(server).show_server(server, remedy.field)
        elif remedy.name == "listener":
            self._places.open_servers().show_this_computer()
        elif remedy.name in _CARE:
            self._places.mend(remedy.name, job)
        elif remedy.name == "database":
            self._places.open_settings()
        elif remedy.name == "request":
            self._copy_request(server)
        elif remedy.name in _CHANGES:
            self._change(server, _CHANGES[remedy.name], str(job["job_id"]))

    def note_paused(self, job: Mapping[str, Any], say: Callable[..., None]) -> None:
        """Say in the notification bar that the disk is full, once for all jobs that are paused by it."""
        if job["state"] != "paused" or (job.get("error") or {}).get("code") != _DISK_FULL:
            return

        def tell(info: Mapping[str, Any]) -> None:
            free = size_text(float(info.get("free_bytes") or 0))
            text = _("Disk full, {space} left. Fetching is paused, nothing lost.").format(space=free)
            say(text, "error", self.buttons(job), _DISK_FULL)

        self._context.ask("database_info", tell, lambda _error: None, brief=True)

    def close(self) -> None:
        """Wait for no test any more."""
        for end in list(self._tests.values()):
            end()

    def _change(self, server: str, changes: dict[str, Any], job_id: str) -> None:
        def changed(_server: Any) -> None:
            self._context.ask("retry_jobs", job_ids=[job_id])

        self._context.ask("edit_server", changed, name=server, **changes)

    def _copy_request(self, server: str) -> None:
        """Test the server, which is how its letter to the administrator is written, and copy that."""
        if server in self._tests:
            return
        begun: list[str] = []

        def hear(event: dict[str, Any]) -> None:
            if event.get("event") == "job_finished" and event["job"]["job_id"] in begun:
                end()
                self._take_request(server, event["job"])

        unsubscribe = self._context.client.subscribe(hear)

        def end() -> None:
            self._tests.pop(server, None)
            unsubscribe()

        def failed(error: Exception) -> None:
            end()
            self._context.report(str(error), "error")

        self._tests[server] = end
        self._context.report(_("{server} is tested, then the request is copied.").format(server=server), "info")
        self._context.ask("test_server", lambda job_id: begun.append(str(job_id)), failed, name=server)

    def _take_request(self, server: str, job: Mapping[str, Any]) -> None:
        request = str((job.get("result") or {}).get("request") or "")
        if request:
            qt.QApplication.clipboard().setText(request)
            self._context.report(_("The request for the administrator is in the clipboard."), "info")
        else:
            self._context.report(_("{server} could not be tested.").format(server=server), "warn")
