"""What the browser remembers between sessions, in the user's QSettings. Main thread only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import qt

__all__ = ["KeptViewSettings", "MemoryViewSettings"]

_NAME = "VisualDICOMBrowser"


class KeptViewSettings:
    """Small JSON values by key; meets `widgets.context.ViewSettings`.

    Parameters
    ----------
    file : Path, optional
        An ini file in place of the one of the user.
    """

    def __init__(self, file: Path | None = None) -> None:
        if file is None:
            self._kept = qt.QSettings(qt.QSettings.IniFormat, qt.QSettings.UserScope, _NAME, _NAME)
        else:
            self._kept = qt.QSettings(str(file), qt.QSettings.IniFormat)

    def get(self, key: str, default: Any = None) -> Any:
        """The value kept under `key`; what cannot be read counts as not kept."""
        text = self._kept.value(key)
        if text is None:
            return default
        try:
            return json.loads(str(text))
        except ValueError:
            return default

    def put(self, key: str, value: Any) -> None:
        """Keep a value; None forgets it."""
        if value is None:
            self._kept.remove(key)
        else:
            # As JSON text: QSettings gives numbers and lists back as other types after a restart.
            self._kept.setValue(key, json.dumps(value))

    def save(self) -> None:
        """Write to disk what has been put so far."""
        self._kept.sync()


class MemoryViewSettings:
    """Forgets everything with the process: for pictures of the window, which are to be the same for everybody."""

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}

    def get(self, key: str, default: Any = None) -> Any:
        """The value kept under `key`."""
        return self._kept.get(key, default)

    def put(self, key: str, value: Any) -> None:
        """Keep a value; None forgets it."""
        if value is None:
            self._kept.pop(key, None)
        else:
            self._kept[key] = value
