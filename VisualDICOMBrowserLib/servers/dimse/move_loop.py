"""C-MOVE over a channel we own: the request, its pending answers, the final one (DICOM PS3.7 9.1.4, PS3.4 C.4.2).

The instances themselves come over other associations (``arrivals``). One thread per run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from VisualDICOMBrowserLib.servers.dimse.fast_get import LONGEST_IDENTIFIER, GetOutcome, outcome_in
from VisualDICOMBrowserLib.servers.dimse.status import is_pending
from VisualDICOMBrowserLib.servers.upper_layer.association import Accepted
from VisualDICOMBrowserLib.servers.upper_layer.channel import Channel
from VisualDICOMBrowserLib.servers.upper_layer.pdata import Command, CommandField, ProtocolFault

__all__ = ["MoveWatch", "run_move"]


class MoveWatch(Protocol):
    """Who follows a C-MOVE while it runs."""

    def pending(self, counts: GetOutcome) -> None:
        """The server tells how far it is."""
        ...

    def last_sign(self) -> float:
        """When something last arrived, by `time.monotonic`; asked several times per second."""
        ...


def run_move(
    channel: Channel,
    context: Accepted,
    request: Command,
    identifier: bytes,
    watch: MoveWatch,
    check: Callable[[], None],
) -> GetOutcome:
    """Send the request and follow it to the final answer.

    Pending answers are optional (PS3.4 C.4.2.3), so that a server is silent only when nothing arrives either.

    Raises
    ------
    ProtocolFault, PeerAborted, PeerClosed, PeerReleased, PeerSilent
        The association cannot go on.
    """
    longest_silence = channel.timeout_s
    heard = time.monotonic()

    def tick() -> None:
        check()
        channel.timeout_s = longest_silence + max(0.0, watch.last_sign() - heard)

    channel.on_tick = tick
    try:
        channel.send_message(context.context_id, request, identifier)
        while True:
            tick()
            _, command, data = channel.receive_message(LONGEST_IDENTIFIER)
            heard = time.monotonic()
            if command.field != CommandField.C_MOVE_RSP or command.status is None:
                message = f"command {command.field:04X} during C-MOVE"
                raise ProtocolFault(message)
            outcome = outcome_in(command, data, context.transfer_syntax)
            if not is_pending(outcome.status):
                return outcome
            watch.pending(outcome)
    finally:
        channel.on_tick = None
        channel.timeout_s = longest_silence
