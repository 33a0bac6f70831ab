"""How much of many patients is here, asked in one query."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.local_lookup import local_counts
from VisualDICOMBrowserLib.database.paths import DATABASE_FILE
from VisualDICOMBrowserLib.model import AnyRecord, Level, Query

STAMPS = "InsertTimestamp, DisplayedFieldsUpdatedTimestamp"


def fill(folder: Path, patients: int) -> None:
    """Patients of whom number N has one study with two series and N % 3 images in each, one without a file."""
    LocalDatabase.open(folder).close()
    numbers = range(1, patients + 1)
    series = [(number, part) for number in numbers for part in (1, 2)]
    connection = sqlite3.connect(folder / DATABASE_FILE)
    with connection:
        connection.executemany(
            f"INSERT INTO Patients (UID, PatientsName, PatientID, {STAMPS}) VALUES (?, ?, ?, 0, 0)",
            [(number, f"Name{number}", f"P{number}") for number in numbers],
        )
        connection.executemany(
            f"INSERT INTO Studies (StudyInstanceUID, PatientsUID, {STAMPS}) VALUES (?, ?, 0, 0)",
            [(f"1.{number}", number) for number in numbers],
        )
        connection.executemany(
            f"INSERT INTO Series (SeriesInstanceUID, StudyInstanceUID, {STAMPS}) VALUES (?, ?, 0, 0)",
            [(f"1.{number}.{part}", f"1.{number}") for number, part in series],
        )
        connection.executemany(
            f"INSERT INTO Images (SOPInstanceUID, Filename, SeriesInstanceUID, URL, {STAMPS})"
            " VALUES (?, ?, ?, '', 0, 0)",
            [
                (f"1.{number}.{part}.{image}", "/x.dcm" if image else "", f"1.{number}.{part}")
                for number, part in series
                for image in range(number % 3 + 1)
            ],
        )
    connection.close()


@pytest.mark.parametrize("wanted", [1, 400, 1000])
def test_the_images_of_patients_are_counted_in_one_query(
    tmp_path: Path, wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "database", 1000)
    database = LocalDatabase.open(tmp_path / "database", read_only=True)
    try:
        records = list(database.reader.find(Query(level=Level.PATIENT)))[:wanted]
        asked: list[str] = []
        rows = database.connections.rows

        def counted_rows(sql: str, values: Sequence[Any] = ()) -> Any:
            asked.append(sql)
            return rows(sql, values)

        monkeypatch.setattr(database.connections, "rows", counted_rows)
        counts = local_counts(database, records)
        assert counts == [2 * (int(_patient_id(record)[1:]) % 3) for record in records]
        assert len(asked) == 1
        assert local_counts(database, []) == []
    finally:
        database.close()


def _patient_id(record: AnyRecord) -> str:
    return str(getattr(record, "PatientID", ""))
