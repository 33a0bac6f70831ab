"""Filing: identity, stored values, counts, what is there already, other programs, threads and kills."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scanned_files import CTK_IMAGE, add_remote_series, other_program, owned_files, query, scanned, series_of

from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.pacing import Pace
from VisualDICOMBrowserLib.database.paths import DatabasePaths
from VisualDICOMBrowserLib.errors import DatabaseFault, RejectedFileError, UsageError
from VisualDICOMBrowserLib.model import Level, Query

ROOT = Path(__file__).parents[2]
FILLER = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from scanned_files import series_of
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
database = LocalDatabase.open(Path(sys.argv[1]))
start = database.reader.counts().instances
for number in range(start, start + 1_000_000, 50):
    series = number // 150
    files = series_of(50, first=number, SeriesInstanceUID=f"1.2.{series}", StudyInstanceUID=f"1.3.{series // 2}",
                      PatientID=f"P{series // 4}", StudyDescription=f"D{number // 50}")
    database.writer.add_files(files)
    print(number, flush=True)
"""


def test_values_are_stored_as_ctk_inserts_them(database: LocalDatabase) -> None:
    (outcome,) = database.writer.add_files(
        [
            scanned(
                StudyDate="20240119",
                StudyTime="101112.5",
                PatientBirthDate="19700230",
                PatientSex="F",
                Modality="CT",
                Rows="512",
                Columns="256",
            )
        ]
    )
    assert (outcome.status, outcome.path) == ("imported", "/images/1.dcm")
    (patient,) = query(database.folder, "SELECT * FROM Patients")
    assert patient[:8] == (1, "Doe^John", "ID1", None, "", "F", None, "")
    assert patient[9:12] == ("Doe, John", 1, "2024-01-19")
    assert patient[13] == '{"allow":[""],"deny":[]}'
    study = "SELECT StudyInstanceUID, PatientsUID, StudyID, StudyDate, StudyTime, AccessionNumber FROM Studies"
    assert query(database.folder, study) == [("1.2.3", 1, "", "2024-01-19", "101112.5", "")]
    series = "SELECT SeriesNumber, SeriesDate, Modality, AcquisitionNumber, EchoNumber, TemporalPosition FROM Series"
    assert query(database.folder, series) == [(0, None, "CT", 0, 0, 0)]
    assert query(database.folder, "SELECT DisplayedSize, DisplayedCount FROM Series") == [("256x512", 1)]
    ((filename, url, inserted, displayed),) = query(
        database.folder, "SELECT Filename, URL, InsertTimestamp, DisplayedFieldsUpdatedTimestamp FROM Images"
    )
    assert (filename, url) == ("/images/1.dcm", "")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}", str(inserted))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", str(displayed))


@pytest.mark.parametrize(
    ("patient_id", "name", "stored"),
    [("A", "B", ("A", "B")), ("", "B", ("1.2.3", "B")), ("A", "", ("A", "A")), ("", "", ("1.2.3", "1.2.3"))],
)
def test_patient_identity_is_that_of_ctk(
    database: LocalDatabase, patient_id: str, name: str, stored: tuple[str, str]
) -> None:
    database.writer.add_files([scanned(1, PatientID=patient_id, PatientName=name)])
    rows = query(
        database.folder,
        "SELECT PatientID, PatientsName, DisplayedPatientsName, DisplayedNumberOfStudies FROM Patients",
    )
    assert rows == [(*stored, stored[1], 1)]


def test_another_birth_date_stays_in_the_one_row_and_is_readable(database: LocalDatabase) -> None:
    database.writer.add_files([scanned(1)])
    database.writer.add_files([scanned(2, PatientBirthDate="19700101")])
    database.writer.add_files([scanned(3, PatientBirthDate="19710101"), scanned(4, PatientBirthDate="19720101")])
    (patient,) = database.reader.patients()
    assert patient.PatientBirthDate == "19700101", "an empty date is filled in"
    assert patient.OtherBirthDates == ("19710101", "19720101")


def test_instance_with_a_file_stays_as_it_is(database: LocalDatabase) -> None:
    database.writer.add_files([scanned(1)])
    outcomes = database.writer.add_files([scanned(1, path="/other.dcm"), scanned(2), scanned(2, path="/again.dcm")])
    assert [(outcome.status, outcome.path) for outcome in outcomes] == [
        ("exists", "/images/1.dcm"),
        ("imported", "/images/2.dcm"),
        ("exists", "/images/2.dcm"),
    ]
    assert query(database.folder, "SELECT DisplayedCount FROM Series") == [(2,)]


def test_remote_row_becomes_local(database: LocalDatabase) -> None:
    add_remote_series(database.folder)
    file = scanned(SOPInstanceUID="9.9.1.0", SeriesInstanceUID="9.9.1", StudyInstanceUID="9.9", PatientID="REMOTE",
                   PatientName="Far^Away")  # fmt: skip
    assert database.writer.add_files([file])[0].status == "imported"
    rows = query(database.folder, "SELECT SOPInstanceUID, Filename, URL <> '' FROM Images ORDER BY 1")
    assert rows == [("9.9.1.0", "/images/1.dcm", 0), ("9.9.1.1", None, 1)]
    assert query(database.folder, "SELECT DisplayedCount FROM Series") == [(2,)], "counted as CTK counts"
    (series,) = database.reader.series()
    assert series.NumberOfSeriesRelatedInstances == 1, "only one is local"
    assert query(database.folder, "SELECT Connections FROM Patients") == [('{"allow":["PACS"],"deny":[]}',)]


def test_remote_row_of_another_series_moves_and_both_are_counted(database: LocalDatabase) -> None:
    database.writer.add_files(series_of(2))
    with other_program(database.folder) as connection:
        connection.execute(CTK_IMAGE, ("1.2.9.8", None, "dimse+ctk://x", "1.2.3.1"))
        connection.execute(CTK_IMAGE, ("1.2.9.9", None, "dimse+ctk://x", "1.2.3.1"))
    database.writer.add_files(
        [
            scanned(7, SeriesInstanceUID="1.2.3.2"),
            scanned(8, SeriesInstanceUID="1.2.3.2"),
            scanned(6),
            scanned(9),
            scanned(5),
        ]
    )
    assert query(database.folder, "SELECT SeriesInstanceUID, DisplayedCount FROM Series ORDER BY 1") == [
        ("1.2.3.1", 5),
        ("1.2.3.2", 2),
    ]


def test_existing_series_and_study_keep_their_parents(database: LocalDatabase) -> None:
    database.writer.add_files([scanned(1)])
    database.writer.add_files([scanned(2, StudyInstanceUID="7.7"), scanned(3, PatientID="OTHER")])
    assert query(database.folder, "SELECT StudyInstanceUID, PatientsUID FROM Studies") == [("1.2.3", 1)]
    assert query(database.folder, "SELECT COUNT(*) FROM Patients") == [(1,)]


def test_unusable_files_are_refused_with_a_reason(database: LocalDatabase) -> None:
    outcomes = database.writer.add_files(
        [
            scanned(1, StudyInstanceUID=""),
            scanned(2, path="/bad/\udcff.dcm"),
            scanned(3, SeriesInstanceUID="1.2.\u0663"),
            scanned(4),
            scanned(5, path=str(database.folder / "dicom" / "gone.dcm"), owned=True),
        ]
    )
    assert [outcome.status for outcome in outcomes] == ["rejected", "rejected", "rejected", "imported", "rejected"]
    assert all(outcome.reason for outcome in outcomes if outcome.status == "rejected")


def test_text_that_cannot_be_stored_is_replaced(database: LocalDatabase) -> None:
    database.writer.add_files([scanned(1, PatientName="A\ud800B", StudyDescription="x\ud800y")])
    database.writer.add_files([scanned(2, PatientName="A\ud800B", StudyDescription="x\ud800z")])
    database.writer.add_cached_tags([("1.2.9.1", "0010,0010", "A\ud800B")])
    assert query(database.folder, "SELECT PatientsName, StudyDescription FROM Patients, Studies") == [
        ("A?B", "x?y, x?z")
    ]


def test_stored_paths_are_relative_for_owned_files_only(database: LocalDatabase) -> None:
    (own,) = owned_files(database.folder, 1)
    inside = scanned(2, path=str(database.folder / "dicom" / "linked.dcm"))
    beside = scanned(3, path=f"{database.folder}2/x.dcm")
    database.writer.add_files([own, inside, beside])
    stored = [row[0] for row in query(database.folder, "SELECT Filename FROM Images ORDER BY SOPInstanceUID")]
    assert re.fullmatch(r"dicom/[0-9a-f]{8}/[0-9a-f]{8}/[0-9a-f]{32}\.dcm", str(stored[0]))
    assert stored[1:] == [inside.path, beside.path]
    assert {record.path for record in database.reader.instances()} == {own.path, inside.path, beside.path}


def test_path_rules() -> None:
    paths = DatabasePaths(Path("/data/db"))
    assert paths.thumbnail("123", "456", "789").as_posix() == (
        "/data/db/thumbs/202cb962/250cf8b5/68053af2923e00204c3ca7c6a3150cf7.png"
    )
    assert paths.file_for_instance("123", "456", "789").as_posix() == (
        "/data/db/dicom/202cb962/250cf8b5/68053af2923e00204c3ca7c6a3150cf7.dcm"
    )
    assert paths.lookup_forms("/data/db2/x") == ("/data/db2/x",)
    assert paths.lookup_forms("/data/db/dicom/../dicom/x") == ("/data/db/dicom/x", "dicom/x")
    assert paths.owned_file("dicom/a/b.dcm") == Path("/data/db/dicom/a/b.dcm")
    for foreign in ("dicom/../../x", "/etc/passwd", "incoming/x.dcm", "dicom", "", "ctkDICOM.sql"):
        assert paths.owned_file(foreign) is None


def test_writes_of_another_program_are_taken_into_account(database: LocalDatabase) -> None:
    database.writer.add_files(series_of(2))
    with other_program(database.folder) as connection:
        connection.execute(CTK_IMAGE, ("8.1", "/ctk.dcm", "", "1.2.3.1"))
        connection.execute("UPDATE Studies SET StudyDescription = 'Changed'")
    database.writer.add_files([scanned(3, StudyDescription="Mine")])
    assert query(database.folder, "SELECT DisplayedCount FROM Series") == [(4,)]
    assert query(database.folder, "SELECT StudyDescription FROM Studies") == [("Changed, Mine",)]
    with other_program(database.folder) as connection:
        for table in ("Images", "Series", "Studies", "Patients"):
            connection.execute(f"DELETE FROM {table}")
    database.writer.add_files([scanned(9)])
    assert database.reader.counts().instances == 1
    assert query(database.folder, "SELECT DisplayedNumberOfStudies FROM Patients") == [(1,)]


def test_connections_survive_an_update_of_the_patient(database: LocalDatabase) -> None:
    database.writer.add_files([scanned(1)])
    with other_program(database.folder) as connection:
        connection.execute("""UPDATE Patients SET Connections = '{"allow":["x"],"deny":["y"]}'""")
    database.writer.add_files([scanned(2, StudyInstanceUID="1.2.4", SeriesInstanceUID="1.2.4.1", StudyDate="20250101")])
    assert query(database.folder, "SELECT Connections, DisplayedNumberOfStudies FROM Patients") == [
        ('{"allow":["x"],"deny":["y"]}', 2)
    ]


def test_replaced_file_keeps_one_row(database: LocalDatabase) -> None:
    database.writer.add_files([scanned(1), scanned(2, SeriesInstanceUID="1.2.3.2")])
    assert database.writer.replace_file(scanned(2, path="/new.dcm", SeriesDescription="New")) == "/images/2.dcm"
    rows = query(database.folder, "SELECT SeriesInstanceUID, Filename FROM Images ORDER BY SOPInstanceUID")
    assert rows == [("1.2.3.1", "/images/1.dcm"), ("1.2.3.1", "/new.dcm")]
    assert query(database.folder, "SELECT SeriesInstanceUID, DisplayedCount, SeriesDescription FROM Series") == [
        ("1.2.3.1", 2, "New")
    ]
    with pytest.raises(UsageError):
        database.writer.replace_file(scanned(77))
    with pytest.raises(RejectedFileError):
        database.writer.replace_file(scanned(1, path="/\udcff"))
    assert database.reader.counts().instances == 2


def test_cached_tags_have_the_encoding_of_ctk(database: LocalDatabase) -> None:
    file = scanned(1, Modality="MR")
    rows = database.cached_tag_rows(file)
    database.writer.add_cached_tags(rows)
    cached = database.tag_cache.values(["1.2.9.1"])["1.2.9.1"]
    assert cached["0008,0060"] == "MR"
    assert cached["0008,1030"] == "__TAG_NOT_IN_INSTANCE__"
    assert "300A,0002" not in cached
    assert len(rows) == 36
    assert "300A,0002" in {tag for _, tag, _ in database.cached_tag_rows(scanned(2, Modality="RTPLAN"))}
    database.writer.add_cached_tags([("1.2.9.1", "0008,103e", ""), ("1.2.9.1", "0008,0060", "CT")])
    cached = database.tag_cache.values(["1.2.9.1"], ["0008,103E", "0008,0060"])["1.2.9.1"]
    assert cached == {"0008,103E": "__TAG_NOT_IN_INSTANCE__", "0008,0060": "CT"}


def test_many_threads_write_and_read_at_once(database: LocalDatabase) -> None:
    faults: list[BaseException] = []

    def fill(number: int) -> None:
        try:
            for start in range(0, 300, 30):
                files = series_of(30, first=number * 1000 + start, SeriesInstanceUID=f"1.2.3.{number % 2}")
                database.writer.add_files(files)
                assert database.reader.patients()
        except BaseException as error:
            faults.append(error)
            raise

    threads = [threading.Thread(target=fill, args=(number,), name=f"test-fill-{number}") for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not faults
    assert query(database.folder, "SELECT SeriesInstanceUID, DisplayedCount FROM Series ORDER BY 1") == [
        ("1.2.3.0", 600),
        ("1.2.3.1", 600),
    ]


def test_import_and_another_program_get_their_turns(database: LocalDatabase) -> None:
    def insert_as_ctk() -> None:
        with other_program(database.folder) as connection:
            for number in range(40):
                connection.execute(CTK_IMAGE, (f"8.{number}", f"/ctk/{number}.dcm", "", "1.2.3.1"))

    other = threading.Thread(target=insert_as_ctk, name="test-ctk-1")
    other.start()
    for start in range(0, 3000, 500):
        database.writer.add_files(series_of(500, first=start))
    other.join(60)
    database.writer.add_files([scanned(9999)])
    assert query(database.folder, "SELECT DisplayedCount FROM Series") == [(3041,)]


def test_failed_transaction_leaves_no_trace_in_memory(database: LocalDatabase) -> None:
    database.writer.add_files([scanned(1)])
    with other_program(database.folder) as connection:
        connection.execute(
            "CREATE TRIGGER broken BEFORE INSERT ON Images WHEN NEW.SOPInstanceUID = '1.2.9.3'"
            " BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END"
        )
        with pytest.raises(Exception, match="disk"):
            database.writer.add_files([scanned(2, SeriesInstanceUID="1.2.3.9"), scanned(3)])
        connection.execute("DROP TRIGGER broken")
    database.writer.add_files([scanned(4)])
    assert query(database.folder, "SELECT SeriesInstanceUID, DisplayedCount FROM Series") == [("1.2.3.1", 2)]


def test_locked_database_is_reported(database: LocalDatabase) -> None:
    with database.writer._file.reading() as mine:
        mine.execute("PRAGMA busy_timeout=50")
    with other_program(database.folder) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DatabaseFault, match="in use by another program"):
            database.writer.add_files([scanned(1)])
        connection.execute("ROLLBACK")
    assert database.writer.add_files([scanned(1)])[0].status == "imported"


def test_transactions_are_sized_by_the_time_they_take() -> None:
    pace = Pace(first=100, smallest=10, largest=1000)
    for _ in range(10):
        pace.learn(pace.size, pace.size * 0.001)
    assert pace.size == 12
    for _ in range(20):
        pace.learn(pace.size, pace.size * 0.000001)
    assert pace.size == 1000
    pace.learn(3, 0.000001)
    assert pace.size == 1000, "a short rest says nothing about more"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_kill_at_any_point_leaves_whole_rows(tmp_path: Path) -> None:
    folder = tmp_path / "database"
    LocalDatabase.open(folder).close()
    arguments = [sys.executable, "-c", FILLER, str(folder), str(ROOT), str(Path(__file__).parent)]
    for lines in (1, 4, 9, 14):
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(lines):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        process.stdout.close()
        database = LocalDatabase.open(folder)
        database.check()
        assert_consistent(folder)
        database.close()
    assert query(folder, "SELECT COUNT(*) >= 1000 FROM Images") == [(1,)]


def assert_consistent(folder: Path) -> None:
    """Every row has its parents, and every count is right."""
    for sql in (
        "SELECT COUNT(*) FROM Images WHERE SeriesInstanceUID NOT IN (SELECT SeriesInstanceUID FROM Series)",
        "SELECT COUNT(*) FROM Series WHERE StudyInstanceUID NOT IN (SELECT StudyInstanceUID FROM Studies)",
        "SELECT COUNT(*) FROM Studies WHERE PatientsUID NOT IN (SELECT UID FROM Patients)",
        "SELECT COUNT(*) FROM Images WHERE DisplayedFieldsUpdatedTimestamp IS NULL",
        "SELECT COUNT(*) FROM Series e WHERE DisplayedCount IS NOT"
        " (SELECT COUNT(*) FROM Images i WHERE i.SeriesInstanceUID = e.SeriesInstanceUID)",
        "SELECT COUNT(*) FROM Studies s WHERE DisplayedNumberOfSeries IS NOT"
        " (SELECT COUNT(*) FROM Series e WHERE e.StudyInstanceUID = s.StudyInstanceUID)",
        "SELECT COUNT(*) FROM Patients p WHERE DisplayedNumberOfStudies IS NOT"
        " (SELECT COUNT(*) FROM Studies s WHERE s.PatientsUID = p.UID)",
    ):
        assert query(folder, sql) == [(0,)], sql


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), max_size=12), max_size=6))
def test_counts_are_right_whatever_comes(tmp_path_factory: pytest.TempPathFactory, batches) -> None:
    """Any batches of instances of some series in some studies, with removals in between."""
    database = LocalDatabase.open(tmp_path_factory.mktemp("any") / "database")
    for batch in batches:
        files = [
            scanned(
                number, SeriesInstanceUID=f"1.{series}", StudyInstanceUID=f"2.{series // 2}", PatientID=f"P{series}"
            )
            for number, series in batch
        ]
        database.writer.add_files(files)
        if len(batch) % 3 == 2:
            first = database.reader.find(Query(level=Level.SERIES))[:1]
            for record in first:
                database.writer.remove_series(record.SeriesInstanceUID)
    assert_consistent(database.folder)
    database.close()
