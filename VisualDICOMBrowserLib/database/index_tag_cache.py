"""Filling the tag cache behind the rows that make a series visible.

Tag cache rows are many (one per instance and tag) and slow to write, so they follow from a thread of their
own. In between they wait in spool files (`index_spool`) in the session's folder: memory stays flat, and after
a crash `TagCacheFiller.adopt` writes what is left, so nothing is lost for good. A tag that is not yet cached
is read from its file by whoever asks. Used by the instance store and the indexer, from any thread.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from VisualDICOMBrowserLib.database.index_spool import (
    Spool,
    SpooledBatch,
    files_of,
    read_spool,
    rows_of,
    same_path,
)
from VisualDICOMBrowserLib.database.storing_layout import SPOOL_SUFFIX
from VisualDICOMBrowserLib.database.storing_session import StoreSession
from VisualDICOMBrowserLib.database.tag_cache import TagRow
from VisualDICOMBrowserLib.errors import VisualDICOMError

__all__ = ["TagCacheFiller", "TagWriter"]

logger = logging.getLogger(__name__)

# Instances written in one sorted batch: more are faster and need more memory.
_BATCH = 2048
# While rows are being added the cache waits, but not with more instances than this on the disk.
_LARGEST_BACKLOG = 150_000
_CLOSE_TIMEOUT_S = 30.0


class TagWriter(Protocol):
    """What the filler needs of the database's writer."""

    def add_cached_tags(self, rows: Sequence[TagRow]) -> None:
        """Write rows of SOP Instance UID, tag and value that are sorted by the first two."""
        ...


class TagCacheFiller:
    """The one queue into the tag cache of a database. Safe from any thread.

    Parameters
    ----------
    writer : callable
        Gives the database's writer; asked when there is something to write.
    session : StoreSession
        Where spool files go.
    files_of : callable
        Path in the database by SOP Instance UID (`KnownFiles.files_of`), for what dead sessions left.
    """

    def __init__(
        self,
        writer: Callable[[], TagWriter],
        session: StoreSession,
        files_of: Callable[[Iterable[str]], Mapping[str, str]],
    ) -> None:
        self._writer = writer
        self._session = session
        self._files_of = files_of
        self._spool = Spool(session)
        self._condition = threading.Condition()
        self._confirmed: deque[SpooledBatch] = deque()
        self._adopted: deque[Path] = deque()
        self._backlog = 0
        self._holders = 0
        self._writing = False
        self._closed = False
        self._thread: threading.Thread | None = None

    def spool(self, keys: Sequence[str], cached: Collection[str], paths: bytes, answer: bytes) -> SpooledBatch:
        """Put the answer of a header scan on the disk; it counts once it is confirmed.

        Parameters
        ----------
        keys : sequence of str
            Tags of the values in the answer.
        cached : collection of str
            Tags that go into the cache; of what was not read nothing can be said.
        paths, answer : bytes
            Line with the files' paths and line with their values (`index_worker`).

        Raises
        ------
        StorageFault
            The disk is full or failed.
        """
        return self._spool.append(tuple(keys), frozenset(cached).intersection(keys), paths, answer)

    def confirm(self, batch: SpooledBatch, accepted: Collection[int]) -> None:
        """Let the files of `batch` with the indexes `accepted` go into the cache."""
        with self._condition:
            if not accepted:
                self._spool.finish(batch)
                return
            batch.accepted = tuple(accepted)
            self._confirmed.append(batch)
            self._backlog += len(accepted)
            self._wake()

    def adopt(self, left: Path) -> None:
        """Write, in the background, what a dead session left in the spool file `left`.

        The file is moved into the own session first, so that it outlives a second crash.
        """
        own = self._session.new_path(SPOOL_SUFFIX)
        left.replace(own)
        with self._condition:
            self._adopted.append(own)
            self._wake()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Leave the processor to others, within the limits of the disk, until the block ends."""
        with self._condition:
            self._holders += 1
        try:
            yield
        finally:
            with self._condition:
                self._holders -= 1
                self._condition.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all that was confirmed is in the cache; False if `timeout` seconds passed before."""
        with self._condition:
            return self._condition.wait_for(self._is_idle, timeout)

    def close(self) -> None:
        """End the thread after what it is writing; the rest stays on the disk for the next start."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(_CLOSE_TIMEOUT_S)
        self._spool.close()

    def _wake(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, name="tag-cache-filler")
            self._thread.start()
        self._condition.notify_all()

    def _is_idle(self) -> bool:
        return self._closed or not (self._confirmed or self._adopted or self._writing)

    def _may_write(self) -> bool:
        held = self._holders and self._backlog < _LARGEST_BACKLOG
        return self._closed or bool((self._confirmed or self._adopted) and not held)

    def _run(self) -> None:
        while work := self._next_work():
            # Where this fails, the spool file stays and is taken up at the next start; until then files are
            # read instead. The thread goes on, for others wait for what it has to do.
            try:
                if isinstance(work, Path):
                    self._write_left(work)
                else:
                    self._write(work)
            except (VisualDICOMError, OSError) as error:
                logger.warning("The tag cache could not be filled now: %s", error)
            except Exception:
                logger.exception("A fault in filling the tag cache")
            with self._condition:
                if not isinstance(work, Path):
                    self._backlog -= sum(len(batch.accepted) for batch in work)
                self._writing = False
                self._condition.notify_all()

    def _next_work(self) -> list[SpooledBatch] | Path | None:
        """Batches to write at once, or a file that was left; None when the filler is closed."""
        with self._condition:
            self._condition.wait_for(self._may_write)
            if self._closed:
                return None
            self._writing = True
            if not self._confirmed:
                return self._adopted.popleft()
            batches: list[SpooledBatch] = []
            count = 0
            while self._confirmed and count < _BATCH:
                batches.append(self._confirmed.popleft())
                count += len(batches[-1].accepted)
            return batches

    def _write(self, batches: list[SpooledBatch]) -> None:
        files = files_of(batches)
        # What was removed meanwhile leaves no trace.
        indexed = self._files_of(file.SOPInstanceUID for file, _ in files)
        self._writer().add_cached_tags(rows_of([pair for pair in files if pair[0].SOPInstanceUID in indexed]))
        for batch in batches:
            self._spool.finish(batch)

    def _write_left(self, path: Path) -> None:
        """Write those instances whose row names the very file that was read.

        Others were never indexed, or were removed or replaced since.
        """
        for files in read_spool(path):
            indexed = self._files_of(file.SOPInstanceUID for file, _ in files)
            known = [pair for pair in files if same_path(pair[0].path, indexed.get(pair[0].SOPInstanceUID))]
            self._writer().add_cached_tags(rows_of(known))
            if self._closed:
                return
        path.unlink(missing_ok=True)
