"""Connections that we open: name to addresses, TCP to the first address that answers, TLS where it is on.

Everything here ends soon after a cancel. What is said over the connection is ``association``'s. Any thread.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import queue
import selectors
import socket
import ssl
import threading
import time
from collections import deque
from typing import Any

from VisualDICOMBrowserLib.errors import PeerTimeoutError, VisualDICOMError
from VisualDICOMBrowserLib.model import JobControl
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.faults import connect_fault, lost_while_connecting, not_dicom, unanswered
from VisualDICOMBrowserLib.servers.upper_layer.channel import set_no_delay
from VisualDICOMBrowserLib.servers.upper_layer.first_words import ASSOCIATION, HTTP, spoken
from VisualDICOMBrowserLib.servers.upper_layer.tls import (
    certificate_end,
    client_context,
    is_expired,
    tls_fault,
    tls_not_expected,
    unverified_context,
)

__all__ = ["Address", "connect", "plain_host", "resolve"]

Address = tuple[socket.AddressFamily, tuple[Any, ...]]

logger = logging.getLogger(__name__)

_TICK_S = 0.1
# A further address is tried beside one that is slow to answer (RFC 8305 5).
_NEXT_ADDRESS_S = 0.25
_LOOK_S = 1.0
_PROGRESSING = (0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY)


def connect(config: ServerConfig, control: JobControl, key_password: str = "") -> tuple[socket.socket, Address]:
    """A connected socket, encrypted where TLS is on, and the address it leads to.

    Raises
    ------
    NetworkError, PeerTimeoutError, PeerError
        With the reason in words.
    UsageError
        A certificate or key file cannot be used.
    JobCancelled
        `control` was cancelled.
    """
    context = client_context(config, key_password) if config.tls else None
    addresses = resolve(config, control)
    control.raise_if_cancelled()
    sock, address = _first_answering(config, addresses, control)
    try:
        set_no_delay(sock)
        if context is not None:
            sock = _encrypted(sock, address, context, config, control)
        return sock, address
    except BaseException:
        sock.close()
        raise


def plain_host(host: str) -> str:
    """The host as the system knows it: IPv6 addresses without brackets."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def resolve(config: ServerConfig, control: JobControl) -> list[Address]:
    """Addresses of the server's host, without duplicates.

    The system's look-up cannot be interrupted, so that it runs in a thread of its own, which is left behind on
    a cancel and ends when the system gives up.

    Raises
    ------
    NetworkError, PeerTimeoutError
        The name is not known, or nobody answers the question.
    """
    host = plain_host(config.host)
    with contextlib.suppress(OSError, UnicodeError):
        return _addresses(host, config.port, socket.AI_NUMERICHOST)
    answers: queue.SimpleQueue[list[Address] | OSError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(_addresses(host, config.port))
        except UnicodeError:
            answers.put(socket.gaierror(socket.EAI_NONAME, "not a host name"))
        except OSError as fault:
            answers.put(fault)

    threading.Thread(target=look_up, name="name-lookup", daemon=True).start()
    deadline = time.monotonic() + config.timeout_s
    while True:
        control.raise_if_cancelled()
        try:
            answer = answers.get(timeout=_TICK_S)
        except queue.Empty:
            if time.monotonic() < deadline:
                continue
            message = f"{config.name}: the name {host} could not be looked up in {config.timeout_s:g} s."
            raise PeerTimeoutError(message, server=config.name, next_step="Check the network.") from None
        if isinstance(answer, OSError):
            raise connect_fault(config, answer) from answer
        return answer


def _addresses(host: str, port: int, flags: int = 0) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return list(dict.fromkeys((entry[0], entry[4]) for entry in found))


def _first_answering(
    config: ServerConfig, addresses: list[Address], control: JobControl
) -> tuple[socket.socket, Address]:
    """Socket connected to the first address that takes us; the others are tried beside a slow one."""
    waiting = deque(addresses)
    faults: list[VisualDICOMError] = []
    deadline = time.monotonic() + config.timeout_s
    next_start = 0.0
    with selectors.DefaultSelector() as selector:
        try:
            while True:
                control.raise_if_cancelled()
                now = time.monotonic()
                if waiting and (now >= next_start or not selector.get_map()):
                    next_start = now + _NEXT_ADDRESS_S
                    _begin(waiting.popleft(), selector, config, faults)
                    continue
                if not selector.get_map() and not waiting:
                    raise _most_telling(faults)
                if now >= deadline:
                    raise unanswered(config)
                for key, _ in selector.select(min(_TICK_S, deadline - now)):
                    sock, address = key.data
                    error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    selector.unregister(sock)
                    if not error:
                        sock.settimeout(config.timeout_s)
                        return sock, address
                    sock.close()
                    faults.append(connect_fault(config, OSError(error, os.strerror(error))))
        finally:
            for key in list((selector.get_map() or {}).values()):
                key.data[0].close()


def _begin(
    address: Address, selector: selectors.BaseSelector, config: ServerConfig, faults: list[VisualDICOMError]
) -> None:
    try:
        sock = socket.socket(address[0], socket.SOCK_STREAM)
    except OSError as fault:  # IPv6 switched off
        faults.append(connect_fault(config, fault))
        return
    try:
        sock.setblocking(False)
        error = sock.connect_ex(address[1])
    except OSError as fault:
        sock.close()
        faults.append(connect_fault(config, fault))
        return
    if error in _PROGRESSING:
        selector.register(sock, selectors.EVENT_WRITE, (sock, address))
        return
    sock.close()
    faults.append(connect_fault(config, OSError(error, os.strerror(error))))


def _most_telling(faults: list[VisualDICOMError]) -> VisualDICOMError:
    """A closed port tells more than an address family that leads nowhere."""
    return next((fault for fault in faults if fault.code == "refused"), faults[0])


def _encrypted(
    sock: socket.socket, address: Address, context: ssl.SSLContext, config: ServerConfig, control: JobControl
) -> ssl.SSLSocket:
    try:
        encrypted = context.wrap_socket(sock, server_hostname=plain_host(config.host), do_handshake_on_connect=False)
    except (OSError, ValueError) as fault:
        raise lost_while_connecting(config) from fault
    try:
        _shake_hands(encrypted, config, control, config.timeout_s)
    except ssl.SSLError as fault:
        encrypted.close()
        raise _handshake_fault(config, address, fault, control) from fault
    except OSError as fault:
        encrypted.close()
        raise _no_tls(config, address) or lost_while_connecting(config) from fault
    except PeerTimeoutError as silence:
        encrypted.close()
        raise _no_tls(config, address) or silence from None
    except BaseException:
        encrypted.close()
        raise
    logger.info("The connection to %s is encrypted by %s.", config.name, encrypted.version())
    encrypted.settimeout(config.timeout_s)
    return encrypted


def _shake_hands(sock: ssl.SSLSocket, config: ServerConfig, control: JobControl, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    sock.setblocking(False)
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        while True:
            control.raise_if_cancelled()
            if time.monotonic() >= deadline:
                raise unanswered(config)
            try:
                sock.do_handshake()
            except ssl.SSLWantReadError:
                selector.modify(sock, selectors.EVENT_READ)
            except ssl.SSLWantWriteError:
                selector.modify(sock, selectors.EVENT_WRITE)
            else:
                return
            selector.select(_TICK_S)


def _handshake_fault(
    config: ServerConfig, address: Address, fault: ssl.SSLError, control: JobControl
) -> VisualDICOMError:
    if is_expired(fault):
        return tls_fault(config, fault, certificate_end(_certificate_of(config, address, control)))
    if not isinstance(fault, ssl.SSLCertVerificationError) and "ALERT" not in (fault.reason or ""):
        return _no_tls(config, address) or tls_fault(config, fault)
    return tls_fault(config, fault)


def _no_tls(config: ServerConfig, address: Address) -> VisualDICOMError | None:
    """What the port speaks instead of TLS, found out by speaking to it once more; None if that tells nothing."""
    wait_s = min(config.timeout_s, _LOOK_S)
    language = spoken(address, ASSOCIATION, wait_s) or spoken(address, HTTP, wait_s)
    if language == "dicom":
        return tls_not_expected(config)
    return not_dicom(config, "HTTP") if language == "http" else None


def _certificate_of(config: ServerConfig, address: Address, control: JobControl) -> bytes:
    """The certificate that was refused; Python shows it only over a connection that does not look at it."""
    wait_s = min(config.timeout_s, _LOOK_S)
    try:
        with socket.socket(address[0], socket.SOCK_STREAM) as sock:
            sock.settimeout(wait_s)
            sock.connect(address[1])
            with unverified_context().wrap_socket(sock, do_handshake_on_connect=False) as encrypted:
                _shake_hands(encrypted, config, control, wait_s)
                return encrypted.getpeercert(binary_form=True) or b""
    except (OSError, PeerTimeoutError):
        return b""
