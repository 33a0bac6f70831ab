"""One request for an association and its answer, through pynetdicom over a connection that is open already.

Lives here: what pynetdicom needs for that, and why nothing came of it, told from the peer's own first bytes. One
negotiation per connection, in the thread that opens; pynetdicom reads in a thread of its own.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import struct
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from VisualDICOMBrowserLib.errors import AssociationError, PeerError, UsageError, VisualDICOMError
from VisualDICOMBrowserLib.model import JobControl
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.faults import lost_while_connecting, no_context, not_dicom, rejected, unanswered
from VisualDICOMBrowserLib.servers.upper_layer.association import (
    Accepted,
    Caller,
    ContextProposal,
    Opened,
    quiet_pynetdicom,
)
from VisualDICOMBrowserLib.servers.upper_layer.connecting import Address
from VisualDICOMBrowserLib.servers.upper_layer.first_words import HTTP, language_of, spoken
from VisualDICOMBrowserLib.servers.upper_layer.pdata import ABORT, ASSOCIATE_AC, ASSOCIATE_RJ
from VisualDICOMBrowserLib.servers.upper_layer.tls import client_hello, tls_expected, tls_fault

if TYPE_CHECKING:
    from pynetdicom.association import Association

__all__ = ["Negotiation"]

logger = logging.getLogger(__name__)

_LOOK_S = 1.0
_LONGEST_ANSWER = 256 * 1024
_PDU_HEADER = struct.Struct(">BxL")


class Negotiation:
    """Request and answer over one fresh connection, through pynetdicom; remembers what the peer said first."""

    def __init__(
        self, config: ServerConfig, caller: Caller, sock: socket.socket, address: Address, control: JobControl
    ) -> None:
        self._config = config
        self._caller = caller
        self._control = control
        self._association: Association | None = None
        self._started = time.monotonic()
        self._address = address
        self.sock = sock
        self.opened = False
        self.answered = False
        self.heard = b""
        self.fault: OSError | None = None
        self._unreadable = False

    def run(self, proposals: Sequence[ContextProposal], handlers: Sequence[tuple[Any, Any]]) -> Opened | None:
        """Negotiate; None if nothing came of it.

        Raises
        ------
        PeerError
            The answer is such that pynetdicom fell over it.
        UsageError
            There can be no such request.
        """
        from pynetdicom import AE, build_context, build_role

        quiet_pynetdicom()
        negotiation = self

        class Entity(AE):
            """Gives every association the connection that is open already."""

            def _create_socket(self, assoc: Any, *_: Any) -> Any:
                return _ready_socket(assoc, negotiation)

        providers = dict.fromkeys(item.abstract_syntax for item in proposals if item.as_provider)
        self._control.on_cancel(self.break_off)
        try:
            entity = Entity(ae_title=self._caller.ae_title)
            entity.acse_timeout = entity.dimse_timeout = self._config.timeout_s
            # Silence is judged by who waits for something; an idle association may rest.
            entity.network_timeout = None
            self._association = entity.associate(
                "127.0.0.1",  # the connection is made already
                self._config.port,
                contexts=[build_context(item.abstract_syntax, list(item.transfer_syntaxes)) for item in proposals],
                ae_title=self._config.called_ae_title,
                max_pdu=self._caller.max_pdu,
                ext_neg=[*(build_role(uid, scp_role=True) for uid in providers), *_extensions(proposals)],
                evt_handlers=list(handlers),
            )
            if not self._association.is_established:
                return None
            self.opened = True
            accepted = tuple(
                Accepted(int(item.context_id or 0), str(item.abstract_syntax), str(item.transfer_syntax[0]))
                for item in self._association.accepted_contexts
            )
        except Exception as fault:
            if self._association is not None:
                self._association.abort()
            if self.heard:
                raise self._unusable(type(fault).__name__) from fault
            message = f"No association with {self._config.name} can be asked for: {fault}."
            raise UsageError(message, code="association_request", server=self._config.name) from fault
        return Opened(self._association, accepted, self.sock, _relational(self._association))

    def break_off(self) -> None:
        """End the waiting for an answer, from any thread; an association that is open is left alone."""
        if not self.opened:
            _shut(self.sock)

    def left_s(self) -> float:
        """Seconds until the peer must have answered."""
        return self._started + self._config.timeout_s - time.monotonic()

    def hear(self, piece: bytes) -> None:
        """Take note of the beginning of the answer, before pynetdicom has it.

        Raises
        ------
        ConnectionError
            It is no acceptance that pynetdicom could read; its thread would end over some of the others.
        """
        self.heard += piece
        whole = len(self.heard) >= _PDU_HEADER.size and len(self.heard) == 6 + _PDU_HEADER.unpack_from(self.heard)[1]
        if not whole:
            return
        if self.heard[0] == ASSOCIATE_AC and self._readable():
            self.answered = True
            return
        message = "no usable acceptance"
        raise ConnectionError(message)

    def _readable(self) -> bool:
        from pynetdicom.pdu import A_ASSOCIATE_AC

        try:
            answer = A_ASSOCIATE_AC()
            answer.decode(self.heard)
            answer.to_primitive()
        except Exception:
            logger.debug("The answer of %s cannot be read.", self._config.name, exc_info=True)
            self._unreadable = True
        return not self._unreadable

    def failure(self) -> VisualDICOMError:
        """Why `run` gave nothing."""
        config, heard = self._config, self.heard
        if heard[:1] == bytes((ASSOCIATE_RJ,)) and len(heard) >= 10:
            return rejected(config, self._caller.ae_title, *heard[7:10])
        if self._unreadable:
            return self._unusable("its parts cannot be told apart")
        answer = self._association.acceptor.primitive if self._association is not None else None
        if answer is not None and answer.result == 0:
            return no_context(config, "service of those we need")
        if isinstance(self.fault, ssl.SSLError):
            return tls_fault(config, self.fault)
        if self.heard[:1] == bytes((ABORT,)):
            return AssociationError(
                f"{config.name} broke off the connection while it was set up.",
                code="aborted",
                server=config.name,
                next_step="Try again later.",
            )
        silent = self.left_s() <= 0
        language = language_of(self.heard) or self._asked_again(silent)
        if language == "tls":
            return tls_expected(config)
        if language == "http":
            return not_dicom(config, "HTTP")
        if silent:
            return unanswered(config)
        if language == "dicom":
            return self._unusable("no whole acceptance or rejection")
        return not_dicom(config) if self.heard else self._no_answer()

    def _asked_again(self, silent: bool) -> str:
        """Language of a port that said nothing; a web server may still wait for the end of a line."""
        if self.heard or self._config.tls:
            return ""
        questions = (HTTP,) if silent else (client_hello(), HTTP)
        wait_s = min(self._config.timeout_s, _LOOK_S)
        return next((found for found in (spoken(self._address, item, wait_s) for item in questions) if found), "")

    def _no_answer(self) -> VisualDICOMError:
        config = self._config
        if isinstance(self.fault, ConnectionResetError):
            return lost_while_connecting(config)
        return PeerError(
            f"{config.name} closed the connection without a DICOM answer.",
            code="not_dicom",
            server=config.name,
            next_step=f"Check that port {config.port} is its DICOM port.",
        )

    def _unusable(self, why: str) -> PeerError:
        return PeerError(
            f"{self._config.name} answered the request for an association with what DICOM does not allow ({why}).",
            code="protocol",
            server=self._config.name,
            next_step="Report this to its administrator.",
        )


def _ready_socket(association: Any, negotiation: Negotiation) -> Any:
    """pynetdicom's transport over our connection; while it negotiates, the whole answer has one time limit."""
    from pynetdicom.transport import AddressInformation, AssociationSocket

    timeout_s = association.acse_timeout

    class ReadySocket(AssociationSocket):
        """Connected from the start."""

        def _create_socket(self, address: Any) -> socket.socket:
            return negotiation.sock

        def connect(self, primitive: Any) -> None:
            self._is_connected = True
            primitive.result = "Evt2"
            self.provider_queue.put(primitive)
            self._ready.set()

        def recv(self, nr_bytes: int) -> bytearray:
            if negotiation.answered or self.socket is None:
                return super().recv(nr_bytes)
            received = bytearray()
            try:
                while len(received) < min(nr_bytes, _LONGEST_ANSWER):
                    self.socket.settimeout(max(negotiation.left_s(), 0.001))
                    piece = self.socket.recv(nr_bytes - len(received))
                    if not piece:
                        break
                    received += piece
                    negotiation.hear(piece)
                self.socket.settimeout(timeout_s)
            except OSError as fault:
                negotiation.fault = fault
                raise
            return received

        def send(self, bytestream: bytes) -> None:
            if negotiation.answered or self.socket is None:
                super().send(bytestream)
            else:
                try:
                    self.socket.sendall(bytestream)
                except OSError as fault:
                    negotiation.fault = _parting_words(self.socket) or fault
                    self.event_queue.put("Evt17")
            if bytestream[:1] == bytes((ABORT,)):
                # Nothing is awaited after it; pynetdicom would wait until the peer closes.
                _shut(negotiation.sock)

    return ReadySocket(association, address=AddressInformation("127.0.0.1", 0))


def _parting_words(sock: socket.socket) -> ssl.SSLError | None:
    """The TLS alert that a server sent before it closed, where there is one."""
    try:
        sock.settimeout(0)
        sock.recv(1)
    except ssl.SSLError as fault:
        return fault if "ALERT" in (fault.reason or "") else None
    except OSError:
        pass
    return None


def _shut(sock: socket.socket) -> None:
    """Shut the connection itself; an SSL socket's own method is not safe from another thread."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _extensions(proposals: Sequence[ContextProposal]) -> list[Any]:
    """SOP Class Extended Negotiation that asks for relational queries (PS3.4 C.5.1.1)."""
    from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

    items = []
    for uid in dict.fromkeys(item.abstract_syntax for item in proposals if item.relational):
        item = SOPClassExtendedNegotiation()
        item.sop_class_uid, item.service_class_application_information = uid, b"\x01"
        items.append(item)
    return items


def _relational(association: Association) -> frozenset[str]:
    """Models for which the server agreed: the first byte of its answer is 1."""
    extended = association.acceptor.sop_class_extended
    return frozenset(str(uid) for uid, information in extended.items() if information[:1] == b"\x01")
