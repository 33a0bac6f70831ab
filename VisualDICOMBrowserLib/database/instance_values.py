"""What instances say of themselves that the tables do not have: number, class, size, frames.

Values come from the tag cache in one query; where an import has not cached them yet they are read from the
file. Any thread; nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from VisualDICOMBrowserLib.database.tag_cache import EMPTY_STRING, NOT_IN_INSTANCE, NOT_STORED, TagCache
from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.model import InstanceRecord

__all__ = ["InstanceValues"]

_CLASS, _NUMBER, _FRAMES, _ROWS, _COLUMNS = "0008,0016", "0020,0013", "0028,0008", "0028,0010", "0028,0011"
_TAGS = (_CLASS, _NUMBER, _FRAMES, _ROWS, _COLUMNS)
_MOST_READ = 200
_MARKERS = frozenset((NOT_IN_INSTANCE, NOT_STORED, EMPTY_STRING))


class InstanceValues:
    """Makes instance records from rows and cached values."""

    def __init__(self, tag_cache: TagCache) -> None:
        self._tag_cache = tag_cache

    def texts(self, paths: Mapping[str, str], tag: str) -> dict[str, str]:
        """Value of `tag` of instances, whose absolute paths are given by SOP Instance UID; empty where there is none.

        Right after an import the cache is not yet written; values that it lacks are read from some 200 files at most.
        """
        cached = self._tag_cache.values(list(paths), [tag])
        found = {sop: _value(values, tag) for sop, values in cached.items()}
        for sop in [sop for sop in paths if sop not in found][:_MOST_READ]:
            found[sop] = _value(_read(paths[sop], (tag,)), tag)
        return found

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


def _read(path: str, tags: Sequence[str] = _TAGS) -> dict[str, str]:
    from VisualDICOMBrowserLib.database.header_scan import scan_file

    try:
        return dict(scan_file(Path(path), tags).values)
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
