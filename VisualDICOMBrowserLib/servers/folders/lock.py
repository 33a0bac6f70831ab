"""The lock file by which sessions share a folder of DICOM files: ``.visual-dicom-browser.lock``.

It names the process, the computer and the time, so that a person can see who is at work; a session that ended
without removing it is recognized. Two databases, two programs or two computers may look through one folder, so this
is a file in the folder and not a lock of one operating system. One owner per object; its thread ``folder-lock``
keeps the file fresh while the lock is held.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import secrets
import socket
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from VisualDICOMBrowserLib.database.storing_lock import SessionLock

__all__ = ["LOCK_NAME", "OWN_PREFIX", "FolderLock", "LockHolder"]

OWN_PREFIX = ".visual-dicom-browser"
"""What the names of our own files in a folder begin with."""

LOCK_NAME = OWN_PREFIX + ".lock"
_REFRESH_S = 30.0
_TRIES = 3
_LARGEST = 4096

# Sessions of locks that this very process holds.
_held: set[str] = set()


@dataclass(frozen=True, slots=True)
class LockHolder:
    """Who has a folder, as its lock file says; a lock file that cannot be read has no ``pid`` and no ``host``."""

    pid: int = 0
    host: str = ""
    session: str = ""
    touched: float = 0.0

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}" if self.pid else "another program"


class FolderLock:
    """The lock of one folder.

    Parameters
    ----------
    folder : Path
    stale_after_s : float
        Age at which a lock counts as left behind although its process cannot be asked (another computer), or
        although a process of that number lives (it may be another one).
    host : str
        Name of this computer.
    """

    def __init__(self, folder: Path, stale_after_s: float, *, host: str = "") -> None:
        self.path = folder / LOCK_NAME
        self._stale_after_s = stale_after_s
        self._host = host or socket.gethostname()
        self._session = ""
        self._released = threading.Event()
        self._thread: threading.Thread | None = None
        self.refused = False

    def acquire(self) -> LockHolder | None:
        """Take the lock; None if we have it now, else who has it.

        Where the folder may not be written there is no lock: None, and ``refused`` is set.

        Raises
        ------
        OSError
            The folder is not there.
        """
        holder = LockHolder()
        for _ in range(_TRIES):
            try:
                self._create()
            except FileExistsError:
                found = self._read()
                if found is None:
                    continue
                holder = found
                if not self._is_left(holder) or not self._take_away(holder):
                    return holder
                continue
            except PermissionError:
                self.refused = True
            except OSError:
                if not self.path.parent.is_dir():
                    raise
                self.refused = True
            return None
        return holder

    def is_ours(self) -> bool:
        """Whether the lock file still is the one we made; another session may have taken us for dead."""
        found = self._read() if self._session else None
        return found is not None and found.session == self._session

    def now(self) -> float:
        """The time by the clock that stamps files in the folder, which may be a server's."""
        if self.is_ours():
            with contextlib.suppress(OSError):
                os.utime(self.path)
                return self.path.stat().st_mtime
        return time.time()

    def release(self) -> None:
        """Remove the lock file; may be called again."""
        self._released.set()
        if self._thread is not None:
            self._thread.join()
        if self.is_ours():
            with contextlib.suppress(OSError):
                self.path.unlink()
        _held.discard(self._session)
        self._session = ""

    def _create(self) -> None:
        session = secrets.token_hex(8)
        text = json.dumps({"pid": os.getpid(), "host": self._host, "time": _now_text(), "session": session})
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            os.write(descriptor, text.encode())
        except OSError:
            with contextlib.suppress(OSError):
                self.path.unlink()
            raise
        finally:
            os.close(descriptor)
        _held.add(session)
        self._session = session
        self._thread = threading.Thread(target=self._keep_fresh, name="folder-lock", daemon=True)
        self._thread.start()

    def _keep_fresh(self) -> None:
        while not self._released.wait(_REFRESH_S):
            if self.is_ours():
                with contextlib.suppress(OSError):
                    os.utime(self.path)

    def _read(self) -> LockHolder | None:
        """Holder by the lock file, None if there is no such file."""
        try:
            touched = self.path.stat().st_mtime
            with self.path.open("rb") as file:
                fields = json.loads(file.read(_LARGEST))
            return LockHolder(int(fields["pid"]), str(fields["host"]), str(fields.get("session", "")), touched)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            # Just being written, or by a program that died while it wrote.
            with contextlib.suppress(OSError):
                return LockHolder(touched=self.path.stat().st_mtime)
            return None

    def _is_left(self, holder: LockHolder) -> bool:
        """Whether the holder is gone."""
        if holder.host == self._host and holder.pid:
            if holder.pid == os.getpid():
                # Numbers come again, in containers even at every start.
                return holder.session not in _held
            if not _lives(holder.pid):
                return True
        return self._clock_of_folder() - holder.touched > self._stale_after_s

    def _take_away(self, holder: LockHolder) -> bool:
        """Remove a lock that was left behind; one session at a time, so that nobody's fresh lock goes."""
        guard = SessionLock(self.path.with_name(OWN_PREFIX + ".takeover"))
        try:
            if not guard.acquire():
                return False
        except OSError:
            return False
        try:
            if self._read() != holder:
                return False
            self.path.unlink(missing_ok=True)
            return True
        except OSError:
            return False
        finally:
            guard.release()

    def _clock_of_folder(self) -> float:
        """The folder's clock where we have no lock file of our own."""
        probe = self.path.with_name(f"{OWN_PREFIX}.{secrets.token_hex(4)}.probe")
        try:
            os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
            try:
                return probe.stat().st_mtime
            finally:
                probe.unlink()
        except OSError:
            return time.time()


def _now_text() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


if sys.platform == "win32":

    def _lives(pid: int) -> bool:
        """Whether a process of that number runs on this computer."""
        import ctypes

        query, still_active = 0x1000, 259
        kernel = ctypes.windll.kernel32
        handle = kernel.OpenProcess(query, False, pid)
        if not handle:
            return False
        try:
            code = ctypes.c_ulong()
            return bool(kernel.GetExitCodeProcess(handle, ctypes.byref(code))) and code.value == still_active
        finally:
            kernel.CloseHandle(handle)

else:

    def _lives(pid: int) -> bool:
        """Whether a process of that number runs on this computer."""
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except (PermissionError, OverflowError):
            return True
        return True
