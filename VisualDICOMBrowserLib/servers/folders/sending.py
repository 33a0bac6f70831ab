"""Sending to a folder: instances are copied into it under names that are safe on every system.

A file appears under its name only when it is whole and on the disk. Used by the driver, on the thread of its job.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from VisualDICOMBrowserLib.database.content import same_content
from VisualDICOMBrowserLib.errors import RejectedFileError, StorageFault, VisualDICOMError
from VisualDICOMBrowserLib.model import InstanceRecord, JobControl, SentInstance
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.driver import OnSent
from VisualDICOMBrowserLib.servers.folders.index import FolderIndex, KnownFile
from VisualDICOMBrowserLib.servers.folders.walk import folder_fault

__all__ = ["FolderSending"]

_AT_ONCE = 50
_STEP = 1 << 20


class FolderSending:
    """Copies instances into the folder of one server.

    Parameters
    ----------
    config : ServerConfig
    index : FolderIndex, optional
        Hears what we put there, so that a folder that is cleaned keeps it.
    control : JobControl
    on_sent : callable
        Hears of each instance once its file is on the disk under its name.
    """

    def __init__(self, config: ServerConfig, index: FolderIndex | None, control: JobControl, on_sent: OnSent) -> None:
        self._config = config
        self._folder = Path(config.folder).absolute()
        self._index = index
        self._control = control
        self._on_sent = on_sent

    def run(self, instances: Sequence[InstanceRecord]) -> None:
        """Copy all; one that cannot be read is told of, a folder that cannot be written ends the run.

        Raises
        ------
        StorageFault, NetworkError, PeerError
            The folder is full, gone, or may not be written.
        JobCancelled
        """
        for start in range(0, len(instances), _AT_ONCE):
            self._send(instances[start : start + _AT_ONCE])
            self._control.progress(min(start + _AT_ONCE, len(instances)), len(instances))

    def _send(self, instances: Sequence[InstanceRecord]) -> None:
        done: list[SentInstance] = []
        folders: set[Path] = set()
        try:
            for instance in instances:
                self._control.raise_if_cancelled()
                sent, target = self._copy(instance)
                done.append(sent)
                if target is not None:
                    folders.add(target.parent)
        except OSError as error:
            raise self._fault(error) from error
        finally:
            self._confirm(done, folders)

    def _confirm(self, done: Sequence[SentInstance], folders: set[Path]) -> None:
        """Tell of what is there, also before a fault or a cancel goes on."""
        try:
            _flush_folders(folders)
        except OSError as error:
            raise self._fault(error) from error
        if self._index is not None and folders:
            self._index.save()
        for sent in done:
            self._on_sent(sent)

    def _copy(self, instance: InstanceRecord) -> tuple[SentInstance, Path | None]:
        uid = instance.SOPInstanceUID
        source = Path(instance.path)
        target = self._folder / self._name(instance)
        try:
            opened = source.open("rb")
        except OSError as error:
            return _failed(uid, f"The file cannot be read: {error.strerror or error}."), None
        with opened:
            size = os.fstat(opened.fileno()).st_size
            if target.exists():
                return self._present(source, target, uid, size), None
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                _write_whole(opened, target)
            except RejectedFileError as error:
                return _failed(uid, error.message), None
        self._remember(instance, target)
        return SentInstance(SOPInstanceUID=uid, size=size), target

    @staticmethod
    def _present(source: Path, target: Path, uid: str, size: int) -> SentInstance:
        """What is said of an instance whose name is taken."""
        try:
            same = same_content(source, target)
        except RejectedFileError as error:
            return _failed(uid, error.message)
        if same:
            return SentInstance(SOPInstanceUID=uid, size=size, reason="It was there already.")
        return _failed(uid, f"Another file is there under the name {target.name}; it stays.")

    def _name(self, instance: InstanceRecord) -> Path:
        """Path below the folder: no text of an image but its number becomes part of a name."""
        series, own = _digest(instance.SeriesInstanceUID)[:8], _digest(instance.SOPInstanceUID)[:12]
        number = max(0, instance.InstanceNumber or 0)
        if not self._config.folder_recursive:
            return Path(f"{series}-{number:05d}-{own}.dcm")
        return Path(_digest(instance.StudyInstanceUID)[:8], series, f"{number:05d}-{own}.dcm")

    def _remember(self, instance: InstanceRecord, target: Path) -> None:
        if self._index is None:
            return
        status = target.stat()
        uids = (instance.SOPInstanceUID, instance.SeriesInstanceUID, instance.StudyInstanceUID)
        known = KnownFile(status.st_size, status.st_mtime_ns, "ours", *uids)
        self._index.note(target.relative_to(self._folder).as_posix(), known)
        self._index.came_from_here(known)

    def _fault(self, error: OSError) -> VisualDICOMError:
        if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
            message = f"{self._config.name}: the disk of the folder {self._folder} is full."
            return StorageFault(
                message,
                code="disk_full",
                server=self._config.name,
                subject=str(self._folder),
                next_step="Free some space there, then send again.",
            )
        if isinstance(error, (PermissionError, FileNotFoundError, NotADirectoryError)):
            return folder_fault(self._config, error)
        message = f"{self._config.name}: the folder {self._folder} cannot be written: {error.strerror or error}."
        return StorageFault(message, server=self._config.name, subject=str(self._folder))


def _failed(uid: str, reason: str) -> SentInstance:
    return SentInstance(SOPInstanceUID=uid, status="failed", reason=reason)


def _write_whole(opened: BinaryIO, target: Path) -> None:
    """Copy what is open to `target`, which appears when it is whole and on the disk.

    Raises
    ------
    RejectedFileError
        The source cannot be read.
    OSError
        The target cannot be written.
    """
    part = target.with_name(target.name + ".part")
    try:
        with part.open("wb") as written:
            while block := _read(opened):
                written.write(block)
            written.flush()
            os.fsync(written.fileno())
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _read(opened: BinaryIO) -> bytes:
    try:
        return opened.read(_STEP)
    except OSError as error:
        message = f"The file cannot be read: {error.strerror or error}."
        raise RejectedFileError(message) from error


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _flush_folders(folders: set[Path]) -> None:
    """Make names in folders outlive a power cut, where the system can do that."""
    if os.name == "nt":
        return
    for folder in folders:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError:
            pass
        finally:
            os.close(descriptor)
