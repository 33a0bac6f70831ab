"""The storage side of our node: one C-STORE from the first fragment to the status (DICOM PS3.4 B.2, PS3.7 9.1.1).

Success is answered only for an instance that is on the disk and indexed. Runs in the association's thread.
"""

from __future__ import annotations

from pathlib import Path

from VisualDICOMBrowserLib.database.records import AddOutcome
from VisualDICOMBrowserLib.database.storing import InstanceStore
from VisualDICOMBrowserLib.errors import DatabaseFault, StorageFault
from VisualDICOMBrowserLib.model import ReceivedFile
from VisualDICOMBrowserLib.servers.channel import Channel
from VisualDICOMBrowserLib.servers.elements import IMPLICIT_LITTLE, parse_elements
from VisualDICOMBrowserLib.servers.pdata import Command
from VisualDICOMBrowserLib.servers.receiving import InstanceReceiver

__all__ = ["store_instance"]

_OUT_OF_RESOURCES = 0xA700
_DOES_NOT_MATCH = 0xA900
_CANNOT_UNDERSTAND = 0xC000
_SOP_INSTANCE_UID = 0x00080018
_DEFLATED = "1.2.840.10008.1.2.1.99"
_BEGINNING_BYTES = 4096

Stored = tuple[int, str, AddOutcome | None]
"""Status, its reason, and what became of the instance if it reached the database."""


def store_instance(
    channel: Channel, store: InstanceStore, command: Command, transfer_syntax: str, caller: str
) -> Stored:
    """Receive the data set that follows `command` and store it.

    Raises
    ------
    ProtocolFault, PeerAborted, PeerClosed, PeerReleased, PeerSilent
        The association ended within the instance; nothing of it stays.
    """
    arrived = _Arrived(store)
    receiver = InstanceReceiver(arrived, caller)
    try:
        status, reason = _receive(channel, receiver, command, transfer_syntax)
    finally:
        receiver.discard()
    if status or arrived.file is None:
        return status, reason, None
    try:
        outcome = store.accept([arrived.file], [f"C-STORE from {caller}"])[0]
    except (StorageFault, DatabaseFault) as fault:
        return _OUT_OF_RESOURCES, fault.message, None
    if outcome.status in ("imported", "unchanged"):
        return 0, "", outcome
    return _CANNOT_UNDERSTAND, outcome.reason, outcome


class _Arrived:
    """`InstanceSink` that keeps the one file for the store."""

    def __init__(self, store: InstanceStore) -> None:
        self._store = store
        self.file: ReceivedFile | None = None

    def new_part(self) -> Path:
        return self._store.new_part()

    def add(self, received: ReceivedFile) -> None:
        self.file = received

    def discard(self, path: Path) -> None:
        self._store.discard(path)


def _receive(channel: Channel, receiver: InstanceReceiver, command: Command, transfer_syntax: str) -> tuple[int, str]:
    """Write the instance; the status so far and its reason. The whole data set is read in any case."""
    full: StorageFault | None = None
    status = 0
    beginning = bytearray()
    try:
        status = receiver.begin(command, transfer_syntax)
    except StorageFault as fault:
        full = fault
    last = not command.has_data
    while not last:
        _, _, piece, last = channel.receive()
        if len(beginning) < _BEGINNING_BYTES:
            beginning += piece[:_BEGINNING_BYTES]
        try:
            receiver.write(piece)
        except StorageFault as fault:
            # From here on the receiver drops what it is given.
            receiver.discard()
            full = fault
    if not (status or full) and not _fits(bytes(beginning), command, transfer_syntax):
        return _DOES_NOT_MATCH, "The data set has another SOP Instance UID than the message."
    try:
        receiver.finish()
    except StorageFault as fault:
        full = fault
    if full is not None:
        return _OUT_OF_RESOURCES, full.message
    return status, receiver.refused[-1].reason if receiver.refused else ""


def _fits(beginning: bytes, command: Command, transfer_syntax: str) -> bool:
    """Whether the data set names the instance that the message announced, as far as its beginning tells."""
    if transfer_syntax == _DEFLATED:
        return True
    values = parse_elements(beginning, implicit=transfer_syntax == IMPLICIT_LITTLE, beginning_only=True)
    found = values.get(_SOP_INSTANCE_UID, b"").decode("ascii", "replace").strip("\0 ")
    return not found or found == command.sop_instance
