"""A lock that the operating system holds for a process and drops when the process ends, however it ends.

Used to tell living sessions from dead ones. The lock file stays behind after a crash; only the lock on it
says that somebody lives. One owner per object.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["SessionLock"]

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _try_lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class SessionLock:
    """Lock on the file at `path`, which is created if need be."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    def acquire(self) -> bool:
        """Take the lock; False if another process, or another object here, has it."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
        try:
            _try_lock(descriptor)
            # Whoever cleans up may have removed the file between opening and locking.
            alive = os.path.samestat(os.fstat(descriptor), self.path.stat())
        except OSError:
            alive = False
        if not alive:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Remove the file and drop the lock."""
        if self._descriptor < 0:
            return
        if sys.platform == "win32":
            # An open file cannot be removed there.
            os.close(self._descriptor)
            self.path.unlink(missing_ok=True)
        else:
            self.path.unlink(missing_ok=True)
            os.close(self._descriptor)
        self._descriptor = -1
