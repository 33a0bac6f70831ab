"""Folders of databases: the one that Slicer uses, and whether a folder can be opened. No Qt; any thread."""

from __future__ import annotations

import datetime
import os
from dataclasses import dataclass
from pathlib import Path

from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.paths import DATABASE_FILE
from VisualDICOMBrowserLib.errors import StorageFault, VisualDICOMError
from VisualDICOMBrowserLib.servers.ctk_servers import slicer_settings_files
from VisualDICOMBrowserLib.servers.qt_settings import read_qt_settings

__all__ = ["FoundDatabase", "checked_folder", "default_folder", "found_database"]

_KEY = "DatabaseDirectory"
_USUAL = ("SlicerDICOMDatabase",)


@dataclass(frozen=True, slots=True)
class FoundDatabase:
    """A database on this computer: how much is in it, and when it was last written."""

    folder: Path
    patients: int
    instances: int
    changed: datetime.date


def default_folder() -> Path:
    """Where a database goes if nobody says otherwise."""
    return Path.home() / "VisualDICOMBrowser"


def found_database() -> FoundDatabase | None:
    """The database that Slicer uses on this computer, if it can be opened."""
    for folder in _slicer_folders():
        file = folder / DATABASE_FILE
        if not file.is_file():
            continue
        try:
            database = LocalDatabase.open(folder, read_only=True)
        except VisualDICOMError:
            continue
        try:
            counts = database.reader.counts()
        except VisualDICOMError:
            continue
        finally:
            database.close()
        changed = datetime.date.fromtimestamp(file.stat().st_mtime)
        return FoundDatabase(folder, counts.patients, counts.instances, changed)
    return None


def checked_folder(folder: str | Path) -> Path:
    """The folder, which exists afterwards.

    Raises
    ------
    StorageFault
        It is no folder, cannot be made, or must not be written although there is no database in it.
    """
    path = Path(folder).expanduser().absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        message = f"The folder {path} cannot be used for a database: {fault.strerror or fault}."
        raise StorageFault(message, subject=str(path), next_step="Choose another folder.") from fault
    if not (path / DATABASE_FILE).is_file() and not os.access(path, os.W_OK):
        message = f"The folder {path} must not be written to."
        raise StorageFault(message, subject=str(path), next_step="Choose another folder.")
    return path


def _slicer_folders() -> list[Path]:
    """Where Slicer's settings say its database is, the latest changed first, and where it usually is."""
    folders: list[Path] = []
    for file in slicer_settings_files():
        try:
            values = read_qt_settings(file)
        except VisualDICOMError:
            continue
        # The key ends in the version of the database's schema; the latest is the one in use.
        keys = sorted((key for key in values if key.rpartition("/")[2].startswith(_KEY)), reverse=True)
        folders += [_absolute(str(values[key]), file) for key in keys if values[key] and "Test" not in key]
    folders += [Path.home() / "Documents" / name for name in _USUAL]
    return list(dict.fromkeys(folders))


def _absolute(folder: str, settings_file: Path) -> Path:
    path = Path(folder)
    return path if path.is_absolute() else settings_file.parent / path
