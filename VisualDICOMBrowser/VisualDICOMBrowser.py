"""The scripted module of 3D Slicer: Module, Widget, Logic and Test, thin over `VisualDICOMBrowserLib`.

`VisualDICOMBrowserLogic` needs no window and also works without Slicer (then on a folder of its own). In Slicer it
works on the database that Slicer has open, through an engine in a process of its own. Main thread only.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

try:
    import slicer
    from slicer.ScriptedLoadableModule import (
        ScriptedLoadableModule,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
        ScriptedLoadableModuleWidget,
    )
except ImportError:  # Outside the application only the logic is of use.
    slicer = None
    ScriptedLoadableModule = ScriptedLoadableModuleLogic = object
    ScriptedLoadableModuleTest = ScriptedLoadableModuleWidget = object

try:
    import VisualDICOMBrowserLib
except ImportError:  # Slicer was given this folder only; the library lies beside it.
    sys.path.append(str(Path(__file__).resolve().parent.parent))
    import VisualDICOMBrowserLib

from VisualDICOMBrowserLib.engine.client import EngineClient
from VisualDICOMBrowserLib.engine.subscribers import Subscribers
from VisualDICOMBrowserLib.errors import DatabaseFault, VisualDICOMError, error_from_dict
from VisualDICOMBrowserLib.model import AnyRecord, Level, record_from_dict
from VisualDICOMBrowserLib.widgets.job_waiting import wait_for_job

__all__ = ["VisualDICOMBrowser", "VisualDICOMBrowserLogic", "VisualDICOMBrowserTest", "VisualDICOMBrowserWidget"]

_logger = logging.getLogger(__name__)

_NETWORK_REQUIREMENT = "pynetdicom>=3.0,<4"
_ANNOUNCE_MS = 1000


def _inSlicer() -> bool:
    return getattr(slicer, "app", None) is not None and getattr(slicer, "mrmlScene", None) is not None


def _openClient(folder: Path) -> EngineClient:
    if _inSlicer():
        from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient

        return QProcessClient(folder)
    from VisualDICOMBrowserLib.engine.open_engine import open_engine

    return open_engine(folder)


class VisualDICOMBrowser(ScriptedLoadableModule):
    """What Slicer's module list shows."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = "Visual DICOM Browser"
        self.parent.categories = ["Informatics"]
        self.parent.dependencies = ["DICOM"]
        self.parent.contributors = ["Visual DICOM Browser contributors"]
        self.parent.helpText = (
            "Local DICOM database and remote servers in one place: everything of a patient as pictures, fetched in "
            "the background, one double-click from a picture to a volume."
        )
        self.parent.acknowledgementText = f"Version {VisualDICOMBrowserLib.__version__}, Apache License 2.0."


class VisualDICOMBrowserWidget(ScriptedLoadableModuleWidget):
    """The module panel: the browser on the database that Slicer has open."""

    def __init__(self, parent: Any = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        self.logic: VisualDICOMBrowserLogic | None = None
        self.browser: Any = None
        self._host: Any = None
        self._message: Any = None
        self._followed: Any = None
        self._places: Any = None

    def setup(self) -> None:
        """Make the logic; the browser follows as soon as a database is open."""
        import qt

        from VisualDICOMBrowserLib.widgets.slicer_host import SlicerHost
        from VisualDICOMBrowserLib.widgets.slicer_places import SlicerPlaces

        ScriptedLoadableModuleWidget.setup(self)
        self.logic = VisualDICOMBrowserLogic()
        self._host = SlicerHost(self.logic.loadSeries, self._ensureNetwork)
        self._message = qt.QLabel()
        self._message.wordWrap = True
        self.layout.addWidget(self._message)
        self._places = SlicerPlaces(self.layout)
        self._followed = getattr(slicer, "dicomDatabase", None)
        if self._followed is not None:
            self._followed.opened.connect(self._show)
        self._show()

    def enter(self) -> None:
        """Show what Slicer has opened meanwhile."""
        self._show()

    def exit(self) -> None:
        """Jobs go on while another module is shown."""

    def cleanup(self) -> None:
        """End the engine and the browser, and leave nothing behind in Slicer's window."""
        if self._followed is not None:
            self._followed.opened.disconnect(self._show)
        self._removeBrowser()
        if self._places is not None:
            self._places.remove()
        if self.logic is not None:
            self.logic.close()

    def _show(self) -> None:
        from VisualDICOMBrowserLib.widgets.browser.browser import Browser
        from VisualDICOMBrowserLib.widgets.view_settings import KeptViewSettings

        assert self.logic is not None
        try:
            before, client = self.logic.currentClient, self.logic.client()
        except VisualDICOMError as error:
            self._removeBrowser()
            self._message.text = str(error)
            self._message.show()
            return
        self._message.hide()
        if self.browser is None or client is not before:
            self._removeBrowser()
            self.browser = Browser(client, self._host, KeptViewSettings())
            self._places.put(self.browser)

    def _removeBrowser(self) -> None:
        if self.browser is not None:
            from VisualDICOMBrowserLib.widgets.ending import delete_later

            self.browser.close_browser()
            self.browser.setParent(None)
            delete_later(self.browser)
            self.browser = None

    def _ensureNetwork(self) -> bool:
        """Offer to install pynetdicom; False if the user declined."""
        try:
            slicer.packaging.pip_ensure(_NETWORK_REQUIREMENT, requester="Visual DICOM Browser")
        except RuntimeError:
            return False
        return True


class VisualDICOMBrowserLogic(ScriptedLoadableModuleLogic):
    """Everything the browser does, for scripts.

    Calls named ``start...`` return a job's id at once; the others wait for the job, in Slicer without freezing its
    window. Failures are raised as `VisualDICOMError`, a sentence for a person.

    Parameters
    ----------
    databaseDirectory : str
        The database folder, made if there is none. Empty, in Slicer: the database that Slicer has open, also
        when it opens another one later.
    """

    def __init__(self, databaseDirectory: str = "") -> None:
        if _inSlicer():
            ScriptedLoadableModuleLogic.__init__(self)
        self._ownDirectory = databaseDirectory
        self._folder: Path | None = None
        self._subscribers = Subscribers()
        self._announceTimer: Any = None
        self.currentClient: EngineClient | None = None

    # Engine

    def databaseDirectory(self) -> Path:
        """The database folder in use.

        Raises
        ------
        DatabaseFault
            Slicer has no database open.
        """
        if self._ownDirectory:
            return Path(self._ownDirectory)
        database = getattr(slicer, "dicomDatabase", None) if _inSlicer() else None
        if database is not None and database.isOpen:
            return Path(database.databaseDirectory)
        message = "No DICOM database is open."
        step = "Open the DICOM module once, or give a database folder."
        raise DatabaseFault(message, code="no_database", next_step=step)

    def client(self) -> EngineClient:
        """Client of the engine of the database in use, started at the first call."""
        folder = self.databaseDirectory()
        if self.currentClient is None or folder != self._folder:
            self.close()
            self.currentClient = _openClient(folder)
            self._folder = folder
            self.currentClient.subscribe(self._onEvent)
            if _inSlicer() and not self._ownDirectory:
                tags = [str(tag) for tag in slicer.dicomDatabase.tagsToPrecache]
                self.currentClient.send("precache_tags", None, tags=tags)
        return self.currentClient

    def close(self) -> None:
        """End the engine, if it is ours; the next call starts it again."""
        if self._announceTimer is not None:
            self._announceTimer.stop()
        if self.currentClient is not None:
            self.currentClient.close()
            self.currentClient = None

    def subscribe(self, callback: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        """Call `callback` with every event (a dict whose ``event`` is its name); the result ends that.

        In Slicer the callback runs on the main thread, elsewhere on a thread of the engine.
        """
        return self._subscribers.subscribe(callback)

    def _onEvent(self, event: dict[str, Any]) -> None:
        if event.get("event") == "content_changed" and _inSlicer() and not self._ownDirectory:
            self._announceContent()
        self._subscribers.publish(event)

    def _announceContent(self) -> None:
        """Tell Slicer's own browser, at most once a second; it does not notice by itself (WAL mode)."""
        import qt

        if self._announceTimer is None:
            self._announceTimer = qt.QTimer()
            self._announceTimer.interval = _ANNOUNCE_MS
            self._announceTimer.timeout.connect(self._announceNow)
        if not self._announceTimer.active:
            self._announceTimer.start()

    def _announceNow(self) -> None:
        self._announceTimer.stop()
        slicer.dicomDatabase.databaseChanged()

    # Local database

    def importFiles(self, paths: Sequence[str], copyFiles: bool = False) -> dict[str, Any]:
        """Import files and folders; returns counts, and every rejected file with its reason."""
        return self._result(self.startImport(paths, copyFiles))

    def startImport(self, paths: Sequence[str], copyFiles: bool = False) -> str:
        """Import files and folders in the background; returns the job's id."""
        return str(self.client().request("import_files", paths=[str(path) for path in paths], copy=copyFiles))

    def patients(self, **filters: Any) -> list[Any]:
        """Patients of the local database; `filters` are fields of `Query`, such as ``PatientName="doe"``."""
        return self._records(Level.PATIENT, filters)

    def studies(self, **filters: Any) -> list[Any]:
        """Studies of the local database that match `filters`."""
        return self._records(Level.STUDY, filters)

    def series(self, **filters: Any) -> list[Any]:
        """Series of the local database that match `filters`."""
        return self._records(Level.SERIES, filters)

    def loadSeries(self, seriesInstanceUIDs: Sequence[str]) -> list[Any]:
        """Load series into the scene and return the nodes; warnings go to the log.

        Raises
        ------
        LoadError
            Nothing could be loaded.
        """
        if _inSlicer() and not self._ownDirectory:
            from VisualDICOMBrowserLib.loading import load_series

            report = load_series(slicer.dicomDatabase, seriesInstanceUIDs, slicer.mrmlScene)
        else:
            from VisualDICOMBrowserLib.widgets.folder_loading import load_from_folder

            report = load_from_folder(self.databaseDirectory(), seriesInstanceUIDs)
        for warning in report.warnings:
            _logger.warning("%s", warning)
        return list(report.nodes)

    # Servers

    def servers(self) -> list[dict[str, Any]]:
        """Settings of all servers."""
        return list(self.client().request("servers"))

    def addServer(self, name: str, host: str, port: int, calledAETitle: str, **fields: Any) -> dict[str, Any]:
        """Add a DIMSE server; `fields` are further fields of `ServerConfig`."""
        fields = {"protocol": "dimse", "host": host, "port": port, "called_ae_title": calledAETitle, **fields}
        return dict(self.client().request("add_server", name=name, **fields))

    def editServer(self, name: str, **changes: Any) -> dict[str, Any]:
        """Change some settings of a server."""
        return dict(self.client().request("edit_server", name=name, **changes))

    def removeServer(self, name: str) -> None:
        """Forget a server."""
        self.client().request("remove_server", name=name)

    def testServer(self, name: str) -> float:
        """Seconds until the server answered a C-ECHO."""
        return float(self._result(self.client().request("echo_server", name=name))["seconds"])

    def find(self, server: str, level: str = "STUDY", **filters: Any) -> list[AnyRecord]:
        """Ask a server; returns its records at `level`."""
        jobId = self.startFind(server, level, **filters)
        self._result(jobId)
        return [record_from_dict(level, values) for values in self.client().request("find_results", job_id=jobId)]

    def startFind(self, server: str, level: str = "STUDY", **filters: Any) -> str:
        """Ask a server in the background; its records come as ``find_records`` events. Returns the job's id."""
        return str(self.client().request("find", server=server, level=level, **filters))

    def retrieve(self, server: str, studyInstanceUID: str, seriesInstanceUID: str = "") -> dict[str, Any]:
        """Fetch a study, or one series of it; returns counts, and what is missing with reasons."""
        return self._result(self.startRetrieve(server, studyInstanceUID, seriesInstanceUID))

    def startRetrieve(self, server: str, studyInstanceUID: str, seriesInstanceUID: str = "") -> str:
        """Fetch in the background; returns the job's id."""
        uids = {"StudyInstanceUID": studyInstanceUID, "SeriesInstanceUID": seriesInstanceUID}
        return str(self.client().request("retrieve", server=server, **uids))

    # Jobs

    def jobs(self) -> list[dict[str, Any]]:
        """All jobs, the newest last."""
        return list(self.client().request("jobs"))

    def cancelJob(self, jobId: str) -> bool:
        """Ask a job to end; False if it had ended already."""
        return bool(self.client().request("cancel_job", job_id=jobId))

    def waitForJob(self, jobId: str, timeout: float | None = None) -> dict[str, Any]:
        """The job once it has ended, in whatever state.

        Raises
        ------
        EngineError
            It has not ended within `timeout` seconds; it goes on.
        """
        return wait_for_job(self.client(), jobId, timeout)

    def _result(self, jobId: str) -> dict[str, Any]:
        job = self.waitForJob(jobId)
        if job["state"] in ("done", "partly"):
            return dict(job["result"] or {})
        raise error_from_dict(job["error"] or {"message": f"The job {jobId} was {job['state']}."})

    def _records(self, level: Level, filters: dict[str, Any]) -> list[Any]:
        found = self.client().request("records", level=level.value, **filters)
        return [record_from_dict(level, values) for values in found]


class VisualDICOMBrowserTest(ScriptedLoadableModuleTest):
    """Runs in Slicer (Reload and Test), on a database of its own."""

    def runTest(self) -> None:
        """Run all tests, beginning with an empty scene."""
        slicer.mrmlScene.Clear()
        self.test_ImportAndLoad()

    def test_ImportAndLoad(self) -> None:
        """A file of pydicom becomes a volume."""
        import pydicom.data

        self.delayDisplay("Import and load a CT slice")
        path = str(pydicom.data.get_testdata_file("CT_small.dcm"))
        with tempfile.TemporaryDirectory() as folder:
            logic = VisualDICOMBrowserLogic(folder)
            try:
                assert logic.importFiles([path])["imported"] == 1
                (node,) = logic.loadSeries([logic.series()[0].SeriesInstanceUID])
                assert node.GetImageData().GetDimensions() == (128, 128, 1)
            finally:
                logic.close()
        self.delayDisplay("Test passed")
