"""Dragging series out of the page: their files, and their UIDs for views of our own. Main thread only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.page.actions import PageActions

__all__ = ["SERIES_TYPE", "CardDrag"]

SERIES_TYPE = "application/x-visual-dicom-browser-series"
"""Type of dragged data that holds SeriesInstanceUIDs, one a line."""


class CardDrag:
    """Starts a drag as soon as the engine has told the files; the button may have been let go by then.

    Parameters
    ----------
    context : BrowserContext
    parent : QWidget
    actions : PageActions
    """

    def __init__(self, context: BrowserContext, parent: Any, actions: PageActions) -> None:
        self._context = context
        self._parent = parent
        self._actions = actions
        self._drag: Any = None
        self._data: Any = None

    def begin(self, series: Sequence[Any]) -> None:
        """Drag what of series is here."""
        here = [each for each in series if each.local]
        if not here:
            return
        uids = [each.SeriesInstanceUID for each in here]

        def start(files: dict[str, list[str]]) -> None:
            if qt.QApplication.mouseButtons() & qt.Qt.LeftButton:
                self._start(here, [path for uid in uids for path in files.get(uid, ())])

        self._context.ask("files", start, series=uids)

    def data_for(self, series: Sequence[Any], paths: Sequence[str]) -> Any:
        """What is dragged: files by URL, and the UIDs."""
        self._data = qt.QMimeData()
        self._data.setUrls([qt.QUrl.fromLocalFile(path) for path in paths])
        text = "\n".join(each.SeriesInstanceUID for each in series)
        self._data.setData(SERIES_TYPE, qt.QByteArray(text.encode()))
        return self._data

    def _start(self, series: Sequence[Any], paths: Sequence[str]) -> None:
        self._drag = qt.QDrag(self._parent)
        self._drag.setMimeData(self.data_for(series, paths))
        # Only ever a copy: the files belong to the database.
        if self._drag.exec(qt.Qt.CopyAction) == qt.Qt.CopyAction:
            self._actions.files_dragged(series)
        self._drag = self._data = None
