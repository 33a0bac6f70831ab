"""A database that nobody has open is left as CTK opens it anywhere, and nothing gets lost on the way."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from scanned_files import other_program, query, scanned, series_of

from VisualDICOMBrowserLib.database.connection import WriteConnection
from VisualDICOMBrowserLib.database.index_known import KnownFiles
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.paths import DATABASE_FILE, TAG_CACHE_FILE

CTK_FILES = (DATABASE_FILE, TAG_CACHE_FILE)
ROLLBACK, WAL = b"\x01\x01", b"\x02\x02"


def stated_journal(path: Path) -> bytes:
    """The two bytes of the file's head that tell its journal."""
    with path.open("rb") as file:
        return file.read(20)[18:]


@pytest.mark.parametrize("name", CTK_FILES)
def test_the_last_close_leaves_the_journal_of_ctk(database: LocalDatabase, name: str) -> None:
    database.writer.add_files(series_of(3))
    database.writer.add_cached_tags([("1.2.9.1", "0008,0060", "MR")])
    database.reader.patients()
    reader = threading.Thread(target=database.reader.patients, name="test-read-1")
    reader.start()
    reader.join(30)
    assert stated_journal(database.folder / name) == WAL
    database.close()
    assert stated_journal(database.folder / name) == ROLLBACK
    assert not list(database.folder.glob("*-wal"))
    assert not list(database.folder.glob("*-shm"))


def test_what_was_closed_is_opened_in_wal_mode_again(database: LocalDatabase) -> None:
    database.writer.add_files(series_of(3))
    database.close()
    again = LocalDatabase.open(database.folder)
    assert stated_journal(database.folder / DATABASE_FILE) == WAL
    again.writer.add_files([scanned(9)])
    assert again.reader.counts().instances == 4
    again.close()


def test_closing_while_another_program_has_the_file_open_loses_nothing(database: LocalDatabase) -> None:
    database.writer.add_files(series_of(3))
    with other_program(database.folder) as connection:
        cursor = connection.execute("SELECT SOPInstanceUID FROM Images")
        assert cursor.fetchone()
        database.close()
        assert stated_journal(database.folder / DATABASE_FILE) == WAL
        cursor.close()
        connection.execute("UPDATE Patients SET PatientsComments = 'later'")
    LocalDatabase.open(database.folder).close()
    assert stated_journal(database.folder / DATABASE_FILE) == ROLLBACK
    assert query(database.folder, "SELECT PatientsComments, (SELECT COUNT(*) FROM Images) FROM Patients") == [
        ("later", 3)
    ]


def test_opening_while_another_program_reads_works_with_its_journal(database: LocalDatabase) -> None:
    database.writer.add_files(series_of(3))
    database.close()
    with other_program(database.folder) as connection:
        cursor = connection.execute("SELECT SOPInstanceUID FROM Images")
        assert cursor.fetchone()
        writing = WriteConnection(database.folder / DATABASE_FILE)
        cursor.close()
        assert stated_journal(writing.path) == ROLLBACK
        with writing.transaction() as mine:
            mine.execute("UPDATE Patients SET PatientsComments = 'mine'")
        assert connection.execute("SELECT PatientsComments FROM Patients").fetchone() == ("mine",)
        writing.close()


def test_closed_files_are_read_without_any_other_file_beside_them(database: LocalDatabase, tmp_path: Path) -> None:
    database.writer.add_files(series_of(3))
    database.close()
    alone = tmp_path / "alone.sql"
    alone.write_bytes((database.folder / DATABASE_FILE).read_bytes())
    connection = sqlite3.connect(f"{alone.as_uri()}?mode=ro", uri=True)
    assert connection.execute("SELECT COUNT(*) FROM Images").fetchone() == (3,)
    connection.close()
    assert [path.name for path in tmp_path.glob("alone*")] == ["alone.sql"]


def test_connections_of_an_import_hold_few_pages(database: LocalDatabase) -> None:
    """What they hold grows with the file, up to this bound, however many files are imported."""
    with closing(KnownFiles(database.folder)) as known:
        assert known._connections.rows("PRAGMA cache_size") == [(-8 * 1024,)]
    with closing(WriteConnection(database.folder / DATABASE_FILE)) as file, file.reading() as connection:
        assert connection.execute("PRAGMA cache_size").fetchone() == (-8 * 1024,)
