"""What the columns of the patient list say, and where a patient is, in words. Pure functions on entries; no Qt."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from VisualDICOMBrowserLib.database.values import folded, natural_key
from VisualDICOMBrowserLib.widgets.catalogue.entries import PatientEntry, age_days
from VisualDICOMBrowserLib.widgets.language import _, plural
from VisualDICOMBrowserLib.widgets.wording import written_date

__all__ = [
    "COLUMNS",
    "PatientColumn",
    "age_text",
    "column_title",
    "patient_name",
    "second_line",
    "spoken",
    "where_words",
]

_MONTH_DAYS = 30.44


@dataclass(frozen=True)
class PatientColumn:
    """One column.

    ``field`` is its name in the database's settings of columns, for those of CTK the one that says the same;
    ``width`` is in pixels at a font of 13, 0 takes what is left; ``sort`` orders entries, blank ones come last.
    """

    name: str
    field: str
    width: int
    text: Callable[[PatientEntry], str]
    sort: Callable[[PatientEntry], Any]
    number: bool = False
    descending: bool = False
    shown: bool = True


def patient_name(entry: PatientEntry) -> str:
    """The name as it is shown."""
    return entry.shown_name or _("(no name)")


def age_text(birth: str, today: datetime.date | None = None) -> str:
    """Age in years; of children under two in months, of newborns in days."""
    days = age_days(birth, today or datetime.date.today())
    if days is None:
        return ""
    if days < _MONTH_DAYS:
        return _("{count} d").format(count=days)
    if days < 2 * 365.2425:
        return _("{count} mo").format(count=int(days / _MONTH_DAYS))
    return str(int(days / 365.2425))


def where_words(entry: PatientEntry, *, fetching: bool = False) -> tuple[str, str, str]:
    """Icon, token of its colour, and words for where a patient's images are."""
    if fetching:
        return "cloud-down", "accent", _("Fetching")
    if entry.where == "check":
        return "warning", "warn", _("Check identity")
    if entry.where == "local":
        return "database", "mid", _("Local")
    if entry.where == "both":
        return "cloud-half", "accent", _("Local + remote")
    others = len(entry.servers) - 1
    if others < 0:
        return "clock", "mid", _("Reading")
    if others:
        return "cloud", "accent", _("{server}, +{count}").format(server=entry.servers[0], count=others)
    return "cloud", "accent", entry.servers[0]


def second_line(entry: PatientEntry) -> str:
    """What stands below the name in a narrow list."""
    parts = (entry.PatientID or _("(no ID)"), ", ".join(entry.modalities), entry.description)
    return " · ".join(part for part in parts if part)


def spoken(entry: PatientEntry, *, fetching: bool = False) -> str:
    """A whole row for screen readers."""
    parts = (
        patient_name(entry),
        entry.PatientID,
        written_date(entry.last_study),
        entry.description,
        plural(entry.study_count, "{count} study", "{count} studies"),
        where_words(entry, fetching=fetching)[2],
        plural(entry.new, "{count} new", "{count} new") if entry.new else "",
    )
    return ", ".join(part for part in parts if part)


def _where_order(entry: PatientEntry) -> tuple[str, str]:
    return where_words(entry)[2], entry.servers[0] if entry.servers else ""


def _added(entry: PatientEntry) -> str:
    return entry.added[:16].replace("T", " ")


COLUMNS = (
    PatientColumn("patient", "DisplayedPatientsName", 166, patient_name, lambda e: e.order if e.shown_name else ""),
    PatientColumn(
        "id", "PatientID", 118, lambda e: e.PatientID or _("(no ID)"), lambda e: natural_key(e.PatientID)
    ),
    PatientColumn("sex", "PatientsSex", 40, attrgetter("sex"), attrgetter("sex")),
    PatientColumn("age", "PatientsAge", 46, lambda e: age_text(e.birth), lambda e: _negative(e.birth), number=True),
    PatientColumn("born", "PatientsBirthDate", 88, lambda e: written_date(e.birth), attrgetter("birth"), shown=False),
    PatientColumn(
        "last", "DisplayedLastStudyDate", 108, lambda e: written_date(e.last_study), attrgetter("last_study"),
        descending=True,
    ),
    PatientColumn(
        "description", "DescriptionOfLastStudy", 0, lambda e: e.description or _("(no description)"),
        lambda e: folded(e.description),
    ),
    PatientColumn("modalities", "ModalitiesOfStudies", 122, lambda e: " ".join(e.modalities), attrgetter("modalities")),
    PatientColumn(
        "studies", "DisplayedNumberOfStudies", 66, lambda e: f"{e.study_count:,}", attrgetter("study_count"),
        number=True, descending=True,
    ),
    PatientColumn(
        "images", "NumberOfImages", 66, lambda e: f"{e.image_count:,}", attrgetter("image_count"),
        number=True, descending=True,
    ),
    PatientColumn(
        "added", "InsertTimestamp", 118, _added, attrgetter("added"), descending=True, shown=False
    ),
    PatientColumn("where", "Where", 142, lambda e: where_words(e)[2], _where_order),
)  # fmt: skip
"""Every column, in the order of a new list."""


def column_title(name: str) -> str:
    """Title of a column that the user has not renamed."""
    return {
        "patient": _("Patient"),
        "id": _("Patient ID"),
        "sex": _("Sex"),
        "age": _("Age"),
        "born": _("Birth date"),
        "last": _("Last study"),
        "description": _("Description of last study"),
        "modalities": _("Modalities"),
        "studies": _("Studies"),
        "images": _("Images"),
        "added": _("Date added"),
        "where": _("Where"),
    }[name]


def _negative(birth: str) -> str | int:
    """The older, the greater."""
    return -int(birth) if birth.isdecimal() else ""
