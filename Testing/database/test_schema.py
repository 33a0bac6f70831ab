"""The tables are CTK's, files of every age and state open as they should, and nobody's data is lost."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest
from scanned_files import add_remote_series, other_program, query, scanned, series_of

from VisualDICOMBrowserLib.database.file_systems import network_mounts
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.paths import DATABASE_FILE, TAG_CACHE_FILE
from VisualDICOMBrowserLib.errors import DatabaseFault, DatabaseReadOnlyError
from VisualDICOMBrowserLib.model import Level, Query

# Columns as CTK declares them: name, type; "!" not null, "*" primary key.
CTK_TABLES = {
    "SchemaInfo": "Version VARCHAR(1024)!",
    "Images": "SOPInstanceUID VARCHAR(64)!*, Filename VARCHAR(1024), URL VARCHAR(2048), SeriesInstanceUID VARCHAR(64)!,"
    " InsertTimestamp VARCHAR(20)!, DisplayedFieldsUpdatedTimestamp DATETIME",
    "Patients": "UID INTEGER*, PatientsName VARCHAR(255), PatientID VARCHAR(255), PatientsBirthDate DATE,"
    " PatientsBirthTime TIME, PatientsSex VARCHAR(1), PatientsAge VARCHAR(10), PatientsComments VARCHAR(255),"
    " InsertTimestamp VARCHAR(20)!, DisplayedPatientsName VARCHAR(255), DisplayedNumberOfStudies INT,"
    " DisplayedLastStudyDate DATE, DisplayedFieldsUpdatedTimestamp DATETIME, Connections VARCHAR(2048)",
    "Studies": "StudyInstanceUID VARCHAR(64)!*, PatientsUID INT!, StudyID VARCHAR(255), StudyDate DATE,"
    " StudyTime VARCHAR(20), StudyDescription VARCHAR(255), AccessionNumber VARCHAR(255),"
    " ModalitiesInStudy VARCHAR(255), InstitutionName VARCHAR(255), ReferringPhysician VARCHAR(255),"
    " PerformingPhysiciansName VARCHAR(255), InsertTimestamp VARCHAR(20)!, DisplayedNumberOfSeries INT,"
    " DisplayedFieldsUpdatedTimestamp DATETIME",
    "Series": "SeriesInstanceUID VARCHAR(64)!*, StudyInstanceUID VARCHAR(64)!, SeriesNumber INT, SeriesDate DATE,"
    " SeriesTime VARCHAR(20), SeriesDescription VARCHAR(255), Modality VARCHAR(20), BodyPartExamined VARCHAR(255),"
    " FrameOfReferenceUID VARCHAR(64), AcquisitionNumber INT, ContrastAgent VARCHAR(255),"
    " ScanningSequence VARCHAR(45), EchoNumber INT, TemporalPosition INT, InsertTimestamp VARCHAR(20)!,"
    " DisplayedCount INT, DisplayedSize VARCHAR(20), DisplayedNumberOfFrames INT,"
    " DisplayedFieldsUpdatedTimestamp DATETIME",
    "Directories": "Dirname VARCHAR(1024)*",
    "ColumnDisplayProperties": "TableName VARCHAR(64)!*, FieldName VARCHAR(64)!*, DisplayedName VARCHAR(255),"
    " Visibility INT, Weight INT, Format VARCHAR(255)",
    "DisplayedFieldGeneratorRules": "Name VARCHAR(64)!*, Enabled INT, Options VARCHAR(255)",
}
CTK_INDEXES = {
    "ImagesFilenameIndex": ("Images", "Filename"),
    "ImagesSeriesIndex": ("Images", "SeriesInstanceUID"),
    "SeriesStudyIndex": ("Series", "StudyInstanceUID"),
    "StudiesPatientIndex": ("Studies", "PatientsUID"),
}
# Schema 0.7.0: no URL, no Connections, Filename required and unique.
OLD_SCHEMA = """
CREATE TABLE SchemaInfo (Version VARCHAR(1024) NOT NULL);
INSERT INTO SchemaInfo VALUES ('0.7.0');
CREATE TABLE Images (SOPInstanceUID VARCHAR(64) NOT NULL PRIMARY KEY, Filename VARCHAR(1024) NOT NULL,
    SeriesInstanceUID VARCHAR(64) NOT NULL, InsertTimestamp VARCHAR(20) NOT NULL);
CREATE UNIQUE INDEX ImagesFilenameIndex ON Images (Filename);
CREATE TABLE Patients (UID INTEGER PRIMARY KEY AUTOINCREMENT, PatientsName VARCHAR(255), PatientID VARCHAR(255),
    PatientsBirthDate DATE, InsertTimestamp VARCHAR(20) NOT NULL);
CREATE TABLE Studies (StudyInstanceUID VARCHAR(64) NOT NULL PRIMARY KEY, PatientsUID INT NOT NULL, StudyDate DATE,
    StudyDescription VARCHAR(255), InsertTimestamp VARCHAR(20) NOT NULL);
CREATE TABLE Series (SeriesInstanceUID VARCHAR(64) NOT NULL PRIMARY KEY, StudyInstanceUID VARCHAR(64) NOT NULL,
    SeriesNumber INT, Modality VARCHAR(20), InsertTimestamp VARCHAR(20) NOT NULL);
CREATE TABLE ColumnDisplayProperties (TableName VARCHAR(64) NOT NULL, FieldName VARCHAR(64) NOT NULL,
    DisplayedName VARCHAR(255), Visibility INT DEFAULT 1, Weight INT, Format VARCHAR(255),
    PRIMARY KEY (TableName, FieldName));
INSERT INTO ColumnDisplayProperties VALUES ('Studies', 'StudyDate', 'When', 0, 9, '');
INSERT INTO Patients VALUES (7, 'Old^Anna', 'OLD7', '1950-02-03', '2021-01-01T00:00:00.000');
INSERT INTO Studies VALUES ('5.1', 7, 20210102, 'Knee', '2021-01-01T00:00:00.000');
INSERT INTO Series VALUES ('5.1.1', '5.1', 3, 'MR', '2021-01-01T00:00:00.000');
INSERT INTO Images VALUES ('5.1.1.1', 'dicom/aa/bb/cc.dcm', '5.1.1', '2021-01-01T00:00:00.000');
INSERT INTO Images VALUES ('5.1.1.2', '/linked/file.dcm', '5.1.1', '2021-01-01T00:00:00.000');
"""


def make_old(folder: Path) -> Path:
    folder.mkdir()
    path = folder / DATABASE_FILE
    connection = sqlite3.connect(path)
    connection.executescript(OLD_SCHEMA)
    connection.close()
    return path


def stated_columns(folder: Path, table: str) -> str:
    rows = query(folder, f"PRAGMA table_info({table})")
    return ", ".join(
        f"{name} {kind}{'!' * bool(required)}{'*' * bool(key)}" for _, name, kind, required, _, key in rows
    )


@pytest.mark.parametrize("table", CTK_TABLES)
def test_tables_have_the_columns_of_ctk(database: LocalDatabase, table: str) -> None:
    assert stated_columns(database.folder, table) == CTK_TABLES[table]


def test_defaults_indexes_and_version_are_those_of_ctk(database: LocalDatabase) -> None:
    rows = query(database.folder, "SELECT name, tbl_name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
    assert dict(rows) == {name: table for name, (table, _) in CTK_INDEXES.items()}
    for index, (_, column) in CTK_INDEXES.items():
        assert [row[2] for row in query(database.folder, f"PRAGMA index_info({index})")] == [column]
    defaults = query(
        database.folder,
        "SELECT m.name, c.name, c.dflt_value FROM sqlite_master m, pragma_table_info(m.name) c"
        " WHERE m.type = 'table' AND c.dflt_value IS NOT NULL ORDER BY 1",
    )
    assert defaults == [
        ("ColumnDisplayProperties", "Visibility", "1"),
        ("DisplayedFieldGeneratorRules", "Enabled", "1"),
    ]
    assert query(database.folder, "SELECT Version FROM SchemaInfo") == [("0.8.1",)]


def test_tag_cache_has_the_table_of_ctk(database: LocalDatabase) -> None:
    connection = sqlite3.connect(database.folder / TAG_CACHE_FILE)
    columns = connection.execute("PRAGMA table_info(TagCache)").fetchall()
    connection.close()
    assert [(name, kind, key) for _, name, kind, _, _, key in columns] == [
        ("SOPInstanceUID", "", 1),
        ("Tag", "", 2),
        ("Value", "", 0),
    ]


def test_all_47_columns_have_their_display(database: LocalDatabase) -> None:
    rows = query(database.folder, "SELECT * FROM ColumnDisplayProperties")
    assert len(rows) == 47
    assert ("Patients", "InsertTimestamp", "Date added", 1, 7, '{"sort": "descending"}') in rows
    assert ("Series", "DisplayedSize", "Size", 1, 4, '{"resizeMode":"resizeToContents"}') in rows
    assert ("Patients", "Connections", "", 0, 0, "") in rows


def test_opening_again_keeps_everything(database_folder: Path) -> None:
    for number in (1, 2):
        database = LocalDatabase.open(database_folder)
        database.writer.add_files([scanned(number)])
        database.close()
    assert query(database_folder, "SELECT COUNT(*) FROM Images") == [(2,)]


def test_wal_is_on_and_another_program_reads_and_writes_meanwhile(database: LocalDatabase) -> None:
    database.writer.add_files(series_of(3))
    with other_program(database.folder) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("SELECT COUNT(*) FROM Images").fetchone() == (3,)
        connection.execute("UPDATE Patients SET PatientsComments = 'by CTK'")
    database.writer.add_files(series_of(3, first=4))
    assert query(database.folder, "SELECT PatientsComments, (SELECT COUNT(*) FROM Images) FROM Patients") == [
        ("by CTK", 6)
    ]


def test_network_file_systems_are_told_from_local_ones() -> None:
    table = "server:/x /mnt/nfs nfs4 rw 0 0\n/dev/sda / ext4 rw 0 0\n//pc/share /mnt/my\\040share cifs rw 0 0\n"
    assert network_mounts(table) == {"/mnt/nfs": True, "/": False, "/mnt/my share": True}
    mac = "/dev/disk1s1 on / (apfs, local, journaled)\n//me@pc/data on /Volumes/My Data (smbfs, nodev)\n"
    assert network_mounts(mac) == {"/": False, "/Volumes/My Data": True}


def test_network_folder_falls_back_to_the_journal_of_ctk(
    database_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("VisualDICOMBrowserLib.database.connection.is_on_network", lambda folder: True)
    database = LocalDatabase.open(database_folder)
    database.writer.add_files(series_of(3))
    assert query(database_folder, "PRAGMA journal_mode") == [("delete",)]
    assert database.reader.counts().instances == 3
    database.close()


def test_missing_database_is_not_made_unless_wanted(tmp_path: Path) -> None:
    with pytest.raises(DatabaseFault, match="no DICOM database"):
        LocalDatabase.open(tmp_path / "nothing", create=False)
    assert not (tmp_path / "nothing").exists()


def test_older_schema_is_brought_up_to_date_after_a_copy(tmp_path: Path) -> None:
    make_old(tmp_path / "old")
    database = LocalDatabase.open(tmp_path / "old")
    assert database.writer.update_displayed_fields() == 2
    (patient,) = database.reader.patients()
    assert (patient.key, patient.PatientBirthDate, patient.LastStudyDate) == (7, "19500203", "20210102")
    (series,) = database.reader.series()
    assert (series.SeriesNumber, series.NumberOfSeriesRelatedInstances) == (3, 2)
    assert "0.7.0" in database.notices[0]
    database.close()
    for table, columns in CTK_TABLES.items():
        assert stated_columns(tmp_path / "old", table) == columns
    files = query(tmp_path / "old", "SELECT Filename FROM Images ORDER BY 1")
    assert files == [("/linked/file.dcm",), ("dicom/aa/bb/cc.dcm",)], "owned stays owned"
    kept = query(tmp_path / "old", "SELECT DisplayedName, Visibility, Weight FROM ColumnDisplayProperties"
                 " WHERE FieldName = 'StudyDate'")  # fmt: skip
    assert kept == [("When", 0, 9)]
    backup = sqlite3.connect(tmp_path / "old" / "ctkDICOM-0.7.0.backup.sql")
    assert backup.execute("SELECT Version, (SELECT COUNT(*) FROM Images) FROM SchemaInfo").fetchone() == ("0.7.0", 2)
    backup.close()


def test_next_patient_after_a_migration_has_a_new_row_number(tmp_path: Path) -> None:
    make_old(tmp_path / "old")
    database = LocalDatabase.open(tmp_path / "old")
    database.writer.add_files([scanned()])
    assert {patient.key for patient in database.reader.patients()} == {7, 8}
    database.close()


def test_schema_that_cannot_be_carried_over_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / DATABASE_FILE
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE Images (Filename TEXT PRIMARY KEY, SeriesInstanceUID TEXT)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(DatabaseFault, match="cannot be brought to") as caught:
        LocalDatabase.open(tmp_path)
    assert caught.value.next_step
    assert path.read_bytes() == before


def test_older_schema_is_refused_where_nothing_may_be_written(tmp_path: Path) -> None:
    path = make_old(tmp_path / "old")
    before = path.read_bytes()
    with pytest.raises(DatabaseFault, match="older schema"):
        LocalDatabase.open(tmp_path / "old", read_only=True)
    assert path.read_bytes() == before


def test_newer_schema_is_read_and_not_written(database_folder: Path) -> None:
    database = LocalDatabase.open(database_folder)
    database.writer.add_files(series_of(2))
    database.close()
    with other_program(database_folder) as connection:
        connection.execute("UPDATE SchemaInfo SET Version = '0.10.0'")
    newer = LocalDatabase.open(database_folder)
    assert newer.read_only
    assert "newer" in newer.notices[0]
    assert newer.reader.counts().instances == 2
    newer.own.put("settings", "jobs/max_concurrent", 3)
    with pytest.raises(DatabaseReadOnlyError):
        newer.writer.add_files([scanned(3)])
    with pytest.raises(DatabaseReadOnlyError):
        newer.columns.set("Series", "Modality", visible=False)
    newer.close()
    assert query(database_folder, "SELECT Version FROM SchemaInfo") == [("0.10.0",)]


def test_read_only_opening_writes_nothing(database_folder: Path) -> None:
    database = LocalDatabase.open(database_folder)
    database.writer.add_files(series_of(2))
    database.close()
    before = (database_folder / DATABASE_FILE).read_bytes()
    reading = LocalDatabase.open(database_folder, read_only=True)
    assert len(reading.reader.find(Query(level=Level.PATIENT))) == 1
    with pytest.raises(DatabaseReadOnlyError, match="reading only"):
        _ = reading.writer
    reading.close()
    assert (database_folder / DATABASE_FILE).read_bytes() == before


def test_file_that_may_not_be_written_is_read(database_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    LocalDatabase.open(database_folder).close()
    path = database_folder / DATABASE_FILE
    path.chmod(stat.S_IREAD)
    # The superuser may write everything; what the system would answer others is what counts here.
    monkeypatch.setattr("os.access", lambda name, mode: Path(name) != path)
    database = LocalDatabase.open(database_folder)
    assert database.read_only
    assert "may not be written" in database.notices[0]
    database.close()
    path.chmod(stat.S_IREAD | stat.S_IWRITE)


@pytest.mark.parametrize("damage", ["overwritten", "cut", "garbled", "emptied"])
def test_damaged_file_is_reported_and_left_alone(database_folder: Path, damage: str) -> None:
    database = LocalDatabase.open(database_folder)
    database.writer.add_files(series_of(500))
    database.close()
    path = database_folder / DATABASE_FILE
    (database_folder / "dicom" / "x").mkdir(parents=True)
    content = bytearray(path.read_bytes())
    if damage == "overwritten":
        content[:100] = b"This is no database" * 5 + b"12345"
    elif damage == "cut":
        del content[len(content) // 2 :]
    elif damage == "garbled":
        content[4096 : len(content) : 512] = b"\xff" * len(range(4096, len(content), 512))
    else:
        content.clear()
    path.write_bytes(content)
    with pytest.raises(DatabaseFault) as caught:
        LocalDatabase.open(database_folder)
    assert caught.value.code == "database_damaged"
    assert caught.value.next_step
    assert path.read_bytes() == content


def test_damaged_tag_cache_is_put_aside(database_folder: Path) -> None:
    LocalDatabase.open(database_folder).close()
    (database_folder / TAG_CACHE_FILE).write_bytes(b"no database" * 1000)
    database = LocalDatabase.open(database_folder)
    database.writer.add_cached_tags([("1.2", "0008,0060", "MR")])
    assert "tag cache" in database.notices[0]
    database.close()
    assert len(list(database_folder.glob("ctkDICOMTagCache-damaged-*.sql"))) == 1


def test_thorough_check_finds_nothing_in_a_sound_file(database: LocalDatabase) -> None:
    database.writer.add_files(series_of(10))
    database.check()


def test_closed_database_says_so(database: LocalDatabase) -> None:
    database.close()
    with pytest.raises(DatabaseFault, match="closed"):
        database.writer.add_files([scanned()])
    with pytest.raises(DatabaseFault, match="closed"):
        database.reader.counts()
    database.close()


def test_rows_of_servers_are_left_alone_and_not_shown(database: LocalDatabase) -> None:
    database.writer.add_files(series_of(2))
    add_remote_series(database.folder)
    before = query(database.folder, "SELECT * FROM Images WHERE Filename IS NULL ORDER BY 1")
    database.writer.add_files(series_of(2, first=3))
    database.writer.update_displayed_fields()
    assert query(database.folder, "SELECT * FROM Images WHERE Filename IS NULL ORDER BY 1") == before
    for level in Level:
        assert not [record for record in database.reader.find(Query(level=level)) if "9.9" in str(record)]
    counts = database.reader.counts()
    assert (counts.patients, counts.studies, counts.series, counts.instances) == (1, 1, 1, 4)
