"""C-GET that a peer breaks off: a sentence for a person, whole instances kept, nothing partial left."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from Testing.support.faulty_peer import COMMAND, LAST, PeerSide
from Testing.support.file_sink import FileSink
from Testing.support.get_scripts import (
    Script,
    begin_get,
    data_set,
    failure_of,
    store,
    store_command,
)
from VisualDICOMBrowserLib.errors import (
    AssociationError,
    NetworkError,
    PeerError,
    PeerTimeoutError,
    VisualDICOMError,
)
from VisualDICOMBrowserLib.servers.upper_layer import channel as channel_module
from VisualDICOMBrowserLib.servers.upper_layer.pdata import Command


def abort_within_instance(peer: PeerSide) -> None:
    _, context = begin_get(peer)
    assert store(peer, context, "1.5.1") == 0
    peer.send_command_only(context, store_command("1.5.2", 2))
    peer.send_pdv(context, 0, data_set("1.5.2")[:5000])
    peer.send_pdu(7, bytes(4))
    peer.wait_for_end()


def reset_within_instance(peer: PeerSide) -> None:
    _, context = begin_get(peer)
    assert store(peer, context, "1.5.1") == 0
    peer.send_command_only(context, store_command("1.5.2", 2))
    peer.send_pdv(context, 0, data_set("1.5.2")[:5000])
    peer.reset()


def release_within_instance(peer: PeerSide) -> None:
    _, context = begin_get(peer)
    assert store(peer, context, "1.5.1") == 0
    peer.send_command_only(context, store_command("1.5.2", 2))
    peer.send_pdu(5, bytes(4))
    peer.wait_for_end()


@pytest.mark.parametrize(
    ("script", "kind", "message"),
    [
        (abort_within_instance, AssociationError, "PACS broke off the connection."),
        (reset_within_instance, NetworkError, "The connection to PACS was lost."),
        (release_within_instance, AssociationError, "PACS ended the connection before it had answered."),
    ],
)
def test_a_broken_transfer_keeps_whole_instances(
    script: Script, kind: type[VisualDICOMError], message: str, sink: FileSink
) -> None:
    """Case 54: A-ABORT, RST and release within an instance."""
    failure = failure_of(script, sink)
    assert isinstance(failure, kind)
    assert failure.message == f"{message} 1 of 2 images had arrived and are kept."
    assert [item.SOPInstanceUID for item in sink.files] == ["1.5.1"]


@pytest.mark.parametrize("stage", ["before", "within", "after"])
def test_a_silent_stall_ends_with_the_time_out(stage: str, sink: FileSink) -> None:
    """Cases 52 and 54: a stall at each stage; the final response missing."""

    def script(peer: PeerSide) -> None:
        _, context = begin_get(peer)
        if stage == "within":
            peer.send_command_only(context, store_command("1.5.1"))
            peer.send_pdv(context, 0, b"\x08\0\x18\0")
        elif stage == "after":
            store(peer, context, "1.5.1")
        peer.wait_for_end()

    failure = failure_of(script, sink, timeout_s=1.0)
    assert isinstance(failure, PeerTimeoutError)
    assert failure.message.startswith("PACS fell silent for 1 s, so the connection was closed.")


def test_a_slow_drip_is_given_up(sink: FileSink, monkeypatch: pytest.MonkeyPatch) -> None:
    """Case 54: single bytes."""
    monkeypatch.setattr(channel_module, "_SLOWEST_BYTES_PER_S", 10**9)

    def script(peer: PeerSide) -> None:
        begin_get(peer)
        peer.socket.sendall(b"\x04\0\0\0\x20\0")
        peer.socket.settimeout(0.3)
        while True:
            peer.socket.sendall(b"x")
            try:
                if not peer.socket.recv(65536).strip():
                    return
            except TimeoutError:
                continue

    def tolerant(peer: PeerSide) -> None:
        try:
            script(peer)
        except ConnectionError:
            return

    assert isinstance(failure_of(tolerant, sink, timeout_s=1.0), PeerTimeoutError)


def unknown_pdu(peer: PeerSide, context: int) -> None:
    peer.send_pdu(0x42, b"abc")


def lying_pdu_length(peer: PeerSide, context: int) -> None:
    peer.send_pdu(4, b"abc", length=0xFFFFFFFF)


def lying_pdv_length(peer: PeerSide, context: int) -> None:
    peer.send_pdu(4, b"\0\0\xff\xff\x01\x03abc")


def other_context_within_message(peer: PeerSide, context: int) -> None:
    peer.send_command_only(context, store_command("1.5.1"))
    peer.send_pdv(context + 2, LAST, data_set("1.5.1"))


def data_without_command(peer: PeerSide, context: int) -> None:
    peer.send_pdv(context, LAST, data_set("1.5.1"))


def command_within_data(peer: PeerSide, context: int) -> None:
    peer.send_command_only(context, store_command("1.5.1"))
    peer.send(context, store_command("1.5.2"), data_set("1.5.2"))


def torn_command(peer: PeerSide, context: int) -> None:
    peer.send_pdv(context, COMMAND | LAST, b"\0\0\0\0\x04\0")


def another_service(peer: PeerSide, context: int) -> None:
    peer.send(context, Command(field=0x0140, message_id=1))


def second_association(peer: PeerSide, context: int) -> None:
    peer.send_pdu(1, bytes(68))


@pytest.mark.parametrize(
    "fault",
    [
        unknown_pdu,
        lying_pdu_length,
        lying_pdv_length,
        other_context_within_message,
        data_without_command,
        command_within_data,
        torn_command,
        another_service,
        second_association,
    ],
)
def test_what_dicom_does_not_allow_ends_the_association(fault: Callable[[PeerSide, int], None], sink: FileSink) -> None:
    """Case 55: lying lengths, unknown PDUs, odd commands."""

    def script(peer: PeerSide) -> None:
        _, context = begin_get(peer)
        fault(peer, context)
        peer.wait_for_end()

    failure = failure_of(script, sink)
    assert failure.code == "protocol"
    assert failure.message.startswith("PACS sent what DICOM does not allow (")
    assert sink.files == []


@pytest.mark.parametrize("script", [abort_within_instance, reset_within_instance, release_within_instance])
def test_a_broken_transfer_through_pynetdicom_keeps_whole_instances(script: Script, sink: FileSink) -> None:
    """Case 54: the same over pynetdicom's path."""
    failure = failure_of(script, sink, own_loop=False)
    assert isinstance(failure, (NetworkError, PeerError))
    assert "1 of 2 images had arrived and are kept" in failure.message
    assert [item.SOPInstanceUID for item in sink.files] == ["1.5.1"]


def test_a_silent_stall_through_pynetdicom_ends_with_the_time_out(sink: FileSink) -> None:
    """Case 54: the same over pynetdicom's path."""

    def script(peer: PeerSide) -> None:
        begin_get(peer)
        peer.wait_for_end()

    assert isinstance(failure_of(script, sink, timeout_s=1.0, own_loop=False), PeerTimeoutError)
