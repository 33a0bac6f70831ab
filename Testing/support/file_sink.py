"""A real `InstanceSink` without a database, and a `JobControl` that tests can cancel and look into."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from VisualDICOMBrowserLib.errors import JobCancelled
from VisualDICOMBrowserLib.model import ReceivedFile, StoredInstance


class FileSink:
    """Keeps received instances as ``.part`` files in a folder.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    on_add : callable, optional
        Called with the number of files so far, after each.
    """

    def __init__(self, folder: Path, on_add: Callable[[int], None] = lambda count: None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.files: list[ReceivedFile] = []
        self.stored_elsewhere: list[StoredInstance] = []
        self._on_add = on_add
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def new_part(self) -> Path:
        """A fresh path."""
        with self._lock:
            return self.folder / f"{next(self._numbers)}.part"

    def add(self, received: ReceivedFile) -> None:
        """Keep a whole file."""
        assert received.path.stat().st_size == received.size
        with self._lock:
            self.files.append(received)
        self._on_add(len(self.files))

    def discard(self, path: Path) -> None:
        """Remove a file that did not become whole."""
        path.unlink(missing_ok=True)

    def stored(self, instances: Sequence[StoredInstance]) -> None:
        """Note instances that came by another way."""
        with self._lock:
            self.stored_elsewhere += instances

    def stray_files(self) -> list[str]:
        """Names of files in the folder that were never added."""
        added = {received.path.name for received in self.files}
        return sorted(path.name for path in self.folder.iterdir() if path.name not in added)


class ControlOfTest:
    """`JobControl` that remembers what it was told and is cancelled by `cancel`."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()
        self._callbacks: list[Callable[[], None]] = []
        self.messages: list[str] = []
        self.last_progress: tuple[int, int | None, int | None] = (0, None, None)

    @property
    def cancel_requested(self) -> bool:
        """True once `cancel` was called."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Ask for the end."""
        self._cancelled.set()
        for callback in self._callbacks:
            callback()

    def raise_if_cancelled(self) -> None:
        """Raise `JobCancelled` once `cancel` was called."""
        if self._cancelled.is_set():
            message = "The test cancelled this."
            raise JobCancelled(message)

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Call `callback` at `cancel`."""
        self._callbacks.append(callback)

    def progress(self, done: int, total: int | None = None, received_bytes: int | None = None) -> None:
        """Remember the last progress."""
        self.last_progress = (done, total, received_bytes)

    def log(self, message: str) -> None:
        """Remember a sentence."""
        self.messages.append(message)
