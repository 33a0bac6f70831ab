"""A forced retrieve: new files take the place of those that are here, whole series at once.

`SeriesReplacement` keeps what arrives aside until a series is whole; `Replacer` then puts the new files in place of the
old ones. Nothing is compared and no conflict is recorded: that the new copy wins is what the user asked for. Does not
live here: instances that are not here yet and arrive as usual (`storing`). Safe from several threads.

The order is that of `storing`: new files are flushed, an intent is on the disk, then each is renamed over or beside
the old one, then all rows change in one transaction, then files that were left over go. A kill before the intent
leaves everything old; one after it leaves, for every instance, a whole file and a row that names it, and the next
start finishes what the intent says.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING

from VisualDICOMBrowserLib.database.header_plan import TagPlan, plan_for
from VisualDICOMBrowserLib.database.index_tag_cache import TagCacheFiller
from VisualDICOMBrowserLib.database.index_worker import encode_line
from VisualDICOMBrowserLib.database.records import AddOutcome, ScannedFile
from VisualDICOMBrowserLib.database.storing_arrival import Arrival, stored_arrival
from VisualDICOMBrowserLib.database.storing_intents import flush_files, flush_folders, read_intent, write_intent
from VisualDICOMBrowserLib.database.storing_session import StoreSession, storage_fault
from VisualDICOMBrowserLib.model import ReceivedFile

if TYPE_CHECKING:
    from VisualDICOMBrowserLib.database.local_database import LocalDatabase
    from VisualDICOMBrowserLib.database.storing import InstanceStore

__all__ = ["Replacer", "SeriesReplacement"]

_REPLACING_SUFFIX = ".replacing"
# Stands in an intent, in place of a part file, before a former file that has another name than the new one.
_FORMER = "former"
_KEYS_PER_QUERY = 400


class SeriesReplacement:
    """New copies of series, kept aside until somebody says that they are whole.

    Meets the sink's idea of a store: `accept` takes files and tells ``held`` for each that is sound.

    Parameters
    ----------
    store : InstanceStore
    """

    def __init__(self, store: InstanceStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._held: dict[str, dict[str, Arrival]] = {}

    def new_part(self) -> Path:
        """Path of a fresh ``.part`` file on the disk of the database; not yet created."""
        return self._store.new_part()

    def discard(self, path: Path) -> None:
        """Remove a part file that will not be completed."""
        self._store.discard(path)

    def accept(self, files: Sequence[ReceivedFile]) -> list[AddOutcome]:
        """Hold whole files; the first of each instance stays. One outcome for each: ``held`` or ``rejected``."""
        outcomes = []
        for file in files:
            arrival = self._store.prepare(file)
            if isinstance(arrival, Arrival):
                outcomes.append(self._kept(arrival))
            else:
                self.discard(file.path)
                outcomes.append(arrival)
        return outcomes

    def instances(self, series: str) -> set[str]:
        """SOP Instance UIDs that are held of a series."""
        with self._lock:
            return set(self._held.get(series, ()))

    @property
    def series(self) -> list[str]:
        """Series of which something is held."""
        with self._lock:
            return list(self._held)

    def commit(self, series: Collection[str]) -> list[AddOutcome]:
        """Put what is held of these series into the database: ``replaced``, ``imported`` or ``rejected``.

        Raises
        ------
        StorageFault, DatabaseFault
            As `Replacer.replace`; what is held is removed all the same.
        """
        with self._lock:
            arrivals = [item for uid in series for item in self._held.pop(uid, {}).values()]
        try:
            return self._store.replacer.replace(arrivals)
        finally:
            for arrival in arrivals:
                self.discard(arrival.part)

    def drop(self) -> None:
        """Remove all that is still held."""
        with self._lock:
            held, self._held = self._held, {}
        for arrivals in held.values():
            for arrival in arrivals.values():
                self.discard(arrival.part)

    def _kept(self, arrival: Arrival) -> AddOutcome:
        with self._lock:
            first = self._held.setdefault(arrival.series_uid, {}).setdefault(arrival.sop_uid, arrival)
        if first is not arrival:
            self.discard(arrival.part)
        return arrival.outcome("held", "")


class Replacer:
    """Puts new files in the place of old ones; belongs to an `InstanceStore`, which gives it its own tools.

    Parameters
    ----------
    database : LocalDatabase
    session : StoreSession
        Where part files and intents lie.
    tag_cache : TagCacheFiller
    flushers : Executor
        Threads that wait for the disk.
    placing : Lock
        Held while files are put in place.
    """

    def __init__(
        self,
        database: LocalDatabase,
        session: StoreSession,
        tag_cache: TagCacheFiller,
        flushers: Executor,
        placing: threading.Lock,
    ) -> None:
        self._database = database
        self._session = session
        self._tag_cache = tag_cache
        self._flushers = flushers
        self._placing = placing

    def replace(self, arrivals: Sequence[Arrival]) -> list[AddOutcome]:
        """Let instances be known by these files, in place of any that are here; their part files are gone then.

        Returns
        -------
        list of AddOutcome
            One for each, in order: ``replaced`` where the instance had a file, ``imported`` where it had none,
            ``rejected``.

        Raises
        ------
        StorageFault
            The disk is full or failed. Before anything was renamed all is as it was; later the next start goes on.
        DatabaseFault, DatabaseReadOnlyError
            The rows could not be written; every row still names a whole file, and the next start goes on.
        """
        if not arrivals:
            return []
        _ = self._database.writer  # raises where nothing may be written, before anything is put in place
        try:
            flush_files([arrival.part for arrival in arrivals if not arrival.flushed], self._flushers)
            with self._placing:
                return self._put_in_place(arrivals)
        except OSError as error:
            raise storage_fault(error, self._database.folder) from error

    def finish(self, folder: Path) -> int:
        """Carry out what a dead session in `folder` had begun to replace; the number of instances."""
        plan = plan_for(self._database.tags_to_precache)
        done = 0
        for intent in sorted(folder.glob("*" + _REPLACING_SUFFIX)):
            arrivals, former = [], []
            for part_name, stored in read_intent(intent):
                target = self._database.folder / stored
                if part_name == _FORMER:
                    former.append(stored)
                    continue
                if (folder / part_name).exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    (folder / part_name).replace(target)
                arrival = stored_arrival(target, plan)
                arrivals += [arrival] if arrival is not None else []
            flush_folders({arrival.target.parent for arrival in arrivals})
            self._index(arrivals, plan)
            self._remove_former(former)
            done += len(arrivals)
        return done

    def _put_in_place(self, arrivals: Sequence[Arrival]) -> list[AddOutcome]:
        folder = self._database.folder
        known = self._stored_names([arrival.sop_uid for arrival in arrivals])
        targets = {arrival.target.relative_to(folder).as_posix(): arrival for arrival in arrivals}
        former = [name for name in known.values() if name not in targets and self._is_own(name)]
        intent = self._session.new_path(_REPLACING_SUFFIX)
        entries = [(arrival.part.name, stored) for stored, arrival in targets.items()]
        try:
            write_intent(intent, [*entries, *((_FORMER, name) for name in former)])
        except OSError:
            intent.unlink(missing_ok=True)
            raise
        folders = {arrival.target.parent for arrival in arrivals}
        for target_folder in folders:
            target_folder.mkdir(parents=True, exist_ok=True)
        for arrival in arrivals:
            arrival.part.replace(arrival.target)
        flush_folders(folders)
        outcomes = self._index(arrivals, plan_for(self._database.tags_to_precache))
        self._remove_former(former)
        intent.unlink(missing_ok=True)
        return [
            arrival.outcome("replaced", outcome.path)
            if outcome.status == "imported" and arrival.sop_uid in known
            else outcome
            for arrival, outcome in zip(arrivals, outcomes, strict=True)
        ]

    def _index(self, arrivals: Sequence[Arrival], plan: TagPlan) -> list[AddOutcome]:
        """Rows and tag cache of files that are in place."""
        scanned = [ScannedFile(str(item.target), True, item.size, item.values) for item in arrivals]
        outcomes = self._database.writer.replace_files(scanned)
        self._database.tag_cache.remove(arrival.sop_uid for arrival in arrivals)
        paths = encode_line([str(arrival.target) for arrival in arrivals])
        answer = encode_line([[arrival.size, *map(arrival.values.get, plan.keys)] for arrival in arrivals])
        spooled = self._tag_cache.spool(plan.keys, self._database.tags_to_precache, paths, answer)
        accepted = [index for index, outcome in enumerate(outcomes) if outcome.status == "imported"]
        self._tag_cache.confirm(spooled, accepted)
        return outcomes

    def _stored_names(self, sop_uids: Sequence[str]) -> dict[str, str]:
        """File names as stored, by SOP Instance UID, of those that have a file."""
        names: dict[str, str] = {}
        for start in range(0, len(sop_uids), _KEYS_PER_QUERY):
            keys = sop_uids[start : start + _KEYS_PER_QUERY]
            sql = f"SELECT SOPInstanceUID, Filename FROM Images WHERE SOPInstanceUID IN ({','.join('?' * len(keys))})"
            names.update((uid, name) for uid, name in self._database.connections.rows(sql, keys) if name)
        return names

    def _is_own(self, stored: str) -> bool:
        return self._database.paths.owned_file(stored) is not None

    def _remove_former(self, stored: Sequence[str]) -> None:
        """Remove former files that are the database's own and that no row names any more."""
        for start in range(0, len(stored), _KEYS_PER_QUERY):
            names = stored[start : start + _KEYS_PER_QUERY]
            sql = f"SELECT Filename FROM Images WHERE Filename IN ({','.join('?' * len(names))})"
            named = {name for (name,) in self._database.connections.rows(sql, names)}
            for name in names:
                path = self._database.paths.owned_file(name)
                if path is not None and name not in named:
                    path.unlink(missing_ok=True)
