"""What SQLite reports, as sentences for a person.

The one place where ``sqlite3`` exceptions become those of `errors`. Any thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from VisualDICOMBrowserLib.errors import BugError, DatabaseFault, DatabaseReadOnlyError, StorageFault

__all__ = ["database_faults", "fault_for"]

_FAULTS: tuple[tuple[tuple[str, ...], type[DatabaseFault] | type[StorageFault], str, str, str], ...] = (
    (
        ("locked", "busy"),
        DatabaseFault,
        "database_locked",
        "The database {path} is in use by another program and did not become free in time.",
        "Try again, or close the other program.",
    ),
    (
        ("malformed", "not a database", "corrupt", "no such table", "no such column"),
        DatabaseFault,
        "database_damaged",
        "The database {path} is damaged ({detail}).",
        "Restore the file from a backup, or rebuild it from the images (check --rebuild); the damaged file is kept.",
    ),
    (
        ("readonly", "read-only"),
        DatabaseReadOnlyError,
        "database_read_only",
        "The database {path} may not be written.",
        "Check the permissions of its folder.",
    ),
    (
        ("full", "disk i/o", "unable to open", "too big"),
        StorageFault,
        "storage",
        "The disk of the database {path} failed or is full ({detail}).",
        "Check that disk, its free space and the permissions of the folder.",
    ),
)


def fault_for(error: sqlite3.Error, path: Path) -> DatabaseFault | StorageFault | BugError:
    """The failure that tells a person what `error` on the file `path` means."""
    detail = str(error)
    lowered = detail.lower()
    for words, kind, code, message, next_step in _FAULTS:
        if any(word in lowered for word in words):
            text = message.format(path=path, detail=detail)
            return kind(text, code=code, subject=str(path), next_step=next_step)
    if isinstance(error, sqlite3.ProgrammingError) and "closed" in lowered:
        text = f"The database {path} has been closed."
        return DatabaseFault(text, code="database_closed", subject=str(path))
    text = f"The database {path} refused a request ({detail})."
    return BugError(text, subject=str(path))


@contextmanager
def database_faults(path: Path) -> Iterator[None]:
    """Raise what SQLite reports on the file `path` as `DatabaseFault`, `StorageFault` or `BugError`."""
    try:
        yield
    except sqlite3.Error as error:
        raise fault_for(error, path) from error
