"""Why a patient may be mistaken for another, and what there is to compare. Pure functions, standard library only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from VisualDICOMBrowserLib.database.values import folded_name
from VisualDICOMBrowserLib.widgets.language import _, plural
from VisualDICOMBrowserLib.widgets.wording import person_name, written_date

__all__ = [
    "FIELDS",
    "Side",
    "differs",
    "doubt_of",
    "field_title",
    "identity_from_header",
    "shown_value",
    "sides_of",
    "split_by_header",
]

FIELDS = (
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "OtherPatientIDs",
)  # fmt: skip
_TITLES = {
    "PatientName": "Name",
    "PatientID": "Patient ID",
    "IssuerOfPatientID": "Issuer of the ID",
    "PatientBirthDate": "Birth date",
    "PatientSex": "Sex",
    "OtherPatientIDs": "Other IDs",
}
_TAGS = {
    "0010,0010": "PatientName",
    "0010,0020": "PatientID",
    "0010,0021": "IssuerOfPatientID",
    "0010,0030": "PatientBirthDate",
    "0010,0040": "PatientSex",
    "0010,1000": "OtherPatientIDs",
}
_OTHER_IDS = "0010,1002"
_MOST_SIDES = 4

Values = dict[str, str]


@dataclass
class Side:
    """One of the patients that are compared.

    ``values`` are DICOM values by keyword; a keyword that is missing was not told, one that is empty is empty.
    ``entry`` is the patient as listed, None where nobody lists it apart. ``birth`` is set for one that is known only by
    a birth date among local files; its studies are found by `split_by_header`.
    """

    heading: str
    values: Values = field(default_factory=dict)
    studies: list[Any] = field(default_factory=list)
    entry: Any = None
    birth: str = ""


def field_title(name: str) -> str:
    """What a field is called."""
    return _(_TITLES[name])


def shown_value(name: str, value: str) -> str:
    """A DICOM value as a person reads it."""
    if name == "PatientName":
        return person_name(value) or value.strip(" ^=")
    return written_date(value) if name == "PatientBirthDate" else value


def differs(name: str, sides: Iterable[Side]) -> bool | None:
    """Whether sides contradict each other in a field; None where fewer than two say anything."""
    told = [side.values[name].strip() for side in sides if side.values.get(name, "").strip()]
    if len(told) < 2:
        return None
    return len({" ".join(folded_name(each).split()) if name == "PatientName" else each for each in told}) > 1


def doubt_of(catalogue: Any, patient: Any) -> str:
    """The weightiest reason why a patient may be mistaken for another; empty if there is no doubt."""
    if not patient.doubt:
        return ""
    if not patient.PatientID.strip():
        return _("This patient has no ID: compare name and birth date.")
    return " ".join(_said_of_others(catalogue, patient) or _said_by_servers(patient) or _said_by_files(patient))


def _said_of_others(catalogue: Any, patient: Any) -> list[str]:
    others = _others(catalogue, patient)
    if not others:
        return []
    text = _("The ID {id} also stands for {who}. They are kept apart: compare name and birth date.")
    said = [text.format(id=patient.PatientID, who=_who(others[0].PatientName, others[0].birth, others[0].PatientID))]
    if len(others) > 1:
        said.append(plural(len(others) - 1, "{count} more has it.", "{count} more have it."))
    return said


def _said_by_servers(patient: Any) -> list[str]:
    told: dict[str, list[Mapping[str, str]]] = {}
    for study in patient.studies:
        for server, who in study.others.items():
            told.setdefault(server, []).append(who)
    said = []
    for server, whom in told.items():
        who = _who(whom[0].get("PatientName", ""), whom[0].get("PatientBirthDate", ""), whom[0].get("PatientID", ""))
        studies = plural(len(whom), "{count} study", "{count} studies")
        text = _("{server} has {studies} of this patient under {who}.")
        said.append(text.format(server=server, studies=studies, who=who))
    return said


def _said_by_files(patient: Any) -> list[str]:
    if not patient.other_births:
        return []
    dates = ", ".join(written_date(date) for date in patient.other_births)
    return [_("Some local images of this patient give another birth date: {dates}.").format(dates=dates)]


def _who(name: str, birth: str, patient_id: str) -> str:
    shown = person_name(name) or patient_id or _("nobody")
    return _("{name}, born {date}").format(name=shown, date=written_date(birth)) if birth else shown


def _others(catalogue: Any, patient: Any) -> list[Any]:
    return [each for each in catalogue.patients_of(patient.PatientID) if each is not patient]


def sides_of(catalogue: Any, patient: Any) -> list[Side]:
    """All that a patient is to be compared with, itself first; only itself if there is nothing."""
    if not patient.PatientID.strip():
        return [_listed(patient)]
    sides = [_listed(patient), *(_listed(each) for each in _others(catalogue, patient))]
    told: dict[tuple[tuple[str, str], ...], dict[str, dict[str, Any]]] = {}
    for study in patient.studies:
        for server, who in study.others.items():
            theirs = told.setdefault(tuple(sorted(who.items())), {"servers": {}, "studies": {}})
            theirs["servers"][server] = theirs["studies"][study.StudyInstanceUID] = study
    for who, theirs in told.items():
        heading = _("As told by {servers}").format(servers=", ".join(theirs["servers"]))
        sides.append(Side(heading, dict(who), list(theirs["studies"].values())))
    for birth in patient.other_births:
        values = {"PatientName": patient.PatientName, "PatientID": patient.PatientID, "PatientBirthDate": birth}
        heading = _("Local images born {date}").format(date=written_date(birth))
        sides.append(Side(heading, values, birth=birth))
    return sides[:_MOST_SIDES]


def _listed(patient: Any) -> Side:
    values = {
        "PatientName": patient.PatientName,
        "PatientID": patient.PatientID,
        "PatientBirthDate": patient.birth,
        "PatientSex": patient.sex,
    }
    places = [_("Local database")] if patient.local else []
    heading = ", ".join([*places, *patient.servers]) or _("Local database")
    return Side(heading, values, list(patient.studies), patient)


def identity_from_header(nodes: Sequence[Mapping[str, Any]]) -> Values:
    """What the header of an image (as the command ``metadata`` gives it) says of its patient."""
    values = dict.fromkeys(FIELDS, "")
    other_ids: list[str] = []
    for node in nodes:
        tag, value = str(node.get("tag")), str(node.get("value") or "")
        if tag == _OTHER_IDS:
            items = [each for item in node.get("items") or () for each in item]
            other_ids += [str(each.get("value") or "") for each in items if each.get("tag") == "0010,0020"]
        elif _TAGS.get(tag) == "OtherPatientIDs":
            other_ids += value.split("\\")
        elif tag in _TAGS:
            values[_TAGS[tag]] = value
    values["OtherPatientIDs"] = ", ".join(dict.fromkeys(each for each in other_ids if each))
    return values


def split_by_header(sides: Sequence[Side], headers: Mapping[str, Values]) -> None:
    """Fill in what headers of local studies (by UID) tell, and give each side the studies that are its own.

    A study goes to the side whose birth date its own files give; one whose files give none stays where it is.
    """
    by_birth = {side.birth: side for side in sides if side.birth}
    for side in sides:
        if side.entry is None:
            continue
        for study in list(side.studies):
            own = headers.get(study.StudyInstanceUID, {}).get("PatientBirthDate", "")
            if side is sides[0] and own in by_birth and own != side.values.get("PatientBirthDate"):
                side.studies.remove(study)
                by_birth[own].studies.append(study)
    for side in sides:
        for study in side.studies:
            told = headers.get(study.StudyInstanceUID)
            if told is not None and (side.entry is not None or side.birth):
                side.values.update({name: text for name, text in told.items() if name not in side.values or text})
                break
