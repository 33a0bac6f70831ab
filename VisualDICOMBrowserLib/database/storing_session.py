"""The folder in which one running program puts files that are on their way into the database.

A session is a folder ``<incoming>/<session>/`` and a lock file beside it, ``<incoming>/<session>.lock``,
that is locked before the folder exists. A folder whose lock is free belongs to a program that ended
without cleaning up. Safe from several threads.
"""

from __future__ import annotations

import errno
import itertools
import os
import secrets
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

from VisualDICOMBrowserLib.database.storing_layout import PART_SUFFIX
from VisualDICOMBrowserLib.database.storing_lock import SessionLock
from VisualDICOMBrowserLib.errors import StorageFault

__all__ = ["StoreSession", "dead_sessions", "is_disk_fault", "storage_fault"]

_LOCK_SUFFIX = ".lock"
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


class StoreSession:
    """One program's folder below `incoming`, made when it is first needed."""

    def __init__(self, incoming: Path) -> None:
        self._incoming = incoming
        self._lock = threading.Lock()
        self._session_lock: SessionLock | None = None
        self._counter = itertools.count(1)
        self._folder: Path | None = None
        self._closed = False

    @property
    def name(self) -> str:
        """Name of the session's folder, empty before it was needed."""
        return self._folder.name if self._folder else ""

    def folder(self) -> Path:
        """The session's folder, which exists.

        Raises
        ------
        StorageFault
            It cannot be made.
        """
        with self._lock:
            if self._folder is None:
                if self._closed:
                    message = "The store of incoming files is closed."
                    raise StorageFault(message, code="store_closed")
                self._folder = self._made()
            return self._folder

    def new_path(self, suffix: str) -> Path:
        """A path that was not given before, named by a counter; not created."""
        return self.folder() / f"{next(self._counter):08d}{suffix}"

    def close(self) -> None:
        """Remove incomplete files and drop the lock; what the next start has to finish stays."""
        with self._lock:
            self._closed = True
            if self._folder is None or self._session_lock is None:
                return
            for part in self._folder.glob("*" + PART_SUFFIX):
                part.unlink(missing_ok=True)
            _remove_if_empty(self._folder)
            self._session_lock.release()
            self._folder = None
        _remove_if_empty(self._incoming)

    def _made(self) -> Path:
        for _ in range(10):
            folder = self._incoming / f"{os.getpid()}-{secrets.token_hex(4)}"
            lock = SessionLock(folder.with_name(folder.name + _LOCK_SUFFIX))
            try:
                self._incoming.mkdir(parents=True, exist_ok=True)
                if lock.acquire():
                    self._session_lock = lock
                    folder.mkdir()
                    return folder
            except FileNotFoundError:
                # Another session just removed the empty parent folder.
                continue
            except OSError as error:
                raise storage_fault(error, self._incoming) from error
        message = f"No folder for incoming files can be made in {self._incoming}."
        raise StorageFault(message, subject=str(self._incoming))


def dead_sessions(incoming: Path, own_name: str) -> Iterator[Path]:
    """Folders of sessions that nobody holds; each is locked while the caller looks at it, then removed."""
    if not incoming.is_dir():
        return
    names = {path.name.removesuffix(_LOCK_SUFFIX) for path in incoming.iterdir()}
    for name in sorted(names - {own_name}):
        lock = SessionLock(incoming / (name + _LOCK_SUFFIX))
        if not lock.acquire():
            continue
        folder = incoming / name
        try:
            if folder.is_dir():
                yield folder
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            lock.release()
    _remove_if_empty(incoming)


def is_disk_fault(error: OSError) -> bool:
    """Whether copying failed because of the disk of the database, and not of the file that is read."""
    return error.errno in (errno.EROFS, *_FULL)


def storage_fault(error: OSError, where: Path) -> StorageFault:
    """The error of a disk as a sentence for a person."""
    if error.errno in _FULL:
        message = f"The disk is full: {where} cannot be written."
        return StorageFault(message, code="disk_full", subject=str(where), next_step="Free some space and try again.")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        message = f"{where} may not be written."
        return StorageFault(message, subject=str(where), next_step="Check the permissions of the database folder.")
    return StorageFault(f"Writing to {where} failed: {error.strerror or error}.", subject=str(where))


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return
