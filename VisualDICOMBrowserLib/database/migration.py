"""Bringing an older database file of CTK up to schema 0.8.1.

A copy of the file is made first and kept. Then, in one transaction, every table is made anew and the rows are
carried over column by column: owned files stay owned (relative paths), remote-only rows, Connections, column
settings and time stamps stay as they were (CTK's own update loses all of these). Displayed fields that the
older schema did not have stay NULL, which is how CTK and `DatabaseWriter` know that they are to be computed.
Files without the columns that identify instances (older than 0.5) are refused. Called on the opening thread.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from VisualDICOMBrowserLib.database.faults import database_faults
from VisualDICOMBrowserLib.database.schema import (
    SCHEMA_VERSION,
    TABLES,
    add_column_display_rows,
    column_names,
    create_indexes,
    stored_version,
)
from VisualDICOMBrowserLib.errors import DatabaseFault

__all__ = ["back_up", "check_migratable", "migrate"]

_NEEDED = {
    "Images": {"SOPInstanceUID", "Filename", "SeriesInstanceUID"},
    "Patients": {"UID", "PatientsName", "PatientID"},
    "Studies": {"StudyInstanceUID", "PatientsUID"},
    "Series": {"SeriesInstanceUID", "StudyInstanceUID"},
}
# Values for columns that the schema requires and an older file may lack or hold empty.
_DEFAULTS = {"InsertTimestamp": "strftime('%Y-%m-%dT%H:%M:%f', 'now', 'localtime')", "URL": "''"}


def check_migratable(connection: sqlite3.Connection, path: Path) -> None:
    """Look whether an older file has what identifies its rows.

    Raises
    ------
    DatabaseFault
        It is too old to be carried over.
    """
    version = stored_version(connection) or "without number"
    for table, needed in _NEEDED.items():
        missing = needed - set(column_names(connection, table))
        if missing:
            message = (
                f"The database {path} has schema {version}, which cannot be brought to {SCHEMA_VERSION}: "
                f"table {table} lacks {', '.join(sorted(missing))}."
            )
            next_step = "Import the files into a database in another folder."
            raise DatabaseFault(message, code="database_too_old", subject=str(path), next_step=next_step)


def migrate(connection: sqlite3.Connection, path: Path) -> Path | None:
    """Bring a file that `check_migratable` accepts up to date; return the copy that was made of it before.

    None if another process has done it in the meantime.

    Raises
    ------
    DatabaseFault, StorageFault
        The file is in use by another program, or the disk is full; it is unchanged.
    """
    with database_faults(path):
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = stored_version(connection)
            if version == SCHEMA_VERSION:
                connection.execute("ROLLBACK")
                return None
            backup = back_up(path, version or "unversioned")
            for table in TABLES:
                _carry_over(connection, table)
            create_indexes(connection)
            add_column_display_rows(connection)
            connection.execute("DELETE FROM SchemaInfo")
            connection.execute("INSERT INTO SchemaInfo VALUES (?)", (SCHEMA_VERSION,))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return backup


def back_up(path: Path, version: str) -> Path:
    """Complete copy of the file beside it, named after its schema version; never overwrites another."""
    name = f"{path.stem}-{version}.backup"
    target, number = path.with_name(f"{name}{path.suffix}"), 1
    while target.exists():
        number += 1
        target = path.with_name(f"{name}-{number}{path.suffix}")
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    source = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    copy = sqlite3.connect(part)
    try:
        source.backup(copy)
    finally:
        copy.close()
        source.close()
    part.replace(target)
    return target


def _carry_over(connection: sqlite3.Connection, table: str) -> None:
    old = column_names(connection, table)
    if old:
        connection.execute(f"ALTER TABLE {table} RENAME TO Old{table}")
    connection.execute(f"CREATE TABLE '{table}' ({TABLES[table]})")
    if not old:
        return
    columns, values = [], []
    for column in column_names(connection, table):
        default = _DEFAULTS.get(column)
        if column in old:
            columns.append(column)
            values.append(f"COALESCE({column}, {default})" if default else column)
        elif default and table in ("Images", "Patients", "Studies", "Series"):
            columns.append(column)
            values.append(default)
    sql = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} FROM Old{table}"
    connection.execute(sql)
    connection.execute(f"DROP TABLE Old{table}")
