"""Our node among too many, too large, too slow and unwelcome callers."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from Testing.support.byte_caller import (
    CT,
    STUDY_ROOT_MOVE,
    VERIFICATION,
    associate,
    data_set,
    echo_request,
    request_association,
    results_of,
    status_of,
    store_request,
)
from Testing.support.ct_series import CtSeries, make_ct_series
from Testing.support.dcmtk import run_client
from Testing.support.faulty_peer import PeerSide
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.node.listener_rules import ListenerRules
from VisualDICOMBrowserLib.servers.node.node import Node, NodeLimits
from VisualDICOMBrowserLib.servers.upper_layer.elements import encode_elements
from VisualDICOMBrowserLib.servers.upper_layer.pdata import Command, CommandField

StartNode = Callable[..., Node]
ABORT = 7
UNRECOGNISED = 0x0211


@contextlib.contextmanager
def connections(node: Node, count: int) -> Iterator[list[PeerSide]]:
    """Open connections that have not said a word."""
    with contextlib.ExitStack() as opened:
        yield [PeerSide(opened.enter_context(socket.create_connection(("127.0.0.1", node.port)))) for _ in range(count)]


def node_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("node-association")]


def send(node: Node, series: CtSeries) -> None:
    done = run_client("storescu", "-aec", "NODE", "127.0.0.1", str(node.port), *series.files.values())
    assert done.returncode == 0, done.stderr


def test_idle_connections_do_not_hinder_a_sender(
    start_node: StartNode, local_database: LocalDatabase, thorax_series: list[CtSeries]
) -> None:
    """Case 60: more than ten callers that connect and say nothing."""
    node = start_node(limits=NodeLimits(request_wait_s=1.0))
    with connections(node, 15) as silent:
        send(node, thorax_series[0])
        assert local_database.reader.counts().instances == len(thorax_series[0].files)
        for side in silent:
            side.wait_for_end()
    node.close()
    assert node_threads() == []


def test_a_hundred_associations_at_a_time(
    start_node: StartNode, local_database: LocalDatabase, thorax_series: list[CtSeries]
) -> None:
    """Case 60."""
    node = start_node(limits=NodeLimits(max_associations=128, max_per_peer=128))
    with connections(node, 100) as callers:
        for side in callers:
            associate(side)
        for number, side in enumerate(callers):
            uid = f"1.7.{number}"
            side.send(1, store_request(uid), data_set(uid, more=2000))
        assert {side.read_message()[1].status for side in callers} == {0}
        send(node, thorax_series[1])
        assert {status_of(side, echo_request(), context=5) for side in callers} == {0}
    node.close()
    assert local_database.reader.counts().instances == 100 + len(thorax_series[1].files)
    assert node_threads() == []


def test_who_finds_no_room_is_told_so(start_node: StartNode) -> None:
    """Case 60: local limit exceeded (PS3.8 9.3.4), and room again when somebody leaves."""
    node = start_node(limits=NodeLimits(max_per_peer=3))
    with connections(node, 3) as callers:
        for side in callers:
            associate(side)
        with connections(node, 1) as (late,):
            kind, body = request_association(late)
            assert (kind, tuple(body[1:])) == (3, (2, 3, 2))
        refused = run_client("echoscu", "-aec", "NODE", "127.0.0.1", str(node.port))
        assert "Local Limit Exceeded" in refused.stdout + refused.stderr
        callers[0].send_pdu(5, bytes(4))
        assert callers[0].read_pdu()[0] == 6
        callers[0].wait_for_end()
        # The place is free when the thread of the one who left has ended, a moment after the connection.
        tries = (run_client("echoscu", "-aec", "NODE", "127.0.0.1", str(node.port)).returncode for _ in range(100))
        assert 0 in tries


@pytest.mark.skipif(sys.platform != "linux", reason="needs a second loopback address")
def test_the_limit_of_all_callers_counts_beside_that_of_one_address(start_node: StartNode) -> None:
    """Case 60: each address has room left, the node has none."""
    node = start_node(limits=NodeLimits(max_associations=3, max_per_peer=2))
    answers = []
    with contextlib.ExitStack() as opened:
        for address in ("127.0.0.1", "127.0.0.2", "127.0.0.1", "127.0.0.1", "127.0.0.2"):
            caller = socket.create_connection(("127.0.0.1", node.port), source_address=(address, 0))
            kind, body = request_association(PeerSide(opened.enter_context(caller)))
            answers.append(kind if kind == 2 else tuple(body[1:]))
    assert answers == [2, 2, 2, (2, 3, 2), (2, 3, 2)]


@pytest.mark.parametrize("kind", [1, 4])
def test_an_announcement_of_four_gigabytes_is_refused_at_once(node: Node, kind: int) -> None:
    """Case 60: nothing is kept for it."""
    resource = pytest.importorskip("resource", reason="the system does not tell memory in use")
    with connections(node, 1) as (side,):
        if kind == 4:
            associate(side)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        side.send_pdu(kind, b"x" * 1000, length=0xFFFFFFF0)
        answer, _ = side.read_pdu()
        assert answer == ABORT
        side.wait_for_end()
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024
    assert run_client("echoscu", "-aec", "NODE", "127.0.0.1", str(node.port)).returncode == 0


def test_associations_that_are_never_released_end(start_node: StartNode, local_database: LocalDatabase) -> None:
    """Case 60: by the caller's disappearance, and by its silence."""
    node = start_node(limits=NodeLimits(idle_s=1.0))
    with connections(node, 2) as (gone, silent):
        for number, side in enumerate((gone, silent)):
            associate(side)
            assert status_of(side, store_request(f"1.8.{number}"), data_set(f"1.8.{number}")) == 0
        gone.socket.close()
        assert silent.read_pdu()[0] == ABORT
        silent.wait_for_end()
    node.close()
    assert node_threads() == []
    assert local_database.reader.counts().instances == 2


def test_larger_pdus_where_they_are_allowed(start_node: StartNode, local_database: LocalDatabase) -> None:
    node = start_node(limits=NodeLimits(max_pdu=4096))
    with connections(node, 1) as (side,):
        body = associate(side)
        assert (4096).to_bytes(4, "big") in body
        side.send_pdu(4, bytes(9000))
        assert side.read_pdu()[0] == ABORT


def test_the_address_and_the_title_decide(start_node: StartNode) -> None:
    """Case 61: unknown calling AE or address, wrong called AE."""
    node = start_node(rules=ListenerRules(["FRIEND@127.0.0.1", "*@192.0.2.0/24", "STRANGER@192.0.2.9"]))
    answers = {}
    for called, calling in (("NODE", "FRIEND"), ("NODE", "STRANGER"), ("OTHER", "FRIEND")):
        with connections(node, 1) as (side,):
            kind, body = request_association(side, called=called, calling=calling)
            answers[called, calling] = kind if kind == 2 else tuple(body[1:])
    assert answers == {("NODE", "FRIEND"): 2, ("NODE", "STRANGER"): (1, 1, 3), ("OTHER", "FRIEND"): (1, 1, 7)}
    lenient = start_node(rules=ListenerRules(check_called=False))
    assert run_client("echoscu", "-aec", "WHATEVER", "127.0.0.1", str(lenient.port)).returncode == 0


def test_services_that_are_not_ours_are_refused_and_private_images_taken(
    node: Node, local_database: LocalDatabase
) -> None:
    """Case 63."""
    private, print_class = "1.2.276.0.7230010.99.1", "1.2.840.10008.5.1.1.1"
    with connections(node, 1) as (side,):
        body = associate(side, contexts={1: private, 3: print_class, 5: CT})
        assert results_of(body) == {1: 0, 3: 3, 5: 0}
        assert status_of(side, store_request("1.9.1", private), data_set("1.9.1")) == 0
        side.send(3, store_request("1.9.2", print_class), data_set("1.9.2"))
        assert side.read_pdu()[0] == ABORT
    node.close()
    assert local_database.reader.counts().instances == 1


def test_a_flood_of_echoes_and_an_unknown_command(start_node: StartNode, thorax_series: list[CtSeries]) -> None:
    """Case 66."""
    node = start_node()
    with connections(node, 4) as callers:
        for side in callers:
            associate(side)
        for number in range(500):
            for side in callers:
                side.send(5, echo_request(number))
        send(node, thorax_series[1])
        for side in callers:
            answers = [side.read_message()[1] for _ in range(500)]
            assert [(answer.responded_to, answer.status) for answer in answers] == [(n, 0) for n in range(500)]
            unknown = Command(field=0x0140, message_id=9, sop_class=VERIFICATION)
            assert status_of(side, unknown, context=5) == UNRECOGNISED
            assert status_of(side, echo_request(), context=5) == 0


def test_a_move_can_be_called_off_while_it_connects(start_node: StartNode, silent_port: int, tmp_path: Path) -> None:
    """The destination takes the connection and never answers."""
    silent = ServerConfig(name="Silent", host="127.0.0.1", port=silent_port, called_ae_title="DEAF", timeout_s=60.0)
    node = start_node(destinations={"DEAF": silent})
    series = make_ct_series(tmp_path / "one", 3)
    send(node, series)
    identifier = encode_elements(
        [(0x00080052, "CS", b"STUDY "), (0x0020000D, "UI", series.StudyInstanceUID.encode())], implicit=False
    )
    with connections(node, 1) as (side,):
        associate(side)
        move = Command(
            field=CommandField.C_MOVE_RQ, message_id=4, sop_class=STUDY_ROOT_MOVE, priority=0, destination="DEAF"
        )
        side.send(7, move, identifier)
        side.send(7, Command(field=CommandField.C_CANCEL_RQ, responded_to=4))
        answer = side.read_message()[1]
        assert (answer.status, answer.remaining, answer.completed) == (0xFE00, 3, 0)
        assert status_of(side, echo_request(), context=5) == 0
        side.send(7, move, identifier)
        side.reset()
    node.close()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("node-")]


def test_sop_classes_of_a_study_are_told(node: Node, thorax_series: list[CtSeries]) -> None:
    send(node, thorax_series[1])
    keys = ["QueryRetrieveLevel=STUDY", "SOPClassesInStudy", "StudyInstanceUID"]
    arguments = [part for key in keys for part in ("-k", key)]
    done = run_client("findscu", "-S", "-aec", "NODE", *arguments, "127.0.0.1", str(node.port))
    assert "=CTImageStorage" in done.stdout + done.stderr
