"""One look into a folder: new files that stand still are imported, and removed if the folder is to be cleaned.

Called by the driver, and by the engine for a folder that is watched; one session at a time has the folder's lock.
A file is removed only when the database has a copy of its own and the file is the very one that was imported. Blocks
its thread; what was done before a cancel stays and is kept in mind.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from VisualDICOMBrowserLib.database.header_plan import plan_for
from VisualDICOMBrowserLib.database.header_scan import scan_values
from VisualDICOMBrowserLib.database.index_run import FileOutcome, FileReason
from VisualDICOMBrowserLib.errors import PeerError, RejectedFileError, UsageError
from VisualDICOMBrowserLib.model import InstanceRecord, JobControl, Level, Query
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.folders.index import FolderIndex, KnownFile, section_of_folder
from VisualDICOMBrowserLib.servers.folders.lock import FolderLock
from VisualDICOMBrowserLib.servers.folders.progress import ProgressOfParts
from VisualDICOMBrowserLib.servers.folders.walk import FolderWalk, SeenFile, folder_fault, reach
from VisualDICOMBrowserLib.settings import Settings

if TYPE_CHECKING:
    from VisualDICOMBrowserLib.database.local_database import LocalDatabase
    from VisualDICOMBrowserLib.servers.driver import Importer

__all__ = ["FolderLook", "FolderLooker", "index_of"]

_FILES_AT_ONCE = 256
_SAFE = ("imported", "unchanged")
_WAIT_STEP_S = 0.2

_busy_folders: dict[str, threading.Lock] = {}
_making = threading.Lock()


@dataclass(slots=True)
class FolderLook:
    """What one look came to, in files; ``warnings`` says it in sentences.

    ``left_alone`` are files that do not stand still yet. ``kept`` are files that should have been removed and could
    not be. ``locked_by`` is who had the folder, so that nothing was done. ``new_instances`` are the sizes of
    those imported, by SOP Instance UID.
    """

    imported: int = 0
    unchanged: int = 0
    cleaned: int = 0
    left_alone: int = 0
    rejected: list[FileReason] = field(default_factory=list)
    conflicts: list[FileReason] = field(default_factory=list)
    kept: list[FileReason] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    locked_by: str = ""
    new_instances: dict[str, int] = field(default_factory=dict)
    series_uids: set[str] = field(default_factory=set)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for the answer of a query; none where nothing happened."""
        if self.locked_by:
            return (f"The folder is being read by {self.locked_by}; shown is what came from it so far.",)
        counted = [f"{_files(self.imported)} imported" if self.imported else ""]
        counted.append(f"{self.unchanged} already known" if self.unchanged else "")
        counted.append(f"{self.cleaned} removed from the folder" if self.cleaned else "")
        said = [text for text in counted if text]
        sentences = [", ".join(said) + "."] if said else []
        if self.left_alone:
            sentences.append(f"{_files(self.left_alone)} left alone: still being written.")
        for reasons, what in (
            (self.rejected, "not imported"),
            (self.conflicts, "not imported: another image with the same UID was there first"),
            (self.kept, "not removed from the folder"),
        ):
            if reasons:
                first = f"{Path(reasons[0].path).name}: {reasons[0].reason}"
                sentences.append(f"{_files(len(reasons))} {what}, such as {first}")
        return (*sentences, *self.faults)

    def as_dict(self) -> dict[str, Any]:
        """Counts and sentences, for a job's result and the wire."""
        return {
            "imported": self.imported,
            "unchanged": self.unchanged,
            "cleaned": self.cleaned,
            "left_alone": self.left_alone,
            "rejected": [{"path": each.path, "reason": each.reason} for each in self.rejected],
            "conflicts": [{"path": each.path, "reason": each.reason} for each in self.conflicts],
            "kept": [{"path": each.path, "reason": each.reason} for each in self.kept],
            "locked_by": self.locked_by,
            "series_uids": sorted(self.series_uids),
            "warnings": list(self.warnings),
        }


class FolderLooker:
    """Looks into the folder of one server.

    Parameters
    ----------
    config, settings : ServerConfig, Settings
    database : LocalDatabase
    importer : callable
        `DriverServices.importer`.
    """

    def __init__(self, config: ServerConfig, settings: Settings, database: LocalDatabase, importer: Importer) -> None:
        self._config = config
        self._folder = Path(config.folder).absolute()
        self._settings = settings
        self._database = database
        self._importer = importer
        self._cleans = config.folder_mode == "move"

    def look(self, control: JobControl, again: Callable[[KnownFile], bool] = lambda known: False) -> FolderLook:
        """Look once.

        Parameters
        ----------
        again : callable
            Which of the files that were dealt with before are imported again: what the database has lost.

        Raises
        ------
        PeerTimeoutError, NetworkError, PeerError, UsageError
            The folder does not answer, is not there, may not be read, is no folder, lies in the database's own,
            or is busy in this process.
        JobCancelled, DatabaseFault, StorageFault
        """
        reach(self._config)
        if _is_below(str(self._folder / "x"), self._database.folder):
            message = f"{self._config.name}: {self._folder} lies in the folder of the database itself."
            raise UsageError(message, server=self._config.name, next_step="Choose a folder outside of it.")
        result = FolderLook()
        with self._alone(control):
            lock = FolderLock(self._folder, float(self._settings["folder/lock_minutes"]) * 60.0)
            try:
                holder = lock.acquire()
                if holder is not None:
                    result.locked_by = str(holder)
                    return result
                _Look(self, lock, result, control, again).run()
            except OSError as error:
                raise folder_fault(self._config, error) from error
            finally:
                lock.release()
        return result

    @contextmanager
    def _alone(self, control: JobControl) -> Iterator[None]:
        """Only one thread of this process at a time."""
        with _making:
            mutex = _busy_folders.setdefault(os.path.realpath(self._folder), threading.Lock())
        until = time.monotonic() + self._config.timeout_s
        while not mutex.acquire(timeout=_WAIT_STEP_S):
            control.raise_if_cancelled()
            if time.monotonic() > until:
                message = f"{self._config.name} is being looked through already."
                raise PeerError(message, code="busy", server=self._config.name, next_step="Try again later.")
        try:
            yield
        finally:
            mutex.release()


class _Look:
    """A look under way, with the lock held."""

    def __init__(
        self,
        looker: FolderLooker,
        lock: FolderLock,
        result: FolderLook,
        control: JobControl,
        again: Callable[[KnownFile], bool],
    ) -> None:
        self._looker = looker
        self._lock = lock
        self._result = result
        self._control = control
        self._again = again
        self._config = looker._config
        self._database = looker._database
        self._index = index_of(self._database, self._config)
        self._cleans = looker._cleans and not lock.refused

    def run(self) -> None:
        """Find new files and deal with them."""
        walk = FolderWalk(
            self._looker._folder,
            recursive=self._config.folder_recursive,
            excluded=self._database.folder,
            include_hidden=self._looker._settings.flag("import/include_hidden"),
        )
        seen = {file.relative: file for file in walk.files(self._control)}
        self._result.faults += walk.faults
        if self._looker._cleans and self._lock.refused:
            self._result.faults.append("The folder may not be written, so nothing is removed from it.")
        if not walk.faults:
            for relative in set(self._index.files) - set(seen):
                self._index.drop(relative)
        ready = self._standing_still([file for file in seen.values() if self._is_wanted(file)])
        progress = ProgressOfParts(self._control, len(ready))
        try:
            for start in range(0, len(ready), _FILES_AT_ONCE):
                self._control.raise_if_cancelled()
                self._take(ready[start : start + _FILES_AT_ONCE], progress)
        finally:
            self._index.save()

    def _is_wanted(self, file: SeenFile) -> bool:
        known = self._index.files.get(file.relative)
        if known is None or not known.is_of(file):
            return True
        if known.status == "ours":
            return self._again(known)
        return (self._cleans and known.status in _SAFE) or self._again(known)

    def _standing_still(self, files: Sequence[SeenFile]) -> list[SeenFile]:
        """Those that nobody writes to; the others are kept in mind for the next look.

        A file stands still when its times are some seconds old, or when it looks as it did that long ago: its
        times may lie in the future where clocks are wrong.
        """
        quiet = float(self._looker._settings["folder/quiet_s"])
        now = self._lock.now()
        still, waiting = [], {}
        for file in files:
            state = [float(file.size), float(file.modified_ns), float(file.changed_ns)]
            before = self._index.waiting.get(file.relative)
            since = before[3] if before is not None and before[:3] == state else now
            last = max(file.modified_ns, file.changed_ns) / 1e9
            if now - last >= quiet or now - since >= max(quiet, 0.001):
                still.append(file)
            else:
                waiting[file.relative] = [*state, since]
        self._index.waiting = waiting
        self._result.left_alone += len(waiting)
        return still

    def _take(self, files: Sequence[SeenFile], progress: ProgressOfParts) -> None:
        copy = self._config.folder_mode != "link"
        report = self._looker._importer([Path(file.path) for file in files], copy=copy, control=progress)
        progress.next_part(len(files))
        outcomes = {outcome.path: outcome for outcome in report.named}
        dealt = [(file, self._identified(outcomes[file.path])) for file in files if file.path in outcomes]
        uids = "\\".join({outcome.SOPInstanceUID for _, outcome in dealt if outcome.SOPInstanceUID})
        query = Query(level=Level.IMAGE, SOPInstanceUID=uids)
        records = {item.SOPInstanceUID: item for item in (self._database.reader.instances(query) if uids else ())}
        removed: set[Path] = set()
        for file, outcome in dealt:
            record = records.get(outcome.SOPInstanceUID)
            self._settle(file, outcome, record)
            if self._cleans and outcome.status in _SAFE and self._clean(file, record):
                removed.add(Path(file.path).parent)
        self._remove_empty(removed)
        self._index.save()

    @staticmethod
    def _identified(outcome: FileOutcome) -> FileOutcome:
        """The outcome with UIDs, also of a file that was known and not looked into."""
        if outcome.SOPInstanceUID or outcome.status not in _SAFE:
            return outcome
        try:
            _, values = scan_values(outcome.path, plan_for(()))
        except RejectedFileError as error:
            return FileOutcome(outcome.path, "rejected", reason=error.message)
        return FileOutcome(outcome.path, outcome.status, values["0008,0018"], values["0020,000E"])

    def _settle(self, file: SeenFile, outcome: FileOutcome, record: InstanceRecord | None) -> None:
        """Count a file and keep in mind what became of it."""
        if outcome.status == "rejected" and not Path(file.path).exists():
            return  # gone before it was read
        before = self._index.files.get(file.relative)
        is_ours = before is not None and before.status == "ours" and before.is_of(file)
        study = record.StudyInstanceUID if record else ""
        status = "ours" if is_ours else outcome.status
        uids = (outcome.SOPInstanceUID, outcome.SeriesInstanceUID, study)
        known = KnownFile(file.size, file.modified_ns, status, *uids)
        self._index.note(file.relative, known)
        if outcome.status == "rejected":
            self._result.rejected.append(FileReason(file.path, outcome.reason))
        elif outcome.status == "conflict":
            self._result.conflicts.append(FileReason(file.path, outcome.reason))
        else:
            self._index.came_from_here(known)
            self._result.series_uids.add(outcome.SeriesInstanceUID)
            if outcome.status == "imported":
                self._result.imported += 1
                self._result.new_instances[outcome.SOPInstanceUID] = file.size
            else:
                self._result.unchanged += 1

    def _clean(self, file: SeenFile, record: InstanceRecord | None) -> bool:
        """Remove a file whose instance is safe; whether it was removed."""
        known = self._index.files.get(file.relative)
        if known is not None and known.status == "ours":
            return False
        reason = self._reason_to_keep(file, record)
        if not reason:
            try:
                os.unlink(file.path)  # noqa: PTH108 - the path is text that may be no valid Unicode
            except OSError as error:
                reason = f"it cannot be removed: {error.strerror or error}."
        if reason:
            self._result.kept.append(FileReason(file.path, reason))
            return False
        self._index.drop(file.relative)
        self._result.cleaned += 1
        return True

    def _reason_to_keep(self, file: SeenFile, record: InstanceRecord | None) -> str:
        if record is None or not record.path or not os.path.exists(record.path):  # noqa: PTH110
            return "the database does not have it."
        if not _is_below(record.path, self._database.folder):
            # It may be this very file, on another way through links and mounts.
            return "the database has no copy of its own, it only refers to a file."
        if not self._lock.is_ours():
            return "another session has taken the folder over."
        try:
            status = os.stat(file.path)  # noqa: PTH116
        except OSError:
            return "it is gone."
        if (status.st_size, status.st_mtime_ns) != (file.size, file.modified_ns):
            return "it was written to meanwhile."
        return ""

    def _remove_empty(self, folders: set[Path]) -> None:
        """Remove folders that are empty now, and those above them, but not the folder itself."""
        for folder in folders:
            while folder != self._looker._folder and self._looker._folder in folder.parents:
                try:
                    folder.rmdir()
                except OSError:
                    break
                folder = folder.parent


def index_of(database: LocalDatabase, config: ServerConfig) -> FolderIndex:
    """What is known of a server's folder.

    Raises
    ------
    DatabaseFault, StorageFault
    """
    return FolderIndex(database.own, section_of_folder(config.name), str(Path(config.folder).absolute()))


def _is_below(path: str, folder: Path) -> bool:
    return os.path.realpath(path).startswith(os.path.realpath(folder) + os.sep)


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
