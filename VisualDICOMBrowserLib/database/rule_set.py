"""The displayed-field rules in force for one database, applied to the rows that instances belong to.

What lives here: which rules are on, merging what they say into rows held in memory, and writing the changed
columns, counts and dates of those rows. Only single columns are ever written, so what others keep in a row
(such as CTK's Connections) stays. Used under the lock of the writing connection.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Mapping

from VisualDICOMBrowserLib.database.displayed_fields import DisplayedFieldRule, Merge, RuleRegistry, merged
from VisualDICOMBrowserLib.database.displayed_rules import (
    LAST_STUDY_DATE_RULE,
    PATIENT_COUNT_RULE,
    SERIES_COUNT_RULE,
    STUDY_COUNT_RULE,
)
from VisualDICOMBrowserLib.database.row_cache import PatientRow, SeriesRow, StudyRow, TableRow
from VisualDICOMBrowserLib.database.values import date_to_column, integer_to_column, readable_name, storable

__all__ = ["RuleSet"]

logger = logging.getLogger(__name__)

_MOST_SEEN = 256
_DISPLAYED_NAME = "DisplayedPatientsName"
_INTEGERS = frozenset(
    ("SeriesNumber", "AcquisitionNumber", "EchoNumber", "TemporalPosition", "DisplayedNumberOfFrames")
)


class RuleSet:
    """The enabled rules of `registry`, and which counts are kept."""

    def __init__(self, registry: RuleRegistry, disabled: Iterable[str] = ()) -> None:
        self.disabled = frozenset(disabled)
        self.rules = registry.rules(self.disabled)
        self.tags = tuple(sorted({tag for rule in self.rules for tag in rule.tags}))
        self._failed: set[str] = set()
        self._plans = [(rule, _plan(rule)) for rule in self.rules]

    @classmethod
    def of_database(cls, connection: sqlite3.Connection, registry: RuleRegistry) -> RuleSet:
        """Rules of `registry` that the table ``DisplayedFieldGeneratorRules`` does not switch off."""
        rows = connection.execute("SELECT Name FROM DisplayedFieldGeneratorRules WHERE Enabled = 0").fetchall()
        return cls(registry, (name for (name,) in rows))

    def apply(self, values: Mapping[str, str], series: SeriesRow) -> None:
        """Merge what the rules say of one instance into its series, study and patient."""
        inputs = tuple(map(values.get, self.tags))
        if inputs in series.seen:
            return
        if len(series.seen) < _MOST_SEEN:
            series.seen.add(inputs)
        rows: dict[str, TableRow] = {
            "Series": series,
            "Studies": series.study,
            "Patients": series.study.patient,
        }
        for rule, plan in self._plans:
            fields = self._fields(rule, values)
            for key, table, column, how in plan:
                new = fields.get(key)
                if new:
                    _merge(rows[table], column, new, how, rule)
        self._name_patient(series.study.patient)

    def _fields(self, rule: DisplayedFieldRule, values: Mapping[str, str]) -> Mapping[str, str]:
        """What a rule says; one that fails is logged and says nothing, for an import must not end with it."""
        try:
            return rule.fields(values)
        except Exception:
            if rule.name not in self._failed:
                self._failed.add(rule.name)
                logger.exception("The displayed-field rule %s failed", rule.name)
            return {}

    def write(self, connection: sqlite3.Connection, series: Iterable[SeriesRow], now: str) -> None:
        """Write what changed in these series, their studies and patients; `now` is the UTC stamp."""
        studies: dict[int, StudyRow] = {}
        patients: dict[int, PatientRow] = {}
        for row in series:
            studies[id(row.study)] = row.study
            patients[id(row.study.patient)] = row.study.patient
            if row.changed or row.recount:
                counts = {"DisplayedCount": row.count} if self._keeps(SERIES_COUNT_RULE, row) else {}
                _update(connection, "Series", "SeriesInstanceUID", row.uid, row, counts, now)
        for study in studies.values():
            if study.changed or study.recount:
                counts = {"DisplayedNumberOfSeries": study.count} if self._keeps(STUDY_COUNT_RULE, study) else {}
                _update(connection, "Studies", "StudyInstanceUID", study.uid, study, counts, now)
        for patient in patients.values():
            if patient.changed or patient.recount:
                _update(connection, "Patients", "UID", patient.key, patient, self._patient_counts(patient), now)

    def _keeps(self, rule: str, row: TableRow) -> bool:
        return row.recount and rule not in self.disabled

    def _patient_counts(self, patient: PatientRow) -> dict[str, int | str | None]:
        counts: dict[str, int | str | None] = {}
        if self._keeps(PATIENT_COUNT_RULE, patient):
            counts["DisplayedNumberOfStudies"] = patient.count
        if self._keeps(LAST_STUDY_DATE_RULE, patient):
            counts["DisplayedLastStudyDate"] = date_to_column(patient.last_date)
        return counts

    def _name_patient(self, patient: PatientRow) -> None:
        """Give patients without a name in their files the displayed name of their row (the PatientID)."""
        if not patient.fields.get(_DISPLAYED_NAME) and patient.fields.get("PatientsName"):
            name = readable_name(patient.fields["PatientsName"])
            patient.fields[_DISPLAYED_NAME] = name
            patient.changed[_DISPLAYED_NAME] = None


def _plan(rule: DisplayedFieldRule) -> list[tuple[str, str, str, Merge]]:
    """Key, table, column and merging of every field of a rule."""
    return [(key, *_table_and_column(key), how) for key, how in rule.merges.items()]


def _table_and_column(key: str) -> tuple[str, str]:
    table, _, column = key.partition(".")
    return table, column


def _merge(row: TableRow, column: str, new: str, how: Merge, rule: DisplayedFieldRule) -> None:
    present = row.fields.get(column, "")
    if column in _INTEGERS:
        # A stored 0 stands for an absent number.
        present = "" if present == "0" else present
        new = str(integer_to_column(new))
    value = merged(how, present, new, rule.placeholders)
    if value != row.fields.get(column, ""):
        row.fields[column] = value
        row.changed[column] = None


def _update(
    connection: sqlite3.Connection,
    table: str,
    key_column: str,
    key: str | int,
    row: TableRow,
    counts: Mapping[str, int | str | None],
    now: str,
) -> None:
    values: dict[str, int | str | None] = {
        column: int(row.fields[column]) if column in _INTEGERS else storable(row.fields[column])
        for column in row.changed
    }
    values.update(counts)
    values["DisplayedFieldsUpdatedTimestamp"] = now
    assignments = ", ".join(f"{column} = ?" for column in values)
    connection.execute(f"UPDATE {table} SET {assignments} WHERE {key_column} = ?", (*values.values(), key))
    row.changed.clear()
    row.recount = False
