"""C-MOVE to our listener from peers that do what good servers never do (case 53)."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from Testing.support.ct_series import CtSeries, make_ct_series
from Testing.support.faulty_peer import FaultyPeer, PeerSide
from Testing.support.file_sink import FileSink
from Testing.support.get_scripts import CT
from Testing.support.listening import Listening, Mover, begin_move, move_answer
from VisualDICOMBrowserLib.errors import (
    PeerError,
)
from VisualDICOMBrowserLib.model import RetrieveRequest
from VisualDICOMBrowserLib.servers.dimse.driver import DimseDriver
from VisualDICOMBrowserLib.servers.node.node import Node
from VisualDICOMBrowserLib.servers.upper_layer.elements import encode_elements


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


@both_paths
def test_instances_before_and_after_the_final_answer_are_counted(
    mover: Mover, series: CtSeries, own_loop: bool
) -> None:
    """Case 53: data arrives before and after the final response."""
    first, *rest = series.files.values()
    late = threading.Thread(target=lambda: mover.listening.take(rest), name="late-sender")

    def script(peer: PeerSide) -> None:
        context = begin_move(peer)
        mover.listening.take([first])
        peer.send(context, move_answer(0xFF00, remaining=2, completed=1, failed=0, warning=0))
        peer.send(context, move_answer(0, completed=3, failed=0, warning=0))
        late.start()
        peer.finish()

    mover.settings["retrieve/move_wait_s"] = 20.0
    result = mover.run(script, own_loop=own_loop)
    late.join()
    assert (result.received, result.failed_count) == (3, 0)
    assert mover.counted == sorted(series.files)
    assert mover.control.last_progress[:2] == (3, 3)
    assert mover.control.messages == ['PACS sends by C-MOVE to "NODE".']


@both_paths
@pytest.mark.parametrize("counters", [{"completed": 3, "failed": 0, "warning": 0}, {}])
def test_success_without_any_instance(mover: Mover, counters: dict[str, int], own_loop: bool) -> None:
    """Case 53: success, but nothing arrives."""

    def script(peer: PeerSide) -> None:
        peer.send(begin_move(peer), move_answer(0, **counters))
        peer.finish()

    failure = mover.failure(script, own_loop=own_loop)
    assert isinstance(failure, PeerError)
    assert failure.code == "move_nothing_came"
    port = mover.listening.port
    assert failure.message == f"PACS reports success, but nothing arrived on port {port}."
    assert failure.next_step == f'Check that it has registered us as AE title "NODE", 127.0.0.1, port {port}.'


@pytest.mark.parametrize(
    ("status", "comment"), [(0xA801, ""), (0xC000, "Move destination NODE unknown"), (0xC001, "Unknown AET")]
)
def test_an_unknown_destination(mover: Mover, status: int, comment: str) -> None:
    """Case 53: destination unknown."""

    def script(peer: PeerSide) -> None:
        peer.send(begin_move(peer), move_answer(status, comment))
        peer.finish()

    with FaultyPeer(script, no_more_answers) as peer:
        driver = DimseDriver(peer.config(retrieve_protocol="C-MOVE"), mover.settings, services=mover.listening.services)
        with pytest.raises(PeerError) as raised:
            driver.retrieve(mover.request, mover.sink, mover.control)
    assert raised.value.code == "move_destination"
    assert raised.value.message == 'PACS does not know where "NODE" is.'
    assert str(mover.listening.port) in raised.value.next_step


def no_more_answers(peer: PeerSide) -> None:
    """Reject the search by which the driver makes sure."""
    peer.accept()
    peer.read_message()
    peer.send_pdu(7, bytes(4))


@both_paths
def test_a_destination_that_is_down(mover: Mover, series: CtSeries, own_loop: bool) -> None:
    """Case 53: destination down, 0xA702."""
    failed = encode_elements([(0x00080058, "UI", "\\".join(series.files).encode())], implicit=False)

    def script(peer: PeerSide) -> None:
        peer.send(begin_move(peer), move_answer(0xA702, completed=0, failed=3, warning=0), failed)
        peer.finish()

    failure = mover.failure(script, own_loop=own_loop)
    assert failure.code == "peer_status"
    assert failure.message == 'PACS could not send the images to "NODE": none of the images could be sent (A702).'
    assert failure.next_step.startswith('Check that it can reach AE title "NODE"')


def test_nothing_there_is_not_found(mover: Mover) -> None:
    """Case 53: success with no sub-operation at all."""

    def script(peer: PeerSide) -> None:
        peer.send(begin_move(peer), move_answer(0, completed=0, failed=0, warning=0))
        peer.finish()

    assert mover.failure(script).code == "not_found"


def test_missing_instances_are_counted_and_named(mover: Mover, series: CtSeries) -> None:
    """Case 53: late by minutes; the job says what is missing, and what comes later is in the database all the same."""
    first, second, third = series.files.items()
    mover.request = dataclasses.replace(mover.request, SOPInstanceUIDs=tuple(series.files))
    failed = encode_elements([(0x00080058, "UI", second[0].encode())], implicit=False)

    def script(peer: PeerSide) -> None:
        context = begin_move(peer)
        mover.listening.take([first[1]])
        peer.send(context, move_answer(0xB000, completed=2, failed=1, warning=0), failed)
        peer.finish()

    result = mover.run(script)
    assert (result.received, result.failed_count) == (1, 2)
    assert {item.SOPInstanceUID: item.reason for item in result.failed} == {
        second[0]: "PACS could not send it: some of the images could not be sent (B000).",
        third[0]: "It did not arrive from PACS.",
    }
    mover.listening.take([third[1]])
    assert mover.counted == [first[0]]  # nobody waits for it any more


def test_an_instance_that_comes_twice_stands_for_no_other(mover: Mover, series: CtSeries) -> None:
    """Case 53: wrong counters; the same instance twice."""
    first, second, _ = series.files.values()

    def script(peer: PeerSide) -> None:
        context = begin_move(peer)
        mover.listening.take([first])
        mover.listening.take([first, second])
        peer.send(context, move_answer(0, completed=3))
        peer.finish()

    result = mover.run(script)
    assert (result.received, result.failed_count) == (2, 1)


def test_another_study_is_not_ours(mover: Mover, series: CtSeries, tmp_path: Path) -> None:
    """Case 53: foreign instances are stored by the listener, and counted for nobody."""
    other = make_ct_series(tmp_path / "other", 2, number=8)

    def script(peer: PeerSide) -> None:
        context = begin_move(peer)
        mover.listening.take(other.files.values())
        mover.listening.take(series.files.values())
        peer.send(context, move_answer(0, completed=3))
        peer.finish()

    result = mover.run(script)
    assert (result.received, result.failed_count) == (3, 0)
    assert mover.counted == sorted(series.files)


def test_data_from_another_ae_is_counted_and_noted(mover: Mover, series: CtSeries) -> None:
    """Case 53: from another AE than the one that was asked."""

    def script(peer: PeerSide) -> None:
        context = begin_move(peer)
        mover.listening.take(series.files.values(), caller="GATEWAY")
        peer.send(context, move_answer(0, completed=3))
        peer.finish()

    assert mover.run(script).received == 3
    assert mover.control.messages[1:] == ['The images of PACS came from "GATEWAY" at 127.0.0.1.']


def test_data_from_another_address_is_counted_and_noted(mover: Mover, series: CtSeries) -> None:
    """Case 53: from another IP address."""

    def script(peer: PeerSide) -> None:
        from pynetdicom import AE

        context = begin_move(peer)
        entity = AE(ae_title="PACS")
        entity.add_requested_context(CT)
        association = entity.associate(
            "127.0.0.1", mover.listening.port, ae_title="NODE", bind_address=("127.0.0.2", 0)
        )
        for path in series.files.values():
            assert association.send_c_store(path).Status == 0
        association.release()
        peer.send(context, move_answer(0, completed=3))
        peer.finish()

    assert mover.run(script).received == 3
    assert mover.control.messages[1:] == ['The images of PACS came from "PACS" at 127.0.0.2.']


def test_counters_that_are_too_low_lose_nothing(mover: Mover, series: CtSeries) -> None:
    """Case 53: wrong counters; with success, what the query announced is waited for."""
    first, *rest = series.files.values()
    late = threading.Thread(target=lambda: mover.listening.take(rest), name="late-sender")

    def script(peer: PeerSide) -> None:
        context = begin_move(peer)
        mover.listening.take([first])
        peer.send(context, move_answer(0, completed=1))
        late.start()
        peer.finish()

    mover.settings["retrieve/move_wait_s"] = 20.0
    result = mover.run(script)
    late.join()
    assert (result.received, result.failed_count) == (3, 0)


@pytest.mark.parametrize(
    ("status", "failed_count"), [(0xC000, 1), (0xA702, 2), (0xFE00, 2)], ids=["failure", "wrong", "cancelled"]
)
def test_a_failure_after_some_instances(mover: Mover, series: CtSeries, status: int, failed_count: int) -> None:
    """Case 53: a status that contradicts what came; what came counts."""
    mover.request = dataclasses.replace(mover.request, expected=None)
    counters = {} if status == 0xC000 else {"completed": 1, "failed": 2}

    def script(peer: PeerSide) -> None:
        context = begin_move(peer)
        mover.listening.take(list(series.files.values())[:1])
        peer.send(context, move_answer(status, **counters))
        peer.finish()

    result = mover.run(script)
    assert (result.received, result.failed_count) == (1, failed_count)
