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
from VisualDICOMBrowserLib.servers.dimse.driver import DimseDriver
from VisualDICOMBrowserLib.servers.upper_layer.negotiation import (
    TOO_MANY_ASSOCIATIONS,
    accept_pdu,
    accepted_contexts,
    parse_request,
    reject_pdu,
)
from VisualDICOMBrowserLib.settings import Settings


@pytest.mark.parametrize(
    ("why", "message", "code"),
    [
        ((1, 1, 7), 'PACS does not know the AE title "PACS".', "called_ae"),
        ((1, 1, 3), 'PACS does not know us ("VISUALDICOM").', "calling_ae"),
        (
            TOO_MANY_ASSOCIATIONS,
            "PACS has as many connections as it allows and takes no further one now.",
            "local_limit",
        ),
        ((2, 3, 1), "PACS is busy and takes no further connection now.", "busy"),
        ((1, 3, 1), "PACS is busy and takes no further connection now.", "busy"),
        ((2, 1, 1), "PACS is busy and takes no further connection now.", "busy"),
        ((2, 3, 7), "PACS is busy and takes no further connection now.", "busy"),
        ((1, 1, 1), "PACS rejected the connection without a usable reason.", "association_rejected"),
        ((1, 2, 1), "PACS rejected the connection without a usable reason.", "association_rejected"),
        ((1, 1, 2), "PACS does not take DICOM associations of our kind.", "association_rejected"),
        ((1, 2, 2), "PACS does not know our version of the DICOM protocol.", "association_rejected"),
        ((1, 1, 9), "PACS rejected the connection without a usable reason.", "association_rejected"),
    ],
)
def test_each_rejection_has_its_sentence(why: tuple[int, int, int], message: str, code: str, sink: FileSink) -> None:
    """Case 49."""

    def script(peer: PeerSide) -> None:
        peer.read_pdu()
        peer.socket.sendall(reject_pdu(why))
        peer.wait_for_end()

    failure = failure_of(script, sink)
    assert isinstance(failure, AssociationError)
    assert (failure.message, failure.code, failure.server) == (message, code, "PACS")
    assert failure.next_step


def test_a_port_that_speaks_http(sink: FileSink) -> None:
    """Case 48."""

    def script(peer: PeerSide) -> None:
        peer.read_pdu()
        peer.socket.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        peer.wait_for_end()

    failure = failure_of(script, sink)
    assert failure.message.endswith(" speaks HTTP, not DICOM.")
    assert failure.code == "not_dicom"
    assert "DICOM port" in failure.next_step


@pytest.mark.parametrize("sent", [b"", b"\x02\x00\x00\x00\x00\xb8half an answer"])
def test_silence_before_the_answer(sent: bytes, sink: FileSink) -> None:
    """Cases 48 and 56."""

    def script(peer: PeerSide) -> None:
        peer.read_pdu()
        peer.socket.sendall(sent)
        peer.wait_for_end()

    failure = failure_of(script, sink, timeout_s=1.0)
    assert isinstance(failure, PeerTimeoutError)
    assert failure.message == "PACS did not answer in 1 s."


def test_no_context_is_accepted(sink: FileSink) -> None:
    """Case 50."""

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
        request = parse_request(peer.read_pdu()[1])
        control.cancel()
        accepted = accepted_contexts(request, lambda abstract, syntaxes, provider: syntaxes[0])
        peer.socket.sendall(accept_pdu(request, accepted, 16384))
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
