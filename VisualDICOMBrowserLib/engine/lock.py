"""The lock that lets one engine work on a database folder, held by the operating system.

It ends with the process that holds it, however that ends, so there are no stale locks: files may stay
behind, the lock does not. Only ``relay`` and ``child`` take it. Any thread.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from VisualDICOMBrowserLib.errors import StorageFault

__all__ = ["EngineLock"]

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _try_lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class EngineLock:
    """A lock that is held; made by `try_take`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def try_take(cls, path: Path) -> EngineLock | None:
        """The lock on the file `path` (made if needed), None while somebody else holds it.

        Raises
        ------
        StorageFault
            The file cannot be made or opened.
        """
        try:
            # Not inherited by child processes, or they would hold the lock after this process has ended.
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            message = f"The lock file {path} cannot be opened: {error.strerror}."
            step = "Check the permissions of the database folder."
            raise StorageFault(message, subject=str(path), next_step=step) from error
        try:
            _try_lock(descriptor)
        except OSError:
            os.close(descriptor)
            return None
        return cls(descriptor)

    def release(self) -> None:
        """Let others take it; idempotent. The file stays, or two processes could lock two files of one name."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
