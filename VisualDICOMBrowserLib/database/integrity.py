"""Is a database file whole? Asked at every opening, so the answer must be cheap.

Always: the file is SQLite, no shorter than its header says, and has the tables and columns that are used.
Small files also get SQLite's own ``quick_check``; `full_check` goes over a file of any size when somebody
asks. A damaged file is reported and never touched. Called on the thread that opens a database.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from VisualDICOMBrowserLib.database.faults import database_faults
from VisualDICOMBrowserLib.database.schema import column_names
from VisualDICOMBrowserLib.errors import DatabaseFault

__all__ = ["QUICK_CHECK_BYTES", "check_file", "check_tables", "damaged", "full_check", "quick_check"]

QUICK_CHECK_BYTES = 16 * 2**20
_MAGIC = b"SQLite format 3\0"
_HEADER_LENGTH = 100
_USED_COLUMNS = {
    "Images": {"SOPInstanceUID", "Filename", "URL", "SeriesInstanceUID", "InsertTimestamp"},
    "Patients": {"UID", "PatientsName", "PatientID", "PatientsBirthDate", "InsertTimestamp"},
    "Studies": {"StudyInstanceUID", "PatientsUID", "StudyDate", "StudyDescription", "InsertTimestamp"},
    "Series": {"SeriesInstanceUID", "StudyInstanceUID", "SeriesNumber", "Modality", "InsertTimestamp"},
}


def check_file(path: Path) -> None:
    """Look at the head of an existing file; an empty one passes.

    Raises
    ------
    DatabaseFault
        It is no SQLite file, or was cut short.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_HEADER_LENGTH)
    except OSError as error:
        message = f"The database {path} cannot be read ({error.strerror or error})."
        raise DatabaseFault(
            message, code="database_unreadable", subject=str(path), next_step="Check its permissions."
        ) from error
    if size == 0:
        return
    if not head.startswith(_MAGIC) or len(head) < _HEADER_LENGTH:
        raise damaged(path, "it is not an SQLite file")
    page_size = int.from_bytes(head[16:18], "big")
    page_size = 65536 if page_size == 1 else page_size
    pages = int.from_bytes(head[28:32], "big")
    counts_are_valid = head[24:28] == head[92:96]
    # In WAL mode the newest pages may still lie in the -wal file, so only an emptied log tells.
    log = path.with_name(path.name + "-wal")
    if counts_are_valid and pages * page_size > size and not (log.exists() and log.stat().st_size):
        raise damaged(path, "it was cut short")


def check_tables(connection: sqlite3.Connection, path: Path) -> None:
    """Look for the tables and columns that are used, and at both ends of each.

    Raises
    ------
    DatabaseFault
        Something is missing or cannot be read.
    """
    with database_faults(path):
        for table, columns in _USED_COLUMNS.items():
            missing = columns - set(column_names(connection, table))
            if missing:
                raise damaged(path, f"{table} lacks {', '.join(sorted(missing))}")
            connection.execute(f"SELECT * FROM {table} ORDER BY rowid LIMIT 1").fetchone()
            connection.execute(f"SELECT * FROM {table} ORDER BY rowid DESC LIMIT 1").fetchone()
    if path.stat().st_size <= QUICK_CHECK_BYTES:
        quick_check(connection, path)


def quick_check(connection: sqlite3.Connection, path: Path) -> None:
    """SQLite's own check of the structure (not of indexes); time grows with the file.

    Raises
    ------
    DatabaseFault
        The file is damaged.
    """
    _run_check(connection, path, "PRAGMA quick_check(1)")


def full_check(connection: sqlite3.Connection, path: Path) -> None:
    """SQLite's complete check, indexes included; about a second per 100 MB.

    Raises
    ------
    DatabaseFault
        The file is damaged.
    """
    _run_check(connection, path, "PRAGMA integrity_check(1)")


def damaged(path: Path, what: str) -> DatabaseFault:
    """The failure that says how a database file is damaged and what to do."""
    message = f"The database {path} is damaged: {what}."
    return DatabaseFault(
        message,
        code="database_damaged",
        subject=str(path),
        next_step="Nothing was changed. Restore the file from a backup, or rebuild it from the images "
        "(check --rebuild); the damaged file is kept.",
    )


def _run_check(connection: sqlite3.Connection, path: Path, pragma: str) -> None:
    with database_faults(path):
        answer = connection.execute(pragma).fetchone()[0]
    if answer != "ok":
        raise damaged(path, answer)
