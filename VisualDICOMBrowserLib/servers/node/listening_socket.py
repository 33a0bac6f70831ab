"""Opening a socket that listens, and why one cannot be opened, as a sentence for a person. Any thread."""

from __future__ import annotations

import errno
import socket

from VisualDICOMBrowserLib.errors import NetworkError

__all__ = ["cannot_listen", "is_free", "listening_socket"]

_BACKLOG = 128
_FIRST_COMMON_PORT = 1024
_LAST_PORT = 65535
_PORTS_LOOKED_AT = 50
_NO_RIGHT = (errno.EACCES, errno.EPERM)
_NOT_OURS = (errno.EADDRNOTAVAIL, getattr(errno, "WSAEADDRNOTAVAIL", errno.EADDRNOTAVAIL))


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens on `host` (empty: every address) and `port` (0: any free one).

    Raises
    ------
    OSError
        It cannot.
    """
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            # On Windows SO_REUSEADDR would let two programs share a port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def is_free(host: str, port: int) -> bool:
    """Whether somebody could listen there now."""
    try:
        listening_socket(host, port).close()
    except OSError:
        return False
    return True


def cannot_listen(host: str, port: int, fault: OSError, tried: int = 1) -> NetworkError:
    """Why nobody can listen on `port`, or on the last of `tried` ports up to it."""
    subject = f"{host}:{port}"
    if fault.errno == errno.EADDRINUSE:
        message = f"Port {port} is used by another program."
        if tried > 1:
            message = f"Ports {port - tried + 1} to {port} are all used by other programs."
        last = min(port + _PORTS_LOOKED_AT, _LAST_PORT)
        free = next((other for other in range(port + 1, last + 1) if is_free(host, other)), None)
        if free is not None:
            return NetworkError(f"{message} {free} is free.", code="cannot_listen", subject=subject)
        next_step = "Choose another port, or end that program."
    elif fault.errno in _NO_RIGHT and port < _FIRST_COMMON_PORT:
        message = f"Port {port} needs a right that this program does not have, as every port below 1024."
        next_step = "Choose a port from 1024 on, such as 11112."
    elif isinstance(fault, socket.gaierror) or fault.errno in _NOT_OURS:
        message = f"This computer has no address {host}, so our node cannot listen there."
        next_step = "Choose 127.0.0.1, an address of this computer, or 0.0.0.0 for all of them."
    else:
        message = f"Our node cannot listen on {host}:{port}: {fault.strerror or fault}."
        next_step = "Choose another port or address."
    return NetworkError(message, code="cannot_listen", subject=subject, next_step=next_step)
