"""The page of the database: its folder, what is in it, its size, checking and moving it. Main thread only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import qt

from VisualDICOMBrowserLib.engine.supervision import child_environment
from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.language import _, plural
from VisualDICOMBrowserLib.widgets.look.parts import ElidedLabel, label, push_button
from VisualDICOMBrowserLib.widgets.look.theme import set_state
from VisualDICOMBrowserLib.widgets.settings.databases import checked_folder
from VisualDICOMBrowserLib.widgets.settings.fields import Page
from VisualDICOMBrowserLib.widgets.wording import size_text

__all__ = ["DatabasePage"]

_MOVER = "VisualDICOMBrowserLib.engine.moving"


class DatabasePage(Page):
    """Folder, contents, check, move, and how files are imported.

    Parameters
    ----------
    context : BrowserContext
    on_leave : Callable[[], None]
        Called before another database is opened, which ends the views of this one.
    """

    def __init__(self, context: BrowserContext, on_leave: Callable[[], None]) -> None:
        Page.__init__(self, context, _("Database"))
        self._on_leave = on_leave
        self._job = ""
        self._mover: Any = None
        self._folder_path = ""
        self.add_heading(_("Where images are kept"))
        self._folder = ElidedLabel("", "strong", True)
        self._folder.accessibleName = _("Database folder")
        self.add_widget(self._folder)
        self._contents = self.add_text("")
        self._disk = self.add_text("")
        theme = context.theme
        self._move = push_button(theme, _("Move..."), self._ask_move, "", _("Move the database to another folder"))
        self.add_buttons(
            push_button(theme, _("Open another..."), lambda: self._ask(_("Folder with a database"))),
            push_button(theme, _("Create new..."), lambda: self._ask(_("Folder of the new database"))),
            self._move,
            push_button(theme, _("Show folder"), self._show_folder),
        )
        self._fault = self.add_text("")
        set_state(self._fault, "state", "error")
        self._fault.hide()
        self.add_heading(_("Check"))
        self.add_text(_("Looks whether the database is sound and every file is still where it says."))
        self._checked = label("", "")
        self._checked.wordWrap = True
        self._checked.hide()
        self._check = push_button(theme, _("Check now"), self._start_check)
        self._bar = qt.QProgressBar()
        self._bar.accessibleName = _("Check of the database")
        self._bar.setFixedWidth(theme.px(220))
        self._bar.hide()
        self.add_buttons(self._check, self._bar)
        self.add_widget(self._checked)
        self.add_heading(_("Import"))
        self.add_setting(
            "import/copy", _("Copy imported files into the database"), _("else they are linked where they lie")
        )
        self.add_setting("import/include_hidden", _("Look into hidden files and folders"))
        self.add_setting("import/workers", _("Reading processes"), _("0: one for each processor core"))

    def refresh(self) -> None:
        """Ask what the database holds."""
        self.context.ask("database_info", self._show_info)

    def note_event(self, event: Mapping[str, Any]) -> None:
        """Follow the check, and what comes and goes."""
        job = event.get("job") or {}
        if job and job.get("job_id") == self._job:
            self._show_check(job)
        elif event.get("event") == "content_changed":
            self.refresh()

    def move_to(self, folder: str) -> None:
        """Move the database to an empty folder and go on with it there."""
        try:
            target = checked_folder(folder)
        except VisualDICOMError as error:
            self._refuse(str(error))
            return
        if any(target.iterdir()):
            self._refuse(_("{folder} is not empty. Choose an empty folder.").format(folder=target))
            return
        self._refuse("")
        self._move.enabled = False
        self._disk.text = _("Moving to {folder}. The database is closed meanwhile.").format(folder=target)
        self._run_mover(Path(self._folder_path), target)

    def _run_mover(self, source: Path, target: Path) -> None:
        self.context.client.close()
        environment = qt.QProcessEnvironment.systemEnvironment()
        environment.insert("PYTHONPATH", child_environment()["PYTHONPATH"])
        self._mover = qt.QProcess(qt.QApplication.instance())
        self._mover.setProcessEnvironment(environment)
        self._mover.finished.connect(lambda *_args: self._moved(source, target))
        self._mover.start(sys.executable, ["-m", _MOVER, str(source), str(target)])

    def _moved(self, source: Path, target: Path) -> None:
        process, self._mover = self._mover, None
        process.deleteLater()
        done = process.exitStatus() == qt.QProcess.NormalExit and process.exitCode() == 0
        if not done:
            reason = process.readAllStandardError().data().decode("utf-8", "replace").strip().rpartition("\n")[2]
            self.context.report(_("The database was not moved: {reason}").format(reason=reason), "error")
        self._open(str(target if done else source))

    def _show_info(self, info: Mapping[str, Any]) -> None:
        self._folder_path = str(info["folder"])
        self._folder.text = self._folder_path
        counts = (
            plural(info["patients"], "{count} patient", "{count} patients"),
            plural(info["studies"], "{count} study", "{count} studies"),
            plural(info["series"], "{count} series", "{count} series"),
            plural(info["instances"], "{count} image", "{count} images"),
        )
        self._contents.text = ", ".join(counts)
        about = _("about {size}") if info.get("estimated") else _("{size}")
        size = about.format(size=size_text(info["index_bytes"] + info["copies_bytes"]))
        copies = plural(info["copies"], "{count} copied file", "{count} copied files")
        text = _("{size} in this folder with {copies}; {free} free on the disk.")
        parts = [text.format(size=size, copies=copies, free=size_text(info["free_bytes"]))]
        if info.get("read_only"):
            parts.append(_("It is open for reading only."))
        self._disk.text = " ".join([*parts, *info.get("notices", ())])
        self._move.enabled = not info.get("read_only")

    def _start_check(self) -> None:
        self._check.enabled = False
        self._checked.hide()

        def started(job_id: str) -> None:
            self._job = job_id
            self.context.ask("job", self._show_check, job_id=job_id)

        def refused(error: VisualDICOMError) -> None:
            self._end_check(str(error), "error")

        self.context.ask("check_database", started, refused)

    def _show_check(self, job: Mapping[str, Any]) -> None:
        if job.get("finished") is None:
            total = int(job.get("progress_total") or 0)
            self._bar.setRange(0, total)
            self._bar.value = int(job.get("progress_done") or 0)
            self._bar.visible = True
            return
        self._job = ""
        result, error = job.get("result") or {}, job.get("error") or {}
        if error:
            self._end_check(f"{error.get('message', '')} {error.get('next_step', '')}".strip(), "error")
        elif result.get("missing"):
            gone = plural(result["missing"], "{count} file is gone", "{count} files are gone")
            text = _("The database is sound, but {gone}, of {total}; the first: {path}")
            first = next(iter(result.get("missing_paths", [])), "")
            self._end_check(text.format(gone=gone, total=f"{result['files']:,}", path=first), "warn")
        else:
            files = plural(result.get("files", 0), "{count} file is there", "{count} files are there")
            self._end_check(_("The database is sound and {files}.").format(files=files), "ok")

    def _end_check(self, text: str, state: str) -> None:
        self._check.enabled = True
        self._bar.hide()
        self._checked.text = text
        self._checked.show()
        set_state(self._checked, "state", state)

    def _ask(self, title: str) -> None:
        folder = qt.QFileDialog.getExistingDirectory(self, title, str(Path(self._folder_path).parent))
        if folder:
            self._open(folder)

    def _ask_move(self) -> None:
        title = _("Empty folder that the database is moved to")
        folder = qt.QFileDialog.getExistingDirectory(self, title, str(Path(self._folder_path).parent))
        if folder:
            self.move_to(folder)

    def _open(self, folder: str) -> None:
        try:
            self.context.host.open_database(folder)
        except VisualDICOMError as error:
            self._refuse(str(error))
            return
        self._on_leave()

    def _show_folder(self) -> None:
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(self._folder_path))

    def _refuse(self, sentence: str) -> None:
        self._fault.text = sentence
        self._fault.visible = bool(sentence)
