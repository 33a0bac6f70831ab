"""Identifiers of queries, records of answers, text in other scripts, contexts of a retrieve."""

from __future__ import annotations

import pytest

from VisualDICOMBrowserLib.model import Level, PatientRecord, Query, SeriesRecord, StudyRecord
from VisualDICOMBrowserLib.servers.dimse.identifiers import (
    TAGS,
    answers_filter,
    identifier,
    record_from,
    retrieve_identifier,
    unique_key,
)
from VisualDICOMBrowserLib.servers.dimse.status import Outcome, outcome_of, status_text
from VisualDICOMBrowserLib.servers.dimse.storage_classes import COMPRESSED, UNCOMPRESSED, classes_for, proposed_contexts
from VisualDICOMBrowserLib.servers.dimse.text import SPECIFIC_CHARACTER_SET

KEYWORDS = {attribute.tag: keyword for keyword, attribute in TAGS.items()}


def keys_of(query: Query) -> dict[str, bytes]:
    return {KEYWORDS[tag]: value for tag, _, value in identifier(query) if tag in KEYWORDS}


def test_study_keys_match_anywhere_and_bound_the_date() -> None:
    query = Query(
        PatientName="meyer",
        PatientID="4?2",
        StudyDescription="Knee",
        Modalities=("MR",),
        date_from="20240101",
        SeriesDescription="not sent here",
    )
    keys = keys_of(query)
    assert keys["PatientName"] == b"*meyer*"
    assert keys["PatientID"] == b"4?2"
    assert keys["StudyDescription"] == b"*Knee*"
    assert keys["ModalitiesInStudy"] == b"MR"
    assert keys["StudyDate"] == b"20240101-"
    assert "SeriesDescription" not in keys


def test_lower_levels_send_only_their_own_keys_and_the_unique_ones_above() -> None:
    query = Query(
        level=Level.SERIES,
        StudyInstanceUID="1.2",
        PatientName="meyer",
        date_to="20240101",
        SeriesDescription="T2",
    )
    keys = keys_of(query)
    assert keys["StudyInstanceUID"] == b"1.2"
    assert keys["SeriesDescription"] == b"*T2*"
    assert not {"PatientName", "PatientID", "StudyDate", "StudyDescription"} & set(keys)


def test_several_modalities_are_left_to_our_own_filter() -> None:
    query = Query(Modalities=("CT", "MR"))
    assert keys_of(query)["ModalitiesInStudy"] == b""
    assert answers_filter(StudyRecord(StudyInstanceUID="1", ModalitiesInStudy=("MR", "SR")), query)
    assert not answers_filter(StudyRecord(StudyInstanceUID="1", ModalitiesInStudy=("US",)), query)
    assert answers_filter(StudyRecord(StudyInstanceUID="1"), query)


def test_ignored_filters_are_applied_to_the_answers() -> None:
    query = Query(StudyDescription="knee*left", date_from="20240101", date_to="20240131")
    good = StudyRecord(StudyInstanceUID="1", StudyDate="20240115", StudyDescription="Knee MR left")
    assert answers_filter(good, query)
    assert not answers_filter(StudyRecord(StudyInstanceUID="1", StudyDate="20240201"), query)
    assert not answers_filter(StudyRecord(StudyInstanceUID="1", StudyDescription="Hip left"), query)
    series = Query(level=Level.SERIES, SeriesDescription="[scout]")
    assert answers_filter(SeriesRecord(SeriesInstanceUID="1", SeriesDescription="A [Scout]"), series)


@pytest.mark.parametrize(
    ("name", "character_set", "raw"),
    [
        ("Meyer", b"", b"*Meyer*"),
        ("Müller", b"ISO_IR 100", "*Müller*".encode("latin_1")),
        ("山田", b"ISO_IR 192", "*山田*".encode()),
    ],
)
def test_queries_declare_the_character_set_they_need(name: str, character_set: bytes, raw: bytes) -> None:
    elements = {tag: value for tag, _, value in identifier(Query(PatientName=name))}
    assert elements.get(SPECIFIC_CHARACTER_SET, b"") == character_set
    assert elements[TAGS["PatientName"].tag] == raw


@pytest.mark.parametrize(
    ("character_set", "raw", "name"),
    [
        (b"ISO_IR 100", b"Buc^J\xe9r\xf4me", "Buc^Jérôme"),
        (b"ISO_IR 192 ", "山田^太郎".encode(), "山田^太郎"),
        (b"\\ISO 2022 IR 87", b"Yamada=\x1b$B;3ED\x1b(B=", "Yamada=山田="),
        (b"", "Müller^Jörg".encode(), "Müller^Jörg"),
        (b"", "Müller^Jörg".encode("latin_1"), "Müller^Jörg"),
        (b"NONSENSE", b"A^B\0", "A^B"),
    ],
)
def test_answers_in_any_character_set(character_set: bytes, raw: bytes, name: str) -> None:
    values = {
        SPECIFIC_CHARACTER_SET: character_set,
        TAGS["PatientName"].tag: raw,
        TAGS["PatientID"].tag: b"7 ",
        TAGS["StudyInstanceUID"].tag: b"1.2.3\0",
    }
    record = record_from(Level.STUDY, values, Query(), "PACS")
    assert isinstance(record, StudyRecord)
    assert (record.PatientName, record.PatientID, record.StudyInstanceUID) == (name, "7", "1.2.3")
    assert record.server == "PACS"


def test_numbers_lists_and_missing_values() -> None:
    values = {
        TAGS["StudyInstanceUID"].tag: b"1.2",
        TAGS["ModalitiesInStudy"].tag: b"CT\\SR ",
        TAGS["NumberOfStudyRelatedSeries"].tag: b"three ",
        TAGS["NumberOfStudyRelatedInstances"].tag: b" 12",
    }
    record = record_from(Level.STUDY, values, Query(), "PACS")
    assert isinstance(record, StudyRecord)
    assert record.ModalitiesInStudy == ("CT", "SR")
    assert (record.NumberOfStudyRelatedSeries, record.NumberOfStudyRelatedInstances) == (None, 12)
    assert record_from(Level.STUDY, {}, Query(), "PACS") is None
    assert record_from(Level.PATIENT, {}, Query(), "PACS") is None


def test_upper_uids_come_from_the_query_where_the_server_leaves_them_out() -> None:
    query = Query(level=Level.SERIES, StudyInstanceUID="1.2", PatientID="7")
    record = record_from(Level.SERIES, {TAGS["SeriesInstanceUID"].tag: b"1.2.3"}, query, "PACS")
    assert record == SeriesRecord(SeriesInstanceUID="1.2.3", StudyInstanceUID="1.2", PatientID="7", server="PACS")
    assert unique_key(record) == ("1.2.3",)
    assert unique_key(PatientRecord(PatientID="1", PatientName="A")) == ("1", "A")


def test_retrieve_identifier_names_the_way_down() -> None:
    elements = {tag: value for tag, _, value in retrieve_identifier(Level.IMAGE, "", "1", "2", ("3", "4"))}
    assert elements[TAGS["SOPInstanceUID"].tag] == b"3\\4"
    assert TAGS["PatientID"].tag not in elements
    study = {tag: value for tag, _, value in retrieve_identifier(Level.STUDY, "P", "1", "", ())}
    assert study[TAGS["PatientID"].tag] == b"P"
    assert TAGS["SeriesInstanceUID"].tag not in study


def test_known_classes_get_a_context_for_every_syntax() -> None:
    contexts = proposed_contexts(["1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"], 126)
    classes = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4")
    assert contexts[:2] == [(uid, UNCOMPRESSED[:1]) for uid in classes]
    assert set(contexts) == {(uid, (syntax,)) for uid in classes for syntax in (*UNCOMPRESSED, *COMPRESSED)}


@pytest.mark.parametrize("count", [1, 8, 60, 500])
def test_contexts_never_exceed_the_room(count: int) -> None:
    contexts = proposed_contexts([f"1.2.{number}" for number in range(count)], 126)
    assert len(contexts) == len(set(contexts)) <= 126
    for syntax in UNCOMPRESSED:
        assert sum(syntax in syntaxes for _, syntaxes in contexts) == min(count, 126)


def test_modalities_come_first_among_common_classes() -> None:
    assert classes_for(["US"])[0] == "1.2.840.10008.5.1.4.1.1.6.1"
    assert classes_for(["NO SUCH"]) == classes_for()
    assert len(classes_for()) == len(set(classes_for())) < 126


@pytest.mark.parametrize(
    ("status", "outcome", "words"),
    [
        (0x0000, Outcome.SUCCESS, None),
        (0xFF01, Outcome.PENDING, None),
        (0xFE00, Outcome.CANCELLED, "cancelled by the server"),
        (0xB001, Outcome.WARNING, "only part of the matches"),
        (0xA700, Outcome.FAILURE, "out of resources (A700)"),
        (0xA801, Outcome.FAILURE, "move destination is not known"),
        (0xA900, Outcome.FAILURE, "does not fit the SOP class"),
        (0xC123, Outcome.FAILURE, "unable to process (C123)"),
        (0x1234, Outcome.FAILURE, "unknown status (1234)"),
    ],
)
def test_statuses_in_words(status: int, outcome: Outcome, words: str | None) -> None:
    assert outcome_of(status) is outcome
    if words:
        assert words in status_text(status)


def test_the_servers_own_comment_is_passed_on() -> None:
    assert status_text(0xC000, "no such study ") == "unable to process (C000: no such study)"
