"""Header values by instance, in CTK's file ``ctkDICOMTagCache.sql``.

What lives here: which tags are read at indexing, CTK's encoding of values and its markers, writing in sorted
batches of short transactions, and reading. The file is a cache: what is missing is read from the DICOM file.
Writing from any thread (one connection, one lock), reading from any thread (one connection each).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from VisualDICOMBrowserLib.database.connection import (
    LARGE_CACHE_MB,
    ReadConnections,
    WriteConnection,
    read_only_error,
)
from VisualDICOMBrowserLib.database.displayed_rules import RadiotherapyRule
from VisualDICOMBrowserLib.database.pacing import Pace
from VisualDICOMBrowserLib.database.records import ScannedFile
from VisualDICOMBrowserLib.database.schema import TAG_CACHE_TABLE, table_names
from VisualDICOMBrowserLib.database.tag_kinds import significant
from VisualDICOMBrowserLib.database.values import storable

__all__ = [
    "BASE_TAGS",
    "EMPTY_STRING",
    "NOT_IN_INSTANCE",
    "NOT_STORED",
    "TagCache",
    "TagRow",
    "rows_of_file",
]

NOT_IN_INSTANCE = "__TAG_NOT_IN_INSTANCE__"
NOT_STORED = "__VALUE_IS_NOT_STORED__"
EMPTY_STRING = "__VALUE_IS_EMPTY_STRING__"

TagRow = tuple[str, str, str]

_CTK_TAGS = {
    "0008": "0018 0020 0021 0030 0031 0050 0060 0061 0080 0090 1030 103E 1050",
    "0010": "0010 0020 0030 0032 0040 1010 4000",
    "0018": "0010 0015 0020 0086",
    "0020": "000D 000E 0010 0011 0012 0052 0100",
    "0028": "0010 0011",
}
# CTK's tags (the needs of its default rule), then what ordering and sending instances needs:
# SOP Class UID, Instance Number, Number of Frames.
BASE_TAGS = frozenset(
    [f"{group},{element}" for group, elements in _CTK_TAGS.items() for element in elements.split()]
    + ["0008,0016", "0020,0013", "0028,0008"]
)
_RADIOTHERAPY_ONLY = frozenset(tag for tag in RadiotherapyRule.tags if tag.startswith("3"))
_SORTED_AT_ONCE = 131_072
_KEYS_PER_QUERY = 400


def rows_of_file(file: ScannedFile, tags: Collection[str]) -> list[TagRow]:
    """Rows of the tag cache for a scanned file: its values, and CTK's marker for each tag it lacks.

    Tags of RT plans, structure sets and images are left out for other modalities, where nobody asks for
    them; that is a fifth of all rows.
    """
    values = file.values
    sop = values["0008,0018"]
    skipped = frozenset() if values.get("0008,0060", "").startswith("RT") else _RADIOTHERAPY_ONLY
    return [(sop, tag, significant(tag, values.get(tag, "")) or NOT_IN_INSTANCE) for tag in tags if tag not in skipped]


class TagCache:
    """The opened tag cache.

    Parameters
    ----------
    path : Path
        The file; made if missing and `writable`.
    writable : bool
        False opens for reading only; a missing file is then an empty cache.

    Raises
    ------
    DatabaseFault, StorageFault
        The file cannot be opened or is damaged.
    """

    def __init__(self, path: Path, *, writable: bool) -> None:
        self.path = path
        self._pace = Pace(first=2000, smallest=200, largest=20_000)
        self._removal_pace = Pace(first=50, smallest=10, largest=2000)
        self._readers: ReadConnections | None = None
        self._file = WriteConnection(path, LARGE_CACHE_MB) if writable else None
        try:
            if self._file is not None:
                with self._file.transaction() as connection:
                    if "TagCache" not in table_names(connection):
                        connection.execute(TAG_CACHE_TABLE)
            if path.exists():
                self._readers = ReadConnections(path, writable=writable)
        except BaseException:
            self.close()
            raise

    def add(self, rows: Iterable[TagRow]) -> None:
        """Write rows ``(SOPInstanceUID, tag, value)`` in place of earlier ones; visible bit by bit.

        Tags are stored in upper case, empty values as CTK's marker for absent ones. Sorted in portions, which
        keeps the index pages in memory, and written in transactions of about 15 ms.

        Raises
        ------
        DatabaseFault, StorageFault
            The rows from some point on could not be written.
        """
        remaining = iter(rows)
        while portion := sorted(islice(remaining, _SORTED_AT_ONCE)):
            self._writing().in_portions(portion, self._pace, _write)

    def values(self, sop_uids: Sequence[str], tags: Collection[str] | None = None) -> dict[str, dict[str, str]]:
        """Cached values by SOP Instance UID and tag (all tags if `tags` is None), markers as they are."""
        found: dict[str, dict[str, str]] = {}
        if self._readers is None:
            return found
        chosen = sorted(tags) if tags is not None else []
        condition = f" AND Tag IN ({', '.join('?' * len(chosen))})" if tags is not None else ""
        for start in range(0, len(sop_uids), _KEYS_PER_QUERY):
            keys = sop_uids[start : start + _KEYS_PER_QUERY]
            sql = (
                "SELECT SOPInstanceUID, Tag, Value FROM TagCache"
                f" WHERE SOPInstanceUID IN ({', '.join('?' * len(keys))}){condition}"
            )
            for sop, tag, value in self._readers.rows(sql, (*keys, *chosen)):
                found.setdefault(sop, {})[tag.upper()] = str(value) if value not in (None, "") else EMPTY_STRING
        return found

    def remove(self, sop_uids: Iterable[str]) -> None:
        """Forget every value of these instances, in short transactions."""
        self._writing().in_portions(list(sop_uids), self._removal_pace, _delete)

    def close(self) -> None:
        """Close every connection. May be called again."""
        if self._readers is not None:
            self._readers.close()
        if self._file is not None:
            self._file.close()

    def _writing(self) -> WriteConnection:
        if self._file is None:
            raise read_only_error(self.path)
        return self._file


def _write(connection: sqlite3.Connection, rows: Sequence[TagRow]) -> None:
    sql = "INSERT OR REPLACE INTO TagCache VALUES (?, ?, ?)"
    try:
        connection.executemany(sql, [(sop, tag.upper(), value or NOT_IN_INSTANCE) for sop, tag, value in rows])
    except UnicodeEncodeError:
        connection.executemany(sql, _encodable(rows))


def _delete(connection: sqlite3.Connection, sop_uids: Sequence[str]) -> None:
    connection.executemany("DELETE FROM TagCache WHERE SOPInstanceUID = ?", [(sop,) for sop in sop_uids])


def _encodable(rows: Iterable[TagRow]) -> Iterator[TagRow]:
    for sop, tag, value in rows:
        yield storable(sop), tag.upper(), storable(value) or NOT_IN_INSTANCE
