"""What is done to the list of servers: add, duplicate, delete, move, exchange lists. Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import qt

from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.language import _, plural
from VisualDICOMBrowserLib.widgets.servers.delete_question import DeleteQuestion

__all__ = ["ListActions"]

_FINISHED = ("done", "partly", "failed", "cancelled")


class ListActions:
    """Commands on the list; the list itself is shown anew when the engine tells of the change.

    Parameters
    ----------
    context : BrowserContext
    window : QWidget
        Owner of the questions.
    on_done : Callable[[str, str], None]
        Called with a server to select next, empty for any, and a sentence to show, empty for none.
    """

    def __init__(self, context: BrowserContext, window: Any, on_done: Callable[[str, str], None]) -> None:
        self._context = context
        self._window = window
        self._on_done = on_done
        self._question: DeleteQuestion | None = None

    def duplicate(self, name: str) -> None:
        """Add a copy with a number behind its name."""
        self._context.ask("duplicate_server", lambda copy: self._on_done(copy["name"], ""), name=name)

    def move(self, name: str, position: int) -> None:
        """Put a server at another place."""
        self._context.ask("move_server", lambda _names: self._on_done(name, ""), name=name, position=position)

    def enable(self, name: str, enabled: bool) -> None:
        """Let queries ask a server, or not."""
        self._context.ask("edit_server", None, name=name, enabled=enabled)

    def delete(self, name: str, servers: Sequence[Mapping[str, Any]]) -> None:
        """Ask whether a server is to be forgotten, and say who uses it."""

        def with_jobs(jobs: Sequence[Mapping[str, Any]]) -> None:
            self._context.ask("watches", lambda watches: self._ask_delete(name, servers, jobs, watches))

        self._context.ask("jobs", with_jobs)

    def export_list(self) -> None:
        """Write the list to a file, without passwords."""
        kinds = _("List of servers (*.json)")
        path = qt.QFileDialog.getSaveFileName(self._window, _("Export the list of servers"), "servers.json", kinds)
        if path:
            self.export_to(str(path))

    def export_to(self, path: str) -> None:
        """Write the list to that file."""

        def written(document: dict[str, Any]) -> None:
            count = len(document["servers"])
            sentence = plural(count, "{count} server was written", "{count} servers were written")
            self._on_done("", _("{sentence} to {path}, without passwords.").format(sentence=sentence, path=path))

        self._context.ask("export_servers", written, self._failed, path=path)

    def import_list(self) -> None:
        """Take over a list that was exported."""
        kinds = _("List of servers (*.json);;All files (*)")
        path = qt.QFileDialog.getOpenFileName(self._window, _("Import a list of servers"), "", kinds)
        if path:
            self.import_from(str(path))

    def import_from(self, path: str) -> None:
        """Take over the list in that file."""
        self._context.ask("import_servers", self._imported, self._failed, path=path)

    def import_slicer(self) -> None:
        """Take over the servers of Slicer's DICOM settings."""
        kinds = _("Slicer's settings (*.ini);;All files (*)")
        title = _("Take over the servers of Slicer's DICOM settings")
        path = qt.QFileDialog.getOpenFileName(self._window, title, _slicer_folder(), kinds)
        if path:
            self.import_slicer_from(str(path))

    def import_slicer_from(self, path: str) -> None:
        """Take over the servers of that file of settings."""
        self._context.ask("import_ctk_servers", self._imported, self._failed, path=path)

    def _ask_delete(
        self,
        name: str,
        servers: Sequence[Mapping[str, Any]],
        jobs: Sequence[Mapping[str, Any]],
        watches: Sequence[Mapping[str, Any]],
    ) -> None:
        users = [str(other["name"]) for other in servers if other["proxy"] == name and other["name"] != name]
        waiting = [job for job in jobs if job.get("server") == name and job.get("state") not in _FINISHED]
        watched = [watch for watch in watches if watch["server"] == name]
        self._question = DeleteQuestion(self._context, self._window, name, users, waiting, watched, self._delete)
        self._question.open()

    def _delete(self, name: str, job_ids: list[str]) -> None:
        if job_ids:
            self._context.ask("cancel_jobs", job_ids=job_ids)
        self._context.ask("remove_server", lambda _result: self._on_done("", ""), self._failed, name=name)

    def _imported(self, report: dict[str, Any]) -> None:
        parts = []
        if report["added"]:
            parts.append(plural(len(report["added"]), "{count} server was added.", "{count} servers were added."))
        if report["skipped"]:
            words = plural(
                len(report["skipped"]), "{count} is in the list already.", "{count} are in the list already."
            )
            parts.append(words)
        parts += [str(sentence) for sentence in (*report["invalid"], *report["notes"])]
        chosen = str(report["added"][0]) if report["added"] else ""
        self._on_done(chosen, " ".join(parts) or _("There was no server in it."))

    def _failed(self, error: VisualDICOMError) -> None:
        self._on_done("", str(error))


def _slicer_folder() -> str:
    """Where Slicer keeps its settings on this system, if it is there."""
    folders = (
        Path.home() / ".config" / "slicer.org",
        Path.home() / "AppData" / "Roaming" / "slicer.org",
    )
    return next((str(folder) for folder in folders if folder.is_dir()), "")
