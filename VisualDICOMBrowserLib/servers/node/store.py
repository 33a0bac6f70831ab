"""The storage side of our node: one C-STORE from the first fragment to the status (DICOM PS3.4 B.2, PS3.7 9.1.1).

What a status of success guarantees stands in ``batches``. Runs in the association's thread.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from VisualDICOMBrowserLib.database.records import AddOutcome
from VisualDICOMBrowserLib.database.storing import InstanceStore
from VisualDICOMBrowserLib.errors import StorageFault, VisualDICOMError
from VisualDICOMBrowserLib.model import ReceivedFile
from VisualDICOMBrowserLib.servers.dimse.receiving import InstanceReceiver
from VisualDICOMBrowserLib.servers.node.batches import IncomingBatches, Sender
from VisualDICOMBrowserLib.servers.node.caller_channel import CallerChannel
from VisualDICOMBrowserLib.servers.speed import Throttle
from VisualDICOMBrowserLib.servers.upper_layer.elements import uid_bytes
from VisualDICOMBrowserLib.servers.upper_layer.pdata import DATA, Command

__all__ = ["confirmation", "store_instance"]

_OUT_OF_RESOURCES = 0xA700
_DOES_NOT_MATCH = 0xA900
_CANNOT_UNDERSTAND = 0xC000

# No data set, status 0, then the tag of the Affected SOP Instance UID.
_CONFIRMED = b"\0\0\0\x08\x02\0\0\0\x01\x01" + b"\0\0\0\x09\x02\0\0\0\0\0" + b"\0\0\0\x10"
# PDU and PDV header, then the group length of the command set (PS3.8 9.3.5, PS3.7 6.3.1).
_pdv_header = struct.Struct(">BxLLBB")
_length_element = struct.Struct("<HHLL")

# What goes to the caller: at most 64 characters (VR LO), and no path of this computer.
_LATER = "It cannot be stored now; try again later."
_COMMENTS = {
    "disk_full": "The disk of the database is full.",
    "database_locked": "The database is in use by another program; try again later.",
}


def store_instance(
    channel: CallerChannel,
    store: InstanceStore,
    batches: IncomingBatches,
    command: Command,
    transfer_syntax: str,
    sender: Sender,
    throttle: Throttle | None = None,
) -> tuple[int, str]:
    """Receive the data set that follows `command` and store it; the status to answer and its reason.

    `throttle` rests where the sender's speed is limited.

    Raises
    ------
    ProtocolFault, PeerAborted, PeerClosed, PeerReleased, PeerSilent
        The association ended within the instance; nothing of it stays.
    """
    arrived = _Arrived(store)
    receiver = InstanceReceiver(arrived, sender.calling_ae_title, throttle=throttle)
    try:
        status, reason = _receive(channel, receiver, command, transfer_syntax)
    finally:
        receiver.discard()
    if status or arrived.file is None:
        return status, reason
    try:
        return _put(store, batches, arrived.file, command, sender)
    except VisualDICOMError as fault:
        # Out of resources is the status of storage for "later perhaps" (PS3.4 B.2.3), whatever is out of order here.
        return _OUT_OF_RESOURCES, _COMMENTS.get(fault.code, _LATER)


def confirmation(context_id: int, command: Command) -> bytes:
    """The PDU that answers a C-STORE with success, as `encode_message` makes it, in a fraction of its time."""
    message = (command.message_id or 0).to_bytes(2, "little")
    uid = uid_bytes(command.sop_instance)
    body = b"".join((_confirmed_class(command.sop_class), message, _CONFIRMED, len(uid).to_bytes(4, "little"), uid))
    header = _pdv_header.pack(DATA, len(body) + 18, len(body) + 14, context_id, 3)
    return b"".join((header, _length_element.pack(0, 0, 4, len(body)), body))


@lru_cache(maxsize=256)
def _confirmed_class(sop_class: str) -> bytes:
    """What comes before the number of the message in a C-STORE response."""
    uid = uid_bytes(sop_class)
    affected = b"\0\0\x02\0" + len(uid).to_bytes(4, "little") + uid if sop_class else b""
    return affected + b"\0\0\0\x01\x02\0\0\0\x01\x80" + b"\0\0\x20\x01\x02\0\0\0"


def _put(
    store: InstanceStore, batches: IncomingBatches, file: ReceivedFile, command: Command, sender: Sender
) -> tuple[int, str]:
    item = store.prepare(file, f"C-STORE from {sender.calling_ae_title}")
    if isinstance(item, AddOutcome):
        store.discard(file.path)
        return _CANNOT_UNDERSTAND, item.reason
    if item.sop_uid != command.sop_instance:
        store.discard(file.path)
        return _DOES_NOT_MATCH, "The data set has another SOP Instance UID than the message."
    outcome = batches.put(item, sender)
    if outcome.status in ("imported", "unchanged"):
        return 0, ""
    return _CANNOT_UNDERSTAND, outcome.reason


def _receive(
    channel: CallerChannel, receiver: InstanceReceiver, command: Command, transfer_syntax: str
) -> tuple[int, str]:
    """Write the instance; the status so far and its reason. The whole data set is read in any case."""
    full: StorageFault | None = None
    status = 0
    try:
        status = receiver.begin(command, transfer_syntax)
    except StorageFault as fault:
        full = fault
    last = not command.has_data
    while not last:
        pieces, last = channel.receive_pieces()
        try:
            receiver.write(*pieces)
        except StorageFault as fault:
            # From here on the receiver drops what it is given.
            receiver.discard()
            full = fault
    try:
        receiver.finish()
    except StorageFault as fault:
        full = fault
    if full is not None:
        return _OUT_OF_RESOURCES, _COMMENTS.get(full.code, _LATER)
    return status, receiver.refused[-1].reason if receiver.refused else ""


class _Arrived:
    """`PartSink` that keeps the one file; without the announced UID, whose check has a status of its own here."""

    def __init__(self, store: InstanceStore) -> None:
        self._store = store
        self.file: ReceivedFile | None = None

    def new_part(self) -> Path:
        return self._store.new_part()

    def add(self, received: ReceivedFile) -> None:
        self.file = replace(received, SOPInstanceUID="")

    def discard(self, path: Path) -> None:
        self._store.discard(path)
