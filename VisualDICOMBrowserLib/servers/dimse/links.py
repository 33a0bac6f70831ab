"""What the driver says over an association: echo, find and get over our own channel.

`Link` is the interface, `ChannelLink` the way over the socket we own, ``pynetdicom_link`` the fall-back through
pynetdicom; `open_link` chooses and says once in the log when it has to fall back. One thread per link.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from VisualDICOMBrowserLib.errors import JobCancelled
from VisualDICOMBrowserLib.model import JobControl
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse.fast_get import GetOutcome, run_get
from VisualDICOMBrowserLib.servers.dimse.move_loop import MoveWatch, run_move
from VisualDICOMBrowserLib.servers.dimse.receiving import InstanceReceiver
from VisualDICOMBrowserLib.servers.dimse.status import is_pending
from VisualDICOMBrowserLib.servers.faults import no_context, peer_faults
from VisualDICOMBrowserLib.servers.progress import ends_in_order
from VisualDICOMBrowserLib.servers.upper_layer.association import (
    Accepted,
    Caller,
    ContextProposal,
    Opened,
    TakeOverFailed,
    open_association,
    take_over,
)
from VisualDICOMBrowserLib.servers.upper_layer.channel import CANCEL_WAIT_S, Channel, has_quick_ack
from VisualDICOMBrowserLib.servers.upper_layer.elements import (
    IMPLICIT_LITTLE,
    Element,
    MalformedElements,
    encode_elements,
    parse_elements,
)
from VisualDICOMBrowserLib.servers.upper_layer.pdata import Command, CommandField, ProtocolFault

__all__ = ["Answer", "ChannelLink", "Elements", "Link", "StopAsking", "end_link", "open_link"]

logger = logging.getLogger(__name__)

Elements = Sequence[Element]
Answer = tuple[int, str, dict[int, bytes] | None]
"""Status, the server's comment, and the values of a match (None in the final answer)."""

_LONGEST_IDENTIFIER = 1024 * 1024
_VERIFICATION = "1.2.840.10008.1.1"
_QUERY_RETRIEVE = "1.2.840.10008.5.1.4.1.2."

_fall_back_lock = threading.Lock()
_fall_backs_told: set[str] = set()


class StopAsking(Protocol):
    """Asked between answers whether no more are wanted."""

    def __call__(self) -> bool:
        """True to end the query."""
        ...


class Link(Protocol):
    """An open association to one server."""

    opened: Opened

    def echo(self, control: JobControl | None = None) -> int:
        """Status of a C-ECHO; `control` can end the waiting."""
        ...

    def find(self, model: str, elements: Elements, stop: StopAsking, within: int | None = None) -> Iterator[Answer]:
        """Answers to a C-FIND, the final one included; cancelled once `stop` says so.

        `within` names a sequence of one item, whose attributes are put among the others.
        """
        ...

    def get(self, model: str, elements: Elements, receiver: InstanceReceiver, control: JobControl) -> GetOutcome:
        """Run a C-GET; instances go to `receiver`."""
        ...

    def move(
        self, model: str, elements: Elements, destination: str, watch: MoveWatch, control: JobControl
    ) -> GetOutcome:
        """Run a C-MOVE to the AE title `destination`."""
        ...

    def release(self) -> None:
        """End the association in order."""
        ...

    def abort(self) -> None:
        """End the association at once."""
        ...


def open_link(
    config: ServerConfig,
    caller: Caller,
    proposals: Sequence[ContextProposal],
    *,
    own_loop: bool = True,
    control: JobControl | None = None,
) -> Link:
    """Open an association; over our own channel where that is possible, else over pynetdicom.

    `own_loop` False asks for pynetdicom's path; `control` can end the waiting. Raises as
    `association.open_association`.
    """
    from VisualDICOMBrowserLib.servers.dimse.pynetdicom_link import PynetdicomLink, store_handlers

    handlers, store_slot = store_handlers()
    opened = open_association(config, caller, proposals, handlers, control)
    if own_loop and not has_quick_ack():
        _tell_fall_back("this system has no TCP_QUICKACK")
    elif own_loop:
        try:
            channel = take_over(opened, config, caller)
        except TakeOverFailed as fault:
            _tell_fall_back(str(fault))
        else:
            return ChannelLink(config, opened, channel)
    return PynetdicomLink(config, opened, store_slot)


def _tell_fall_back(reason: str) -> None:
    with _fall_back_lock:
        if reason in _fall_backs_told:
            return
        _fall_backs_told.add(reason)
    logger.warning("Images are received through pynetdicom, which is slower: %s.", reason)


def end_link(link: Link, error: BaseException) -> None:
    """Release after an answer in order, abort after anything else."""
    if ends_in_order(error):
        link.release()
    else:
        link.abort()


class ChannelLink:
    """`Link` over our own channel."""

    def __init__(self, config: ServerConfig, opened: Opened, channel: Channel) -> None:
        self._config = config
        self._channel = channel
        self._message_id = 0
        self.opened = opened

    def echo(self, control: JobControl | None = None) -> int:
        """Status of a C-ECHO (PS3.7 9.1.5); `control` can end the waiting."""
        context = self._context(_VERIFICATION, "verification (C-ECHO)")
        request = Command(field=CommandField.C_ECHO_RQ, message_id=self._next_id(), sop_class=context.abstract_syntax)
        self._channel.on_tick = control.raise_if_cancelled if control else None
        try:
            with peer_faults(self._config):
                self._channel.send_message(context.context_id, request)
                _, command, _ = self._channel.receive_message(_LONGEST_IDENTIFIER)
                if command.field != CommandField.C_ECHO_RSP or command.status is None:
                    message = "no answer to C-ECHO"
                    raise ProtocolFault(message)
                return command.status
        finally:
            self._channel.on_tick = None

    def find(self, model: str, elements: Elements, stop: StopAsking, within: int | None = None) -> Iterator[Answer]:
        """Answers to a C-FIND (PS3.7 9.1.2); ends after the final one, or when a cancel stays unanswered."""
        context = self._context(model, "search (C-FIND)")
        implicit = context.transfer_syntax == IMPLICIT_LITTLE
        request = Command(field=CommandField.C_FIND_RQ, message_id=self._next_id(), sop_class=model, priority=0)
        canceller = _Canceller(self._channel, context.context_id, request.message_id or 0, stop)
        with peer_faults(self._config):
            self._channel.send_message(context.context_id, request, encode_elements(elements, implicit=implicit))
            self._channel.on_tick = canceller.check
            try:
                yield from self._find_answers(implicit, canceller.check, within)
            except _CancelUnanswered:
                self._channel.abort()
            finally:
                self._channel.on_tick = None

    def get(self, model: str, elements: Elements, receiver: InstanceReceiver, control: JobControl) -> GetOutcome:
        """Run a C-GET through the bulk loop."""
        context = self._context(model, "retrieve by C-GET")
        identifier = encode_elements(elements, implicit=context.transfer_syntax == IMPLICIT_LITTLE)
        stores = {
            item.context_id: item.transfer_syntax
            for item in self.opened.contexts
            if not item.abstract_syntax.startswith(_QUERY_RETRIEVE)
        }
        request = Command(field=CommandField.C_GET_RQ, message_id=self._next_id(), sop_class=model, priority=0)
        canceller = _Canceller(
            self._channel, context.context_id, request.message_id or 0, lambda: control.cancel_requested
        )
        self._channel.on_tick = canceller.check
        try:
            with peer_faults(self._config):
                return run_get(self._channel, context, request, identifier, stores, receiver, canceller.check)
        except _CancelUnanswered:
            raise self._deaf_to_cancel() from None
        finally:
            self._channel.on_tick = None
            receiver.discard()

    def move(
        self, model: str, elements: Elements, destination: str, watch: MoveWatch, control: JobControl
    ) -> GetOutcome:
        """Run a C-MOVE (PS3.7 9.1.4)."""
        context = self._context(model, "retrieve by C-MOVE")
        identifier = encode_elements(elements, implicit=context.transfer_syntax == IMPLICIT_LITTLE)
        request = Command(
            field=CommandField.C_MOVE_RQ,
            message_id=self._next_id(),
            sop_class=model,
            priority=0,
            destination=destination,
        )
        canceller = _Canceller(
            self._channel, context.context_id, request.message_id or 0, lambda: control.cancel_requested
        )
        try:
            with peer_faults(self._config):
                return run_move(self._channel, context, request, identifier, watch, canceller.check)
        except _CancelUnanswered:
            raise self._deaf_to_cancel() from None

    def release(self) -> None:
        """End the association in order."""
        self._channel.release()

    def abort(self) -> None:
        """End the association at once."""
        self._channel.abort()

    def _find_answers(self, implicit: bool, check: Callable[[], None], within: int | None) -> Iterator[Answer]:
        while True:
            check()
            _, command, data = self._channel.receive_message(_LONGEST_IDENTIFIER)
            if command.field != CommandField.C_FIND_RSP or command.status is None:
                message = "no answer to C-FIND"
                raise ProtocolFault(message)
            if not is_pending(command.status):
                yield command.status, command.comment, None
                return
            try:
                values = parse_elements(data, implicit=implicit, within=within)
            except MalformedElements as fault:
                raise ProtocolFault(str(fault)) from fault
            yield command.status, command.comment, values

    def _deaf_to_cancel(self) -> JobCancelled:
        self._channel.abort()
        message = (
            f"{self._config.name} did not answer the cancel request within {CANCEL_WAIT_S:g} s, "
            "so the connection was closed."
        )
        return JobCancelled(message, server=self._config.name)

    def _context(self, abstract_syntax: str, service: str) -> Accepted:
        context = self.opened.context_for(abstract_syntax)
        if context is None:
            raise no_context(self._config, service)
        return context

    def _next_id(self) -> int:
        self._message_id = self._message_id % 0xFFFF + 1
        return self._message_id


class _CancelUnanswered(Exception):
    """The peer did not end the operation in time after C-CANCEL."""


class _Canceller:
    """Sends C-CANCEL once it is wanted (PS3.7 9.3.2.3), and gives up when the peer does not obey."""

    def __init__(self, channel: Channel, context_id: int, message_id: int, wanted: StopAsking) -> None:
        self._channel = channel
        self._context_id = context_id
        self._message_id = message_id
        self._wanted = wanted
        self._deadline: float | None = None

    def check(self) -> None:
        """To be called often."""
        if self._deadline is None:
            if self._wanted():
                self._deadline = time.monotonic() + CANCEL_WAIT_S
                request = Command(field=CommandField.C_CANCEL_RQ, responded_to=self._message_id)
                self._channel.send_message(self._context_id, request)
        elif time.monotonic() > self._deadline:
            raise _CancelUnanswered
