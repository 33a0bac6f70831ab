"""A database with its store and indexer, opened and closed for a test."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from VisualDICOMBrowserLib.database.indexer import ImportReport, Indexer
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.storing import InstanceStore
from VisualDICOMBrowserLib.errors import JobCancelled
from VisualDICOMBrowserLib.model import NullControl, ReceivedFile
from VisualDICOMBrowserLib.settings import Settings


class RecordingControl(NullControl):
    """Remembers progress, and asks to cancel once `cancel_at` files are done."""

    def __init__(self, cancel_at: int | None = None) -> None:
        self.steps: list[tuple[int, int | None]] = []
        self.cancel_at = cancel_at

    def progress(self, done: int, total: int | None = None, received_bytes: int | None = None) -> None:
        self.steps.append((done, total))

    def raise_if_cancelled(self) -> None:
        if self.cancel_at is not None and self.steps and self.steps[-1][0] >= self.cancel_at:
            message = "The import was cancelled."
            raise JobCancelled(message)


@dataclass
class Importer:
    """What a test of importing works with."""

    database: LocalDatabase
    store: InstanceStore
    indexer: Indexer
    control: RecordingControl = field(default_factory=RecordingControl)

    def run(self, *paths: Path, copy: bool = False) -> ImportReport:
        """Import, and wait for the tag cache."""
        report = self.indexer.import_paths(paths, copy=copy, control=self.control)
        self.indexer.wait_for_tag_cache()
        return report

    def rows(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        """Rows of CTK's main file."""
        return query(self.database.folder / "ctkDICOM.sql", sql, *values)

    def cached(self, sop_uid: str) -> dict[str, str]:
        """Tag cache of an instance as CTK reads it."""
        sql = "SELECT Tag, Value FROM TagCache WHERE SOPInstanceUID = ?"
        return {
            str(tag): str(value) for tag, value in query(self.database.folder / "ctkDICOMTagCache.sql", sql, sop_uid)
        }

    def part(self, data: bytes) -> ReceivedFile:
        """A file that just arrived."""
        path = self.store.new_part()
        path.write_bytes(data)
        return received(path)


def received(path: Path, sop_uid: str = "") -> ReceivedFile:
    return ReceivedFile(
        path=path, SOPClassUID="", SOPInstanceUID=sop_uid, TransferSyntaxUID="", size=path.stat().st_size
    )


def query(file: Path, sql: str, *values: object) -> list[tuple[object, ...]]:
    """Rows of an SQLite file, on a connection of its own."""
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(sql, values).fetchall()


@contextmanager
def opened_importer(
    folder: Path, settings: dict[str, object] | None = None, *, recover: bool = True
) -> Iterator[Importer]:
    """Open a database as a program does at its start, and close it as at its end."""
    database = LocalDatabase.open(folder)
    store = InstanceStore(database)
    try:
        if recover:
            store.recover()
        indexer = Indexer(database, store, Settings(settings or {}))
        try:
            yield Importer(database, store, indexer)
        finally:
            indexer.close()
    finally:
        store.close()
        database.close()


def files_below(folder: Path, wanted: Callable[[Path], bool] = Path.is_file) -> set[Path]:
    """Paths of all files below a folder, relative to it."""
    return {path.relative_to(folder) for path in folder.rglob("*") if wanted(path)}
