"""The retrieve side of our node: C-GET and C-MOVE with their C-STORE sub-operations (DICOM PS3.4 C.4.2, C.4.3).

Runs in the association's thread; files are sent as they are (``sending``).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from VisualDICOMBrowserLib.errors import BugError, DatabaseFault, JobCancelled, VisualDICOMError
from VisualDICOMBrowserLib.model import InstanceRecord, JobControl, Level, SeriesRecord
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse.fast_get import FAILED_UIDS
from VisualDICOMBrowserLib.servers.dimse.sending import CannotSend, InstanceSender, StoredFile, read_stored_file
from VisualDICOMBrowserLib.servers.dimse.status import CANCELLED, PENDING, Outcome, outcome_of
from VisualDICOMBrowserLib.servers.dimse.storage_classes import UNCOMPRESSED
from VisualDICOMBrowserLib.servers.node.connecting import connect_while_watching
from VisualDICOMBrowserLib.servers.node.find import InstanceReader, asked_for, matching_records
from VisualDICOMBrowserLib.servers.upper_layer.association import (
    Accepted,
    Caller,
    ContextProposal,
    TakeOverFailed,
    open_association,
    take_over,
)
from VisualDICOMBrowserLib.servers.upper_layer.channel import Channel
from VisualDICOMBrowserLib.servers.upper_layer.elements import IMPLICIT_LITTLE, encode_elements
from VisualDICOMBrowserLib.servers.upper_layer.pdata import Command, CommandField, ProtocolFault

__all__ = ["NodeRetrieve"]

_DESTINATION_UNKNOWN = 0xA801
_SUB_OPERATIONS_IMPOSSIBLE = 0xA702
_SOME_FAILED = 0xB000
_DOES_NOT_MATCH = 0xA900
_UNABLE = 0xC000
_REPORT_S = 0.25
_MOST_CONTEXTS = 128
_MAX_PDU = 131072


@dataclass(slots=True)
class _Counts:
    remaining: int
    completed: int = 0
    warning: int = 0
    failed: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRetrieve:
    """One C-GET or C-MOVE of a caller.

    ``contexts`` are all accepted contexts of the association, ``context`` that of the request.
    """

    reader: InstanceReader
    channel: Channel
    context: Accepted
    contexts: Sequence[Accepted]
    destinations: Mapping[str, ServerConfig]
    ae_title: str
    caller: str

    def run(self, request: Command, data: bytes) -> None:
        """Send what the identifier names, reporting on the way, and answer."""
        try:
            instances = list(self._instances(data))
        except ValueError as fault:
            self._answer(request, _DOES_NOT_MATCH, _Counts(0), str(fault))
            return
        except DatabaseFault as fault:
            self._answer(request, _UNABLE, _Counts(0), fault.message)
            return
        if request.field == CommandField.C_GET_RQ:
            self._get(request, instances)
        else:
            self._move(request, instances)

    def _get(self, request: Command, instances: list[InstanceRecord]) -> None:
        cancelled = _CancelFlag(self.channel)
        sender = InstanceSender(self.channel, self.contexts, cancelled.hear)
        self._send_all(request, instances, sender, cancelled)

    def _move(self, request: Command, instances: list[InstanceRecord]) -> None:
        destination = self.destinations.get(request.destination)
        if destination is None:
            self._answer(request, _DESTINATION_UNKNOWN, _Counts(0), "The move destination is not known here.")
            return
        counts = _Counts(len(instances))
        files = [stored for _, stored in _readable(instances)]
        if not files:
            counts.failed = [record.SOPInstanceUID for record in instances]
            self._finish(request, counts, cancelled=False)
            return
        cancelled = _CancelFlag(self.channel)
        try:
            channel, contexts = connect_while_watching(
                lambda control: self._connect(destination, files, control), cancelled.is_set
            )
        except JobCancelled:
            self._finish(request, counts, cancelled=True)
            return
        except VisualDICOMError as fault:
            counts.failed = [record.SOPInstanceUID for record in instances]
            self._answer(request, _SUB_OPERATIONS_IMPOSSIBLE, counts, str(fault))
            return
        try:
            self._send_all(request, instances, InstanceSender(channel, contexts), cancelled)
            channel.release()
        finally:
            channel.close()

    def _connect(
        self, destination: ServerConfig, files: Sequence[StoredFile], control: JobControl
    ) -> tuple[Channel, Sequence[Accepted]]:
        caller = Caller(self.ae_title, _MAX_PDU)
        opened = open_association(destination, caller, _proposals(files), control=control)
        try:
            return take_over(opened, destination, caller), opened.contexts
        except TakeOverFailed as fault:
            opened.association.abort()
            message = f"Images cannot be sent to {destination.name}: {fault}."
            raise BugError(message, server=destination.name) from fault

    def _send_all(
        self, request: Command, instances: list[InstanceRecord], sender: InstanceSender, cancelled: _CancelFlag
    ) -> None:
        counts = _Counts(len(instances))
        move = request.field == CommandField.C_MOVE_RQ
        originator = (self.caller, request.message_id) if move else ("", None)
        reported = time.monotonic()
        for position, record in enumerate(instances):
            if cancelled.is_set():
                break
            try:
                _send_one(record, sender, counts, originator)
            except (OSError, ProtocolFault):
                # On C-GET it is the caller's own association that broke, and nobody is left to be told.
                if not move:
                    raise
                counts.failed += [item.SOPInstanceUID for item in instances[position:]]
                counts.remaining = 0
                break
            if time.monotonic() - reported > _REPORT_S:
                reported = time.monotonic()
                self._answer(request, PENDING, counts)
        self._finish(request, counts, cancelled=counts.remaining > 0)

    def _finish(self, request: Command, counts: _Counts, *, cancelled: bool) -> None:
        done = counts.completed + counts.warning
        if cancelled:
            status = CANCELLED
        elif not counts.failed:
            status = 0
        else:
            status = _SOME_FAILED if done else _SUB_OPERATIONS_IMPOSSIBLE
        self._answer(request, status, counts)

    def _answer(self, request: Command, status: int, counts: _Counts, comment: str = "") -> None:
        """A response with counters, and with the failed UIDs where they belong (PS3.4 C.4.3.1.4)."""
        ongoing = status in (PENDING, CANCELLED)
        response = Command(
            field=request.field | 0x8000,
            responded_to=request.message_id,
            sop_class=request.sop_class,
            status=status,
            comment=comment,
            remaining=counts.remaining if ongoing else None,
            completed=counts.completed,
            failed=len(counts.failed),
            warning=counts.warning,
        )
        data = None
        if counts.failed and status != PENDING:
            uids = "\\".join(counts.failed).encode("ascii", "replace")
            implicit = self.context.transfer_syntax == IMPLICIT_LITTLE
            # A UI value of explicit VR holds less than 64 kB; the counters still tell the number.
            longest = len(uids) if implicit else 65534
            whole = uids if len(uids) <= longest else uids[:longest].rpartition(b"\\")[0]
            data = encode_elements([(FAILED_UIDS, "UI", whole)], implicit=implicit)
        self.channel.send_message(self.context.context_id, response, data)

    def _instances(self, data: bytes) -> Iterator[InstanceRecord]:
        """Local instances that the unique keys of an identifier name (PS3.4 C.4.3.1.3).

        Raises
        ------
        ValueError
            There is no unique key at the level asked for.
        """
        level, keys = asked_for(data, implicit=self.context.transfer_syntax == IMPLICIT_LITTLE)
        unique = {
            Level.PATIENT: "PatientID",
            Level.STUDY: "StudyInstanceUID",
            Level.SERIES: "SeriesInstanceUID",
            Level.IMAGE: "SOPInstanceUID",
        }[level]
        wanted = {
            keyword: keys[keyword]
            for keyword in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
            if keys.get(keyword)
        }
        if unique not in wanted:
            message = f"The identifier lacks {unique}."
            raise ValueError(message)
        instances = set(wanted.pop("SOPInstanceUID", "").split("\\")) - {""}
        patient = wanted.get("PatientID")
        for series in matching_records(self.reader, Level.SERIES, wanted):
            # A unique key of a retrieve names one patient: no wild cards.
            if isinstance(series, SeriesRecord) and patient in (None, series.PatientID):
                for record in self.reader.instances_of_series(series.SeriesInstanceUID):
                    if record.path and (not instances or record.SOPInstanceUID in instances):
                        yield record


class _CancelFlag:
    """Whether the caller sent C-CANCEL; looks at the caller's association between sub-operations."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._set = False

    def hear(self, command: Command) -> None:
        """Take a message that is no response to a sub-operation."""
        if command.field != CommandField.C_CANCEL_RQ:
            message = f"command {command.field:04X} during a retrieve"
            raise ProtocolFault(message)
        self._set = True

    def is_set(self) -> bool:
        """True once C-CANCEL came."""
        if not self._set and self._channel.waiting():
            self.hear(self._channel.receive_message(0)[1])
        return self._set


def _send_one(
    record: InstanceRecord, sender: InstanceSender, counts: _Counts, originator: tuple[str, int | None]
) -> None:
    try:
        outcome = outcome_of(sender.send(read_stored_file(record), *originator))
    except CannotSend:
        outcome = Outcome.FAILURE
    counts.remaining -= 1
    if outcome is Outcome.SUCCESS:
        counts.completed += 1
    elif outcome is Outcome.WARNING:
        counts.warning += 1
    else:
        counts.failed.append(record.SOPInstanceUID)


def _readable(instances: Sequence[InstanceRecord]) -> Iterator[tuple[InstanceRecord, StoredFile]]:
    for record in instances:
        try:
            yield record, read_stored_file(record)
        except CannotSend:
            continue


def _proposals(files: Sequence[StoredFile]) -> list[ContextProposal]:
    """A context for each class and transfer syntax that is there, and an uncompressed one for each class."""
    plain = [ContextProposal(uid, UNCOMPRESSED) for uid in dict.fromkeys(item.sop_class for item in files)]
    pairs = dict.fromkeys((item.sop_class, item.transfer_syntax) for item in files)
    own = [ContextProposal(uid, (syntax,)) for uid, syntax in pairs]
    return (plain + own)[:_MOST_CONTEXTS]
