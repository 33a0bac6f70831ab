"""How quick are queries on a database of 1,000,000 instances?

Makes one (10,000 patients, 20,000 studies, 50,000 series, headers only, straight SQL) and prints, for each query
of `DatabaseReader`, the median of its time when warm and how many times that is the time of a plain SELECT which
reads the same rows in the same run, the lower limit. Run it as::

    python Testing/Benchmarks/query_million.py [--folder DIR] [--instances N]
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.paths import DATABASE_FILE
from VisualDICOMBrowserLib.model import Level, Query

PATIENT_SHARE, STUDY_SHARE, SERIES_SHARE = 100, 50, 20
FAMILIES = ("Müller", "Smith", "García", "Nowák", "de la Cruz", "O'Neill", "Łukasz", "Yılmaz", "Jørgensen", "Dubois")
GIVEN = ("Anna", "Hans", "José", "Zoë", "Per", "Mary", "Élise", "Ivan", "Li", "Åse")
REGIONS = ("Head", "Thorax", "Abdomen", "Knee", "Schädel", "Spine")
MODALITIES = ("CT", "MR", "US", "PT", "CR")
STAMPS = "'2024-01-01T00:00:00.000'", "'2024-01-01 00:00:00'"


def patients(count: int) -> Iterator[tuple[object, ...]]:
    """Rows of Patients."""
    chooser = random.Random(1)
    for key in range(1, count + 1):
        name = f"{chooser.choice(FAMILIES)}{chooser.randrange(900)}^{chooser.choice(GIVEN)}"
        yield key, name, f"PID{key:06d}", "1970-01-01", "F", name.replace("^", ", "), 2, "2023-06-01"


def studies(count: int, patient_count: int) -> Iterator[tuple[object, ...]]:
    """Rows of Studies; every other date as CTK's second form, an integer."""
    for number in range(count):
        year, month = 2005 + number % 20, 1 + number % 12
        date = f"{year}-{month:02d}-15" if number % 2 else year * 10000 + month * 100 + 15
        description = f"{REGIONS[number % len(REGIONS)]} {number % 97}"
        yield f"1.2.826.0.{number}", 1 + number % patient_count, date, description, f"A{number}", 2


def series(count: int, study_count: int, instances: int) -> Iterator[tuple[object, ...]]:
    """Rows of Series."""
    for number in range(count):
        study = number % study_count
        uid = f"1.2.826.0.{study}.{number}"
        share = instances // count + (number < instances % count)
        description = f"{MODALITIES[number % 5]} protocol {number % 211}"
        yield (
            uid,
            f"1.2.826.0.{study}",
            number // study_count + 1,
            description,
            MODALITIES[number % 5],
            share,
            "512x512",
        )


def images(count: int, series_count: int, study_count: int) -> Iterator[tuple[object, ...]]:
    """Rows of Images."""
    for number in range(count):
        owner = number % series_count
        uid = f"1.2.826.0.{owner % study_count}.{owner}"
        yield f"{uid}.{number}", f"/archive/{owner}/{number}.dcm", "", uid


def fill(folder: Path, instances: int) -> None:
    """Make the database in `folder`."""
    LocalDatabase.open(folder).close()
    counts = [max(1, instances // share) for share in (PATIENT_SHARE, STUDY_SHARE, SERIES_SHARE)]
    inserted, displayed = STAMPS
    statements = (
        (
            "INSERT INTO Patients (UID, PatientsName, PatientID, PatientsBirthDate, PatientsSex, DisplayedPatientsName,"
            " DisplayedNumberOfStudies, DisplayedLastStudyDate, InsertTimestamp, DisplayedFieldsUpdatedTimestamp)"
            f" VALUES (?, ?, ?, ?, ?, ?, ?, ?, {inserted}, {displayed})",
            patients(counts[0]),
        ),
        (
            "INSERT INTO Studies (StudyInstanceUID, PatientsUID, StudyDate, StudyDescription, AccessionNumber,"
            " DisplayedNumberOfSeries, InsertTimestamp, DisplayedFieldsUpdatedTimestamp)"
            f" VALUES (?, ?, ?, ?, ?, ?, {inserted}, {displayed})",
            studies(counts[1], counts[0]),
        ),
        (
            "INSERT INTO Series (SeriesInstanceUID, StudyInstanceUID, SeriesNumber, SeriesDescription, Modality,"
            " DisplayedCount, DisplayedSize, InsertTimestamp, DisplayedFieldsUpdatedTimestamp)"
            f" VALUES (?, ?, ?, ?, ?, ?, ?, {inserted}, {displayed})",
            series(counts[2], counts[1], instances),
        ),
        (
            "INSERT INTO Images (SOPInstanceUID, Filename, URL, SeriesInstanceUID, InsertTimestamp,"
            f" DisplayedFieldsUpdatedTimestamp) VALUES (?, ?, ?, ?, {inserted}, {displayed})",
            images(instances, counts[2], counts[1]),
        ),
    )
    connection = sqlite3.connect(folder / DATABASE_FILE)
    connection.execute("PRAGMA cache_size=-400000")
    with connection:
        for sql, rows in statements:
            connection.executemany(sql, rows)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def median_time(action: Callable[[], object], runs: int = 7) -> float:
    """Median seconds of `action`, once it has run."""
    action()
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def compare(folder: Path) -> None:
    """Print the table."""
    started = time.perf_counter()
    database = LocalDatabase.open(folder, read_only=True)
    print(f"opening {1000 * (time.perf_counter() - started):.0f} ms, {database.reader.counts()}")
    plain = sqlite3.connect(folder / DATABASE_FILE)
    all_patients = "SELECT UID, PatientID, PatientsName, PatientsBirthDate, PatientsSex FROM Patients"
    all_studies = "SELECT StudyInstanceUID, StudyDate, StudyDescription FROM Studies"
    some_series = "SELECT * FROM Series WHERE StudyInstanceUID = '1.2.826.0.77'"
    cases = (
        ("all patients", Query(level=Level.PATIENT), all_patients),
        ("patients by name", Query(level=Level.PATIENT, PatientName="jose muller1"), all_patients),
        ("patients by ID", Query(level=Level.PATIENT, PatientID="0042"), all_patients),
        ("patients by modality", Query(level=Level.PATIENT, Modalities=("PT",)), "SELECT Modality FROM Series"),
        ("patients by study date", Query(level=Level.PATIENT, date_from="20230101"), all_studies),
        ("patients by study text", Query(level=Level.PATIENT, StudyDescription="schadel 4"), all_studies),
        ("studies of a name", Query(PatientName="zoe garcia7"), all_patients),
        ("studies by text", Query(StudyDescription="schadel 42"), all_studies),
        ("studies by date and modality", Query(date_from="20230101", Modalities=("PT",)), all_studies),
        ("all studies", Query(), all_studies),
        ("series of a study", Query(level=Level.SERIES, StudyInstanceUID="1.2.826.0.77"), some_series),
        (
            "series by text",
            Query(level=Level.SERIES, SeriesDescription="protocol 17"),
            "SELECT SeriesDescription FROM Series",
        ),
    )
    print(f"{'query':32}{'found':>8}{'ms':>9}{'plain ms':>10}{'ratio':>8}")
    for name, query, sql in cases:
        found = len(database.reader.find(query))
        seconds = median_time(lambda query=query: database.reader.find(query))
        limit = median_time(lambda sql=sql: plain.execute(sql).fetchall())
        print(f"{name:32}{found:8}{1000 * seconds:9.2f}{1000 * limit:10.2f}{seconds / limit:8.1f}")
    plain.close()
    database.close()


def main() -> None:
    """Make the database unless the folder has it, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="keep the database here and use it again")
    parser.add_argument("--instances", type=int, default=1_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="query-million-") as scratch:
        folder = arguments.folder or Path(scratch) / "database"
        if not (folder / DATABASE_FILE).exists():
            started = time.perf_counter()
            fill(folder, arguments.instances)
            print(f"made in {time.perf_counter() - started:.0f} s")
        compare(folder)


if __name__ == "__main__":
    main()
