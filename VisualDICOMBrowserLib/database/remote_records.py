"""What servers were last seen to have: studies, series and, where somebody asked, the instances of a series.

Tables of their own in our file beside CTK's database, whose tables hold local files only. A memory, not a truth: it
says whom to ask first and what a server that is down is likely to have. Bounded: what was seen longest ago goes
first. Safe from any thread; every call is one short transaction.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.database.connection import ReadConnections, WriteConnection
from VisualDICOMBrowserLib.database.values import storable
from VisualDICOMBrowserLib.model import AnyRecord, Level, SeriesRecord, StudyRecord, record_as_dict, record_from_dict

__all__ = ["RemoteRecords"]

# The number grows with every sighting, so that the smallest was seen longest ago.
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS RemoteStudies (number INTEGER PRIMARY KEY, StudyInstanceUID TEXT NOT NULL,"
    " server TEXT NOT NULL, record TEXT NOT NULL, seen REAL NOT NULL, UNIQUE (StudyInstanceUID, server))",
    "CREATE TABLE IF NOT EXISTS RemoteSeries (number INTEGER PRIMARY KEY, StudyInstanceUID TEXT NOT NULL,"
    " server TEXT NOT NULL, SeriesInstanceUID TEXT NOT NULL, record TEXT NOT NULL, seen REAL NOT NULL,"
    " UNIQUE (StudyInstanceUID, server, SeriesInstanceUID))",
    "CREATE TABLE IF NOT EXISTS RemoteInstances (number INTEGER PRIMARY KEY, StudyInstanceUID TEXT NOT NULL,"
    " server TEXT NOT NULL, SeriesInstanceUID TEXT NOT NULL, uids TEXT NOT NULL, seen REAL NOT NULL,"
    " UNIQUE (StudyInstanceUID, server, SeriesInstanceUID))",
)
_TABLES = ("RemoteStudies", "RemoteSeries", "RemoteInstances")
_TRIM_EVERY = 500


class RemoteRecords:
    """The opened tables.

    Parameters
    ----------
    path : Path
        Our SQLite file (`OwnStore.path`).
    writable : bool
        False reads only what is there.
    limits : mapping of str to int, optional
        Most rows by table.

    Raises
    ------
    DatabaseFault, StorageFault
        The file cannot be opened; also from every method, if SQLite fails.
    """

    def __init__(self, path: Path, *, writable: bool = True, limits: Mapping[str, int] | None = None) -> None:
        known = {"RemoteStudies": 50_000, "RemoteSeries": 200_000, "RemoteInstances": 5_000}
        self._limits = {**known, **(limits or {})}
        self._since_trim = dict.fromkeys(_TABLES, 0)
        self._file = WriteConnection(path) if writable else None
        self._readers: ReadConnections | None = None
        try:
            if self._file is not None:
                with self._file.transaction() as connection:
                    for statement in _SCHEMA:
                        connection.execute(statement)
            if path.exists():
                self._readers = ReadConnections(path, writable=writable, cache_mb=8)
                if self._file is None and not self._has_tables():
                    self._readers.close()
                    self._readers = None
        except BaseException:
            self.close()
            raise

    def seen(self, server: str, records: Iterable[AnyRecord]) -> None:
        """Note studies and series that `server` just answered with; other records are passed over."""
        now = time.time()
        studies, series = [], []
        for record in records:
            if isinstance(record, StudyRecord):
                studies.append((storable(record.StudyInstanceUID), server, _text(record), now))
            elif isinstance(record, SeriesRecord) and record.StudyInstanceUID:
                uids = (storable(record.StudyInstanceUID), server, storable(record.SeriesInstanceUID))
                series.append((*uids, _text(record), now))
        self._write("RemoteStudies", "StudyInstanceUID, server, record, seen", studies)
        self._write("RemoteSeries", "StudyInstanceUID, server, SeriesInstanceUID, record, seen", series)

    def listed(self, server: str, study: str, series: Mapping[str, int | None], *, whole: bool = True) -> None:
        """Note series that `server` has of a study, with their number of instances.

        What else is known of a series stays. Where they are all that it has (`whole`), others go.
        """
        if self._file is None:
            return
        known = {record.SeriesInstanceUID: record for record in self.series(study).get(server, ())}
        records = []
        for uid, count in series.items():
            former = asdict(known[uid]) if uid in known else {}
            fields = {"SeriesInstanceUID": uid, "StudyInstanceUID": study, "NumberOfSeriesRelatedInstances": count}
            records.append(SeriesRecord(**{**former, **fields, "server": server}))
        with self._file.transaction() as connection:
            for table in ("RemoteSeries", "RemoteInstances"):
                gone = [(study, server, uid) for uid in known if whole and uid not in series]
                connection.executemany(
                    f"DELETE FROM {table} WHERE StudyInstanceUID = ? AND server = ? AND SeriesInstanceUID = ?", gone
                )
        self.seen(server, records)

    def instances_listed(self, server: str, study: str, series: str, uids: Iterable[str]) -> None:
        """Note the instances that `server` has of a series."""
        row = (study, server, series, json.dumps(list(uids)), time.time())
        self._write("RemoteInstances", "StudyInstanceUID, server, SeriesInstanceUID, uids, seen", [row])

    def studies(self, study: str) -> dict[str, StudyRecord]:
        """A study as each server has it, by server."""
        rows = self._rows("SELECT server, record FROM RemoteStudies WHERE StudyInstanceUID = ?", (study,))
        return {server: record_from_dict(Level.STUDY, json.loads(text)) for server, text in rows}

    def series(self, study: str) -> dict[str, list[SeriesRecord]]:
        """Series of a study by server."""
        found: dict[str, list[SeriesRecord]] = {}
        sql = "SELECT server, record FROM RemoteSeries WHERE StudyInstanceUID = ? ORDER BY number"
        for server, text in self._rows(sql, (study,)):
            found.setdefault(server, []).append(record_from_dict(Level.SERIES, json.loads(text)))
        return found

    def instances(self, study: str, series: str) -> dict[str, tuple[str, ...]]:
        """SOP Instance UIDs of a series by server, for those that were asked for them."""
        sql = "SELECT server, uids FROM RemoteInstances WHERE StudyInstanceUID = ? AND SeriesInstanceUID = ?"
        return {server: tuple(json.loads(text)) for server, text in self._rows(sql, (study, series))}

    def last_seen(self, study: str) -> dict[str, float]:
        """When each server was last seen to have a study, in seconds since 1970."""
        return dict(self._rows("SELECT server, seen FROM RemoteStudies WHERE StudyInstanceUID = ?", (study,)))

    def forget(self, server: str, study: str = "") -> None:
        """Forget what `server` has: of one study, or all of it."""
        if self._file is None:
            return
        with self._file.transaction() as connection:
            for table in _TABLES:
                if study:
                    sql = f"DELETE FROM {table} WHERE StudyInstanceUID = ? AND server = ?"
                    connection.execute(sql, (study, server))
                else:
                    connection.execute(f"DELETE FROM {table} WHERE server = ?", (server,))

    def rename(self, old: str, new: str) -> None:
        """The server `old` is now called `new`."""
        if self._file is None:
            return
        with self._file.transaction() as connection:
            for table in _TABLES:
                connection.execute(f"DELETE FROM {table} WHERE server = ?", (new,))
                connection.execute(f"UPDATE {table} SET server = ? WHERE server = ?", (new, old))

    def counts(self) -> dict[str, int]:
        """Number of rows by table."""
        return {table: self._rows(f"SELECT COUNT(*) FROM {table}", ())[0][0] for table in _TABLES if self._readers}

    def close(self) -> None:
        """Close every connection. May be called again."""
        if self._readers is not None:
            self._readers.close()
        if self._file is not None:
            self._file.close()

    def _write(self, table: str, columns: str, rows: list[tuple[Any, ...]]) -> None:
        if self._file is None or not rows:
            return
        marks = ", ".join("?" * len(columns.split(",")))
        with self._file.transaction() as connection:
            connection.executemany(f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({marks})", rows)
            self._since_trim[table] += len(rows)
            if self._since_trim[table] >= max(1, min(_TRIM_EVERY, self._limits[table] // 10)):
                self._since_trim[table] = 0
                _trim(connection, table, self._limits[table])

    def _rows(self, sql: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        return [] if self._readers is None else self._readers.rows(sql, parameters)

    def _has_tables(self) -> bool:
        names = self._rows("SELECT name FROM sqlite_master WHERE type = 'table'", ())
        return set(_TABLES) <= {name for (name,) in names}


def _trim(connection: sqlite3.Connection, table: str, most: int) -> None:
    newest = f"SELECT number FROM {table} ORDER BY number DESC LIMIT 1 OFFSET ?"
    connection.execute(f"DELETE FROM {table} WHERE number <= ({newest})", (most,))


def _text(record: AnyRecord) -> str:
    return json.dumps(record_as_dict(record))
