"""One import under way: what becomes of each file, and the counts.

Takes the answers of header scans in batches, links or copies the files, and collects the report. Where files
come from is `sources`, who scans is `index_workers`. Used by the indexer, on the thread of the import.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from VisualDICOMBrowserLib.database.content import same_content
from VisualDICOMBrowserLib.database.header_plan import TagPlan
from VisualDICOMBrowserLib.database.index_archive import extracted_members
from VisualDICOMBrowserLib.database.index_spool import SpooledBatch, scanned_file
from VisualDICOMBrowserLib.database.index_worker import encode_line
from VisualDICOMBrowserLib.database.records import AddOutcome, ScannedFile
from VisualDICOMBrowserLib.database.storing_session import is_disk_fault, storage_fault
from VisualDICOMBrowserLib.errors import RejectedFileError
from VisualDICOMBrowserLib.model import JobControl, ReceivedFile

if TYPE_CHECKING:
    from VisualDICOMBrowserLib.database.local_database import LocalDatabase
    from VisualDICOMBrowserLib.database.storing import InstanceStore

__all__ = ["FileOutcome", "FileReason", "ImportRun"]

# Linked files in one call of the database's writer, and copied files in one call of the store.
_LINKS_AT_ONCE = 512
_COPIES_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class FileReason:
    """A file that was not taken, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What became of one file that was named itself.

    ``status`` is ``imported``, ``unchanged``, ``conflict`` or ``rejected``; the UIDs are empty for a file that was
    rejected, or known and not looked into. ``kept_path`` is the file that the database now has for the instance.
    """

    path: str
    status: str
    SOPInstanceUID: str = ""
    SeriesInstanceUID: str = ""
    kept_path: str = ""
    reason: str = ""


@dataclass
class _Pending:
    """Scanned files that wait for their rows, with the batch that waits for the tag cache."""

    spooled: SpooledBatch
    indexes: list[int]
    files: list[ScannedFile]


@dataclass
class _Counts:
    done: int = 0
    total: int | None = None
    imported: int = 0
    unchanged: int = 0
    rejected: list[FileReason] = field(default_factory=list)
    conflicts: list[FileReason] = field(default_factory=list)
    series: dict[str, None] = field(default_factory=dict)
    named: list[FileOutcome] = field(default_factory=list)


class ImportRun:
    """State of one import; `counts` is what it came to so far.

    Parameters
    ----------
    database : LocalDatabase
    store : InstanceStore
    plan : TagPlan
        What the header scans looked for.
    control : JobControl
        Hears of progress.
    copy : bool
        Copy files into the database instead of linking to them.
    named : frozenset of str
        Paths of which `counts` is to tell one by one what became of them.
    """

    def __init__(
        self,
        database: LocalDatabase,
        store: InstanceStore,
        plan: TagPlan,
        control: JobControl,
        *,
        copy: bool,
        named: frozenset[str] = frozenset(),
    ) -> None:
        self._database = database
        self._store = store
        self._plan = plan
        self._tags = database.tags_to_precache
        self._control = control
        self._copy = copy
        self._named = named
        self._is_own = database.paths.is_own
        self._pending: list[_Pending] = []
        self.counts = _Counts()

    def take(self, paths: Sequence[str], line: bytes) -> None:
        """Deal with the answer (`index_worker`) to a list of paths."""
        answer = json.loads(line)
        scanned = []
        for index, (path, row) in enumerate(zip(paths, answer, strict=True)):
            if isinstance(row, str):
                self.reject(path, row)
            else:
                scanned.append((index, scanned_file(path, self._plan.keys, row, owned=self._is_own(path))))
        if scanned and self._copy:
            self._take_copies([file for _, file in scanned])
        elif scanned:
            spooled = self._store.tag_cache.spool(self._plan.keys, self._tags, encode_line(list(paths)), line)
            self._pending.append(_Pending(spooled, [index for index, _ in scanned], [file for _, file in scanned]))
            if sum(len(pending.files) for pending in self._pending) >= _LINKS_AT_ONCE:
                self.flush()
        self._tell()

    def take_archive(self, path: str) -> None:
        """Store every DICOM file of a zip archive."""
        received: list[ReceivedFile] = []
        names: list[str] = []
        try:
            for member in extracted_members(Path(path), self._store):
                if member.part is None:
                    self.reject(member.name, member.reason)
                    continue
                received.append(_received(member.part, member.size))
                names.append(member.name)
                self._control.raise_if_cancelled()
                if len(received) >= _COPIES_AT_ONCE:
                    self._accept(received, names)
                    received, names = [], []
            self._accept(received, names)
        finally:
            for file in received:
                self._store.discard(file.path)

    def flush(self) -> None:
        """Make rows for the linked files that wait for them."""
        pending, self._pending = self._pending, []
        accepted: dict[int, list[int]] = {}
        try:
            outcomes = iter(self._database.writer.add_files([file for batch in pending for file in batch.files]))
            for number, batch in enumerate(pending):
                accepted[number] = [
                    index
                    for index, file in zip(batch.indexes, batch.files, strict=True)
                    if self._settle_link(file, next(outcomes))
                ]
        finally:
            for number, batch in enumerate(pending):
                self._store.tag_cache.confirm(batch.spooled, accepted.get(number, []))
        self._tell()

    def drop(self) -> None:
        """Forget files that have no rows yet, for an import that ends early."""
        for batch in self._pending:
            self._store.tag_cache.confirm(batch.spooled, [])
        self._pending = []

    def reject(self, path: str, reason: str) -> None:
        """Count a file that is not taken."""
        self.counts.done += 1
        self.counts.rejected.append(FileReason(path, reason))
        if path in self._named:
            self.counts.named.append(FileOutcome(path, "rejected", reason=reason))

    def skip_unchanged(self, paths: Collection[str]) -> None:
        """Count files that are known and were not looked into."""
        self.counts.done += len(paths)
        self.counts.unchanged += len(paths)
        self.counts.named += [FileOutcome(path, "unchanged") for path in paths if path in self._named]
        self._tell()

    def _settle_link(self, file: ScannedFile, outcome: AddOutcome) -> bool:
        """Count a linked file; True if its values belong into the tag cache."""
        if outcome.status != "exists":
            self._count(file.path, outcome)
            return outcome.status == "imported"
        existing = Path(outcome.path)
        if outcome.path == file.path:
            # The very file, written to since it was indexed: what is cached of it may be out of date.
            self._database.writer.replace_file(file)
            self._count(file.path, _changed(outcome, "unchanged"))
            return True
        if not os.path.exists(existing):  # noqa: PTH110
            # The files were moved; the row follows them.
            self._database.writer.replace_file(file)
            self._count(file.path, AddOutcome("imported", file.SOPInstanceUID, file.SeriesInstanceUID, file.path))
            return True
        self._count(file.path, self._compared(file, outcome))
        return False

    def _compared(self, file: ScannedFile, outcome: AddOutcome) -> AddOutcome:
        """Outcome of a file whose instance is known by another file."""
        try:
            if same_content(Path(file.path), Path(outcome.path)):
                return _changed(outcome, "unchanged")
        except RejectedFileError as error:
            reason = f"It cannot be compared with {outcome.path}, which has the same SOP Instance UID: {error.message}"
            return AddOutcome("rejected", outcome.SOPInstanceUID, "", outcome.path, reason)
        return self._store.conflict(_changed(outcome, "conflict"), file.path)

    def _take_copies(self, files: Sequence[ScannedFile]) -> None:
        """Copy files into the store, those that are there already excepted."""
        for start in range(0, len(files), _COPIES_AT_ONCE):
            self._control.raise_if_cancelled()
            group = files[start : start + _COPIES_AT_ONCE]
            known = self._store.known.files_of(file.SOPInstanceUID for file in group)
            fresh = []
            for file in group:
                existing = known.get(file.SOPInstanceUID)
                if existing and os.path.exists(existing):  # noqa: PTH110 - False where it may not be seen
                    outcome = AddOutcome("exists", file.SOPInstanceUID, file.SeriesInstanceUID, existing)
                    self._count(file.path, self._compared(file, outcome))
                else:
                    fresh.append(file)
            self._store_copies(fresh)

    def _store_copies(self, files: Sequence[ScannedFile]) -> None:
        parts = [self._store.new_part() for _ in files]
        try:
            reasons = [_copied(file.path, part) for file, part in zip(files, parts, strict=True)]
            for file, reason in zip(files, reasons, strict=True):
                if reason:
                    self.reject(file.path, reason)
            whole = [
                (_received(part, file.size), file.path)
                for file, part, reason in zip(files, parts, reasons, strict=True)
                if not reason
            ]
            self._accept([received for received, _ in whole], [path for _, path in whole])
        finally:
            for part in parts:
                self._store.discard(part)

    def _accept(self, received: Sequence[ReceivedFile], names: Sequence[str]) -> None:
        for name, outcome in zip(names, self._store.accept(received, names), strict=True):
            self._count(name, outcome)
        self._tell()

    def _count(self, path: str, outcome: AddOutcome) -> None:
        counts = self.counts
        if outcome.status == "rejected":
            self.reject(path, outcome.reason)
            return
        counts.done += 1
        if path in self._named:
            uids = (outcome.SOPInstanceUID, outcome.SeriesInstanceUID)
            counts.named.append(FileOutcome(path, outcome.status, *uids, outcome.path, outcome.reason))
        if outcome.status == "conflict":
            counts.conflicts.append(FileReason(path, outcome.reason))
        elif outcome.status == "unchanged":
            counts.unchanged += 1
        else:
            counts.imported += 1
            counts.series[outcome.SeriesInstanceUID] = None

    def _tell(self) -> None:
        counts = self.counts
        total = None if counts.total is None else max(counts.total, counts.done)
        self._control.progress(counts.done, total)


def _received(part: Path, size: int) -> ReceivedFile:
    """A whole part file about which nobody announced anything."""
    return ReceivedFile(path=part, SOPClassUID="", SOPInstanceUID="", TransferSyntaxUID="", size=size)


def _changed(outcome: AddOutcome, status: str) -> AddOutcome:
    return AddOutcome(status, outcome.SOPInstanceUID, outcome.SeriesInstanceUID, outcome.path)


def _copied(source: str, part: Path) -> str:
    """Copy the bytes of a file, but neither its rights nor its times; the reason if it cannot be read."""
    try:
        shutil.copyfile(source, part)
    except OSError as error:
        if is_disk_fault(error):
            raise storage_fault(error, part.parent) from error
        return f"The file cannot be copied: {error.strerror or error}."
    return ""
