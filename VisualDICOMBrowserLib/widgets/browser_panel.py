"""The browser panel: search fields, local database, answers of servers, and the job list.

Puts the views together and passes events of the engine on to them. Works in Slicer's module panel and in the
desktop window. The host brings the client and says what loading is. Main thread only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from VisualDICOMBrowserLib.engine.client import EngineClient
from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.widgets.jobs_view import JobsView
from VisualDICOMBrowserLib.widgets.local_view import LocalView
from VisualDICOMBrowserLib.widgets.parts import NoteBar
from VisualDICOMBrowserLib.widgets.search_bar import SearchBar
from VisualDICOMBrowserLib.widgets.server_dialog import ServerDialog
from VisualDICOMBrowserLib.widgets.server_view import ServerView
from VisualDICOMBrowserLib.widgets.wording import counted, job_title, result_sentence

__all__ = ["BrowserPanel"]

_NARROW = 700
_SMALLEST = 300
_FIRST_HEIGHTS = [560, 150]
_LOCAL, _SERVERS = 0, 1


class BrowserPanel(qt.QWidget):
    """The whole panel.

    Parameters
    ----------
    client : EngineClient
        Its reply and event callbacks must come on the main thread (`QProcessClient`). The host closes it.
    load : Callable[[list of str], str]
        Loads series, given their UIDs, and returns a sentence on what came of it.
    before_network : Callable[[], bool]
        Asked before a server is; False gives it up. In Slicer it sees to what must be installed first.
    """

    def __init__(
        self,
        client: EngineClient,
        load: Callable[[list[str]], str],
        before_network: Callable[[], bool] = lambda: True,
    ) -> None:
        qt.QWidget.__init__(self)
        self._client = client
        self._load_series = load
        self._before_network = before_network
        self._dialog: Any = None
        self._note = NoteBar()
        self._search = SearchBar(self._filter, self._query, self._add_server)
        self._local = LocalView(client, self._search.filters, self._load, self._count, self.show_error)
        self._servers = ServerView(client, self.show_error)
        self._jobs = JobsView(client, self.show_error)
        self._build()
        self._unsubscribe = client.subscribe(self._on_event)
        self.refresh()

    def refresh(self) -> None:
        """Ask the engine for everything that is shown."""
        self._local.refresh()
        self._jobs.refresh()
        self._client.send("servers", self._show_servers)

    def import_paths(self, paths: list[str]) -> None:
        """Import files and folders in the background."""
        if paths:
            self._client.send("import_files", self._report, paths=paths)

    def show_error(self, error: VisualDICOMError) -> None:
        """Say in the panel what went wrong."""
        self._note.say(str(error), True)

    def close_panel(self) -> None:
        """Listen to the engine no longer."""
        self._unsubscribe()
        if self._dialog is not None:
            self._dialog.close()

    def resizeEvent(self, event: Any) -> None:
        """Stack what stands side by side where there is no room for that."""
        narrow = self.width < _NARROW
        self._search.stack(narrow)
        self._local.arrange(narrow)
        qt.QWidget.resizeEvent(self, event)

    def _build(self) -> None:
        menu = qt.QMenu(self)
        menu.addAction("Import folder...").triggered.connect(lambda *_: self._import_folder())
        menu.addAction("Import files...").triggered.connect(lambda *_: self._import_files())
        self._menu = menu
        importing = qt.QPushButton("Import")
        importing.setMenu(menu)
        self._tabs = qt.QTabWidget()
        self._tabs.documentMode = True
        self._tabs.addTab(self._local, "Local")
        self._tabs.addTab(self._servers, "On servers")
        self._tabs.setCornerWidget(importing)
        halves = qt.QSplitter(qt.Qt.Vertical)
        halves.childrenCollapsible = False
        halves.addWidget(self._tabs)
        halves.addWidget(self._jobs)
        halves.setStretchFactor(0, 4)
        halves.setStretchFactor(1, 1)
        halves.setSizes(_FIRST_HEIGHTS)
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(8, 8, 8, 8)
        layout.spacing = 6
        layout.addWidget(self._search)
        layout.addWidget(self._note)
        layout.addWidget(halves, 1)
        self.setLayout(layout)
        # Else the least width of the wide arrangement would keep the panel from ever becoming narrow.
        self.minimumWidth = _SMALLEST

    def _on_event(self, event: dict[str, Any]) -> None:
        name = event.get("event")
        if name in ("job_changed", "job_finished"):
            self._jobs.update_job(event["job"])
            if name == "job_finished":
                self._servers.job_finished(event["job"])
                self._say_end(event["job"])
        elif name == "content_changed":
            self._local.content_changed()
        elif name == "thumbnail_ready":
            self._local.note_thumbnail(event)
        elif name == "find_records":
            self._servers.find_records(event)
        elif name == "engine_ready":
            self.refresh()
        elif name == "engine_notice":
            self._note.say(str(event.get("message", "")), event.get("level") != "info")

    def _say_end(self, job: dict[str, Any]) -> None:
        """Say of imports and fetches what they brought; of others only that they failed."""
        if job["state"] == "failed":
            error = job.get("error") or {}
            self._note.say(f"{error.get('message', '')} {error.get('next_step', '')}".strip(), True)
        elif job["kind"] in ("import", "retrieve") and job["state"] in ("done", "partly"):
            self._note.say(f"{job_title(job)}: {result_sentence(job)}.", job["state"] == "partly")

    def _show_servers(self, servers: Any, error: VisualDICOMError | None) -> None:
        if error is not None:
            self.show_error(error)
            return
        self._search.show_servers([server["name"] for server in servers if server.get("enabled", True)])

    def _count(self, patients: int) -> None:
        filtered = ", filtered" if self._search.filters() else ""
        self._tabs.setTabText(_LOCAL, f"Local: {counted(patients, 'patient')}{filtered}")

    def _filter(self) -> None:
        self._local.refresh()

    def _query(self) -> None:
        server = self._search.server()
        if server and self._before_network():
            self._tabs.currentIndex = _SERVERS
            self._servers.ask(server, self._search.filters())

    def _add_server(self) -> None:
        self._dialog = ServerDialog(self._client, self.refresh, self)
        self._dialog.show()

    def _import_folder(self) -> None:
        folder = qt.QFileDialog.getExistingDirectory(self, "Import a folder with DICOM files")
        self.import_paths([folder] if folder else [])

    def _import_files(self) -> None:
        self.import_paths(list(qt.QFileDialog.getOpenFileNames(self, "Import DICOM files")))

    def _load(self, series_uids: list[str]) -> None:
        try:
            self._note.say(self._load_series(series_uids))
        except VisualDICOMError as error:
            self.show_error(error)

    def _report(self, _result: Any, error: VisualDICOMError | None) -> None:
        if error is not None:
            self.show_error(error)
