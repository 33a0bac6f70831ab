"""The tables of CTK's DICOM database, schema 0.8.1, and their making.

Names, declared types, defaults, indexes and the 47 rows of ``ColumnDisplayProperties`` are CTK's to the
letter, so that CTK, Slicer and this program use one file at the same time. What does not live here: bringing
older files up to date (`migration`). Called on the thread that opens a database.
"""

from __future__ import annotations

import sqlite3

__all__ = [
    "COLUMN_DISPLAY_ROWS",
    "INDEXES",
    "SCHEMA_VERSION",
    "TABLES",
    "TAG_CACHE_TABLE",
    "add_column_display_rows",
    "column_names",
    "create_indexes",
    "create_schema",
    "parsed_version",
    "stored_version",
    "table_names",
]

SCHEMA_VERSION = "0.8.1"

TABLES: dict[str, str] = {
    "SchemaInfo": "'Version' VARCHAR(1024) NOT NULL",
    "Images": """
        'SOPInstanceUID' VARCHAR(64) NOT NULL,
        'Filename' VARCHAR(1024) NULL,
        'URL' VARCHAR(2048) NULL,
        'SeriesInstanceUID' VARCHAR(64) NOT NULL,
        'InsertTimestamp' VARCHAR(20) NOT NULL,
        'DisplayedFieldsUpdatedTimestamp' DATETIME NULL,
        PRIMARY KEY ('SOPInstanceUID')""",
    "Patients": """
        'UID' INTEGER PRIMARY KEY AUTOINCREMENT,
        'PatientsName' VARCHAR(255) NULL,
        'PatientID' VARCHAR(255) NULL,
        'PatientsBirthDate' DATE NULL,
        'PatientsBirthTime' TIME NULL,
        'PatientsSex' VARCHAR(1) NULL,
        'PatientsAge' VARCHAR(10) NULL,
        'PatientsComments' VARCHAR(255) NULL,
        'InsertTimestamp' VARCHAR(20) NOT NULL,
        'DisplayedPatientsName' VARCHAR(255) NULL,
        'DisplayedNumberOfStudies' INT NULL,
        'DisplayedLastStudyDate' DATE NULL,
        'DisplayedFieldsUpdatedTimestamp' DATETIME NULL,
        'Connections' VARCHAR(2048) NULL""",
    "Studies": """
        'StudyInstanceUID' VARCHAR(64) NOT NULL,
        'PatientsUID' INT NOT NULL,
        'StudyID' VARCHAR(255) NULL,
        'StudyDate' DATE NULL,
        'StudyTime' VARCHAR(20) NULL,
        'StudyDescription' VARCHAR(255) NULL,
        'AccessionNumber' VARCHAR(255) NULL,
        'ModalitiesInStudy' VARCHAR(255) NULL,
        'InstitutionName' VARCHAR(255) NULL,
        'ReferringPhysician' VARCHAR(255) NULL,
        'PerformingPhysiciansName' VARCHAR(255) NULL,
        'InsertTimestamp' VARCHAR(20) NOT NULL,
        'DisplayedNumberOfSeries' INT NULL,
        'DisplayedFieldsUpdatedTimestamp' DATETIME NULL,
        PRIMARY KEY ('StudyInstanceUID')""",
    "Series": """
        'SeriesInstanceUID' VARCHAR(64) NOT NULL,
        'StudyInstanceUID' VARCHAR(64) NOT NULL,
        'SeriesNumber' INT NULL,
        'SeriesDate' DATE NULL,
        'SeriesTime' VARCHAR(20) NULL,
        'SeriesDescription' VARCHAR(255) NULL,
        'Modality' VARCHAR(20) NULL,
        'BodyPartExamined' VARCHAR(255) NULL,
        'FrameOfReferenceUID' VARCHAR(64) NULL,
        'AcquisitionNumber' INT NULL,
        'ContrastAgent' VARCHAR(255) NULL,
        'ScanningSequence' VARCHAR(45) NULL,
        'EchoNumber' INT NULL,
        'TemporalPosition' INT NULL,
        'InsertTimestamp' VARCHAR(20) NOT NULL,
        'DisplayedCount' INT NULL,
        'DisplayedSize' VARCHAR(20) NULL,
        'DisplayedNumberOfFrames' INT NULL,
        'DisplayedFieldsUpdatedTimestamp' DATETIME NULL,
        PRIMARY KEY ('SeriesInstanceUID')""",
    "Directories": "'Dirname' VARCHAR(1024), PRIMARY KEY ('Dirname')",
    "ColumnDisplayProperties": """
        'TableName' VARCHAR(64) NOT NULL,
        'FieldName' VARCHAR(64) NOT NULL,
        'DisplayedName' VARCHAR(255) NULL,
        'Visibility' INT NULL DEFAULT 1,
        'Weight' INT NULL,
        'Format' VARCHAR(255) NULL,
        PRIMARY KEY ('TableName', 'FieldName')""",
    "DisplayedFieldGeneratorRules": """
        'Name' VARCHAR(64) NOT NULL,
        'Enabled' INT NULL DEFAULT 1,
        'Options' VARCHAR(255) NULL,
        PRIMARY KEY ('Name')""",
}

INDEXES: dict[str, tuple[str, str]] = {
    "ImagesFilenameIndex": ("Images", "Filename"),
    "ImagesSeriesIndex": ("Images", "SeriesInstanceUID"),
    "SeriesStudyIndex": ("Series", "StudyInstanceUID"),
    "StudiesPatientIndex": ("Studies", "PatientsUID"),
}

TAG_CACHE_TABLE = "CREATE TABLE TagCache (SOPInstanceUID, Tag, Value, PRIMARY KEY (SOPInstanceUID, Tag))"

_STRETCH = '{"resizeMode":"stretch"}'
_FIT = '{"resizeMode":"resizeToContents"}'
_FIT_ASCENDING = '{"resizeMode":"resizeToContents", "sort": "ascending"}'
_DESCENDING = '{"sort": "descending"}'

# Field, title, weight (0: hidden), format.
_PATIENT_COLUMNS = (
    ("UID", "", 0, ""),
    ("PatientsName", "Patient name", 0, ""),
    ("PatientID", "Patient ID", 2, ""),
    ("PatientsBirthDate", "Birth date", 3, _FIT),
    ("PatientsBirthTime", "Birth time", 0, ""),
    ("PatientsSex", "Sex", 4, _FIT),
    ("PatientsAge", "Age", 0, ""),
    ("PatientsComments", "Comments", 0, ""),
    ("InsertTimestamp", "Date added", 7, _DESCENDING),
    ("DisplayedPatientsName", "Patient name", 1, _STRETCH),
    ("DisplayedNumberOfStudies", "Studies", 5, _FIT),
    ("DisplayedLastStudyDate", "Last study date", 6, ""),
    ("DisplayedFieldsUpdatedTimestamp", "", 0, ""),
    ("Connections", "", 0, ""),
)
_STUDY_COLUMNS = (
    ("StudyInstanceUID", "", 0, ""),
    ("PatientsUID", "", 0, ""),
    ("StudyID", "Study ID", 2, ""),
    ("StudyDate", "Study date", 1, _FIT_ASCENDING),
    ("StudyTime", "Study time", 0, ""),
    ("StudyDescription", "Study description", 3, _STRETCH),
    ("AccessionNumber", "Accession #", 0, ""),
    ("ModalitiesInStudy", "Modalities", 0, ""),
    ("InstitutionName", "Institution", 0, ""),
    ("ReferringPhysician", "Referring physician", 0, ""),
    ("PerformingPhysiciansName", "Performing physician", 0, ""),
    ("InsertTimestamp", "Date added", 5, ""),
    ("DisplayedNumberOfSeries", "Series", 4, _FIT),
    ("DisplayedFieldsUpdatedTimestamp", "", 0, ""),
)
_SERIES_COLUMNS = (
    ("SeriesInstanceUID", "", 0, ""),
    ("StudyInstanceUID", "", 0, ""),
    ("SeriesNumber", "Series #", 1, _FIT_ASCENDING),
    ("SeriesDate", "Series date", 0, ""),
    ("SeriesTime", "Series time", 0, ""),
    ("SeriesDescription", "Series description", 2, _STRETCH),
    ("Modality", "Modality", 3, _FIT),
    ("BodyPartExamined", "Body part", 0, ""),
    ("FrameOfReferenceUID", "", 0, ""),
    ("AcquisitionNumber", "Acquisition #", 0, ""),
    ("ContrastAgent", "Contrast agent", 0, ""),
    ("ScanningSequence", "Scanning sequence", 0, ""),
    ("EchoNumber", "Echo #", 0, ""),
    ("TemporalPosition", "Temporal position", 0, ""),
    ("InsertTimestamp", "Date added", 6, ""),
    ("DisplayedSize", "Size", 4, _FIT),
    ("DisplayedCount", "Count", 5, _FIT),
    ("DisplayedNumberOfFrames", "Number of frames", 0, ""),
    ("DisplayedFieldsUpdatedTimestamp", "", 0, ""),
)

COLUMN_DISPLAY_ROWS: tuple[tuple[str, str, str, int, int, str], ...] = tuple(
    (table, field, title, int(weight > 0), weight, form)
    for table, columns in (
        ("Patients", _PATIENT_COLUMNS),
        ("Studies", _STUDY_COLUMNS),
        ("Series", _SERIES_COLUMNS),
    )
    for field, title, weight, form in columns
)


def create_schema(connection: sqlite3.Connection) -> None:
    """Make every table, index and default row; the caller holds a transaction on an empty file."""
    for table, columns in TABLES.items():
        connection.execute(f"CREATE TABLE '{table}' ({columns})")
    create_indexes(connection)
    add_column_display_rows(connection)
    connection.execute("INSERT INTO SchemaInfo VALUES (?)", (SCHEMA_VERSION,))


def create_indexes(connection: sqlite3.Connection) -> None:
    """Make the indexes that are missing."""
    for index, (table, column) in INDEXES.items():
        connection.execute(f"CREATE INDEX IF NOT EXISTS {index} ON {table} ({column})")


def add_column_display_rows(connection: sqlite3.Connection) -> None:
    """Add the default display of columns that have none; what the user changed stays."""
    connection.executemany(
        "INSERT OR IGNORE INTO ColumnDisplayProperties VALUES (?, ?, ?, ?, ?, ?)", COLUMN_DISPLAY_ROWS
    )


def table_names(connection: sqlite3.Connection) -> set[str]:
    """Tables of the main file."""
    return {row[0] for row in connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")}


def column_names(connection: sqlite3.Connection, table: str) -> list[str]:
    """Columns of a table in their order, none if there is no such table."""
    return [row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]


def stored_version(connection: sqlite3.Connection) -> str:
    """Version that the file states, empty where it states none."""
    if "SchemaInfo" not in table_names(connection):
        return ""
    row = connection.execute("SELECT Version FROM SchemaInfo").fetchone()
    return str(row[0]) if row else ""


def parsed_version(version: str) -> tuple[int, ...]:
    """Version as numbers that compare, empty for text that is no version."""
    parts = version.strip().split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()
