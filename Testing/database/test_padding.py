"""Spaces around values that mean nothing get into no row, and those that mean something stay (PS3.5 table 6.2-1)."""

from __future__ import annotations

from pathlib import Path

import pytest
from index_samples import ct_slice
from scanned_files import CTK_IMAGE, CTK_PATIENT, CTK_SERIES, CTK_STUDY, other_program, query, scanned

from VisualDICOMBrowserLib.database.dicom_database import DicomDatabase
from VisualDICOMBrowserLib.database.header_scan import scan_file
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.tag_kinds import has_no_text, significant

PIXEL_DATA = "7FE0,0010"
PADDED = (
    ("0008,1030", "LO", "  lead and trail  "),
    ("0008,103E", "LO", " x "),
    ("0010,0010", "PN", " Doe ^ John "),
    ("0010,0020", "LO", " 77"),
    ("0010,4000", "LT", "  indented "),
)


@pytest.mark.parametrize(
    ("tag", "value", "kept"),
    [
        ("0010,0020", " 77", "77"),
        ("0010,0020", "7 7", "7 7"),
        ("0008,1050", " A ^B\\ C^D ", "A ^B\\C^D"),
        ("0008,0061", "MR\\ CT", "MR\\CT"),
        ("0010,4000", " text\\ more", " text\\ more"),
        ("0018,9004", " CS", "CS"),
        ("0008,0119", " unlimited", " unlimited"),
        ("0029,1010", " private", "private"),
        ("0010,0020", "", ""),
    ],
)
def test_leading_spaces_by_value_representation(tag: str, value: str, kept: str) -> None:
    assert significant(tag, value) == kept


def test_padded_and_plain_patient_are_one(database: LocalDatabase) -> None:
    database.writer.add_files([scanned(1, PatientID="77")])
    database.writer.add_files(
        [
            scanned(2, PatientID=" 77", PatientName=" Doe^John", StudyInstanceUID="1.4", SeriesInstanceUID="1.4.1"),
            scanned(3, PatientID="  77", StudyInstanceUID="1.5", SeriesInstanceUID="1.5.1"),
        ]
    )
    assert query(database.folder, "SELECT PatientID, PatientsName, DisplayedNumberOfStudies FROM Patients") == [
        ("77", "Doe^John", 3)
    ]


def test_rows_and_cached_tags_have_values_as_ctk_has_them(database: LocalDatabase, tmp_path: Path) -> None:
    path = tmp_path / "padded.dcm"
    path.write_bytes(ct_slice(more=PADDED))
    file = scan_file(path, database.tags_to_precache)
    assert file.values["0010,0020"] == " 77", "the scan itself says what the file says"
    database.writer.add_files([file])
    database.writer.add_cached_tags(database.cached_tag_rows(file))
    assert query(database.folder, "SELECT PatientID, PatientsName, PatientsComments FROM Patients") == [
        ("77", "Doe ^ John", "  indented")
    ]
    assert query(database.folder, "SELECT StudyDescription, SeriesDescription FROM Studies, Series") == [
        ("lead and trail", "x")
    ]
    cached = database.tag_cache.values([file.SOPInstanceUID])[file.SOPInstanceUID]
    assert [cached[tag] for tag, *_ in PADDED] == ["lead and trail", "x", "Doe ^ John", "77", "  indented"]


def test_values_read_from_the_file_are_like_cached_ones(database: LocalDatabase, tmp_path: Path) -> None:
    path = tmp_path / "padded.dcm"
    path.write_bytes(ct_slice(more=PADDED))
    dicom = DicomDatabase(database)
    assert dicom.fileValue(str(path), "0008,1030") == "lead and trail"
    assert dicom.fileValue(str(path), "0010,4000") == "  indented"
    dicom.closeDatabase()


def test_fields_that_another_program_left_are_computed_of_plain_values(database: LocalDatabase, tmp_path: Path) -> None:
    path = tmp_path / "padded.dcm"
    path.write_bytes(ct_slice(more=PADDED))
    with other_program(database.folder) as connection:
        key = connection.execute(CTK_PATIENT, ("Doe ^ John", "77", None, None)).lastrowid
        connection.execute(CTK_STUDY, ("4.1", key, None))
        connection.execute(CTK_SERIES, ("4.1.1", "4.1", "CT"))
        connection.execute(CTK_IMAGE, ("4.1.1.1", str(path), "", "4.1.1"))
    assert database.writer.update_displayed_fields() == 1
    assert query(database.folder, "SELECT StudyDescription, SeriesDescription FROM Studies, Series") == [
        ("lead and trail", "x")
    ]


@pytest.mark.parametrize("tag", [PIXEL_DATA, "0008,1140"])
def test_asking_for_pixel_data_or_a_sequence_beforehand_does_not_deny_them(
    database: LocalDatabase, tmp_path: Path, tag: str
) -> None:
    sequence = ("0008,1140", "SQ", b"\xfe\xff\x00\xe0\0\0\0\0")
    with_it, without = tmp_path / "with.dcm", tmp_path / "without.dcm"
    with_it.write_bytes(ct_slice(number=1, more=(sequence,)))
    without.write_bytes(ct_slice(number=2, without=(PIXEL_DATA,)))
    dicom = DicomDatabase(database)
    dicom.tagsToPrecache = [PIXEL_DATA.lower(), "0008,1140", "0018,0050"]
    for path in (with_it, without):
        dicom.insert(str(path), False)
    assert has_no_text(tag)
    assert "0018,0050" in dicom.tagsToPrecache
    for _ in range(2):
        assert dicom.fileValueExists(str(with_it), tag) is True
        assert dicom.fileValueExists(str(without), tag) is False
    dicom.closeDatabase()
