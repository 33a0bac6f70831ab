"""Opening associations in tests: the driver's echo, a peer that answers it, and a port that takes nobody."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from Testing.support.faulty_peer import PeerSide
from Testing.support.file_sink import ControlOfTest
from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse.driver import DimseDriver
from VisualDICOMBrowserLib.servers.upper_layer.pdata import Command, CommandField
from VisualDICOMBrowserLib.settings import Settings


def config_of(port: int, host: str = "127.0.0.1", timeout_s: float = 2.0) -> ServerConfig:
    """How to reach a port."""
    return ServerConfig(name="PACS", host=host, port=port, called_ae_title="PACS", timeout_s=timeout_s)


def echo(config: ServerConfig, control: ControlOfTest | None = None, *, own_loop: bool = True) -> float:
    """The driver's echo."""
    driver = DimseDriver(config, Settings(), own_loop=own_loop)
    try:
        return driver.echo(control or ControlOfTest())
    finally:
        driver.close()


def echo_failure(config: ServerConfig, *, own_loop: bool = True) -> VisualDICOMError:
    """The error that an echo ends with; it names the server and a next step."""
    with pytest.raises(VisualDICOMError) as raised:
        echo(config, own_loop=own_loop)
    assert raised.value.server == "PACS"
    assert raised.value.next_step
    return raised.value


def answer_echo(peer: PeerSide) -> None:
    """Accept, and answer one C-ECHO."""
    peer.accept()
    context, command, _ = peer.read_message()
    peer.send(context, Command(field=CommandField.C_ECHO_RSP, responded_to=command.message_id, status=0))


def good_echo(peer: PeerSide) -> None:
    """Accept, answer one C-ECHO and the release."""
    answer_echo(peer)
    peer.finish()


@contextlib.contextmanager
def taken_port() -> Iterator[int]:
    """A port whose queue of connections is full, so that nobody answers any more."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(address)
        yield int(address[1])
        for sock in waiting:
            sock.close()
