"""The DICOM JSON model (DICOM PS3.18 annex F): an array read while it arrives, and its objects as records.

Tolerant of what servers really send: missing ``Value``, nulls, numbers as text, names as plain text. Pure functions
and a sans-IO reader; any thread.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Mapping
from typing import Any

from VisualDICOMBrowserLib.model import (
    AnyRecord,
    InstanceRecord,
    Level,
    Query,
    SeriesRecord,
    StudyRecord,
)

__all__ = ["JsonArray", "JsonFault", "items_of", "record_of", "text_of"]

_BLANK = " \t\r\n"

_KEYWORDS: dict[Level, dict[str, str]] = {
    Level.STUDY: {
        "StudyInstanceUID": "0020000D",
        "PatientID": "00100020",
        "PatientName": "00100010",
        "PatientBirthDate": "00100030",
        "PatientSex": "00100040",
        "StudyDate": "00080020",
        "StudyTime": "00080030",
        "StudyID": "00200010",
        "StudyDescription": "00081030",
        "AccessionNumber": "00080050",
        "ModalitiesInStudy": "00080061",
        "InstitutionName": "00080080",
        "ReferringPhysicianName": "00080090",
        "NumberOfStudyRelatedSeries": "00201206",
        "NumberOfStudyRelatedInstances": "00201208",
    },
    Level.SERIES: {
        "SeriesInstanceUID": "0020000E",
        "StudyInstanceUID": "0020000D",
        "PatientID": "00100020",
        "SeriesNumber": "00200011",
        "SeriesDescription": "0008103E",
        "Modality": "00080060",
        "SeriesDate": "00080021",
        "SeriesTime": "00080031",
        "BodyPartExamined": "00180015",
        "FrameOfReferenceUID": "00200052",
        "NumberOfSeriesRelatedInstances": "00201209",
    },
    Level.IMAGE: {
        "SOPInstanceUID": "00080018",
        "SOPClassUID": "00080016",
        "SeriesInstanceUID": "0020000E",
        "StudyInstanceUID": "0020000D",
        "InstanceNumber": "00200013",
        "Rows": "00280010",
        "Columns": "00280011",
        "NumberOfFrames": "00280008",
    },
}
_NUMBERS = frozenset(
    (
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
        "SeriesNumber",
        "NumberOfSeriesRelatedInstances",
        "InstanceNumber",
        "Rows",
        "Columns",
        "NumberOfFrames",
    )
)
_UNIQUE = {Level.STUDY: "StudyInstanceUID", Level.SERIES: "SeriesInstanceUID", Level.IMAGE: "SOPInstanceUID"}
_DATES = frozenset(("PatientBirthDate", "StudyDate", "SeriesDate"))


class JsonFault(ValueError):
    """The text is no JSON array; the message is what it is instead."""


class JsonArray:
    """Elements of a JSON array, each as soon as it is whole, so that a long answer is never held twice."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("replace").decode
        self._decoder = json.JSONDecoder(strict=False)
        self._text = ""
        self._begun = False
        self._ended = False
        self._try_at = 0

    def feed(self, data: bytes, *, last: bool = False) -> Iterator[Any]:
        """Elements that end in `data`; with `last`, the end is checked.

        Raises
        ------
        JsonFault
            The text is no array, or ends too early.
        """
        self._text += self._decode(data, last)
        # An element of many pieces is not tried again with each of them.
        if last or len(self._text) >= self._try_at:
            yield from self._elements()
            self._try_at = 2 * len(self._text)
        if last and not self._ended:
            message = "no JSON list" if not self._begun else "a list that ends too early"
            raise JsonFault(message)

    def _elements(self) -> Iterator[Any]:
        position = self._skip(0, _BLANK)
        if not self._begun and position < len(self._text):
            if self._text[position] != "[":
                message = "a web page" if self._text[position] == "<" else "no JSON list"
                raise JsonFault(message)
            self._begun = True
            position += 1
        while self._begun and not self._ended:
            position = self._skip(position, _BLANK + ",")
            if self._text.startswith("]", position):
                self._ended = True
                position = len(self._text)
                break
            try:
                element, end = self._decoder.raw_decode(self._text, position)
            except (ValueError, RecursionError):
                break
            # A number may go on in the next piece.
            if self._text[end : end + 1] not in tuple(_BLANK + ",]"):
                break
            position = end
            yield element
        self._text = self._text[position:]

    def _skip(self, position: int, what: str) -> int:
        while position < len(self._text) and self._text[position] in what:
            position += 1
        return position


def record_of(level: Level, values: Any, query: Query, server: str) -> AnyRecord | None:
    """Record of one answer of a level below patients; upper UIDs that it lacks come from the query.

    None if it is no object or lacks its unique key.
    """
    if not isinstance(values, Mapping):
        return None
    fields: dict[str, Any] = {"server": server}
    for keyword, tag in _KEYWORDS[level].items():
        texts = _texts(values.get(tag))
        if keyword == "ModalitiesInStudy":
            fields[keyword] = tuple(text for text in texts if text)
        elif keyword in _NUMBERS:
            fields[keyword] = _whole(texts[0] if texts else "")
        else:
            text = texts[0] if texts else ""
            fields[keyword] = text.replace("-", "") if keyword in _DATES else text
    if not fields[_UNIQUE[level]]:
        return None
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "PatientID"):
        if keyword in fields and not fields[keyword] and level is not Level.STUDY:
            fields[keyword] = getattr(query, keyword)
    kind: type[Any] = {Level.STUDY: StudyRecord, Level.SERIES: SeriesRecord}.get(level, InstanceRecord)
    record: AnyRecord = kind(**fields)
    return record


def text_of(values: Any, tag: str) -> str:
    """First value of an attribute as text, empty if there is none."""
    texts = _texts(values.get(tag)) if isinstance(values, Mapping) else []
    return texts[0] if texts else ""


def items_of(values: Any, tag: str) -> list[Mapping[str, Any]]:
    """Items of a sequence, none if it is not there."""
    attribute = values.get(tag) if isinstance(values, Mapping) else None
    found = attribute.get("Value") if isinstance(attribute, Mapping) else None
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []


def _texts(attribute: Any) -> list[str]:
    """Values of an attribute as text, also where a server gives one value instead of a list."""
    value = attribute.get("Value") if isinstance(attribute, Mapping) else None
    if value is None:
        return []
    return [_text(item) for item in (value if isinstance(value, list) else [value])]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return _sound(value).strip("\0 ")
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, (int, float)):
        return str(int(value)) if value == value // 1 else str(value)
    if isinstance(value, Mapping):
        return _name(value)
    return ""


def _name(value: Mapping[str, Any]) -> str:
    """A person name with its component groups (PS3.5 6.2.1.2), empty ones at the end left out."""
    groups = [value.get(key) for key in ("Alphabetic", "Ideographic", "Phonetic")]
    return "=".join(_sound(group) if isinstance(group, str) else "" for group in groups).rstrip("=").strip()


def _sound(text: str) -> str:
    """The text without halves of surrogate pairs, which JSON may hold and no file or database can."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _whole(text: str) -> int | None:
    try:
        return int(float(text)) if text else None
    except (ValueError, OverflowError):
        return None
