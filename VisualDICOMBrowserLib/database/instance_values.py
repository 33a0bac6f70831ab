"""What instances say of themselves that the tables do not have: number, class, size, frames.

Values come from the tag cache in one query; where an import has not cached them yet they are read from the
file. Any thread; nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from VisualDICOMBrowserLib.database.tag_cache import EMPTY_STRING, NOT_IN_INSTANCE, NOT_STORED, TagCache
from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.model import InstanceRecord

__all__ = ["InstanceValues"]

_CLASS, _NUMBER, _FRAMES, _ROWS, _COLUMNS = "0008,0016", "0020,0013", "0028,0008", "0028,0010", "0028,0011"
_TAGS = (_CLASS, _NUMBER, _FRAMES, _ROWS, _COLUMNS)
_MARKERS = frozenset((NOT_IN_INSTANCE, NOT_STORED, EMPTY_STRING))


class InstanceValues:
    """Makes instance records from rows and cached values."""

    def __init__(self, tag_cache: TagCache) -> None:
        self._tag_cache = tag_cache

    def cached(self, sop_uids: Sequence[str], tags: Sequence[str]) -> dict[str, dict[str, str]]:
        """Cached values by SOP Instance UID and tag, without markers; instances that lack one are left out."""
        found = self._tag_cache.values(sop_uids, tags)
        return {
            sop: values
            for sop, values in found.items()
            if len(values) == len(tags) and not _MARKERS.intersection(values.values())
        }

    def records(self, rows: Iterable[tuple[str, str, str, str]]) -> list[InstanceRecord]:
        """Records for rows ``(SOPInstanceUID, absolute path, SeriesInstanceUID, StudyInstanceUID)``."""
        known = list(rows)
        cached = self._tag_cache.values([row[0] for row in known], _TAGS)
        return [_record(row, cached.get(row[0])) for row in known]


def _record(row: tuple[str, str, str, str], cached: dict[str, str] | None) -> InstanceRecord:
    sop, path, series, study = row
    values = cached if cached is not None and _NUMBER in cached else _read(path)
    return InstanceRecord(
        SOPInstanceUID=sop,
        SOPClassUID=_value(values, _CLASS),
        SeriesInstanceUID=series,
        StudyInstanceUID=study,
        InstanceNumber=_number(values, _NUMBER),
        Rows=_number(values, _ROWS),
        Columns=_number(values, _COLUMNS),
        NumberOfFrames=_number(values, _FRAMES),
        path=path,
    )


def _read(path: str) -> dict[str, str]:
    from VisualDICOMBrowserLib.database.header_scan import scan_file

    try:
        return dict(scan_file(Path(path), _TAGS).values)
    except VisualDICOMError:
        return {}


def _value(values: dict[str, str], tag: str) -> str:
    value = values.get(tag, "")
    return "" if value in _MARKERS else value


def _number(values: dict[str, str], tag: str) -> int | None:
    text = _value(values, tag).split("\\")[0].strip()
    try:
        return int(text)
    except ValueError:
        return None
