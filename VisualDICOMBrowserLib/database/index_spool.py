"""Spool files: header values that wait on the disk for their place in the tag cache.

A spool file is text, one JSON document a line: first the tags, then two lines for each batch, the paths of
the files and the answer of the header scan to them. Lines are appended before the rows they belong to are
committed; a last line that a crash cut off is ignored. `Spool` is safe from any thread, the rest is pure.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from VisualDICOMBrowserLib.database.records import ScannedFile
from VisualDICOMBrowserLib.database.storing_layout import SPOOL_SUFFIX
from VisualDICOMBrowserLib.database.storing_session import StoreSession, storage_fault
from VisualDICOMBrowserLib.database.tag_cache import TagRow, rows_of_file

__all__ = [
    "FileToCache",
    "Spool",
    "SpooledBatch",
    "files_of",
    "read_spool",
    "rows_of",
    "same_path",
    "scanned_file",
]

FileToCache = tuple[ScannedFile, tuple[str, ...]]
"""A scanned file and the tags that go into the cache."""

_SEGMENT_BYTES = 32 * 1024 * 1024


@dataclass
class _Segment:
    """One spool file and how much of it is still needed."""

    path: Path
    file: IO[bytes]
    keys: tuple[str, ...]
    cached: frozenset[str]
    unfinished: int = 0


@dataclass
class SpooledBatch:
    """A batch of scanned files in a spool file; ``accepted`` are the indexes of those that were indexed."""

    segment: _Segment
    offset: int
    accepted: tuple[int, ...] = ()


class Spool:
    """The spool files of a session; a file goes when everything in it is finished.

    Parameters
    ----------
    session : StoreSession
        Gives the folder.
    """

    def __init__(self, session: StoreSession) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._current: _Segment | None = None

    def append(self, keys: tuple[str, ...], cached: frozenset[str], paths: bytes, answer: bytes) -> SpooledBatch:
        """Write one batch; both lines end with a line feed.

        Raises
        ------
        StorageFault
            The disk is full or failed.
        """
        with self._lock:
            try:
                segment = self._segment_for(keys, cached)
                offset = segment.file.tell()
                segment.file.write(paths + answer)
                segment.file.flush()
            except OSError as error:
                self._abandon()
                raise storage_fault(error, self._session.folder()) from error
            segment.unfinished += 1
            return SpooledBatch(segment, offset)

    def finish(self, batch: SpooledBatch) -> None:
        """Forget a batch that is in the cache, or will never be."""
        with self._lock:
            batch.segment.unfinished -= 1
            if batch.segment.unfinished == 0:
                self._retire(batch.segment)

    def close(self) -> None:
        """Close the files; what is unfinished stays on the disk."""
        with self._lock:
            if self._current is not None:
                self._current.file.close()
                self._current = None

    def _segment_for(self, keys: tuple[str, ...], cached: frozenset[str]) -> _Segment:
        current = self._current
        if current is not None:
            same = current.keys == keys and current.cached == cached
            if same and current.file.tell() < _SEGMENT_BYTES:
                return current
            current.file.close()
            self._current = None
            if current.unfinished == 0:
                current.path.unlink(missing_ok=True)
        path = self._session.new_path(SPOOL_SUFFIX)
        file = path.open("wb")
        file.write(json.dumps({"keys": keys, "cached": sorted(cached)}).encode() + b"\n")
        self._current = _Segment(path, file, keys, cached)
        return self._current

    def _abandon(self) -> None:
        """Write no more to the present file, whose last batch is cut off; what it holds besides stays."""
        current, self._current = self._current, None
        if current is None:
            return
        with contextlib.suppress(OSError):
            # Closing tries once more to write what the disk has just refused.
            current.file.close()
        if current.unfinished == 0:
            current.path.unlink(missing_ok=True)

    def _retire(self, segment: _Segment) -> None:
        if segment is self._current:
            self._current = None
        segment.file.close()
        segment.path.unlink(missing_ok=True)


def files_of(batches: Sequence[SpooledBatch]) -> list[FileToCache]:
    """The accepted files of `batches`."""
    files: list[FileToCache] = []
    for batch in batches:
        segment = batch.segment
        cached = tuple(sorted(segment.cached))
        with segment.path.open("rb") as file:
            file.seek(batch.offset)
            paths, answer = json.loads(file.readline()), json.loads(file.readline())
        for index in batch.accepted:
            files.append((scanned_file(paths[index], segment.keys, answer[index]), cached))
    return files


def read_spool(path: Path) -> Iterator[list[FileToCache]]:
    """The files in a spool file that a dead session left, batch by batch, up to where it was cut off."""
    with path.open("rb") as file:
        try:
            head = json.loads(file.readline())
            while line := file.readline():
                paths, answer = json.loads(line), json.loads(file.readline())
                yield [
                    (scanned_file(name, head["keys"], row), tuple(head["cached"]))
                    for name, row in zip(paths, answer, strict=True)
                    if isinstance(row, list)
                ]
        except (ValueError, KeyError, TypeError):
            return


def rows_of(files: Sequence[FileToCache]) -> list[TagRow]:
    """Tag cache rows of files, sorted by SOP Instance UID and tag."""
    ordered = sorted(files, key=lambda pair: pair[0].SOPInstanceUID)
    return [row for file, cached in ordered for row in rows_of_file(file, cached)]


def same_path(path: str, other: str | None) -> bool:
    """Whether two absolute paths are written alike, but for what the system does not tell apart."""
    return other is not None and (path == other or _plain(path) == _plain(other))


def _plain(path: str) -> str:
    return os.path.normcase(os.path.normpath(path))


def scanned_file(path: str, keys: Sequence[str], row: list[Any], *, owned: bool = False) -> ScannedFile:
    """Record of a file from its row in the answer of a header scan."""
    values = {key: value for key, value in zip(keys, row[1:], strict=True) if value is not None}
    return ScannedFile(path, owned, row[0], values)
