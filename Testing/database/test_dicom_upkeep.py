"""The cheap methods of `slicer.dicomDatabase`: tags as text, the tag cache, completing displayed fields, URLs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from scanned_files import CTK_IMAGE, add_remote_series, other_program, query, scanned, series_of

from VisualDICOMBrowserLib.database.dicom_database import DicomDatabase
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.errors import DatabaseReadOnlyError


@pytest.fixture
def dicom(database: LocalDatabase) -> Iterator[DicomDatabase]:
    """The stand-in over an empty database."""
    opened = DicomDatabase(database)
    yield opened
    opened.closeDatabase()


def test_tags_and_numbers(dicom: DicomDatabase) -> None:
    assert dicom.groupElementToTag(0x28, 0x10) == "0028,0010"
    assert dicom.groupElementToTag(0x7FE0, 0x10) == "7FE0,0010"
    assert dicom.tagToGroupElement("7fe0,0010") == (0x7FE0, 0x10)
    for text in ("", "rubbish", "0028", "0028,0010,0", "00x8,0010"):
        assert dicom.tagToGroupElement(text) is None


def test_cached_tags_of_an_instance(database: LocalDatabase, dicom: DicomDatabase) -> None:
    file = scanned(1, Modality="MR")
    database.writer.add_files([file])
    database.writer.add_cached_tags(database.cached_tag_rows(file))
    given = {"old": "value"}
    cached = dicom.getCachedTags("1.2.9.1", given)
    assert cached is given
    assert (cached["0008,0060"], cached["0008,1030"], "old" in cached) == ("MR", "", False)
    assert dicom.cachedTag("1.2.9.1", "0008,0060") == "MR"
    dicom.removeCachedTags("1.2.9.1")
    assert dicom.getCachedTags("1.2.9.1") == {}
    assert dicom.cachedTag("1.2.9.1", "0008,0060") == ""


def test_what_there_is(dicom: DicomDatabase) -> None:
    assert dicom.tagCacheExists()
    assert dicom.initializeTagCache()
    assert dicom.isDisplayedFieldsTableAvailable()
    assert (dicom.useShortStoragePath, dicom.useSystemFileCopy) == (True, False)
    dicom.prepareInsert()


def test_displayed_fields_are_completed(database: LocalDatabase, dicom: DicomDatabase) -> None:
    database.writer.add_files(series_of(2))
    with other_program(database.folder) as connection:
        connection.execute(CTK_IMAGE, ("8.1", "/gone.dcm", "", "1.2.3.1"))
    dicom.updateDisplayedFields()
    assert query(database.folder, "SELECT DisplayedCount FROM Series") == [(3,)]


def test_a_database_for_reading_is_not_written(database: LocalDatabase) -> None:
    database.writer.add_files(series_of(2))
    reading = LocalDatabase.open(database.folder, read_only=True)
    dicom = DicomDatabase(reading)
    dicom.updateDisplayedFields()
    dicom.prepareInsert()
    for refused in (dicom.cleanup, lambda: dicom.removeCachedTags("1.2.9.1")):
        with pytest.raises(DatabaseReadOnlyError):
            refused()
    dicom.closeDatabase()
    reading.close()


def test_every_instance_has_a_url_if_only_an_empty_one(database: LocalDatabase, dicom: DicomDatabase) -> None:
    database.writer.add_files(series_of(3))
    add_remote_series(database.folder, images=1)
    assert dicom.urlsForSeries("1.2.3.1") == ["", "", ""]
    assert dicom.urlsForSeries("1.2.3.1", 2) == ["", ""]
    assert len(dicom.urlsForSeries("1.2.3.1", 0)) == 3
    assert dicom.urlsForSeries("9.9.1") == ["dimse+ctk://PACS/9.9/9.9.1/9.9.1.0"]
