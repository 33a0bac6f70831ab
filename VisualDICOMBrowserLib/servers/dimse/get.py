"""C-GET of one request over one link: identifiers, and what the final answer means to the user.

One thread per run; the bulk loop itself is ``fast_get``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from VisualDICOMBrowserLib.errors import AssociationError, NetworkError, PeerError, VisualDICOMError
from VisualDICOMBrowserLib.model import (
    FailedInstance,
    JobControl,
    Level,
    PartSink,
    RetrieveRequest,
    RetrieveResult,
)
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse.fast_get import GetOutcome
from VisualDICOMBrowserLib.servers.dimse.identifiers import retrieve_identifier
from VisualDICOMBrowserLib.servers.dimse.links import Elements, Link
from VisualDICOMBrowserLib.servers.dimse.receiving import InstanceReceiver
from VisualDICOMBrowserLib.servers.dimse.status import CANCELLED, Outcome, outcome_of, status_text
from VisualDICOMBrowserLib.servers.faults import no_context, operation_failed
from VisualDICOMBrowserLib.servers.progress import ProgressSum, is_answered, settled
from VisualDICOMBrowserLib.servers.speed import throttle_of

__all__ = ["PATIENT_ROOT_GET", "STUDY_ROOT_GET", "get_instances", "pieces_of"]

STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"
PATIENT_ROOT_GET = "1.2.840.10008.5.1.4.1.2.1.3"

# A UI value of explicit VR holds 64 kB; fewer UIDs also keep servers' database queries short.
_MOST_UIDS = 400
_PROGRESS_S = 0.1


def get_instances(
    config: ServerConfig, link: Link, request: RetrieveRequest, sink: PartSink, control: JobControl
) -> RetrieveResult:
    """Fetch what `request` names over `link` into `sink`.

    Raises
    ------
    PeerError
        The server sent nothing and said why, or has nothing of what was asked for.
    NetworkError, AssociationError, StorageFault, JobCancelled
        The transfer ended early; what had arrived whole is in the sink.
    """
    model, patient = _model(config, link, request)
    total = ProgressSum(control, request.expected)
    outcomes: list[tuple[int | None, RetrieveResult | VisualDICOMError]] = []
    for level, instances in pieces_of(request):
        control.raise_if_cancelled()
        elements = retrieve_identifier(level, patient, request.StudyInstanceUID, request.SeriesInstanceUID, instances)
        wanted = frozenset(instances)
        expected = len(wanted) if wanted else request.expected
        receiver = InstanceReceiver(
            sink,
            config.called_ae_title,
            wanted,
            study=request.StudyInstanceUID,
            series=request.SeriesInstanceUID if level is not Level.STUDY else "",
            throttle=throttle_of(config, lambda: control.cancel_requested) if config.speed_limit_mb_s else None,
        )
        try:
            outcomes.append(
                (expected, _Get(config, link, total.part(), expected).run(model, elements, receiver, wanted))
            )
        except PeerError as refusal:
            # What the server answered for one list of instances says nothing of the next.
            if not is_answered(refusal):
                raise
            outcomes.append((expected, refusal))
    return settled(control, outcomes)


def _model(config: ServerConfig, link: Link, request: RetrieveRequest) -> tuple[str, str]:
    """Information model to use, and the PatientID its identifiers need."""
    if link.opened.context_for(STUDY_ROOT_GET) is not None:
        return STUDY_ROOT_GET, ""
    if link.opened.context_for(PATIENT_ROOT_GET) is not None and request.PatientID:
        return PATIENT_ROOT_GET, request.PatientID
    raise no_context(config, "retrieve by C-GET")


def pieces_of(request: RetrieveRequest) -> Iterator[tuple[Level, tuple[str, ...]]]:
    """Level and SOP Instance UIDs of each identifier that `request` needs."""
    if request.SOPInstanceUIDs:
        for start in range(0, len(request.SOPInstanceUIDs), _MOST_UIDS):
            yield Level.IMAGE, request.SOPInstanceUIDs[start : start + _MOST_UIDS]
    else:
        yield (Level.SERIES if request.SeriesInstanceUID else Level.STUDY), ()


class _Get:
    """One C-GET and its judgement."""

    def __init__(self, config: ServerConfig, link: Link, control: JobControl, expected: int | None) -> None:
        self._config = config
        self._link = link
        self._control = control
        self._expected = expected
        self._told = 0.0

    def run(self, model: str, elements: Elements, receiver: InstanceReceiver, wanted: frozenset[str]) -> RetrieveResult:
        receiver.on_change = lambda: self._progress(receiver)
        try:
            outcome = self._link.get(model, elements, receiver, self._control)
        except (NetworkError, AssociationError, PeerError) as fault:
            fault.message += self._kept(receiver.received)
            raise
        self._progress(receiver, final=True)
        if outcome.status == CANCELLED:
            self._control.raise_if_cancelled()
        if receiver.foreign:
            self._control.log(
                f"{self._config.name} sent {receiver.foreign} images of another study or series than asked for; "
                "they are kept where they belong."
            )
        return self._judge(outcome, receiver, wanted)

    def _progress(self, receiver: InstanceReceiver, *, final: bool = False) -> None:
        now = time.monotonic()
        if not final and now - self._told < _PROGRESS_S:
            return
        self._told = now
        total = self._expected
        if total is None and receiver.remaining is not None:
            total = receiver.received + receiver.remaining
        self._control.progress(receiver.received, total, receiver.bytes)

    def _kept(self, received: int) -> str:
        if not received:
            return ""
        of_total = f" of {self._expected}" if self._expected else ""
        return f" {received}{of_total} images had arrived and are kept."

    def _judge(self, outcome: GetOutcome, receiver: InstanceReceiver, wanted: frozenset[str]) -> RetrieveResult:
        kind = outcome_of(outcome.status)
        failed = {uid: FailedInstance(SOPInstanceUID=uid, reason=self._reason(outcome)) for uid in outcome.failed_uids}
        failed.update({item.SOPInstanceUID: item for item in receiver.refused})
        counted = sum(n or 0 for n in (outcome.completed, outcome.warning, outcome.failed, outcome.remaining))
        nothing = not (receiver.received or failed or counted)
        # An instance that came twice stands for no other one.
        missing = max(0, counted - receiver.received, (self._expected or 0) - len(receiver.instances))
        failed_count = max(len(failed), outcome.failed or 0, missing)
        if not receiver.received:
            if kind in (Outcome.FAILURE, Outcome.CANCELLED):
                raise operation_failed(self._config, "could not send the images", outcome.status, outcome.comment)
            if nothing:
                message = f"{self._config.name} has none of the images asked for."
                raise PeerError(
                    message,
                    code="not_found",
                    server=self._config.name,
                    next_step="Query the server again.",
                )
        elif kind in (Outcome.FAILURE, Outcome.CANCELLED) and not failed_count:
            failed_count = 1
        for uid in sorted(wanted - receiver.instances - failed.keys()):
            failed[uid] = FailedInstance(SOPInstanceUID=uid, reason=f"{self._config.name} did not send it.")
        return RetrieveResult(
            received=receiver.received,
            bytes=receiver.bytes,
            warnings=(outcome.warning or 0) + receiver.foreign,
            failed_count=failed_count,
            failed=tuple(failed.values()),
        )

    def _reason(self, outcome: GetOutcome) -> str:
        return f"{self._config.name} could not send it: {status_text(outcome.status, outcome.comment)}."
