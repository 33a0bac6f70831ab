"""Makes a damaged database anew: ``python -m VisualDICOMBrowserLib.engine.rebuilding FOLDER``.

A program of its own, because no engine can work on a damaged database: it holds the engine's lock. The damaged file
is kept beside under a name with the date, and an empty database takes its place; the next engine fills that by a job
(``kind_rebuild``). A database that is sound, in use, or a newer program's is left alone.
"""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

from VisualDICOMBrowserLib.database.connection import connect
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.own_store import OwnStore
from VisualDICOMBrowserLib.database.paths import DATABASE_FILE, OWN_FILE
from VisualDICOMBrowserLib.database.salvage import kept_name, put_aside
from VisualDICOMBrowserLib.database.schema import SCHEMA_VERSION, parsed_version, stored_version
from VisualDICOMBrowserLib.engine.address import lock_file
from VisualDICOMBrowserLib.engine.kind_rebuild import note_rebuild
from VisualDICOMBrowserLib.engine.lock import take_engine_lock
from VisualDICOMBrowserLib.errors import DatabaseFault, StorageFault, UsageError, VisualDICOMError

__all__ = ["rebuild_database"]

_DAMAGED = "database_damaged"
_IN_USE_S = 2.0


def rebuild_database(folder: Path) -> Path:
    """Put the damaged database in `folder` aside and make an empty one; returns where the damaged file is kept.

    Raises
    ------
    UsageError
        There is no database, or it is not damaged.
    DatabaseFault
        It cannot be used for another reason, which making it anew would not mend.
    StorageFault
        Another program works on it, or the folder cannot be written.
    """
    folder = folder.absolute()
    path = folder / DATABASE_FILE
    if not path.is_file():
        message = f"There is no database in {folder}."
        raise UsageError(message, subject=str(folder))
    lock = take_engine_lock(lock_file(folder))
    if lock is None:
        message = f"Another program works on the database in {folder}."
        raise StorageFault(message, subject=str(folder), next_step="Close it there and try again.")
    try:
        _require_damaged(folder, path)
        _require_unused(path)
        kept = kept_name(path)
        # Noted first: whatever ends this program in between, the next engine knows what to do.
        with contextlib.closing(OwnStore(folder / OWN_FILE)) as own:
            note_rebuild(own, kept)
        put_aside(path, kept)
        LocalDatabase.open(folder).close()
    except OSError as fault:
        message = f"The damaged database could not be put aside: {fault.strerror or fault}."
        raise StorageFault(message, subject=str(fault.filename or path)) from fault
    finally:
        lock.release()
    return kept


def _require_damaged(folder: Path, path: Path) -> None:
    """Return if the file is damaged, and raise what is the case otherwise."""
    version = _version(path)
    if version and parsed_version(version) > parsed_version(SCHEMA_VERSION):
        message = f"A newer program made the database in {folder} (schema {version}), so it is left as it is."
        raise UsageError(message, subject=str(folder), next_step="Open it with that program.")
    try:
        with contextlib.closing(LocalDatabase.open(folder, read_only=True)) as database:
            database.check()
    except DatabaseFault as fault:
        if fault.code == _DAMAGED and fault.subject == str(path):
            return
        raise
    message = f"The database in {folder} is sound, so it is left as it is."
    raise UsageError(message, code="database_sound", subject=str(folder))


def _version(path: Path) -> str:
    """Number of the schema, empty if it cannot be read."""
    with contextlib.suppress(sqlite3.Error), _closed(connect(path, writable=False)) as connection:
        return stored_version(connection)
    return ""


def _require_unused(path: Path) -> None:
    """Raise if another program, such as Slicer, is writing to the file."""
    try:
        with _closed(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=_IN_USE_S)) as connection:
            connection.isolation_level = None
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        if "locked" in str(error):
            message = f"Another program is using the database {path}."
            raise StorageFault(message, subject=str(path), next_step="Close it there and try again.") from error


@contextlib.contextmanager
def _closed(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    try:
        yield connection
    finally:
        connection.close()


def _main() -> int:
    try:
        kept = rebuild_database(Path(sys.argv[1]))
    except VisualDICOMError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{kept}\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main())
