"""A caller of our node at the level of bytes: associations, commands and data sets, right and wrong ones."""

from __future__ import annotations

import struct

from Testing.support.faulty_peer import PeerSide
from VisualDICOMBrowserLib.servers.upper_layer.elements import encode_elements
from VisualDICOMBrowserLib.servers.upper_layer.pdata import Command, CommandField

CT = "1.2.840.10008.5.1.4.1.1.2"
VERIFICATION = "1.2.840.10008.1.1"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
CONTEXTS = {1: CT, 3: STUDY_ROOT_FIND, 5: VERIFICATION, 7: STUDY_ROOT_MOVE}


def item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(content)) + content


def request_association(
    side: PeerSide,
    longest: int = 16384,
    contexts: dict[int, str] | None = None,
    called: str = "NODE",
    calling: str = "CALLER",
) -> tuple[int, bytes]:
    """Ask for an association, taking PDUs up to `longest` bytes; type and body of the answer."""
    proposed = b"".join(
        item(0x20, bytes((number, 0, 0, 0)) + item(0x30, abstract.encode()) + item(0x40, EXPLICIT_LITTLE.encode()))
        for number, abstract in (contexts or CONTEXTS).items()
    )
    user = item(0x50, item(0x51, longest.to_bytes(4, "big")) + item(0x52, b"1.2.3"))
    body = struct.pack(">HH16s16s32x", 1, 0, called.encode().ljust(16), calling.encode().ljust(16))
    side.send_pdu(1, body + item(0x10, b"1.2.840.10008.3.1.1.1") + proposed + user)
    return side.read_pdu()


def associate(side: PeerSide, longest: int = 16384, contexts: dict[int, str] | None = None) -> bytes:
    """Open an association; the body of the acceptance."""
    kind, body = request_association(side, longest, contexts)
    assert kind == 2
    return body


def results_of(acceptance: bytes) -> dict[int, int]:
    """Result of each presentation context of an acceptance (PS3.8 9.3.3.2), by its id."""
    results = {}
    position = 68
    while position < len(acceptance):
        kind, length = struct.unpack_from(">BxH", acceptance, position)
        if kind == 0x21:
            results[acceptance[position + 4]] = acceptance[position + 6]
        position += 4 + length
    return results


def store_request(uid: str, sop_class: str = CT) -> Command:
    return Command(field=CommandField.C_STORE_RQ, message_id=1, sop_class=sop_class, sop_instance=uid, priority=0)


def echo_request(number: int = 1) -> Command:
    return Command(field=CommandField.C_ECHO_RQ, message_id=number, sop_class=VERIFICATION)


def data_set(uid: str, *, study: str = "1.2.1", series: str = "1.2.1.1", patient: str = "P", more: int = 0) -> bytes:
    """A small CT image without pixels, in explicit little endian; `more` bytes of pixel data."""
    elements = [
        (0x00080016, "UI", CT.encode()),
        (0x00080018, "UI", uid.encode()),
        (0x00100020, "LO", patient.encode()),
        (0x0020000D, "UI", study.encode()),
        (0x0020000E, "UI", series.encode()),
        (0x7FE00010, "OW", bytes(more)),
    ]
    return encode_elements([element for element in elements if element[2]], implicit=False)


def status_of(caller: PeerSide, command: Command, data: bytes | None = None, context: int = 1) -> int | None:
    """Send a message and give the status of the answer."""
    caller.send(context, command, data)
    return caller.read_message()[1].status
