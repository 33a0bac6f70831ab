"""One association of our node, from its request to its end.

Negotiates (``negotiation``), then serves one message after the other over a `Channel`: C-ECHO and C-STORE here,
C-FIND in ``find``, C-GET and C-MOVE in ``retrieve``. One thread per session.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.storing import InstanceStore
from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse.find import PATIENT_ROOT_FIND, STUDY_ROOT_FIND
from VisualDICOMBrowserLib.servers.dimse.get import PATIENT_ROOT_GET, STUDY_ROOT_GET
from VisualDICOMBrowserLib.servers.dimse.move import PATIENT_ROOT_MOVE, STUDY_ROOT_MOVE
from VisualDICOMBrowserLib.servers.dimse.storage_classes import COMPRESSED, UNCOMPRESSED
from VisualDICOMBrowserLib.servers.node.batches import IncomingBatches, Sender
from VisualDICOMBrowserLib.servers.node.caller_channel import CallerChannel, NodeLimits
from VisualDICOMBrowserLib.servers.node.find import answer_find
from VisualDICOMBrowserLib.servers.node.listener_rules import ListenerRules
from VisualDICOMBrowserLib.servers.node.retrieve import NodeRetrieve
from VisualDICOMBrowserLib.servers.node.store import confirmation, store_instance
from VisualDICOMBrowserLib.servers.speed import Throttle, throttle_of
from VisualDICOMBrowserLib.servers.upper_layer.association import Accepted
from VisualDICOMBrowserLib.servers.upper_layer.channel import PeerAborted, PeerClosed, PeerReleased, PeerSilent
from VisualDICOMBrowserLib.servers.upper_layer.elements import IMPLICIT_LITTLE
from VisualDICOMBrowserLib.servers.upper_layer.negotiation import (
    accept_pdu,
    accepted_contexts,
    parse_request,
    reject_pdu,
)
from VisualDICOMBrowserLib.servers.upper_layer.pdata import ASSOCIATE_RQ, Command, CommandField, ProtocolFault

__all__ = ["NodeOffer", "NodeSession"]

logger = logging.getLogger(__name__)

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
    batches: IncomingBatches
    destinations: Mapping[str, ServerConfig]
    rules: ListenerRules
    limits: NodeLimits
    tls: ssl.SSLContext | None


class NodeSession:
    """One caller's association.

    Parameters
    ----------
    offer : NodeOffer
        The node's.
    sock : socket.socket
        The accepted connection; the session closes it.
    address : str
        Where the caller is.
    """

    def __init__(self, offer: NodeOffer, sock: socket.socket, address: str) -> None:
        self._offer = offer
        self._socket = sock
        self._address = address
        self._channel: CallerChannel | None = None
        self._contexts: dict[int, Accepted] = {}
        self._caller = ""
        self._throttle: Throttle | None = None

    def run(self) -> None:
        """Serve until the association ends."""
        channel = self._connected()
        if channel is None:
            return
        try:
            if self._negotiate(channel):
                while True:
                    self._serve_next(channel)
        except (PeerReleased, PeerClosed):
            channel.close()
        except PeerAborted:
            logger.info("%s at %s broke off the association", self._caller, self._address)
        except PeerSilent:
            channel.abort()
        except (ProtocolFault, OSError) as fault:
            logger.info("Association with %s at %s aborted: %s", self._caller, self._address, fault)
            channel.abort(2)

    def interrupt(self) -> None:
        """Make `run` end soon; safe from any thread."""
        with contextlib.suppress(OSError):
            # Not the method of a TLS socket, which would pull it from under the thread that reads.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        if self._channel is not None:
            self._channel.close()
        self._socket.close()

    def _connected(self) -> CallerChannel | None:
        """The channel, after the handshake of TLS where the node asks for it; None if that failed."""
        limits = self._offer.limits
        if self._offer.tls is not None:
            try:
                self._socket.settimeout(limits.request_wait_s)
                tls = self._offer.tls.wrap_socket(self._socket, server_side=True, do_handshake_on_connect=False)
                self._socket = tls
                tls.do_handshake()
            except (OSError, ValueError) as fault:
                logger.info("A caller at %s could not agree with us on TLS: %s", self._address, fault)
                return None
        self._channel = CallerChannel(self._socket, limits, self._offer.batches.before_release)
        return self._channel

    def _negotiate(self, channel: CallerChannel) -> bool:
        kind, body = channel.receive_pdu()
        if kind != ASSOCIATE_RQ:
            message = "no association request"
            raise ProtocolFault(message)
        request = parse_request(bytes(body))
        self._caller = request.calling_ae_title
        why = self._offer.rules.refusal(
            called=request.called_ae_title,
            ours=self._offer.ae_title,
            calling=self._caller,
            address=self._address,
        )
        if why is not None:
            channel.send(reject_pdu(why))
            # The caller closes the connection (PS3.8 9.2.3, ARTIM); if not, the time-out does.
            channel.receive()
            return False
        self._throttle = self._limit_of_caller()
        limits = self._offer.limits
        accepted = accepted_contexts(request, _choose_syntax)
        self._contexts = {item.context_id: item for item in accepted}
        channel.allow_peer(request.max_pdu)
        channel.timeout_s = limits.idle_s
        channel.send(accept_pdu(request, accepted, limits.max_pdu))
        return True

    def _limit_of_caller(self) -> Throttle | None:
        """The limit of speed of one of our servers, which holds for what it sends because of a C-MOVE, too."""
        try:
            server = self._offer.destinations.get(self._caller)
        except VisualDICOMError as fault:
            logger.warning("Whether %s has a limit of speed cannot be told: %s", self._caller, fault)
            return None
        return throttle_of(server) if server is not None and server.speed_limit_mb_s else None

    def _serve_next(self, channel: CallerChannel) -> None:
        context_id, command, _, _ = channel.receive()
        context = self._contexts.get(context_id)
        if command is None or context is None:
            message = f"message in context {context_id}, which was not accepted"
            raise ProtocolFault(message)
        if command.field == CommandField.C_STORE_RQ:
            self._store(channel, context, command)
            return
        data = channel.receive_data(_LONGEST_IDENTIFIER) if command.has_data else b""
        if command.field == CommandField.C_ECHO_RQ:
            _answer(channel, context, command, 0)
        elif command.field == CommandField.C_FIND_RQ and context.abstract_syntax in _FIND:
            self._offer.batches.settle()
            implicit = context.transfer_syntax == IMPLICIT_LITTLE
            answer_find(self._offer.database.reader, channel, context, command, data, implicit=implicit)
        elif command.field in (CommandField.C_GET_RQ, CommandField.C_MOVE_RQ) and (
            context.abstract_syntax in _RETRIEVE
        ):
            self._offer.batches.settle()
            NodeRetrieve(
                reader=self._offer.database.reader,
                channel=channel,
                context=context,
                contexts=tuple(self._contexts.values()),
                destinations=self._offer.destinations,
                ae_title=self._offer.ae_title,
                caller=self._caller,
            ).run(command, data)
        elif command.field != CommandField.C_CANCEL_RQ:
            _answer(channel, context, command, _UNRECOGNISED_OPERATION)

    def _store(self, channel: CallerChannel, context: Accepted, command: Command) -> None:
        storage = context.abstract_syntax not in _SERVICES
        status, reason = store_instance(
            channel,
            self._offer.store,
            self._offer.batches,
            command,
            context.transfer_syntax if storage else "",
            Sender(self._caller, self._address, command.originator, command.originator_message_id),
            self._throttle,
        )
        if status:
            _answer(channel, context, command, status, reason)
        else:
            channel.send(confirmation(context.context_id, command))


def _answer(channel: CallerChannel, context: Accepted, command: Command, status: int, comment: str = "") -> None:
    answer = Command(
        field=command.field | _RESPONSE,
        responded_to=command.message_id,
        sop_class=command.sop_class,
        sop_instance=command.sop_instance,
        status=status,
        comment=comment,
    )
    channel.send_message(context.context_id, answer)


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
