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
from VisualDICOMBrowserLib.servers.bulk.fetch import FetchPart
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse.find import STUDY_ROOT_FIND, Search
from VisualDICOMBrowserLib.servers.dimse.identifiers import TAGS, elements_of
from VisualDICOMBrowserLib.servers.dimse.links import Link
from VisualDICOMBrowserLib.servers.dimse.storage_classes import classes_for

__all__ = ["SPLIT_INSTANCES", "cut_instances", "parts_of", "plan_retrieve"]

SPLIT_INSTANCES = 200
"""So many instances are fetched over several associations.

Each instance costs a round trip, which several associations share; on loopback the gain is about 7 percent
and is eaten up by the question for the instances below this number.
"""

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
    pieces = cut_instances(request, most_parts) if request.SOPInstanceUIDs else planner.pieces(most_parts)
    return parts_of(pieces, classes, most_parts)


def cut_instances(request: RetrieveRequest, most_parts: int) -> list[RetrieveRequest]:
    """A request for many instances cut into lists of about equal length; one for few stays whole."""
    uids = request.SOPInstanceUIDs
    if most_parts < 2 or len(uids) < SPLIT_INSTANCES:
        return [request]
    size = -(-len(uids) // most_parts)
    lists = [uids[start : start + size] for start in range(0, len(uids), size)]
    return [replace(request, SOPInstanceUIDs=part, expected=len(part)) for part in lists]


def parts_of(requests: list[RetrieveRequest], classes: tuple[str, ...], most: int) -> list[FetchPart]:
    """Requests put to at most `most` parts, the largest first, each to the smallest part so far."""
    groups: list[list[RetrieveRequest]] = [[] for _ in range(min(most, len(requests)))]
    sizes = [0] * len(groups)
    for request in sorted(requests, key=_size, reverse=True):
        smallest = sizes.index(min(sizes))
        groups[smallest].append(request)
        sizes[smallest] += _size(request)
    return [FetchPart(requests=tuple(group), SOPClassUIDs=classes) for group in groups]


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
        if most_parts < 2:
            return [self._request]
        series = self._series()
        if sum(request.expected or 0 for request in series) < (self._request.expected or 0):
            # The list is not complete, so that fetching by it would lose what it lacks.
            series = []
        if len(series) >= 2 * most_parts or not series:
            return series or [self._request]
        return [piece for request in series for piece in self._cut(request, most_parts)]

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

    def _cut(self, request: RetrieveRequest, most_parts: int) -> list[RetrieveRequest]:
        if (request.expected or 0) < SPLIT_INSTANCES:
            return [request]
        query = Query(
            level=Level.IMAGE,
            StudyInstanceUID=request.StudyInstanceUID,
            SeriesInstanceUID=request.SeriesInstanceUID,
        )
        uids = [record.SOPInstanceUID for record in self._search(query) if isinstance(record, InstanceRecord)]
        if len(uids) < (request.expected or 0):
            return [request]
        return cut_instances(replace(request, SOPInstanceUIDs=tuple(uids)), most_parts)

    def _search(self, query: Query) -> tuple[object, ...]:
        """All that is found; nothing if the server refuses or does not give all of it."""
        try:
            found = Search(self._config, self._link, query, self._control, None).run()
            return () if found.limit_reached else found.records
        except AssociationError:
            raise
        except PeerError as refusal:
            # Without the list, everything is asked for in one piece.
            self._control.log(str(refusal))
            return ()


def _size(request: RetrieveRequest) -> int:
    return _ASSUMED_INSTANCES if request.expected is None else request.expected


def _values(answer: dict[int, bytes], keyword: str) -> list[str]:
    text = answer.get(TAGS[keyword].tag, b"").decode("ascii", "replace")
    return [value.strip("\0 ") for value in text.split("\\") if value.strip("\0 ")]
