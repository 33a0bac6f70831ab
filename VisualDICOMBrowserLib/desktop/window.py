"""The desktop window: the browser on one database, with an engine as a child process. Main thread only.

Imports `qt`, so `desktop.qt.install` must have run; hosts use `desktop.app`. Without a database it asks where images
are to be kept. Its geometry and the database are remembered.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt

from VisualDICOMBrowserLib.desktop.host import DesktopHost
from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.widgets.browser.browser import Browser
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient
from VisualDICOMBrowserLib.widgets.settings.appearance import SheetFollower, theme_from
from VisualDICOMBrowserLib.widgets.settings.databases import checked_folder, found_database
from VisualDICOMBrowserLib.widgets.settings.first_start import FirstStart
from VisualDICOMBrowserLib.widgets.settings.sample import sample_paths
from VisualDICOMBrowserLib.widgets.view_settings import KeptViewSettings

__all__ = ["FOLDER_KEY", "DesktopWindow"]

FOLDER_KEY = "desktop/folder"
_GEOMETRY_KEY = "desktop/geometry"
_FIRST_SIZE = (1180, 760)


class DesktopWindow(qt.QMainWindow):
    """Main window; closing it ends the engine.

    Parameters
    ----------
    folder : Path, optional
        The database, made if there is none. None asks the user.
    view_settings : ViewSettings, optional
        Where the view is remembered, the user's settings if None.
    look : str
        ``light``, ``dark``, ``contrast`` or ``system`` for this window alone; empty for what is remembered.
    """

    def __init__(self, folder: Path | None, view_settings: Any = None, look: str = "") -> None:
        qt.QMainWindow.__init__(self)
        self.view_settings = view_settings if view_settings is not None else KeptViewSettings()
        self.look_theme = theme_from(self.view_settings, look)
        self._sheet = SheetFollower(self.look_theme, self.view_settings)
        self.folder: Path | None = None
        self.client: Any = None
        self.browser: Any = None
        self.first_start: Any = None
        self.host = DesktopHost(lambda: self.folder or Path(), self.open_database, self.look_theme)
        self._restore_geometry()
        self.look_theme.follow(self, lambda: self.look_theme.apply(self))
        if folder is None:
            self._ask_folder()
        else:
            self._open(folder)

    def open_database(self, folder: str) -> None:
        """Go over to the database in another folder, made if there is none.

        Raises
        ------
        VisualDICOMError
            It cannot be opened; the present one stays.
        """
        found = checked_folder(folder)
        # The browser that asks for it lives until its own event is dealt with.
        qt.QTimer.singleShot(0, lambda: self._open(found))

    def import_paths(self, paths: list[str]) -> None:
        """Import files and folders."""
        if self.browser is not None:
            self.browser.import_paths(paths)

    def show_patient(self, patient_id: str) -> None:
        """Show one patient, given its PatientID."""
        if self.browser is not None:
            self.browser.show_patient(patient_id)

    def changeEvent(self, event: Any) -> None:
        """Follow the look of the system."""
        if event.type() == qt.QEvent.ThemeChange and self.look_theme.asked not in ("light", "dark", "contrast"):
            self.look_theme.refresh()
        qt.QMainWindow.changeEvent(self, event)

    def closeEvent(self, event: Any) -> None:
        """End the engine with the window, and remember where it was."""
        geometry = self.saveGeometry().toBase64().data().decode("ascii")
        self.view_settings.put(_GEOMETRY_KEY, geometry)
        self._close_browser()
        self.host.close()
        self._sheet.close()
        if hasattr(self.view_settings, "save"):
            self.view_settings.save()
        qt.QMainWindow.closeEvent(self, event)

    def _restore_geometry(self) -> None:
        self.resize(*_FIRST_SIZE)
        kept = self.view_settings.get(_GEOMETRY_KEY)
        if isinstance(kept, str) and kept:
            self.restoreGeometry(qt.QByteArray.fromBase64(qt.QByteArray(kept.encode("ascii", "ignore"))))

    def _ask_folder(self) -> None:
        self.windowTitle = _("Visual DICOM Browser")
        self.first_start = FirstStart(self.look_theme, found_database(), self._chosen, self._then)
        self.setCentralWidget(self.first_start)

    def _chosen(self, folder: str) -> None:
        try:
            self._open(checked_folder(folder))
        except VisualDICOMError as error:
            self.first_start.say(str(error))

    def _then(self, step: str, folder: str) -> None:
        """What the page of the first start offers besides: it needs a database, so that is made first."""
        paths: list[str] = []
        if step == "import":
            chosen = qt.QFileDialog.getExistingDirectory(self, _("Import a folder with DICOM files"))
            paths = [chosen] if chosen else []
        elif step == "sample":
            paths = sample_paths()
        if step != "server" and not paths:
            return
        self._chosen(folder)
        if self.browser is None:
            return
        self.import_paths(paths)
        if step == "server":
            self.browser.show_servers()

    def _open(self, folder: Path) -> None:
        self._close_browser()
        self.folder = folder
        self.view_settings.put(FOLDER_KEY, str(folder))
        self.client = QProcessClient(folder)
        try:
            self.browser = Browser(self.client, self.host, self.view_settings, self.look_theme)
        except BaseException:
            # Without a browser nobody else would end the engine.
            self._close_browser()
            raise
        self.first_start = None
        self.windowTitle = _("{folder} - Visual DICOM Browser").format(folder=folder)
        self.setCentralWidget(self.browser)

    def _close_browser(self) -> None:
        browser, self.browser = self.browser, None
        if browser is not None:
            browser.close_browser()
        client, self.client = self.client, None
        if client is not None:
            client.close()
