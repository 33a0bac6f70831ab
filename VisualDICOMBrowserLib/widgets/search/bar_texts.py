"""Words of the search bar: titles of fields, and what a filter says in short. Pure functions, no Qt."""

from __future__ import annotations

from collections.abc import Sequence

from VisualDICOMBrowserLib.widgets.language import _, plural

__all__ = ["MORE_FIELDS", "TEXT_FIELDS", "field_title", "modality_text", "only_texts", "servers_text"]

TEXT_FIELDS = ("PatientName", "PatientID", "StudyDescription", "SeriesDescription")
MORE_FIELDS = ("AccessionNumber", "ReferringPhysicianName", "BodyPartExamined", "InstitutionName")
_NAMED = 2


def field_title(name: str, *, short: bool = False) -> str:
    """What a field is called; `short` for little room."""
    if short:
        texts = {
            "PatientName": _("Name"),
            "PatientID": _("ID"),
            "StudyDescription": _("Study"),
            "SeriesDescription": _("Series"),
        }
        if name in texts:
            return texts[name]
    return {
        "PatientName": _("Patient name"),
        "PatientID": _("Patient ID"),
        "StudyDescription": _("Study description"),
        "SeriesDescription": _("Series description"),
        "Modalities": _("Modality"),
        "date": _("Study date"),
        "AccessionNumber": _("Accession number"),
        "ReferringPhysicianName": _("Referring physician"),
        "BodyPartExamined": _("Body part"),
        "InstitutionName": _("Institution"),
        "only": _("Show only"),
    }.get(name, name)


def modality_text(modalities: Sequence[str]) -> str:
    """``All``, ``MR, CT``, ``MR, CT, +6``."""
    if not modalities:
        return _("All")
    named = ", ".join(modalities[:_NAMED])
    rest = len(modalities) - _NAMED
    return _("{named}, +{count}").format(named=named, count=rest) if rest > 0 else named


def only_texts() -> dict[str, str]:
    """What can be shown alone."""
    return {
        "": _("Everything"),
        "new": _("New images"),
        "local": _("In the local database"),
        "scene": _("In the scene"),
    }


def servers_text(chosen: Sequence[str], known: int) -> str:
    """What the field of servers shows."""
    if not known:
        return _("No server yet")
    if not chosen:
        return _("No server")
    if len(chosen) == 1:
        return chosen[0]
    if len(chosen) == known:
        return plural(known, "{count} server", "All {count} servers")
    return _("{chosen} of {count} servers").format(chosen=len(chosen), count=known)
