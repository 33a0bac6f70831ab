"""The query side of our node: C-FIND identifiers against the local database (DICOM PS3.4 C.2.2.2, C.4.1).

The database narrows down, the matching rules of DICOM decide: single value, list of UIDs, wild cards, ranges of dates.
Runs in the association's thread.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import translate
from typing import Any, Protocol

from VisualDICOMBrowserLib.errors import DatabaseFault, RejectedFileError
from VisualDICOMBrowserLib.model import AnyRecord, InstanceRecord, Level, Query, SeriesRecord, StudyRecord
from VisualDICOMBrowserLib.servers.dimse.identifiers import QUERY_LEVEL, TAGS
from VisualDICOMBrowserLib.servers.dimse.sending import sop_class_in_file
from VisualDICOMBrowserLib.servers.dimse.status import CANCELLED, PENDING
from VisualDICOMBrowserLib.servers.dimse.text import (
    SPECIFIC_CHARACTER_SET,
    character_set_for,
    decode_text,
    encode_text,
)
from VisualDICOMBrowserLib.servers.upper_layer.association import Accepted
from VisualDICOMBrowserLib.servers.upper_layer.channel import Channel
from VisualDICOMBrowserLib.servers.upper_layer.elements import MalformedElements, encode_elements, parse_elements
from VisualDICOMBrowserLib.servers.upper_layer.pdata import Command, CommandField

__all__ = ["InstanceReader", "answer_find", "asked_for", "matching_records"]

_DOES_NOT_MATCH = 0xA900
_UNABLE = 0xC000
_CANCEL_EVERY = 20
_CLASSES = "SOPClassesInStudy"
_MOST_UIDS = 20_000
_LITERAL = frozenset(("PatientID", "AccessionNumber"))

_KEYWORDS = {attribute.tag: keyword for keyword, attribute in TAGS.items()}
_UPPER = {
    Level.STUDY: (),
    Level.SERIES: ("StudyInstanceUID",),
    Level.IMAGE: ("StudyInstanceUID", "SeriesInstanceUID"),
}


class InstanceReader(Protocol):
    """What the node needs of `database.reader.DatabaseReader`."""

    def find(self, query: Query) -> Sequence[AnyRecord]:
        """Records at the query's level."""
        ...

    def instances_of_series(self, uid: str) -> Sequence[InstanceRecord]:
        """Instances of one series with their paths."""
        ...


def answer_find(
    reader: InstanceReader,
    channel: Channel,
    context: Accepted,
    request: Command,
    data: bytes,
    *,
    implicit: bool,
) -> None:
    """Answer one C-FIND, the final response included."""

    def answer(status: int, match: bytes | None = None, comment: str = "") -> None:
        response = Command(
            field=CommandField.C_FIND_RSP,
            responded_to=request.message_id,
            sop_class=request.sop_class,
            status=status,
            comment=comment,
        )
        channel.send_message(context.context_id, response, match)

    try:
        level, keys = asked_for(data, implicit=implicit)
        _check_size(level, keys)
        records = matching_records(reader, level, keys)
    except ValueError as fault:
        answer(_DOES_NOT_MATCH, comment=str(fault))
        return
    except DatabaseFault as fault:
        answer(_UNABLE, comment=fault.message)
        return
    for number, record in enumerate(records):
        if number % _CANCEL_EVERY == 0 and channel.waiting():
            _, command, _ = channel.receive_message(len(data))
            if command.field == CommandField.C_CANCEL_RQ:
                answer(CANCELLED)
                return
        answer(PENDING, _match(reader, record, level, keys, implicit=implicit))
    answer(0)


def asked_for(data: bytes, *, implicit: bool) -> tuple[Level, dict[str, str]]:
    """Level and keys of an identifier; keys that we do not know are left out.

    Raises
    ------
    ValueError
        The identifier cannot be read, or has no level of ours.
    """
    try:
        values = parse_elements(data, implicit=implicit)
    except MalformedElements as fault:
        message = f"The identifier cannot be read: {fault}"
        raise ValueError(message) from fault
    level = Level(decode_text(values.get(QUERY_LEVEL, b"")))
    character_set = values.get(SPECIFIC_CHARACTER_SET, b"")
    keys = {
        _KEYWORDS[tag]: decode_text(raw, character_set) if TAGS[_KEYWORDS[tag]].vr != "US" else ""
        for tag, raw in values.items()
        if tag in _KEYWORDS
    }
    return level, keys


def _check_size(level: Level, keys: dict[str, str]) -> None:
    """Refuse searches that would read all instances, or ask the database without end (PS3.4 C.4.1.2.1)."""
    uids = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    if level is Level.IMAGE and not any(keys.get(keyword) for keyword in uids):
        message = "A search for images needs a study, series or image UID."
        raise ValueError(message)
    if math.prod(len(_uids(keys, keyword)) for keyword in uids) > _MOST_UIDS:
        message = "The lists of UIDs are too long."
        raise ValueError(message)


def matching_records(reader: InstanceReader, level: Level, keys: dict[str, str]) -> Iterator[AnyRecord]:
    """Records of the local database that match the keys, as DICOM wants it."""
    seen = set()
    for query in _queries(level, keys):
        for record in reader.find(query):
            if record not in seen and _is_local(record) and _matches(record, keys):
                seen.add(record)
                yield record


def _queries(level: Level, keys: dict[str, str]) -> Iterable[Query]:
    """Queries that together give at least what matches; one for each UID of a list."""
    fields: dict[str, Any] = {
        name: _longest_literal(keys.get(name, ""))
        for name in ("PatientID", "PatientName", "StudyDescription", "SeriesDescription", "AccessionNumber")
    }
    start, end = _range_of(keys.get("StudyDate", ""))
    for study in _uids(keys, "StudyInstanceUID"):
        for series in _uids(keys, "SeriesInstanceUID"):
            for instance in _uids(keys, "SOPInstanceUID"):
                yield Query(
                    level=level,
                    StudyInstanceUID=study,
                    SeriesInstanceUID=series,
                    SOPInstanceUID=instance,
                    date_from=start,
                    date_to=end,
                    **fields,
                )


def _uids(keys: dict[str, str], keyword: str) -> list[str]:
    return [uid.strip() for uid in keys.get(keyword, "").split("\\")] or [""]


def _longest_literal(pattern: str) -> str:
    return max(re.split(r"[*?\\]", pattern), key=len).strip()


def _range_of(dates: str) -> tuple[str, str]:
    if not dates:
        return "", ""
    start, dash, end = dates.partition("-")
    return start.strip(), end.strip() if dash else start.strip()


def _is_local(record: AnyRecord) -> bool:
    return not isinstance(record, InstanceRecord) or bool(record.path)


def _matches(record: AnyRecord, keys: dict[str, str]) -> bool:
    for keyword, wanted in keys.items():
        value = getattr(record, keyword, None)
        if not wanted or value is None:
            continue
        values = value if isinstance(value, tuple) else (str(value),)
        if not any(_value_matches(keyword, wanted, text) for text in values):
            return False
    return True


def _value_matches(keyword: str, wanted: str, text: str) -> bool:
    vr = TAGS[keyword].vr
    if keyword not in _LITERAL:
        # Identifiers that differ in case may be two patients; people's words may be written either way.
        wanted, text = wanted.casefold(), text.casefold()
    if vr in ("DA", "TM") and "-" in wanted:
        start, _, end = wanted.partition("-")
        return bool(text) and (not start or text >= start) and (not end or text[: len(end)] <= end)
    for choice in wanted.split("\\"):
        if vr in ("UI", "DA", "TM", "IS", "US"):
            if choice.strip() == text:
                return True
        elif re.fullmatch(translate(choice.strip().replace("[", "[[]")), text):
            return True
    return False


def _match(reader: InstanceReader, record: AnyRecord, level: Level, keys: dict[str, str], *, implicit: bool) -> bytes:
    """Identifier of one match: the keys that were asked for, with the record's values."""
    texts = {keyword: _text(record, keyword) for keyword in keys}
    for keyword in _UPPER.get(level, ()):
        texts.setdefault(keyword, _text(record, keyword))
    if isinstance(record, InstanceRecord) and "SOPClassUID" in texts and not texts["SOPClassUID"]:
        texts["SOPClassUID"] = _class_of(record)
    if isinstance(record, StudyRecord) and _CLASSES in texts:
        texts[_CLASSES] = "\\".join(_classes_of_study(reader, record.StudyInstanceUID))
    character_set = character_set_for(list(texts.values()))
    elements = [(QUERY_LEVEL, "CS", level.value.encode("ascii"))]
    if character_set:
        elements.append((SPECIFIC_CHARACTER_SET, "CS", character_set.encode("ascii")))
    for keyword, text in texts.items():
        attribute = TAGS[keyword]
        raw = encode_text(text, character_set)
        if attribute.vr == "US":
            raw = int(text).to_bytes(2, "little") if text.isdecimal() and int(text) < 65536 else b""
        elements.append((attribute.tag, attribute.vr, raw))
    return encode_elements(elements, implicit=implicit)


def _text(record: AnyRecord, keyword: str) -> str:
    value: Any = getattr(record, keyword, None)
    if value is None:
        return ""
    return "\\".join(value) if isinstance(value, tuple) else str(value)


def _classes_of_study(reader: InstanceReader, study: str) -> list[str]:
    """SOP classes of the local instances of a study (PS3.4 C.3.4, SOP Classes in Study)."""
    found: set[str] = set()
    for series in reader.find(Query(level=Level.SERIES, StudyInstanceUID=study)):
        if isinstance(series, SeriesRecord):
            found.update(_class_of(record) for record in reader.instances_of_series(series.SeriesInstanceUID))
    return sorted(found - {""})


def _class_of(record: InstanceRecord) -> str:
    try:
        return record.SOPClassUID or (sop_class_in_file(record.path) if record.path else "")
    except RejectedFileError:
        return ""
