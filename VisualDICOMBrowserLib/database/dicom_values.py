"""Header values by file or instance, fast enough for plugins that ask some twenty of each file.

The first question about a file loads the rows and cached tags of its series; the next ones are look-ups in
memory. What is not cached is read from the file, kept, and written to the tag cache in portions. What is held is
checked against the database twice a second. Safe from any thread; whoever is done with it calls `flush`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from VisualDICOMBrowserLib.database.connection import ReadConnections
from VisualDICOMBrowserLib.database.paths import DatabasePaths
from VisualDICOMBrowserLib.database.tag_cache import EMPTY_STRING, NOT_IN_INSTANCE, NOT_STORED, TagCache, TagRow
from VisualDICOMBrowserLib.database.tag_kinds import has_no_text, significant
from VisualDICOMBrowserLib.errors import DatabaseFault, VisualDICOMError

__all__ = ["DicomValues", "normal_tag", "tag_of_numbers"]

_MOST_HELD = 20_000
_MOST_UNFILED = 2000
_AT_ONCE = 1000
_CHECK_EVERY_S = 0.5
_WRITE_AT = 400
_DEFERRED_BYTES = 4096
_NO_VALUE = frozenset((NOT_IN_INSTANCE, NOT_STORED, EMPTY_STRING))


class DicomValues:
    """Values of one opened database.

    Parameters
    ----------
    connections : ReadConnections
    paths : DatabasePaths
    tag_cache : TagCache
    writable : bool
        False never writes to the tag cache.
    clock : callable
        Seconds that never go backwards.
    """

    def __init__(
        self,
        connections: ReadConnections,
        paths: DatabasePaths,
        tag_cache: TagCache,
        *,
        writable: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connections = connections
        self._paths = paths
        self._tag_cache = tag_cache
        self._writable = writable
        self._clock = clock
        self._lock = threading.RLock()
        self._checked = -1.0
        self._version = (0, 0)
        self._instances: dict[str, str] = {}
        self._values: dict[str, dict[str, str]] = {}
        self._unfiled: dict[str, tuple[float, dict[str, str]]] = {}
        self._waiting: list[TagRow] = []

    def instance_of(self, path: str) -> str:
        """SOP Instance UID of a file of the database, empty if it is none of its files."""
        with self._lock:
            self._check()
            sop = self._instances.get(path)
            if sop is None:
                sop = self._load_series_of_file(path)
            return sop

    def value(self, sop: str, path: str, tag: str) -> str:
        """Value of an element, empty if there is none.

        Without `path` the file is that of the instance, without `sop` the file is none of the database.
        """
        raw = self._raw(sop, path, normal_tag(tag))
        return "" if raw in _NO_VALUE else raw

    def exists(self, sop: str, path: str, tag: str) -> bool:
        """Whether the element is there with a value, also one that is not kept (pixel data, sequences)."""
        return self._raw(sop, path, normal_tag(tag)) not in ("", NOT_IN_INSTANCE, EMPTY_STRING)

    def values_of(self, sop_uids: Sequence[str], tag: str) -> dict[str, str]:
        """Cached values of one tag by SOP Instance UID, without those that have none."""
        self.flush()
        cached = self._tag_cache.values(sop_uids, [normal_tag(tag)])
        found = {sop: values[normal_tag(tag)] for sop, values in cached.items()}
        return {sop: value for sop, value in found.items() if value not in _NO_VALUE}

    def forget(self) -> None:
        """Hold nothing any more, after the database was changed through the same object."""
        with self._lock:
            self._instances.clear()
            self._values.clear()
            self._unfiled.clear()

    def flush(self) -> None:
        """Write values that were read from files to the tag cache; failing that they are read again some time."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        if waiting and self._writable:
            try:
                self._tag_cache.add(waiting)
            except DatabaseFault:
                return

    def _raw(self, sop: str, path: str, tag: str) -> str:
        with self._lock:
            self._check()
            held = self._held(sop, path)
            value = held.get(tag)
            path = path or self._path_of(sop) if value is None else ""
            if path:
                value = _read(path, tag)
            if path and value is not None:
                held[tag] = value
                if sop:
                    self._waiting.append((sop, tag, value))
            due = len(self._waiting) >= _WRITE_AT
        if due:
            self.flush()
        return value or ""

    def _held(self, sop: str, path: str) -> dict[str, str]:
        if not sop:
            # A file that is not in the database is itself the key, as long as it is not written to.
            changed = _time_of_change(path)
            known = self._unfiled.get(path)
            if len(self._unfiled) > _MOST_UNFILED:
                self._unfiled.clear()
            if known is None or known[0] != changed:
                self._unfiled[path] = known = (changed, {})
            return known[1]
        if sop not in self._values:
            self._load("(SELECT SeriesInstanceUID FROM Images WHERE SOPInstanceUID = ?)", sop, sop)
        return self._values.setdefault(sop, {})

    def _path_of(self, sop: str) -> str:
        rows = self._connections.rows("SELECT Filename FROM Images WHERE SOPInstanceUID = ?", (sop,))
        return self._paths.absolute(rows[0][0] or "") if rows else ""

    def _load_series_of_file(self, path: str) -> str:
        forms = self._paths.lookup_forms(path)
        rows = self._connections.rows(
            f"SELECT SOPInstanceUID, SeriesInstanceUID FROM Images WHERE Filename IN ({', '.join('?' * len(forms))})",
            forms,
        )
        if not rows:
            return ""
        sop, series = str(rows[0][0]), rows[0][1]
        if sop not in self._values:
            self._load("?", series, sop)
        self._instances[path] = sop
        return sop

    def _load(self, series: str, key: str, wanted: str) -> None:
        """Load the instances of a series, or of a very long one those around the `wanted` instance.

        `series` is the SQL for its UID, in which `key` is the parameter.
        """
        sql = f"SELECT SOPInstanceUID, Filename FROM Images WHERE SeriesInstanceUID = {series} ORDER BY Filename"
        rows = [(sop, stored or "") for sop, stored in self._connections.rows(sql, (key,))]
        index = next((number for number, (sop, _) in enumerate(rows) if sop == wanted), 0)
        start = index - index % _AT_ONCE
        chosen = rows[start : start + _AT_ONCE]
        if len(self._values) > _MOST_HELD:
            self.forget()
        cached = self._tag_cache.values([sop for sop, _ in chosen])
        for sop, stored in chosen:
            self._values.setdefault(sop, cached.get(sop, {}))
            if stored:
                self._instances[self._paths.absolute(stored)] = sop

    def _check(self) -> None:
        """Let go of what is held if the database has changed since the last look."""
        now = self._clock()
        if now - self._checked < _CHECK_EVERY_S:
            return
        self._checked = now
        version = self._connections.version()
        if self._version != version:
            self._version = version
            self.forget()


def normal_tag(tag: str) -> str:
    """`tag` as it is cached: ``GGGG,EEEE`` in upper case, from that form or ``(gggg,eeee)``."""
    return tag.strip(" ()").replace(" ", "").upper()


def _read(path: str, tag: str) -> str | None:
    """Value or marker for the tag cache, None if the file cannot be read now, which says nothing of the tag."""
    from VisualDICOMBrowserLib.database.header_scan import read_values

    try:
        value = read_values(Path(path), [tag]).get(tag, "")
    except (VisualDICOMError, ValueError):
        return None
    if not value and has_no_text(tag) and _has_element(path, tag):
        value = NOT_STORED
    return significant(tag, value) or NOT_IN_INSTANCE


def _has_element(path: str, tag: str) -> bool:
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    number = int(tag.replace(",", ""), 16)
    try:
        # Long values such as pixel data stay on the disk.
        found = dcmread(path, specific_tags=[number], defer_size=_DEFERRED_BYTES)
        return number in found
    except (InvalidDicomError, OSError, ValueError, KeyError, AttributeError, NotImplementedError):
        return False


def _time_of_change(path: str) -> float:
    try:
        return Path(path).stat().st_mtime
    except (OSError, ValueError):
        return 0.0


def tag_of_numbers(group: int, element: int) -> str:
    """Tag text of a group and an element number."""
    return f"{group:04X},{element:04X}"
