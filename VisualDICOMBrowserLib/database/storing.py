"""The instance store: files that arrive (import by copy, retrieve, listener) become indexed instances.

What lives here: taking over whole ``.part`` files, putting them where the database keeps its own files, their
rows, and finishing at the next start what a killed program began. What does not: receiving (drivers),
linked files (`indexer`). Safe from any thread.

At any moment a kill leaves one of these: a part file nobody needs (removed at the next start), a kept file or an
intent whose files are whole (indexed at the next start), or an indexed file. A row is committed only after its
file is whole, flushed and under its final name. A kept file is one that a sender may already have been told is
safe (`InstanceStore.keep`); it survives a kill, and a power cut if it was flushed.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from VisualDICOMBrowserLib.database.content import same_content
from VisualDICOMBrowserLib.database.header_plan import TagPlan, plan_for
from VisualDICOMBrowserLib.database.index_known import KnownFiles
from VisualDICOMBrowserLib.database.index_tag_cache import TagCacheFiller
from VisualDICOMBrowserLib.database.index_worker import encode_line
from VisualDICOMBrowserLib.database.paths import DatabasePaths
from VisualDICOMBrowserLib.database.records import AddOutcome, ScannedFile
from VisualDICOMBrowserLib.database.replacing import Replacer
from VisualDICOMBrowserLib.database.storing_arrival import Arrival, scanned_arrival, stored_arrival
from VisualDICOMBrowserLib.database.storing_intents import (
    flush_file,
    flush_files,
    flush_folders,
    read_intent,
    write_intent,
)
from VisualDICOMBrowserLib.database.storing_layout import (
    INTENT_SUFFIX,
    KEPT_SUFFIX,
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
_ADOPTED_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class RecoveryReport:
    """What a start cleaned up: part files removed, instances indexed that were only stored."""

    removed_parts: int = 0
    indexed: int = 0


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
        self._unfinished: list[Path] = []
        self._planned = (frozenset[str](), plan_for(frozenset()))
        self._flushers = ThreadPoolExecutor(_FLUSHERS, thread_name_prefix="instance-store")
        self.known = KnownFiles(self._paths.folder)
        self.tag_cache = TagCacheFiller(lambda: database.writer, self._session, self.known.files_of)
        self.replacer = Replacer(database, self._session, self.tag_cache, self._flushers, self._placing)

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
        try:
            origins = sources or [""] * len(files)
            items = [self.prepare(file, origin) for file, origin in zip(files, origins, strict=True)]
            stored = iter(self.store([item for item in items if isinstance(item, Arrival)]))
            return [next(stored) if isinstance(item, Arrival) else item for item in items]
        finally:
            for file in files:
                self.discard(file.path)

    def prepare(self, file: ReceivedFile, source: str = "") -> Arrival | AddOutcome:
        """What the header of a whole file says and where it belongs, or its rejection; nothing is changed."""
        return scanned_arrival(file, source, self._paths, self._plan())

    def is_new(self, arrival: Arrival) -> bool:
        """Whether nothing here has that SOP Instance UID, so that `store` will have nothing to compare.

        Raises
        ------
        DatabaseFault, StorageFault
            The database cannot be asked.
        """
        return not self.known.files_of([arrival.sop_uid]) and not os.path.exists(arrival.target)  # noqa: PTH110

    def keep(self, arrival: Arrival, *, flush: bool) -> Arrival:
        """Give a part file the name under which the next start indexes it, should this program be killed.

        With `flush` its bytes and its name are on the disk when this returns, so that it outlives a power cut.

        Raises
        ------
        StorageFault
            The disk is full or failed; the file keeps its name.
        """
        kept = arrival.part.parent / (arrival.part.stem + KEPT_SUFFIX)
        try:
            if flush and not arrival.flushed:
                flush_file(arrival.part)
            arrival.part.rename(kept)
            if flush:
                flush_folders((kept.parent,))
        except OSError as error:
            raise storage_fault(error, self._paths.folder) from error
        return replace(arrival, part=kept, flushed=flush or arrival.flushed)

    def store(self, arrivals: Sequence[Arrival]) -> list[AddOutcome]:
        """Put arrivals in place and index them; as `accept`, but where it fails, all files stay.

        It may be called again with the same arrivals then, and finishes what the failed call began.
        """
        self._session.folder()  # raises when the store is closed
        plan = self._plan()
        _ = self._database.writer  # raises where nothing may be written, before anything is put in place
        try:
            with self._placing:
                finished = self._finished(plan)
            waiting = {
                index: arrival
                for index, arrival in enumerate(arrivals)
                if arrival.sop_uid not in finished or arrival.part.exists()
            }
            flush_files([arrival.part for arrival in waiting.values() if not arrival.flushed], self._flushers)
            with self._placing:
                placed = self._placed(waiting, plan)
            outcomes = [placed.get(index) or finished[arrival.sop_uid] for index, arrival in enumerate(arrivals)]
            for arrival, outcome in zip(arrivals, outcomes, strict=True):
                if outcome.status != "imported":
                    self.discard(arrival.part)
        except OSError as error:
            raise storage_fault(error, self._paths.folder) from error
        return outcomes

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
                    indexed += _imported(self._carried_out(folder, read_intent(intent)))
                indexed += self.replacer.finish(folder) + self._adopted(sorted(folder.glob("*" + KEPT_SUFFIX)))
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

    def _plan(self) -> TagPlan:
        """What to read of a header; made anew only when other tags are wanted."""
        tags = self._database.tags_to_precache
        if tags != self._planned[0]:
            self._planned = (tags, plan_for(tags))
        return self._planned[1]

    def _placed(self, arrivals: dict[int, Arrival], plan: TagPlan) -> dict[int, AddOutcome]:
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
            if outcomes[index].status == "rejected" and not os.path.exists(existing):  # noqa: PTH110
                # It was removed in this very moment, so there is nothing to compare with any more.
                outcomes[index] = self._committed([arrivals[index]], plan)[0]
        return outcomes

    def _is_kept_orphan(self, arrival: Arrival, plan: TagPlan) -> bool:
        """Whether a stored file without a row is in the way and stays; it is indexed then.

        It is the first of its instance and stays if it is whole. A damaged one, such as a copy that another
        program did not finish, makes way.
        """
        if not arrival.target.exists():
            return False
        orphan = stored_arrival(arrival.target, plan)
        if orphan is None or orphan.sop_uid != arrival.sop_uid:
            logger.warning("A damaged file that nothing refers to is replaced: %s", arrival.target)
            return False
        self._index([orphan], plan)
        return True

    def _committed(self, arrivals: Sequence[Arrival], plan: TagPlan) -> list[AddOutcome]:
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
        # From here on the files may be in place without rows, until somebody carries out the intent.
        self._unfinished.append(intent)
        folders = {arrival.target.parent for arrival in arrivals}
        for target_folder in folders:
            target_folder.mkdir(parents=True, exist_ok=True)
        for arrival in arrivals:
            arrival.part.replace(arrival.target)
        flush_folders(folders)
        outcomes = self._index(arrivals, plan)
        self._unfinished.remove(intent)
        intent.unlink(missing_ok=True)
        return outcomes

    def _finished(self, plan: TagPlan) -> dict[str, AddOutcome]:
        """Outcomes, by SOP Instance UID, of what an earlier call put in place and could not index."""
        outcomes: dict[str, AddOutcome] = {}
        while self._unfinished:
            intent = self._unfinished[0]
            found = self._carried_out(intent.parent, read_intent(intent))
            outcomes.update((outcome.SOPInstanceUID, outcome) for outcome in found)
            del self._unfinished[0]
            intent.unlink(missing_ok=True)
        return outcomes

    def _index(self, arrivals: Sequence[Arrival], plan: TagPlan) -> list[AddOutcome]:
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

    def _overtaken(self, arrival: Arrival, file: ScannedFile, outcome: AddOutcome) -> AddOutcome:
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

    def _compared(self, arrival: Arrival, existing: Path, file: Path | None = None) -> AddOutcome:
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

    def _carried_out(self, folder: Path, entries: Sequence[tuple[str, str]]) -> list[AddOutcome]:
        """Finish an intent whose part files are in `folder`; outcomes of the files that are there."""
        plan = self._plan()
        arrivals = []
        for part_name, stored in entries:
            part, target = folder / part_name, self._paths.folder / stored
            arrival = stored_arrival(target, plan)
            if arrival is None and part.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                part.replace(target)
                arrival = stored_arrival(target, plan)
            if arrival is not None:
                arrivals.append(arrival)
        flush_folders({arrival.target.parent for arrival in arrivals})
        return self._index(arrivals, plan)

    def _adopted(self, kept: Sequence[Path]) -> int:
        """Index what a dead session had received and kept; the number of instances that are new."""
        indexed = 0
        for start in range(0, len(kept), _ADOPTED_AT_ONCE):
            found = [
                self.prepare(ReceivedFile(path=path, SOPClassUID="", SOPInstanceUID="", TransferSyntaxUID="", size=0))
                for path in kept[start : start + _ADOPTED_AT_ONCE]
            ]
            for refused in (item for item in found if isinstance(item, AddOutcome)):
                logger.warning("A received image did not outlive the end of its program: %s", refused.reason)
            indexed += _imported(self.store([item for item in found if isinstance(item, Arrival)]))
        return indexed


def _imported(outcomes: Sequence[AddOutcome]) -> int:
    return sum(outcome.status == "imported" for outcome in outcomes)
