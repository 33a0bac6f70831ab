"""The bulk loop: C-GET over a channel we own, instances straight to their files (DICOM PS3.7 9.1.3, 9.3.3).

Nothing is decoded and nothing is copied but from the receive buffer to the file. One thread per run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from VisualDICOMBrowserLib.servers.dimse.receiving import InstanceReceiver
from VisualDICOMBrowserLib.servers.dimse.status import is_pending
from VisualDICOMBrowserLib.servers.upper_layer.association import Accepted
from VisualDICOMBrowserLib.servers.upper_layer.channel import Channel
from VisualDICOMBrowserLib.servers.upper_layer.elements import IMPLICIT_LITTLE, MalformedElements, parse_elements
from VisualDICOMBrowserLib.servers.upper_layer.pdata import Command, CommandField, ProtocolFault

__all__ = ["FAILED_UIDS", "LONGEST_IDENTIFIER", "GetOutcome", "outcome_in", "run_get"]

FAILED_UIDS = 0x00080058
"""Failed SOP Instance UID List."""

LONGEST_IDENTIFIER = 4 * 1024 * 1024
"""Most bytes of a list of failed instances."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetOutcome:
    """An answer to C-GET or C-MOVE: status, comment, sub-operation counters, UIDs the server names as failed.

    Counters that the server left out are None.
    """

    status: int
    comment: str = ""
    remaining: int | None = None
    completed: int | None = None
    failed: int | None = None
    warning: int | None = None
    failed_uids: tuple[str, ...] = ()


def run_get(
    channel: Channel,
    context: Accepted,
    request: Command,
    identifier: bytes,
    stores: Mapping[int, str],
    receiver: InstanceReceiver,
    check: Callable[[], None],
) -> GetOutcome:
    """Send the request, take instances until the final answer.

    Parameters
    ----------
    channel : Channel
        The association.
    context : Accepted
        Context of the C-GET.
    request : Command
        The C-GET request.
    identifier : bytes
        Its identifier in the context's transfer syntax.
    stores : mapping of int to str
        Transfer syntax by context in which instances may come.
    receiver : InstanceReceiver
        Takes the instances.
    check : callable
        Called between PDUs; cancels or raises.

    Raises
    ------
    ProtocolFault, PeerAborted, PeerClosed, PeerReleased, PeerSilent
        The association cannot go on.
    StorageFault
        An instance could not be kept; the association was aborted.
    """
    channel.send_message(context.context_id, request, identifier)
    while True:
        check()
        context_id, command, _, _ = channel.receive()
        if command is None:
            message = "command expected"
            raise ProtocolFault(message)
        if command.field == CommandField.C_STORE_RQ:
            _take_instance(channel, context_id, command, stores.get(context_id, ""), receiver, check)
        elif command.field != CommandField.C_GET_RSP or command.status is None:
            message = f"command {command.field:04X} during C-GET"
            raise ProtocolFault(message)
        else:
            data = channel.receive_data(LONGEST_IDENTIFIER) if command.has_data else b""
            if not is_pending(command.status):
                return outcome_in(command, data, context.transfer_syntax)
            receiver.announced(command.remaining)


def _take_instance(
    channel: Channel,
    context_id: int,
    command: Command,
    transfer_syntax: str,
    receiver: InstanceReceiver,
    check: Callable[[], None],
) -> None:
    status = receiver.begin(command, transfer_syntax)
    last = not command.has_data
    while not last:
        check()  # an instance may take minutes, or never end
        _, _, piece, last = channel.receive()
        receiver.write(piece)
    receiver.finish()
    answer = Command(
        field=CommandField.C_STORE_RSP,
        responded_to=command.message_id,
        sop_class=command.sop_class,
        sop_instance=command.sop_instance,
        status=status,
    )
    channel.send_message(context_id, answer)


def outcome_in(command: Command, data: bytes, transfer_syntax: str) -> GetOutcome:
    """What an answer says, its identifier `data` (empty if it has none) included."""
    return GetOutcome(
        status=command.status or 0,
        comment=command.comment,
        remaining=command.remaining,
        completed=command.completed,
        failed=command.failed,
        warning=command.warning,
        failed_uids=_failed_uids(data, implicit=transfer_syntax == IMPLICIT_LITTLE),
    )


def _failed_uids(data: bytes, *, implicit: bool) -> tuple[str, ...]:
    """UIDs of the Failed SOP Instance UID List; none if the identifier cannot be read."""
    try:
        raw = parse_elements(data, implicit=implicit).get(FAILED_UIDS, b"")
    except MalformedElements:
        return ()
    text = raw.decode("ascii", "replace").strip("\0 ")
    return tuple(uid.strip("\0 ") for uid in text.split("\\") if uid.strip("\0 "))
