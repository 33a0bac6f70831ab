"""One association of our node, from its request to its end.

Negotiates (``negotiation``), then serves one message after the other over a `Channel`: C-ECHO and C-STORE here,
C-FIND in ``node_find``, C-GET and C-MOVE in ``node_retrieve``. One thread per session.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.records import AddOutcome
from VisualDICOMBrowserLib.database.storing import InstanceStore
from VisualDICOMBrowserLib.servers.association import Accepted
from VisualDICOMBrowserLib.servers.channel import Channel, PeerAborted, PeerClosed, PeerReleased, PeerSilent
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse_find import PATIENT_ROOT_FIND, STUDY_ROOT_FIND
from VisualDICOMBrowserLib.servers.dimse_get import PATIENT_ROOT_GET, STUDY_ROOT_GET
from VisualDICOMBrowserLib.servers.elements import IMPLICIT_LITTLE
from VisualDICOMBrowserLib.servers.negotiation import (
    CALLED_AE_UNKNOWN,
    CALLING_AE_UNKNOWN,
    AssociationRequest,
    accept_pdu,
    accepted_contexts,
    parse_request,
    reject_pdu,
)
from VisualDICOMBrowserLib.servers.node_find import answer_find
from VisualDICOMBrowserLib.servers.node_retrieve import PATIENT_ROOT_MOVE, STUDY_ROOT_MOVE, NodeRetrieve
from VisualDICOMBrowserLib.servers.node_store import store_instance
from VisualDICOMBrowserLib.servers.pdata import ASSOCIATE_RQ, Command, CommandField, ProtocolFault
from VisualDICOMBrowserLib.servers.storage_classes import COMPRESSED, UNCOMPRESSED

__all__ = ["NodeOffer", "NodeSession", "OnStored"]

logger = logging.getLogger(__name__)

OnStored = Callable[[AddOutcome], None]

_MAX_PDU = 131072
_REQUEST_WAIT_S = 10.0
_IDLE_S = 60.0
_LONGEST_IDENTIFIER = 1024 * 1024
_UNRECOGNISED_OPERATION = 0x0211
_RESPONSE = 0x8000

_VERIFICATION = "1.2.840.10008.1.1"
_FIND = frozenset((STUDY_ROOT_FIND, PATIENT_ROOT_FIND))
_RETRIEVE = frozenset((STUDY_ROOT_GET, PATIENT_ROOT_GET, STUDY_ROOT_MOVE, PATIENT_ROOT_MOVE))
_SERVICES = _FIND | _RETRIEVE | {_VERIFICATION}
_STANDARD_ROOT = "1.2.840.10008."
_STORAGE_ROOTS = ("1.2.840.10008.5.1.4.1.1.", "1.2.840.10008.5.1.4.34.7", "1.2.840.10008.5.1.4.43.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOffer:
    """What all sessions of a node share."""

    database: LocalDatabase
    store: InstanceStore
    ae_title: str
    destinations: Mapping[str, ServerConfig]
    allowed_callers: frozenset[str]
    on_stored: OnStored | None


class NodeSession:
    """One caller's association.

    Parameters
    ----------
    offer : NodeOffer
        The node's.
    sock : socket.socket
        The accepted connection; the session closes it.
    address : str
        Where the caller is, for the log.
    """

    def __init__(self, offer: NodeOffer, sock: socket.socket, address: str) -> None:
        self._offer = offer
        self._socket = sock
        self._address = address
        self._channel = Channel(sock, max_pdu=_MAX_PDU, peer_max_pdu=0, timeout_s=_REQUEST_WAIT_S)
        self._contexts: dict[int, Accepted] = {}
        self._caller = ""

    def run(self) -> None:
        """Serve until the association ends."""
        try:
            if self._negotiate():
                while True:
                    self._serve_next()
        except (PeerReleased, PeerClosed):
            self._channel.close()
        except PeerAborted:
            logger.info("%s at %s broke off the association", self._caller, self._address)
        except PeerSilent:
            self._channel.abort()
        except (ProtocolFault, OSError) as fault:
            logger.info("Association with %s at %s aborted: %s", self._caller, self._address, fault)
            self._channel.abort(2)

    def interrupt(self) -> None:
        """Make `run` end soon; safe from any thread."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def _negotiate(self) -> bool:
        kind, body = self._channel.receive_pdu()
        if kind != ASSOCIATE_RQ:
            message = "no association request"
            raise ProtocolFault(message)
        request = parse_request(bytes(body))
        self._caller = request.calling_ae_title
        why = None
        if request.called_ae_title != self._offer.ae_title:
            why = CALLED_AE_UNKNOWN
        elif self._offer.allowed_callers and self._caller not in self._offer.allowed_callers:
            why = CALLING_AE_UNKNOWN
        if why is not None:
            self._channel.send(reject_pdu(why))
            # The caller closes the connection (PS3.8 9.2.3, ARTIM); if not, the time-out does.
            self._channel.receive()
            return False
        self._accept(request)
        return True

    def _accept(self, request: AssociationRequest) -> None:
        accepted = accepted_contexts(request, _choose_syntax)
        self._contexts = {item.context_id: item for item in accepted}
        self._channel.allow_peer(request.max_pdu)
        self._channel.timeout_s = _IDLE_S
        self._channel.send(accept_pdu(request, accepted, _MAX_PDU))

    def _serve_next(self) -> None:
        context_id, command, _, _ = self._channel.receive()
        context = self._contexts.get(context_id)
        if command is None or context is None:
            message = f"message in context {context_id}, which was not accepted"
            raise ProtocolFault(message)
        if command.field == CommandField.C_STORE_RQ:
            self._store(context, command)
            return
        data = self._channel.receive_data(_LONGEST_IDENTIFIER) if command.has_data else b""
        if command.field == CommandField.C_ECHO_RQ:
            self._answer(context, command, 0)
        elif command.field == CommandField.C_FIND_RQ and context.abstract_syntax in _FIND:
            implicit = context.transfer_syntax == IMPLICIT_LITTLE
            answer_find(self._offer.database.reader, self._channel, context, command, data, implicit=implicit)
        elif command.field in (CommandField.C_GET_RQ, CommandField.C_MOVE_RQ) and (
            context.abstract_syntax in _RETRIEVE
        ):
            NodeRetrieve(
                reader=self._offer.database.reader,
                channel=self._channel,
                context=context,
                contexts=tuple(self._contexts.values()),
                destinations=self._offer.destinations,
                ae_title=self._offer.ae_title,
                caller=self._caller,
            ).run(command, data)
        elif command.field != CommandField.C_CANCEL_RQ:
            self._answer(context, command, _UNRECOGNISED_OPERATION)

    def _store(self, context: Accepted, command: Command) -> None:
        storage = context.abstract_syntax not in _SERVICES
        status, reason, outcome = store_instance(
            self._channel,
            self._offer.store,
            command,
            context.transfer_syntax if storage else "",
            self._caller,
        )
        self._answer(context, command, status, reason)
        if outcome is not None and self._offer.on_stored is not None:
            self._offer.on_stored(outcome)

    def _answer(self, context: Accepted, command: Command, status: int, comment: str = "") -> None:
        answer = Command(
            field=command.field | _RESPONSE,
            responded_to=command.message_id,
            sop_class=command.sop_class,
            sop_instance=command.sop_instance,
            status=status,
            comment=comment,
        )
        self._channel.send_message(context.context_id, answer)


def _choose_syntax(abstract: str, syntaxes: list[str], caller_receives: bool) -> str:
    """Transfer syntax to accept for a context, empty to refuse it.

    Who receives from us (C-GET) is given uncompressed data where one context mixes both, because we can
    decompress but not compress; who sends to us is taken at the first word.
    """
    if abstract in _SERVICES:
        return next((syntax for syntax in syntaxes if syntax in UNCOMPRESSED), "")
    if not _is_storage(abstract):
        return ""
    known = [syntax for syntax in syntaxes if syntax in UNCOMPRESSED or syntax in COMPRESSED]
    if caller_receives:
        return next((syntax for syntax in known if syntax in UNCOMPRESSED), next(iter(known), ""))
    return next(iter(known), "")


def _is_storage(abstract: str) -> bool:
    """Standard storage classes, and private ones; other standard services are not ours."""
    return bool(abstract) and (abstract.startswith(_STORAGE_ROOTS) or not abstract.startswith(_STANDARD_ROOT))
