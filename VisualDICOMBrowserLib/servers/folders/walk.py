"""What lies in a folder of DICOM files right now: the files with what tells whether they changed, and faults.

Reads names, sizes and times, never contents. Also turns the faults of a folder (a drive that is off, a right that
is missing) into sentences, and asks folders that may hang on a dead network drive from a thread of their own.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.errors import NetworkError, PeerError, PeerTimeoutError, UsageError, VisualDICOMError
from VisualDICOMBrowserLib.model import JobControl
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.folders.lock import OWN_PREFIX

__all__ = ["FolderWalk", "SeenFile", "folder_fault", "reach"]

_PART_SUFFIX = ".part"
# A DICOMDIR is an index of other files, and a zip archive is for an import by hand.
_NOT_TAKEN = ("DICOMDIR",)
_NOT_TAKEN_SUFFIXES = (_PART_SUFFIX, ".zip")
_CHECK_EVERY = 500


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A file in the folder: its path below it with ``/``, size in bytes and times in nanoseconds.

    ``changed_ns`` is when the file system itself last saw a change, which no copying program can set back.
    """

    relative: str
    path: str
    size: int
    modified_ns: int
    changed_ns: int


class FolderWalk:
    """Walks through a folder once.

    Parameters
    ----------
    folder : Path
    recursive : bool
        Also through its subfolders.
    excluded : Path, optional
        A folder that is left out: that of the database.
    include_hidden : bool
        Also files and folders whose names begin with a dot.

    Attributes
    ----------
    faults : list of str
        One sentence for each subfolder that could not be read.
    """

    def __init__(
        self, folder: Path, *, recursive: bool, excluded: Path | None = None, include_hidden: bool = True
    ) -> None:
        self._folder = str(folder.absolute())
        self._recursive = recursive
        self._excluded = os.path.realpath(excluded) if excluded else ""
        self._include_hidden = include_hidden
        self.faults: list[str] = []

    def files(self, control: JobControl) -> Iterator[SeenFile]:
        """Files in the order of their names.

        Raises
        ------
        OSError
            The folder itself cannot be read.
        JobCancelled
        """
        visited: set[tuple[int, int]] = set()
        waiting = [(self._folder, "")]
        while waiting:
            folder, relative = waiting.pop()
            control.raise_if_cancelled()
            try:
                entries = self._entries(folder, visited)
            except OSError as error:
                if not relative:
                    raise
                self.faults.append(f"The subfolder {relative} cannot be read: {error.strerror or error}.")
                continue
            subfolders = []
            for number, entry in enumerate(entries):
                if number % _CHECK_EVERY == 0:
                    control.raise_if_cancelled()
                below = f"{relative}/{entry.name}" if relative else entry.name
                seen = _seen(entry, below)
                if isinstance(seen, SeenFile):
                    yield seen
                elif seen and self._recursive:
                    subfolders.append((entry.path, below))
            waiting.extend(reversed(subfolders))

    def _entries(self, folder: str, visited: set[tuple[int, int]]) -> list[os.DirEntry[str]]:
        """What is listed in a folder; nothing the second time, and nothing of the database's own folder."""
        status = Path(folder).stat()
        identity = (status.st_dev, status.st_ino)
        if identity in visited or (self._excluded and os.path.realpath(folder) == self._excluded):
            return []
        visited.add(identity)
        with os.scandir(folder) as listed:
            return sorted((entry for entry in listed if self._is_wanted(entry.name)), key=_name)

    def _is_wanted(self, name: str) -> bool:
        if name.startswith(OWN_PREFIX) or name.upper() in _NOT_TAKEN or name.lower().endswith(_NOT_TAKEN_SUFFIXES):
            return False
        return self._include_hidden or not name.startswith(".")


def _opened(folder: str) -> None:
    """Open a folder for reading its names, and close it."""
    with os.scandir(folder):
        pass


def reach(config: ServerConfig, look: Callable[[str], object] = _opened) -> float:
    """Seconds until the folder answered.

    The folder is asked from a daemon thread, since a dead network drive can block whoever touches it for good.

    Raises
    ------
    PeerTimeoutError, NetworkError, PeerError, UsageError
        It does not answer in time, is not there, may not be read, or is no folder.
    """
    failures: list[OSError] = []
    answered = threading.Event()

    def ask() -> None:
        try:
            look(config.folder)
        except OSError as error:
            failures.append(error)
        answered.set()

    started = time.monotonic()
    threading.Thread(target=ask, name="folder-reach", daemon=True).start()
    if not answered.wait(config.timeout_s):
        message = f"{config.name}: the folder {config.folder} did not answer in {config.timeout_s:g} s."
        raise PeerTimeoutError(
            message, server=config.name, subject=config.folder, next_step="Is the network drive connected?"
        )
    if failures:
        raise folder_fault(config, failures[0]) from failures[0]
    return time.monotonic() - started


def folder_fault(config: ServerConfig, error: OSError) -> VisualDICOMError:
    """Why a folder cannot be used, as a sentence."""
    where: dict[str, Any] = {"server": config.name, "subject": config.folder}
    if isinstance(error, NotADirectoryError):
        return UsageError(f"{config.name}: {config.folder} is no folder.", next_step="Choose a folder.", **where)
    if isinstance(error, PermissionError):
        message = f"{config.name}: the folder {config.folder} may not be used (permission denied)."
        return PeerError(message, code="no_right", next_step="Ask for the right to read it.", **where)
    if isinstance(error, FileNotFoundError):
        message = f"{config.name}: the folder {config.folder} is not there."
        next_step = "Connect its drive, or correct the path."
        return NetworkError(message, code="unreachable", next_step=next_step, **where)
    if error.errno in (errno.ETIMEDOUT, getattr(errno, "ESTALE", 0), errno.EIO, errno.EHOSTDOWN, errno.ENOTCONN):
        message = f"{config.name}: the drive of the folder {config.folder} does not answer."
        return NetworkError(message, code="unreachable", next_step="Is the network drive connected?", **where)
    message = f"{config.name}: the folder {config.folder} cannot be read: {error.strerror or error}."
    return NetworkError(message, code="unreachable", **where)


def _seen(entry: os.DirEntry[str], relative: str) -> SeenFile | bool:
    """The file of an entry; else whether it is a folder."""
    try:
        status = entry.stat()
    except OSError:
        return False  # gone meanwhile, or a link that points to nothing
    if stat.S_ISREG(status.st_mode):
        return SeenFile(relative, entry.path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return stat.S_ISDIR(status.st_mode)


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name
