"""How a retrieve is cut into parts for several associations, and which SOP classes it must propose.

Asks the server over an open query association what there is; where it does not say, one part with common
classes does. One thread per call.
"""

from __future__ import annotations

from dataclasses import replace

from VisualDICOMBrowserLib.errors import AssociationError, PeerError
from VisualDICOMBrowserLib.model import (
    InstanceRecord,
    JobControl,
    Level,
    Query,
    RetrieveRequest,
    SeriesRecord,
)
from VisualDICOMBrowserLib.servers.bulk_fetch import FetchPart
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse_find import STUDY_ROOT_FIND, Search
from VisualDICOMBrowserLib.servers.identifiers import TAGS, elements_of
from VisualDICOMBrowserLib.servers.links import Link
from VisualDICOMBrowserLib.servers.storage_classes import classes_for

__all__ = ["SPLIT_INSTANCES", "plan_retrieve"]

SPLIT_INSTANCES = 200
"""A series of at least so many instances is fetched over several associations."""

_ASSUMED_INSTANCES = 100


def plan_retrieve(
    config: ServerConfig, link: Link, request: RetrieveRequest, control: JobControl, most_parts: int
) -> list[FetchPart]:
    """Parts that together fetch what `request` names, at most `most_parts`, about equally large.

    Raises
    ------
    NetworkError, AssociationError, JobCancelled
        The query association broke, or the user gave up.
    """
    if link.opened.context_for(STUDY_ROOT_FIND) is None:
        return [FetchPart(requests=(request,), SOPClassUIDs=request.SOPClassUIDs)]
    planner = _Planner(config, link, request, control)
    classes = request.SOPClassUIDs or planner.classes()
    if most_parts > 1 and not request.SOPInstanceUIDs:
        requests = planner.pieces(most_parts)
        return [FetchPart(requests=bin_, SOPClassUIDs=classes) for bin_ in _bins(requests, most_parts)]
    return [FetchPart(requests=(request,), SOPClassUIDs=classes)]


class _Planner:
    def __init__(self, config: ServerConfig, link: Link, request: RetrieveRequest, control: JobControl) -> None:
        self._config = config
        self._link = link
        self._request = request
        self._control = control

    def classes(self) -> tuple[str, ...]:
        """SOP classes of the study as the server names them, of its instances, or common ones of its modalities."""
        values = {
            "StudyInstanceUID": self._request.StudyInstanceUID,
            "SOPClassesInStudy": "",
            "ModalitiesInStudy": "",
        }
        elements = elements_of(values, Level.STUDY)
        classes: dict[str, None] = {}
        modalities: dict[str, None] = {}
        for _, _, answer in self._link.find(STUDY_ROOT_FIND, elements, lambda: self._control.cancel_requested):
            if answer is not None:
                classes.update(dict.fromkeys(_values(answer, "SOPClassesInStudy")))
                modalities.update(dict.fromkeys(_values(answer, "ModalitiesInStudy")))
        self._control.raise_if_cancelled()
        return tuple(classes) or self._classes_of_instances() or tuple(classes_for(modalities))

    def _classes_of_instances(self) -> tuple[str, ...]:
        query = Query(
            level=Level.IMAGE,
            StudyInstanceUID=self._request.StudyInstanceUID,
            SeriesInstanceUID=self._request.SeriesInstanceUID,
        )
        found = [record.SOPClassUID for record in self._search(query) if isinstance(record, InstanceRecord)]
        return tuple(dict.fromkeys(uid for uid in found if uid))

    def pieces(self, most_parts: int) -> list[RetrieveRequest]:
        """The request cut into its series, and its large series into lists of instances."""
        series = self._series()
        if len(series) >= 2 * most_parts or not series:
            return series or [self._request]
        pieces = []
        for request in series:
            if (request.expected or 0) >= SPLIT_INSTANCES:
                pieces += self._instance_lists(request, most_parts)
            else:
                pieces.append(request)
        return pieces

    def _series(self) -> list[RetrieveRequest]:
        query = Query(
            level=Level.SERIES,
            StudyInstanceUID=self._request.StudyInstanceUID,
            SeriesInstanceUID=self._request.SeriesInstanceUID,
        )
        return [
            replace(
                self._request,
                SeriesInstanceUID=record.SeriesInstanceUID,
                expected=record.NumberOfSeriesRelatedInstances,
            )
            for record in self._search(query)
            if isinstance(record, SeriesRecord)
        ]

    def _instance_lists(self, request: RetrieveRequest, most_parts: int) -> list[RetrieveRequest]:
        query = Query(
            level=Level.IMAGE,
            StudyInstanceUID=request.StudyInstanceUID,
            SeriesInstanceUID=request.SeriesInstanceUID,
        )
        found = [record for record in self._search(query) if isinstance(record, InstanceRecord)]
        uids = [record.SOPInstanceUID for record in found]
        if len(uids) < most_parts:
            return [request]
        size = -(-len(uids) // most_parts)
        lists = [tuple(uids[start : start + size]) for start in range(0, len(uids), size)]
        return [replace(request, SOPInstanceUIDs=part, expected=len(part)) for part in lists]

    def _search(self, query: Query) -> tuple[object, ...]:
        try:
            return Search(self._config, self._link, query, self._control, None).run().records
        except AssociationError:
            raise
        except PeerError as refusal:
            # Without the list, everything is asked for in one piece.
            self._control.log(str(refusal))
            return ()


def _bins(requests: list[RetrieveRequest], most: int) -> list[tuple[RetrieveRequest, ...]]:
    """Requests put to at most `most` groups, the largest first, each to the smallest group so far."""
    groups: list[list[RetrieveRequest]] = [[] for _ in range(min(most, len(requests)))]
    sizes = [0] * len(groups)
    for request in sorted(requests, key=_size, reverse=True):
        smallest = sizes.index(min(sizes))
        groups[smallest].append(request)
        sizes[smallest] += _size(request)
    return [tuple(group) for group in groups]


def _size(request: RetrieveRequest) -> int:
    return _ASSUMED_INSTANCES if request.expected is None else request.expected


def _values(answer: dict[int, bytes], keyword: str) -> list[str]:
    text = answer.get(TAGS[keyword].tag, b"").decode("ascii", "replace")
    return [value.strip("\0 ") for value in text.split("\\") if value.strip("\0 ")]
