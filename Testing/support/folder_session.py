"""A folder of DICOM files looked through as the engine does it; run as a program, one look from another process.

Usage: ``python folder_session.py DATABASE FOLDER MODE [pause]``. With ``pause`` it says ``held`` once it has the
folder's lock and goes on when its input ends. Prints the counts of its look as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.database.indexer import ImportReport, Indexer
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.storing import InstanceStore
from VisualDICOMBrowserLib.model import JobControl, NullControl
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.driver import DriverServices
from VisualDICOMBrowserLib.servers.folders.driver import FolderDriver
from VisualDICOMBrowserLib.settings import Settings


class FolderSession:
    """A database with everything that folder drivers need."""

    def __init__(self, folder: Path) -> None:
        self.database = LocalDatabase.open(folder)
        self.settings = Settings()
        self.settings["import/workers"] = 1
        self.settings["folder/quiet_s"] = 0
        self.store = InstanceStore(self.database)
        self.indexer = Indexer(self.database, self.store, self.settings)
        self.imports: list[list[Path]] = []

    def importer(self, paths: Sequence[Path], *, copy: bool, control: JobControl) -> ImportReport:
        """The indexer, with a note of what it was given."""
        self.imports.append(list(paths))
        return self.indexer.import_paths(paths, copy=copy, control=control)

    def driver(self, folder: Path, mode: str = "copy", **fields: Any) -> FolderDriver:
        """Driver of a folder."""
        config = ServerConfig(name="Inbox", protocol="folder", folder=str(folder), folder_mode=mode, **fields)
        services = DriverServices(database=self.database, importer=self.importer)
        return FolderDriver(config, self.settings, services)

    def close(self) -> None:
        """End everything."""
        self.indexer.close()
        self.store.close()
        self.database.close()


def main(database: str, folder: str, mode: str, pause: str = "") -> None:
    """One look."""
    session = FolderSession(Path(database))
    real = session.importer

    def pausing(paths: Sequence[Path], *, copy: bool, control: JobControl) -> ImportReport:
        print("held", flush=True)  # noqa: T201
        sys.stdin.read()
        return real(paths, copy=copy, control=control)

    if pause:
        session.importer = pausing  # type: ignore[method-assign]
    try:
        look = session.driver(Path(folder), mode).look(NullControl())
    finally:
        session.close()
    counts = {"imported": look.imported, "cleaned": look.cleaned, "locked_by": look.locked_by}
    print(json.dumps(counts), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
