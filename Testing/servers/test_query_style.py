"""How queries are written as the server's settings say: wild cards or not, and in which character set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.charset import convert_encodings, decode_bytes

from Testing.support.dcmtk import DcmQrScp
from Testing.support.faulty_peer import FaultyPeer, PeerSide
from Testing.support.file_sink import ControlOfTest
from Testing.support.web_drivers import web_driver
from Testing.support.web_server import WebServer, json_answer, study_json
from Testing.support.worklists import Entry, WlmScpFs
from VisualDICOMBrowserLib.model import FindResult, Query, StudyRecord, WorklistQuery
from VisualDICOMBrowserLib.servers.config_checks import CHARACTER_SETS
from VisualDICOMBrowserLib.servers.dimse.driver import DimseDriver
from VisualDICOMBrowserLib.servers.dimse.find import STUDY_ROOT_FIND
from VisualDICOMBrowserLib.servers.dimse.text import SPECIFIC_CHARACTER_SET
from VisualDICOMBrowserLib.servers.upper_layer.elements import encode_elements
from VisualDICOMBrowserLib.servers.upper_layer.pdata import Command, CommandField
from VisualDICOMBrowserLib.settings import Settings

PATIENT_NAME, PATIENT_ID, STUDY_UID = 0x00100010, 0x00100020, 0x0020000D
LETTERS = {
    "ISO_IR 13": "ﾔﾏﾀﾞ",
    "ISO_IR 101": "Łąk",
    "ISO_IR 109": "Ħal",
    "ISO_IR 110": "Ķel",
    "ISO_IR 126": "Διον",
    "ISO_IR 127": "قبا",
    "ISO_IR 138": "שרון",
    "ISO_IR 144": "Люкс",
    "ISO_IR 148": "Çavuşoğ",
    "ISO_IR 166": "นาม",
    "GB18030": "王小东",
    "GBK": "王小东",
    "ISO 2022 IR 87": "山田",
    "ISO 2022 IR 149": "김희중",
}


@pytest.fixture
def worklist(tmp_path: Path) -> Iterator[WlmScpFs]:
    """One entry, of Doe^Jane."""
    server = WlmScpFs(tmp_path, Entry(number=1))
    try:
        server.start()
        yield server
    finally:
        server.stop()


def find_answer(status: int) -> Command:
    return Command(
        field=CommandField.C_FIND_RSP,
        responded_to=1,
        sop_class=STUDY_ROOT_FIND,
        status=status,
        data_set_type=0 if status == 0xFF00 else None,
    )


def found(script: Callable[[PeerSide], None], query: Query, **changes: Any) -> FindResult:
    with FaultyPeer(script) as peer:
        driver = DimseDriver(peer.config(**changes), Settings())
        try:
            return driver.find(query, ControlOfTest())
        finally:
            driver.close()


def asked(query: Query, *answers: bytes, **changes: Any) -> tuple[dict[int, bytes], FindResult]:
    """The identifier that a server gets, and what is made of its answers."""
    identifiers: list[dict[int, bytes]] = []

    def script(peer: PeerSide) -> None:
        peer.accept()
        context, _, identifier = peer.read_identifier()
        identifiers.append(identifier)
        for data in answers:
            peer.send(context, find_answer(0xFF00), data)
        peer.send(context, find_answer(0))
        peer.finish()

    result = found(script, query, **changes)
    return identifiers[0], result


@pytest.mark.parametrize(("wildcards", "name"), [(True, b"*doe*"), (False, b"doe")])
def test_text_is_looked_for_anywhere_or_as_a_whole(wildcards: bool, name: bytes) -> None:
    identifier, _ = asked(Query(PatientName="doe", PatientID="7"), wildcards=wildcards)
    assert identifier[PATIENT_NAME].strip() == name
    assert identifier[PATIENT_ID].strip() == name.replace(b"doe", b"7")


@pytest.mark.parametrize(
    ("wildcards", "name", "count"), [(True, "hantom", 1), (False, "hantom", 0), (False, "Phantom*", 1)]
)
def test_a_real_server_finds_parts_or_the_whole(
    dcmqrscp: DcmQrScp, wildcards: bool, name: str, count: int, control: ControlOfTest
) -> None:
    """Wild cards that the user puts stay."""
    driver = DimseDriver(dcmqrscp.config(wildcards=wildcards), Settings())
    try:
        records = driver.find(Query(PatientName=name), control).records
    finally:
        driver.close()
    assert bool(records) == bool(count)


@pytest.mark.parametrize(("wildcards", "name"), [(True, "*doe*"), (False, "doe")])
def test_wild_cards_by_dicomweb(wildcards: bool, name: str) -> None:
    with WebServer(lambda request: json_answer([study_json("1.2")])) as server:
        driver = web_driver(server.url, wildcards=wildcards)
        try:
            driver.find(Query(PatientName="doe", StudyDescription="doe"), ControlOfTest())
        finally:
            driver.close()
        (request,) = server.requests
    assert request.query["PatientName"] == [name]
    assert request.query["StudyDescription"] == [name]


@pytest.mark.parametrize("term", [term for term in CHARACTER_SETS if term in LETTERS])
def test_a_query_is_written_in_the_set_of_the_settings(term: str) -> None:
    """Read back by pydicom, whose reading is not ours."""
    text = LETTERS[term]
    identifier, _ = asked(Query(PatientName=text), character_set=term)
    declared = identifier[SPECIFIC_CHARACTER_SET].decode("ascii").strip()
    assert declared == (f"\\{term}" if term.startswith("ISO 2022") else term)
    encodings = convert_encodings(declared.split("\\"))
    assert decode_bytes(identifier[PATIENT_NAME], encodings, {"^", "="}).strip() == f"*{text}*"


def test_the_set_is_named_also_for_plain_text_and_by_itself_only_where_needed() -> None:
    assert (
        asked(Query(PatientName="doe"), character_set="ISO_IR 100")[0][SPECIFIC_CHARACTER_SET].strip() == b"ISO_IR 100"
    )
    assert SPECIFIC_CHARACTER_SET not in asked(Query(PatientName="doe"))[0]
    assert asked(Query(PatientName="Jürgen"))[0][SPECIFIC_CHARACTER_SET].strip() == b"ISO_IR 100"


def test_a_letter_that_the_set_lacks_matches_any() -> None:
    assert asked(Query(PatientName="Łukasz"), character_set="ISO_IR 100")[0][PATIENT_NAME].strip() == b"*?ukasz*"


@pytest.mark.parametrize(("term", "name"), [("", "Ëþêñ"), ("ISO_IR 144", "Ыўъё")])
def test_answers_that_name_no_set_are_read_in_it(term: str, name: str) -> None:
    """Bytes beyond ASCII, as old archives send them without a word."""
    raw = name.encode("iso8859_5" if term else "latin_1")
    answer = encode_elements([(PATIENT_NAME, "PN", raw), (STUDY_UID, "UI", b"1.2")], implicit=False)
    _, result = asked(Query(), answer, character_set=term)
    (record,) = result.records
    assert isinstance(record, StudyRecord)
    assert record.PatientName == name


@pytest.mark.parametrize(("wildcards", "count"), [(True, 1), (False, 0)])
def test_worklists_are_asked_in_the_same_way(
    worklist: WlmScpFs, wildcards: bool, count: int, control: ControlOfTest
) -> None:
    driver = DimseDriver(worklist.config(wildcards=wildcards), Settings())
    items = driver.worklist(WorklistQuery(PatientName="Jane"), control)
    driver.close()
    assert len(items) == count
