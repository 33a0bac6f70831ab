"""Importing: from files, folders, DICOMDIRs and zip archives to rows of the database.

What lives here: one import from its paths to its report, with worker processes where they pay. What becomes
of each file is in `index_run`. Any thread may import, several at a time; an import blocks its thread.

Rows come first and make a series visible; the tag cache follows from a thread of its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from VisualDICOMBrowserLib.database.header_plan import TagPlan, plan_for
from VisualDICOMBrowserLib.database.index_run import FileOutcome, FileReason, ImportRun
from VisualDICOMBrowserLib.database.index_worker import answer_for, encode_line
from VisualDICOMBrowserLib.database.index_workers import ScanPool
from VisualDICOMBrowserLib.database.sources import Sources
from VisualDICOMBrowserLib.model import JobControl
from VisualDICOMBrowserLib.settings import Settings

if TYPE_CHECKING:
    from VisualDICOMBrowserLib.database.local_database import LocalDatabase
    from VisualDICOMBrowserLib.database.storing import InstanceStore

__all__ = ["FileOutcome", "FileReason", "ImportReport", "Indexer"]

# Files in one list for a worker; an import of fewer than twice that starts no workers.
_CHUNK = 128
_FEW = 64


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import came to.

    Every file is counted once: imported (a new instance, or one whose file had been lost), unchanged (known
    with the same content), rejected with a reason, or in conflict with the file that was there first.
    ``patients``, ``studies`` and ``series`` count new rows; ``series_uids`` are the series that got instances.
    ``named`` says of each file that was named itself, not met in a folder, what became of it.
    """

    imported: int = 0
    unchanged: int = 0
    rejected: tuple[FileReason, ...] = ()
    conflicts: tuple[FileReason, ...] = ()
    patients: int = 0
    studies: int = 0
    series: int = 0
    series_uids: tuple[str, ...] = ()
    named: tuple[FileOutcome, ...] = ()


class Indexer:
    """Imports into one database.

    Parameters
    ----------
    database : LocalDatabase
    store : InstanceStore
        Takes the files that are copied, and fills the tag cache.
    settings : Settings
        ``import/...`` is asked at the start of each import.
    """

    def __init__(self, database: LocalDatabase, store: InstanceStore, settings: Settings) -> None:
        self._database = database
        self._store = store
        self._settings = settings

    def import_paths(
        self, paths: Sequence[Path], *, copy: bool, control: JobControl, inside: bool = False
    ) -> ImportReport:
        """Index every DICOM file below `paths`.

        Members of zip archives are always copied. What was committed before an error or a cancel stays.

        Parameters
        ----------
        paths : sequence of Path
            Files, folders (with all their subfolders), DICOMDIRs, zip archives.
        copy : bool
            Copy the files into the database folder instead of linking to where they are.
        control : JobControl
            Hears of progress in files; its cancel is heeded between small groups of files.
        inside : bool
            Also files in the database folder, which are left out otherwise; those below ``dicom`` become its own.

        Returns
        -------
        ImportReport
            When all rows are committed and visible. The tag cache may still be filling.

        Raises
        ------
        JobCancelled
            `control` was cancelled.
        DatabaseReadOnlyError, DatabaseFault, StorageFault
            The database or the disk failed.
        """
        self._check_writable()
        before = self._database.reader.counts()
        plan = plan_for(self._database.tags_to_precache)
        sources = Sources(
            paths,
            include_hidden=self._settings.flag("import/include_hidden"),
            excluded=None if inside else self._database.folder,
        )
        # The names are those that `Sources` gives to files.
        named = frozenset(os.path.abspath(path) for path in paths)  # noqa: PTH100
        run = ImportRun(self._database, self._store, plan, control, copy=copy, named=named)
        try:
            with _counted(sources, run), self._store.tag_cache.held():
                self._index(sources, run, plan, control)
        finally:
            run.drop()
        after = self._database.reader.counts()
        counts = run.counts
        return ImportReport(
            imported=counts.imported,
            unchanged=counts.unchanged,
            rejected=tuple(counts.rejected),
            conflicts=tuple(counts.conflicts),
            patients=max(0, after.patients - before.patients),
            studies=max(0, after.studies - before.studies),
            series=max(0, after.series - before.series),
            series_uids=tuple(counts.series),
            named=tuple(counts.named),
        )

    def wait_for_tag_cache(self) -> None:
        """Return when the values of all imported files are in the tag cache."""
        self._store.tag_cache.wait()

    def close(self) -> None:
        """Nothing is held between imports; the tag cache ends with the store."""

    def _check_writable(self) -> None:
        """Raise `DatabaseReadOnlyError` before anything is read."""
        _ = self._database.writer

    def _index(self, sources: Sources, run: ImportRun, plan: TagPlan, control: JobControl) -> None:
        archives: list[str] = []
        limit = self._settings.integer("import/inflate_limit") << 20
        files = self._files(sources, run, archives, control)
        first = list(islice(files, _FEW))
        if len(first) < _FEW:
            if first:
                run.take(first, encode_line(answer_for(first, plan, limit)))
        else:
            workers = self._settings.integer("import/workers") or _cores()
            with ScanPool(plan, workers, limit) as pool:
                for chunk, line in pool.answers(_chunks(chain(first, files)), control):
                    run.take(chunk, line)
        run.flush()
        for archive in archives:
            control.raise_if_cancelled()
            run.take_archive(archive)

    def _files(self, sources: Sources, run: ImportRun, archives: list[str], control: JobControl) -> Iterator[str]:
        """Paths that have to be looked into; the others are counted, archives noted."""
        known = None if self._store.known.is_empty() else self._store.known
        candidates = iter(sources)
        while group := list(islice(candidates, _CHUNK)):
            control.raise_if_cancelled()
            for candidate in group:
                if candidate.kind == "rejected":
                    run.reject(candidate.path, candidate.reason)
            archives += [candidate.path for candidate in group if candidate.kind == "archive"]
            paths = [candidate.path for candidate in group if candidate.kind == "file"]
            unchanged = known.unchanged(paths) if known and paths else set()
            if unchanged:
                run.skip_unchanged(unchanged)
            yield from (path for path in paths if path not in unchanged)


def _chunks(paths: Iterator[str]) -> Iterator[list[str]]:
    while chunk := list(islice(paths, _CHUNK)):
        yield chunk


@contextmanager
def _counted(sources: Sources, run: ImportRun) -> Iterator[None]:
    """Count the files meanwhile, so that progress has a total soon."""
    ended = threading.Event()

    def count() -> None:
        total = 0
        for _ in sources:
            if ended.is_set():
                return
            total += 1
        run.counts.total = total

    counter = threading.Thread(target=count, name="import-count")
    counter.start()
    try:
        yield
    finally:
        ended.set()
        counter.join()


def _cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
