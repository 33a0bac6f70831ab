"""Files and folders dropped onto the browser are imported; an overlay says how. Main thread only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.language import _

__all__ = ["DropOverlay", "dropped_paths"]


def dropped_paths(mime: Any) -> list[str]:
    """Local files and folders that a drag carries; what was dragged out of the browser itself carries none."""
    if not mime.hasUrls() or mime.hasFormat("application/x-visual-dicom-series"):
        return []
    return [url.toLocalFile() for url in mime.urls() if url.isLocalFile()]


class DropOverlay(qt.QFrame):
    """Covers the browser while files are dragged over it, and imports them when they are dropped.

    Parameters
    ----------
    browser : QWidget
        What is covered.
    on_drop : Callable[[list of str, bool], None]
        Called with paths, and whether they are copied into the database (else linked).
    """

    def __init__(self, browser: Any, on_drop: Callable[[list[str], bool], None]) -> None:
        qt.QFrame.__init__(self, browser)
        self._browser = browser
        self._on_drop = on_drop
        self.objectName = "dropOverlay"
        self.acceptDrops = True
        self._label = qt.QLabel(_("Copy into the database. Hold Alt to link: the files stay where they are."))
        self._label.alignment = qt.Qt.AlignCenter
        self._label.wordWrap = True
        layout = qt.QVBoxLayout()
        layout.addWidget(self._label)
        self.setLayout(layout)
        self.hide()

    def begin(self) -> None:
        """Cover the browser."""
        self.geometry = qt.QRect(0, 0, self._browser.width, self._browser.height)
        self.raise_()
        self.show()

    def dragEnterEvent(self, event: Any) -> None:
        """Take what is dragged on from the browser."""
        if dropped_paths(event.mimeData()):
            event.acceptProposedAction()

    def dragMoveEvent(self, event: Any) -> None:
        """Go on taking it."""
        event.acceptProposedAction()

    def dragLeaveEvent(self, event: Any) -> None:
        """Uncover the browser."""
        self.hide()

    def dropEvent(self, event: Any) -> None:
        """Import."""
        self.hide()
        paths = dropped_paths(event.mimeData())
        links = bool(qt.QApplication.keyboardModifiers() & qt.Qt.AltModifier)
        event.acceptProposedAction()
        if paths:
            self._on_drop(paths, not links)
