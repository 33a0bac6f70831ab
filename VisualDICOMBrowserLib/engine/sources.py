"""Where the instances of a study can be fetched from: which servers are asked, and what each says it has.

`chosen_servers` names them, best first; `SourceDrivers` opens them, each under its gate; `Survey` asks them side by
side what they hold. A server that does not answer is noted and left out. Who fetches what is decided in
``retrieve_plan``. One job's thread, and short-lived threads of its own for asking.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from VisualDICOMBrowserLib.engine.gates import ServerGates
from VisualDICOMBrowserLib.errors import JobCancelled, VisualDICOMError
from VisualDICOMBrowserLib.model import AnyRecord, InstanceRecord, JobControl, Level, Query, SeriesRecord
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.driver import ServerDriver

__all__ = ["MOST_SOURCES_AT_ONCE", "SeriesAt", "SourceDrivers", "Survey", "source_rank"]

MOST_SOURCES_AT_ONCE = 8
"""Servers that one retrieve asks or fetches from at the same time."""

_Record = TypeVar("_Record", SeriesRecord, InstanceRecord)
_Answer = TypeVar("_Answer")


def source_rank(config: ServerConfig) -> int:
    """How good a source is, smaller is better: disk, DICOMweb series, C-GET, C-MOVE."""
    if config.protocol == "folder" or config.storage_folder:
        return 0
    if config.protocol == "dicomweb":
        return 1
    return 2 if config.retrieve_protocol in ("auto", "C-GET") else 3


@dataclass(frozen=True, slots=True)
class SeriesAt:
    """A series as one source has it.

    ``count`` is the number of instances it announces, None if it does not; ``instances`` are SOP classes by SOP
    Instance UID, None while nobody asked; ``cut`` tells that it has more than it listed.
    """

    count: int | None = None
    instances: Mapping[str, str] | None = None
    cut: bool = False


class SourceDrivers:
    """Opens drivers to servers; each operation waits for its turn at the server.

    Parameters
    ----------
    open_driver : callable
        Driver for the server of that name; raises `UsageError` if there is none.
    gates : ServerGates or None
        None lets everybody in.
    control : JobControl
        Cancels the waiting.
    keep : bool
        Keep driver and turn until `close`, so that one association serves all questions. Only for a job that asks
        a single server, since nobody may wait for one gate while holding another.
    """

    def __init__(
        self,
        open_driver: Callable[[str], ServerDriver],
        gates: ServerGates | None,
        control: JobControl,
        *,
        keep: bool,
    ) -> None:
        self._open_driver = open_driver
        self._gates = gates
        self._control = control
        self._keep = keep
        self._kept = ExitStack()
        self._driver: ServerDriver | None = None

    @contextmanager
    def opened(self, server: str) -> Iterator[ServerDriver]:
        """A driver for `server`, which nobody else uses meanwhile."""
        if self._keep:
            if self._driver is None:
                self._driver = self._kept.enter_context(self._session(server))
            yield self._driver
        else:
            with self._session(server) as driver:
                yield driver

    def close(self) -> None:
        """End what was kept open."""
        self._kept.close()

    @contextmanager
    def _session(self, server: str) -> Iterator[ServerDriver]:
        with ExitStack() as stack:
            if self._gates is not None:
                stack.enter_context(self._gates.hold(server, self._control, "fetch"))
            driver = self._open_driver(server)
            stack.callback(driver.close)
            yield driver


@dataclass(slots=True)
class Survey:
    """What sources say they have of one study.

    Attributes
    ----------
    servers : list of str
        Sources, best first.
    drivers : SourceDrivers
    control : JobControl
    series : dict
        `SeriesAt` by source and series.
    failed : dict of str to VisualDICOMError
        Sources that could not be asked, and why; they are asked nothing more.
    cut : set of str
        Sources that did not name all of their series.
    """

    servers: Sequence[str]
    drivers: SourceDrivers
    control: JobControl
    series: dict[str, dict[str, SeriesAt]] = field(default_factory=dict)
    failed: dict[str, VisualDICOMError] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)

    def ask_for_series(self, study: str, series: str = "") -> None:
        """Ask every source which series of the study it has, and how large they are."""
        query = Query(level=Level.SERIES, StudyInstanceUID=study, SeriesInstanceUID=series)

        def ask(server: str, driver: ServerDriver) -> dict[str, SeriesAt]:
            answer = driver.find(query, self.control)
            found = _only(SeriesRecord, answer.records)
            if answer.limit_reached:
                self.cut.add(server)
                self.control.log(f"{server} named only its first {len(found)} series; others of it are not fetched.")
            return {
                record.SeriesInstanceUID: SeriesAt(record.NumberOfSeriesRelatedInstances)
                for record in found
                if record.SeriesInstanceUID and series in ("", record.SeriesInstanceUID)
            }

        self.series.update(self._asked(self.servers, ask))

    def ask_for_instances(self, study: str, series_of: Mapping[str, Collection[str]]) -> None:
        """Ask for the instances of the series named for each source."""

        def ask(server: str, driver: ServerDriver) -> dict[str, SeriesAt]:
            return {uid: self._listed(driver, study, uid, self.series[server][uid]) for uid in series_of[server]}

        for server, listed in self._asked([server for server in self.servers if series_of.get(server)], ask).items():
            self.series[server].update(listed)

    def ask_for_these(self, study: str, series: str, wanted: Collection[str]) -> None:
        """Ask every source which of the `wanted` instances it has."""
        single = next(iter(wanted)) if len(wanted) == 1 else ""
        query = Query(level=Level.IMAGE, StudyInstanceUID=study, SeriesInstanceUID=series, SOPInstanceUID=single)

        def ask(_: str, driver: ServerDriver) -> dict[str, SeriesAt]:
            found: dict[str, dict[str, str]] = {}
            for item in _only(InstanceRecord, driver.find(query, self.control).records):
                if item.SOPInstanceUID in wanted:
                    uid = item.SeriesInstanceUID or series
                    found.setdefault(uid, {})[item.SOPInstanceUID] = item.SOPClassUID
            return {uid: SeriesAt(len(instances), instances) for uid, instances in found.items()}

        self.series.update(self._asked(self.servers, ask))

    def _listed(self, driver: ServerDriver, study: str, series: str, known: SeriesAt) -> SeriesAt:
        query = Query(level=Level.IMAGE, StudyInstanceUID=study, SeriesInstanceUID=series)
        answer = driver.find(query, self.control)
        found = _only(InstanceRecord, answer.records)
        instances = {item.SOPInstanceUID: item.SOPClassUID for item in found if item.SOPInstanceUID}
        return SeriesAt(known.count, instances, cut=answer.limit_reached or len(instances) < (known.count or 0))

    def _asked(self, servers: Sequence[str], ask: Callable[[str, ServerDriver], _Answer]) -> dict[str, _Answer]:
        """Answers of those `servers` that are not known to have failed; their failures are noted."""

        def answer_of(server: str) -> _Answer | VisualDICOMError:
            try:
                with self.drivers.opened(server) as driver:
                    return ask(server, driver)
            except JobCancelled:
                raise
            except VisualDICOMError as error:
                return error

        alive = [server for server in servers if server not in self.failed]
        answers = list(_side_by_side(answer_of, alive))
        found = {}
        for server, answer in zip(alive, answers, strict=True):
            if isinstance(answer, VisualDICOMError):
                self.failed[server] = answer
                self.series.pop(server, None)
                if len(self.servers) > 1:
                    self.control.log(f"{server} is left out: {answer.message}")
            else:
                found[server] = answer
        return found


def _side_by_side(ask: Callable[[str], _Answer], servers: Sequence[str]) -> Iterator[_Answer]:
    if len(servers) < 2:
        yield from map(ask, servers)
        return
    with ThreadPoolExecutor(min(MOST_SOURCES_AT_ONCE, len(servers)), thread_name_prefix="retrieve-ask") as pool:
        yield from pool.map(ask, servers)


def _only(kind: type[_Record], records: Sequence[AnyRecord]) -> list[_Record]:
    """Those of `records` that are of the level asked for, which a careless server may mix."""
    return [record for record in records if isinstance(record, kind)]
