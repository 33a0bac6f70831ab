"""C-FIND: filters that a server refuses, long, wrong and undeclared answers, and cancel at each stage."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from Testing.support.dcmtk import DcmQrScp
from Testing.support.faulty_peer import FaultyPeer, PeerSide
from Testing.support.file_sink import ControlOfTest
from VisualDICOMBrowserLib.errors import JobCancelled, PeerError
from VisualDICOMBrowserLib.model import AnyRecord, FindResult, Level, Query, SeriesRecord, StudyRecord
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse import links, pynetdicom_link
from VisualDICOMBrowserLib.servers.dimse.driver import DimseDriver
from VisualDICOMBrowserLib.servers.dimse.find import STUDY_ROOT_FIND
from VisualDICOMBrowserLib.servers.upper_layer.elements import Element, encode_elements
from VisualDICOMBrowserLib.servers.upper_layer.pdata import Command, CommandField
from VisualDICOMBrowserLib.settings import Settings

STUDY_DESCRIPTION, SERIES_DESCRIPTION, MODALITIES = 0x00081030, 0x0008103E, 0x00080061


def find_answer(status: int) -> Command:
    return Command(field=CommandField.C_FIND_RSP, responded_to=1, sop_class=STUDY_ROOT_FIND, status=status)


def study(uid: str, *more: Element) -> bytes:
    return encode_elements([(0x00080052, "CS", b"STUDY"), (0x0020000D, "UI", uid.encode()), *more], implicit=False)


def ask(
    script: Callable[[PeerSide], None],
    query: Query,
    control: ControlOfTest | None = None,
    on_records: Callable[[list[AnyRecord]], None] | None = None,
    *,
    own_loop: bool = True,
    **changes: Any,
) -> FindResult:
    with FaultyPeer(script) as peer:
        driver = DimseDriver(peer.config(**changes), Settings(), own_loop=own_loop)
        try:
            return driver.find(query, control or ControlOfTest(), on_records)
        finally:
            driver.close()


def both(status: int, refused: int, *answers: bytes) -> tuple[Callable[[PeerSide], None], list[dict[int, bytes]]]:
    """A peer that refuses identifiers with a value for the tag `refused`, and what it was asked."""
    asked: list[dict[int, bytes]] = []

    def script(peer: PeerSide) -> None:
        peer.accept()
        while True:
            context, command, identifier = peer.read_identifier()
            asked.append(identifier)
            number = command.message_id
            if identifier.get(refused):
                peer.send(context, dataclasses.replace(find_answer(status), responded_to=number))
                continue
            for data in answers:
                peer.send(context, dataclasses.replace(find_answer(0xFF00), responded_to=number), data)
            peer.send(context, dataclasses.replace(find_answer(0), responded_to=number))
            peer.finish()
            return

    return script, asked


@pytest.mark.parametrize("status", [0xA900, 0xC000, 0xC001])
def test_a_refused_series_description_is_left_out_and_said(status: int) -> None:
    """Case 51: an optional key is refused; the second try goes without it, the filter is applied here."""
    series = [
        encode_elements(
            [(0x0020000E, "UI", uid), (SERIES_DESCRIPTION, "LO", text), (0x0020000D, "UI", b"1.2")], implicit=False
        )
        for uid, text in ((b"1.2.1", b"Axial 5"), (b"1.2.2", b"Coronal"), (b"1.2.3", b"thin AXIAL"))
    ]
    script, asked = both(status, SERIES_DESCRIPTION, *series)
    result = ask(script, Query(level=Level.SERIES, StudyInstanceUID="1.2", SeriesDescription="axial"))
    assert [item.SeriesInstanceUID for item in result.records if isinstance(item, SeriesRecord)] == ["1.2.1", "1.2.3"]
    assert result.warnings == ("PACS cannot search by series description. Asked without it.",)
    assert [SERIES_DESCRIPTION in identifier for identifier in asked] == [True, True]


def test_refused_study_description_and_modality() -> None:
    """Case 51: both optional keys of the study level."""
    answers = [
        study(uid, (STUDY_DESCRIPTION, "LO", text), (MODALITIES, "CS", modality))
        for uid, text, modality in (("1.1", b"Head", b"CT"), ("1.2", b"Head", b"MR"), ("1.3", b"Foot", b"CT"))
    ]
    script, _ = both(0xA900, STUDY_DESCRIPTION, *answers)
    result = ask(script, Query(StudyDescription="head", Modalities=("CT",)))
    assert [item.StudyInstanceUID for item in result.records if isinstance(item, StudyRecord)] == ["1.1"]
    assert result.warnings == ("PACS cannot search by study description and modality. Asked without them.",)


def test_a_refusal_that_stays_is_the_first_one() -> None:
    """Case 51: 0xA900 whatever is left out."""

    def script(peer: PeerSide) -> None:
        peer.accept()
        for status in (0xA900, 0xC123):
            context, _, _ = peer.read_identifier()
            peer.send(context, find_answer(status))
        peer.finish()

    with pytest.raises(PeerError, match=r"PACS could not search: the request does not fit the SOP class \(A900\)"):
        ask(script, Query(StudyDescription="head"))


def test_refused_wild_cards_have_a_next_step() -> None:
    """Case 51: wildcard refused."""

    def script(peer: PeerSide) -> None:
        peer.accept()
        context, _, identifier = peer.read_identifier()
        assert identifier[0x00100010].strip() == b"*doe*"
        peer.send(context, find_answer(0xA900))
        peer.finish()

    with pytest.raises(PeerError) as raised:
        ask(script, Query(PatientName="doe"))
    assert raised.value.next_step == (
        "It may not know wild cards: switch them off for this server, "
        "and try the whole patient ID, name or accession number."
    )


def test_out_of_resources_is_not_asked_again() -> None:
    """Case 51: 0xA700 is no word about keys."""

    def script(peer: PeerSide) -> None:
        peer.accept()
        context, _, _ = peer.read_identifier()
        peer.send(context, find_answer(0xA700))
        peer.finish()

    with pytest.raises(PeerError) as raised:
        ask(script, Query(StudyDescription="head"))
    assert raised.value.code == "busy"


def test_ten_thousand_answers_come_in_batches() -> None:
    """Case 51: 10,000 responses, each once."""
    sizes: list[int] = []

    def script(peer: PeerSide) -> None:
        peer.accept()
        context, _, _ = peer.read_identifier()
        for number in range(10_000):
            peer.send(context, find_answer(0xFF00), study(f"1.{number}"))
        peer.send(context, find_answer(0))
        peer.finish()

    result = ask(script, Query(), on_records=lambda records: sizes.append(len(records)))
    assert len({item.StudyInstanceUID for item in result.records if isinstance(item, StudyRecord)}) == 10_000
    assert sum(sizes) == 10_000
    assert max(sizes) <= 200


def test_answers_of_another_level_and_without_patient() -> None:
    """Case 51: wrong level (one answer per instance), study without Patient ID, nothing at all in an answer."""

    def script(peer: PeerSide) -> None:
        peer.accept()
        context, _, _ = peer.read_identifier()
        for instance in (b"1.1.1.1", b"1.1.1.2"):
            image: list[Element] = [
                (0x00080052, "CS", b"IMAGE"),
                (0x00080018, "UI", instance),
                (0x0020000D, "UI", b"1.1"),
            ]
            peer.send(context, find_answer(0xFF00), encode_elements(image, implicit=False))
        peer.send(context, find_answer(0xFF00), study("1.2", (0x00100010, "PN", b"A^B")))
        peer.send(context, find_answer(0xFF00), encode_elements([(0x00080052, "CS", b"SERIES")], implicit=False))
        peer.send(context, find_answer(0))
        peer.finish()

    result = ask(script, Query())
    found = [(item.StudyInstanceUID, item.PatientID) for item in result.records if isinstance(item, StudyRecord)]
    assert found == [("1.1", ""), ("1.2", "")]
    assert len(result.warnings) == 1


@pytest.mark.parametrize(("raw", "name"), [("Müller".encode(), "Müller"), ("Müller".encode("latin_1"), "Müller")])
def test_a_character_set_that_is_not_declared(raw: bytes, name: str) -> None:
    """Case 51: charset not declared."""

    def script(peer: PeerSide) -> None:
        peer.accept()
        context, _, _ = peer.read_identifier()
        peer.send(context, find_answer(0xFF00), study("1.2", (0x00100010, "PN", raw)))
        peer.send(context, find_answer(0))
        peer.finish()

    (found,) = ask(script, Query()).records
    assert isinstance(found, StudyRecord)
    assert found.PatientName == name


def test_dates_and_limit_of_the_settings_hold() -> None:
    """The driver asks as the server is set up; dates that exclude each other ask nobody."""
    asked: list[bytes] = []

    def script(peer: PeerSide) -> None:
        peer.accept()
        context, _, identifier = peer.read_identifier()
        asked.append(identifier[0x00080020].strip())
        for number in range(3):
            peer.send(context, find_answer(0xFF00), study(f"1.{number}"))
        assert peer.read_message()[1].field == CommandField.C_CANCEL_RQ
        peer.send(context, find_answer(0xFE00))
        peer.finish()

    result = ask(script, Query(date_from="20230101"), date_from="20240101", date_to="20241231", search_limit=2)
    assert (asked, len(result.records), result.limit_reached) == ([b"20240101-20241231"], 2, True)

    def idle(peer: PeerSide) -> None:
        peer.accept()
        peer.finish()

    assert ask(idle, Query(date_from="20250101"), date_to="20241231").records == ()


def test_a_server_that_closes_after_each_query_is_asked_again(dcmqrscp: DcmQrScp) -> None:
    """Nothing is kept open where the settings say so."""
    driver = DimseDriver(dcmqrscp.config(keep_association=False), Settings())
    for _ in range(2):
        assert driver.find(Query(PatientID="CT-1"), ControlOfTest()).records
    driver.close()


both_paths = pytest.mark.parametrize("own_loop", [True, False], ids=["own loop", "pynetdicom"])


@both_paths
@pytest.mark.parametrize("stage", ["before", "opening", "silent", "answering"])
def test_cancel_of_a_query_at_each_stage(stage: str, own_loop: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Case 57: before connecting, while the association opens, before the first answer, between answers."""
    monkeypatch.setattr(links, "CANCEL_WAIT_S", 0.3)
    monkeypatch.setattr(pynetdicom_link, "CANCEL_WAIT_S", 0.3)
    control = ControlOfTest()
    if stage == "before":
        control.cancel()
        config = ServerConfig(name="PACS", host="127.0.0.1", port=1, called_ae_title="PACS")
        with pytest.raises(JobCancelled):
            DimseDriver(config, Settings(), own_loop=own_loop).find(Query(), control)
        return

    def script(peer: PeerSide) -> None:
        if stage == "opening":
            peer.read_pdu()
            control.cancel()
            peer.wait_for_end()
            return
        peer.accept()
        context, _, _ = peer.read_message()
        if stage == "answering":
            peer.send(context, find_answer(0xFF00), study("1.1"))
        control.cancel()
        peer.wait_for_end()

    with pytest.raises(JobCancelled):
        ask(script, Query(), control, own_loop=own_loop, timeout_s=3.0)
