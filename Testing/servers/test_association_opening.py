"""Ways to and through the opening of an association, good and bad: addresses, silence, odd answers, cancel."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from Testing.support.dcmtk import StoreScp
from Testing.support.faulty_peer import FaultyPeer, PeerSide
from Testing.support.file_sink import ControlOfTest, FileSink
from Testing.support.get_scripts import ANNOUNCED, CT, final, store
from Testing.support.opening import config_of, echo, echo_failure, good_echo, taken_port
from Testing.support.processes import free_port
from VisualDICOMBrowserLib.errors import (
    NetworkError,
    PeerError,
    PeerTimeoutError,
    UsageError,
)
from VisualDICOMBrowserLib.servers.dimse.driver import DimseDriver
from VisualDICOMBrowserLib.servers.upper_layer.association import Caller, ContextProposal, open_association
from VisualDICOMBrowserLib.servers.upper_layer.negotiation import accept_pdu, accepted_contexts, parse_request
from VisualDICOMBrowserLib.servers.upper_layer.pdata import CommandField
from VisualDICOMBrowserLib.settings import Settings


@pytest.fixture
def full_port() -> Iterator[int]:
    with taken_port() as port:
        yield port


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[tuple[str, int]]]:
    """Host names that the test makes up, with their addresses; all others go to the system."""
    known: dict[str, list[tuple[str, int]]] = {}
    resolve = socket.getaddrinfo

    def look_up(host: str, *arguments: object, **keywords: object) -> object:
        if host not in known:
            return resolve(host, *arguments, **keywords)  # type: ignore[arg-type]
        if keywords.get("flags"):
            raise socket.gaierror(socket.EAI_NONAME, "no number")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


def test_a_closed_port(free_port: int) -> None:
    """Case 48."""
    failure = echo_failure(config_of(free_port))
    assert (failure.message, failure.code) == (f"PACS: nothing listens on port {free_port}.", "refused")


def test_a_name_that_nobody_knows() -> None:
    """Case 48."""
    failure = echo_failure(config_of(104, "no-such-host.invalid"))
    assert failure.code == "unknown_host"
    assert failure.message == "PACS: the name no-such-host.invalid is not known in this network."


def test_a_name_that_cannot_be_looked_up_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Case 48."""

    def fail(*arguments: object, **keywords: object) -> object:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    failure = echo_failure(config_of(104, "pacs.example.org"))
    assert (type(failure), failure.code) == (NetworkError, "unreachable")


def test_a_black_hole(full_port: int) -> None:
    """Case 48."""
    started = time.monotonic()
    failure = echo_failure(config_of(full_port, timeout_s=1.0))
    assert isinstance(failure, PeerTimeoutError)
    assert failure.message == "PACS did not answer in 1 s."
    assert time.monotonic() - started < 3


def test_a_port_that_says_nothing(silent_port: int) -> None:
    """Cases 48 and 56."""
    failure = echo_failure(config_of(silent_port, timeout_s=1.0))
    assert (failure.message, failure.code) == ("PACS did not answer in 1 s.", "timeout")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "speaks HTTP, not DICOM."),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "does not answer in DICOM."),
        (b"\xff\xfb\x01\xff\xfb\x03login: ", "does not answer in DICOM."),
    ],
)
def test_a_port_that_speaks_something_else(words: bytes, message: str) -> None:
    """Case 48."""

    def script(peer: PeerSide) -> None:
        peer.read_pdu()
        peer.socket.sendall(words)

    with FaultyPeer(script) as peer:
        failure = echo_failure(peer.config())
        assert failure.message == f"PACS: port {peer.config().port} {message}"
    assert (type(failure), failure.code) == (PeerError, "not_dicom")


def test_a_web_server_that_waits_for_the_end_of_a_line() -> None:
    """Case 48."""

    def ask(peer: PeerSide) -> None:
        peer.wait_for_end()

    def answer(peer: PeerSide) -> None:
        assert peer.socket.recv(4) == b"HEAD"
        peer.socket.sendall(b"HTTP/1.0 200 OK\r\n\r\n")

    with FaultyPeer(ask, answer) as peer:
        failure = echo_failure(peer.config(timeout_s=1.0))
    assert failure.message.endswith("speaks HTTP, not DICOM.")


def test_an_abort_instead_of_an_answer() -> None:
    def script(peer: PeerSide) -> None:
        peer.read_pdu()
        peer.send_pdu(7, b"\0\0\x02\0")

    with FaultyPeer(script) as peer:
        failure = echo_failure(peer.config())
    assert (failure.message, failure.code) == ("PACS broke off the connection while it was set up.", "aborted")


def test_a_reset_instead_of_an_answer() -> None:
    def script(peer: PeerSide) -> None:
        peer.read_pdu()
        peer.reset()

    with FaultyPeer(script, PeerSide.reset, PeerSide.reset) as peer:
        failure = echo_failure(peer.config())
    assert (failure.message, failure.code) == ("PACS closed the connection while it was set up.", "connection_lost")


def acceptance(peer: PeerSide) -> bytes:
    """A good acceptance of what is asked for."""
    request = parse_request(peer.read_pdu()[1])
    return accept_pdu(request, accepted_contexts(request, lambda abstract, syntaxes, provider: syntaxes[0]), 16384)


@pytest.mark.parametrize("own_loop", [True, False])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda answer: answer[:6] + bytes(len(answer) - 6),
        lambda answer: answer[:74] + b"\xff" * (len(answer) - 74),
        lambda answer: answer[:76] + b"\xff\xff" + answer[78:],
        lambda answer: answer[:2] + struct.pack(">L", 20) + answer[6:26],
        lambda answer: answer.replace(b"1.2.840.10008.1.2.1", b"\xfe.2.840.10008.1.2.1"),
        lambda answer: b"\x03\0\0\0\0\x04\0\x09\x09\x09",
        lambda answer: b"\x05\0\0\0\0\x04\0\0\0\0",
        lambda answer: b"\x04\0\0\0\0\x06\0\0\0\x02\x01\x03",
        lambda answer: b"\x02\0\xff\xff\xff\xff" + answer[6:],
    ],
)
def test_an_answer_that_cannot_be_read(spoil: Callable[[bytes], bytes], own_loop: bool) -> None:
    """Case 55."""

    def script(peer: PeerSide) -> None:
        peer.socket.sendall(spoil(acceptance(peer)))
        peer.wait_for_end()

    with FaultyPeer(script) as peer:
        failure = echo_failure(peer.config(timeout_s=2.0), own_loop=own_loop)
    assert failure.code in ("protocol", "association_rejected", "no_context", "timeout", "not_dicom")


def test_an_answer_byte_by_byte_has_the_same_time_limit() -> None:
    """Case 54."""
    pause = threading.Event()

    def script(peer: PeerSide) -> None:
        for byte in acceptance(peer):
            try:
                peer.socket.sendall(bytes((byte,)))
            except OSError:
                return
            pause.wait(0.1)

    with FaultyPeer(script) as peer:
        started = time.monotonic()
        failure = echo_failure(peer.config(timeout_s=1.0))
        assert time.monotonic() - started < 4
    assert failure.code == "timeout"


def test_roles_that_the_peer_ignores_do_no_harm(sink: FileSink) -> None:
    """Case 50."""

    def script(peer: PeerSide) -> None:
        request = parse_request(peer.read_pdu()[1])
        request.roles.clear()
        peer.request = request
        accepted = accepted_contexts(request, lambda abstract, syntaxes, provider: syntaxes[0])
        peer.socket.sendall(accept_pdu(request, accepted, 16384))
        get_context, command, _ = peer.read_message()
        assert command.field == CommandField.C_GET_RQ
        for number in (1, 2):
            assert store(peer, peer.context_for(CT), f"1.2.3.{number}", number) == 0
        peer.send(get_context, final(completed=2, failed=0, warning=0))
        peer.finish()

    with FaultyPeer(script) as peer:
        result = DimseDriver(peer.config(), Settings()).retrieve(ANNOUNCED, sink, ControlOfTest())
    assert (result.received, result.failed_count) == (2, 0)


def test_more_contexts_than_an_association_has_room_for(free_port: int) -> None:
    """Case 50."""
    proposals = [ContextProposal(f"1.2.{number}", ("1.2.840.10008.1.2",)) for number in range(129)]
    with pytest.raises(UsageError) as raised:
        open_association(config_of(free_port), Caller("ME", 16384), proposals)
    assert raised.value.code == "too_many_contexts"


@pytest.mark.parametrize("host", ["::1", "[::1]"])
@pytest.mark.parametrize("own_loop", [True, False])
def test_ipv6(host: str, own_loop: bool) -> None:
    """Case 59."""
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with listener:
        thread = threading.Thread(target=lambda: serve_once(listener, good_echo), name="six-peer", daemon=True)
        thread.start()
        assert echo(config_of(listener.getsockname()[1], host), own_loop=own_loop) > 0
        thread.join(10)


def serve_once(listener: socket.socket, script: Callable[[PeerSide], None]) -> None:
    sock, _ = listener.accept()
    with sock:
        script(PeerSide(sock))


def test_the_second_address_where_the_first_is_dead(
    names: dict[str, list[tuple[str, int]]], storescp: StoreScp, full_port: int
) -> None:
    """Case 59."""
    for dead in (("127.0.0.1", free_port()), ("127.0.0.1", full_port)):
        names["pacs.example.org"] = [dead, ("127.0.0.1", storescp.port)]
        started = time.monotonic()
        assert echo(config_of(storescp.port, "pacs.example.org", 10.0)) > 0
        assert time.monotonic() - started < 5


def test_all_addresses_dead(names: dict[str, list[tuple[str, int]]], full_port: int) -> None:
    """Case 59."""
    names["pacs.example.org"] = [("127.0.0.1", free_port()), ("127.0.0.1", free_port())]
    assert echo_failure(config_of(104, "pacs.example.org")).code == "refused"
    names["pacs.example.org"] = [("127.0.0.1", full_port), ("127.0.0.1", free_port())]
    assert echo_failure(config_of(104, "pacs.example.org", 1.0)).code == "timeout"


def test_the_same_address_twice_is_tried_once(names: dict[str, list[tuple[str, int]]]) -> None:
    """Case 59."""
    with FaultyPeer(good_echo) as peer:
        port = peer.config().port
        names["pacs.example.org"] = [("127.0.0.1", port)] * 2
        assert echo(config_of(port, "pacs.example.org")) > 0
