"""The desktop window: the browser panel on one database, with an engine as a child process. Main thread only.

Imports `qt`, so `desktop.qt.install` must have run; hosts use `desktop.app`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.browser_panel import BrowserPanel
from VisualDICOMBrowserLib.widgets.folder_loading import described_node, load_from_folder
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient

__all__ = ["DesktopWindow"]


class DesktopWindow(qt.QMainWindow):
    """Main window on the database in `folder`; closing it ends the engine."""

    def __init__(self, folder: Path) -> None:
        qt.QMainWindow.__init__(self)
        self.folder = folder
        self.client = QProcessClient(folder)
        self.panel = BrowserPanel(self.client, self.load_series)
        self.windowTitle = f"Visual DICOM Browser - {folder}"
        self.setCentralWidget(self.panel)
        self.resize(1180, 760)

    def load_series(self, series_uids: Sequence[str]) -> str:
        """Load series into the scene of this process and say what they have become."""
        report = load_from_folder(self.folder, series_uids)
        return (
            f"Loaded: {', '.join(described_node(node) for node in report.nodes)}. {' '.join(report.warnings)}".strip()
        )

    def closeEvent(self, event: Any) -> None:
        """End the engine with the window."""
        self.panel.close_panel()
        self.client.close()
        qt.QMainWindow.closeEvent(self, event)
