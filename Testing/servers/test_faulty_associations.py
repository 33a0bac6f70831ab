"""Associations that do not come about: each reason has its sentence."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from Testing.support.faulty_peer import FaultyPeer, PeerSide
from Testing.support.file_sink import ControlOfTest, FileSink
from Testing.support.get_scripts import (
    failure_of,
)
from VisualDICOMBrowserLib.errors import (
    AssociationError,
    JobCancelled,
    PeerTimeoutError,
)
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse_driver import DimseDriver
from VisualDICOMBrowserLib.servers.negotiation import TOO_MANY_ASSOCIATIONS, accept_pdu, parse_request, reject_pdu
from VisualDICOMBrowserLib.settings import Settings


@pytest.mark.parametrize(
    ("why", "message", "code"),
    [
        ((1, 1, 7), 'PACS does not know the AE title "PACS".', "called_ae"),
        ((1, 1, 3), 'PACS does not know us ("VISUALDICOM").', "calling_ae"),
        (TOO_MANY_ASSOCIATIONS, "PACS is busy and takes no further connection now.", "busy"),
        ((1, 1, 1), "PACS rejected the connection without a usable reason.", "association_rejected"),
    ],
)
def test_each_rejection_has_its_sentence(why: tuple[int, int, int], message: str, code: str, sink: FileSink) -> None:
    def script(peer: PeerSide) -> None:
        peer.read_pdu()
        peer.socket.sendall(reject_pdu(why))
        peer.wait_for_end()

    failure = failure_of(script, sink)
    assert isinstance(failure, AssociationError)
    assert (failure.message, failure.code, failure.server) == (message, code, "PACS")
    assert failure.next_step


def test_a_port_that_speaks_http(sink: FileSink) -> None:
    def script(peer: PeerSide) -> None:
        peer.read_pdu()
        peer.socket.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        peer.wait_for_end()

    failure = failure_of(script, sink)
    assert failure.message == "PACS closed the connection without a DICOM answer."
    assert "DICOM port" in failure.next_step


@pytest.mark.parametrize("sent", [b"", b"\x02\x00\x00\x00\x00\xb8half an answer"])
def test_silence_before_the_answer(sent: bytes, sink: FileSink) -> None:
    def script(peer: PeerSide) -> None:
        peer.read_pdu()
        peer.socket.sendall(sent)
        peer.wait_for_end()

    failure = failure_of(script, sink, timeout_s=1.0)
    assert isinstance(failure, PeerTimeoutError)
    assert failure.message == "PACS did not answer in 1 s."


def test_no_context_is_accepted(sink: FileSink) -> None:
    def script(peer: PeerSide) -> None:
        _, body = peer.read_pdu()
        peer.socket.sendall(accept_pdu(parse_request(body), [], 16384))
        peer.wait_for_end()

    failure = failure_of(script, sink)
    assert failure.code == "no_context"


class LateCancel(ControlOfTest):
    """Cancelled while the association opens, seen only after the last look at `cancel_requested`."""

    cancel_requested = False

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """It comes too late to be told."""


def test_cancel_right_after_opening_leaves_no_association() -> None:
    control = LateCancel()

    def script(peer: PeerSide) -> None:
        control.cancel()
        peer.accept()
        peer.wait_for_end()

    with FaultyPeer(script) as peer, pytest.raises(JobCancelled):
        DimseDriver(peer.config(), Settings()).echo(control)


def test_cancel_while_the_name_is_resolved_connects_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    control = ControlOfTest()
    resolve = socket.getaddrinfo

    def resolve_and_cancel(*arguments: object, **keywords: object) -> object:
        control.cancel()
        return resolve(*arguments, **keywords)  # type: ignore[arg-type]

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        config = ServerConfig(
            name="PACS", host="127.0.0.1", port=listener.getsockname()[1], called_ae_title="PACS", timeout_s=2.0
        )
        monkeypatch.setattr(socket, "getaddrinfo", resolve_and_cancel)
        with pytest.raises(JobCancelled):
            DimseDriver(config, Settings()).echo(control)
        with pytest.raises(BlockingIOError):
            listener.accept()
