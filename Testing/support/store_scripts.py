"""Scripts for a `FaultyPeer` that is sent instances, and the driver's sending against them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from Testing.support.ct_series import CtSeries
from Testing.support.faulty_peer import FaultyPeer, PeerSide
from Testing.support.file_sink import ControlOfTest
from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.model import InstanceRecord, SentInstance
from VisualDICOMBrowserLib.servers.dimse.driver import DimseDriver
from VisualDICOMBrowserLib.servers.upper_layer.pdata import Command, CommandField
from VisualDICOMBrowserLib.settings import Settings

RELEASE = b"\x05"


@dataclass
class Receiver:
    """A peer that takes instances; `status_of` gets the number of each, from 0."""

    status_of: Callable[[int], int] = lambda number: 0
    max_pdu: int = 16384
    received: dict[str, bytes] = field(default_factory=dict)
    count: int = 0
    associations: int = 0

    def __call__(self, peer: PeerSide) -> None:
        """Serve one association until it is released."""
        peer.accept(self.max_pdu)
        self.associations += 1
        while peer.socket.recv(1, socket.MSG_PEEK) != RELEASE:
            self.take(peer)
        peer.finish()

    def take(self, peer: PeerSide) -> None:
        """Take one instance."""
        context, command, data = peer.read_message()
        assert command.field == CommandField.C_STORE_RQ
        status = self.status_of(self.count)
        self.count += 1
        if status == 0:
            self.received[command.sop_instance] = data
        peer.send(context, stored(command, status))


def stored(command: Command, status: int = 0, **changes: object) -> Command:
    """The response to a C-STORE."""
    fields: dict[str, object] = {
        "responded_to": command.message_id,
        "sop_class": command.sop_class,
        "sop_instance": command.sop_instance,
        "status": status,
    }
    return Command(field=CommandField.C_STORE_RSP, **{**fields, **changes})  # type: ignore[arg-type]


def records_of(files: CtSeries | dict[str, Path]) -> list[InstanceRecord]:
    """What a database would say of these files."""
    paths = files.files if isinstance(files, CtSeries) else files
    return [InstanceRecord(SOPInstanceUID=uid, path=str(path)) for uid, path in paths.items()]


@dataclass
class Sending:
    """What the driver told of a sending."""

    told: list[SentInstance]
    failure: VisualDICOMError | None = None

    @property
    def statuses(self) -> list[str]:
        """Status of each instance, in the order told."""
        return [item.status for item in self.told]


def send(
    records: Sequence[InstanceRecord],
    *scripts: Callable[[PeerSide], None],
    control: ControlOfTest | None = None,
    timeout_s: float = 5.0,
    on_sent: Callable[[SentInstance], None] = lambda sent: None,
) -> Sending:
    """Send to a peer that plays `scripts`."""
    sending = Sending([])

    def note(sent: SentInstance) -> None:
        sending.told.append(sent)
        on_sent(sent)

    with FaultyPeer(*scripts) as peer:
        driver = DimseDriver(peer.config(timeout_s=timeout_s), Settings())
        try:
            driver.store(records, control or ControlOfTest(), note)
        except VisualDICOMError as failure:
            sending.failure = failure
        finally:
            driver.close()
    return sending


def failed_sending(
    records: Sequence[InstanceRecord], *scripts: Callable[[PeerSide], None], timeout_s: float = 5.0
) -> tuple[VisualDICOMError, list[SentInstance]]:
    """The error that ended a sending, and what had been told before it."""
    sending = send(records, *scripts, timeout_s=timeout_s)
    if sending.failure is None:
        pytest.fail("the sending went through")
    return sending.failure, sending.told
