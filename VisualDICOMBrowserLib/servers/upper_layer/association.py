"""Associations that we open: pynetdicom negotiates, then we own the socket (DICOM PS3.8 7.1).

Lives here: what is proposed and accepted, opening, and taking the socket over from pynetdicom. The connection is made
in ``connecting``, the negotiation in ``association_request``; what is said over the association is in ``links``.
pynetdicom is imported at first use; its log stays silent, because failures become errors and identifiers hold
patients' names. Any thread.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from VisualDICOMBrowserLib.errors import PeerError, UsageError, VisualDICOMError
from VisualDICOMBrowserLib.model import JobControl, NullControl
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.upper_layer.channel import Channel
from VisualDICOMBrowserLib.servers.upper_layer.connecting import connect

if TYPE_CHECKING:
    from pynetdicom.association import Association

__all__ = [
    "Accepted",
    "Caller",
    "ContextProposal",
    "Opened",
    "TakeOverFailed",
    "open_association",
    "quiet_pynetdicom",
    "take_over",
]

_THREAD_END_S = 5.0
_MOST_CONTEXTS = 128


@dataclass(frozen=True, slots=True)
class Caller:
    """Who we are towards a server: AE title, the longest PDU we accept, in bytes, and what opens our key file."""

    ae_title: str
    max_pdu: int
    key_password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ContextProposal:
    """One presentation context to propose.

    ``as_provider`` asks to be its SCP too (PS3.7 D.3.3.4), ``relational`` for relational queries (PS3.4 C.5.1.1).
    """

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    as_provider: bool = False
    relational: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """One accepted presentation context."""

    context_id: int
    abstract_syntax: str
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class Opened:
    """An established association: pynetdicom's object, the contexts the server accepted, and the socket.

    ``sock`` is None if pynetdicom is built in a way that does not let us know it; ``relational`` are the models for
    which the server agreed to relational queries.
    """

    association: Association
    contexts: tuple[Accepted, ...]
    sock: socket.socket | None
    relational: frozenset[str] = frozenset()

    def context_for(self, abstract_syntax: str) -> Accepted | None:
        """The first accepted context of that abstract syntax."""
        return next((item for item in self.contexts if item.abstract_syntax == abstract_syntax), None)


class TakeOverFailed(RuntimeError):
    """pynetdicom is not built as expected."""


def quiet_pynetdicom() -> None:
    """Keep pynetdicom from logging and from binding its log handlers."""
    from pynetdicom import _config

    _config.LOG_HANDLER_LEVEL = "none"
    _config.LOG_REQUEST_IDENTIFIERS = False
    _config.LOG_RESPONSE_IDENTIFIERS = False
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)


def open_association(
    config: ServerConfig,
    caller: Caller,
    proposals: Sequence[ContextProposal],
    handlers: Sequence[tuple[Any, Any]] = (),
    control: JobControl | None = None,
) -> Opened:
    """Connect to the server and negotiate; every address of the host is tried, TLS is used where it is on.

    Raises
    ------
    NetworkError, PeerTimeoutError, AssociationError, PeerError
        With the reason in words.
    UsageError
        More contexts are wanted than fit, or a certificate or key file cannot be used.
    JobCancelled
        `control` was cancelled before the server had answered.
    """
    control = control or NullControl()
    if len(proposals) > _MOST_CONTEXTS:
        message = f"One association has room for {_MOST_CONTEXTS} contexts, and {len(proposals)} are wanted."
        raise UsageError(message, code="too_many_contexts", server=config.name)
    from VisualDICOMBrowserLib.servers.upper_layer.association_request import Negotiation

    sock, address = connect(config, control, caller.key_password)
    negotiation = Negotiation(config, caller, sock, address, control)
    try:
        opened = negotiation.run(proposals, handlers)
        if opened is None:
            control.raise_if_cancelled()
            raise negotiation.failure()
    except BaseException:
        sock.close()
        raise
    try:
        control.raise_if_cancelled()
    except VisualDICOMError:
        _drop(opened)
        raise
    return opened


def _drop(opened: Opened) -> None:
    """End an association that nobody wants any more; pynetdicom may leave its socket open."""
    opened.association.abort()
    if opened.sock is not None:
        opened.sock.close()


def take_over(opened: Opened, config: ServerConfig, caller: Caller) -> Channel:
    """Stop pynetdicom's threads of an established association and own its socket.

    Raises
    ------
    TakeOverFailed
        Nothing was changed; the association can still be used through pynetdicom.
    PeerError
        pynetdicom's threads do not end; the association was aborted.
    """
    association = opened.association
    try:
        reader = association.dul
        kill, join, queue = reader.kill_dul, reader.join, reader.to_user_queue
        peer_max_pdu = association.acceptor.maximum_length or 0
    except AttributeError as fault:
        message = f"pynetdicom is built differently ({fault})"
        raise TakeOverFailed(message) from fault
    if opened.sock is None or not queue.empty():
        message = "pynetdicom does not show its socket, or has read from it already"
        raise TakeOverFailed(message)
    kill()
    join(_THREAD_END_S)
    association.join(_THREAD_END_S)
    if reader.is_alive() or association.is_alive():
        _drop(opened)
        raise _not_ours(config)
    return Channel(opened.sock, max_pdu=caller.max_pdu, peer_max_pdu=peer_max_pdu, timeout_s=config.timeout_s)


def _not_ours(config: ServerConfig) -> VisualDICOMError:
    """pynetdicom's threads did not end, so nobody may use the socket."""
    return PeerError(
        f"The connection to {config.name} could not be set up for the transfer.",
        code="take_over",
        server=config.name,
        next_step="Try again.",
    )
