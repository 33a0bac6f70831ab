"""Scanned files for tests of the database, and rows as CTK writes them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from VisualDICOMBrowserLib.database.paths import DATABASE_FILE
from VisualDICOMBrowserLib.database.records import ScannedFile

KEYWORDS = {
    "SOPInstanceUID": "0008,0018",
    "SOPClassUID": "0008,0016",
    "StudyInstanceUID": "0020,000D",
    "SeriesInstanceUID": "0020,000E",
    "PatientID": "0010,0020",
    "PatientName": "0010,0010",
    "PatientBirthDate": "0010,0030",
    "PatientSex": "0010,0040",
    "StudyDate": "0008,0020",
    "StudyTime": "0008,0030",
    "StudyDescription": "0008,1030",
    "AccessionNumber": "0008,0050",
    "SeriesDescription": "0008,103E",
    "SeriesNumber": "0020,0011",
    "Modality": "0008,0060",
    "InstanceNumber": "0020,0013",
    "Rows": "0028,0010",
    "Columns": "0028,0011",
    "RTPlanLabel": "300A,0002",
    "StructureSetLabel": "3006,0002",
    "ProtocolName": "0018,1030",
}


def scanned(number: int = 1, *, path: str = "", owned: bool = False, **values: str) -> ScannedFile:
    """A scanned file with the given attributes by keyword; ``number`` makes its SOP Instance UID."""
    attributes = {
        "SOPInstanceUID": f"1.2.9.{number}",
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.1",
        "PatientID": "ID1",
        "PatientName": "Doe^John",
        "InstanceNumber": str(number),
        **values,
    }
    tags = {KEYWORDS[keyword]: value for keyword, value in attributes.items() if value}
    return ScannedFile(path or f"/images/{number}.dcm", owned, 1000, tags)


def series_of(count: int, *, first: int = 1, **values: str) -> list[ScannedFile]:
    """Scanned files of one series."""
    return [scanned(first + index, **values) for index in range(count)]


def owned_files(folder: Path, count: int, *, first: int = 1, **values: str) -> list[ScannedFile]:
    """Scanned files that lie in the database folder as its own copies."""
    from VisualDICOMBrowserLib.database.paths import DatabasePaths

    files = []
    for number in range(first, first + count):
        file = scanned(number, **values)
        path = DatabasePaths(folder).file_for_instance(
            file.StudyInstanceUID, file.SeriesInstanceUID, file.SOPInstanceUID
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"image")
        files.append(ScannedFile(str(path), True, 5, file.values))
    return files


@contextmanager
def other_program(folder: Path) -> Iterator[sqlite3.Connection]:
    """A connection as CTK has it (no synchronous writing, rollback journal unless WAL is on already)."""
    connection = sqlite3.connect(folder / DATABASE_FILE, timeout=20, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous=OFF")
        yield connection
    finally:
        connection.close()


def query(folder: Path, sql: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
    """Rows as another program reads them."""
    with other_program(folder) as connection:
        return connection.execute(sql, parameters).fetchall()


CTK_PATIENT = (
    "INSERT INTO Patients (PatientsName, PatientID, PatientsBirthDate, InsertTimestamp, Connections)"
    " VALUES (?, ?, ?, '2024-01-01T10:00:00.000', ?)"
)
CTK_STUDY = "INSERT INTO Studies (StudyInstanceUID, PatientsUID, StudyDate, InsertTimestamp) VALUES (?, ?, ?, 'T')"
CTK_SERIES = (
    "INSERT INTO Series (SeriesInstanceUID, StudyInstanceUID, SeriesNumber, Modality, InsertTimestamp)"
    " VALUES (?, ?, 0, ?, 'T')"
)
CTK_IMAGE = (
    "INSERT INTO Images (SOPInstanceUID, Filename, URL, SeriesInstanceUID, InsertTimestamp) VALUES (?, ?, ?, ?, 'T')"
)


def add_remote_series(folder: Path, patient_id: str = "REMOTE", series: str = "9.9.1", images: int = 2) -> None:
    """Rows that CTK makes of a query: patient, study, series and instances that lie on a server only."""
    with other_program(folder) as connection:
        key = connection.execute(CTK_PATIENT, ("Far^Away", patient_id, None, '{"allow":["PACS"],"deny":[]}')).lastrowid
        connection.execute(CTK_STUDY, ("9.9", key, 20240119))
        connection.execute(CTK_STUDY, ("", key, None))
        connection.execute(CTK_SERIES, (series, "9.9", "CT"))
        for number in range(images):
            url = f"dimse+ctk://PACS/9.9/{series}/9.9.1.{number}"
            connection.execute(CTK_IMAGE, (f"9.9.1.{number}", None, url, series))
