"""C-MOVE of one request: to our listener, or to another server (a proxy); and what came of it (DICOM PS3.4 C.4.2).

The instances come over other associations: our node stores and indexes them, `Arrivals` tells of them. The
counters of the server say how many to wait for, never how many there are. One thread per call.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Protocol

from VisualDICOMBrowserLib.errors import AssociationError, NetworkError, PeerError
from VisualDICOMBrowserLib.model import (
    InstanceSink,
    JobControl,
    RetrieveRequest,
    RetrieveResult,
)
from VisualDICOMBrowserLib.servers.arrivals import Arrival, Arrivals, Expectation, TakeOver
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse.fast_get import GetOutcome
from VisualDICOMBrowserLib.servers.dimse.get import pieces_of
from VisualDICOMBrowserLib.servers.dimse.identifiers import retrieve_identifier
from VisualDICOMBrowserLib.servers.dimse.links import Link
from VisualDICOMBrowserLib.servers.dimse.move_loop import MoveWatch
from VisualDICOMBrowserLib.servers.dimse.move_outcome import (
    Destination,
    Moved,
    MoveJudgement,
    destination_unknown,
    is_destination_unknown,
)
from VisualDICOMBrowserLib.servers.dimse.status import CANCELLED, Outcome, outcome_of
from VisualDICOMBrowserLib.servers.dimse.storage_classes import UNCOMPRESSED
from VisualDICOMBrowserLib.servers.faults import no_context
from VisualDICOMBrowserLib.servers.upper_layer.association import ContextProposal

__all__ = [
    "MOVE_PROPOSALS",
    "PATIENT_ROOT_MOVE",
    "STUDY_ROOT_MOVE",
    "MoveFollower",
    "ServerCounts",
    "move_instances",
    "run_moves",
]

STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
PATIENT_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.1.2"
MOVE_PROPOSALS = tuple(ContextProposal(uid, UNCOMPRESSED) for uid in (STUDY_ROOT_MOVE, PATIENT_ROOT_MOVE))

_TICK_S = 0.2
_MAPPED = "::ffff:"


class MoveFollower(MoveWatch, Protocol):
    """Who follows the C-MOVEs of one request."""

    def next_piece(self) -> None:
        """The next C-MOVE begins."""
        ...


def run_moves(
    config: ServerConfig,
    link: Link,
    request: RetrieveRequest,
    destination: Destination,
    watch: MoveFollower,
    control: JobControl,
) -> Moved:
    """Run the C-MOVEs that `request` needs, and gather the final answers.

    Raises
    ------
    PeerError
        The server does not know the destination (code ``move_destination``).
    NetworkError, AssociationError, JobCancelled
        The association ended early, or the user gave up.
    """
    model, patient = _model(config, link, request)
    outcomes = []
    for level, instances in pieces_of(request):
        control.raise_if_cancelled()
        elements = retrieve_identifier(level, patient, request.StudyInstanceUID, request.SeriesInstanceUID, instances)
        watch.next_piece()
        outcome = link.move(model, elements, destination.ae_title, watch, control)
        if outcome.status == CANCELLED:
            control.raise_if_cancelled()
        if is_destination_unknown(outcome):
            raise destination_unknown(config, destination)
        outcomes.append(outcome)
    return Moved(tuple(outcomes))


def move_instances(
    config: ServerConfig,
    request: RetrieveRequest,
    sink: InstanceSink,
    control: JobControl,
    *,
    arrivals: Arrivals,
    destination: Destination,
    move: Callable[[MoveFollower], Moved],
    wait_s: float,
    originator: str = "",
) -> RetrieveResult:
    """Have the server send what `request` names to our listener, and wait until it is in the database.

    Parameters
    ----------
    config : ServerConfig
        The server.
    request : RetrieveRequest
        What is wanted.
    sink : InstanceSink
        Counts what came; gets the files themselves if it has a true ``takes_arrivals``.
    control : JobControl
        Cancel, progress and log.
    arrivals : Arrivals
        Tells what our listener stored.
    destination : Destination
        Our listener, as the server knows it.
    move : callable
        Runs the C-MOVEs (`run_moves`) over an association that ends with them.
    wait_s : float
        Longest time without any arrival after the final answer, in seconds.
    originator : str
        Our AE title towards the server.

    Raises
    ------
    PeerError
        The destination is unknown there (``move_destination``), nothing came although the server reports success
        (``move_nothing_came``), it has nothing of this (``not_found``), or it failed.
    NetworkError, AssociationError, JobCancelled
        The association ended early; what had arrived is in the database.
    """
    take_over = TakeOver(sink.add, originator) if getattr(sink, "takes_arrivals", False) else None
    with arrivals.expect(_wanted(request), sink.stored, take_over) as expectation:
        watch = _Watch(expectation, request, control)
        try:
            moved = move(watch)
        except (NetworkError, AssociationError, PeerError) as fault:
            fault.message += _kept(len(expectation.instances), request.expected)
            raise
        _wait(expectation, _promised(request, moved), wait_s, watch, control)
        watch.tell(final=True)
        _note_senders(config, expectation, control)
        return MoveJudgement(config, request, destination, expectation, moved).result()


class ServerCounts:
    """`MoveWatch` that believes the server's counters, for instances that do not come to us."""

    def __init__(self, request: RetrieveRequest, control: JobControl) -> None:
        self._expected = request.expected
        self._control = control
        self._before = 0
        self._done = 0

    def next_piece(self) -> None:
        """The next C-MOVE begins."""
        self._before += self._done
        self._done = 0

    def pending(self, counts: GetOutcome) -> None:
        """Tell the job how far the server is."""
        self._done = (counts.completed or 0) + (counts.warning or 0)
        done = self._before + self._done
        total = self._expected if self._expected is not None else done + (counts.remaining or 0)
        self._control.progress(done, max(done, total))

    def last_sign(self) -> float:
        """Nothing arrives here, so that only its answers show that the server is alive."""
        return 0.0


class _Watch:
    """Tells the job what has arrived, from the job's own thread, while the C-MOVE runs and after it."""

    def __init__(self, expectation: Expectation, request: RetrieveRequest, control: JobControl) -> None:
        self._expectation = expectation
        self._expected = request.expected
        self._control = control
        self._told = -1
        self._remaining: int | None = None

    def next_piece(self) -> None:
        self._remaining = None

    def pending(self, counts: GetOutcome) -> None:
        self._remaining = counts.remaining
        self.tell()

    def last_sign(self) -> float:
        self.tell()
        return self._expectation.last_at

    def tell(self, *, final: bool = False) -> None:
        done = len(self._expectation.instances)
        if done == self._told and not final:
            return
        self._told = done
        total = self._expected
        if total is None and (final or self._remaining is not None):
            total = done + (0 if final else self._remaining or 0)
        self._control.progress(done, None if total is None else max(done, total), self._expectation.bytes)


def _model(config: ServerConfig, link: Link, request: RetrieveRequest) -> tuple[str, str]:
    """Information model to use, and the PatientID its identifiers need."""
    if link.opened.context_for(STUDY_ROOT_MOVE) is not None:
        return STUDY_ROOT_MOVE, ""
    if link.opened.context_for(PATIENT_ROOT_MOVE) is not None and request.PatientID:
        return PATIENT_ROOT_MOVE, request.PatientID
    raise no_context(config, "retrieve by C-MOVE")


def _wanted(request: RetrieveRequest) -> Callable[[Arrival], bool]:
    """Which arrivals belong to the request, whoever sends them; UIDs that the node does not tell are believed."""
    instances = frozenset(request.SOPInstanceUIDs)

    def wanted(arrival: Arrival) -> bool:
        if arrival.StudyInstanceUID not in ("", request.StudyInstanceUID):
            return False
        if instances:
            return arrival.instance.SOPInstanceUID in instances
        if not arrival.StudyInstanceUID:
            return False
        return not request.SeriesInstanceUID or arrival.instance.SeriesInstanceUID == request.SeriesInstanceUID

    return wanted


def _promised(request: RetrieveRequest, moved: Moved) -> int | None:
    """How many arrivals to wait for; None if nobody told."""
    kind = outcome_of(moved.worst.status)
    if kind in (Outcome.FAILURE, Outcome.CANCELLED):
        return moved.completed or 0
    known = len(request.SOPInstanceUIDs) or request.expected
    if moved.completed is None:
        return None if known is None else max(0, known - moved.failed)
    # Counters may be wrong: success means everything, if it is known how much that is.
    return max(moved.completed, known or 0) if kind is Outcome.SUCCESS and moved.completed else moved.completed


def _wait(expectation: Expectation, promised: int | None, longest_s: float, watch: _Watch, control: JobControl) -> None:
    """Wait until `promised` instances have come, or none came for `longest_s` seconds."""
    silent_since = time.monotonic()
    while promised is None or len(expectation.instances) + len(expectation.refused) < promised:
        control.raise_if_cancelled()
        left = max(silent_since, expectation.last_at) + longest_s - time.monotonic()
        if left <= 0:
            return
        expectation.wait_for_more(expectation.count, min(left, _TICK_S))
        watch.tell()


def _note_senders(config: ServerConfig, expectation: Expectation, control: JobControl) -> None:
    """Say who else than the server sent its images."""
    own = _addresses(config.host)
    for title, address in sorted(expectation.senders):
        elsewhere = bool(address and own) and address.removeprefix(_MAPPED) not in own
        if elsewhere or title not in ("", config.called_ae_title):
            place = f" at {address}" if address else ""
            control.log(f'The images of {config.name} came from "{title}"{place}.')


def _addresses(host: str) -> set[str]:
    """Addresses of a host, none if they cannot be found out."""
    try:
        return {str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError:
        return set()


def _kept(received: int, expected: int | None) -> str:
    if not received:
        return ""
    of_total = f" of {expected}" if expected else ""
    return f" {received}{of_total} images had arrived and are kept."
