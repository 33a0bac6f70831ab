"""QIDO-RS (DICOM PS3.18 10.6): what a query asks for, page after page, and its answers as records.

The requests are our own and not dicomweb-client's: that reads an answer of any size into memory at once, tries again
by itself, follows redirects with credentials, and cannot be cancelled. One thread per `WebSearch`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

from VisualDICOMBrowserLib.errors import PeerError
from VisualDICOMBrowserLib.model import (
    AnyRecord,
    FindResult,
    JobControl,
    Level,
    PatientRecord,
    Query,
    StudyRecord,
)
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse.identifiers import answers_filter, fits, unique_key
from VisualDICOMBrowserLib.servers.dimse.text import QueryStyle
from VisualDICOMBrowserLib.servers.driver import OnRecords
from VisualDICOMBrowserLib.servers.web.body import MOST_BYTES, WebAnswer
from VisualDICOMBrowserLib.servers.web.faults import not_dicomweb, protocol_fault, web_page
from VisualDICOMBrowserLib.servers.web.http import WebSession
from VisualDICOMBrowserLib.servers.web.json import JsonArray, JsonFault, record_of
from VisualDICOMBrowserLib.servers.web.urls import WebUrls, query_string

__all__ = ["PAGE_RECORDS", "WebSearch"]

PAGE_RECORDS = 500
"""Answers asked for at once."""

_HEADERS = {"Accept": "application/dicom+json, application/json;q=0.9", "Accept-Encoding": "gzip"}
_BATCH_RECORDS = 200
_BATCH_S = 0.1
_MOST_RECORDS = 1_000_000
_MORE_FIELDS = {
    Level.STUDY: ("StudyDescription", "InstitutionName"),
    Level.SERIES: ("SeriesDescription", "SeriesDate", "SeriesTime", "BodyPartExamined", "FrameOfReferenceUID"),
    Level.IMAGE: ("NumberOfFrames",),
}
_DROPPED_WHEN_REFUSED = frozenset(("StudyDescription", "SeriesDescription", "includefield", "fuzzymatching"))
_TEXT_FILTERS = ("PatientID", "PatientName", "StudyDescription", "SeriesDescription", "AccessionNumber")

Parameters = list[tuple[str, str]]


@dataclass(slots=True)
class Page:
    """One page of answers: its address, and whether the server said that more follow (PS3.18 8.3.4.4)."""

    url: str
    more: bool = False


class WebSearch:
    """One query.

    Parameters
    ----------
    config : ServerConfig
        The server.
    session : WebSession
        Connections to it.
    query : Query
        What is looked for.
    control : JobControl
        Cancel.
    on_records : callable or None
        Gets batches of records while they come.
    page : int
        Answers asked for at once.
    """

    def __init__(
        self,
        config: ServerConfig,
        session: WebSession,
        query: Query,
        control: JobControl,
        on_records: OnRecords | None = None,
        page: int = PAGE_RECORDS,
    ) -> None:
        self._config = config
        self._style = QueryStyle.of(config)
        self._session = session
        self._urls = WebUrls(config)
        self._query = query
        self._control = control
        self._on_records = on_records
        self._page = page
        self._records: dict[tuple[str, ...], AnyRecord] = {}
        self._batch: list[AnyRecord] = []
        self._batch_started = time.monotonic()
        self._limit_reached = False
        self._place = 0
        self._next_offset: int | None = None
        self._warnings: dict[str, None] = {}

    def run(self) -> FindResult:
        """All records, each once.

        Raises
        ------
        PeerError, NetworkError, PeerTimeoutError, JobCancelled
            The server refused, answered something else, or could not be asked.
        """
        for record in self._found(self._query):
            self._control.raise_if_cancelled()
            if not self._add(record):
                self._limit_reached = True
                self._next_offset = self._place
                break
        self._flush()
        return FindResult(
            records=tuple(self._records.values()),
            limit_reached=self._limit_reached,
            warnings=tuple(self._warnings),
            # Study by study, places in the answers to several questions say nothing.
            next_offset=self._next_offset if self._query.level is Level.STUDY else None,
        )

    def _found(self, query: Query) -> Iterator[AnyRecord]:
        if query.level in (Level.SERIES, Level.IMAGE) and not query.StudyInstanceUID:
            return self._below(query)
        return self._ask(query)

    def _below(self, query: Query) -> Iterator[AnyRecord]:
        """Series and instances are asked for study by study, since filters of upper levels count there alone."""
        for study in list(self._ask(replace(query, level=Level.STUDY, limit=0))):
            if isinstance(study, StudyRecord):
                yield from self._ask(replace(query, StudyInstanceUID=study.StudyInstanceUID, PatientID=study.PatientID))

    def _ask(self, query: Query) -> Iterator[AnyRecord]:
        level = Level.STUDY if query.level is Level.PATIENT else query.level
        parameters = _parameters(query, level, self._style, fuzzy=self._config.fuzzy)
        try:
            anything = yield from self._pages(query, level, parameters)
        except PeerError as refusal:
            plain = [item for item in parameters if item[0] not in _DROPPED_WHEN_REFUSED]
            if refusal.code != "http_400" or plain == parameters:
                raise
            self._control.log(f"{self._config.name} does not take all parts of the query; it is asked without them.")
            yield from self._pages(query, level, plain)
            return
        if not anything and (coarse := _without_encoding(parameters)) != parameters:
            # Debian's Orthanc 1.10 takes percent encoding literally, so "Doe^John" is found as "Doe?John" only.
            yield from self._pages(query, level, coarse)

    def _pages(self, query: Query, level: Level, parameters: Parameters) -> Generator[AnyRecord, None, bool]:
        """Records of all pages that fit the query; returns whether there were any."""
        path = _path(query, level)
        size = min(self._page, query.limit + 1) if query.limit else self._page
        seen: set[tuple[str, ...]] = set()
        offset, incomplete = query.offset, 0
        anything = more = False
        while len(seen) < _MOST_RECORDS:
            count, known = 0, len(seen)
            page = Page(self._urls.search(*path) + query_string([*parameters, *_window(size, offset)]))
            for values in self._page_of(page, required=len(path) == 1):
                self._place = offset + count
                count += 1
                record = record_of(level, values, query, self._config.name)
                if record is None:
                    incomplete += 1
                elif (key := unique_key(record)) not in seen:
                    seen.add(key)
                    if answers_filter(record, query, self._style) and _answers_identifiers(record, query, self._style):
                        anything = True
                        yield from _at_level(record, query.level)
            more = page.more
            # A server that ignores offset repeats itself, one that ignores limit gives all at once, and one with a
            # limit of its own says that there is more.
            if len(seen) == known or (count != size and not more):
                break
            offset += count
        if more:
            self._limit_reached = True
            self._warn(f"{self._config.name} gave only its first matches, more exist.")
        if incomplete:
            self._warn(f"{self._config.name} gave {incomplete} answers without identifiers; they are left out.")
        return anything

    def _page_of(self, page: Page, *, required: bool) -> Iterator[object]:
        """Objects of one page; `required` tells that the address is there on every server."""
        with self._session.request("GET", page.url, self._control, headers=_HEADERS, any_status=True) as answer:
            if answer.status == 404 and required:
                answer.drain()
                raise not_dicomweb(self._config, "the status 404")
            if answer.status in (204, 404):
                answer.drain()
                return
            failure = answer.failure()
            if failure is not None:
                answer.drain()
                raise failure
            warning = answer.headers.get("Warning", "")
            page.more = warning.startswith("299") and "additional results" in warning
            yield from self._elements(answer)

    def _elements(self, answer: WebAnswer) -> Iterator[object]:
        array, size = JsonArray(), 0
        try:
            while data := answer.read():
                size += len(data)
                if size > MOST_BYTES:
                    raise protocol_fault(self._config, f"an answer of more than {MOST_BYTES >> 20} MB")
                yield from array.feed(data)
            if size:
                yield from array.feed(b"", last=True)
        except JsonFault as fault:
            if str(fault) == "a web page":
                raise web_page(self._config) from None
            raise not_dicomweb(self._config, str(fault)) from None

    def _add(self, record: AnyRecord) -> bool:
        """Take a record that is new; False if as many as wanted are there already."""
        key = unique_key(record)
        if key in self._records:
            return True
        if self._query.limit and len(self._records) >= self._query.limit:
            return False
        self._records[key] = record
        self._batch.append(record)
        if len(self._batch) >= _BATCH_RECORDS or time.monotonic() - self._batch_started > _BATCH_S:
            self._flush()
        return True

    def _flush(self) -> None:
        if self._batch and self._on_records is not None:
            self._on_records(self._batch)
        self._batch = []
        self._batch_started = time.monotonic()

    def _warn(self, sentence: str) -> None:
        self._warnings[sentence] = None


def _window(size: int, offset: int) -> Parameters:
    return [("limit", str(size)), ("offset", str(offset))]


def _path(query: Query, level: Level) -> list[str]:
    if level is Level.STUDY:
        return ["studies"]
    if level is Level.SERIES:
        return ["studies", query.StudyInstanceUID, "series"]
    series = ["series", query.SeriesInstanceUID] if query.SeriesInstanceUID else []
    return ["studies", query.StudyInstanceUID, *series, "instances"]


def _parameters(query: Query, level: Level, style: QueryStyle, *, fuzzy: bool) -> Parameters:
    modality = query.Modalities[0] if len(query.Modalities) == 1 else ""
    filters: dict[str, str] = {}
    if level is Level.STUDY:
        name = query.PatientName.strip()
        filters = {
            "PatientID": _pattern(query.PatientID, style),
            "PatientName": name if fuzzy else _pattern(name, style),
            "StudyInstanceUID": query.StudyInstanceUID,
            "StudyDescription": _pattern(query.StudyDescription, style),
            "AccessionNumber": _pattern(query.AccessionNumber, style),
            "ModalitiesInStudy": modality,
            "StudyDate": _range(query.date_from, query.date_to),
        }
    elif level is Level.SERIES:
        filters = {
            "SeriesInstanceUID": query.SeriesInstanceUID,
            "SeriesDescription": _pattern(query.SeriesDescription, style),
            "Modality": modality,
        }
    else:
        filters = {"SOPInstanceUID": query.SOPInstanceUID}
    parameters = [(name, value) for name, value in filters.items() if value]
    if fuzzy and filters.get("PatientName"):
        parameters.append(("fuzzymatching", "true"))
    return parameters + [("includefield", name) for name in _MORE_FIELDS[level]]


def _pattern(text: str, style: QueryStyle) -> str:
    """As `QueryStyle.pattern`, except that a backslash stays: in an address it parts nothing."""
    return text.strip() if "\\" in text else style.pattern(text)


def _range(date_from: str, date_to: str) -> str:
    if date_from and date_from == date_to:
        return date_from
    return f"{date_from}-{date_to}" if date_from or date_to else ""


def _without_encoding(parameters: Parameters) -> Parameters:
    """Parameters in which a wild card stands for each letter that would have to be encoded."""
    return [
        (name, re.sub(r"[^A-Za-z0-9*?\-._~:@!$'()/]", "?", value) if name in _TEXT_FILTERS else value)
        for name, value in parameters
    ]


def _answers_identifiers(record: AnyRecord, query: Query, style: QueryStyle) -> bool:
    """Whether identifiers fit that a server may have ignored; names are left to it, for it may match loosely."""
    if not isinstance(record, StudyRecord):
        return True
    return all(
        not pattern or not text or fits(_pattern(pattern, style), text)
        for pattern, text in (
            (query.PatientID, record.PatientID),
            (query.AccessionNumber, record.AccessionNumber),
            (query.StudyInstanceUID, record.StudyInstanceUID),
        )
    )


def _at_level(record: AnyRecord, level: Level) -> Iterator[AnyRecord]:
    if level is not Level.PATIENT or not isinstance(record, StudyRecord):
        yield record
    elif record.PatientID or record.PatientName:
        yield PatientRecord(
            PatientID=record.PatientID,
            PatientName=record.PatientName,
            PatientBirthDate=record.PatientBirthDate,
            PatientSex=record.PatientSex,
            server=record.server,
        )
