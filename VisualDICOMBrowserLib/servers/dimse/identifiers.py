"""Queries as C-FIND identifiers and answers as records (DICOM PS3.4 C.3.3, C.3.4, C.6).

Each level sends only keys that are legal there: text filters at the level that owns the attribute, the
unique keys of the levels above. Pure functions, no network; any thread.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fnmatch import translate
from typing import Any

from VisualDICOMBrowserLib.model import (
    AnyRecord,
    InstanceRecord,
    Level,
    PatientRecord,
    Query,
    SeriesRecord,
    StudyRecord,
)
from VisualDICOMBrowserLib.servers.dimse.text import (
    SPECIFIC_CHARACTER_SET,
    QueryStyle,
    decode_text,
    encode_text,
)

__all__ = [
    "QUERY_LEVEL",
    "TAGS",
    "Attribute",
    "answers_filter",
    "date_range",
    "elements_of",
    "encoded_text",
    "fits",
    "has_wild_cards",
    "identifier",
    "record_from",
    "retrieve_identifier",
    "unique_key",
    "without_optional_filters",
]


@dataclass(frozen=True, slots=True)
class Attribute:
    """Tag and VR of a query attribute."""

    tag: int
    vr: str


TAGS: dict[str, Attribute] = {
    "StudyDate": Attribute(0x00080020, "DA"),
    "SeriesDate": Attribute(0x00080021, "DA"),
    "StudyTime": Attribute(0x00080030, "TM"),
    "SeriesTime": Attribute(0x00080031, "TM"),
    "AccessionNumber": Attribute(0x00080050, "SH"),
    "SOPClassUID": Attribute(0x00080016, "UI"),
    "SOPInstanceUID": Attribute(0x00080018, "UI"),
    "Modality": Attribute(0x00080060, "CS"),
    "ModalitiesInStudy": Attribute(0x00080061, "CS"),
    "SOPClassesInStudy": Attribute(0x00080062, "UI"),
    "InstitutionName": Attribute(0x00080080, "LO"),
    "ReferringPhysicianName": Attribute(0x00080090, "PN"),
    "StudyDescription": Attribute(0x00081030, "LO"),
    "SeriesDescription": Attribute(0x0008103E, "LO"),
    "PatientName": Attribute(0x00100010, "PN"),
    "PatientID": Attribute(0x00100020, "LO"),
    "PatientBirthDate": Attribute(0x00100030, "DA"),
    "PatientSex": Attribute(0x00100040, "CS"),
    "BodyPartExamined": Attribute(0x00180015, "CS"),
    "StudyInstanceUID": Attribute(0x0020000D, "UI"),
    "SeriesInstanceUID": Attribute(0x0020000E, "UI"),
    "StudyID": Attribute(0x00200010, "SH"),
    "SeriesNumber": Attribute(0x00200011, "IS"),
    "InstanceNumber": Attribute(0x00200013, "IS"),
    "FrameOfReferenceUID": Attribute(0x00200052, "UI"),
    "NumberOfPatientRelatedStudies": Attribute(0x00201200, "IS"),
    "NumberOfStudyRelatedSeries": Attribute(0x00201206, "IS"),
    "NumberOfStudyRelatedInstances": Attribute(0x00201208, "IS"),
    "NumberOfSeriesRelatedInstances": Attribute(0x00201209, "IS"),
    "NumberOfFrames": Attribute(0x00280008, "IS"),
    "Rows": Attribute(0x00280010, "US"),
    "Columns": Attribute(0x00280011, "US"),
}
QUERY_LEVEL = 0x00080052
_PLAIN = QueryStyle()

_PATIENT_KEYS = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex")
_RETURN_KEYS: dict[Level, tuple[str, ...]] = {
    Level.PATIENT: (*_PATIENT_KEYS, "NumberOfPatientRelatedStudies"),
    Level.STUDY: (
        *_PATIENT_KEYS,
        "StudyInstanceUID",
        "StudyDate",
        "StudyTime",
        "StudyID",
        "StudyDescription",
        "AccessionNumber",
        "ModalitiesInStudy",
        "InstitutionName",
        "ReferringPhysicianName",
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
    ),
    Level.SERIES: (
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "SeriesNumber",
        "SeriesDescription",
        "Modality",
        "SeriesDate",
        "SeriesTime",
        "BodyPartExamined",
        "FrameOfReferenceUID",
        "NumberOfSeriesRelatedInstances",
    ),
    Level.IMAGE: (
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "SOPInstanceUID",
        "SOPClassUID",
        "InstanceNumber",
        "NumberOfFrames",
        "Rows",
        "Columns",
    ),
}
_RECORDS: dict[Level, type[Any]] = {
    Level.PATIENT: PatientRecord,
    Level.STUDY: StudyRecord,
    Level.SERIES: SeriesRecord,
    Level.IMAGE: InstanceRecord,
}
_OPTIONAL_FILTERS: dict[Level, tuple[tuple[str, Any, str], ...]] = {
    Level.STUDY: (("StudyDescription", "", "study description"), ("Modalities", (), "modality")),
    Level.SERIES: (("SeriesDescription", "", "series description"),),
}
_WHOLE_NUMBERS = frozenset(name for name, attribute in TAGS.items() if attribute.vr in ("IS", "US"))
_SEVERAL_VALUES = frozenset(("ModalitiesInStudy", "SOPClassesInStudy"))
_UNIQUE_KEYS = {
    Level.STUDY: "StudyInstanceUID",
    Level.SERIES: "SeriesInstanceUID",
    Level.IMAGE: "SOPInstanceUID",
}


def identifier(
    query: Query, *, also: tuple[str, ...] = (), relational: bool = False, style: QueryStyle = _PLAIN
) -> list[tuple[int, str, bytes]]:
    """Elements of a C-FIND identifier at the query's level, with return keys and the filters legal there.

    `also` names further attributes to be returned; in a `relational` query the filters of all levels above are legal.
    """
    values = dict.fromkeys((*_RETURN_KEYS[query.level], *also), "")
    if relational:
        values.update({key: text for key, text in _upper_filters(query, style).items() if text})
    values.update({key: text for key, text in _filters(query, style).items() if text})
    return elements_of(values, query.level, style)


def elements_of(values: dict[str, str], level: Level, style: QueryStyle = _PLAIN) -> list[tuple[int, str, bytes]]:
    """Elements of an identifier from text by keyword, with level and, where needed, character set."""
    character_set = style.written_in(list(values.values()))
    elements = [(QUERY_LEVEL, "CS", level.value.encode("ascii"))]
    if character_set:
        elements.append((SPECIFIC_CHARACTER_SET, "CS", character_set.encode("ascii")))
    for keyword, text in values.items():
        attribute = TAGS[keyword]
        elements.append((attribute.tag, attribute.vr, encoded_text(attribute, text, character_set)))
    return elements


def retrieve_identifier(
    level: Level, patient: str, study: str, series: str, instances: tuple[str, ...]
) -> list[tuple[int, str, bytes]]:
    """Elements of a C-GET or C-MOVE identifier: unique keys down to the level (PS3.4 C.4.3.1.3).

    `patient` is empty for the Study Root model.
    """
    values = {"StudyInstanceUID": study}
    if patient:
        values["PatientID"] = patient
    if level in (Level.SERIES, Level.IMAGE):
        values["SeriesInstanceUID"] = series
    if level is Level.IMAGE:
        values["SOPInstanceUID"] = "\\".join(instances)
    return elements_of(values, level)


def record_from(
    level: Level, values: dict[int, bytes], query: Query, server: str, style: QueryStyle = _PLAIN
) -> AnyRecord | None:
    """Record of one answer, None if it lacks its unique key; upper UIDs come from the query if left out."""
    character_set = style.answered_in(values.get(SPECIFIC_CHARACTER_SET, b""))
    fields: dict[str, Any] = {"server": server}
    for keyword in _RETURN_KEYS[level]:
        attribute = TAGS[keyword]
        raw = values.get(attribute.tag)
        if raw is not None:
            fields[keyword] = _value(keyword, attribute, raw, character_set)
    if level in (Level.SERIES, Level.IMAGE) and not fields.get("StudyInstanceUID"):
        fields["StudyInstanceUID"] = query.StudyInstanceUID
    if level is Level.IMAGE and not fields.get("SeriesInstanceUID"):
        fields["SeriesInstanceUID"] = query.SeriesInstanceUID
    if level is Level.SERIES:
        told = decode_text(values.get(TAGS["PatientID"].tag, b""), character_set)
        fields["PatientID"] = told or query.PatientID
    if level is not Level.PATIENT:
        if not fields.get(_UNIQUE_KEYS[level]):
            return None
    elif not (fields.setdefault("PatientID", "") or fields.get("PatientName")):
        return None
    record: AnyRecord = _RECORDS[level](**fields)
    return record


def unique_key(record: AnyRecord) -> tuple[str, ...]:
    """What makes a record one of its kind: its UID, or ID and name of a patient."""
    if isinstance(record, PatientRecord):
        return record.PatientID, record.PatientName
    if isinstance(record, StudyRecord):
        return (record.StudyInstanceUID,)
    if isinstance(record, SeriesRecord):
        return (record.SeriesInstanceUID,)
    return (record.SOPInstanceUID,)


def answers_filter(record: AnyRecord, query: Query, style: QueryStyle = _PLAIN) -> bool:
    """Whether an answer fits filters that servers may ignore: descriptions, modalities, dates.

    An attribute that the answer does not have decides nothing.
    """
    if isinstance(record, StudyRecord):
        within = (not query.date_from or record.StudyDate >= query.date_from) and (
            not query.date_to or record.StudyDate <= query.date_to
        )
        return (
            (within or not record.StudyDate)
            and fits(style.pattern(query.StudyDescription), record.StudyDescription)
            and _has_any(query.Modalities, record.ModalitiesInStudy)
        )
    if isinstance(record, SeriesRecord):
        return fits(style.pattern(query.SeriesDescription), record.SeriesDescription) and _has_any(
            query.Modalities, (record.Modality,) if record.Modality else ()
        )
    return True


def without_optional_filters(query: Query) -> tuple[Query, tuple[str, ...]]:
    """The query without filters by attributes that servers need not support (PS3.4 C.6.1.1, C.6.2.1), and their names.

    The attributes themselves are still asked for, so that `answers_filter` can decide.
    """
    values = {"StudyDescription": query.StudyDescription, "SeriesDescription": query.SeriesDescription}
    optional = {
        name: (empty, words)
        for name, empty, words in _OPTIONAL_FILTERS.get(query.level, ())
        if values.get(name) or (name == "Modalities" and len(query.Modalities) == 1)
    }
    changes: dict[str, Any] = {name: empty for name, (empty, _) in optional.items()}
    return replace(query, **changes), tuple(words for _, words in optional.values())


def has_wild_cards(query: Query, style: QueryStyle = _PLAIN) -> bool:
    """Whether the identifier of `query` asks for a part of a patient ID, name or accession number."""
    filters = _filters(query, style)
    keys = ("PatientID", "PatientName", "AccessionNumber")
    return any("*" in filters.get(key, "") or "?" in filters.get(key, "") for key in keys)


def _filters(query: Query, style: QueryStyle) -> dict[str, str]:
    modality = query.Modalities[0] if len(query.Modalities) == 1 else ""
    if query.level is Level.PATIENT:
        return {"PatientID": style.pattern(query.PatientID), "PatientName": style.pattern(query.PatientName)}
    if query.level is Level.STUDY:
        return {
            "PatientID": style.pattern(query.PatientID),
            "PatientName": style.pattern(query.PatientName),
            "StudyInstanceUID": query.StudyInstanceUID,
            "StudyDescription": style.pattern(query.StudyDescription),
            "AccessionNumber": style.pattern(query.AccessionNumber),
            "ModalitiesInStudy": modality,
            "StudyDate": date_range(query.date_from, query.date_to),
        }
    upper = {"StudyInstanceUID": query.StudyInstanceUID, "SeriesInstanceUID": query.SeriesInstanceUID}
    if query.level is Level.SERIES:
        return {
            **upper,
            "SeriesDescription": style.pattern(query.SeriesDescription),
            "Modality": modality,
        }
    return {**upper, "SOPInstanceUID": query.SOPInstanceUID}


def _upper_filters(query: Query, style: QueryStyle) -> dict[str, str]:
    """Filters of the levels above a series or an image; the modality is the series' own there."""
    upper = _filters(replace(query, level=Level.STUDY, Modalities=()), style)
    if query.level is Level.IMAGE:
        upper.update(_filters(replace(query, level=Level.SERIES), style))
    # The identity of the patient of each series is not in the query.
    return {"PatientID": "", **upper}


def date_range(date_from: str, date_to: str) -> str:
    """Range matching of dates (PS3.4 C.2.2.2.5)."""
    if date_from and date_from == date_to:
        return date_from
    return f"{date_from}-{date_to}" if date_from or date_to else ""


def encoded_text(attribute: Attribute, text: str, character_set: str) -> bytes:
    """Value of an element from text; only text attributes may use the character set."""
    if attribute.vr == "US":
        return b""
    if attribute.vr in ("LO", "SH", "PN", "LT", "ST"):
        return encode_text(text, character_set)
    return text.encode("ascii", "replace")


def _value(keyword: str, attribute: Attribute, raw: bytes, character_set: bytes) -> Any:
    if attribute.vr == "US":
        return int.from_bytes(raw[:2], "little") if len(raw) >= 2 else None
    text = decode_text(raw, character_set)
    if keyword in _SEVERAL_VALUES:
        return tuple(value.strip() for value in text.split("\\") if value.strip())
    if keyword in _WHOLE_NUMBERS:
        try:
            return int(text)
        except ValueError:
            return None
    return text


def fits(pattern: str, text: str) -> bool:
    """Whether a text is what a pattern with wild cards asks for; what either does not say is believed."""
    if not pattern or not text:
        return True
    literal = pattern.casefold().replace("[", "[[]")  # DICOM has no other wild cards than * and ?
    return re.fullmatch(translate(literal), text.casefold()) is not None


def _has_any(wanted: tuple[str, ...], present: tuple[str, ...]) -> bool:
    return not wanted or not present or bool(set(wanted) & set(present))
