"""C-FIND at any level with keys legal there: which requests a query needs, and how their answers are gathered.

A query that lacks the unique keys of the levels above is answered by searching those levels first, unless the server
agreed to relational queries (PS3.4 C.4.1.2.2.2). One thread per run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

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
from VisualDICOMBrowserLib.servers.dimse.identifiers import (
    answers_filter,
    has_wild_cards,
    identifier,
    record_from,
    unique_key,
    without_optional_filters,
)
from VisualDICOMBrowserLib.servers.dimse.links import Link
from VisualDICOMBrowserLib.servers.dimse.status import CANCELLED, Outcome, outcome_of
from VisualDICOMBrowserLib.servers.dimse.text import QueryStyle
from VisualDICOMBrowserLib.servers.driver import OnRecords
from VisualDICOMBrowserLib.servers.faults import operation_failed

__all__ = ["PATIENT_ROOT_FIND", "STUDY_ROOT_FIND", "Search"]

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
PATIENT_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.1.1"

_PARTIAL = 0xB001
_REFUSED = "peer_status"
_DOES_NOT_FIT = 0xA900
_BATCH_RECORDS = 200
_BATCH_S = 0.1


class Search:
    """One query on one link.

    Parameters
    ----------
    config : ServerConfig
        The server, for names and messages.
    link : Link
        An open association that offers C-FIND.
    query : Query
        What is looked for.
    control : JobControl
        Cancel.
    on_records : callable or None
        Gets batches of records while they come.
    """

    def __init__(
        self, config: ServerConfig, link: Link, query: Query, control: JobControl, on_records: OnRecords | None
    ) -> None:
        self._config = config
        self._link = link
        self._query = query
        self._control = control
        self._on_records = on_records
        self._records: dict[tuple[str, ...], AnyRecord] = {}
        self._batch: list[AnyRecord] = []
        self._batch_started = time.monotonic()
        self._limit_reached = False
        self._warnings: dict[str, None] = {}
        self._style = QueryStyle.of(config)
        self._relational = STUDY_ROOT_FIND in link.opened.relational

    def run(self) -> FindResult:
        """All records, each once.

        Raises
        ------
        PeerError
            The server refused or failed.
        JobCancelled
            The user gave up.
        """
        if self._query.date_from and self._query.date_to and self._query.date_from > self._query.date_to:
            return FindResult()
        # Read to the end also when enough is known: the link asks the server to stop, and stays usable.
        for record in self._found(self._query):
            if not self._enough():
                self._add(record)
        self._control.raise_if_cancelled()
        self._flush()
        return FindResult(
            records=tuple(self._records.values()),
            limit_reached=self._limit_reached,
            warnings=tuple(self._warnings),
        )

    def _found(self, query: Query) -> Iterator[AnyRecord]:
        if self._relational and query.level in (Level.SERIES, Level.IMAGE):
            return self._ask(query)
        if query.level is Level.PATIENT and not self._can_ask_for_patients(query):
            return self._patients_of_studies(query)
        if query.level is Level.SERIES and not query.StudyInstanceUID:
            return self._below(query, Level.STUDY)
        if query.level is Level.IMAGE and not (query.StudyInstanceUID and query.SeriesInstanceUID):
            return self._below(query, Level.SERIES)
        return self._ask(query)

    def _can_ask_for_patients(self, query: Query) -> bool:
        """Whether the patient level can answer this: Patient Root accepted, no filter of lower levels."""
        patient_only = Query(
            level=query.level,
            PatientID=query.PatientID,
            PatientName=query.PatientName,
            limit=query.limit,
        )
        return query == patient_only and self._link.opened.context_for(PATIENT_ROOT_FIND) is not None

    def _patients_of_studies(self, query: Query) -> Iterator[AnyRecord]:
        for record in self._ask(replace(query, level=Level.STUDY)):
            if isinstance(record, StudyRecord):
                yield PatientRecord(
                    PatientID=record.PatientID,
                    PatientName=record.PatientName,
                    PatientBirthDate=record.PatientBirthDate,
                    PatientSex=record.PatientSex,
                    server=record.server,
                )

    def _below(self, query: Query, upper: Level) -> Iterator[AnyRecord]:
        for parent in list(self._found(replace(query, level=upper))):
            if self._enough():
                return
            study = getattr(parent, "StudyInstanceUID", "")
            series = getattr(parent, "SeriesInstanceUID", query.SeriesInstanceUID)
            yield from self._ask(
                replace(
                    query,
                    StudyInstanceUID=study,
                    SeriesInstanceUID=series,
                    PatientID=getattr(parent, "PatientID", ""),
                )
            )

    def _ask(self, query: Query) -> Iterator[AnyRecord]:
        """Answers of one C-FIND; without its optional filters if the server refuses it with them."""
        plain, dropped = without_optional_filters(query)
        told = False
        try:
            for record in self._answers(query, query):
                told = True
                yield record
        except PeerError as refusal:
            if told or not dropped or refusal.code != _REFUSED or self._enough():
                raise
            try:
                yield from self._answers(plain, query)
            except PeerError:
                raise refusal from None
            them = "it" if len(dropped) == 1 else "them"
            self._warn(f"{self._config.name} cannot search by {' and '.join(dropped)}. Asked without {them}.")

    def _answers(self, asked: Query, query: Query) -> Iterator[AnyRecord]:
        """Answers to `asked` that fit `query`."""
        patients = query.level is Level.PATIENT
        model = PATIENT_ROOT_FIND if patients else STUDY_ROOT_FIND
        if not patients and self._link.opened.context_for(STUDY_ROOT_FIND) is None:
            model = PATIENT_ROOT_FIND
        incomplete = 0
        for status, comment, values in self._link.find(
            model, identifier(asked, relational=self._relational, style=self._style), self._enough
        ):
            if values is None:
                self._judge(status, comment, asked)
                break
            record = record_from(query.level, values, query, self._config.name, self._style)
            if record is None:
                incomplete += 1
            elif answers_filter(record, query, self._style):
                yield record
        if incomplete:
            self._warn(f"{self._config.name} gave {incomplete} answers without identifiers; they are left out.")

    def _enough(self) -> bool:
        return self._limit_reached or self._control.cancel_requested

    def _judge(self, status: int, comment: str, asked: Query) -> None:
        if status == _PARTIAL:
            self._limit_reached = True
            self._warn(f"{self._config.name} gave only its first matches, more exist.")
            return
        if status == CANCELLED and self._enough():
            return
        outcome = outcome_of(status)
        if outcome is Outcome.WARNING:
            self._warn(str(operation_failed(self._config, "answered with a warning", status, comment)))
        elif outcome is not Outcome.SUCCESS:
            failure = operation_failed(self._config, "could not search", status, comment)
            if failure.code == _REFUSED and status >= _DOES_NOT_FIT and has_wild_cards(asked, self._style):
                failure.next_step = (
                    "It may not know wild cards: switch them off for this server, "
                    "and try the whole patient ID, name or accession number."
                )
            raise failure

    def _add(self, record: AnyRecord) -> None:
        key = unique_key(record)
        if key in self._records:
            return
        if self._query.limit and len(self._records) >= self._query.limit:
            self._limit_reached = True
            return
        self._records[key] = record
        self._batch.append(record)
        if len(self._batch) >= _BATCH_RECORDS or time.monotonic() - self._batch_started > _BATCH_S:
            self._flush()

    def _flush(self) -> None:
        if self._batch and self._on_records is not None:
            self._on_records(self._batch)
        self._batch = []
        self._batch_started = time.monotonic()

    def _warn(self, sentence: str) -> None:
        self._warnings[sentence] = None
