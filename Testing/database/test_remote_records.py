"""What servers were last seen to have: kept beside the database, bounded, and never mixed with local rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.remote_records import RemoteRecords
from VisualDICOMBrowserLib.model import InstanceRecord, SeriesRecord, StudyRecord


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    database = LocalDatabase.open(tmp_path / "db")
    database.close()
    return tmp_path / "db" / "visual-dicom-browser.sql"


@pytest.fixture
def remote(own_file: Path) -> Iterator[RemoteRecords]:
    opened = RemoteRecords(own_file)
    yield opened
    opened.close()


def study(uid: str, **fields: object) -> StudyRecord:
    return StudyRecord(StudyInstanceUID=uid, **fields)  # type: ignore[arg-type]


def series(uid: str, of_study: str, count: int | None = None) -> SeriesRecord:
    return SeriesRecord(SeriesInstanceUID=uid, StudyInstanceUID=of_study, NumberOfSeriesRelatedInstances=count)


def test_what_servers_answered_is_found_by_study(remote: RemoteRecords) -> None:
    remote.seen("A", [study("1", PatientID="P", ModalitiesInStudy=("CT", "SR")), series("1.1", "1", 7)])
    remote.seen("B", [study("1"), series("1.1", "1"), series("1.2", "1", 3), InstanceRecord(SOPInstanceUID="9")])
    assert remote.studies("1")["A"] == study("1", PatientID="P", ModalitiesInStudy=("CT", "SR"))
    assert {server: [item.SeriesInstanceUID for item in found] for server, found in remote.series("1").items()} == {
        "A": ["1.1"],
        "B": ["1.1", "1.2"],
    }
    assert remote.last_seen("1").keys() == {"A", "B"}
    assert remote.studies("2") == remote.series("2") == {}


def test_a_full_list_replaces_what_was_known(remote: RemoteRecords) -> None:
    described = SeriesRecord(SeriesInstanceUID="1.1", StudyInstanceUID="1", SeriesDescription="Axial")
    remote.seen("A", [described, series("1.2", "1", 3)])
    remote.instances_listed("A", "1", "1.2", ["5", "6"])
    remote.listed("A", "1", {"1.1": 9, "1.3": None})
    found = {record.SeriesInstanceUID: record for record in remote.series("1")["A"]}
    assert found.keys() == {"1.1", "1.3"}
    assert (found["1.1"].SeriesDescription, found["1.1"].NumberOfSeriesRelatedInstances) == ("Axial", 9)
    assert remote.instances("1", "1.2") == {}


def test_instances_of_a_series_are_kept_by_server(remote: RemoteRecords) -> None:
    remote.instances_listed("A", "1", "1.1", ["5", "6"])
    remote.instances_listed("B", "1", "1.1", ["6"])
    remote.instances_listed("A", "1", "1.1", ["7"])
    assert remote.instances("1", "1.1") == {"A": ("7",), "B": ("6",)}


def test_what_was_seen_longest_ago_goes_first(own_file: Path) -> None:
    remote = RemoteRecords(own_file, limits={"RemoteStudies": 3})
    for number in (1, 2, 3, 1, 4):
        remote.seen("A", [study(str(number))])
    assert [uid for uid in "1234" if remote.studies(uid)] == ["1", "3", "4"]
    remote.seen("A", [study(f"9.{number}") for number in range(10)])
    assert remote.counts()["RemoteStudies"] == 3
    remote.close()


def test_servers_are_forgotten_and_renamed(remote: RemoteRecords) -> None:
    for server in ("A", "B"):
        remote.seen(server, [study("1"), study("2"), series("1.1", "1")])
    remote.forget("A", "1")
    assert (remote.studies("1").keys(), remote.studies("2").keys()) == ({"B"}, {"A", "B"})
    remote.rename("B", "New")
    assert remote.series("1").keys() == {"New"}
    remote.forget("New")
    assert (remote.studies("1"), remote.studies("2").keys()) == ({}, {"A"})


def test_it_outlives_the_program_and_leaves_the_dicom_tables_alone(own_file: Path, remote: RemoteRecords) -> None:
    remote.seen("A", [study("1", PatientName="Doe^\ud800")])
    remote.close()
    again = RemoteRecords(own_file)
    assert again.studies("1")["A"].StudyInstanceUID == "1"
    again.close()
    database = LocalDatabase.open(own_file.parent)
    assert database.reader.counts().studies == 0
    database.close()
    with closing(sqlite3.connect(own_file.parent / "ctkDICOM.sql")) as connection:
        assert connection.execute("SELECT COUNT(*) FROM Studies").fetchone() == (0,)


def test_a_file_for_reading_only_is_as_it_is(own_file: Path) -> None:
    without_tables = RemoteRecords(own_file, writable=False)
    without_tables.seen("A", [study("1")])
    assert without_tables.studies("1") == {}
    assert without_tables.counts() == {}
    without_tables.close()


def test_a_list_of_some_series_forgets_no_others(remote: RemoteRecords) -> None:
    remote.listed("A", "1", {"1.1": 3, "1.2": 4})
    remote.listed("A", "1", {"1.2": 5}, whole=False)
    counts = {item.SeriesInstanceUID: item.NumberOfSeriesRelatedInstances for item in remote.series("1")["A"]}
    assert counts == {"1.1": 3, "1.2": 5}
