"""Rows that CTK leaves behind: emptied ones, displayed fields that are missing, and the search for those."""

from __future__ import annotations

from pathlib import Path

import pytest
from scanned_files import (
    CTK_IMAGE,
    CTK_PATIENT,
    CTK_SERIES,
    CTK_STUDY,
    add_remote_series,
    other_program,
    query,
    scanned,
    series_of,
)

from VisualDICOMBrowserLib.database.dicom_database import DicomDatabase
from VisualDICOMBrowserLib.database.late_fields import LateFields
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.errors import JobCancelled
from VisualDICOMBrowserLib.model import Level, NullControl, Query

TABLES = ("Patients", "Studies", "Series", "Images")


def remove_as_ctk(folder: Path, series: str, *, row: bool = True) -> None:
    """What is left of a series, its study and patient when CTK removes it; without its clean-up the row stays."""
    with other_program(folder) as connection:
        connection.execute("DELETE FROM Images WHERE SeriesInstanceUID = ?", (series,))
        if row:
            connection.execute("DELETE FROM Series WHERE SeriesInstanceUID = ?", (series,))


def add_as_ctk(folder: Path, first: int, count: int) -> None:
    """Local instances as CTK's indexer leaves them before it computes displayed fields."""
    with other_program(folder) as connection:
        for number in range(first, first + count):
            connection.execute(CTK_IMAGE, (f"8.{number}", f"/gone/{number}.dcm", "", "1.2.3.1"))


def rows_of_all_tables(folder: Path) -> list[int]:
    return [int(str(query(folder, f"SELECT COUNT(*) FROM {table}")[0][0])) for table in TABLES]


def found(database: LocalDatabase) -> list[int]:
    """Numbers of patients, studies, series and instances, and `counts` says the same."""
    numbers = [len(database.reader.find(Query(level=level))) for level in Level]
    counts = database.reader.counts()
    assert [counts.patients, counts.studies, counts.series, counts.instances] == numbers
    return numbers


@pytest.mark.parametrize("row", [True, False])
@pytest.mark.parametrize("remote", [False, True])
def test_what_ctk_emptied_is_not_listed(database: LocalDatabase, row: bool, remote: bool) -> None:
    database.writer.add_files(series_of(2))
    database.writer.add_files(
        [
            scanned(5, StudyInstanceUID="1.4", SeriesInstanceUID="1.4.1", StudyDate="20200101", PatientID="ID2"),
            scanned(6, StudyInstanceUID="1.5", SeriesInstanceUID="1.5.1", StudyDate="20240101", PatientID="ID2"),
        ]
    )
    if remote:
        add_remote_series(database.folder)
    assert found(database) == [2, 3, 3, 4]
    remove_as_ctk(database.folder, "1.2.3.1", row=row)
    remove_as_ctk(database.folder, "1.5.1", row=row)
    before = rows_of_all_tables(database.folder)
    assert found(database) == [1, 1, 1, 1]
    (patient,) = database.reader.patients()
    assert (patient.PatientID, patient.NumberOfPatientRelatedStudies, patient.LastStudyDate) == ("ID2", 1, "20200101")
    assert database.reader.studies(Query(PatientID="ID1")) == []
    assert rows_of_all_tables(database.folder) == before


def test_emptied_study_is_filled_again(database: LocalDatabase) -> None:
    database.writer.add_files([scanned(1)])
    remove_as_ctk(database.folder, "1.2.3.1")
    assert found(database) == [0, 0, 0, 0]
    database.writer.add_files([scanned(1)])
    assert found(database) == [1, 1, 1, 1]


def test_cleaning_up_removes_emptied_rows_and_keeps_results_of_queries(database: LocalDatabase) -> None:
    database.writer.add_files([*series_of(2), scanned(5, SeriesInstanceUID="1.2.3.2")])
    database.writer.add_files([scanned(6, StudyInstanceUID="1.4", SeriesInstanceUID="1.4.1", PatientID="ID2")])
    add_remote_series(database.folder)
    database.own.put("thumbnails", "1.4.1", "seen")
    remove_as_ctk(database.folder, "1.2.3.2", row=False)
    remove_as_ctk(database.folder, "1.4.1")
    dicom = DicomDatabase(database)
    assert dicom.cleanupSeries("1.2.3.1") is False
    assert dicom.cleanupStudy("1.2.3") is False
    assert dicom.cleanup()
    assert rows_of_all_tables(database.folder) == [2, 3, 2, 4], "two remote images, a remote study and one without UID"
    assert found(database) == [1, 1, 1, 2]
    assert query(database.folder, "SELECT DisplayedNumberOfSeries FROM Studies WHERE StudyInstanceUID = '1.2.3'") == [
        (1,)
    ]
    assert dicom.cleanupSeries("1.2.3.2") is True
    assert dicom.cleanupPatient("77") is True
    dicom.closeDatabase()


def test_last_study_date_without_displayed_fields(database: LocalDatabase) -> None:
    with other_program(database.folder) as connection:
        key = connection.execute(CTK_PATIENT, ("", "", None, None)).lastrowid
        for study, date in (("4.1", "2024-01-19"), ("4.2", 20230405), ("4.3", None)):
            connection.execute(CTK_STUDY, (study, key, date))
            connection.execute(CTK_SERIES, (f"{study}.1", study, "MR"))
            connection.execute(CTK_IMAGE, (f"{study}.1.1", f"/x/{study}.dcm", "", f"{study}.1"))
    (patient,) = database.reader.patients()
    assert (patient.LastStudyDate, patient.NumberOfPatientRelatedStudies) == ("20240119", 3)


@pytest.fixture
def searched(database: LocalDatabase) -> LocalDatabase:
    """Twenty stamped rows that were looked through."""
    database.writer.add_files(series_of(10))
    add_as_ctk(database.folder, 0, 10)
    assert database.writer.update_displayed_fields() == 10
    return database


def test_rows_once_looked_through_are_not_looked_at_again(searched: LocalDatabase) -> None:
    late = LateFields(searched.writer._file, searched.paths, searched.own, searched.tag_cache)
    assert list(late.stretches()) == []
    add_as_ctk(searched.folder, 20, 3)
    assert [len(stretch.waiting) for stretch in late.stretches()] == [3]
    assert searched.writer.update_displayed_fields() == 3
    assert list(late.stretches()) == []
    assert query(searched.folder, "SELECT DisplayedCount FROM Series") == [(23,)]


@pytest.mark.parametrize("removed", ["SOPInstanceUID LIKE '8.%'", "SOPInstanceUID = '8.9'", "rowid < 15", "rowid > 0"])
@pytest.mark.parametrize("vacuum", [False, True])
def test_rows_with_numbers_of_removed_ones_are_found(searched: LocalDatabase, removed: str, vacuum: bool) -> None:
    with other_program(searched.folder) as connection:
        connection.execute(f"DELETE FROM Images WHERE {removed}")
        if vacuum:
            connection.execute("VACUUM")
    add_as_ctk(searched.folder, 100, 25)
    assert searched.writer.update_displayed_fields() == 25
    assert query(searched.folder, "SELECT COUNT(*) FROM Images WHERE DisplayedFieldsUpdatedTimestamp IS NULL") == [(0,)]


def test_the_same_instances_inserted_anew_are_found(searched: LocalDatabase) -> None:
    with other_program(searched.folder) as connection:
        connection.execute("DELETE FROM Images WHERE SOPInstanceUID LIKE '8.%'")
    add_as_ctk(searched.folder, 0, 10)
    assert searched.writer.update_displayed_fields() == 10


def test_a_search_that_was_given_up_goes_on(database: LocalDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    class Second(NullControl):
        asked = 0

        def raise_if_cancelled(self) -> None:
            self.asked += 1
            if self.asked > 4:
                message = "Given up."
                raise JobCancelled(message)

    monkeypatch.setattr("VisualDICOMBrowserLib.database.late_fields._ROWS_AT_ONCE", 4)
    database.writer.add_files([scanned(1)])
    add_as_ctk(database.folder, 0, 15)
    with pytest.raises(JobCancelled):
        database.writer.update_displayed_fields(Second())
    assert database.writer.update_displayed_fields() == 15 - 7
    assert query(database.folder, "SELECT DisplayedCount FROM Series") == [(16,)]
