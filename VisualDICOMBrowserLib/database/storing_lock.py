"""A lock that the operating system holds for a process and drops when the process ends, however it ends.

Used to tell living sessions from dead ones, and to have one engine per database. The lock file stays behind
after a crash; only the lock on it says that somebody lives. One owner per object.
"""

from __future__ import annotations

import contextlib
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
    """Lock on the file at `path`, which is created if need be.

    Parameters
    ----------
    path : Path
        The lock file.
    keep_file : bool
        Leave the file where it is on release, for a lock that is taken again and again.
    """

    def __init__(self, path: Path, *, keep_file: bool = False) -> None:
        self.path = path
        self._keep_file = keep_file
        self._descriptor = -1

    def acquire(self) -> bool:
        """Take the lock; False if another process, or another object here, has it."""
        # Not inherited by child processes, or they would hold the lock after this process has ended.
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
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
        """Remove the file, unless it is to be kept, and drop the lock; idempotent."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return
        if self._keep_file:
            os.close(descriptor)
        elif sys.platform == "win32":
            # An open file cannot be removed there, also when somebody else has opened it meanwhile.
            os.close(descriptor)
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)
        else:
            self.path.unlink(missing_ok=True)
            os.close(descriptor)
