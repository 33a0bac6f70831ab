"""What can be done when files of the database are gone, or the database itself is damaged. Main thread only.

Files that are gone are told in one sentence with two ways out: to find them where they were moved, or to remove what
they left. A damaged database is put aside and made anew by a program of its own, since no engine can open it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import qt

from VisualDICOMBrowserLib.engine.supervision import child_environment
from VisualDICOMBrowserLib.errors import LoadError, VisualDICOMError
from VisualDICOMBrowserLib.series.kinds import extension_for
from VisualDICOMBrowserLib.widgets.browser.gone_dialog import GoneDialog
from VisualDICOMBrowserLib.widgets.gone_words import gone_text, outcome_text
from VisualDICOMBrowserLib.widgets.language import _

__all__ = ["DAMAGED", "Care"]

DAMAGED = "database_damaged"
_REBUILDER = "VisualDICOMBrowserLib.engine.rebuilding"
_GONE_KEY, _REBUILD_KEY = "gone", "rebuild"


class Care:
    """Looks after files and database of a browser.

    Parameters
    ----------
    browser : Browser
    """

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._context = browser.context
        self._context.look_for_files = self.look
        self._dialog: Any = None
        self._rebuilder: Any = None

    @property
    def rebuilding(self) -> bool:
        """Whether the database is being put aside at this moment."""
        return self._rebuilder is not None

    def hear(self, event: Mapping[str, Any]) -> None:
        """Take an event of the engine: what jobs on such files came to, and what failed because of them."""
        if event.get("event") != "job_finished":
            return
        job = event["job"]
        result, kind = job.get("result") or {}, str(job["kind"])
        if kind == "check" and result.get("missing"):
            self.say_gone(result)
        elif result and outcome_text(kind, result) and job["state"] in ("done", "partly"):
            self._say_outcome(kind, result)
        elif kind == "send" and job["state"] in ("failed", "partly"):
            self.look((job.get("concerns") or {}).get("series") or ())

    # Files that are gone

    def look(self, series: Sequence[str], otherwise: Callable[[], None] = lambda: None) -> None:
        """Say it if files of these series are gone, and else call `otherwise`."""
        if not series:
            otherwise()
            return

        def take(found: dict[str, Any]) -> None:
            if found["missing"]:
                self.say_gone(found, list(series))
            else:
                otherwise()

        self._context.ask("missing_files", take, lambda _error: otherwise(), series=list(series))

    def say_gone(self, found: Mapping[str, Any], series: Sequence[str] = ()) -> None:
        """Say that files are gone, of some series or anywhere."""
        find = (_("Find..."), self.find)
        remove = (_("Remove..."), partial(self.ask_removal, found, list(series)))
        details = "\n".join(found.get("missing_paths") or ())
        # In place of what was said before, so that looking twice does not count.
        self._browser.note_bar.take_back(_GONE_KEY)
        self._browser.note_bar.say(gone_text(found), "warn", (find, remove), _GONE_KEY, details)

    def find(self) -> None:
        """Ask where the files were moved."""
        folder = qt.QFileDialog.getExistingDirectory(self._browser, _("Folder to which the files were moved"))
        if folder:
            self.find_in(folder)

    def find_in(self, folder: str) -> None:
        """Look below a folder for all files that are gone."""
        self._browser.note_bar.take_back(_GONE_KEY)
        self._context.ask("find_files", folder=folder)

    def ask_removal(self, found: Mapping[str, Any], series: Sequence[str] = ()) -> None:
        """Ask, with exact counts, and remove what files that are gone left in the database."""

        def remove() -> None:
            self._browser.note_bar.take_back(_GONE_KEY)
            self._context.ask("remove_missing", series=list(series))

        self._dialog = GoneDialog(self._browser.theme, found, remove, self._browser)
        self._dialog.open()

    def mend(self, name: str, job: Mapping[str, Any]) -> None:
        """Carry out what helps a job: ``find``, ``remove_missing`` or ``rebuild``."""
        result = job.get("result") or {}
        if name == "find":
            self.find()
        elif name == "rebuild":
            self.rebuild()
        elif result.get("missing_series"):
            self.ask_removal(result)
        else:
            self._ask_about_left(list(result.get("left_series") or ()))

    def _say_outcome(self, kind: str, result: Mapping[str, Any]) -> None:
        left = list(result.get("left_series") or ())
        # What was said of these files before is no longer so.
        self._browser.note_bar.take_back(_GONE_KEY)
        actions: list[Any] = []
        if left:
            actions = [(_("Find..."), self.find), (_("Remove..."), partial(self._ask_about_left, left))]
        level = "warn" if left or result.get("failed_count") or result.get("gone") else "info"
        details = "\n".join(result.get("left_paths") or ())
        self._browser.note_bar.say(outcome_text(kind, result), level, actions, f"{_GONE_KEY} {kind}", details)

    def _ask_about_left(self, series: list[str]) -> None:
        def take(found: dict[str, Any]) -> None:
            if found["missing"]:
                self.ask_removal(found, series)

        if series:
            self._context.ask("missing_files", take, series=series)

    # Readers that are missing

    def say_not_loaded(self, series: Sequence[str], error: VisualDICOMError) -> None:
        """Say why series were not loaded: their files are gone, or no reader is there, which may be installed."""
        self.look(series, lambda: self._context.report(str(error), "error", self._install(series, error)))

    def install_action(self, extension: str) -> list[Any]:
        """The button that installs an extension of Slicer, disabled with its reason where that cannot be done."""
        host = self._context.host
        return [(_("Install"), lambda: self._open_installer(extension), host.why_no_extension(extension))]

    def _install(self, series: Sequence[str], error: VisualDICOMError) -> list[Any]:
        if not isinstance(error, LoadError):
            return []
        entries = [self._browser.catalogue.one_series(uid) for uid in series]
        for entry in entries:
            needed = (self._browser.facts.needs(entry) or extension_for(entry.Modality)) if entry else ""
            if needed and not self._context.host.has_extension(needed):
                return self.install_action(needed)
        return []

    def _open_installer(self, extension: str) -> None:
        try:
            self._context.host.install_extension(extension)
        except VisualDICOMError as error:
            self._context.report(str(error), "error")

    # A damaged database

    def rebuild(self) -> None:
        """Put the damaged database aside and go on with a new one, which the engine fills."""
        if self._rebuilder is not None:
            return
        folder = str(self._context.client.folder)
        self._context.client.close()
        self._context.host.leave_database()
        environment = qt.QProcessEnvironment.systemEnvironment()
        environment.insert("PYTHONPATH", child_environment()["PYTHONPATH"])
        process = self._rebuilder = qt.QProcess(qt.QApplication.instance())
        process.setProcessEnvironment(environment)
        process.finished.connect(lambda *_args: self._rebuilt(folder))
        process.start(sys.executable, ["-m", _REBUILDER, folder])
        self._browser.showing.refresh()

    def close(self) -> None:
        """End with the browser; a rebuild that is under way comes to its end by itself."""
        if self._dialog is not None:
            self._dialog.reject()
        self._context.look_for_files = lambda _series: None

    def _rebuilt(self, folder: str) -> None:
        process, self._rebuilder = self._rebuilder, None
        process.deleteLater()
        process.deleteLater()
        done = process.exitStatus() == qt.QProcess.NormalExit and process.exitCode() == 0
        if not done:
            reason = process.readAllStandardError().data().decode("utf-8", "replace").strip().rpartition("\n")[2]
            text = _("The database was not made anew: {reason}").format(reason=reason)
            self._browser.note_bar.say(text, "error", (), _REBUILD_KEY)
            self._browser.showing.refresh()
            return
        try:
            self._context.host.open_database(str(Path(folder)))
        except VisualDICOMError as error:
            self._context.report(str(error), "error")
