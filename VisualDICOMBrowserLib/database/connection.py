"""Connections to the SQLite files of a database folder.

One writing connection per file behind one lock, with transactions that begin IMMEDIATE and are short; one
reading connection per thread, closed when its thread ends or at the latest on `close`. WAL while a file is
open for writing, where the file system allows it, else CTK's rollback journal, to which the last one that closes
a file returns; ``synchronous=NORMAL``; the busy timeout of CTK's driver or longer. Does not live here: what is
written or read.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from VisualDICOMBrowserLib.database.faults import database_faults, fault_for
from VisualDICOMBrowserLib.database.file_systems import is_on_network
from VisualDICOMBrowserLib.database.pacing import Pace
from VisualDICOMBrowserLib.errors import DatabaseFault, DatabaseReadOnlyError

__all__ = [
    "BUSY_TIMEOUT_S",
    "LARGE_CACHE_MB",
    "SMALL_CACHE_MB",
    "ReadConnections",
    "WriteConnection",
    "connect",
    "read_only_error",
]

_Item = TypeVar("_Item")

logger = logging.getLogger(__name__)

BUSY_TIMEOUT_S = 20.0
_JOURNAL_TIMEOUT_S = 1.0
# Pages that a connection keeps in memory. Queries go over whole indexes and the rows of the tag cache come in no
# order, so they gain from many pages; every other connection would only fill them as the file grows.
LARGE_CACHE_MB, SMALL_CACHE_MB = 32, 8
_OTHERS_STAY_S = 2.0
_GAP_SHARE = 0.1
_LONGEST_GAP_S = 0.05


def connect(path: Path, *, writable: bool, create: bool = False, cache_mb: int = SMALL_CACHE_MB) -> sqlite3.Connection:
    """Connection to a file, in autocommit mode; usable from any one thread at a time.

    Raises
    ------
    sqlite3.Error
        The file cannot be opened.
    """
    if writable:
        return _configured(_open(f"{path.as_uri()}?mode={'rwc' if create else 'rw'}"), cache_mb)
    try:
        return _configured(_open(f"{path.as_uri()}?mode=ro"), cache_mb)
    except sqlite3.OperationalError:
        if os.access(path.parent, os.W_OK):
            raise
        # A read-only medium cannot hold the shared memory file of WAL; nobody can write there either.
        return _configured(_open(f"{path.as_uri()}?immutable=1"), cache_mb)


def _open(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(
        uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=256
    )


def _configured(connection: sqlite3.Connection, cache_mb: int) -> sqlite3.Connection:
    try:
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA cache_size=-{cache_mb * 1024}")
        connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


class WriteConnection:
    """The one writing connection to a file. Safe from any thread; transactions of one thread may not nest.

    ``generation`` changes, inside the transaction that notices it, whenever rows held in memory may no longer be
    those of the file: another connection has committed, or a transaction of this one was undone.

    Parameters
    ----------
    path : Path
        The SQLite file; made if it is missing.
    cache_mb : int
        Pages kept in memory, in MB.

    Raises
    ------
    DatabaseFault, StorageFault
        The file cannot be opened.
    """

    def __init__(self, path: Path, cache_mb: int = SMALL_CACHE_MB) -> None:
        self.path = path
        self._lock = threading.RLock()
        self.generation = 0
        self._data_version = 0
        with database_faults(path):
            self._connection: sqlite3.Connection | None = connect(path, writable=True, create=True, cache_mb=cache_mb)
            try:
                _choose_journal(self._connection, path)
                self._note_others(self._connection)
                self._others_until = 0.0
            except sqlite3.Error:
                self.close()
                raise

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One short transaction: committed at the end, undone by any exception.

        Raises
        ------
        DatabaseFault, StorageFault
            SQLite could not carry it out.
        """
        with self._lock, database_faults(self.path):
            connection = self._opened()
            connection.execute("BEGIN IMMEDIATE")
            try:
                self._note_others(connection)
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                self.outdate()
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def in_portions(
        self, items: Sequence[_Item], pace: Pace, work: Callable[[sqlite3.Connection, Sequence[_Item]], None]
    ) -> None:
        """Do `work` on all `items` in transactions of some 12 ms, leaving the file to others in between.

        Raises
        ------
        DatabaseFault, StorageFault
            SQLite could not carry it out; earlier portions are committed.
        """
        start = 0
        while start < len(items):
            part = items[start : start + pace.size]
            with self.transaction() as connection:
                began = time.perf_counter()
                work(connection, part)
            held = time.perf_counter() - began
            pace.learn(len(part), held)
            self.give_way(held)
            start += len(part)

    def give_way(self, held_s: float) -> None:
        """Leave the file to others for a moment after a transaction of `held_s` seconds.

        CTK waits for the lock by polling on the window's thread. The gap is short while nobody else was
        seen writing, and as long as the transaction where somebody was.
        """
        others = time.monotonic() < self._others_until
        time.sleep(min(_LONGEST_GAP_S, held_s if others else held_s * _GAP_SHARE))

    def refresh(self) -> int:
        """``generation`` as of now."""
        with self.reading() as connection:
            self._note_others(connection)
        return self.generation

    def outdate(self) -> None:
        """Declare untrue what anybody holds in memory of this file; call inside a transaction."""
        self.generation += 1

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection for reading or a PRAGMA, under the lock."""
        with self._lock, database_faults(self.path):
            yield self._opened()

    def close(self) -> None:
        """Close the connection; later use raises `DatabaseFault`. May be called again.

        Where nobody else has the file open it is left with CTK's rollback journal: a file in WAL mode cannot be
        opened in a folder without permission to write.
        """
        with self._lock:
            if self._connection is not None:
                _leave_wal(self._connection, self.path)
                self._connection.close()
                self._connection = None

    def _note_others(self, connection: sqlite3.Connection) -> None:
        version = connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._data_version:
            self.generation += 1
            self._others_until = time.monotonic() + _OTHERS_STAY_S
            self._data_version = version

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            raise _closed_fault(self.path)
        return self._connection


def _choose_journal(connection: sqlite3.Connection, path: Path) -> None:
    """Switch to WAL, or on a network to CTK's rollback journal, if that is possible."""
    current = connection.execute("PRAGMA journal_mode").fetchone()[0]
    wanted = "delete" if is_on_network(path.parent) else "wal"
    if current == wanted:
        return
    _set_busy_timeout(connection, _JOURNAL_TIMEOUT_S)
    try:
        got = connection.execute(f"PRAGMA journal_mode={wanted}").fetchone()[0]
    except sqlite3.OperationalError as error:
        # Another program holds the file at this moment; both modes are safe, the next opening tries again.
        logger.info("The journal of %s stays in mode %s: %s", path, current, error)
        return
    finally:
        _set_busy_timeout(connection, BUSY_TIMEOUT_S)
    if got != wanted:
        logger.info("The journal of %s is in mode %s, not %s", path, got, wanted)


def _leave_wal(connection: sqlite3.Connection, path: Path) -> None:
    """Return to the rollback journal before closing, at once or not at all."""
    try:
        _set_busy_timeout(connection, 0)
        connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        # Somebody else has the file open; SQLite keeps the log for them, and whoever closes last settles it.
        logger.debug("The journal of %s stays in WAL mode: %s", path, error)


def _set_busy_timeout(connection: sqlite3.Connection, seconds: float) -> None:
    connection.execute(f"PRAGMA busy_timeout={int(seconds * 1000)}")


class _Lease:
    """A connection that closes itself when the thread that held it is gone, and never while it is in use."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.lock = threading.Lock()

    def close(self) -> None:
        with self.lock:
            self.connection.close()

    def __del__(self) -> None:
        self.connection.close()


class ReadConnections:
    """A reading connection for every thread that asks. Safe from any thread.

    Parameters
    ----------
    path : Path
        The SQLite file.
    writable : bool
        False where the file may not be written at all.
    functions : mapping of str to callable
        Functions of one argument that queries may use, by name; they must be deterministic.
    cache_mb : int
        Pages kept in memory for each thread, in MB.
    """

    def __init__(
        self,
        path: Path,
        *,
        writable: bool = True,
        functions: Mapping[str, Callable[[Any], Any]] | None = None,
        cache_mb: int = LARGE_CACHE_MB,
    ) -> None:
        self.path = path
        self._cache_mb = cache_mb
        self._writable = writable
        self._functions = dict(functions or {})
        self._local = threading.local()
        self._leases: weakref.WeakSet[_Lease] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._closed = False

    def rows(self, sql: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        """All rows of a query, on the connection of the calling thread.

        Raises
        ------
        DatabaseFault, StorageFault
            SQLite could not carry it out, or `close` was called.
        """
        lease = self._leased()
        try:
            with lease.lock:
                return lease.connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise fault_for(error, self.path) from error

    def version(self) -> tuple[int, int]:
        """A value that differs from the last one of this thread if anything was written in between."""
        rows = self.rows("PRAGMA data_version")
        return threading.get_ident(), int(rows[0][0])

    def separate(self) -> sqlite3.Connection:
        """A reading connection that is the caller's to guard and to close.

        Raises
        ------
        DatabaseFault, StorageFault
            The file cannot be opened, or `close` was called.
        """
        if self._closed:
            raise _closed_fault(self.path)
        with database_faults(self.path):
            return self._connect()

    def close(self) -> None:
        """Close the connections of every thread, once their queries have ended. May be called again."""
        with self._lock:
            self._closed = True
            leases = list(self._leases)
        for lease in leases:
            lease.close()

    def _leased(self) -> _Lease:
        lease: _Lease | None = getattr(self._local, "lease", None)
        if lease is None:
            with self._lock:
                lease = _Lease(self.separate())
                self._leases.add(lease)
            self._local.lease = lease
        return lease

    def _connect(self) -> sqlite3.Connection:
        connection = connect(self.path, writable=self._writable, cache_mb=self._cache_mb)
        connection.execute("PRAGMA query_only=ON")
        for name, function in self._functions.items():
            connection.create_function(name, 1, function, deterministic=True)
        return connection


def _closed_fault(path: Path) -> DatabaseFault:
    return DatabaseFault(f"The database {path} has been closed.", code="database_closed", subject=str(path))


def read_only_error(path: Path) -> DatabaseReadOnlyError:
    """The failure of whoever wants to write to a database that is open for reading only."""
    message = f"The database {path} is open for reading only."
    return DatabaseReadOnlyError(
        message,
        subject=str(path),
        next_step="Another program with a newer format made it, or its folder may not be written.",
    )
