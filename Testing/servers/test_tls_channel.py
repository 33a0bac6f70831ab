"""A `Channel` over an encrypted socket does what it does over a plain one."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from Testing.support.certificates import Authority
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.upper_layer.channel import Channel, PeerClosed, PeerSilent
from VisualDICOMBrowserLib.servers.upper_layer.pdata import Command, CommandField
from VisualDICOMBrowserLib.servers.upper_layer.tls import client_context, server_context

Pair = tuple[Channel, Channel]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """Two ends of one encrypted connection: that of a client, that of a server."""
    authority = Authority(tmp_path)
    leaf = authority.leaf("leaf")
    server = server_context(str(leaf.certificate), str(leaf.key))
    config = ServerConfig(
        name="PACS", host="localhost", called_ae_title="PACS", tls=True, tls_ca_file=str(authority.certificate)
    )
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        accepted = pool.submit(lambda: server.wrap_socket(listener.accept()[0], server_side=True))
        near = client_context(config).wrap_socket(
            socket.create_connection(listener.getsockname()), server_hostname="localhost"
        )
        ends = [Channel(sock, max_pdu=16384, peer_max_pdu=16384, timeout_s=1.0) for sock in (near, accepted.result())]
    yield ends[0], ends[1]
    for end in ends:
        end.close()


def request(number: int) -> Command:
    return Command(field=CommandField.C_ECHO_RQ, message_id=number, sop_class="1.2.840.10008.1.1")


def test_messages_of_any_size_go_through(pair: Pair) -> None:
    near, far = pair
    data = os.urandom(3_000_000)
    sender = threading.Thread(target=lambda: near.send_message(1, request(7), data), name="tls-sender")
    sender.start()
    context, command, received = far.receive_message(len(data))
    sender.join()
    assert (context, command.message_id, received) == (1, 7, data)


def test_waiting_sees_messages_and_the_end_but_nothing_else(pair: Pair) -> None:
    near, far = pair
    assert not far.waiting()
    assert not near.waiting()  # session tickets are no message
    near.send_message(1, request(1))
    near.send_message(1, request(2))
    assert far.receive_message(0)[1].message_id == 1
    assert far.waiting()
    assert far.receive_message(0)[1].message_id == 2
    assert not far.waiting()
    near.close()
    assert far.waiting()
    with pytest.raises(PeerClosed):
        far.receive()


def test_silence_and_a_full_peer_end_with_the_time_out(pair: Pair) -> None:
    near, far = pair
    with pytest.raises(PeerSilent):
        far.receive()
    with pytest.raises(PeerSilent):
        near.send_message(1, request(1), bytes(30_000_000))
    near.abort()


def test_release_is_answered(pair: Pair) -> None:
    near, far = pair

    def serve() -> None:
        kind, _ = far.receive_pdu()
        assert kind == 5
        far.send(b"\x06\0\0\0\0\x04\0\0\0\0")

    server = threading.Thread(target=serve, name="tls-server")
    server.start()
    near.release()
    server.join()


def test_abort_from_another_thread_ends_the_waiting(pair: Pair) -> None:
    near, _ = pair
    waiting = threading.Event()
    near.on_tick = waiting.set
    ended: list[BaseException] = []

    def wait() -> None:
        try:
            near.receive()
        except PeerClosed as fault:
            ended.append(fault)

    reader = threading.Thread(target=wait, name="tls-reader")
    near.timeout_s = 20.0
    reader.start()
    assert waiting.wait(5)
    near.abort()
    reader.join(5)
    assert len(ended) == 1
