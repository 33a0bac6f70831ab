"""The methods of `slicer.dicomDatabase`: answers, conventions, values as pydicom reads them, look-ups in memory."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pydicom
import pytest
from scanned_files import add_remote_series, query, scanned, series_of

from VisualDICOMBrowserLib.database.dicom_database import DicomDatabase
from VisualDICOMBrowserLib.database.dicom_values import DicomValues
from VisualDICOMBrowserLib.database.header_scan import scan_file
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.errors import DatabaseReadOnlyError

PIXEL_DATA = "7FE0,0010"
SEQUENCE = "0008,1140"


@pytest.fixture
def dicom(database: LocalDatabase) -> Iterator[DicomDatabase]:
    """The stand-in over an empty database."""
    opened = DicomDatabase(database)
    yield opened
    opened.closeDatabase()


@pytest.fixture
def head(database: LocalDatabase, dicom: DicomDatabase, test_data: Path) -> DicomDatabase:
    """The stand-in over the linked series ``mr-head``."""
    files = [scan_file(path, database.tags_to_precache) for path in sorted((test_data / "mr-head").glob("*.IMA"))]
    database.writer.add_files(files)
    database.writer.add_cached_tags([row for file in files for row in database.cached_tag_rows(file)])
    return dicom


def series_uid(dicom: DicomDatabase) -> str:
    return dicom.seriesForStudy(dicom.studiesForPatient(dicom.patients()[0])[0])[0]


def test_parents_and_children(head: DicomDatabase, test_data: Path) -> None:
    paths = [str(path) for path in sorted((test_data / "mr-head").glob("*.IMA"))]
    (patient,) = head.patients()
    (study,) = head.studiesForPatient(patient)
    (series,) = head.seriesForStudy(study)
    assert sorted(head.filesForSeries(series)) == paths
    assert len(head.filesForSeries(series, 3)) == 3
    assert len(head.instancesForSeries(series)) == len(paths)
    assert (head.studyForSeries(series), head.patientForStudy(study)) == (study, patient)
    sop = head.instanceForFile(paths[0])
    assert sop == pydicom.dcmread(paths[0]).SOPInstanceUID
    assert head.fileForInstance(sop) == paths[0]
    assert head.seriesForFile(paths[0]) == series
    assert head.descriptionsForFile(paths[0])["SeriesDescription"] == head.descriptionForSeries(series)
    assert head.allFiles() == paths
    assert (head.patientsCount(), head.studiesCount(), head.seriesCount(), head.imagesCount()) == (1, 1, 1, len(paths))


def test_unknown_is_empty(dicom: DicomDatabase) -> None:
    for text in (
        dicom.studyForSeries("x"),
        dicom.patientForStudy("x"),
        dicom.seriesForFile("/x"),
        dicom.instanceForFile("/x"),
        dicom.fileForInstance("x"),
        dicom.urlForInstance("x"),
        dicom.instanceForURL("x://y"),
        dicom.fileValue("/x", "0008,0060"),
        dicom.fileValue("", "0008,0060"),
        dicom.instanceValue("x", "0008,0060"),
        dicom.instanceValue("", "0008,0060"),
        dicom.nameForPatient("9"),
        dicom.displayedNameForPatient("9"),
        dicom.fieldForSeries("Nonsense", "x"),
        dicom.cachedTag("x", "0008,0060"),
        dicom.thumbnailPathForInstance("x", "y", "z"),
        dicom.headerValue("0008,0060"),
    ):
        assert text == ""
    for items in (
        dicom.patients(),
        dicom.studiesForPatient("9"),
        dicom.seriesForStudy("x"),
        dicom.instancesForSeries("x"),
        dicom.filesForSeries("x"),
        dicom.urlsForSeries("x"),
        dicom.allFiles(),
        dicom.headerKeys(),
    ):
        assert items == []
    assert dicom.insertDateTimeForInstance("x") is None
    assert dicom.fileValueExists("/x", PIXEL_DATA) is False
    assert dicom.instanceValueExists("x", PIXEL_DATA) is False
    assert dicom.connectionsInformationForPatient("9") == {"allow": [], "deny": []}
    assert dicom.removeSeries("x") is False
    assert dicom.lastError


def written(value: object) -> str:
    """A value as the file has it, where pydicom kept that."""
    original = getattr(value, "original_string", None)
    return original if isinstance(original, str) else str(value)


@pytest.mark.parametrize("tag", ["0008,0060", "0020,0032", "0028,0030", "0018,0050", "0010,0010", "0028,0010"])
def test_values_are_those_of_pydicom(head: DicomDatabase, tag: str) -> None:
    group, element = (int(part, 16) for part in tag.split(","))
    for path in head.filesForSeries(series_uid(head)):
        item = pydicom.dcmread(path, stop_before_pixels=True)[group, element]
        parts = item.value if item.VM > 1 else [item.value]
        expected = "\\".join(written(part) for part in parts)
        assert head.fileValue(path, tag) == expected
        assert head.fileValue(path, group, element) == expected
        assert head.instanceValue(head.instanceForFile(path), tag.lower()) == expected


def test_absent_and_excluded_tags_are_empty_at_every_reading(head: DicomDatabase) -> None:
    path = head.filesForSeries(series_uid(head))[0]
    for _ in range(3):
        assert head.fileValue(path, PIXEL_DATA) == ""
        assert head.fileValueExists(path, PIXEL_DATA) is True
        assert head.fileValue(path, "0099,0099") == ""
        assert head.fileValueExists(path, "0099,0099") is False
        assert head.instanceValueExists(head.instanceForFile(path), PIXEL_DATA) is True
    assert head.fileValueExists(path, SEQUENCE) == (0x00081140 in pydicom.dcmread(path))


def test_values_read_from_files_get_into_the_cache(head: DicomDatabase) -> None:
    path = head.filesForSeries(series_uid(head))[0]
    sop = head.instanceForFile(path)
    assert head.cachedTag(sop, "0018,0050") == ""
    thickness = head.fileValue(path, "0018,0050")
    assert head.cachedTag(sop, "0018,0050") == thickness != ""
    head.fileValue(path, "0099,0099")
    assert head.cachedTag(sop, "0099,0099") == "__TAG_NOT_IN_INSTANCE__"
    assert head.instanceValues([sop, "x"], "0018,0050") == {sop: thickness}


def test_files_outside_the_database_are_told_apart(dicom: DicomDatabase, test_data: Path, tmp_path: Path) -> None:
    first, second = sorted((test_data / "mr-head").glob("*.IMA"))[:2]
    for path in (first, second):
        expected = pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID
        assert dicom.fileValue(str(path), "0008,0018") == expected
    assert query(Path(dicom.databaseDirectory), "SELECT COUNT(*) FROM Images") == [(0,)]
    changing = tmp_path / "changing.dcm"
    shutil.copy(first, changing)
    before = dicom.fileValue(str(changing), "0008,0018")
    changing.write_bytes(second.read_bytes())
    assert dicom.fileValue(str(changing), "0008,0018") != before


def test_the_next_questions_are_answered_from_memory(database: LocalDatabase) -> None:
    files = series_of(20, Modality="CT")
    database.writer.add_files(files)
    database.writer.add_cached_tags([row for file in files for row in database.cached_tag_rows(file)])
    values = DicomValues(database.connections, database.paths, database.tag_cache, writable=True, clock=lambda: 0.0)
    values.value(values.instance_of("/images/1.dcm"), "/images/1.dcm", "0008,0060")
    database.close()
    found = {values.value(values.instance_of(file.path), file.path, "0008,0060") for file in files}
    assert found == {"CT"}, "a closed database cannot have been asked"


def test_what_is_held_is_let_go_when_the_database_changes(database: LocalDatabase) -> None:
    now = [0.0]
    values = DicomValues(database.connections, database.paths, database.tag_cache, writable=True, clock=lambda: now[0])
    assert values.instance_of("/images/1.dcm") == ""
    database.writer.add_files([scanned(1)])
    assert values.instance_of("/images/1.dcm") == "1.2.9.1"
    database.writer.remove_series("1.2.3.1")
    assert values.instance_of("/images/1.dcm") == "1.2.9.1"
    now[0] = 1.0
    assert values.instance_of("/images/1.dcm") == ""


def test_file_that_is_away_for_a_while_is_not_taken_for_one_without_values(
    database: LocalDatabase, dicom: DicomDatabase, test_data: Path, tmp_path: Path
) -> None:
    source = sorted((test_data / "mr-head").glob("*.IMA"))[0]
    path = tmp_path / "share.dcm"
    shutil.copy(source, path)
    database.writer.add_files([scan_file(path, [])])
    path.rename(tmp_path / "away.dcm")
    assert dicom.fileValue(str(path), "0018,0050") == ""
    assert dicom.fileValueExists(str(path), "0018,0050") is False
    (tmp_path / "away.dcm").rename(path)
    assert dicom.fileValue(str(path), "0018,0050") != ""
    assert dicom.fileValue("/no/valid/\udcff/text", "0018,0050") == ""


def test_very_long_series_are_loaded_in_parts(database: LocalDatabase, dicom: DicomDatabase) -> None:
    files = series_of(2500, Modality="CT")
    database.writer.add_files(files)
    database.writer.add_cached_tags((file.SOPInstanceUID, "0008,0060", "CT") for file in files)
    assert {dicom.fileValue(file.path, "0008,0060") for file in files} == {"CT"}


def test_remote_instances_are_not_files(database: LocalDatabase, dicom: DicomDatabase) -> None:
    add_remote_series(database.folder)
    assert dicom.filesForSeries("9.9.1") == []
    assert dicom.instancesForSeries("9.9.1") == []
    assert dicom.fileForInstance("9.9.1.0") == ""
    (first, _) = dicom.urlsForSeries("9.9.1")
    assert (dicom.instanceForURL(first), dicom.urlForInstance("9.9.1.0")) == ("9.9.1.0", first)
    assert dicom.studiesForPatient("1") == ["9.9"], "the study without UID is not handed out"
    database.writer.add_cached_tags([("9.9.1.0", "0008,0060", "CT")])
    assert dicom.fileValue(first, "0008,0060") == "CT"
    assert dicom.connectionsInformationForPatient("1") == {"allow": ["PACS"], "deny": []}
    assert dicom.updateConnectionsForPatient("1", ["A", "Ä"], ["B"])
    assert dicom.connectionsInformationForPatient("1") == {"allow": ["A", "Ä"], "deny": ["B"]}
    assert query(database.folder, "SELECT Connections FROM Patients") == [('{"allow":["A","Ä"],"deny":["B"]}',)]


def test_fields_and_times(database: LocalDatabase, dicom: DicomDatabase) -> None:
    database.writer.add_files([scanned(1, StudyDescription="Head", Modality="MR")])
    assert dicom.fieldForPatient("PatientID", 1) == "ID1"
    assert dicom.displayedNameForPatient("1") == "Doe, John"
    assert dicom.fieldForStudy("StudyDescription", "1.2.3") == dicom.descriptionForStudy("1.2.3") == "Head"
    assert dicom.fieldForSeries("Modality", "1.2.3.1") == "MR"
    assert len(dicom.patientFieldNames + dicom.studyFieldNames + dicom.seriesFieldNames) == 47
    for moment in (
        dicom.insertDateTimeForPatient("1"),
        dicom.insertDateTimeForStudy("1.2.3"),
        dicom.insertDateTimeForSeries("1.2.3.1"),
        dicom.insertDateTimeForInstance("1.2.9.1"),
        dicom.allFilesModifiedTimes()["/images/1.dcm"],
    ):
        assert moment is not None
        assert abs((datetime.now() - moment).total_seconds()) < 60
    assert dicom.fileExistsAndUpToDate("/images/1.dcm") is False
    assert dicom.compositePatientID("a", "b", "c") == "a~c~b"


def test_files_are_inserted_as_links_and_as_copies(dicom: DicomDatabase, test_data: Path, tmp_path: Path) -> None:
    link, copied = sorted((test_data / "mr-head").glob("*.IMA"))[:2]
    dicom.insert(str(link), False)
    dicom.insert(str(copied), True, False)
    dicom.insert(str(tmp_path), False)
    assert dicom.imagesCount() == 2
    assert dicom.fileExistsAndUpToDate(str(link))
    own = next(path for path in dicom.allFiles() if path != str(link))
    assert Path(own).is_relative_to(dicom.databaseDirectory)
    assert Path(own).read_bytes() == copied.read_bytes()
    assert dicom.fileValue(own, "0008,0018") == pydicom.dcmread(copied).SOPInstanceUID
    assert dicom.removePatient(dicom.patients()[0])
    assert not Path(own).exists()
    assert link.exists()


def test_headers_are_listed_whole(head: DicomDatabase) -> None:
    head.loadInstanceHeader(head.instancesForSeries(series_uid(head))[0])
    assert head.headerValue("0008,0060") == "(0008,0060) CS [MR] # 1 Modality"
    assert "0020,0032" in head.headerKeys()
    head.loadFileHeader("/nothing")
    assert head.headerKeys() == []


def test_cached_tags_can_be_set(dicom: DicomDatabase) -> None:
    assert dicom.cacheTag("1", "0008,103e", "x")
    assert dicom.cachedTag("1", "0008,103E") == "x"
    assert not dicom.cacheTags(["1"], [], [])


def test_columns_have_the_setters_of_ctk(dicom: DicomDatabase) -> None:
    dicom.setVisibilityForField("Series", "Modality", False)
    dicom.setDisplayedNameForField("Series", "Modality", "Mod.")
    dicom.setWeightForField("Series", "Modality", 8)
    dicom.setFormatForField("Series", "Modality", "{}")
    dicom.setWeightForField("Series", "Nonsense", 8)
    assert dicom.visibilityForField("Series", "Modality") is False
    assert dicom.displayedNameForField("Series", "Modality") == "Mod."
    assert (dicom.weightForField("Series", "Modality"), dicom.formatForField("Series", "Modality")) == (8, "{}")
    assert dicom.displayedNameForField("Series", "Nonsense") == ""


def test_opening_closing_and_versions(dicom: DicomDatabase, tmp_path: Path) -> None:
    assert dicom.isOpen
    assert not dicom.isInMemory
    assert dicom.schemaVersion() == dicom.schemaVersionLoaded() == "0.8.1"
    assert dicom.updateSchema()
    assert not dicom.updateSchemaIfNeeded()
    assert dicom.initializeDatabase()
    dicom.tagsToPrecache = ["0018,9087"]
    assert "0018,9087" in dicom.tagsToPrecache
    assert "0008,0018" in dicom.tagsToPrecache
    assert dicom.openDatabase(str(tmp_path / "another" / "ctkDICOM.sql"))
    assert dicom.databaseFilename == str(tmp_path / "another" / "ctkDICOM.sql")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "ctkDICOM.sql").write_bytes(b"garbage" * 100)
    assert not dicom.openDatabase(str(tmp_path / "bad" / "ctkDICOM.sql"))
    assert "damaged" in dicom.lastError
    dicom.closeDatabase()
    assert not dicom.isOpen


def test_a_database_for_reading_answers_and_writes_nothing(database: LocalDatabase, head: DicomDatabase) -> None:
    reading = LocalDatabase.open(database.folder, read_only=True)
    dicom = DicomDatabase(reading)
    path = dicom.filesForSeries(series_uid(dicom))[0]
    assert dicom.fileValue(path, "0018,0050")
    assert dicom.cachedTag(dicom.instanceForFile(path), "0018,0050") == ""
    with pytest.raises(DatabaseReadOnlyError):
        dicom.removePatient(1)
    dicom.closeDatabase()
    reading.close()
