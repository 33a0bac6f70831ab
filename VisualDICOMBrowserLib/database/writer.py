"""Every write to the DICOM tables of one opened database.

Transactions hold the lock for some 12 ms and leave gaps, because Slicer's window stands still while CTK waits.
Each is whole in itself: whatever kills the process, the rows of an instance are there with its series, study,
patient and their displayed fields, or not at all. Any thread may call; calls take turns portion by portion.
Does not live here: which rows a file needs (`filing`), displayed fields (`rule_set`), removal (`removal`).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from VisualDICOMBrowserLib.database.connection import WriteConnection
from VisualDICOMBrowserLib.database.displayed_fields import RULES, RuleRegistry
from VisualDICOMBrowserLib.database.emptied import forget_instances, settle_patient, settle_upwards
from VisualDICOMBrowserLib.database.filing import Filer, existing_instances
from VisualDICOMBrowserLib.database.late_fields import InstanceToDisplay, LateFields
from VisualDICOMBrowserLib.database.own_store import OwnStore
from VisualDICOMBrowserLib.database.pacing import Pace
from VisualDICOMBrowserLib.database.paths import DatabasePaths
from VisualDICOMBrowserLib.database.records import AddOutcome, ScannedFile
from VisualDICOMBrowserLib.database.removal import RemovalReport, Remover
from VisualDICOMBrowserLib.database.row_cache import RowCache
from VisualDICOMBrowserLib.database.rule_set import RuleSet
from VisualDICOMBrowserLib.database.tag_cache import TagCache, TagRow
from VisualDICOMBrowserLib.errors import RejectedFileError, UsageError
from VisualDICOMBrowserLib.model import JobControl, NullControl

__all__ = ["DatabaseWriter"]

_Item = TypeVar("_Item")

_LATE_AT_ONCE = 100


class DatabaseWriter:
    """Writes to an opened database; made by `LocalDatabase`.

    Every method raises `DatabaseFault` or `StorageFault` where SQLite fails; portions that were committed
    before stay.
    """

    def __init__(
        self,
        file: WriteConnection,
        paths: DatabasePaths,
        own: OwnStore,
        tag_cache: TagCache,
        registry: RuleRegistry = RULES,
    ) -> None:
        self._file = file
        self._paths = paths
        self._own = own
        self._tag_cache = tag_cache
        self._registry = registry
        self._cache = RowCache()
        self._cached_at = -1
        self._rules = RuleSet(registry)
        self._filer = Filer(paths, own, self._cache)
        self._pace = Pace(first=200, smallest=10, largest=4000)
        self._late_pace = Pace(first=50, smallest=5, largest=1000)
        self._remover = Remover(file, paths, own, tag_cache)

    @property
    def rule_tags(self) -> frozenset[str]:
        """Tags that the enabled displayed-field rules need."""
        with self._file.reading() as connection:
            return frozenset(RuleSet.of_database(connection, self._registry).tags)

    def add_files(self, batch: Sequence[ScannedFile]) -> list[AddOutcome]:
        """Make rows for scanned files whose SOP Instance UID has no local file yet.

        Returns one outcome per file in order: ``"imported"``; ``"exists"`` with the path of the file that is
        there already (nothing is changed or compared); or ``"rejected"`` with a reason. Where this returns,
        the rows are committed and visible to every program.
        """
        outcomes: list[AddOutcome] = []

        def add(connection: sqlite3.Connection, part: Sequence[ScannedFile]) -> None:
            outcomes.extend(self._filer.file(connection, part, self._rules))

        self._in_portions(batch, self._pace, add)
        return outcomes

    def replace_file(self, file: ScannedFile) -> str:
        """Let an instance that has a row be known by another file, in one step; return its former path.

        For a forced retrieve, and for an instance whose file is gone. The former file itself and the tag
        cache are the caller's to settle.

        Raises
        ------
        UsageError
            The instance has no row.
        RejectedFileError
            The file cannot be filed; the former one stays.
        """
        sop = file.SOPInstanceUID
        former: list[tuple[str, str]] = []

        def replace(connection: sqlite3.Connection, part: Sequence[ScannedFile]) -> None:
            known = existing_instances(connection, [sop]).get(sop)
            if known is None:
                message = f"Instance {sop} is not in the database."
                raise UsageError(message, subject=sop)
            former.append(known)
            # An instance without file is filed as any other, displayed fields and counts included.
            connection.execute("UPDATE Images SET Filename = NULL WHERE SOPInstanceUID = ?", (sop,))
            outcome = self._filer.file(connection, part, self._rules)[0]
            if outcome.status != "imported":
                raise RejectedFileError(outcome.reason, subject=file.path)
            if known[1] != file.SeriesInstanceUID:
                study = connection.execute("SELECT StudyInstanceUID FROM Series WHERE SeriesInstanceUID = ?", known[1:])
                settle_upwards(connection, known[1], (study.fetchone() or ("",))[0])
                self._file.outdate()

        self._in_portions([file], self._pace, replace)
        return self._paths.absolute(former[0][0])

    def replace_files(self, files: Sequence[ScannedFile]) -> list[AddOutcome]:
        """Let instances be known by these files, in one transaction, whether they have rows or not.

        For a forced retrieve: where nothing else of a series or study is left, its row is made anew too, so that it
        says what the new files say. The patient's row stays while it has a study. The former files and the tag
        cache are the caller's to settle. Outcomes are ``imported`` and ``rejected``; of the latter the former row
        is gone.
        """
        with self._file.transaction() as connection:
            emptied = forget_instances(connection, [file.SOPInstanceUID for file in files])
            self._file.outdate()
            self._make_cache_true(connection)
            outcomes = self._filer.file(connection, files, self._rules)
            for series, study, patient in emptied:
                settle_upwards(connection, series, study)
                settle_patient(connection, patient)
            self._file.outdate()
        return outcomes

    def relocate_files(self, files: Sequence[tuple[str, str, str]]) -> None:
        """Let instances be known by files that were moved: SOP Instance UID, ``Filename`` so far, new absolute path.

        A row that has another ``Filename`` meanwhile stays as it is. A file below ``dicom`` is the database's own.
        """
        rows = [(self._paths.stored(path, owned=self._paths.is_own(path)), sop, former) for sop, former, path in files]

        def write(connection: sqlite3.Connection, part: Sequence[tuple[str, str, str]]) -> None:
            connection.executemany("UPDATE Images SET Filename = ? WHERE SOPInstanceUID = ? AND Filename = ?", part)

        self._file.in_portions(rows, self._pace, write)

    def add_cached_tags(self, rows: Iterable[TagRow]) -> None:
        """Write rows ``(SOPInstanceUID, tag, value)`` to the tag cache; see `TagCache.add`."""
        self._tag_cache.add(rows)

    def update_displayed_fields(self, control: JobControl | None = None) -> int:
        """Compute displayed fields of local instances that have none yet, as other programs leave them.

        Values come from the tag cache, else from the file. Returns the number of instances. Rows that were looked
        through by an earlier call are not looked at again, so it costs next to nothing where nothing is new.

        Raises
        ------
        JobCancelled
            `control` was cancelled; what was done stays.
        """
        control = control or NullControl()
        late = LateFields(self._file, self._paths, self._own, self._tag_cache)

        def update(connection: sqlite3.Connection, part: Sequence[InstanceToDisplay]) -> None:
            late.update(connection, part, self._cache, self._rules)

        done = 0
        for stretch in late.stretches():
            control.raise_if_cancelled()
            for start in range(0, len(stretch.waiting), _LATE_AT_ONCE):
                control.raise_if_cancelled()
                group = late.with_values(stretch.waiting[start : start + _LATE_AT_ONCE], self._rules.tags)
                self._in_portions(group, self._late_pace, update)
                done += len(group)
            late.remember(stretch)
        return done

    def set_connections(self, key: int, allow: Sequence[str], deny: Sequence[str]) -> None:
        """Servers that may and may not be asked for a patient, in CTK's column ``Connections``."""
        text = json.dumps({"allow": list(allow), "deny": list(deny)}, separators=(",", ":"), ensure_ascii=False)
        with self._file.transaction() as connection:
            connection.execute("UPDATE Patients SET Connections = ? WHERE UID = ?", (text, key))

    def remove_patient(self, key: int) -> RemovalReport:
        """Remove a patient with every study; see `remove_series`. `key` is ``PatientRecord.key``.

        Raises
        ------
        UsageError
            There is no such patient.
        """
        return self._remover.remove_patient(key)

    def remove_study(self, uid: str) -> RemovalReport:
        """Remove a study with every series; see `remove_series`.

        Raises
        ------
        UsageError
            There is no such study.
        """
        return self._remover.remove_study(uid)

    def remove_series(self, uid: str) -> RemovalReport:
        """Remove a series: rows, cached tags, the database's own files and thumbnails. Linked files stay.

        A study and a patient that are empty then go too. If the process dies in between, the next opening
        of the database finishes the removal.

        Raises
        ------
        UsageError
            There is no such series.
        """
        return self._remover.remove_series(uid)

    def remove_missing(self, missing: Mapping[str, Sequence[tuple[str, str, str]]]) -> RemovalReport:
        """Remove instances whose files are gone, with series, studies and patients that have nothing left then.

        Parameters
        ----------
        missing : mapping
            By SeriesInstanceUID the rows, each SOPInstanceUID, ``Filename`` and ``InsertTimestamp``; a row that
            differs meanwhile stays.
        """
        return self._remover.remove_missing(missing)

    def remove_empty_rows(self) -> RemovalReport:
        """Remove series without images, studies without series and patients without studies, left by other programs.

        Results of CTK's queries, which never had an image, stay.
        """
        return self._remover.remove_empty_rows()

    def finish_removals(self) -> RemovalReport:
        """End removals that an earlier run began."""
        return self._remover.finish_pending()

    def _in_portions(
        self, items: Sequence[_Item], pace: Pace, work: Callable[[sqlite3.Connection, Sequence[_Item]], None]
    ) -> None:
        """Do `work` in short transactions, with what is held in memory being true at the start of each."""

        def with_true_cache(connection: sqlite3.Connection, part: Sequence[_Item]) -> None:
            self._make_cache_true(connection)
            self._cache.trim()
            work(connection, part)

        if self._file.refresh() != self._cached_at:
            # Before the write lock is taken, because a long list of patients takes its time.
            with self._file.reading() as connection:
                self._make_cache_true(connection)
        self._file.in_portions(items, pace, with_true_cache)

    def _make_cache_true(self, connection: sqlite3.Connection) -> None:
        if self._file.generation != self._cached_at:
            self._cache.clear()
            self._cache.load_patient_keys(connection)
            self._rules = RuleSet.of_database(connection, self._registry)
            self._cached_at = self._file.generation
