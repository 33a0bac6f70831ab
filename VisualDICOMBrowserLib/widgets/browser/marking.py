"""What cards, rows and tabs show beside their records: what loads when complete, who is being fetched.

Pure functions on the catalogue and the jobs; no Qt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from VisualDICOMBrowserLib.widgets.catalogue.catalogue import Catalogue
from VisualDICOMBrowserLib.widgets.catalogue.entries import PatientEntry, PatientKey
from VisualDICOMBrowserLib.widgets.page.states import Marks

__all__ = ["fetching_patients", "marks_of", "tab_icon"]

_UNDER_WAY = ("running", "queued", "waiting")


def marks_of(loads_when_complete: Iterable[str]) -> dict[str, Marks]:
    """Marks by SeriesInstanceUID, of the series that have any."""
    return {uid: Marks(loads_when_complete=True) for uid in loads_when_complete}


def fetching_patients(catalogue: Catalogue, jobs: Iterable[Mapping[str, Any]]) -> set[PatientKey]:
    """Keys of the patients that are being fetched."""
    found = set()
    for job in jobs:
        if job["kind"] == "retrieve" and job["state"] in _UNDER_WAY:
            study = catalogue.one_study(str((job.get("concerns") or {}).get("study") or ""))
            if study is not None:
                found.add(study.patient.key)
    return found


def tab_icon(entry: PatientEntry, fetching: bool) -> tuple[str, str]:
    """Icon and colour of a patient's tab: to be checked, being fetched, only on servers, or here."""
    if entry.where == "check":
        return "warning", "warn"
    if fetching:
        return "cloud-down", "accent"
    if entry.where == "remote":
        return "cloud", "accent"
    return "person", "mid"
