"""Rows as the engine's overview gives them, and records as a search does, of made-up patients. Test code only."""

from __future__ import annotations

from typing import Any

from VisualDICOMBrowserLib.database.overview import FIELDS
from VisualDICOMBrowserLib.model import Level
from VisualDICOMBrowserLib.widgets.catalogue.catalogue import Catalogue

__all__ = ["PATIENTS", "fill", "listed", "rows_of", "series_record", "study_record"]

# Name, ID, sex, birth, then date, description and modalities of each study.
PATIENTS: tuple[tuple[Any, ...], ...] = (
    ("DEMO^Jane", "DEMO-004217", "F", "19680314", ("20260819", "MR head without and with contrast", "MR CT CR")),
    ("MUSTER^Max", "DEMO-003991", "M", "19550101", ("20260819", "CT thorax/abdomen, staging", "CT")),
    ("SAMPLE^Priya", "DEMO-000388", "F", "19910702", ("20260730", "Echo, transthoracic", "US CT CR")),
    ("TEST^Łukasz", "DEMO-004102", "M", "19820505", ("20260728", "MR knee left", "MR")),
    ("見本^花子", "DEMO-001554", "F", "19630303", ("20260727", "MR liver, dynamic", "MR")),
    ("PHANTOM^Head", "QA-0007", "O", "", ("20260724", "QA weekly phantom", "CT MR")),
    ("ΔΟΚΙΜΗ^Νίκος", "DEMO-000911", "M", "19460606", ("20260722", "XR chest PA", "CR")),
    ("FANTASMA^Pedro", "DEMO-001876", "M", "19880101", ("20260716", "RT planning CT", "CT RTSTRUCT RTDOSE RTPLAN")),
    ("النموذج^ليلى", "DEMO-002954", "F", "19800101", ("20260715", "US abdomen", "US")),
    ("NOBODY^No Name", "", "", "", ("20260710", "", "OT")),
)


def rows_of(level: Level, *rows: dict[str, Any]) -> dict[str, Any]:
    """A part of a reply of the command ``rows``; values that are not given are empty."""
    numbers = {"key", "patient", "instances", "SeriesNumber", "Rows", "Columns", "frames"}
    empty = {name: None if name in numbers else "" for name in FIELDS[level]}
    return {"fields": list(FIELDS[level]), "rows": [list({**empty, **row}.values()) for row in rows]}


def fill(catalogue: Catalogue, *patients: tuple[Any, ...], images: int = 20) -> None:
    """Put patients into a catalogue as local ones: a series for each modality of a study."""
    people, studies, series = [], [], []
    for key, (name, patient_id, sex, birth, *known) in enumerate(patients, 1):
        people.append(
            {"key": key, "PatientID": patient_id, "PatientName": name, "PatientBirthDate": birth, "PatientSex": sex}
        )
        for number, (date, description, modalities) in enumerate(known):
            uid, named = f"1.{key}.{number}", modalities.split()
            studies.append({
                "StudyInstanceUID": uid, "patient": key, "StudyDate": date, "StudyDescription": description,
                "ModalitiesInStudy": named,
            })  # fmt: skip
            series += [
                {
                    "SeriesInstanceUID": f"{uid}.{place}", "StudyInstanceUID": uid, "SeriesNumber": place,
                    "SeriesDescription": f"{modality} series {place}", "Modality": modality, "instances": images,
                }
                for place, modality in enumerate(named, 1)
            ]  # fmt: skip
    catalogue.update({
        "patients": rows_of(Level.PATIENT, *people),
        "studies": rows_of(Level.STUDY, *studies),
        "series": rows_of(Level.SERIES, *series),
    })  # fmt: skip
    catalogue.loaded = True


def listed() -> Catalogue:
    """A catalogue of `PATIENTS`, and of one that only a server has."""
    catalogue = Catalogue()
    fill(catalogue, *PATIENTS)
    catalogue.add_remote(
        "STUDY",
        [
            study_record("9.1", "PROVA^Luca", "DEMO-003377", StudyDate="20260721", StudyDescription="MR prostate"),
            study_record("1.1.0", "DEMO^Jane", "DEMO-004217", instances=96, series=5),
        ],
    )
    return catalogue


def study_record(
    uid: str, name: str, patient_id: str, *, instances: int = 30, series: int = 2, **more: Any
) -> dict[str, Any]:
    """A merged record of a study on one server."""
    return {
        "level": "STUDY", "StudyInstanceUID": uid, "PatientName": name, "PatientID": patient_id,
        "ModalitiesInStudy": ["MR"], "sources": {"Main PACS": {"instances": instances, "series": series}}, "local": 0,
        "complete": ["Main PACS"], **more,
    }  # fmt: skip


def series_record(uid: str, study: str, *, instances: int = 15, **more: Any) -> dict[str, Any]:
    """A merged record of a series on one server."""
    return {
        "level": "SERIES", "SeriesInstanceUID": uid, "StudyInstanceUID": study, "Modality": "MR",
        "sources": {"Main PACS": {"instances": instances, "series": None}}, "local": 0, "complete": ["Main PACS"],
        **more,
    }  # fmt: skip
