"""What the database already knows of files: by path, and by SOP Instance UID.

Batched look-ups in CTK's ``Images`` table that the importing side needs, nothing else. Safe from any thread
(a reading connection for each).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path

from VisualDICOMBrowserLib.database.connection import SMALL_CACHE_MB, ReadConnections
from VisualDICOMBrowserLib.database.paths import DATABASE_FILE, DatabasePaths
from VisualDICOMBrowserLib.database.values import parse_timestamp, storable

__all__ = ["KnownFiles"]

_BATCH = 400


class KnownFiles:
    """Look-ups in the database in `folder`.

    Raises
    ------
    DatabaseFault, StorageFault
        From every method, if SQLite cannot read the file.
    """

    def __init__(self, folder: Path) -> None:
        self._paths = DatabasePaths(folder)
        self._connections = ReadConnections(self._paths.folder / DATABASE_FILE, cache_mb=SMALL_CACHE_MB)

    def is_empty(self) -> bool:
        """True if no instance is known at all."""
        return not self._connections.rows("SELECT 1 FROM Images LIMIT 1")

    def unchanged(self, paths: Sequence[str]) -> set[str]:
        """Those of `paths` that are known and were not changed since they were indexed.

        As CTK decides: the file's time of change is not later than the row's time of insertion.
        """
        # A name that is no valid text cannot stand in the database.
        valid = [path for path in paths if path.isascii() or storable(path) == path]
        by_form = {form: path for path in valid for form in self._paths.lookup_forms(path)}
        known = set()
        for names in _batches(by_form):
            sql = f"SELECT Filename, InsertTimestamp FROM Images WHERE Filename IN ({_marks(names)})"
            for name, inserted in self._connections.rows(sql, names):
                path = by_form.get(name)
                if path is not None and not _is_newer(path, parse_timestamp(inserted)):
                    known.add(path)
        return known

    def files_of(self, sop_uids: Iterable[str]) -> dict[str, str]:
        """Absolute path by SOP Instance UID, for those that have a local file in the database."""
        files = {}
        for uids in _batches(sop_uids):
            sql = f"SELECT SOPInstanceUID, Filename FROM Images WHERE SOPInstanceUID IN ({_marks(uids)})"
            for uid, name in self._connections.rows(sql, uids):
                if name:
                    files[uid] = self._paths.absolute(name)
        return files

    def close(self) -> None:
        """Close the connections of all threads."""
        self._connections.close()


def _batches(values: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(values)
    while batch := list(islice(iterator, _BATCH)):
        yield batch


def _marks(values: Sequence[str]) -> str:
    return ",".join("?" * len(values))


def _is_newer(path: str, inserted: datetime | None) -> bool:
    try:
        changed = Path(path).stat().st_mtime
    except OSError:
        return True
    return inserted is None or changed > inserted.timestamp()
