"""Associations that we open: pynetdicom negotiates, then we own the socket (DICOM PS3.8 7.1).

Lives here: opening, the reasons why it failed, and taking the socket over from pynetdicom. What is said over the
association is in ``links``. pynetdicom is imported at first use; its log stays silent, because failures
become errors and identifiers hold patients' names. Any thread.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from VisualDICOMBrowserLib.errors import AssociationError, PeerError, VisualDICOMError
from VisualDICOMBrowserLib.model import JobControl, NullControl
from VisualDICOMBrowserLib.servers.channel import Channel, set_no_delay
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.faults import connect_fault, rejected, unanswered

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


@dataclass(frozen=True, slots=True)
class Caller:
    """Who we are towards a server: AE title, and the longest PDU we accept, in bytes."""

    ae_title: str
    max_pdu: int


@dataclass(frozen=True, slots=True)
class ContextProposal:
    """One presentation context to propose; ``as_provider`` asks to be its SCP too (PS3.7 D.3.3.4)."""

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    as_provider: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """One accepted presentation context."""

    context_id: int
    abstract_syntax: str
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class Opened:
    """An established association: pynetdicom's object, the contexts the server accepted, and the socket.

    ``sock`` is None if pynetdicom is built in a way that does not let us know it.
    """

    association: Association
    contexts: tuple[Accepted, ...]
    sock: socket.socket | None

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
    """Connect to the server and negotiate; every address of the host is tried.

    Raises
    ------
    NetworkError, PeerTimeoutError, AssociationError, PeerError
        With the reason in words.
    JobCancelled
        `control` was cancelled before the server had answered.
    """
    control = control or NullControl()
    try:
        found = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)
    except OSError as fault:
        raise connect_fault(config, fault) from fault
    control.raise_if_cancelled()  # a socket that does not connect yet cannot be woken
    addresses = list(dict.fromkeys(entry[4] for entry in found))
    failure: VisualDICOMError = unanswered(config)
    for address in addresses:
        attempt = _Attempt(config, caller, address, control)
        opened = attempt.run(proposals, handlers)
        try:
            control.raise_if_cancelled()
        except VisualDICOMError:
            if opened is not None:
                _drop(opened)
            raise
        if opened is not None:
            return opened
        failure = attempt.failure()
        if attempt.connected:
            break
    raise failure


class _Attempt:
    """One try to open an association to one address."""

    def __init__(self, config: ServerConfig, caller: Caller, address: tuple[Any, ...], control: JobControl) -> None:
        self._control = control
        self._config = config
        self._caller = caller
        self._address = address
        self._started = time.monotonic()
        self._association: Association | None = None
        self.connected = False
        self.opened = False
        self.sock: socket.socket | None = None
        self.holder: Any = None

    def run(self, proposals: Sequence[ContextProposal], handlers: Sequence[tuple[Any, Any]]) -> Opened | None:
        from pynetdicom import AE, build_context, build_role, evt

        quiet_pynetdicom()
        attempt = self

        class Entity(AE):
            """Remembers the socket, which pynetdicom forgets to close when it cannot connect."""

            def _create_socket(self, *arguments: Any) -> Any:
                created = super()._create_socket(*arguments)
                attempt.sock, attempt.holder = getattr(created, "socket", None), created
                attempt._control.on_cancel(attempt.break_off)
                return created

        entity = Entity(ae_title=self._caller.ae_title)
        entity.connection_timeout = self._config.timeout_s
        entity.acse_timeout = self._config.timeout_s
        entity.dimse_timeout = self._config.timeout_s
        # Silence is judged by who waits for something; an idle association may rest.
        entity.network_timeout = None
        contexts = [build_context(item.abstract_syntax, list(item.transfer_syntaxes)) for item in proposals]
        providers = dict.fromkeys(item.abstract_syntax for item in proposals if item.as_provider)
        host: Any = self._address[0]
        if len(self._address) == 4:
            host = (self._address[0], self._address[2], self._address[3])
        self._association = entity.associate(
            host,
            self._config.port,
            contexts=contexts,
            ae_title=self._config.called_ae_title,
            max_pdu=self._caller.max_pdu,
            ext_neg=[build_role(uid, scp_role=True) for uid in providers],
            evt_handlers=[(evt.EVT_CONN_OPEN, self._on_connected), *handlers],
        )
        if not self._association.is_established:
            if self.sock is not None:
                self.sock.close()
            return None
        self.opened = True
        accepted = [
            Accepted(int(item.context_id or 0), str(item.abstract_syntax), str(item.transfer_syntax[0]))
            for item in self._association.accepted_contexts
        ]
        return Opened(self._association, tuple(accepted), getattr(self.holder, "socket", None))

    def break_off(self) -> None:
        """End the waiting for an answer, from another thread; an association that is open is left alone."""
        if self.sock is not None and not self.opened:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)

    def failure(self) -> VisualDICOMError:
        """Why `run` gave nothing."""
        association = self._association
        if association is None or not self.connected:
            return self._connect_failure()
        answer = association.acceptor.primitive
        if association.is_rejected and answer is not None:
            return rejected(
                self._config,
                self._caller.ae_title,
                answer.result or 0,
                answer.result_source or 0,
                answer.diagnostic or 0,
            )
        if time.monotonic() - self._started >= self._config.timeout_s:
            return unanswered(self._config)
        if answer is not None and answer.result == 0:
            return AssociationError(
                f"{self._config.name} accepts none of the services we need.",
                code="no_context",
                server=self._config.name,
                next_step="Ask its administrator what our AE title may do there.",
            )
        return PeerError(
            f"{self._config.name} closed the connection without a DICOM answer.",
            code="not_dicom",
            server=self._config.name,
            next_step=f"Check that port {self._config.port} is its DICOM port.",
        )

    def _connect_failure(self) -> VisualDICOMError:
        if time.monotonic() - self._started >= self._config.timeout_s:
            return unanswered(self._config)
        # pynetdicom keeps the reason to itself, so the connection is tried once more for its error.
        family = socket.AF_INET6 if len(self._address) == 4 else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.settimeout(min(self._config.timeout_s, 5.0))
            try:
                probe.connect(self._address)
            except OSError as fault:
                return connect_fault(self._config, fault)
        return unanswered(self._config)

    def _on_connected(self, event: Any) -> None:
        self.connected = True
        with contextlib.suppress(AttributeError):
            sock = event.assoc.dul.socket.socket
            set_no_delay(sock)
            # pynetdicom's reader blocks without a time-out of its own when a peer stops within a PDU.
            sock.settimeout(self._config.timeout_s)
        if self._control.cancel_requested:  # it came between making the socket and connecting it
            self.break_off()


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
