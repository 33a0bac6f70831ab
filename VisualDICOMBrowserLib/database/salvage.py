"""What can still be had of a damaged database: putting its file aside, and the linked files that it names.

Any thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from VisualDICOMBrowserLib.database.paths import DatabasePaths

__all__ = ["kept_name", "put_aside", "salvaged_files"]

_AT_ONCE = 200
# Pages of a damaged file that cannot be read are stepped over, so many at most without anything in between.
_MOST_GAPS, _MOST_GAPS_BLIND = 2000, 25
_SUFFIXES = ("-wal", "-journal", "-shm", "")
_NEXT = "SELECT rowid, Filename FROM Images NOT INDEXED WHERE rowid > ? AND rowid <= ? ORDER BY rowid"


def kept_name(path: Path) -> Path:
    """A name with the date beside `path` that nothing bears yet."""
    stem = f"{path.stem}-damaged-{datetime.now():%Y%m%dT%H%M%S}"
    number = 0
    while (kept := path.with_name(f"{stem}{f'-{number}' if number else ''}{path.suffix}")).exists():
        number += 1
    return kept


def put_aside(path: Path, kept: Path) -> None:
    """Give the file and what SQLite keeps beside it the other name; the file itself last."""
    for suffix in _SUFFIXES:
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(kept.with_name(kept.name + suffix))


def salvaged_files(kept: Path, paths: DatabasePaths) -> Iterator[str]:
    """Absolute paths of linked files that a damaged file still names, as far as it can be read."""
    try:
        connection = sqlite3.connect(f"{kept.as_uri()}?mode=ro", uri=True)
    except sqlite3.Error:
        return
    connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    try:
        for stored in _names(connection):
            if stored and paths.owned_file(stored) is None:
                yield paths.absolute(stored)
    finally:
        connection.close()


def _names(connection: sqlite3.Connection) -> Iterator[str]:
    last = _last_row(connection)
    start = gaps = 0
    most = _MOST_GAPS if last is not None else _MOST_GAPS_BLIND
    while (last is None or start < last) and gaps < most:
        try:
            rows = connection.execute(_NEXT, (start, start + _AT_ONCE)).fetchall()
        except sqlite3.Error:
            rows = list(_one_by_one(connection, start))
        gaps = 0 if rows else gaps + 1
        yield from (str(name) for _row, name in rows if name)
        start += _AT_ONCE


def _one_by_one(connection: sqlite3.Connection, start: int) -> Iterator[tuple[int, str]]:
    """What can be read of a stretch in which something cannot."""
    for row in range(start, start + _AT_ONCE):
        try:
            yield from connection.execute(_NEXT, (row, row + 1)).fetchall()
        except sqlite3.Error:
            continue


def _last_row(connection: sqlite3.Connection) -> int | None:
    try:
        return int(connection.execute("SELECT COALESCE(MAX(rowid), 0) FROM Images").fetchone()[0])
    except sqlite3.Error:
        return None
