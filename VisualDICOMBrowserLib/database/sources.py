"""What an import is given, and the files in it.

Walks through files, folders (recursively), DICOMDIRs and finds zip archives; says of everything it cannot
follow why. Does not open files except DICOMDIRs: whether a file is DICOM is for the header scan. Lazy,
keeps one folder's names at a time. One thread per walk.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from VisualDICOMBrowserLib.database.index_dicomdir import DICOMDIR_NAME, listed_files
from VisualDICOMBrowserLib.errors import RejectedFileError

__all__ = ["Candidate", "Sources"]

_ZIP_SUFFIX = ".zip"
_HIDDEN_ATTRIBUTE = 0x2


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file to look at.

    ``kind`` is ``"file"``, ``"archive"`` (a zip file) or ``"rejected"``, then with the ``reason``.
    """

    path: str
    kind: str = "file"
    reason: str = ""


class Sources:
    """The files below some paths, each folder once.

    Parameters
    ----------
    paths : sequence of Path
        Files, folders, DICOMDIRs and zip files.
    include_hidden : bool
        Also hidden files and folders; what was named itself is always looked at.
    excluded : Path, optional
        A folder that is left out wherever it is met: that of the database.
    """

    def __init__(self, paths: Sequence[Path], *, include_hidden: bool, excluded: Path | None) -> None:
        self._paths = [os.path.abspath(path) for path in paths]  # noqa: PTH100 - links are kept
        self._include_hidden = include_hidden
        self._excluded = os.path.realpath(excluded) if excluded is not None else None

    def __iter__(self) -> Iterator[Candidate]:
        """All files, in the order of the paths and of the names in each folder."""
        visited: set[tuple[int, int]] = set()
        for path in self._paths:
            if os.path.isdir(path):  # noqa: PTH112
                yield from self._walk(path, visited)
            elif os.path.basename(path).upper() == DICOMDIR_NAME:  # noqa: PTH119
                yield from self._listed(path, only_faults=False)
            else:
                yield self._named(path)

    def _walk(self, top: str, visited: set[tuple[int, int]]) -> Iterator[Candidate]:
        """Files below `top`, without recursion, a folder's files before its subfolders."""
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            # A link can lead back to a folder above it, or to one that was seen on another way.
            try:
                identity = _identity(folder)
                if identity in visited or self._is_excluded(folder):
                    continue
                visited.add(identity)
                with os.scandir(folder) as entries:
                    listed = sorted((entry for entry in entries if self._is_wanted(entry)), key=_name)
            except OSError as error:
                yield Candidate(folder, "rejected", f"The folder cannot be read: {error.strerror or error}.")
                continue
            subfolders = []
            for entry in listed:
                if _is_folder(entry):
                    subfolders.append(entry.path)
                elif entry.name.upper() == DICOMDIR_NAME:
                    yield from self._listed(entry.path, only_faults=True)
                else:
                    yield _candidate(entry.path)
            waiting.extend(reversed(subfolders))

    def _listed(self, dicomdir: str, *, only_faults: bool) -> Iterator[Candidate]:
        """Files that a DICOMDIR names; in a folder that is walked through anyway only what is wrong with them."""
        try:
            for path, reason in listed_files(Path(dicomdir)):
                if reason:
                    yield Candidate(path, "rejected", reason)
                elif not only_faults:
                    yield self._named(path)
        except RejectedFileError:
            # No DICOMDIR but for its name.
            yield self._named(dicomdir)

    def _named(self, path: str) -> Candidate:
        """Candidate for a file that was not met in a folder."""
        if self._is_excluded(os.path.dirname(path)):  # noqa: PTH120
            return Candidate(path, "rejected", "This file lies in the folder of the database itself.")
        return _candidate(path)

    def _is_excluded(self, folder: str) -> bool:
        if self._excluded is None:
            return False
        real = os.path.realpath(folder)
        return real == self._excluded or real.startswith(self._excluded + os.sep)

    def _is_wanted(self, entry: os.DirEntry[str]) -> bool:
        return self._include_hidden or not _is_hidden(entry)


def _candidate(path: str) -> Candidate:
    return Candidate(path, "archive" if path.lower().endswith(_ZIP_SUFFIX) else "file")


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


def _identity(folder: str) -> tuple[int, int]:
    """Device and file number of a folder, the same on whatever way it is reached."""
    status = Path(folder).stat()
    return status.st_dev, status.st_ino


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_hidden(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith("."):
        return True
    if os.name != "nt":
        return False
    attributes = getattr(entry.stat(follow_symlinks=False), "st_file_attributes", 0)
    return bool(attributes & _HIDDEN_ATTRIBUTE)
