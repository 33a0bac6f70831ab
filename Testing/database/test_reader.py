"""Queries: filters at every level, order, forms of dates, and freshness."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from scanned_files import CTK_IMAGE, CTK_SERIES, CTK_STUDY, add_remote_series, other_program, scanned, series_of

from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.model import Level, PatientRecord, Query

SAMPLES = [
    # patient, name, study, date, description, series, number, series description, modality, instances
    ("P1", "Müller^Hans", "1.1", "20200101", "Schädel", "1.1.1", "10", "T1 axial", "MR", 3),
    ("P1", "Müller^Hans", "1.1", "20200101", "Schädel", "1.1.2", "2", "T2 axial", "MR", 1),
    ("P1", "Müller^Hans", "1.2", "20230405", "Thorax", "1.2.1", "1", "Lung", "CT", 2),
    ("P2", "de la Cruz^María José", "2.1", "20210607", "Head", "2.1.1", "", "Plan", "RTPLAN", 1),
    ("P10", "Álvarez^Zoe=ZZ", "3.1", "", "100% [scout]", "3.1.1", "0", "", "CT", 1),
]


@pytest.fixture
def filled(database: LocalDatabase) -> LocalDatabase:
    for number, sample in enumerate(SAMPLES):
        patient, name, study, date, description, series, series_number, text, modality, count = sample
        files = series_of(count, first=number * 100, PatientID=patient, PatientName=name, StudyInstanceUID=study,
                          StudyDate=date, StudyDescription=description, SeriesInstanceUID=series,
                          SeriesNumber=series_number, SeriesDescription=text, Modality=modality,
                          AccessionNumber=f"ACC{patient}")  # fmt: skip
        database.writer.add_files(files)
        database.writer.add_cached_tags([row for file in files for row in database.cached_tag_rows(file)])
    return database


def patients(database: LocalDatabase, **filters: object) -> list[str]:
    return [record.PatientID for record in database.reader.patients(Query(level=Level.PATIENT, **filters))]


def studies(database: LocalDatabase, **filters: object) -> list[str]:
    return [record.StudyInstanceUID for record in database.reader.studies(Query(level=Level.STUDY, **filters))]


def series(database: LocalDatabase, **filters: object) -> list[str]:
    return [record.SeriesInstanceUID for record in database.reader.series(Query(level=Level.SERIES, **filters))]


@pytest.mark.parametrize(
    "wanted",
    ["muller", "MÜLLER", "hans muller", "Müller^Hans", "Muller, Hans", "han mül", "m?ller", "mu*ler hans"],
)
def test_names_are_found_whatever_case_accents_and_order(filled: LocalDatabase, wanted: str) -> None:
    assert patients(filled, PatientName=wanted) == ["P1"]


def test_names_that_do_not_fit_are_not_found(filled: LocalDatabase) -> None:
    assert patients(filled, PatientName="hans meier") == []
    assert patients(filled, PatientName="jose cruz maria") == ["P2"]
    assert patients(filled, PatientName="zz") == ["P10"], "every group of a name counts"


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, ["P10", "P2", "P1"]),
        ({"PatientID": "p1"}, ["P10", "P1"]),
        ({"StudyDescription": "schadel"}, ["P1"]),
        ({"StudyDescription": "100% ["}, ["P10"]),
        ({"StudyDescription": "s*del"}, ["P1"]),
        ({"SeriesDescription": "LUNG"}, ["P1"]),
        ({"Modalities": ("CT", "rtplan")}, ["P10", "P2", "P1"]),
        ({"Modalities": ("RTPLAN",)}, ["P2"]),
        ({"Modalities": ("MR",), "SeriesDescription": "lung"}, []),
        ({"date_from": "20210101", "date_to": "20211231"}, ["P2"]),
        ({"date_from": "20230405"}, ["P1"]),
        ({"date_to": "20200101"}, ["P1"]),
        ({"AccessionNumber": "accp2"}, ["P2"]),
        ({"StudyInstanceUID": "2.1\\3.1"}, ["P10", "P2"]),
        ({"SeriesInstanceUID": "1.2.1"}, ["P1"]),
        ({"SOPInstanceUID": "1.2.9.300"}, ["P2"]),
        ({"limit": 2}, ["P10", "P2"]),
    ],
)
def test_patients_by_what_lies_below(filled: LocalDatabase, filters: dict[str, object], found: list[str]) -> None:
    assert patients(filled, **filters) == found, "by displayed name: Álvarez, de la Cruz, Müller"


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, ["1.2", "2.1", "1.1", "3.1"]),
        ({"PatientName": "hans"}, ["1.2", "1.1"]),
        ({"PatientName": "hans", "Modalities": ("MR",)}, ["1.1"]),
        ({"PatientID": "P10"}, ["3.1"]),
        ({"PatientName": "nobody"}, []),
        ({"SeriesDescription": "axial"}, ["1.1"]),
        ({"limit": 1}, ["1.2"]),
    ],
)
def test_studies_newest_first(filled: LocalDatabase, filters: dict[str, object], found: list[str]) -> None:
    assert studies(filled, **filters) == found


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"StudyInstanceUID": "1.1"}, ["1.1.2", "1.1.1"]),
        ({"PatientName": "hans", "date_from": "20220101"}, ["1.2.1"]),
        ({"StudyDescription": "head"}, ["2.1.1"]),
        ({"SOPInstanceUID": "1.2.9.1"}, ["1.1.1"]),
    ],
)
def test_series_by_number(filled: LocalDatabase, filters: dict[str, object], found: list[str]) -> None:
    assert series(filled, **filters) == found


def test_records_tell_all(filled: LocalDatabase) -> None:
    study = filled.reader.studies(Query(StudyInstanceUID="1.1"))[0]
    assert (study.PatientName, study.StudyDate, study.ModalitiesInStudy) == ("Müller^Hans", "20200101", ("MR",))
    assert (study.NumberOfStudyRelatedSeries, study.NumberOfStudyRelatedInstances) == (2, 4)
    narrowed = filled.reader.studies(Query(SeriesDescription="T2 axial"))[0]
    assert narrowed.NumberOfStudyRelatedSeries == 2, "counts are of the study, not of what was asked for"
    assert filled.reader.patients(Query(level=Level.PATIENT, PatientID="P2")) == [
        PatientRecord(PatientID="P2", PatientName="de la Cruz^María José", NumberOfPatientRelatedStudies=1,
                      LastStudyDate="20210607", key=2)
    ]  # fmt: skip


def test_number_zero_is_told_from_no_number(filled: LocalDatabase) -> None:
    numbers = {record.SeriesInstanceUID: record.SeriesNumber for record in filled.reader.series()}
    assert numbers == {"1.1.1": 10, "1.1.2": 2, "1.2.1": 1, "2.1.1": None, "3.1.1": 0}


def test_instances_are_in_order_of_their_number(database: LocalDatabase) -> None:
    files = [scanned(number, InstanceNumber=text) for number, text in enumerate(["10", "9", "", "100", "-1"])]
    database.writer.add_files(files)
    database.writer.add_cached_tags([row for file in files for row in database.cached_tag_rows(file)])
    found = database.reader.instances_of_series("1.2.3.1")
    assert [record.InstanceNumber for record in found] == [-1, 9, 10, 100, None]
    assert found[0].path == "/images/4.dcm"


def test_instances_are_read_from_their_file_until_they_are_cached(database: LocalDatabase, test_data: Path) -> None:
    from VisualDICOMBrowserLib.database.header_scan import scan_file

    files = [scan_file(path, database.tags_to_precache) for path in sorted((test_data / "mr-head").glob("*.IMA"))]
    database.writer.add_files(files)
    uncached = database.reader.instances()
    database.writer.add_cached_tags([row for file in files for row in database.cached_tag_rows(file)])
    assert database.reader.instances() == uncached
    assert all(record.InstanceNumber and record.SOPClassUID and record.Rows for record in uncached)


def test_find_answers_at_every_level(filled: LocalDatabase) -> None:
    assert [len(filled.reader.find(Query(level=level))) for level in Level] == [3, 4, 5, 8]
    counts = filled.reader.counts()
    assert (counts.patients, counts.studies, counts.series, counts.instances) == (3, 4, 5, 8)
    assert sorted(filled.reader.series_of_patient(1)) == ["1.1.1", "1.1.2", "1.2.1"]


def test_dates_are_read_in_every_form(database: LocalDatabase) -> None:
    database.writer.add_files([scanned(1, StudyDate="20240119")])
    with other_program(database.folder) as connection:
        connection.execute(CTK_STUDY, ("5.1", 1, 20240120))
        connection.execute(CTK_SERIES, ("5.1.1", "5.1", "CT"))
        connection.execute(CTK_IMAGE, ("5.1.1.1", "/x.dcm", "", "5.1.1"))
        connection.execute("UPDATE Patients SET PatientsBirthDate = 19700101")
    assert studies(database, date_from="20240120", date_to="20240120") == ["5.1"]
    assert studies(database, date_from="20240119") == ["5.1", "1.2.3"]
    assert {record.StudyDate for record in database.reader.studies()} == {"20240119", "20240120"}
    assert database.reader.patients()[0].PatientBirthDate == "19700101"


def test_answers_are_fresh_after_every_write(database: LocalDatabase) -> None:
    assert patients(database) == []
    database.writer.add_files([scanned(1)])
    assert patients(database, PatientName="john") == ["ID1"]
    with other_program(database.folder) as connection:
        connection.execute("UPDATE Patients SET PatientsName = 'Poe^Edgar'")
    assert patients(database, PatientName="john") == []
    assert patients(database, PatientName="edgar") == ["ID1"]


def test_partly_remote_series_counts_what_is_local(database: LocalDatabase) -> None:
    database.writer.add_files(series_of(2))
    add_remote_series(database.folder)
    with other_program(database.folder) as connection:
        connection.execute(CTK_IMAGE, ("1.2.9.77", "", "dimse+ctk://PACS/1/2/3", "1.2.3.1"))
    assert database.reader.series()[0].NumberOfSeriesRelatedInstances == 2
    assert [record.path for record in database.reader.instances()] == ["/images/1.dcm", "/images/2.dcm"]


def test_threads_have_connections_of_their_own(filled: LocalDatabase) -> None:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(len(filled.reader.series())), name="test-read-1")
    thread.start()
    thread.join(30)
    assert found == [len(filled.reader.series())]
