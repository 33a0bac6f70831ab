"""Displayed fields of instances that another program filed and left without.

CTK stamps an instance once its displayed fields are computed; local instances without stamp are found here,
their header values collected (tag cache first, then the file), and rules and counts applied to their rows as
for newly filed ones. Instances of servers (no file) are left alone.

There is no index on the stamp, so what was looked through once is remembered as a mark: the last row up to which
all are stamped. Every program inserts rows behind the last one, so only those behind the mark are new; where the
row of the mark is not the one that was remembered (removed, filed anew, renumbered by VACUUM) all are looked
through again. `update` is called under the lock of the writing connection, the rest from any thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from VisualDICOMBrowserLib.database.connection import WriteConnection
from VisualDICOMBrowserLib.database.own_store import OwnStore
from VisualDICOMBrowserLib.database.paths import DatabasePaths
from VisualDICOMBrowserLib.database.row_cache import RowCache, SeriesRow
from VisualDICOMBrowserLib.database.rule_set import RuleSet
from VisualDICOMBrowserLib.database.tag_cache import EMPTY_STRING, NOT_IN_INSTANCE, NOT_STORED, TagCache
from VisualDICOMBrowserLib.database.tag_kinds import significant_values
from VisualDICOMBrowserLib.database.values import utc_timestamp
from VisualDICOMBrowserLib.errors import VisualDICOMError

__all__ = ["InstanceToDisplay", "LateFields", "Stretch"]

_ROWS_AT_ONCE = 20_000
_SECTION, _KEY = "displayed_fields", "checked"
_MARKERS = frozenset((NOT_IN_INSTANCE, NOT_STORED, EMPTY_STRING))


@dataclass(frozen=True, slots=True)
class InstanceToDisplay:
    """A local instance without stamp, and its header values by tag once they are known."""

    sop_uid: str
    series_uid: str
    stored: str
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some consecutive rows: those of them that wait, those of a series together, and the mark for when they are done.

    The mark is rowid, SOP Instance UID and InsertTimestamp of the last row.
    """

    waiting: list[InstanceToDisplay]
    mark: tuple[int, str, str]


class LateFields:
    """Finds and completes instances without displayed fields."""

    def __init__(self, file: WriteConnection, paths: DatabasePaths, own: OwnStore, tag_cache: TagCache) -> None:
        self._file = file
        self._paths = paths
        self._own = own
        self._tag_cache = tag_cache

    def stretches(self) -> Iterator[Stretch]:
        """The rows behind the mark in order, some at a time; the lock is free in between."""
        position = self._start()
        while True:
            with self._file.reading() as connection:
                stretch = _stretch(connection, position)
            if stretch is None:
                return
            yield stretch
            position = stretch.mark[0]

    def remember(self, stretch: Stretch) -> None:
        """Every row up to the end of `stretch` is stamped; the next search starts behind it."""
        self._own.put(_SECTION, _KEY, stretch.mark)

    def with_values(self, instances: Sequence[InstanceToDisplay], tags: Collection[str]) -> list[InstanceToDisplay]:
        """The same instances with their values of `tags`; a file that cannot be read leaves what is cached."""
        cached = self._tag_cache.values([instance.sop_uid for instance in instances], tags)
        completed = []
        for instance in instances:
            values = cached.get(instance.sop_uid, {})
            # Absent radiotherapy tags have no rows for other modalities; the modality row tells.
            if "0008,0060" not in values:
                values = {**self._read(instance, tags), **values}
            clean = {tag: value for tag, value in values.items() if value not in _MARKERS}
            completed.append(InstanceToDisplay(instance.sop_uid, instance.series_uid, instance.stored, clean))
        return completed

    def update(
        self,
        connection: sqlite3.Connection,
        instances: Sequence[InstanceToDisplay],
        cache: RowCache,
        rules: RuleSet,
    ) -> None:
        """Apply rules and counts to the rows of these instances and stamp them."""
        stamp = utc_timestamp()
        touched: dict[str, SeriesRow] = {}
        for instance in instances:
            series = cache.series(connection, instance.series_uid)
            if series is not None:
                rules.apply(instance.values, series)
                for row in (series, series.study, series.study.patient):
                    row.recount = True
                touched[instance.series_uid] = series
        rules.write(connection, touched.values(), stamp)
        connection.executemany(
            "UPDATE Images SET DisplayedFieldsUpdatedTimestamp = ? WHERE SOPInstanceUID = ?",
            [(stamp, instance.sop_uid) for instance in instances],
        )

    def _start(self) -> int:
        """Row number of the mark if its row is still the same and stamped, else 0."""
        mark = self._own.get(_SECTION, _KEY)
        if not isinstance(mark, list) or len(mark) != 3:
            return 0
        with self._file.reading() as connection:
            same = connection.execute(
                "SELECT 1 FROM Images WHERE rowid = ? AND SOPInstanceUID = ? AND InsertTimestamp = ?"
                " AND (DisplayedFieldsUpdatedTimestamp IS NOT NULL OR COALESCE(Filename, '') = '')",
                mark,
            ).fetchone()
        return int(mark[0]) if same else 0

    def _read(self, instance: InstanceToDisplay, tags: Collection[str]) -> dict[str, str]:
        from VisualDICOMBrowserLib.database.header_scan import scan_file

        try:
            return significant_values(scan_file(Path(self._paths.absolute(instance.stored)), tags).values)
        except VisualDICOMError:
            return {}


def _stretch(connection: sqlite3.Connection, position: int) -> Stretch | None:
    """The next rows behind row number `position`, None behind the last one."""
    last = connection.execute(
        "SELECT rowid, SOPInstanceUID, InsertTimestamp FROM Images WHERE rowid ="
        " (SELECT MAX(rowid) FROM (SELECT rowid FROM Images WHERE rowid > ? ORDER BY rowid LIMIT ?))",
        (position, _ROWS_AT_ONCE),
    ).fetchone()
    if last is None:
        return None
    rows = connection.execute(
        "SELECT SOPInstanceUID, SeriesInstanceUID, Filename FROM Images WHERE rowid > ? AND rowid <= ?"
        " AND DisplayedFieldsUpdatedTimestamp IS NULL AND Filename <> '' ORDER BY SeriesInstanceUID",
        (position, last[0]),
    )
    return Stretch([InstanceToDisplay(*row) for row in rows], last)
