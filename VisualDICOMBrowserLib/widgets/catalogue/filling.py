"""How the values of rows and records get into entries. Pure functions; standard library only.

What the local database says is believed first; what servers say fills what it leaves empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from VisualDICOMBrowserLib.database.values import folded, folded_name, natural_key
from VisualDICOMBrowserLib.widgets.catalogue.entries import PatientEntry, SeriesEntry, StudyEntry
from VisualDICOMBrowserLib.widgets.wording import person_name

__all__ = ["base_key", "fill_patient", "fill_series", "fill_study", "name_patient", "number_from", "summarise"]

Record = Mapping[str, Any]

_STUDY_FIELDS = (
    "StudyDate", "StudyTime", "StudyID", "StudyDescription", "AccessionNumber", "InstitutionName",
    "ReferringPhysicianName",
)  # fmt: skip
_SERIES_FIELDS = (
    "SeriesNumber", "SeriesDescription", "Modality", "BodyPartExamined", "SeriesDate", "SeriesTime", "Rows", "Columns",
    "thumbnail",
)  # fmt: skip


def base_key(patient_id: str, name: str) -> tuple[str, str]:
    """PatientID and folded name; the ID stands for a name that says nothing."""
    said = name if name.strip(" ^=") else patient_id
    return patient_id.strip(), " ".join(folded_name(said).split())


def name_patient(entry: PatientEntry) -> None:
    """Make the texts that follow from ID and name."""
    entry.shown_name = person_name(entry.PatientName)
    entry.id_text = folded(entry.PatientID)
    entry.name_text = folded_name(entry.PatientName)
    entry.order = (not entry.shown_name, natural_key(entry.shown_name), natural_key(entry.PatientID), entry.key)


def fill_patient(entry: PatientEntry, record: Record, *, local: bool) -> None:
    """Take birth date and sex of a record, and a local record's spelling of the name."""
    birth, sex = record.get("PatientBirthDate") or "", record.get("PatientSex") or ""
    entry.birth = birth if local and birth else entry.birth or birth
    entry.sex = sex if local and sex else entry.sex or sex
    name = record.get("PatientName") or ""
    if name and name != entry.PatientName and (local or not entry.PatientName):
        entry.PatientName = name
        name_patient(entry)


def fill_study(entry: StudyEntry, record: Record, *, local: bool) -> None:
    """Take what a record says of a study."""
    _fill(entry, _STUDY_FIELDS, record, local=local)
    entry.text = folded(entry.StudyDescription)
    named = record.get("ModalitiesInStudy") or ()
    if local or not entry.local:
        entry.ModalitiesInStudy = tuple(named) or entry.ModalitiesInStudy
    else:
        entry.ModalitiesInStudy = tuple(sorted({*entry.ModalitiesInStudy, *named}))


def fill_series(entry: SeriesEntry, record: Record, *, local: bool) -> None:
    """Take what a record says of a series."""
    _fill(entry, _SERIES_FIELDS, record, local=local)
    entry.text = folded(entry.SeriesDescription)


def summarise(patient: PatientEntry) -> None:
    """Work out what a patient's row shows of its studies, and put these in order, the newest first."""
    studies = patient.studies
    studies.sort(key=_moment, reverse=True)
    modalities: dict[str, None] = {}
    servers: dict[str, None] = {}
    series = images = new = 0
    here, complete = False, True
    for study in studies:
        study.new = sum(1 for each in study.series if each.new)
        new += study.new
        series += study.series_count
        images += study.image_count
        here = here or study.local > 0
        complete = complete and study.complete
        modalities.update(dict.fromkeys(study.ModalitiesInStudy))
        servers.update(dict.fromkeys(study.sources))
    patient.study_count, patient.series_count, patient.image_count = len(studies), series, images
    patient.local, patient.complete, patient.new = here, complete, new
    patient.modalities, patient.servers = tuple(modalities), tuple(servers)
    newest = studies[0] if studies else None
    patient.last_study = newest.StudyDate if newest else ""
    patient.description = newest.StudyDescription if newest else ""


def number_from(value: Any) -> int | None:
    """A number of a record, None for none."""
    return value if isinstance(value, int) else None


def _moment(study: StudyEntry) -> tuple[str, str]:
    return study.StudyDate + study.StudyTime, study.StudyInstanceUID


def _fill(entry: Any, names: tuple[str, ...], record: Record, *, local: bool) -> None:
    for name in names:
        value = record.get(name)
        if value not in (None, "") and (local or getattr(entry, name) in (None, "")):
            setattr(entry, name, value)
