"""Which files of the database are gone, and where.

A file is gone if there is nothing by its name; one that is there and cannot be read is not, nor is one behind a
connection that fails for another reason. Any thread; nothing is written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.database.local_database import LocalDatabase

__all__ = ["MissingFile", "absent_place", "emptied_series", "is_gone", "local_files"]

_AT_ONCE = 2000
# Windows: device not ready, network path or name not found, network location not reachable.
_ABSENT_ON_WINDOWS = (21, 53, 67, 1231)
_COLUMNS = "SELECT rowid, SOPInstanceUID, Filename, SeriesInstanceUID, InsertTimestamp FROM Images WHERE "
_NEXT = _COLUMNS + "rowid > ? AND Filename <> '' ORDER BY rowid LIMIT ?"
_OF_SERIES = _COLUMNS + "SeriesInstanceUID IN (SELECT value FROM json_each(?)) AND Filename <> '' ORDER BY rowid"
_COUNTS = (
    "SELECT SeriesInstanceUID, COUNT(*) FROM Images WHERE SeriesInstanceUID IN (SELECT value FROM json_each(?))"
    " GROUP BY SeriesInstanceUID"
)


@dataclass(frozen=True, slots=True)
class MissingFile:
    """A row of the database with its file: ``stored`` as the row has it, ``path`` absolute."""

    SOPInstanceUID: str
    stored: str
    SeriesInstanceUID: str
    inserted: str
    path: str


def local_files(database: LocalDatabase, series: Iterable[str] | None = None) -> Iterator[list[MissingFile]]:
    """All rows with a file, or those of some series, in portions."""
    absolute = database.paths.absolute
    if series is not None:
        rows = database.connections.rows(_OF_SERIES, (json.dumps(list(series)),))
        if rows:
            yield [_file(row, absolute) for row in rows]
        return
    last = 0
    while rows := database.connections.rows(_NEXT, (last, _AT_ONCE)):
        yield [_file(row, absolute) for row in rows]
        last = rows[-1][0]


def _file(row: tuple[Any, ...], absolute: Callable[[str], str]) -> MissingFile:
    _number, sop, stored, series, inserted = row
    return MissingFile(sop, stored, series, inserted, absolute(stored))


def is_gone(path: str) -> bool:
    """Whether there is no file at `path`."""
    try:
        return not Path(path).is_file()
    except OSError as error:
        return getattr(error, "winerror", None) in _ABSENT_ON_WINDOWS


def emptied_series(database: LocalDatabase, missing: dict[str, int]) -> int:
    """How many series have nothing left without those numbers of files."""
    rows = database.connections.rows(_COUNTS, (json.dumps(list(missing)),))
    return sum(1 for uid, count in rows if count <= missing[uid])


def absent_place(paths: Iterable[str]) -> str:
    """The drive or the topmost folder that all of `paths` lie in and that is absent; empty if there is none."""
    try:
        folder = Path(os.path.commonpath([os.path.dirname(path) for path in paths]))  # noqa: PTH120  (text in)
    except ValueError:  # several drives, or none at all
        return ""
    for place in (*reversed(folder.parents), folder):
        if not place.exists():
            return place.drive if place == Path(place.anchor) else str(place)
    return ""
