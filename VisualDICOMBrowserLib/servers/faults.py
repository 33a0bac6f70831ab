"""Failures of a DICOM peer as sentences for the user (wording: what failed, where, what to do).

The one place where exceptions of sockets, `channel` and pynetdicom's results become errors of
`VisualDICOMBrowserLib.errors`. Any thread.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from VisualDICOMBrowserLib.errors import (
    AssociationError,
    NetworkError,
    PeerError,
    PeerTimeoutError,
    StorageFault,
    VisualDICOMError,
)
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse.status import Outcome, outcome_of, status_text
from VisualDICOMBrowserLib.servers.upper_layer.channel import PeerAborted, PeerClosed, PeerReleased, PeerSilent
from VisualDICOMBrowserLib.servers.upper_layer.pdata import ProtocolFault

__all__ = [
    "connect_fault",
    "connection_fault",
    "lost_while_connecting",
    "no_context",
    "not_dicom",
    "operation_failed",
    "peer_faults",
    "rejected",
    "storage_fault",
    "unanswered",
]


def connect_fault(config: ServerConfig, fault: OSError) -> NetworkError:
    """Why no TCP connection came about."""
    if isinstance(fault, socket.gaierror):
        # No name server answers; those under .invalid would not know better (RFC 6761 6.4).
        if fault.errno == socket.EAI_AGAIN and not config.host.endswith(".invalid"):
            return NetworkError(
                f"{config.name}: the name {config.host} cannot be looked up now.",
                code="unreachable",
                server=config.name,
                next_step="Check the network of this computer.",
            )
        return NetworkError(
            f"{config.name}: the name {config.host} is not known in this network.",
            code="unknown_host",
            server=config.name,
            next_step="Check the host name.",
        )
    if isinstance(fault, TimeoutError) or fault.errno == errno.ETIMEDOUT:
        return unanswered(config)
    if isinstance(fault, ConnectionRefusedError):
        return NetworkError(
            f"{config.name}: nothing listens on port {config.port}.",
            code="refused",
            server=config.name,
            next_step="Check the port, and whether the server runs.",
        )
    return NetworkError(
        f"{config.name} cannot be reached: {fault.strerror or fault}.",
        code="unreachable",
        server=config.name,
        next_step="Check the network and the address.",
    )


def unanswered(config: ServerConfig) -> PeerTimeoutError:
    """The server is silent."""
    return PeerTimeoutError(
        f"{config.name} did not answer in {config.timeout_s:g} s.",
        server=config.name,
        next_step="Check whether it is switched on and whether a firewall blocks it.",
    )


def not_dicom(config: ServerConfig, language: str = "") -> PeerError:
    """The port speaks `language` instead of DICOM; empty if it was not recognised."""
    words = f"speaks {language}, not DICOM" if language else "does not answer in DICOM"
    return PeerError(
        f"{config.name}: port {config.port} {words}.",
        code="not_dicom",
        server=config.name,
        next_step="Ask its administrator for the DICOM port.",
    )


def lost_while_connecting(config: ServerConfig) -> NetworkError:
    """The connection ended before anything was agreed on."""
    return NetworkError(
        f"{config.name} closed the connection while it was set up.",
        code="connection_lost",
        server=config.name,
        next_step="Try again.",
    )


def rejected(config: ServerConfig, calling: str, result: int, source: int, reason: int) -> AssociationError:
    """Why the server rejected the association: result, source and reason of DICOM PS3.8 9.3.4."""
    name = config.name
    known = {
        (1, 2): ("association_rejected", f"{name} does not take DICOM associations of our kind.", ""),
        (1, 3): (
            "calling_ae",
            f'{name} does not know us ("{calling}").',
            "Ask its administrator to register our AE title there.",
        ),
        (1, 7): (
            "called_ae",
            f'{name} does not know the AE title "{config.called_ae_title}".',
            "Ask its administrator for the right AE title.",
        ),
        (2, 2): ("association_rejected", f"{name} does not know our version of the DICOM protocol.", ""),
        (3, 1): ("busy", f"{name} is busy and takes no further connection now.", "Try again later."),
        (3, 2): (
            "local_limit",
            f"{name} has as many connections as it allows and takes no further one now.",
            "Try again later, or allow fewer connections to it.",
        ),
    }
    code, message, next_step = known.get((source, reason), ("", "", ""))
    if not code and (source == 3 or result == 2):
        code, message, next_step = known[3, 1]
    if not code:
        code, message = "association_rejected", f"{name} rejected the connection without a usable reason."
    next_step = next_step or "Check both AE titles with its administrator."
    return AssociationError(message, code=code, server=name, next_step=next_step)


def no_context(config: ServerConfig, service: str) -> AssociationError:
    """The server does not offer a service, such as ``"retrieve by C-GET"``."""
    return AssociationError(
        f"{config.name} offers no {service}.",
        code="no_context",
        server=config.name,
        next_step="Ask its administrator to allow it for our AE title.",
    )


def connection_fault(config: ServerConfig, fault: Exception) -> VisualDICOMError:
    """What ended an established association."""
    name = config.name
    if isinstance(fault, PeerSilent):
        return PeerTimeoutError(
            f"{name} fell silent for {config.timeout_s:g} s, so the connection was closed.",
            server=name,
            next_step="Try again.",
        )
    if isinstance(fault, PeerAborted):
        return AssociationError(
            f"{name} broke off the connection.", code="aborted", server=name, next_step="Try again later."
        )
    if isinstance(fault, ProtocolFault):
        return PeerError(
            f"{name} sent what DICOM does not allow ({fault}), so the connection was closed.",
            code="protocol",
            server=name,
            next_step="Report this to its administrator.",
        )
    if isinstance(fault, PeerReleased):
        message = f"{name} ended the connection before it had answered."
        return AssociationError(message, code="released", server=name, next_step="Try again.")
    return NetworkError(
        f"The connection to {name} was lost.", code="connection_lost", server=name, next_step="Try again."
    )


@contextmanager
def peer_faults(config: ServerConfig) -> Iterator[None]:
    """Turn the faults of a channel into errors that name the server."""
    try:
        yield
    except (PeerAborted, PeerClosed, PeerReleased, PeerSilent, ProtocolFault) as fault:
        raise connection_fault(config, fault) from fault


def operation_failed(config: ServerConfig, what: str, status: int, comment: str) -> PeerError:
    """The server ended an operation with a status that is no success; `what` begins the sentence after
    the server's name, such as ``"could not search"``."""
    # A702 says that no sub-operation succeeded, for whatever reason (PS3.4 C.4.3.1.4), not that the server is busy.
    code = "busy" if 0xA700 <= status <= 0xA7FF and status != 0xA702 else "peer_status"
    if outcome_of(status) is Outcome.CANCELLED:
        code = "peer_cancelled"
    return PeerError(
        f"{config.name} {what}: {status_text(status, comment)}.",
        code=code,
        server=config.name,
        next_step="Try again later." if code == "busy" else "",
    )


def storage_fault(fault: OSError) -> StorageFault:
    """A received instance could not be written."""
    if fault.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFault(
            "The disk of the database is full. What has arrived is kept.",
            code="disk_full",
            next_step="Free some space, then retrieve again.",
        )
    return StorageFault(
        f"A received image cannot be written: {fault.strerror or fault}.",
        next_step="Check the disk of the database.",
    )
