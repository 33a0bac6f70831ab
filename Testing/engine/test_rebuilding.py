"""A damaged database is made anew from its copies and what it still names; one that is not damaged is left alone."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from Testing.support.ct_series import CtSeries, make_ct_series
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.engine.open_engine import open_engine
from VisualDICOMBrowserLib.engine.rebuilding import rebuild_database
from VisualDICOMBrowserLib.engine.session import Session
from VisualDICOMBrowserLib.errors import DatabaseFault, StorageFault, UsageError

Filled = tuple[Path, CtSeries, CtSeries]


@pytest.fixture
def filled(tmp_path: Path) -> Filled:
    """A closed database with a copied and a linked series."""
    folder = tmp_path / "database"
    copied = make_ct_series(tmp_path / "copied", 5)
    linked = make_ct_series(tmp_path / "linked", 300, number=2, size=4, patient=("CT-2", "Other"))
    with Session(open_engine(folder)) as session:
        session.import_files([copied.folder], copy=True, timeout=60)
        session.import_files([linked.folder], copy=False, timeout=60)
        session.client.request("add_server", name="Main", host="127.0.0.1", port=104, called_ae_title="X")
    return folder, copied, linked


def damage(file: Path, page: int, pages: int = 1) -> None:
    """Overwrite pages of an SQLite file."""
    size = int.from_bytes(file.read_bytes()[16:18], "big")
    with file.open("r+b") as opened:
        opened.seek(page * size)
        opened.write(os.urandom(size * pages))


def pages_of(file: Path, table: str) -> list[int]:
    """The page at which a table begins, from 0."""
    with sqlite3.connect(file) as connection:
        return [root - 1 for (root,) in connection.execute("SELECT rootpage FROM sqlite_master WHERE name=?", (table,))]


def counts(folder: Path) -> dict[str, int]:
    with Session(open_engine(folder)) as session:
        session.client.request("take_up_rebuild")
        (job,) = [each for each in session.client.request("jobs") if each["kind"] == "rebuild"]
        result = session.wait(job["job_id"], timeout=60)["result"]
        assert result["rejected"] == []
        assert [each["name"] for each in session.client.request("servers")] == ["Main"]
        return session.client.request("counts")


@pytest.mark.parametrize("table", ["Patients", "SchemaInfo"])
def test_copies_and_linked_files_are_in_the_new_database(filled: Filled, table: str) -> None:
    folder, copied, _linked = filled
    file = folder / "ctkDICOM.sql"
    (page,) = pages_of(file, table)
    damage(file, page)
    damaged = file.read_bytes()
    with pytest.raises(DatabaseFault, match="is damaged"):
        LocalDatabase.open(folder)
    kept = rebuild_database(folder)
    assert kept.parent == folder
    assert kept.name.startswith("ctkDICOM-damaged-20")
    assert kept.read_bytes() == damaged
    assert counts(folder) == {"patients": 2, "studies": 2, "series": 2, "instances": 305}
    with Session(open_engine(folder)) as session:
        report = session.wait(
            session.client.request("remove", level="SERIES", uid=copied.SeriesInstanceUID), timeout=60
        )["result"]
    assert report["deleted_files"] == 5


def test_what_cannot_be_read_of_the_damaged_file_is_stepped_over(filled: Filled) -> None:
    folder, _copied, linked = filled
    file = folder / "ctkDICOM.sql"
    with sqlite3.connect(file) as connection:
        count = connection.execute("PRAGMA page_count").fetchone()[0]
    # The leaves of the largest table lie last.
    damage(file, count - 4, 2)
    rebuild_database(folder)
    found = counts(folder)
    assert 5 < found["instances"] <= 5 + len(linked.files)


def test_a_file_that_is_no_database_gives_the_copies(filled: Filled) -> None:
    folder, _copied, _linked = filled
    (folder / "ctkDICOM.sql").write_bytes(b"This is something else." * 1000)
    rebuild_database(folder)
    assert counts(folder)["instances"] == 5


def test_a_sound_database_is_left_alone(filled: Filled) -> None:
    folder = filled[0]
    before = (folder / "ctkDICOM.sql").read_bytes()
    with pytest.raises(UsageError, match="is sound"):
        rebuild_database(folder)
    assert (folder / "ctkDICOM.sql").read_bytes() == before
    assert not list(folder.glob("*-damaged-*"))


def test_a_newer_database_is_left_alone_even_if_it_looks_damaged(filled: Filled) -> None:
    folder = filled[0]
    with sqlite3.connect(folder / "ctkDICOM.sql") as connection:
        connection.execute("UPDATE SchemaInfo SET Version = '9.0'")
        connection.execute("ALTER TABLE Images RENAME COLUMN InsertTimestamp TO Inserted")
    with pytest.raises(UsageError, match="newer program"):
        rebuild_database(folder)
    assert not list(folder.glob("*-damaged-*"))


def test_a_database_in_use_is_left_alone(filled: Filled) -> None:
    folder = filled[0]
    with Session(open_engine(folder)), pytest.raises(StorageFault, match="Another program"):
        rebuild_database(folder)
    (page,) = pages_of(folder / "ctkDICOM.sql", "Patients")
    damage(folder / "ctkDICOM.sql", page)
    other = sqlite3.connect(folder / "ctkDICOM.sql", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises((StorageFault, DatabaseFault)):
            rebuild_database(folder)
    finally:
        other.close()
    assert not list(folder.glob("*-damaged-*"))


def test_no_database_is_made_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no database"):
        rebuild_database(tmp_path)
    assert not list(tmp_path.iterdir())
