"""C-MOVE to our listener that is broken off, stalls or is cancelled (cases 54, 55, 57 and 58)."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable

import pytest

from Testing.support.ct_series import CtSeries, make_ct_series
from Testing.support.faulty_peer import PeerSide
from Testing.support.file_sink import ControlOfTest, FileSink
from Testing.support.listening import Listening, Mover, Script, begin_move, move_answer
from VisualDICOMBrowserLib.errors import (
    AssociationError,
    JobCancelled,
    NetworkError,
    PeerTimeoutError,
    UsageError,
    VisualDICOMError,
)
from VisualDICOMBrowserLib.model import RetrieveRequest
from VisualDICOMBrowserLib.servers.arrivals import Arrivals
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse import links, pynetdicom_link
from VisualDICOMBrowserLib.servers.dimse.driver import DimseDriver
from VisualDICOMBrowserLib.servers.dimse.move import PATIENT_ROOT_MOVE
from VisualDICOMBrowserLib.servers.driver import DriverServices
from VisualDICOMBrowserLib.servers.node.node import Node
from VisualDICOMBrowserLib.servers.upper_layer.negotiation import accept_pdu, accepted_contexts, parse_request
from VisualDICOMBrowserLib.servers.upper_layer.pdata import CommandField
from VisualDICOMBrowserLib.settings import Settings


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> CtSeries:
    """Three slices."""
    return make_ct_series(tmp_path_factory.mktemp("moved"), 3)


@pytest.fixture
def listening(start_node: Callable[..., Node]) -> Listening:
    """Our node."""
    return Listening(start_node)


@pytest.fixture
def request_(series: CtSeries) -> RetrieveRequest:
    """The whole series, announced."""
    return RetrieveRequest(
        StudyInstanceUID=series.StudyInstanceUID, SeriesInstanceUID=series.SeriesInstanceUID, expected=3
    )


@pytest.fixture
def mover(listening: Listening, request_: RetrieveRequest, sink: FileSink) -> Mover:
    """All three together."""
    return Mover(listening, request_, sink)


both_paths = pytest.mark.parametrize("own_loop", [True, False], ids=["own loop", "pynetdicom"])


def abort(peer: PeerSide) -> None:
    peer.send_pdu(7, bytes(4))
    peer.wait_for_end()


def reset(peer: PeerSide) -> None:
    peer.reset()


@both_paths
@pytest.mark.parametrize(("end", "kinds"), [(abort, AssociationError), (reset, (NetworkError, AssociationError))])
def test_a_broken_association_keeps_what_came(
    mover: Mover, series: CtSeries, end: Script, kinds: type[VisualDICOMError], own_loop: bool
) -> None:
    """Case 54: A-ABORT and RST in the middle of a C-MOVE."""

    def script(peer: PeerSide) -> None:
        context = begin_move(peer)
        mover.listening.take(list(series.files.values())[:1])
        peer.send(context, move_answer(0xFF00, remaining=2, completed=1))
        end(peer)

    failure = mover.failure(script, own_loop=own_loop)
    assert isinstance(failure, kinds)
    assert failure.message.endswith("1 of 3 images had arrived and are kept.")
    assert len(mover.counted) == 1


@both_paths
def test_silence_ends_with_the_time_out(mover: Mover, own_loop: bool) -> None:
    """Case 54: a stall in the middle of a C-MOVE."""

    def script(peer: PeerSide) -> None:
        begin_move(peer)
        peer.wait_for_end()

    assert isinstance(mover.failure(script, own_loop=own_loop, timeout_s=1.0), PeerTimeoutError)


@both_paths
def test_a_server_without_pending_answers_is_not_silent_while_images_come(
    mover: Mover, series: CtSeries, own_loop: bool
) -> None:
    """Case 54: pending answers are optional, arrivals show that it goes on."""

    def script(peer: PeerSide) -> None:
        context = begin_move(peer)
        for path in series.files.values():
            assert not threading.Event().wait(0.7)
            mover.listening.take([path])
        peer.send(context, move_answer(0, completed=3))
        peer.finish()

    assert mover.run(script, own_loop=own_loop, timeout_s=1.2).received == 3


def test_what_dicom_does_not_allow_ends_the_association(mover: Mover) -> None:
    """Case 55: an answer of another service."""

    def script(peer: PeerSide) -> None:
        context = begin_move(peer)
        peer.send(context, dataclasses.replace(move_answer(0), field=CommandField.C_FIND_RSP))
        peer.wait_for_end()

    assert mover.failure(script).code == "protocol"


@both_paths
def test_cancel_is_sent_and_its_answer_awaited(mover: Mover, series: CtSeries, own_loop: bool) -> None:
    """Case 57: cancelled in mid-flight; what came is kept."""

    def script(peer: PeerSide) -> None:
        context = begin_move(peer)
        mover.listening.take(list(series.files.values())[:1])
        peer.send(context, move_answer(0xFF00, remaining=2, completed=1))
        mover.control.cancel()
        _, cancel, _ = peer.read_message()
        assert (cancel.field, cancel.responded_to) == (CommandField.C_CANCEL_RQ, 1)
        peer.send(context, move_answer(0xFE00, remaining=2, completed=1))
        peer.finish()

    assert isinstance(mover.failure(script, own_loop=own_loop), JobCancelled)
    assert len(mover.counted) == 1


@both_paths
def test_a_peer_deaf_to_cancel_is_aborted(mover: Mover, monkeypatch: pytest.MonkeyPatch, own_loop: bool) -> None:
    """Case 57: the peer does not obey."""
    monkeypatch.setattr(links, "CANCEL_WAIT_S", 0.3)
    monkeypatch.setattr(pynetdicom_link, "CANCEL_WAIT_S", 0.3)

    def script(peer: PeerSide) -> None:
        begin_move(peer)
        mover.control.cancel()
        peer.wait_for_end()

    assert isinstance(mover.failure(script, own_loop=own_loop), JobCancelled)


def test_cancel_before_and_after(mover: Mover) -> None:
    """Case 57: cancelled while the association opens, and while what was promised is waited for."""

    def opening(peer: PeerSide) -> None:
        peer.read_pdu()
        mover.control.cancel()
        peer.wait_for_end()

    assert isinstance(mover.failure(opening), JobCancelled)
    mover.control = ControlOfTest()
    mover.settings["retrieve/move_wait_s"] = 60.0

    def promising(peer: PeerSide) -> None:
        peer.send(begin_move(peer), move_answer(0, completed=3))
        peer.finish()
        mover.control.cancel()

    assert isinstance(mover.failure(promising), JobCancelled)
    with pytest.raises(JobCancelled):
        DimseDriver(
            ServerConfig(name="PACS", host="127.0.0.1", port=1, called_ae_title="PACS", retrieve_protocol="C-MOVE"),
            Settings(),
            services=mover.listening.services,
        ).retrieve(mover.request, mover.sink, mover.control)


def test_a_release_that_is_not_answered(mover: Mover, series: CtSeries) -> None:
    """Case 58: the result counts all the same."""

    def script(peer: PeerSide) -> None:
        context = begin_move(peer)
        mover.listening.take(series.files.values())
        peer.send(context, move_answer(0, completed=3))
        peer.wait_for_end()

    assert mover.run(script).received == 3


def test_patient_root_is_used_where_only_that_is_accepted(mover: Mover, series: CtSeries) -> None:
    """Identifiers of Patient Root name the patient (PS3.4 C.4.2.2.1)."""
    mover.request = dataclasses.replace(mover.request, PatientID="CT-1")
    asked = []

    def script(peer: PeerSide) -> None:
        _, body = peer.read_pdu()
        peer.request = parse_request(body)
        contexts = accepted_contexts(
            peer.request, lambda abstract, syntaxes, _: syntaxes[0] if abstract == PATIENT_ROOT_MOVE else ""
        )
        peer.socket.sendall(accept_pdu(peer.request, contexts, 16384))
        context, command, identifier = peer.read_identifier()
        asked.append((command.sop_class, identifier[0x00100020], identifier[0x00080052].strip()))
        mover.listening.take(series.files.values())
        peer.send(context, move_answer(0, completed=3))
        peer.finish()

    assert mover.run(script).received == 3
    assert asked == [(PATIENT_ROOT_MOVE, b"CT-1", b"SERIES")]


def test_without_a_listener_it_is_not_offered(mover: Mover) -> None:
    """A sentence instead of a C-MOVE to nobody."""
    config = ServerConfig(name="PACS", host="127.0.0.1", called_ae_title="PACS", retrieve_protocol="C-MOVE")
    for services in (None, DriverServices(arrivals=Arrivals())):
        with pytest.raises(UsageError, match="PACS sends by C-MOVE, for which our own listener has to run") as raised:
            DimseDriver(config, Settings(), services=services).retrieve(mover.request, mover.sink, mover.control)
        assert raised.value.code == "not_offered"
