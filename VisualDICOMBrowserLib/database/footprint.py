"""What lies in the database and on disk of a choice of patients, studies and series, and of all of it.

For the question that comes before a removal, and for the settings. Sizes of very many files are estimated from
some of them, because asking for each would take minutes on a slow disk. Any thread; nothing is written.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.paths import DATABASE_FILE, OWN_FILE, TAG_CACHE_FILE

__all__ = ["Footprint", "database_size", "footprint"]

_MOST_FILES_LOOKED_AT = 5000
_SAMPLE_STARTS, _SAMPLE_EACH = 32, 8
_CHOSEN = """
SELECT e.SeriesInstanceUID, e.StudyInstanceUID FROM Series e JOIN Studies s ON s.StudyInstanceUID = e.StudyInstanceUID
WHERE {} IN (SELECT value FROM json_each(?))
"""
_OWNED = "Filename >= 'dicom/' AND Filename < 'dicom0'"
_COUNTS = (
    f"SELECT SeriesInstanceUID, COUNT(*), SUM({_OWNED}) FROM Images WHERE SeriesInstanceUID IN"
    " (SELECT value FROM json_each(?)) AND Filename <> '' GROUP BY SeriesInstanceUID"
)
_FILES = "SELECT Filename FROM Images WHERE SeriesInstanceUID IN (SELECT value FROM json_each(?)) AND Filename <> ''"


@dataclass(frozen=True, slots=True)
class Footprint:
    """A choice of local series: what it holds.

    Parameters
    ----------
    series : dict of str to str
        StudyInstanceUID by SeriesInstanceUID.
    instances : int
        Local instances.
    bytes : int
        Size of their files, ``estimated`` if there are too many to look at each.
    deleted_series, deleted_files : int
        Series and files that a removal deletes from disk.
    linked_files : int
        Files that stay where they are.
    """

    series: dict[str, str]
    instances: int
    bytes: int
    estimated: bool
    deleted_series: int
    deleted_files: int
    linked_files: int


def footprint(
    database: LocalDatabase, patients: Iterable[int] = (), studies: Iterable[str] = (), series: Iterable[str] = ()
) -> Footprint:
    """What these patients (by key), studies and series hold, each series counted once."""
    chosen: dict[str, str] = {}
    for column, values in (
        ("s.PatientsUID", patients),
        ("e.StudyInstanceUID", studies),
        ("e.SeriesInstanceUID", series),
    ):
        if wanted := list(values):
            chosen.update(database.connections.rows(_CHOSEN.format(column), (json.dumps(wanted),)))
    rows = database.connections.rows(_COUNTS, (json.dumps(list(chosen)),)) if chosen else []
    instances, owned = sum(row[1] for row in rows), sum(row[2] for row in rows)
    # Every n-th series where there are too many files to look at each.
    step = max(1, -(-instances // _MOST_FILES_LOOKED_AT))
    looked_at = json.dumps([row[0] for row in rows[::step]])
    sizes = [_size(database.paths.absolute(name)) or 0 for (name,) in database.connections.rows(_FILES, (looked_at,))]
    local = {row[0] for row in rows}
    return Footprint(
        series={uid: study for uid, study in chosen.items() if uid in local},
        instances=instances,
        bytes=sum(sizes) if step == 1 else round(sum(sizes) / max(1, len(sizes)) * instances),
        estimated=step > 1,
        deleted_series=sum(1 for row in rows if row[2]),
        deleted_files=owned,
        linked_files=instances - owned,
    )


def database_size(database: LocalDatabase) -> dict[str, Any]:
    """Size in bytes of the index and of the database's own copies, and what is free on its disk.

    ``estimated`` says that not every copy was looked at.
    """
    index = 0
    for name in (DATABASE_FILE, TAG_CACHE_FILE, OWN_FILE):
        index += sum(_size(str(database.folder / f"{name}{suffix}")) or 0 for suffix in ("", "-wal", "-journal"))
    copies = int(database.connections.rows(f"SELECT COUNT(*) FROM Images WHERE {_OWNED}")[0][0])
    few = copies <= _SAMPLE_STARTS * _SAMPLE_EACH
    names = _all_copies(database) if few else _some_copies(database)
    sizes = [_size(database.paths.absolute(name)) or 0 for name in names]
    total = sum(sizes) if few else round(sum(sizes) / max(1, len(sizes)) * copies)
    return {
        "index_bytes": index,
        "copies": copies,
        "copies_bytes": total,
        "estimated": not few,
        "free_bytes": shutil.disk_usage(database.folder).free,
    }


def _all_copies(database: LocalDatabase) -> list[str]:
    return [row[0] for row in database.connections.rows(f"SELECT Filename FROM Images WHERE {_OWNED}")]


def _some_copies(database: LocalDatabase) -> list[str]:
    """Some copies from everywhere: their names begin with digests, so equal steps over names are a fair choice."""
    sql = f"SELECT Filename FROM Images WHERE {_OWNED} AND Filename >= ? ORDER BY Filename LIMIT {_SAMPLE_EACH}"
    names: dict[str, None] = {}
    for number in range(_SAMPLE_STARTS):
        start = f"dicom/{number * 256 // _SAMPLE_STARTS:02x}"
        names.update(dict.fromkeys(row[0] for row in database.connections.rows(sql, (start,))))
    return list(names)


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size  # noqa: PTH116  (called for very many files)
    except OSError:
        return None
