"""C-FIND against peers that answer oddly, and what the driver makes of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from Testing.support.faulty_peer import FaultyPeer, PeerSide
from Testing.support.file_sink import ControlOfTest
from VisualDICOMBrowserLib.errors import PeerError, PeerTimeoutError
from VisualDICOMBrowserLib.model import FindResult, Level, Query, RetrieveRequest, StudyRecord
from VisualDICOMBrowserLib.servers.bulk.fetch import FetchPart
from VisualDICOMBrowserLib.servers.dimse import links
from VisualDICOMBrowserLib.servers.dimse.driver import DimseDriver
from VisualDICOMBrowserLib.servers.dimse.find import PATIENT_ROOT_FIND, STUDY_ROOT_FIND
from VisualDICOMBrowserLib.servers.dimse.links import open_link
from VisualDICOMBrowserLib.servers.dimse.retrieve_plan import plan_retrieve
from VisualDICOMBrowserLib.servers.dimse.storage_classes import UNCOMPRESSED
from VisualDICOMBrowserLib.servers.upper_layer.association import Caller, ContextProposal
from VisualDICOMBrowserLib.servers.upper_layer.elements import encode_elements
from VisualDICOMBrowserLib.servers.upper_layer.pdata import Command, CommandField
from VisualDICOMBrowserLib.settings import Settings

Script = Callable[[PeerSide], None]


def study_answer(uid: str | None) -> bytes:
    elements = [(0x00080052, "CS", b"STUDY")]
    if uid is not None:
        elements.append((0x0020000D, "UI", uid.encode()))
    return encode_elements(elements, implicit=False)


def find_answer(status: int, comment: str = "") -> Command:
    return Command(
        field=CommandField.C_FIND_RSP, responded_to=1, sop_class=STUDY_ROOT_FIND, status=status, comment=comment
    )


def ask(script: Script, query: Query) -> FindResult:
    with FaultyPeer(script) as peer:
        driver = DimseDriver(peer.config(timeout_s=2.0), Settings())
        try:
            return driver.find(query, ControlOfTest())
        finally:
            driver.close()


def begin_find(peer: PeerSide) -> int:
    peer.accept()
    context, request, _ = peer.read_message()
    assert request.field == CommandField.C_FIND_RQ
    return context


def test_duplicates_and_answers_without_uid_are_left_out() -> None:
    """Case 51: duplicates, missing UIDs."""

    def script(peer: PeerSide) -> None:
        context = begin_find(peer)
        for uid in ("1.1", "1.2", "1.1", None):
            peer.send(context, find_answer(0xFF00), study_answer(uid))
        peer.send(context, find_answer(0))
        peer.finish()

    result = ask(script, Query())
    assert [item.StudyInstanceUID for item in result.records if isinstance(item, StudyRecord)] == ["1.1", "1.2"]
    assert result.warnings == ("PACS gave 1 answers without identifiers; they are left out.",)


def test_a_cut_answer_says_so() -> None:
    """Case 51: server limit B001."""

    def script(peer: PeerSide) -> None:
        context = begin_find(peer)
        peer.send(context, find_answer(0xFF01), study_answer("1.1"))
        peer.send(context, find_answer(0xB001))
        peer.finish()

    result = ask(script, Query())
    assert result.limit_reached
    assert result.warnings == ("PACS gave only its first matches, more exist.",)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0xA700, r"PACS could not search: out of resources \(A700: too much\)"),
        (0xA900, r"the request does not fit the SOP class \(A900: too much\)"),
        (0xC001, r"unable to process \(C001: too much\)"),
        (0xFE00, r"cancelled by the server \(FE00: too much\)"),
    ],
)
def test_a_failed_query_is_a_failure(status: int, words: str) -> None:
    """Case 51: 0xA700, 0xA900, 0xC000, and cancelled without being asked."""

    def script(peer: PeerSide) -> None:
        context = begin_find(peer)
        peer.send(context, find_answer(0xFF00), study_answer("1.1"))
        peer.send(context, find_answer(status, "too much"))
        peer.wait_for_end()

    with pytest.raises(PeerError, match=words):
        ask(script, Query())


def test_a_query_that_ignores_cancel_is_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Case 51: cancel ignored by the server."""
    monkeypatch.setattr(links, "CANCEL_WAIT_S", 0.3)

    def script(peer: PeerSide) -> None:
        context = begin_find(peer)
        for number in range(3):
            peer.send(context, find_answer(0xFF00), study_answer(f"1.{number}"))
        peer.wait_for_end()

    result = ask(script, Query(limit=2))
    assert result.limit_reached
    assert len(result.records) == 2


def test_a_list_that_is_cut_is_not_fetched_by() -> None:
    """Case 51: B001 while a retrieve is planned."""
    plans = []

    def script(peer: PeerSide) -> None:
        context = begin_find(peer)
        peer.send(context, find_answer(0xFF00), study_answer("1.1"))
        peer.send(context, find_answer(0xB001))
        peer.finish()

    request = RetrieveRequest(StudyInstanceUID="1.1", SOPClassUIDs=("1.2.4",))
    with FaultyPeer(script) as peer:
        config = peer.config()
        link = open_link(config, Caller("US", 16384), [ContextProposal(STUDY_ROOT_FIND, UNCOMPRESSED)])
        plans += plan_retrieve(config, link, request, ControlOfTest(), 4)
        link.release()
    assert plans == [FetchPart(requests=(request,), SOPClassUIDs=("1.2.4",))]


def test_a_silent_query_ends_with_the_time_out() -> None:
    """Case 54: a stall during C-FIND."""

    def script(peer: PeerSide) -> None:
        begin_find(peer)
        peer.wait_for_end()

    with pytest.raises(PeerTimeoutError):
        ask(script, Query())


def test_patients_come_from_patient_root_and_else_from_studies() -> None:
    asked = []

    def script(peer: PeerSide) -> None:
        peer.accept()
        context, request, _ = peer.read_message()
        asked.append(request.sop_class)
        patient = encode_elements([(0x00100010, "PN", b"A^B"), (0x00100020, "LO", b"7")], implicit=False)
        peer.send(context, find_answer(0xFF00), patient)
        peer.send(context, find_answer(0))
        peer.finish()

    ask(script, Query(level=Level.PATIENT, PatientName="A"))
    ask(script, Query(level=Level.PATIENT, date_from="20240101"))
    assert asked == [PATIENT_ROOT_FIND, STUDY_ROOT_FIND]


def test_an_association_closed_while_idle_is_opened_again() -> None:
    """Case 56: the server closes an idle association."""

    def first(peer: PeerSide) -> None:
        context = begin_find(peer)
        peer.send(context, find_answer(0))
        peer.send_pdu(7, bytes(4))

    def second(peer: PeerSide) -> None:
        context = begin_find(peer)
        peer.send(context, find_answer(0xFF00), study_answer("1.1"))
        peer.send(context, find_answer(0))
        peer.finish()

    with FaultyPeer(first, second) as peer:
        driver = DimseDriver(peer.config(), Settings())
        assert driver.find(Query(), ControlOfTest()).records == ()
        assert len(driver.find(Query(), ControlOfTest()).records) == 1
        driver.close()
