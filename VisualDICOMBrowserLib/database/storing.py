"""The instance store: files that arrive (import by copy, retrieve, listener) become indexed instances.

What lives here: taking over whole ``.part`` files, putting them where the database keeps its own files, their
rows, and finishing at the next start what a killed program began. What does not: receiving (drivers),
linked files (`indexer`). Safe from any thread.

At any moment a kill leaves one of these: a part file nobody needs (removed at the next start), an intent
whose files are whole (carried out at the next start), or an indexed file. A row is committed only after its
file is whole, flushed and under its final name.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from VisualDICOMBrowserLib.database.content import same_content
from VisualDICOMBrowserLib.database.header_plan import TagPlan, plan_for
from VisualDICOMBrowserLib.database.header_scan import scan_values
from VisualDICOMBrowserLib.database.index_known import KnownFiles
from VisualDICOMBrowserLib.database.index_tag_cache import TagCacheFiller
from VisualDICOMBrowserLib.database.index_worker import encode_line
from VisualDICOMBrowserLib.database.paths import DatabasePaths
from VisualDICOMBrowserLib.database.records import AddOutcome, ScannedFile
from VisualDICOMBrowserLib.database.storing_intents import (
    flush_files,
    flush_folders,
    read_intent,
    write_intent,
)
from VisualDICOMBrowserLib.database.storing_layout import (
    INTENT_SUFFIX,
    PART_SUFFIX,
    SPOOL_SUFFIX,
    incoming_folder,
)
from VisualDICOMBrowserLib.database.storing_session import StoreSession, dead_sessions, storage_fault
from VisualDICOMBrowserLib.database.values import storable
from VisualDICOMBrowserLib.errors import RejectedFileError
from VisualDICOMBrowserLib.model import ReceivedFile

if TYPE_CHECKING:
    from VisualDICOMBrowserLib.database.local_database import LocalDatabase

__all__ = ["InstanceStore", "RecoveryReport"]

logger = logging.getLogger(__name__)

# Threads that wait for the disk; more did not make it faster.
_FLUSHERS = 8


@dataclass(frozen=True, slots=True)
class RecoveryReport:
    """What a start cleaned up: part files removed, instances indexed that were only stored."""

    removed_parts: int = 0
    indexed: int = 0


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A part file that is whole, and where it belongs."""

    part: Path
    target: Path
    size: int
    values: dict[str, str]
    source: str = ""

    @property
    def sop_uid(self) -> str:
        return self.values["0008,0018"]

    @property
    def series_uid(self) -> str:
        return self.values["0020,000E"]

    def outcome(self, status: str, path: str, reason: str = "") -> AddOutcome:
        return AddOutcome(status, self.sop_uid, self.series_uid, path, reason)


class InstanceStore:
    """The one way for files to become the database's own.

    Parameters
    ----------
    database : LocalDatabase
        Where instances are indexed.
    """

    def __init__(self, database: LocalDatabase) -> None:
        self._database = database
        self._paths = DatabasePaths(database.folder)
        self._session = StoreSession(incoming_folder(self._paths.folder))
        self._placing = threading.Lock()
        self._flushers = ThreadPoolExecutor(_FLUSHERS, thread_name_prefix="instance-store")
        self.known = KnownFiles(self._paths.folder)
        self.tag_cache = TagCacheFiller(lambda: database.writer, self._session, self.known.files_of)

    def new_part(self) -> Path:
        """Path of a fresh ``.part`` file on the disk of the database; not yet created.

        Raises
        ------
        StorageFault
            The folder cannot be made.
        """
        return self._session.new_path(PART_SUFFIX)

    def discard(self, path: Path) -> None:
        """Remove a part file that will not be completed."""
        path.unlink(missing_ok=True)

    def accept(self, files: Sequence[ReceivedFile], sources: Sequence[str] = ()) -> list[AddOutcome]:
        """Make instances of whole files that `new_part` named; returns when they are safe and indexed.

        The part files are gone afterwards, whatever became of them. Of two files with the same SOP
        Instance UID and other content the first stays, and the conflict is kept in mind.

        Parameters
        ----------
        files : sequence of ReceivedFile
            Whole and closed.
        sources : sequence of str
            Where each came from, for the record of conflicts; may be left out.

        Returns
        -------
        list of AddOutcome
            One for each file, in order: imported, unchanged, conflict or rejected.

        Raises
        ------
        StorageFault
            The disk is full or failed; none of the files that are not yet indexed is kept.
        DatabaseReadOnlyError
            The database is open for reading only; nothing is kept.
        DatabaseFault
            The rows could not be written; the files are indexed at the next start.
        """
        self._session.folder()  # raises when the store is closed
        plan = plan_for(self._database.tags_to_precache)
        try:
            _ = self._database.writer  # raises where nothing may be written, before anything is put in place
            origins = sources or [""] * len(files)
            scanned = [self._scanned(file, origin, plan) for file, origin in zip(files, origins, strict=True)]
            arrivals = {index: item for index, item in enumerate(scanned) if isinstance(item, _Arrival)}
            outcomes = {index: item for index, item in enumerate(scanned) if isinstance(item, AddOutcome)}
            flush_files([files[index].path for index in arrivals if not files[index].flushed], self._flushers)
            with self._placing:
                outcomes.update(self._placed(arrivals, plan))
        except OSError as error:
            raise storage_fault(error, self._paths.folder) from error
        finally:
            for file in files:
                self.discard(file.path)
        return [outcomes[index] for index in range(len(files))]

    def recover(self) -> RecoveryReport:
        """Finish what programs that were killed had begun, and remove what they left.

        Call it before anything is imported. The tag cache is filled up in the background.

        Raises
        ------
        StorageFault, DatabaseFault
            The disk or the database failed; what is unfinished stays for the next try.
        """
        parts = indexed = 0
        if self._database.read_only:
            return RecoveryReport()
        try:
            for folder in dead_sessions(incoming_folder(self._paths.folder), self._session.name):
                for intent in sorted(folder.glob("*" + INTENT_SUFFIX)):
                    indexed += self._carried_out(folder, read_intent(intent))
                for spool in sorted(folder.glob("*" + SPOOL_SUFFIX)):
                    self.tag_cache.adopt(spool)
                parts += sum(1 for _ in folder.glob("*" + PART_SUFFIX))
        except OSError as error:
            raise storage_fault(error, self._paths.folder) from error
        return RecoveryReport(parts, indexed)

    def close(self) -> None:
        """End all threads and remove incomplete files; instances that arrive later are refused."""
        self._flushers.shutdown()
        self.tag_cache.close()
        self._session.close()
        self.known.close()

    def _scanned(self, file: ReceivedFile, source: str, plan: TagPlan) -> _Arrival | AddOutcome:
        """The header values of a file and its place, or its rejection."""
        try:
            size, values = scan_values(str(file.path), plan)
        except RejectedFileError as error:
            return AddOutcome("rejected", file.SOPInstanceUID, "", "", error.message)
        sop_uid, series_uid = values["0008,0018"], values["0020,000E"]
        if file.SOPInstanceUID not in ("", sop_uid):
            reason = f"The file holds the instance {sop_uid}, but {file.SOPInstanceUID} was announced."
            return AddOutcome("rejected", file.SOPInstanceUID, series_uid, "", reason)
        target = self._paths.file_for_instance(values["0020,000D"], series_uid, sop_uid)
        return _Arrival(file.path, target, size, values, source)

    def _placed(self, arrivals: dict[int, _Arrival], plan: TagPlan) -> dict[int, AddOutcome]:
        """Outcome of each arrival, by index."""
        known = self.known.files_of(arrival.sop_uid for arrival in arrivals.values())
        outcomes: dict[int, AddOutcome] = {}
        fresh: dict[Path, int] = {}
        repeated: dict[int, Path] = {}
        for index, arrival in arrivals.items():
            if os.path.exists(known.get(arrival.sop_uid, "")):  # noqa: PTH110 - False where it may not be seen
                repeated[index] = Path(known[arrival.sop_uid])
            elif arrival.target in fresh or self._is_kept_orphan(arrival, plan):
                repeated[index] = arrival.target
            else:
                fresh[arrival.target] = index
        chosen = [arrivals[index] for index in fresh.values()]
        outcomes.update(zip(fresh.values(), self._committed(chosen, plan), strict=True))
        for index, existing in repeated.items():
            outcomes[index] = self._compared(arrivals[index], existing)
        return outcomes

    def _is_kept_orphan(self, arrival: _Arrival, plan: TagPlan) -> bool:
        """Whether a stored file without a row is in the way and stays; it is indexed then.

        It is the first of its instance and stays if it is whole. A damaged one, such as a copy that another
        program did not finish, makes way.
        """
        if not arrival.target.exists():
            return False
        orphan = _stored(arrival.target, plan)
        if orphan is None or orphan.sop_uid != arrival.sop_uid:
            logger.warning("A damaged file that nothing refers to is replaced: %s", arrival.target)
            return False
        self._index([orphan], plan)
        return True

    def _committed(self, arrivals: Sequence[_Arrival], plan: TagPlan) -> list[AddOutcome]:
        """Rename the files into place and index them."""
        if not arrivals:
            return []
        folder = self._paths.folder
        entries = [(arrival.part.name, arrival.target.relative_to(folder).as_posix()) for arrival in arrivals]
        intent = self._session.new_path(INTENT_SUFFIX)
        try:
            write_intent(intent, entries)
        except OSError:
            intent.unlink(missing_ok=True)
            raise
        folders = {arrival.target.parent for arrival in arrivals}
        for target_folder in folders:
            target_folder.mkdir(parents=True, exist_ok=True)
        for arrival in arrivals:
            arrival.part.replace(arrival.target)
        flush_folders(folders)
        outcomes = self._index(arrivals, plan)
        intent.unlink(missing_ok=True)
        return outcomes

    def _index(self, arrivals: Sequence[_Arrival], plan: TagPlan) -> list[AddOutcome]:
        """Rows and tag cache of files that are in place."""
        paths = encode_line([str(arrival.target) for arrival in arrivals])
        answer = encode_line([[arrival.size, *map(arrival.values.get, plan.keys)] for arrival in arrivals])
        spooled = self.tag_cache.spool(plan.keys, self._database.tags_to_precache, paths, answer)
        outcomes: list[AddOutcome] = []
        try:
            scanned = [ScannedFile(str(item.target), True, item.size, item.values) for item in arrivals]
            added = self._database.writer.add_files(scanned)
            outcomes = [
                self._overtaken(arrival, file, outcome) if outcome.status == "exists" else outcome
                for arrival, file, outcome in zip(arrivals, scanned, added, strict=True)
            ]
        finally:
            accepted = [index for index, outcome in enumerate(outcomes) if outcome.status == "imported"]
            self.tag_cache.confirm(spooled, accepted)
        return outcomes

    def _overtaken(self, arrival: _Arrival, file: ScannedFile, outcome: AddOutcome) -> AddOutcome:
        """Outcome of a file in place whose instance has a row with another file, or had its file lost."""
        existing = Path(outcome.path)
        if arrival.part == arrival.target == existing:
            return arrival.outcome("unchanged", outcome.path)
        if not os.path.exists(existing) or existing.samefile(arrival.target):  # noqa: PTH110
            self._database.writer.replace_file(file)
            return arrival.outcome("imported", file.path)
        compared = self._compared(arrival, existing, file=arrival.target)
        arrival.target.unlink(missing_ok=True)
        return compared

    def _compared(self, arrival: _Arrival, existing: Path, file: Path | None = None) -> AddOutcome:
        """Outcome of an arrival whose instance has a file already."""
        try:
            if same_content(file or arrival.part, existing):
                return arrival.outcome("unchanged", str(existing))
        except RejectedFileError as error:
            reason = f"It cannot be compared with {existing}, which has the same SOP Instance UID: {error.message}"
            return arrival.outcome("rejected", str(existing), reason)
        return self.conflict(arrival.outcome("conflict", str(existing)), arrival.source)

    def conflict(self, outcome: AddOutcome, source: str) -> AddOutcome:
        """Keep a conflict in mind and give its outcome with the reason."""
        reason = f"Another file with the same SOP Instance UID and other content was there first: {outcome.path}"
        self._database.own.record_conflict(
            SOPInstanceUID=outcome.SOPInstanceUID,
            SeriesInstanceUID=outcome.SeriesInstanceUID,
            path=storable(source),
            kept_path=outcome.path,
            reason=reason,
        )
        return AddOutcome(outcome.status, outcome.SOPInstanceUID, outcome.SeriesInstanceUID, outcome.path, reason)

    def _carried_out(self, folder: Path, entries: Sequence[tuple[str, str]]) -> int:
        """Finish the intent of a dead session; the number of instances that were not indexed yet."""
        plan = plan_for(self._database.tags_to_precache)
        arrivals = []
        for part_name, stored in entries:
            part, target = folder / part_name, self._paths.folder / stored
            arrival = _stored(target, plan)
            if arrival is None and part.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                part.replace(target)
                arrival = _stored(target, plan)
            if arrival is not None:
                arrivals.append(arrival)
        flush_folders({arrival.target.parent for arrival in arrivals})
        return sum(outcome.status == "imported" for outcome in self._index(arrivals, plan))


def _stored(target: Path, plan: TagPlan) -> _Arrival | None:
    """A file under its final name as an arrival, None if there is none or it is not whole."""
    try:
        size, values = scan_values(str(target), plan)
    except RejectedFileError:
        return None
    return _Arrival(target, target, size, values)
