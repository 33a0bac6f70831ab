"""What the answers to a C-MOVE mean to the user, together with what has arrived (DICOM PS3.4 C.4.2.1).

No network; any thread.
"""

from __future__ import annotations

from dataclasses import dataclass

from VisualDICOMBrowserLib.errors import PeerError
from VisualDICOMBrowserLib.model import FailedInstance, RetrieveRequest, RetrieveResult
from VisualDICOMBrowserLib.servers.arrivals import Expectation, ListenerAddress
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse.fast_get import GetOutcome
from VisualDICOMBrowserLib.servers.dimse.status import Outcome, outcome_of, status_text
from VisualDICOMBrowserLib.servers.faults import operation_failed

__all__ = [
    "Destination",
    "MoveJudgement",
    "Moved",
    "destination_unknown",
    "is_destination_unknown",
    "nothing_came",
    "nothing_sent",
]

_UNKNOWN_DESTINATION = 0xA801
# Some servers answer an unknown destination with a general failure and say so only in their comment.
_DESTINATION_WORDS = ("destination", "unknown aet", "unknown modality")


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a C-MOVE sends: the AE title the server knows it by, and host and port, for the user only."""

    ae_title: str
    host: str
    port: int

    @classmethod
    def of(cls, listener: ListenerAddress, ae_title: str = "") -> Destination:
        """Our listener, under another AE title if one is given."""
        return cls(ae_title or listener.ae_title, listener.host, listener.port)

    def __str__(self) -> str:
        return f'AE title "{self.ae_title}", {self.host}, port {self.port}'


@dataclass(frozen=True, slots=True)
class Moved:
    """The final answers to the C-MOVEs of one request, summed up.

    ``completed`` and ``failed`` are what the server counts, None where it left its counters out.
    """

    outcomes: tuple[GetOutcome, ...]

    @property
    def completed(self) -> int | None:
        """Instances that the server says it sent."""
        if any(outcome.completed is None for outcome in self.outcomes):
            return None
        return sum((outcome.completed or 0) + (outcome.warning or 0) for outcome in self.outcomes)

    @property
    def failed(self) -> int:
        """Instances that the server says it could not send, or gave up."""
        return sum((outcome.failed or 0) + (outcome.remaining or 0) for outcome in self.outcomes)

    @property
    def failed_uids(self) -> dict[str, GetOutcome]:
        """Those that it names."""
        return {uid: outcome for outcome in self.outcomes for uid in outcome.failed_uids}

    @property
    def worst(self) -> GetOutcome:
        """The first answer that is a failure, else the first with a warning, else the first."""
        for kinds in ((Outcome.FAILURE, Outcome.CANCELLED), (Outcome.WARNING,)):
            for outcome in self.outcomes:
                if outcome_of(outcome.status) in kinds:
                    return outcome
        return self.outcomes[0]


def is_destination_unknown(outcome: GetOutcome) -> bool:
    """Whether the server says that it does not know the destination: A801, or a failure with such a comment."""
    if outcome.status == _UNKNOWN_DESTINATION:
        return True
    comment = outcome.comment.casefold()
    return outcome_of(outcome.status) is Outcome.FAILURE and any(words in comment for words in _DESTINATION_WORDS)


def destination_unknown(config: ServerConfig, destination: Destination, doubt: str = "") -> PeerError:
    """The sentence for it; `doubt` names what else it may be."""
    return PeerError(
        f'{config.name} does not know where "{destination.ae_title}" is{doubt}.',
        code="move_destination",
        server=config.name,
        next_step=f"Ask its administrator to register {destination}.",
    )


def nothing_sent(config: ServerConfig, destination: Destination, moved: Moved) -> PeerError | None:
    """Why the server sent nothing, None if it says that it sent something."""
    worst = moved.worst
    if 0xC000 <= worst.status <= 0xCFFF and not (moved.failed or worst.comment or moved.completed):
        # Orthanc gives this one answer to an unknown destination and to one that does not answer.
        return destination_unknown(config, destination, ", or cannot reach it")
    if outcome_of(worst.status) is not Outcome.SUCCESS and not moved.completed:
        failure = operation_failed(
            config, f'could not send the images to "{destination.ae_title}"', worst.status, worst.comment
        )
        failure.next_step = failure.next_step or f"Check that it can reach {destination}."
        return failure
    if moved.completed == 0:
        return PeerError(
            f"{config.name} has none of the images asked for.",
            code="not_found",
            server=config.name,
            next_step="Query the server again.",
        )
    return None


def nothing_came(config: ServerConfig, destination: Destination, where: str, whom: str) -> PeerError:
    """The server reports success, but nothing arrived `where`; it may have registered `whom` wrongly."""
    return PeerError(
        f"{config.name} reports success, but nothing arrived {where}.",
        code="move_nothing_came",
        server=config.name,
        next_step=f"Check that it has registered {whom} as {destination}.",
    )


class MoveJudgement:
    """What a C-MOVE to our listener came to."""

    def __init__(
        self,
        config: ServerConfig,
        request: RetrieveRequest,
        destination: Destination,
        expectation: Expectation,
        moved: Moved,
    ) -> None:
        self._name = config.name
        self._config = config
        self._request = request
        self._destination = destination
        self._arrived = expectation
        self._moved = moved

    def result(self) -> RetrieveResult:
        """Counts, with the missing instances as far as they are known.

        Raises
        ------
        PeerError
            Nothing came; why.
        """
        if not self._arrived.count:
            raise nothing_sent(self._config, self._destination, self._moved) or nothing_came(
                self._config, self._destination, f"on port {self._destination.port}", "us"
            )
        here = self._arrived.instances
        failed = {
            uid: FailedInstance(SOPInstanceUID=uid, reason=self._reason(outcome))
            for uid, outcome in self._moved.failed_uids.items()
            if uid not in here and uid not in self._arrived.refused
        }
        for uid in self._request.SOPInstanceUIDs:
            if uid not in here and uid not in self._arrived.refused and uid not in failed:
                failed[uid] = FailedInstance(SOPInstanceUID=uid, reason=f"It did not arrive from {self._name}.")
        return RetrieveResult(
            received=len(here),
            bytes=self._arrived.bytes,
            warnings=sum(outcome.warning or 0 for outcome in self._moved.outcomes),
            failed_count=max(len(failed), self._missing()),
            failed=tuple(failed.values()),
        )

    def _missing(self) -> int:
        """How many did not come. What came but was refused by the database is counted by the sink."""
        came = len(self._arrived.instances) + len(self._arrived.refused)
        counted = (self._moved.completed or 0) + self._moved.failed
        missing = max(counted - came, (self._request.expected or 0) - came, 0)
        broken = outcome_of(self._moved.worst.status) in (Outcome.FAILURE, Outcome.CANCELLED)
        return max(missing, 1) if broken and not self._arrived.refused else missing

    def _reason(self, outcome: GetOutcome) -> str:
        return f"{self._name} could not send it: {status_text(outcome.status, outcome.comment)}."
