"""The job kind ``retrieve``: a study, a series or instances from one or several servers into the local database.

What is in the database already is not fetched again, which is also how a retrieve goes on after a restart. Lives
here: the order of steps and the job's result. Which servers there are to ask is in ``retrieve_choice``, what they
have in ``sources``, who sends what in ``retrieve_plan``, the fetching in ``retrieve_run``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from typing import Any

from VisualDICOMBrowserLib.database.records import AddOutcome
from VisualDICOMBrowserLib.database.remote_records import RemoteRecords
from VisualDICOMBrowserLib.engine.gates import ServerGates
from VisualDICOMBrowserLib.engine.parts import EngineParts
from VisualDICOMBrowserLib.engine.retrieve_choice import chosen_servers, known_losses, known_numbers, ranks_of
from VisualDICOMBrowserLib.engine.retrieve_force import ForcedSeries
from VisualDICOMBrowserLib.engine.retrieve_plan import RetrievePlan, SeriesPlan
from VisualDICOMBrowserLib.engine.retrieve_result import account_of, as_list, log_sources, none_came, worst_error
from VisualDICOMBrowserLib.engine.retrieve_run import RetrieveRun, StudyAddress
from VisualDICOMBrowserLib.engine.sink import DatabaseSink
from VisualDICOMBrowserLib.engine.sources import SeriesAt, SourceDrivers, Survey
from VisualDICOMBrowserLib.errors import PeerError, VisualDICOMError
from VisualDICOMBrowserLib.jobs.job import JobRecord
from VisualDICOMBrowserLib.jobs.outcome import UnfinishedWork
from VisualDICOMBrowserLib.jobs.retry import may_pass
from VisualDICOMBrowserLib.model import JobControl, Level, Query

__all__ = ["RetrieveKind"]

logger = logging.getLogger(__name__)


class RetrieveKind:
    """Fetches, indexes while instances arrive, and counts what is missing at the end.

    Parameters of the job: ``StudyInstanceUID``, and optionally ``SeriesInstanceUID``, ``SOPInstanceUIDs``,
    ``PatientID``, ``sources`` (names of servers in order of preference; empty for the job's server, and where it has
    none, for every server that may be asked) and ``force`` (fetch what is here too; the new replaces the old series
    by series, once it is whole).

    Parameters
    ----------
    parts : EngineParts
    after : callable
        Called with the series that grew.
    gates : ServerGates, optional
        Limits what goes on at each server.
    remote : RemoteRecords, optional
        What is known of servers.
    after_forced : callable, optional
        Called with the series that were replaced; `after` if left out.
    """

    name = "retrieve"
    limit = 0
    resumable = True

    def __init__(
        self,
        parts: EngineParts,
        after: Callable[[list[str]], None],
        *,
        gates: ServerGates | None = None,
        remote: RemoteRecords | None = None,
        after_forced: Callable[[list[str]], None] | None = None,
    ) -> None:
        self._parts = parts
        self._after = after
        self._after_forced = after_forced or after
        self._gates = gates
        self._remote = remote

    def identity(self, parameters: dict[str, Any]) -> str:
        """The same objects of the same servers are the same retrieve."""
        instances = ",".join(sorted(parameters.get("SOPInstanceUIDs", ())))
        text = f"{parameters['StudyInstanceUID']}|{parameters.get('SeriesInstanceUID', '')}|{instances}"
        sources, force = parameters.get("sources"), parameters.get("force")
        return text + (f"|{sources!r}" if sources else "") + ("|force" if force else "")

    def run(self, job: JobRecord, control: JobControl) -> dict[str, Any]:
        """Fetch what is missing, store it, and tell what came of it."""
        servers = chosen_servers(self._parts, job, self._remote, control)
        return _Retrieval(self, self._parts, job, servers, control).run()

    def drivers(self, control: JobControl, *, keep: bool) -> SourceDrivers:
        """Drivers for one job."""
        return SourceDrivers(self._parts.driver, self._gates, control, keep=keep)

    def grown(self, series: Collection[str], *, forced: bool) -> None:
        """Tell that series have new instances."""
        if series:
            (self._after_forced if forced else self._after)(sorted(series))

    def learn(self, study: str, survey: Survey, *, whole: bool) -> None:
        """Keep in mind what servers said they have; `whole` where they were asked for all series of the study."""
        if self._remote is None:
            return
        try:
            for server, found in survey.series.items():
                counts = {uid: at.count for uid, at in found.items()}
                self._remote.listed(server, study, counts, whole=whole and server not in survey.cut)
                for uid, at in found.items():
                    if at.instances is not None and not at.cut:
                        self._remote.instances_listed(server, study, uid, at.instances)
        except VisualDICOMError as fault:  # a memory that fails is no reason not to fetch
            logger.warning("What servers have could not be remembered: %s", fault)

    def losses(self, study: str, survey: Survey, series: str) -> int:
        """How many instances are known to lie only on servers that did not answer."""
        return known_losses(self._remote, study, survey, series)

    def known_numbers(self, study: str) -> dict[str, int]:
        """How many instances each series is known to have."""
        return known_numbers(self._remote, study)


class _Retrieval:
    """One start of a retrieve job."""

    def __init__(
        self, kind: RetrieveKind, parts: EngineParts, job: JobRecord, servers: Sequence[str], control: JobControl
    ) -> None:
        self._kind = kind
        self._parts = parts
        self._servers = servers
        self._control = control
        self._job_id = job.job_id
        self._study: str = job.parameters["StudyInstanceUID"]
        self._series: str = job.parameters.get("SeriesInstanceUID", "")
        self._wanted: tuple[str, ...] = tuple(job.parameters.get("SOPInstanceUIDs", ()))
        self._patient: str = job.parameters.get("PatientID", "")
        self._force = bool(job.parameters.get("force"))
        self._started = time.monotonic()
        self._here: dict[str, set[str]] = {}
        self._numbers: dict[str, dict[str, int | None]] = {}

    def run(self) -> dict[str, Any]:
        drivers = self._kind.drivers(self._control, keep=len(self._servers) == 1)
        with ExitStack() as stack:
            stack.callback(drivers.close)
            survey = Survey(self._servers, drivers, self._control)
            plan = self._plan(survey)
            return self._fetched(plan, survey, drivers)

    # What is wanted

    def _plan(self, survey: Survey) -> RetrievePlan:
        plans = self._plans_of_instances(survey) if self._wanted else self._plans_of_series(survey)
        ranks = ranks_of(self._parts, [name for name in self._servers if name not in survey.failed])
        return RetrievePlan(ranks, plans)

    def _plans_of_instances(self, survey: Survey) -> list[SeriesPlan]:
        here = self._local_instances(self._series) if self._series else self._local_instances_of_study()
        if self._force:
            # Single images replace single images; nothing else of their series is in danger.
            here = set()
        wanted = dict.fromkeys(self._wanted)
        if len(self._servers) == 1:
            # One server is asked at once: it says what it has not.
            survey.series[self._servers[0]] = {self._series: SeriesAt(None, dict.fromkeys(wanted, ""))}
        else:
            if not here.issuperset(wanted):
                survey.ask_for_these(self._study, self._series, [uid for uid in wanted if uid not in here])
            found = {uid for at in survey.series.values() for each in at.values() for uid in each.instances or ()}
            lost = [uid for uid in wanted if uid not in found and uid not in here]
            if not found and not here.intersection(wanted):
                raise self._nothing_found(survey)
            # Named nowhere, so that they are counted as missing at the end.
            survey.series[""] = {self._series: SeriesAt(None, dict.fromkeys([*lost, *here.intersection(wanted)], ""))}
        return self._series_plans(survey, {uid: here for each in survey.series.values() for uid in each}, whole=False)

    def _plans_of_series(self, survey: Survey) -> list[SeriesPlan]:
        survey.ask_for_series(self._study, self._series)
        holders: dict[str, list[str]] = {}
        for server, found in survey.series.items():
            for uid in found:
                holders.setdefault(uid, []).append(server)
        if not holders:
            raise self._nothing_found(survey)
        self._here = {uid: self._local_instances(uid) for uid in holders}
        unclear = {uid for uid, servers in holders.items() if len(servers) > 1 or (self._here[uid] and not self._force)}
        survey.ask_for_instances(
            self._study,
            {server: [uid for uid in found if uid in unclear] for server, found in survey.series.items()},
        )
        self._kind.learn(self._study, survey, whole=not self._series)
        if not any(survey.series.values()):
            raise self._nothing_found(survey)
        return self._series_plans(survey, {} if self._force else self._here, whole=True)

    @staticmethod
    def _series_plans(survey: Survey, here: dict[str, set[str]], *, whole: bool) -> list[SeriesPlan]:
        holders: dict[str, dict[str, SeriesAt]] = {}
        for server, found in survey.series.items():
            for uid, at in found.items():
                holders.setdefault(uid, {})[server] = at
        return [SeriesPlan(uid, having, here.get(uid, ()), whole) for uid, having in holders.items()]

    def _nothing_found(self, survey: Survey) -> Exception:
        error = worst_error(survey.failed.values())
        if error is not None and (may_pass(error) or len(survey.failed) == len(self._servers)):
            return error
        names = ", ".join(self._servers[:-1]) + (" and " if len(self._servers) > 1 else "") + self._servers[-1]
        who = f"{names} has no" if len(self._servers) == 1 else f"None of {names} has the"
        message = f"{who} {'series ' + self._series if self._series else 'study ' + self._study}."
        server = self._servers[0] if len(self._servers) == 1 else ""
        next_step = f"Query the {'server' if server else 'servers'} again."
        if error is not None:
            next_step = f"{' and '.join(survey.failed)} could not be asked: {error.message}"
        return PeerError(message, code="not_found", server=server, next_step=next_step)

    def _local_instances(self, series_uid: str) -> set[str]:
        found = self._parts.database.reader.instances_of_series(series_uid)
        self._numbers[series_uid] = {item.SOPInstanceUID: item.InstanceNumber for item in found if item.path}
        return set(self._numbers[series_uid])

    def _local_instances_of_study(self) -> set[str]:
        series = self._parts.database.reader.series(Query(level=Level.SERIES, StudyInstanceUID=self._study))
        return {uid for record in series for uid in self._local_instances(record.SeriesInstanceUID)}

    # Fetching

    def _fetched(self, plan: RetrievePlan, survey: Survey, drivers: SourceDrivers) -> dict[str, Any]:
        settings = self._parts.settings
        forced = ForcedSeries(self._parts.store, self._control) if self._force else None
        arrived = self._parts.changes.arrived
        arrived.begin({uid: {} if forced else self._numbers.get(uid, {}) for uid in plan.series})
        sink = DatabaseSink(
            forced or self._parts.store,
            self._job_id,
            self._stored,
            batch_files=self._batch_files(),
            batch_mb=settings.integer("database/batch_mb"),
            takes_arrivals=forced is not None,
            on_counted=arrived.add,
        )
        run = RetrieveRun(
            StudyAddress(self._study, self._patient, whole=not self._series and not self._wanted),
            plan,
            drivers,
            sink,
            self._control,
            sources=[name for name in self._servers if name not in survey.failed],
            series_count={server: len(found) for server, found in survey.series.items()},
        )
        try:
            try:
                run.run()
            finally:
                try:
                    sink.finish()
                finally:
                    if forced is not None:
                        self._stored(forced.settle(run.asked, plan, self._here))
        finally:
            arrived.end(plan.series)
            self._kind.grown(sink.series | forced.series if forced else sink.series, forced=self._force)
        return self._outcome(plan, survey, run, sink, forced)

    def _batch_files(self) -> int:
        """Most images that are indexed together: the smallest number that a source's settings give, or the common."""
        configs = [self._parts.servers.get(name) for name in self._servers]
        given = [config.images_per_batch for config in configs if config.images_per_batch]
        return min(given, default=self._parts.settings.integer("database/batch_files"))

    def _stored(self, outcomes: Sequence[AddOutcome]) -> None:
        new = {item.SeriesInstanceUID for item in outcomes if item.status in ("imported", "replaced")}
        if new:
            self._parts.changes.add(series=new)

    # The end

    def _outcome(
        self, plan: RetrievePlan, survey: Survey, run: RetrieveRun, sink: DatabaseSink, forced: ForcedSeries | None
    ) -> dict[str, Any]:
        account = account_of(run.asked, plan.missing, self._control, self._kind.known_numbers(self._study))
        account.count += 0 if self._wanted else self._kind.losses(self._study, survey, self._series)
        # What came past a forced retrieve (somebody else's new image of a series) counts as well.
        counts = sink.counts + forced.counts if forced else sink.counts
        series = sink.series | forced.series if forced else sink.series
        stored = counts["imported"] + counts["unchanged"] + counts["replaced"]
        result = {
            "received": sum(request.delivery.received for request in run.asked),
            "imported": counts["imported"],
            "unchanged": counts["unchanged"],
            "present": plan.present,
            "bytes": sum(request.delivery.bytes for request in run.asked),
            "seconds": round(time.monotonic() - self._started, 3),
            "sources": log_sources(run.asked, self._control),
            "left_out": {server: str(error) for server, error in {**survey.failed, **run.failed}.items()},
            "failed_count": account.count,
            "failed": as_list(account.failed),
            "done_count": stored + plan.present,
            "series_uids": sorted(series),
            **(forced.report() if forced else {}),
        }
        if not account.count:
            return result
        answers = [request.error for request in run.asked if request.error is not None]
        # Another content of what is here already stays another content, however often it is fetched.
        error = worst_error([*answers, *survey.failed.values()]) if account.count > account.conflicts else None
        if not result["done_count"]:
            raise error or none_came(account, run.asked)
        if error is not None:
            raise UnfinishedWork(error, result)
        return result
