"""The lock that lets one engine work on a database folder. Only ``relay`` takes it; any thread."""

from __future__ import annotations

from pathlib import Path

from VisualDICOMBrowserLib.database.storing_lock import SessionLock
from VisualDICOMBrowserLib.errors import StorageFault

__all__ = ["take_engine_lock"]


def take_engine_lock(path: Path) -> SessionLock | None:
    """The lock on the file `path` (made if needed), None while somebody else holds it.

    Raises
    ------
    StorageFault
        The file cannot be made or opened.
    """
    lock = SessionLock(path, keep_file=True)
    try:
        return lock if lock.acquire() else None
    except OSError as error:
        message = f"The lock file {path} cannot be opened: {error.strerror}."
        step = "Check the permissions of the database folder."
        raise StorageFault(message, subject=str(path), next_step=step) from error
