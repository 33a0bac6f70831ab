"""Displayed fields of instances that another program filed and left without.

CTK stamps an instance once its displayed fields are computed; local instances without stamp are found here,
their header values collected (tag cache first, then the file), and rules and counts applied to their rows as
for newly filed ones. Instances of servers (no file) are left alone. `update` is called under the lock of the
writing connection, the rest from any thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from VisualDICOMBrowserLib.database.paths import DatabasePaths
from VisualDICOMBrowserLib.database.row_cache import RowCache, SeriesRow
from VisualDICOMBrowserLib.database.rule_set import RuleSet
from VisualDICOMBrowserLib.database.tag_cache import EMPTY_STRING, NOT_IN_INSTANCE, NOT_STORED, TagCache
from VisualDICOMBrowserLib.database.values import utc_timestamp
from VisualDICOMBrowserLib.errors import VisualDICOMError

__all__ = ["InstanceToDisplay", "LateFields"]

_MARKERS = frozenset((NOT_IN_INSTANCE, NOT_STORED, EMPTY_STRING))


@dataclass(frozen=True, slots=True)
class InstanceToDisplay:
    """A local instance without stamp, and its header values by tag once they are known."""

    sop_uid: str
    series_uid: str
    stored: str
    values: dict[str, str] = field(default_factory=dict)


class LateFields:
    """Finds and completes instances without displayed fields."""

    def __init__(self, paths: DatabasePaths, tag_cache: TagCache) -> None:
        self._paths = paths
        self._tag_cache = tag_cache

    def waiting(self, connection: sqlite3.Connection) -> list[InstanceToDisplay]:
        """Local instances without stamp, those of a series together."""
        rows = connection.execute(
            "SELECT SOPInstanceUID, SeriesInstanceUID, Filename FROM Images"
            " WHERE DisplayedFieldsUpdatedTimestamp IS NULL AND Filename <> '' ORDER BY SeriesInstanceUID"
        )
        return [InstanceToDisplay(*row) for row in rows]

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

    def _read(self, instance: InstanceToDisplay, tags: Collection[str]) -> dict[str, str]:
        from VisualDICOMBrowserLib.database.header_scan import scan_file

        try:
            return dict(scan_file(Path(self._paths.absolute(instance.stored)), tags).values)
        except VisualDICOMError:
            return {}
