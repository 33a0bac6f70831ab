"""Patients in memory, for lists and searches that do not wait for the disk.

Records, search text (without case and accents) and sort keys of every patient, loaded anew only when the
tables have changed (`PRAGMA data_version`) and sharing the folded names of the former load. Number and last
date of studies are those of the local ones, whatever the displayed fields say, which are empty or out of date
where another program has not computed them yet. Names match whatever the order of their parts. Safe from any
thread.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from VisualDICOMBrowserLib.database.connection import ReadConnections
from VisualDICOMBrowserLib.database.faults import database_faults
from VisualDICOMBrowserLib.database.local_rows import LOCAL_PATIENTS, NO_REMOTE
from VisualDICOMBrowserLib.database.values import date_from_column, folded, folded_name, natural_key, readable_name
from VisualDICOMBrowserLib.model import PatientRecord

__all__ = ["IndexedPatient", "PatientIndex", "select"]

_SELECT = "SELECT UID, PatientID, PatientsName, PatientsBirthDate, PatientsSex, DisplayedPatientsName FROM Patients"
_WILDCARDS = {"*": ".*", "?": "."}


@dataclass(frozen=True, slots=True)
class IndexedPatient:
    """A patient's record with what searching needs; `order` sorts by displayed name, PatientID, row."""

    record: PatientRecord
    name: str
    patient_id: str
    order: tuple[Any, ...]


class PatientIndex:
    """All patients that have local instances.

    Parameters
    ----------
    connections : ReadConnections
        Gives the connection that the index keeps for itself.
    other_birth_dates : callable
        See `OwnStore.other_birth_dates`.
    """

    def __init__(
        self,
        connections: ReadConnections,
        other_birth_dates: Callable[[], dict[tuple[str, str], tuple[str, ...]]],
    ) -> None:
        self._connections = connections
        self._other_birth_dates = other_birth_dates
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._version = -1
        self._patients: list[IndexedPatient] = []

    def patients(self) -> list[IndexedPatient]:
        """Every patient in order, as of now; the list is shared and not to be changed."""
        with self._lock, database_faults(self._connections.path):
            if self._connection is None:
                self._connection = self._connections.separate()
            version = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
            if version != self._version:
                self._patients = self._loaded(self._connection)
                self._version = version
            return self._patients

    def close(self) -> None:
        """Close the connection of the index. May be called again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
                self._version = -1

    def _loaded(self, connection: sqlite3.Connection) -> list[IndexedPatient]:
        others = self._other_birth_dates()
        no_remote = connection.execute(NO_REMOTE).fetchone()[0]
        local = connection.execute(LOCAL_PATIENTS, {"no_remote": no_remote})
        studies = {key: (count, date_from_column(date)) for key, count, date in local}
        rows = connection.execute(_SELECT).fetchall()
        patients = [_indexed(row, studies[row[0]], others) for row in rows if row[0] in studies]
        return sorted(patients, key=lambda item: item.order)


def text_matcher(wanted: str) -> Callable[[str], bool]:
    """Test for folded text that contains `wanted`; ``*`` and ``?`` stand for any text and any character."""
    needle = folded(wanted).strip()
    if not any(sign in needle for sign in _WILDCARDS):
        return lambda text: needle in text
    pattern = re.compile("".join(_WILDCARDS.get(sign, re.escape(sign)) for sign in needle), re.DOTALL)
    return lambda text: pattern.search(text) is not None


def name_matcher(wanted: str) -> Callable[[str], bool]:
    """Test for a folded name that contains every part of `wanted`, in any order."""
    tests = [text_matcher(part) for part in folded_name(wanted).split()]
    return lambda name: all(test(name) for test in tests)


def select(patients: Iterable[IndexedPatient], name: str, patient_id: str) -> list[IndexedPatient]:
    """Patients whose name and PatientID match; empty text matches all."""
    chosen = list(patients)
    if name:
        fits_name = name_matcher(name)
        chosen = [patient for patient in chosen if fits_name(patient.name)]
    if patient_id:
        fits_id = text_matcher(patient_id)
        chosen = [patient for patient in chosen if fits_id(patient.patient_id)]
    return chosen


def _indexed(
    row: tuple[Any, ...], studies: tuple[int, str], others: dict[tuple[str, str], tuple[str, ...]]
) -> IndexedPatient:
    key, patient_id, name, birth_date, sex, displayed = row
    patient_id, name = str(patient_id or ""), str(name or "")
    record = PatientRecord(
        PatientID=patient_id,
        PatientName=name,
        PatientBirthDate=date_from_column(birth_date),
        PatientSex=str(sex or ""),
        NumberOfPatientRelatedStudies=studies[0],
        LastStudyDate=studies[1],
        OtherBirthDates=others.get((patient_id, name), ()),
        key=key,
    )
    order = (natural_key(str(displayed or "") or readable_name(name)), natural_key(patient_id), key)
    return IndexedPatient(record, folded_name(name), folded(patient_id), order)
