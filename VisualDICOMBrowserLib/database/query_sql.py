"""A `Query` as SQL conditions, for every level.

Conditions on series hold for one and the same series of a study or patient. Text is compared without case and
accents and found anywhere, ``*`` and ``?`` standing for any text or character; UIDs are exact, several joined
by a backslash; dates bound StudyDate, and studies without date are outside every bound. Pure functions.
Aliases as in `local_rows`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from VisualDICOMBrowserLib.database.local_rows import LOCAL_IMAGE, LOCAL_SERIES, STUDY_DATE
from VisualDICOMBrowserLib.database.values import folded
from VisualDICOMBrowserLib.model import Query

__all__ = ["FOLD_FUNCTION", "Conditions", "conditions_for", "folded_column"]

FOLD_FUNCTION = "folded_text"


class Conditions:
    """Conditions by table alias, with their named parameters."""

    def __init__(self) -> None:
        self.study: list[str] = []
        self.series: list[str] = []
        self.image: list[str] = []
        self.parameters: dict[str, Any] = {}

    def below_study(self) -> list[str]:
        """Conditions on a study row: its own, and that it has a fitting series."""
        series = self.below_series()
        if not series:
            return list(self.study)
        inner = " AND ".join(["e.StudyInstanceUID = s.StudyInstanceUID", *series, LOCAL_SERIES])
        return [*self.study, f"EXISTS (SELECT 1 FROM Series e WHERE {inner})"]

    def below_series(self) -> list[str]:
        """Conditions on a series row: its own, and that it has a fitting instance."""
        if not self.image:
            return list(self.series)
        inner = " AND ".join(["i.SeriesInstanceUID = e.SeriesInstanceUID", *self.image, LOCAL_IMAGE])
        return [*self.series, f"EXISTS (SELECT 1 FROM Images i WHERE {inner})"]

    def add(self, target: list[str], condition: str, **parameters: Any) -> None:
        """Add a condition to one of the lists."""
        target.append(condition)
        self.parameters.update(parameters)


def conditions_for(query: Query, patient_keys: Iterable[int] | None = None) -> Conditions:
    """Conditions of `query` below the patient, and that the patient is one of `patient_keys` (None: any)."""
    found = Conditions()
    if patient_keys is not None:
        _any_of(found, found.study, "s.PatientsUID", "patient_keys", list(patient_keys))
    _uids(found, found.study, "s.StudyInstanceUID", query.StudyInstanceUID)
    _uids(found, found.series, "e.SeriesInstanceUID", query.SeriesInstanceUID)
    _uids(found, found.image, "i.SOPInstanceUID", query.SOPInstanceUID)
    _text(found, found.study, "s.StudyDescription", query.StudyDescription)
    _text(found, found.study, "s.AccessionNumber", query.AccessionNumber)
    _text(found, found.series, "e.SeriesDescription", query.SeriesDescription)
    if query.Modalities:
        _any_of(found, found.series, "e.Modality", "modalities", [item.upper() for item in query.Modalities])
    if query.date_from:
        found.add(found.study, f"{STUDY_DATE} >= :date_from", date_from=query.date_from)
    if query.date_to:
        found.add(found.study, f"{STUDY_DATE} <= :date_to AND {STUDY_DATE} <> ''", date_to=query.date_to)
    return found


def folded_column(value: Any) -> str:
    """The SQL function of `FOLD_FUNCTION`: text without case and accents, empty for NULL."""
    return "" if value is None else folded(str(value))


def _text(found: Conditions, target: list[str], column: str, wanted: str) -> None:
    if wanted.strip():
        name = column.replace(".", "_")
        pattern = f"*{folded(wanted.strip()).replace('[', '[[]')}*"
        found.add(target, f"{FOLD_FUNCTION}({column}) GLOB :{name}", **{name: pattern})


def _uids(found: Conditions, target: list[str], column: str, wanted: str) -> None:
    uids = [uid.strip() for uid in wanted.split("\\") if uid.strip()]
    if uids:
        _any_of(found, target, column, column.replace(".", "_"), uids)


def _any_of(found: Conditions, target: list[str], column: str, name: str, values: list[Any]) -> None:
    if len(values) == 1:
        found.add(target, f"{column} = :{name}", **{name: values[0]})
    else:
        found.add(target, f"{column} IN (SELECT value FROM json_each(:{name}))", **{name: json.dumps(values)})
