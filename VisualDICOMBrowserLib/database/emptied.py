"""Rows that have nothing left below them, and the counts of those that have.

After a removal only the very series, study and patient concerned are looked at (CTK's clean-up deletes every
empty row, results of queries included). `empty_rows` finds what CTK left empty. Called inside a transaction of
the writing connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from VisualDICOMBrowserLib.database.row_cache import count_images, count_series
from VisualDICOMBrowserLib.database.values import date_from_column, date_to_column

__all__ = ["EmptyRow", "empty_rows", "forget_instances", "settle_patient", "settle_upwards"]

# Displayed fields are computed of rows with images only, so a stamp tells what was local from results of queries.
_EMPTY = """
SELECT SeriesInstanceUID, StudyInstanceUID, NULL FROM Series e
    WHERE DisplayedFieldsUpdatedTimestamp IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM Images i WHERE i.SeriesInstanceUID = e.SeriesInstanceUID)
UNION ALL SELECT '', StudyInstanceUID, NULL FROM Studies s
    WHERE DisplayedFieldsUpdatedTimestamp IS NOT NULL AND StudyInstanceUID <> ''
    AND NOT EXISTS (SELECT 1 FROM Series e WHERE e.StudyInstanceUID = s.StudyInstanceUID)
UNION ALL SELECT '', '', UID FROM Patients p
    WHERE DisplayedFieldsUpdatedTimestamp IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM Studies s WHERE s.PatientsUID = p.UID AND s.StudyInstanceUID <> '')
"""

_WHERE_IT_IS = (
    "SELECT e.SeriesInstanceUID, s.StudyInstanceUID, s.PatientsUID FROM Images i"
    " JOIN Series e ON e.SeriesInstanceUID = i.SeriesInstanceUID"
    " JOIN Studies s ON s.StudyInstanceUID = e.StudyInstanceUID WHERE i.SOPInstanceUID = ?"
)


@dataclass(frozen=True, slots=True)
class EmptyRow:
    """A series with its study, a study (no series), or a patient (neither, but its row number)."""

    series: str
    study: str
    patient: int | None


def empty_rows(connection: sqlite3.Connection) -> list[EmptyRow]:
    """Rows that had images once and have nothing left below them."""
    return [EmptyRow(*row) for row in connection.execute(_EMPTY)]


def forget_instances(connection: sqlite3.Connection, sop_uids: Sequence[str]) -> list[tuple[str, str, int]]:
    """Delete the rows of instances, and of series and studies that have nothing left; patients stay.

    Returns series, study and patient of each series concerned, for settling once new rows are there.
    """
    found: set[tuple[str, str, int]] = set()
    for uid in sop_uids:
        found.update(connection.execute(_WHERE_IT_IS, (uid,)))
    connection.executemany("DELETE FROM Images WHERE SOPInstanceUID = ?", [(uid,) for uid in sop_uids])
    for series, study, _ in found:
        if not count_images(connection, series):
            connection.execute("DELETE FROM Series WHERE SeriesInstanceUID = ?", (series,))
        if not count_series(connection, study):
            connection.execute("DELETE FROM Studies WHERE StudyInstanceUID = ?", (study,))
    return sorted(found)


def settle_upwards(connection: sqlite3.Connection, series_uid: str, study_uid: str) -> tuple[bool, bool, bool]:
    """Settle a series (none if empty), its study and their patient; whether each of the three was deleted."""
    patient = connection.execute("SELECT PatientsUID FROM Studies WHERE StudyInstanceUID = ?", (study_uid,)).fetchone()
    series_gone = bool(series_uid) and _settle_series(connection, series_uid)
    study_gone = _settle_study(connection, study_uid)
    return series_gone, study_gone, patient is not None and settle_patient(connection, patient[0])


def settle_patient(connection: sqlite3.Connection, key: int) -> bool:
    """Delete the patient if it has no study rows, else set its counts; True if it was deleted.

    The study without UID, which CTK hangs on some patient after a query, counts for nothing.
    """
    dates = connection.execute(
        "SELECT StudyDate FROM Studies WHERE PatientsUID = ? AND StudyInstanceUID <> ''", (key,)
    ).fetchall()
    if dates:
        last = max(date_from_column(date) for (date,) in dates)
        connection.execute(
            "UPDATE Patients SET DisplayedNumberOfStudies = ?, DisplayedLastStudyDate = ?"
            " WHERE UID = ? AND DisplayedNumberOfStudies IS NOT NULL",
            (len(dates), date_to_column(last), key),
        )
        return False
    connection.execute("DELETE FROM Studies WHERE PatientsUID = ?", (key,))
    return connection.execute("DELETE FROM Patients WHERE UID = ?", (key,)).rowcount > 0


def _settle_series(connection: sqlite3.Connection, uid: str) -> bool:
    """Delete the series if it has no image rows, else set its count; True if it was deleted."""
    count = count_images(connection, uid)
    if count:
        connection.execute(
            "UPDATE Series SET DisplayedCount = ? WHERE SeriesInstanceUID = ? AND DisplayedCount IS NOT NULL",
            (count, uid),
        )
        return False
    return connection.execute("DELETE FROM Series WHERE SeriesInstanceUID = ?", (uid,)).rowcount > 0


def _settle_study(connection: sqlite3.Connection, uid: str) -> bool:
    """Delete the study if it has no series rows, else set its count; True if it was deleted."""
    count = count_series(connection, uid)
    if count:
        connection.execute(
            "UPDATE Studies SET DisplayedNumberOfSeries = ?"
            " WHERE StudyInstanceUID = ? AND DisplayedNumberOfSeries IS NOT NULL",
            (count, uid),
        )
        return False
    return connection.execute("DELETE FROM Studies WHERE StudyInstanceUID = ?", (uid,)).rowcount > 0
