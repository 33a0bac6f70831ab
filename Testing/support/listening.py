"""Our node as the destination of C-MOVE, and parts of scripts for a `FaultyPeer` that serves C-MOVE."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from Testing.support.dcmtk import run_client
from Testing.support.faulty_peer import FaultyPeer, PeerSide
from Testing.support.file_sink import ControlOfTest, FileSink
from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.model import RetrieveRequest, RetrieveResult
from VisualDICOMBrowserLib.servers.arrivals import Arrivals, ListenerAddress
from VisualDICOMBrowserLib.servers.dimse.driver import DimseDriver
from VisualDICOMBrowserLib.servers.dimse.move import STUDY_ROOT_MOVE
from VisualDICOMBrowserLib.servers.driver import DriverServices
from VisualDICOMBrowserLib.servers.node.node import Node
from VisualDICOMBrowserLib.servers.upper_layer.pdata import Command, CommandField
from VisualDICOMBrowserLib.settings import Settings

NODE_AE_TITLE = "NODE"
WAIT_S = 0.6

Script = Callable[[PeerSide], None]


class Listening:
    """Our node, joined to `Arrivals`, and what a driver needs of it.

    Parameters
    ----------
    start_node : callable
        The fixture of that name.
    port : int
        Where to listen; 0 for a free port.
    """

    def __init__(self, start_node: Callable[..., Node], port: int = 0) -> None:
        self.arrivals = Arrivals(self._address)
        self.node = start_node(ae_title=NODE_AE_TITLE, port=port, arrivals=self.arrivals)
        self.services = DriverServices(arrivals=self.arrivals)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.node.port

    def take(self, files: Iterable[Path], *, caller: str = "PACS") -> None:
        """Send files to it, as a server does that answers a C-MOVE; returns when all are stored."""
        done = run_client("storescu", "-aet", caller, "-aec", NODE_AE_TITLE, "127.0.0.1", str(self.port), *files)
        assert done.returncode == 0, done.stderr

    def _address(self) -> ListenerAddress:
        return ListenerAddress(ae_title=NODE_AE_TITLE, host="127.0.0.1", port=self.port)


def begin_move(peer: PeerSide) -> int:
    """Accept, take the C-MOVE request to our node; its context."""
    peer.accept()
    context, request, _ = peer.read_message()
    assert request.field == CommandField.C_MOVE_RQ
    assert request.destination == NODE_AE_TITLE
    return context


def move_answer(status: int = 0, comment: str = "", **counters: int) -> Command:
    """A response to the C-MOVE; pending with status FF00."""
    return Command(
        field=CommandField.C_MOVE_RSP,
        responded_to=1,
        sop_class=STUDY_ROOT_MOVE,
        status=status,
        comment=comment,
        **counters,  # type: ignore[arg-type]
    )


class Mover:
    """The driver's retrieve by C-MOVE against a script."""

    def __init__(self, listening: Listening, request: RetrieveRequest, sink: FileSink) -> None:
        self.listening = listening
        self.request = request
        self.sink = sink
        self.control = ControlOfTest()
        self.settings = Settings({"retrieve/move_wait_s": WAIT_S})

    def run(self, script: Script, *, own_loop: bool = True, timeout_s: float = 5.0) -> RetrieveResult:
        """What comes of a peer that plays `script`."""
        with FaultyPeer(script) as peer:
            config = peer.config(retrieve_protocol="C-MOVE", timeout_s=timeout_s)
            driver = DimseDriver(config, self.settings, services=self.listening.services, own_loop=own_loop)
            return driver.retrieve(self.request, self.sink, self.control)

    def failure(self, script: Script, *, own_loop: bool = True, timeout_s: float = 5.0) -> VisualDICOMError:
        """The error of a retrieve that fails."""
        with pytest.raises(VisualDICOMError) as raised:
            self.run(script, own_loop=own_loop, timeout_s=timeout_s)
        return raised.value

    @property
    def counted(self) -> list[str]:
        """UIDs that the sink counted."""
        return sorted(item.SOPInstanceUID for item in self.sink.stored_elsewhere)
