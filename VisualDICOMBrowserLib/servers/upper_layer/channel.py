"""The socket of an established association, owned by one thread: PDUs in, PDUs out, time-outs, cancel.

Both sides use it: the DIMSE driver after pynetdicom negotiated, and our own node. Ends the stall of peers that
leave Nagle's algorithm on by acknowledging at once (``TCP_QUICKACK`` around every receive, Linux). The socket may
be encrypted. Faults are raised as the exceptions below; who knows the peer's name makes sentences of them.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Callable

from VisualDICOMBrowserLib.servers.upper_layer.pdata import (
    ABORT,
    DATA,
    RELEASE_RP,
    RELEASE_RQ,
    Command,
    Fragment,
    MessageReader,
    PduBuffer,
    ProtocolFault,
    abort_pdu,
    encode_message,
    release_reply_pdu,
    release_request_pdu,
)

__all__ = [
    "CANCEL_WAIT_S",
    "Channel",
    "PeerAborted",
    "PeerClosed",
    "PeerReleased",
    "PeerSilent",
    "has_quick_ack",
    "set_no_delay",
]

CANCEL_WAIT_S = 5.0
"""How long a peer may take to end what it was asked to cancel, before the connection is aborted."""

_TICK_S = 0.2
# A PDU that comes slower than this is given up, so that a peer cannot hold a thread with single bytes.
_SLOWEST_BYTES_PER_S = 2048
_RELEASE_WAIT_S = 2.0
# OpenSSL tells of no progress within one write, so that it gets no more at once.
_LONGEST_TLS_WRITE = 64 * 1024
# With less nothing fits beside the headers, so that a message would never end.
_SHORTEST_PDU = 128


class PeerAborted(ConnectionError):
    """The peer sent A-ABORT."""


class PeerClosed(ConnectionError):
    """The connection ended without release."""


class PeerReleased(ConnectionError):
    """The peer asked for release; it has been answered."""


class PeerSilent(TimeoutError):
    """The peer sent nothing, or not enough, within the time-out."""


def has_quick_ack() -> bool:
    """Whether this system lets the receiver acknowledge at once (Linux)."""
    return hasattr(socket, "TCP_QUICKACK")


def set_no_delay(sock: socket.socket) -> None:
    """Send small pieces at once instead of waiting for acknowledgements."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _wait_at_most_a_tick(sock: socket.socket) -> None:
    """Have calls on a socket come back after a tick if nothing moves: `TimeoutError` or `BlockingIOError`."""
    if sys.platform != "linux" or isinstance(sock, ssl.SSLSocket):
        sock.settimeout(_TICK_S)
        return
    # The kernel keeps the time here; Python would look before each call whether it can be done.
    sock.settimeout(None)
    tick = struct.pack("@ll", 0, int(_TICK_S * 1_000_000))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, tick)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, tick)


class Channel:
    """Messages over an established association.

    Parameters
    ----------
    sock : socket.socket
        Connected socket, perhaps an ``ssl.SSLSocket`` after its handshake; the channel closes it.
    max_pdu : int
        Longest PDU we allowed the peer.
    peer_max_pdu : int
        Longest PDU the peer allows us, 0 for no limit.
    timeout_s : float
        Longest silence while something is awaited, in seconds.

    While it waits, ``on_tick`` is called several times per second if it is set; it may raise to give up.
    """

    def __init__(
        self,
        sock: socket.socket,
        *,
        max_pdu: int,
        peer_max_pdu: int,
        timeout_s: float,
    ) -> None:
        self._socket = sock
        self._tls = isinstance(sock, ssl.SSLSocket)
        self._buffer = PduBuffer(max_pdu)
        self._max_pdu = max_pdu
        self._reader = MessageReader()
        self._fragments: deque[Fragment] = deque()
        self._closed = False
        self._thread: int | None = None
        self.allow_peer(peer_max_pdu)
        self.timeout_s = timeout_s
        self.on_tick: Callable[[], None] | None = None
        set_no_delay(sock)
        _wait_at_most_a_tick(sock)

    def allow_peer(self, peer_max_pdu: int) -> None:
        """Send PDUs of at most `peer_max_pdu` bytes, 0 for no limit, and of no more than we allow ourselves."""
        longest = max(_SHORTEST_PDU, min(peer_max_pdu or self._max_pdu, self._max_pdu))
        self.peer_max_pdu = longest & ~1  # fragments have an even number of bytes (PS3.8 annex E)

    def receive(self) -> Fragment:
        """Next command set or data set fragment.

        Raises
        ------
        ProtocolFault, PeerAborted, PeerClosed, PeerReleased, PeerSilent
            Nothing more can be received.
        """
        while not self._fragments:
            kind, body = self.receive_pdu()
            if kind == DATA:
                self._fragments.extend(self._reader.fragments(body))
            elif kind == ABORT:
                message = f"source {body[2]}, reason {body[3]}" if len(body) >= 4 else ""
                raise PeerAborted(message)
            elif kind == RELEASE_RQ:
                self.send(release_reply_pdu())
                raise PeerReleased
            else:
                message = f"PDU of type {kind:02X} within an association"
                raise ProtocolFault(message)
        return self._fragments.popleft()

    def receive_message(self, longest: int) -> tuple[int, Command, bytes]:
        """Next whole message of a peer whose data sets are small: context, command, data set.

        Raises
        ------
        ProtocolFault
            The data set is longer than `longest` bytes. Else as `receive`.
        """
        context_id, command, _, last = self.receive()
        if command is None:
            message = "command expected"
            raise ProtocolFault(message)
        return context_id, command, b"" if last else self.receive_data(longest)

    def receive_data(self, longest: int) -> bytes:
        """The whole data set that the last command announced; faults as `receive_message`."""
        data = bytearray()
        last = False
        while not last:
            _, _, piece, last = self.receive()
            data += piece
            if len(data) > longest:
                message = f"data set of more than {longest} bytes"
                raise ProtocolFault(message)
        return bytes(data)

    def send_message(self, context_id: int, command: Command, data: bytes | None = None) -> None:
        """Send a command set and, if given, a data set."""
        self.send(encode_message(context_id, command, data, max_pdu=self.peer_max_pdu))

    def send(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes that make whole PDUs.

        Raises
        ------
        PeerClosed, PeerSilent
            The peer is gone, or took nothing for the time-out.
        """
        self._thread = threading.get_ident()
        view = memoryview(data)
        progress = time.monotonic()
        while view:
            try:
                sent = self._socket.send(view[:_LONGEST_TLS_WRITE] if self._tls else view)
            except (TimeoutError, BlockingIOError):
                self._tick(progress)
            except OSError as fault:
                raise PeerClosed(str(fault)) from fault
            else:
                view = view[sent:]
                progress = time.monotonic()

    def waiting(self) -> bool:
        """Whether bytes of the peer, or the end of the connection, can be read without waiting."""
        if self._fragments or not self._buffer.empty:
            return True
        self._socket.settimeout(0)
        try:
            if self._tls:  # an encrypted byte cannot be looked at without taking it
                self._buffer.received(self._socket.recv_into(self._buffer.room()))
            else:
                self._socket.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, TimeoutError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except OSError:
            return True
        else:
            return True
        finally:
            _wait_at_most_a_tick(self._socket)

    def release(self) -> None:
        """End the association in order, waiting shortly for the peer's answer, and close."""
        try:
            self.timeout_s = min(self.timeout_s, _RELEASE_WAIT_S)
            self.on_tick = None
            self.send(release_request_pdu())
            deadline = time.monotonic() + _RELEASE_WAIT_S
            while self.receive_pdu()[0] not in (RELEASE_RP, ABORT) and time.monotonic() < deadline:
                pass
        except (OSError, ProtocolFault):
            pass
        if self._tls:
            # Says that nothing was cut off; the peer's own word is not waited for.
            with contextlib.suppress(OSError, ValueError):
                self._socket.settimeout(0)
                self._socket.unwrap()  # type: ignore[attr-defined]
        self.close()

    def abort(self, source: int = 0, reason: int = 0) -> None:
        """Tell the peer that we give up, without waiting, and close; also from another thread."""
        # An encrypted connection has one user; another thread can only cut it.
        ours = not self._tls or self._thread in (None, threading.get_ident())
        if ours and not self._closed:
            with contextlib.suppress(OSError):
                self._socket.send(abort_pdu(source, reason))
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self._closed = True
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        self._socket.close()

    def receive_pdu(self) -> tuple[int, memoryview]:
        """Type and body of the next PDU, whatever it is; faults as `receive`."""
        self._thread = threading.get_ident()
        pdu = self._buffer.next_pdu()
        if pdu is not None:
            return pdu
        started = last = time.monotonic()
        while True:
            room = self._buffer.room()
            try:
                _quick_ack(self._socket)
                count = self._socket.recv_into(room)
                _quick_ack(self._socket)
            except (TimeoutError, BlockingIOError):
                self._tick(last)
                continue
            except OSError as fault:
                raise PeerClosed(str(fault)) from fault
            if not count:
                raise PeerClosed
            self._buffer.received(count)
            pdu = self._buffer.next_pdu()
            if pdu is not None:
                return pdu
            last = time.monotonic()
            if last - started > self.timeout_s + self._max_pdu / _SLOWEST_BYTES_PER_S:
                raise PeerSilent

    def _tick(self, last: float) -> None:
        if self.on_tick is not None:
            self.on_tick()
        if time.monotonic() - last > self.timeout_s:
            raise PeerSilent


if has_quick_ack():

    def _quick_ack(sock: socket.socket) -> None:
        # The kernel clears the option again, so it is set around every receive.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

else:

    def _quick_ack(sock: socket.socket) -> None:
        """Nothing to set on this system."""
