"""Removal: rows, files, thumbnails, cached tags; linked files stay; a crash leaves nothing behind."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from scanned_files import CTK_IMAGE, add_remote_series, other_program, owned_files, query, scanned, series_of

from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.records import ScannedFile
from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.model import Level, Query

ROOT = Path(__file__).parents[2]
REMOVER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
database = LocalDatabase.open(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
print("go", flush=True)
database.writer.remove_patient(1)
"""


def add_owned(database: LocalDatabase, count: int, *, first: int = 1, **values: str) -> list[ScannedFile]:
    """Instances with copies, thumbnails and cached tags."""
    files = owned_files(database.folder, count, first=first, **values)
    database.writer.add_files(files)
    database.writer.add_cached_tags([row for file in files for row in database.cached_tag_rows(file)])
    for file in files:
        picture = database.reader.thumbnail_path(file.StudyInstanceUID, file.SeriesInstanceUID, file.SOPInstanceUID)
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(b"picture")
    return files


def left(folder: Path, *names: str) -> list[Path]:
    """Files below the named folders, and the folders if they are there."""
    return [path for name in names for path in (folder / name, *(folder / name).rglob("*")) if path.exists()]


def test_a_patient_goes_with_everything_that_is_its(database: LocalDatabase) -> None:
    add_owned(database, 3)
    add_owned(database, 2, first=10, SeriesInstanceUID="1.2.3.2")
    database.writer.add_files([scanned(20, PatientBirthDate="19700101"), scanned(21, PatientBirthDate="19710101")])
    database.own.put("thumbnails", "1.2.3.1", {"kind": "picture"})
    report = database.writer.remove_patient(1)
    assert (report.patients, report.studies, len(report.series_uids)) == (1, 1, 2)
    assert (report.instances, report.deleted_files, report.kept_files) == (7, 5, ())
    assert report.as_dict()["series_uids"] == list(report.series_uids)
    for table in ("Images", "Series", "Studies", "Patients"):
        assert query(database.folder, f"SELECT * FROM {table}") == []
    assert database.tag_cache.values([f"1.2.9.{number}" for number in range(30)]) == {}
    assert left(database.folder, "dicom", "thumbs") == [database.folder / "dicom", database.folder / "thumbs"]
    assert database.own.get("thumbnails", "1.2.3.1") is None
    assert database.own.other_birth_dates() == {}
    assert database.own.pending_removals() == []


def test_linked_files_stay(database: LocalDatabase, tmp_path: Path) -> None:
    outside, inside = tmp_path / "linked.dcm", database.folder / "incoming" / "linked.dcm"
    for path in (outside, inside):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"image")
    database.writer.add_files([scanned(1, path=str(outside)), scanned(2, path=str(inside))])
    with other_program(database.folder) as connection:
        # As CTK writes a linked file that lies in the folder.
        connection.execute(CTK_IMAGE, ("3", "incoming/linked.dcm", "", "1.2.3.1"))
        connection.execute(CTK_IMAGE, ("4", "dicom/../../linked.dcm", "", "1.2.3.1"))
    assert database.writer.remove_series("1.2.3.1").deleted_files == 0
    assert outside.exists()
    assert inside.exists()


def test_the_rest_keeps_its_place_and_right_counts(database: LocalDatabase) -> None:
    add_owned(database, 2, StudyDate="20200101")
    add_owned(database, 2, first=10, SeriesInstanceUID="1.2.3.2")
    add_owned(database, 2, first=20, StudyInstanceUID="1.2.4", SeriesInstanceUID="1.2.4.1", StudyDate="20240101")
    database.writer.remove_series("1.2.3.1")
    assert query(database.folder, "SELECT StudyInstanceUID, DisplayedNumberOfSeries FROM Studies ORDER BY 1") == [
        ("1.2.3", 1),
        ("1.2.4", 1),
    ]
    report = database.writer.remove_study("1.2.4")
    assert (report.patients, report.studies, report.deleted_files) == (0, 1, 2)
    assert query(database.folder, "SELECT DisplayedNumberOfStudies, DisplayedLastStudyDate FROM Patients") == [
        (1, "2020-01-01")
    ]
    assert len(left(database.folder, "dicom")) == 1 + 2 + 2
    database.writer.add_files([scanned(50)])
    assert query(database.folder, "SELECT DisplayedNumberOfSeries FROM Studies") == [(2,)]


def test_rows_of_servers_stay_with_other_patients_and_go_with_their_own(database: LocalDatabase) -> None:
    add_owned(database, 2)
    add_remote_series(database.folder)
    database.writer.remove_patient(1)
    assert query(database.folder, "SELECT PatientID FROM Patients") == [("REMOTE",)]
    assert len(query(database.folder, "SELECT 1 FROM Images WHERE URL <> ''")) == 2
    report = database.writer.remove_patient(2)
    assert report.patients == 1
    assert query(database.folder, "SELECT COUNT(*) FROM Studies") == [(0,)]


def test_shared_folder_and_shared_file_are_respected(database: LocalDatabase) -> None:
    (file,) = add_owned(database, 1)
    neighbour = Path(file.path).with_name("of-another-series.dcm")
    neighbour.write_bytes(b"image")
    stored = query(database.folder, "SELECT Filename FROM Images")[0][0]
    database.writer.add_files([scanned(90, SeriesInstanceUID="9", StudyInstanceUID="9", PatientID="9")])
    with other_program(database.folder) as connection:
        connection.execute(CTK_IMAGE, ("9.9", stored, "", "9"))
    database.writer.remove_series("1.2.3.1")
    assert neighbour.exists()
    assert Path(file.path).exists(), "another row names it"


def test_no_program_can_file_a_file_while_it_is_deleted(
    database: LocalDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that is committed between looking a file up and deleting it would have no file."""
    (file,) = add_owned(database, 1)
    refused: list[str] = []
    unlink = Path.unlink

    def watched(path: Path, missing_ok: bool = False) -> None:
        if path == Path(file.path):
            with other_program(database.folder) as connection:
                connection.execute("PRAGMA busy_timeout=0")
                with pytest.raises(sqlite3.OperationalError) as caught:
                    connection.execute("BEGIN IMMEDIATE")
            refused.append(str(caught.value))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", watched)
    assert database.writer.remove_series("1.2.3.1").deleted_files == 1
    assert refused == ["database is locked"]


def test_unknown_things_are_refused(database: LocalDatabase) -> None:
    for remove in (lambda: database.writer.remove_patient(5), lambda: database.writer.remove_study("5")):
        with pytest.raises(UsageError, match="There is no"):
            remove()
    with pytest.raises(UsageError, match="There is no series 5"):
        database.writer.remove_series("5")


def test_interrupted_removal_is_finished_at_the_next_opening(database: LocalDatabase) -> None:
    files = add_owned(database, 3)
    rows = query(database.folder, "SELECT SOPInstanceUID, Filename, InsertTimestamp FROM Images")
    database.own.begin_removal("1.2.3.1", "1.2.3", rows)  # type: ignore[arg-type]
    with other_program(database.folder) as connection:
        # One row was deleted before the crash, one was filed anew after it.
        connection.execute("DELETE FROM Images WHERE SOPInstanceUID = '1.2.9.1'")
        connection.execute("UPDATE Images SET InsertTimestamp = 'later' WHERE SOPInstanceUID = '1.2.9.3'")
    database.close()
    again = LocalDatabase.open(database.folder)
    assert [record.SOPInstanceUID for record in again.reader.instances()] == ["1.2.9.3"]
    assert [Path(file.path).exists() for file in files] == [False, False, True]
    assert again.own.pending_removals() == []
    again.close()


def test_file_that_cannot_be_deleted_is_reported_and_tried_again(database: LocalDatabase) -> None:
    (file,) = owned_files(database.folder, 1)
    database.writer.add_files([file])
    path = Path(file.path)
    path.unlink()
    path.mkdir()
    (path / "in-the-way").touch()
    assert database.writer.remove_series("1.2.3.1").kept_files == (str(path),)
    (path / "in-the-way").unlink()
    path.rmdir()
    path.write_bytes(b"image")
    database.close()
    LocalDatabase.open(database.folder).close()
    assert not path.exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_kill_during_removal_leaves_no_orphan(tmp_path: Path) -> None:
    for delay_lines in range(4):
        folder = tmp_path / f"database{delay_lines}"
        database = LocalDatabase.open(folder)
        for series in range(4):
            add_owned(database, 60, first=series * 100, SeriesInstanceUID=f"1.2.3.{series}")
        linked = tmp_path / "linked.dcm"
        linked.write_bytes(b"image")
        database.writer.add_files([scanned(999, path=str(linked))])
        database.close()
        kill_while_removing(folder, files_gone=delay_lines * 50)
        again = LocalDatabase.open(folder)
        stored = {record.path for record in again.reader.find(Query(level=Level.IMAGE))}
        present = {str(path) for path in left(folder, "dicom") if path.is_file()}
        assert present == {path for path in stored if path != str(linked)}, "a row for each file, a file for each row"
        assert again.own.pending_removals() == []
        again.close()
        assert linked.exists()


def kill_while_removing(folder: Path, files_gone: int) -> None:
    """Kill a process that removes the patient as soon as so many files are gone."""
    arguments = [sys.executable, "-c", REMOVER, str(folder), str(ROOT)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdout.readline()
            process.stdin.write("\n")
            process.stdin.flush()
            process.stdout.readline()
            while process.poll() is None and 240 - files_in(folder / "dicom") < files_gone:
                pass
        finally:
            process.send_signal(signal.SIGKILL)


def files_in(folder: Path) -> int:
    """Number of files below a folder from which another process is deleting."""
    return sum(len(names) for _, _, names in os.walk(folder))


def test_instances_can_come_back(database: LocalDatabase) -> None:
    database.writer.add_files(series_of(2))
    database.writer.remove_series("1.2.3.1")
    assert [outcome.status for outcome in database.writer.add_files(series_of(2))] == ["imported", "imported"]
