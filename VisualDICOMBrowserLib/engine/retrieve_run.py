"""Carrying out a retrieve: every source works on its pieces, and what one does not send comes from the next.

`RetrieveRun` hands out the pieces of a `RetrievePlan`, one thread per source (named ``retrieve-source...``), and hears
in the job's thread what came of each. With one source everything happens in the job's thread. What the job tells in
the end is made from the `Asked` it leaves.
"""

from __future__ import annotations

import queue
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from VisualDICOMBrowserLib.engine.retrieve_plan import Piece, RetrievePlan
from VisualDICOMBrowserLib.engine.sink import DatabaseSink, Delivery
from VisualDICOMBrowserLib.engine.sources import MOST_SOURCES_AT_ONCE, SourceDrivers
from VisualDICOMBrowserLib.errors import JobCancelled, VisualDICOMError
from VisualDICOMBrowserLib.model import JobControl, RetrieveRequest, RetrieveResult
from VisualDICOMBrowserLib.servers.progress import ProgressSum, is_answered

__all__ = ["Asked", "RetrieveRun", "StudyAddress"]


@dataclass(frozen=True, slots=True)
class StudyAddress:
    """How requests name the study; ``whole`` where the job wants all of its series."""

    StudyInstanceUID: str
    PatientID: str = ""
    whole: bool = False


@dataclass(slots=True)
class Asked:
    """One request to one source, the pieces it stands for, and what came of it: a result or an error."""

    source: str
    request: RetrieveRequest
    pieces: Sequence[Piece]
    delivery: Delivery
    result: RetrieveResult | None = None
    error: VisualDICOMError | None = None

    @property
    def listed(self) -> bool:
        """Whether the instances are known, so that each is accounted for by itself."""
        return all(piece.uids for piece in self.pieces)

    @property
    def why(self) -> str:
        """Why instances did not come, as the end of a sentence."""
        return f"{self.source} did not send them" + (f": {self.error.message}" if self.error else ".")


class RetrieveRun:
    """One run of a retrieve.

    Parameters
    ----------
    address : StudyAddress
    plan : RetrievePlan
    drivers : SourceDrivers
    sink : DatabaseSink
    control : JobControl
    sources : sequence of str
        All that the plan may ask.
    series_count : dict of str to int
        How many series of the study each source has.
    """

    def __init__(
        self,
        address: StudyAddress,
        plan: RetrievePlan,
        drivers: SourceDrivers,
        sink: DatabaseSink,
        control: JobControl,
        *,
        sources: Sequence[str],
        series_count: dict[str, int],
    ) -> None:
        self._address = address
        self._plan = plan
        self._drivers = drivers
        self._sink = sink
        self._control = control
        self._sources = sources
        self._series_count = series_count
        self._progress: ProgressSum | None = None
        self._ended: queue.SimpleQueue[Asked | BaseException] = queue.SimpleQueue()
        self._busy: Counter[str] = Counter()
        self._unsettled: list[Asked] = []
        self._stopped: BaseException | None = None
        self._why: dict[str, str] = {}
        self.asked: list[Asked] = []
        self.failed: dict[str, VisualDICOMError] = {}

    def run(self) -> None:
        """Ask until everything is here or nobody is left to be asked.

        Raises
        ------
        JobCancelled
            The job was asked to end.
        StorageFault, DatabaseFault
            Nothing more can be stored.
        """
        with ExitStack() as stack:
            pool: Executor | None = None
            if len(self._sources) > 1:
                most = min(MOST_SOURCES_AT_ONCE, len(self._sources))
                pool = stack.enter_context(ThreadPoolExecutor(most, thread_name_prefix="retrieve-source"))
            self._hand_out(pool)
            while self._busy.total():
                self._hear(self._ended.get())
                if not self._stopped:
                    self._settle(pool)
        if self._sink.failure is not None:
            raise self._sink.failure
        if self._stopped:
            raise self._stopped

    def _hand_out(self, pool: Executor | None) -> None:
        handed_out = self._plan.next_pieces()
        if self._progress is None:
            counts = [piece.expected for pieces in handed_out.values() for piece in pieces]
            total = None if None in counts else sum(count or 0 for count in counts)
            self._progress = ProgressSum(self._control, total)
        for source, pieces in handed_out.items():
            for piece in pieces:
                self._log_change(piece)
            asked = self._requests(source, pieces)
            self._busy[source] += len(asked)
            if pool is None:
                self._ask(source, asked, self._progress)
            else:
                pool.submit(self._ask, source, asked, self._progress).add_done_callback(self._note_fault)

    def _log_change(self, piece: Piece) -> None:
        reasons = sorted({self._why[uid] for uid in piece.uids if uid in self._why})
        count = sum(uid in self._why for uid in piece.uids)
        if reasons:
            which = f"{count} {'image' if count == 1 else 'images'} of series {piece.series}"
            self._control.log(f"{which} to come from {piece.source} instead, because {reasons[0]}")

    def _requests(self, source: str, pieces: Sequence[Piece]) -> list[Asked]:
        every = len(pieces) == self._series_count.get(source) and all(piece.whole for piece in pieces)
        # What is listed is accounted for by instance, all else by number, so that one request is of one sort.
        study = self._address.whole and every and len({bool(piece.uids) for piece in pieces}) == 1
        groups = [tuple(pieces)] if study else [(piece,) for piece in pieces]
        asked = [
            Asked(source, self._request(group, study=study), group, self._sink.delivery(source)) for group in groups
        ]
        self.asked += asked
        return asked

    def _request(self, pieces: Sequence[Piece], *, study: bool) -> RetrieveRequest:
        counts = [piece.expected for piece in pieces]
        return RetrieveRequest(
            StudyInstanceUID=self._address.StudyInstanceUID,
            SeriesInstanceUID="" if study else pieces[0].series,
            SOPInstanceUIDs=() if pieces[0].whole else pieces[0].uids,
            PatientID=self._address.PatientID,
            SOPClassUIDs=tuple(dict.fromkeys(uid for piece in pieces for uid in piece.classes)),
            expected=None if None in counts else sum(count or 0 for count in counts),
        )

    def _ask(self, source: str, requests: Sequence[Asked], progress: ProgressSum) -> None:
        """Ask one source for several things in a row; tells the job's thread of the end of each."""
        remaining = list(requests)
        broken: VisualDICOMError | None = None
        try:
            with self._drivers.opened(source) as driver:
                while remaining and broken is None:
                    asked = remaining[0]
                    try:
                        self._control.raise_if_cancelled()
                        asked.result = driver.retrieve(asked.request, asked.delivery, progress.part())
                    except VisualDICOMError as error:
                        asked.error = error
                        broken = None if is_answered(error) else error
                    self._ended.put(remaining.pop(0))
        except VisualDICOMError as error:
            broken = error
        for asked in remaining:
            asked.error = broken
            self._ended.put(asked)

    def _note_fault(self, future: Future[None]) -> None:
        fault = future.exception()
        if fault is not None:
            self._ended.put(fault)

    def _hear(self, ended: Asked | BaseException) -> None:
        if not isinstance(ended, Asked):
            self._stopped = self._stopped or ended
            self._busy.clear()
            return
        self._busy[ended.source] -= 1
        self._unsettled.append(ended)
        error = ended.error
        if isinstance(error, JobCancelled):
            self._stopped = self._stopped or error
        elif self._sink.failure is not None:
            self._stopped = self._stopped or self._sink.failure
        elif error is not None and not is_answered(error):
            self.failed.setdefault(ended.source, error)
            self._plan.leave_out(ended.source)

    def _settle(self, pool: Executor | None) -> None:
        """Find out what is missing, where something is or at the end, and let others send it."""
        suspicious = any(asked.error or _short(asked) for asked in self._unsettled)
        if self._busy.total() and not (suspicious and len(self._sources) > 1):
            return
        self._sink.settle()
        if self._sink.failure is not None:
            self._stopped = self._sink.failure
            return
        for asked in self._unsettled:
            self._settle_one(asked)
        self._unsettled.clear()
        self._hand_out(pool)

    def _settle_one(self, asked: Asked) -> None:
        stored = asked.delivery.stored_series
        # Another content of what is here already stays another content, whoever sends it.
        given_up = {item.SOPInstanceUID for item in asked.delivery.refused if item.status == "conflict"}
        for piece in asked.pieces:
            # Instances are known by themselves where they were listed, else by their series.
            mine = stored if piece.uids else [uid for uid, series in stored.items() if series == piece.series]
            if self._plan.settle(piece, mine, given_up):
                self._why.update(dict.fromkeys(piece.uids or self._plan.series[piece.series].missing, asked.why))


def _short(asked: Asked) -> bool:
    """Whether fewer instances came than were expected."""
    expected = asked.request.expected
    result = asked.result or RetrieveResult()
    return bool(result.failed_count) or (expected is not None and result.received < expected)
