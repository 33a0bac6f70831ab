"""Associations that a cancel, a deaf or an idle peer ends: soon, and with nothing left open."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from Testing.support.dcmtk import StoreScp
from Testing.support.faulty_peer import FaultyPeer, PeerSide
from Testing.support.file_sink import ControlOfTest, FileSink
from Testing.support.get_scripts import ANNOUNCED, begin_get
from Testing.support.opening import answer_echo, config_of, echo, echo_failure, taken_port
from VisualDICOMBrowserLib.errors import (
    JobCancelled,
    PeerTimeoutError,
)
from VisualDICOMBrowserLib.model import Query
from VisualDICOMBrowserLib.servers.dimse.driver import DimseDriver
from VisualDICOMBrowserLib.servers.upper_layer.pdata import Command, CommandField
from VisualDICOMBrowserLib.settings import Settings


@pytest.fixture
def full_port() -> Iterator[int]:
    with taken_port() as port:
        yield port


def cancel_soon(control: ControlOfTest) -> threading.Timer:
    timer = threading.Timer(0.3, control.cancel)
    timer.name = "cancel-soon"
    timer.start()
    return timer


def test_cancel_while_connecting_and_while_waiting_for_an_answer(
    full_port: int, silent_port: int, control: ControlOfTest
) -> None:
    """Case 57."""
    for port in (full_port, silent_port):
        control = ControlOfTest()
        timer = cancel_soon(control)
        started = time.monotonic()
        with pytest.raises(JobCancelled):
            echo(config_of(port, timeout_s=20.0), control)
        assert time.monotonic() - started < 3
        timer.join()


def test_cancel_while_the_name_is_looked_up(monkeypatch: pytest.MonkeyPatch, control: ControlOfTest) -> None:
    """Case 57."""
    answered = threading.Event()

    def look_up(host: str, *arguments: object, **keywords: object) -> object:
        if not keywords.get("flags"):
            control.cancel()
            answered.wait(10)
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    started = time.monotonic()
    with pytest.raises(JobCancelled):
        echo(config_of(104, "pacs.example.org", 20.0), control)
    assert time.monotonic() - started < 3
    answered.set()


def test_a_name_server_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Case 48."""
    answered = threading.Event()

    def look_up(host: str, *arguments: object, **keywords: object) -> object:
        if not keywords.get("flags"):
            answered.wait(10)
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    failure = echo_failure(config_of(104, "pacs.example.org", 1.0))
    answered.set()
    assert failure.code == "timeout"
    assert failure.message == "PACS: the name pacs.example.org could not be looked up in 1 s."


def test_cancel_while_an_echo_is_awaited(control: ControlOfTest) -> None:
    """Case 57."""

    def script(peer: PeerSide) -> None:
        peer.accept()
        peer.read_message()
        control.cancel()
        peer.wait_for_end()

    with FaultyPeer(script) as peer, pytest.raises(JobCancelled):
        echo(peer.config(timeout_s=20.0), control)


@pytest.mark.parametrize("own_loop", [True, False])
def test_a_release_that_is_not_answered(own_loop: bool) -> None:
    """Case 58."""

    def script(peer: PeerSide) -> None:
        answer_echo(peer)
        assert peer.read_pdu()[0] == 5
        peer.wait_for_end()

    with FaultyPeer(script) as peer:
        started = time.monotonic()
        assert echo(peer.config(timeout_s=2.0), own_loop=own_loop) > 0
        assert time.monotonic() - started < 5


@pytest.mark.parametrize("own_loop", [True, False])
def test_the_server_closes_an_idle_association_and_the_next_query_opens_another(own_loop: bool) -> None:
    """Case 56."""
    closed = threading.Event()

    def answer_find(peer: PeerSide) -> None:
        context, command, _ = peer.read_message()
        assert command.field == CommandField.C_FIND_RQ
        peer.send(context, Command(field=CommandField.C_FIND_RSP, responded_to=command.message_id, status=0))

    def once(peer: PeerSide) -> None:
        peer.accept()
        answer_find(peer)
        peer.socket.shutdown(socket.SHUT_RDWR)
        closed.set()

    def again(peer: PeerSide) -> None:
        peer.accept()
        answer_find(peer)
        peer.finish()

    with FaultyPeer(once, again) as peer:
        driver = DimseDriver(peer.config(), Settings(), own_loop=own_loop)
        assert driver.find(Query(PatientID="1"), ControlOfTest()).records == ()
        assert closed.wait(5)
        assert driver.find(Query(PatientID="1"), ControlOfTest()).records == ()
        driver.close()


def test_a_half_open_association_is_left_after_the_time_out(sink: FileSink) -> None:
    """Case 56."""

    def script(peer: PeerSide) -> None:
        begin_get(peer)
        peer.socket.shutdown(socket.SHUT_RD)
        peer.wait_for_end()
        released.wait(10)

    released = threading.Event()
    with FaultyPeer(script) as peer:
        with pytest.raises(PeerTimeoutError):
            DimseDriver(peer.config(timeout_s=1.0), Settings()).retrieve(ANNOUNCED, sink, ControlOfTest())
        released.set()
    assert sink.stray_files() == []


def test_openings_leave_no_socket_behind(free_port: int, storescp: StoreScp) -> None:
    """Cases 48 and 56."""

    def script(peer: PeerSide) -> None:
        peer.read_pdu()
        peer.send_pdu(7, bytes(4))

    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    echo(storescp.config())
    before = open_files()
    for _ in range(20):
        echo(storescp.config())
        echo_failure(config_of(free_port))
    with FaultyPeer(*[script] * 10) as peer:
        for _ in range(10):
            echo_failure(peer.config())
    assert open_files() == before
