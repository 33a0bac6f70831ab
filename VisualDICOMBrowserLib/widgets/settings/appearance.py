"""The remembered look: light, dark, high contrast or the system's, and a style sheet file of one's own.

Main thread only.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.context import ViewSettings
from VisualDICOMBrowserLib.widgets.look.theme import Theme

__all__ = ["LOOKS", "LOOK_KEY", "SHEET_KEY", "SheetFollower", "theme_from"]

LOOK_KEY = "look"
SHEET_KEY = "style_sheet"
LOOKS = ("system", "light", "dark", "contrast")

_LATER_MS = 100
"""Editors write a file in several steps."""


def theme_from(view_settings: ViewSettings, look: str = "") -> Theme:
    """The theme as it is remembered; `look` takes precedence."""
    kept = look or view_settings.get(LOOK_KEY, "system")
    return Theme(kept if kept in LOOKS else "system", _kept_sheet(view_settings))


class SheetFollower:
    """Reads the user's own style sheet again whenever it changes.

    Parameters
    ----------
    theme : Theme
    view_settings : ViewSettings
        Where the file's name is remembered.
    """

    def __init__(self, theme: Theme, view_settings: ViewSettings) -> None:
        self._theme = theme
        self._view_settings = view_settings
        self._later = qt.QTimer()
        self._later.timeout.connect(self._read_again)
        self._watcher = qt.QFileSystemWatcher()
        self._watcher.fileChanged.connect(lambda *_args: self._later.start(_LATER_MS))
        self._watcher.directoryChanged.connect(lambda *_args: self._later.start(_LATER_MS))
        self._watch()

    def choose(self, file: str) -> None:
        """Use and remember a style sheet; an empty text goes back to ours."""
        self._view_settings.put(SHEET_KEY, file or None)
        self._read_again()

    def close(self) -> None:
        """Look at the file no more."""
        self._later.stop()
        self._forget()

    def _read_again(self) -> None:
        self._later.stop()
        self._watch()
        self._theme.use_sheet(_kept_sheet(self._view_settings))

    def _watch(self) -> None:
        self._forget()
        sheet = _kept_sheet(self._view_settings)
        if sheet is not None:
            # Many editors replace the file, after which only its folder tells of changes.
            self._watcher.addPath(str(sheet))
            self._watcher.addPath(str(sheet.parent))

    def _forget(self) -> None:
        known: Callable[[], Any]
        for known in (self._watcher.files, self._watcher.directories):
            for path in known():
                self._watcher.removePath(path)


def _kept_sheet(view_settings: ViewSettings) -> Path | None:
    """The user's own style sheet, None if there is none or it is gone."""
    kept = view_settings.get(SHEET_KEY)
    return Path(kept) if isinstance(kept, str) and kept and Path(kept).is_file() else None
