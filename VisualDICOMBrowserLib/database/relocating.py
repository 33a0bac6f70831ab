"""Finding files again that were moved: by the end of their path, proved by their SOP Instance UID.

A folder is looked through once for files of the names that are missed; a file is read only if it bears one. Rows
change for files that were found and for nothing else. Any thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from VisualDICOMBrowserLib.database.header_scan import scan_file
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.missing_files import MissingFile
from VisualDICOMBrowserLib.database.records import ScannedFile
from VisualDICOMBrowserLib.errors import RejectedFileError
from VisualDICOMBrowserLib.model import JobControl

__all__ = ["Relocation", "relocated"]

_AT_ONCE = 200

Relocation = tuple[MissingFile, ScannedFile]


def relocated(
    database: LocalDatabase, missing: Sequence[MissingFile], folder: Path, control: JobControl
) -> Iterator[list[Relocation]]:
    """Let rows be known by the files below `folder`; yields what was found, portion by portion, once it is written.

    Raises
    ------
    JobCancelled
        `control` was cancelled; what was yielded stays.
    """
    candidates = _Candidates(database, folder, {_name(each.path) for each in missing}, control)
    found: list[Relocation] = []
    for done, each in enumerate(missing, start=1):
        control.raise_if_cancelled()
        file = candidates.file_of(each)
        if file is not None:
            found.append((each, file))
        if len(found) >= _AT_ONCE or (found and done == len(missing)):
            _write(database, found)
            yield found
            found = []
        control.progress(done, len(missing))


class _Candidates:
    """Files of wanted names below a folder; each is read at most once."""

    def __init__(self, database: LocalDatabase, folder: Path, names: set[str], control: JobControl) -> None:
        self._tags = database.tags_to_precache
        self._paths: dict[str, list[str]] = {}
        self._uids: dict[str, tuple[str, str]] = {}
        for place, folders, files in os.walk(folder):
            control.raise_if_cancelled()
            folders.sort()
            for file in files:
                name = os.path.normcase(file)
                if name in names:
                    self._paths.setdefault(name, []).append(os.path.join(place, file))  # noqa: PTH118  (speed)

    def file_of(self, missing: MissingFile) -> ScannedFile | None:
        """The file that is the missed one, looked for where most of the path is the same first."""
        wanted = (missing.SOPInstanceUID, missing.SeriesInstanceUID)
        paths = self._paths.get(_name(missing.path), ())
        for path in sorted(paths, key=lambda path: -_common_end(path, missing.path)):
            known = self._uids.get(path)
            if known is not None and known != wanted:
                continue
            file = self._scanned(path)
            if file is not None and self._uids[path] == wanted:
                return file
        return None

    def _scanned(self, path: str) -> ScannedFile | None:
        try:
            file = scan_file(Path(path), self._tags)
        except RejectedFileError:
            self._uids[path] = ("", "")
            return None
        self._uids[path] = (file.SOPInstanceUID, file.SeriesInstanceUID)
        return file


def _write(database: LocalDatabase, found: Sequence[Relocation]) -> None:
    database.writer.relocate_files([(each.SOPInstanceUID, each.stored, file.path) for each, file in found])
    # The file may be another edition than the one that was indexed: what is cached is what it says.
    database.writer.add_cached_tags(row for _each, file in found for row in database.cached_tag_rows(file))


def _name(path: str) -> str:
    return os.path.normcase(os.path.basename(path))  # noqa: PTH119  (called for very many files)


def _common_end(one: str, other: str) -> int:
    """How many of the last parts of two paths are the same."""
    count = 0
    for left, right in zip(reversed(Path(one).parts), reversed(Path(other).parts), strict=False):
        if os.path.normcase(left) != os.path.normcase(right):
            break
        count += 1
    return count
