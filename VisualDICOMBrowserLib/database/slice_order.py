"""The instances of a local series in the order in which a person leafs through them.

Order: position along the normal of the slices where every instance states one and all are parallel, else the
instance number. Positions come from the tag cache; what it lacks is read from the files once and kept there, so
that the second look at a long series is quick. Any thread.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.tag_cache import EMPTY_STRING, NOT_IN_INSTANCE, NOT_STORED
from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.model import InstanceRecord

__all__ = ["ORDER_TAGS", "OrderedInstance", "SliceOrder", "in_slice_order"]

_POSITION, _ORIENTATION = "0020,0032", "0020,0037"
ORDER_TAGS = (_POSITION, _ORIENTATION)
"""Tags that make the order; an engine has them read at indexing."""

_MARKERS = frozenset((NOT_IN_INSTANCE, NOT_STORED, EMPTY_STRING))
# Cosine between normals that count as parallel: 8 degrees.
_PARALLEL = 0.99
_KEPT_SERIES, _KEPT_S = 16, 5.0

Vector = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class OrderedInstance:
    """One local instance; ``position`` is along the normal of the series in mm, None where the order is by number."""

    SOPInstanceUID: str
    InstanceNumber: int | None
    NumberOfFrames: int
    path: str
    position: float | None = None

    @property
    def frames(self) -> int:
        """Number of frames, at least one."""
        return max(1, self.NumberOfFrames)


class SliceOrder:
    """Ordered instances of the series of one database; the last series are kept for a few seconds.

    Parameters
    ----------
    database : LocalDatabase
        The open database.
    """

    def __init__(self, database: LocalDatabase) -> None:
        self._database = database
        self._lock = Lock()
        self._kept: OrderedDict[str, tuple[tuple[int, int], float, list[OrderedInstance]]] = OrderedDict()

    def of(self, series: str) -> list[OrderedInstance]:
        """Local instances of a series in order, none if it has none; the list is shared and not to be changed."""
        mark = self._mark(series)
        with self._lock:
            kept = self._kept.get(series)
            if kept is not None and kept[0] == mark and time.monotonic() - kept[1] < _KEPT_S:
                return kept[2]
        ordered = self._ordered(series)
        with self._lock:
            self._kept[series] = (mark, time.monotonic(), ordered)
            self._kept.move_to_end(series)
            while len(self._kept) > _KEPT_SERIES:
                self._kept.popitem(last=False)
        return ordered

    def _mark(self, series: str) -> tuple[int, int]:
        """Changes when instances come or go; answered by an index."""
        sql = "SELECT COUNT(*), COALESCE(MAX(rowid), 0) FROM Images WHERE SeriesInstanceUID = ?"
        count, last = self._database.connections.rows(sql, (series,))[0]
        return int(count), int(last)

    def _ordered(self, series: str) -> list[OrderedInstance]:
        records = [record for record in self._database.reader.instances_of_series(series) if record.path]
        instances = [
            OrderedInstance(record.SOPInstanceUID, record.InstanceNumber, record.NumberOfFrames or 1, record.path)
            for record in records
        ]
        if len(instances) < 2:
            return instances
        values = self._values(records)
        planes = [values.get(record.SOPInstanceUID, {}) for record in records]
        positions = [_numbers(plane.get(_POSITION, ""), 3) for plane in planes]
        orientations = [_numbers(plane.get(_ORIENTATION, ""), 6) for plane in planes]
        return in_slice_order(instances, positions, orientations)

    def _values(self, records: Sequence[InstanceRecord]) -> dict[str, dict[str, str]]:
        cache = self._database.tag_cache
        known = cache.values([record.SOPInstanceUID for record in records], ORDER_TAGS)
        lacking = [record for record in records if len(known.get(record.SOPInstanceUID, {})) < len(ORDER_TAGS)]
        if not lacking:
            return known
        read = {record.SOPInstanceUID: _read(record.path) for record in lacking}
        known.update(read)
        if not self._database.read_only:
            rows = [(sop, tag, value) for sop, values in read.items() for tag, value in values.items()]
            try:
                self._database.writer.add_cached_tags(rows)
            except VisualDICOMError:  # a cache that is busy or full only costs the next look a little time
                return known
        return known


def in_slice_order(
    instances: Sequence[OrderedInstance], positions: Sequence[Vector | None], orientations: Sequence[Vector | None]
) -> list[OrderedInstance]:
    """`instances` (by number) by their position along the common normal; as they are where that is not known."""
    normals = [_normal(orientation) for orientation in orientations]
    first = normals[0] if normals else None
    if first is None or any(position is None for position in positions):
        return list(instances)
    placed = []
    for instance, position, normal in zip(instances, positions, normals, strict=True):
        if normal is None or position is None or abs(_dot(first, normal)) < _PARALLEL:
            return list(instances)
        placed.append(replace(instance, position=round(_dot(first, position), 4)))
    return sorted(placed, key=lambda instance: instance.position or 0.0)


def _read(path: str) -> dict[str, str]:
    from VisualDICOMBrowserLib.database.header_scan import scan_file

    try:
        values = scan_file(Path(path), ORDER_TAGS).values
    except VisualDICOMError:
        return {}
    return {tag: values.get(tag) or NOT_IN_INSTANCE for tag in ORDER_TAGS}


def _numbers(text: str, count: int) -> Vector | None:
    if text in _MARKERS:
        return None
    try:
        values = tuple(float(part) for part in text.split("\\"))
    except ValueError:
        return None
    return values if len(values) == count else None


def _normal(orientation: Vector | None) -> Vector | None:
    if orientation is None:
        return None
    (a, b, c), (d, e, f) = orientation[:3], orientation[3:]
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    length = _dot(normal, normal) ** 0.5
    return tuple(part / length for part in normal) if length > 0.5 else None


def _dot(one: Vector, other: Vector) -> float:
    return sum(left * right for left, right in zip(one, other, strict=True))
