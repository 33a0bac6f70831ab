"""Our node's end of a caller's association: a `Channel` with what only an acceptor needs.

One thread, as every channel.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

from VisualDICOMBrowserLib.servers.upper_layer.channel import Channel
from VisualDICOMBrowserLib.servers.upper_layer.pdata import RELEASE_RQ

__all__ = ["CallerChannel", "NodeLimits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLimits:
    """What a node allows its callers.

    ``max_pdu`` is the longest PDU in bytes (4096 to 1 MB), ``max_associations`` and ``max_per_peer`` the most at a
    time together and from one address, ``idle_s`` the longest silence within an association and ``request_wait_s``
    the longest before it, in seconds.
    """

    max_pdu: int = 131072
    max_associations: int = 64
    max_per_peer: int = 32
    idle_s: float = 60.0
    request_wait_s: float = 10.0


class CallerChannel(Channel):
    """Messages of a caller.

    Parameters
    ----------
    sock : socket.socket
        Connected socket; the channel closes it.
    limits : NodeLimits
        What the caller is allowed.
    before_release : callable
        Called before a release is answered.
    """

    def __init__(self, sock: socket.socket, limits: NodeLimits, before_release: Callable[[], object]) -> None:
        super().__init__(sock, max_pdu=limits.max_pdu, peer_max_pdu=0, timeout_s=limits.request_wait_s)
        self._before_release = before_release
        self._next: tuple[int, memoryview] | None = None

    def receive_pieces(self) -> tuple[list[memoryview | bytes], bool]:
        """All pieces of a data set that are here, at least one, and whether its last one is among them.

        They are views, void from the next receive on; faults as `receive`.
        """
        _, _, piece, last = self.receive()
        pieces = [piece]
        while not last and self._has_more():
            _, _, piece, last = self.receive()
            pieces.append(piece)
        return pieces, last

    def receive_pdu(self) -> tuple[int, memoryview]:
        """As `Channel.receive_pdu`."""
        pdu, self._next = self._next or super().receive_pdu(), None
        if pdu[0] == RELEASE_RQ:
            self._before_release()
        return pdu

    def _has_more(self) -> bool:
        """Whether another PDU can be had without touching the buffer that the pieces lie in."""
        if not self._fragments and self._next is None:
            self._next = self._buffer.next_pdu()
        return bool(self._fragments) or self._next is not None
