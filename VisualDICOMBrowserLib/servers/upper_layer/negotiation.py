"""A-ASSOCIATE as acceptor, without input or output: request in, answer out (DICOM PS3.8 9.3.2 to 9.3.4, PS3.7 D.3.3).

pynetdicom negotiates where we call; here we are called, by anybody, so that every length is checked and
nothing is kept that we do not need. Pure functions, any thread.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from VisualDICOMBrowserLib.servers.dimse.receiving import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION
from VisualDICOMBrowserLib.servers.upper_layer.association import Accepted
from VisualDICOMBrowserLib.servers.upper_layer.pdata import ASSOCIATE_AC, ASSOCIATE_RJ, ProtocolFault

__all__ = [
    "CALLED_AE_UNKNOWN",
    "CALLING_AE_UNKNOWN",
    "TOO_MANY_ASSOCIATIONS",
    "AssociationRequest",
    "accept_pdu",
    "accepted_contexts",
    "parse_request",
    "reject_pdu",
]

CALLED_AE_UNKNOWN = (1, 1, 7)
CALLING_AE_UNKNOWN = (1, 1, 3)
TOO_MANY_ASSOCIATIONS = (2, 3, 2)
"""Result, source and reason of A-ASSOCIATE-RJ."""

_APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
_APPLICATION, _PROPOSED, _ANSWERED, _ABSTRACT, _TRANSFER = 0x10, 0x20, 0x21, 0x30, 0x40
_USER_INFORMATION, _MAX_LENGTH, _CLASS_UID, _ROLE, _VERSION = 0x50, 0x51, 0x52, 0x54, 0x55
_FIXED_BYTES = 68
_MOST_CONTEXTS = 128

_item_header = struct.Struct(">BxH")


@dataclass(slots=True)
class AssociationRequest:
    """What a caller proposes.

    ``contexts`` are (context id, abstract syntax, transfer syntaxes); ``roles`` maps a SOP class to the
    roles (SCU, SCP) the caller wants for itself.
    """

    called_ae_title: str
    calling_ae_title: str
    contexts: list[tuple[int, str, list[str]]] = field(default_factory=list)
    roles: dict[str, tuple[bool, bool]] = field(default_factory=dict)
    max_pdu: int = 0


def parse_request(body: bytes) -> AssociationRequest:
    """Request from the body of an A-ASSOCIATE-RQ PDU.

    Raises
    ------
    ProtocolFault
        It is not well formed.
    """
    if len(body) < _FIXED_BYTES:
        message = "A-ASSOCIATE-RQ is too short"
        raise ProtocolFault(message)
    request = AssociationRequest(_title(body[4:20]), _title(body[20:36]))
    for kind, content in _items(body[_FIXED_BYTES:]):
        if kind == _PROPOSED and len(content) >= 4 and len(request.contexts) < _MOST_CONTEXTS:
            parts = list(_items(content[4:]))
            abstract = next((_uid(part) for sub, part in parts if sub == _ABSTRACT), "")
            request.contexts.append((content[0], abstract, [_uid(part) for sub, part in parts if sub == _TRANSFER]))
        elif kind == _USER_INFORMATION:
            _read_user_information(request, content)
    return request


def accepted_contexts(request: AssociationRequest, choose: Callable[[str, list[str], bool], str]) -> list[Accepted]:
    """Contexts to accept.

    `choose` gets abstract syntax, transfer syntaxes and whether the caller wants to be its SCP, and gives
    the transfer syntax, empty to refuse.
    """
    accepted = []
    for context_id, abstract, syntaxes in request.contexts:
        chosen = choose(abstract, syntaxes, request.roles.get(abstract, (False, False))[1])
        if chosen:
            accepted.append(Accepted(context_id, abstract, chosen))
    return accepted


def accept_pdu(request: AssociationRequest, accepted: list[Accepted], max_pdu: int) -> bytes:
    """A-ASSOCIATE-AC; contexts that are not in `accepted` are refused, roles wanted for accepted ones granted."""
    by_id = {item.context_id: item for item in accepted}
    granted = {item.abstract_syntax for item in accepted}
    body = bytearray(
        struct.pack(">HH16s16s32x", 1, 0, _padded(request.called_ae_title), _padded(request.calling_ae_title))
    )
    body += _item(_APPLICATION, _APPLICATION_CONTEXT)
    for context_id, _, syntaxes in request.contexts:
        item = by_id.get(context_id)
        # 0 is acceptance, 3 says that the abstract syntax is not supported; the syntax then means nothing.
        syntax = item.transfer_syntax if item else next(iter(syntaxes), "1.2.840.10008.1.2")
        result = bytes((context_id, 0, 0 if item else 3, 0))
        body += _item(_ANSWERED, result + _item(_TRANSFER, syntax.encode("ascii", "replace")))
    user = _item(_MAX_LENGTH, max_pdu.to_bytes(4, "big"))
    user += _item(_CLASS_UID, IMPLEMENTATION_CLASS_UID.encode("ascii"))
    for uid, (user_role, provider_role) in request.roles.items():
        if uid in granted:
            raw = uid.encode("ascii", "replace")
            user += _item(_ROLE, len(raw).to_bytes(2, "big") + raw + bytes((user_role, provider_role)))
    user += _item(_VERSION, IMPLEMENTATION_VERSION.encode("ascii"))
    body += _item(_USER_INFORMATION, user)
    return struct.pack(">BxL", ASSOCIATE_AC, len(body)) + bytes(body)


def reject_pdu(why: tuple[int, int, int]) -> bytes:
    """A-ASSOCIATE-RJ with result, source and reason."""
    return struct.pack(">BxLxBBB", ASSOCIATE_RJ, 4, *why)


def _read_user_information(request: AssociationRequest, content: bytes) -> None:
    for kind, value in _items(content):
        if kind == _MAX_LENGTH and len(value) == 4:
            request.max_pdu = int.from_bytes(value, "big")
        elif kind == _ROLE and len(value) >= 4:
            length = int.from_bytes(value[:2], "big")
            roles = value[2 + length : 4 + length]
            if len(roles) == 2:
                request.roles[_uid(value[2 : 2 + length])] = (bool(roles[0]), bool(roles[1]))


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(data):
        if position + 4 > len(data):
            message = "A-ASSOCIATE-RQ ends within an item"
            raise ProtocolFault(message)
        kind, length = _item_header.unpack_from(data, position)
        position += 4
        if position + length > len(data):
            message = f"item {kind:02X} of A-ASSOCIATE-RQ is too long"
            raise ProtocolFault(message)
        yield kind, data[position : position + length]
        position += length


def _item(kind: int, content: bytes) -> bytes:
    return _item_header.pack(kind, len(content)) + content


def _title(raw: bytes) -> str:
    return raw.decode("ascii", "replace").strip("\0 ")


def _padded(title: str) -> bytes:
    return title.encode("ascii", "replace").ljust(16)


def _uid(raw: bytes) -> str:
    return raw.decode("ascii", "replace").strip("\0 ")
