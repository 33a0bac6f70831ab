"""One association's share of a retrieve: what it fetches, and fetching it.

Runs in this process or in a worker (``worker``); parts travel there as plain JSON. One thread per call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from VisualDICOMBrowserLib.errors import PeerError, VisualDICOMError
from VisualDICOMBrowserLib.model import JobControl, PartSink, RetrieveRequest, RetrieveResult
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse.get import PATIENT_ROOT_GET, STUDY_ROOT_GET, get_instances
from VisualDICOMBrowserLib.servers.dimse.links import Link, end_link, open_link
from VisualDICOMBrowserLib.servers.dimse.storage_classes import UNCOMPRESSED, classes_for, proposed_contexts
from VisualDICOMBrowserLib.servers.progress import ProgressSum, is_answered, settled
from VisualDICOMBrowserLib.servers.upper_layer.association import Caller, ContextProposal
from VisualDICOMBrowserLib.settings import Settings

__all__ = ["FetchPart", "caller_for", "fetch"]

_MOST_CONTEXTS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchPart:
    """Requests that go one after the other over one association, and the SOP classes to expect."""

    requests: tuple[RetrieveRequest, ...]
    SOPClassUIDs: tuple[str, ...]

    @property
    def expected(self) -> int | None:
        """Instances announced for all requests, None if not known."""
        counts = [request.expected for request in self.requests]
        return None if None in counts else sum(count or 0 for count in counts)

    def to_dict(self) -> dict[str, Any]:
        """Plain fields for the wire to a worker."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FetchPart:
        """Part with the fields that `to_dict` wrote, also through JSON."""
        plain: list[dict[str, Any]] = [
            {key: tuple(value) if isinstance(value, list) else value for key, value in item.items()}
            for item in values["requests"]
        ]
        return cls(
            requests=tuple(RetrieveRequest(**item) for item in plain), SOPClassUIDs=tuple(values["SOPClassUIDs"])
        )


def caller_for(config: ServerConfig, settings: Settings) -> Caller:
    """Who we are towards that server: its own calling AE title if it has one, else the setting."""
    title = config.calling_ae_title or settings.text("network/calling_ae_title")
    return Caller(ae_title=title, max_pdu=settings.integer("network/pdu_size"))


def fetch(
    config: ServerConfig,
    caller: Caller,
    part: FetchPart,
    sink: PartSink,
    control: JobControl,
    *,
    own_loop: bool = True,
) -> RetrieveResult:
    """Open an association for the part's SOP classes and run its requests.

    Raises
    ------
    NetworkError, AssociationError, PeerError, StorageFault, JobCancelled
        The part ended early; what had arrived whole is in the sink.
    """
    link = open_link(config, caller, _proposals(part.SOPClassUIDs), own_loop=own_loop, control=control)
    total = ProgressSum(control, part.expected)
    outcomes: list[tuple[int | None, RetrieveResult | VisualDICOMError]] = []
    try:
        for request in part.requests:
            outcomes.append(
                (len(request.SOPInstanceUIDs) or request.expected, _outcome(config, link, request, sink, total))
            )
    except BaseException as error:
        end_link(link, error)
        raise
    link.release()
    return settled(control, outcomes)


def _outcome(
    config: ServerConfig, link: Link, request: RetrieveRequest, sink: PartSink, total: ProgressSum
) -> RetrieveResult | VisualDICOMError:
    try:
        return get_instances(config, link, request, sink, total.part())
    except PeerError as error:
        if not is_answered(error):
            raise
        return error


def _proposals(sop_classes: tuple[str, ...]) -> list[ContextProposal]:
    models = [ContextProposal(uid, UNCOMPRESSED) for uid in (STUDY_ROOT_GET, PATIENT_ROOT_GET)]
    contexts = proposed_contexts(sop_classes or classes_for(), _MOST_CONTEXTS - len(models))
    return models + [ContextProposal(uid, syntaxes, as_provider=True) for uid, syntaxes in contexts]
