"""The steps for a folder: exists, readable, deletable (where it is cleaned up), DICOM found.

Only looks: nothing is imported or removed. One thread per walk; see ``diagnosis``.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import secrets
import stat
from pathlib import Path

from VisualDICOMBrowserLib.errors import PeerError
from VisualDICOMBrowserLib.servers.diagnosis.diagnosis import Omitted, Walk
from VisualDICOMBrowserLib.servers.folders.walk import FolderWalk, SeenFile, reach

__all__ = ["walk_folder"]

_MOST_FILES = 200
_PREFIX_AT = 128


def walk_folder(walk: Walk) -> None:
    """Take all steps of a folder."""
    folder = _FolderSteps(walk)
    walk.total = 4
    walk.run("exists", folder.exists)
    walk.run("readable", folder.readable, needs=("exists",))
    walk.run("deletable", folder.deletable, needs=("readable",))
    walk.run("dicom", folder.dicom, needs=("readable",))


class _FolderSteps:
    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._config = walk.config
        self._folder = Path(walk.config.folder)
        self._files: list[SeenFile] = []

    def exists(self) -> str:
        reach(self._config, _must_be_folder)
        return f"{self._folder} is there."

    def readable(self) -> str:
        reach(self._config)
        looked = FolderWalk(self._folder, recursive=self._config.folder_recursive)
        try:
            self._files = list(itertools.islice(looked.files(self._walk.control), _MOST_FILES))
        except OSError as fault:
            message = f"{self._config.name}: {self._folder} cannot be read: {fault.strerror or fault}."
            raise self._fault(message, "no_right", "Ask its owner for the right to read it.") from fault
        if looked.faults:
            raise self._fault(looked.faults[0], "no_right", "Ask its owner for the right to read it.")
        return "Its files can be listed."

    def deletable(self) -> str:
        if self._config.folder_mode != "move":
            message = "Files stay where they are, so no right to remove them is needed."
            raise Omitted(message)
        probe = self._folder / f".visual-dicom-test-{secrets.token_hex(4)}.part"
        try:
            probe.touch(exist_ok=False)
            probe.unlink()
        except OSError as fault:
            with contextlib.suppress(OSError):
                probe.unlink(missing_ok=True)
            message = f"{self._config.name}: files in {self._folder} cannot be removed: {fault.strerror or fault}."
            step = "Ask its owner for the right to write, or choose to copy without cleaning up."
            raise self._fault(message, "no_right", step) from fault
        return "Files can be removed after they were imported."

    def dicom(self) -> str:
        if not self._files:
            return "The folder is empty now."
        found, unreadable = 0, ""
        for seen in self._files:
            self._walk.control.raise_if_cancelled()
            try:
                found += _is_dicom(Path(seen.path))
            except OSError as fault:
                unreadable = unreadable or f"{seen.relative} cannot be read: {fault.strerror or fault}."
        if unreadable:
            message = f"{self._config.name}: {unreadable}"
            raise self._fault(message, "no_right", "Ask its owner for the right to read its files.")
        looked = f"the first {len(self._files)} files" if len(self._files) == _MOST_FILES else "its files"
        if not found:
            return f"No DICOM file was found among {looked}."
        return f"{found} of {looked} are DICOM." if found > 1 else f"One of {looked} is DICOM."

    def _fault(self, message: str, code: str, next_step: str) -> PeerError:
        return PeerError(message, code=code, server=self._config.name, next_step=next_step)


def _must_be_folder(path: str) -> None:
    if not stat.S_ISDIR(Path(path).stat().st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))


def _is_dicom(path: Path) -> bool:
    """Whether a file has DICOM's prefix (PS3.10 7.1)."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        return os.read(descriptor, _PREFIX_AT + 4)[_PREFIX_AT:] == b"DICM"
    finally:
        os.close(descriptor)
