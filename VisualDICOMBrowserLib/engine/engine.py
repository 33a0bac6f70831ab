"""The engine: owner of the job queue, the network and every write to the local database.

A plain object that runs in the caller's process or behind the wire (``python -m VisualDICOMBrowserLib.engine``);
callers use it through an `EngineClient` and cannot tell which they have. `Engine.handle` never waits for work:
what takes time is a job. How its parts are made is in ``assembly``. Safe from any thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.database.remote_records import RemoteRecords
from VisualDICOMBrowserLib.engine.assembly import opened_parts
from VisualDICOMBrowserLib.engine.commands import Commands
from VisualDICOMBrowserLib.engine.desk import EngineDesk
from VisualDICOMBrowserLib.engine.fact_finder import FactFinder
from VisualDICOMBrowserLib.engine.kind_ask import DiagnosisKind, WorklistKind
from VisualDICOMBrowserLib.engine.kind_check import CheckKind
from VisualDICOMBrowserLib.engine.kind_find import EchoKind, FindKind
from VisualDICOMBrowserLib.engine.kind_import import ImportKind
from VisualDICOMBrowserLib.engine.kind_local import RemoveKind, ThumbnailKind
from VisualDICOMBrowserLib.engine.kind_missing import FindFilesKind, RemoveMissingKind
from VisualDICOMBrowserLib.engine.kind_rebuild import RebuildKind, submit_rebuild
from VisualDICOMBrowserLib.engine.kind_retrieve import RetrieveKind
from VisualDICOMBrowserLib.engine.kind_send import SendKind
from VisualDICOMBrowserLib.engine.notifications import Notifications
from VisualDICOMBrowserLib.engine.planning import ServerPlans
from VisualDICOMBrowserLib.engine.prefetch import PrefetchKind
from VisualDICOMBrowserLib.engine.schedule import Schedule
from VisualDICOMBrowserLib.engine.search import Searches
from VisualDICOMBrowserLib.engine.upkeep import Upkeep
from VisualDICOMBrowserLib.engine.view_pictures import ViewPictures
from VisualDICOMBrowserLib.engine.watching import Watches
from VisualDICOMBrowserLib.errors import UsageError, VisualDICOMError
from VisualDICOMBrowserLib.jobs.job import JobEvent, JobKind, JobRecord, Priority
from VisualDICOMBrowserLib.jobs.journal import Journal
from VisualDICOMBrowserLib.jobs.queue import JobQueue
from VisualDICOMBrowserLib.jobs.retry import RetryByError
from VisualDICOMBrowserLib.model import Level

__all__ = ["Engine"]

logger = logging.getLogger(__name__)

_DAY_S = 86400.0


class Engine:
    """Opens the database in `folder` (made if there is none) and works on it until `close`.

    Parameters
    ----------
    folder : Path
        The database folder.
    resume : bool
        Take up the jobs that an earlier engine left unfinished, watch what is to be watched, and listen if the
        settings say so. One-shot commands do none of that.

    Raises
    ------
    DatabaseFault
        The database cannot be opened; the sentence says what to do.
    """

    def __init__(self, folder: Path, *, resume: bool = True) -> None:
        self.folder = folder
        with ExitStack() as opened:
            self.parts, self._listening = opened_parts(folder, opened, long_lived=resume)
            own = self.parts.database.own
            searches = self._searches = Searches(
                self.parts, self._submit_find, lambda job_id: self.queue.cancel(job_id)
            )
            opened.callback(searches.close)
            notifications = Notifications(
                self.parts.servers.list, self.parts.settings, own, self.parts.hub.publish, self.parts.secrets
            )
            opened.callback(notifications.close)
            pictures = ViewPictures(self.parts)
            opened.callback(pictures.close)
            facts = FactFinder(self.parts)
            opened.callback(facts.close)
            schedule = Schedule()
            opened.callback(schedule.close)
            self._watches = Watches(own, schedule, self._fetch_watched, self.parts.hub.publish)
            self._remote = RemoteRecords(own.path, writable=not self.parts.database.read_only)
            opened.callback(self._remote.close)
            self.queue = self._opened_queue(opened)
            self._desk = EngineDesk(
                parts=self.parts,
                queue=self.queue,
                searches=searches,
                plans=ServerPlans(self.parts.servers, schedule, self.queue),
                watches=self._watches,
                listening=self._listening,
                notifications=notifications,
                remote=self._remote,
                pictures=pictures,
                facts=facts,
            )
            self._commands = Commands(self._desk)
            if not self.parts.database.read_only:
                self._recover()
                opened.callback(Upkeep(self.parts.database, self.parts.changes.add_all).close)
                settings = self.parts.settings
                self.queue.trim_history(
                    settings.integer("jobs/history_days") * _DAY_S, settings.integer("jobs/history_count")
                )
                if resume:
                    self._take_up()
            self._opened = opened.pop_all()

    def handle(self, command: str, arguments: dict[str, Any]) -> Any:
        """Carry out one command of the wire and return its JSON result.

        Raises
        ------
        UsageError
            There is no such command, or it does not take these arguments.
        VisualDICOMError
            The command failed.
        """
        return self._commands.run(command, arguments)

    def subscribe(self, callback: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        """Call `callback` with every event, from threads of the engine; the returned function ends that."""
        return self.parts.hub.subscribe(callback)

    def close(self) -> None:
        """Ask running jobs to stop (they go on at the next start), and end every thread and worker."""
        self._opened.close()

    def _opened_queue(self, opened: ExitStack) -> JobQueue:
        journal = Journal(self.parts.database.own.path)
        opened.callback(journal.close)
        queue = JobQueue(
            journal,
            self._kinds(self._remote),
            max_concurrent=self.parts.settings.integer("jobs/max_concurrent"),
            listener=self._tell_job,
            server_limit=self._server_limit,
            work_limit=self._work_limit,
            held=self.parts.offline.holds,
            retry=RetryByError(self._longest_waiting),
        )
        opened.callback(queue.close)
        return queue

    def _kinds(self, remote: RemoteRecords) -> list[JobKind]:
        parts = self.parts
        return [
            ImportKind(parts, self._after_new_series),
            FindKind(parts, self._searches.on_records, remote, parts.gates),
            EchoKind(parts),
            DiagnosisKind(parts),
            WorklistKind(parts),
            RetrieveKind(
                parts,
                self._after_new_series,
                gates=parts.gates,
                remote=remote,
                after_forced=lambda series: self._make_pictures(series, force=True),
            ),
            SendKind(parts),
            PrefetchKind(parts, self._fetch_ahead),
            ThumbnailKind(parts),
            RemoveKind(parts),
            CheckKind(parts),
            FindFilesKind(parts, self._after_new_series),
            RemoveMissingKind(parts),
            RebuildKind(parts, self._after_new_series),
        ]

    def _take_up(self) -> None:
        """Go on with what earlier engines left, and begin what the settings say."""
        self.queue.resume_unfinished()
        submit_rebuild(self.parts.database.own, self.queue)
        self._watches.resume()
        self._desk.plans.refresh()
        self._ask_at_start()
        for name, begin in (("node/start", self._listening.start), ("", self._desk.notifications.start)):
            if name and not self.parts.settings.flag(name):
                continue
            try:
                begin()
            except VisualDICOMError as error:
                logger.warning("%s", error)
                self.parts.hub.publish("engine_notice", level="warning", message=str(error))

    def _ask_at_start(self) -> None:
        """Ask those servers for their studies whose settings say so; what they answer is kept in mind."""
        asked = [c.name for c in self.parts.servers.list() if c.enabled and c.trusted and c.ask_at_start]
        if asked:
            self._searches.start(Level.STUDY.value, {}, asked)

    def _recover(self) -> None:
        report = self.parts.store.recover()
        if report.indexed or report.removed_parts:
            logger.info(
                "An earlier run left %d whole images, now indexed, and %d partial files, now removed",
                report.indexed,
                report.removed_parts,
            )

    def _tell_job(self, event: JobEvent) -> None:
        job = event.job.as_dict(brief=True)
        self.parts.hub.publish(event.name, job=job)
        self._searches.on_job(event)
        if event.name == "job_finished":
            self._watches.on_job(job)

    def _server_limit(self, server: str) -> int:
        try:
            return self.parts.servers.get(server).max_associations
        except UsageError:  # removed meanwhile; its jobs say so when they start
            return 0

    def _work_limit(self, work: str, server: str) -> int:
        try:
            return self.parts.servers.get(server).workers(work)
        except UsageError:  # as above
            return 0

    def _longest_waiting(self, job: JobRecord) -> float:
        try:
            return self.parts.servers.get(job.server).max_waiting_s
        except UsageError:  # several servers, an address given by hand, or one that was removed
            return float(self.parts.settings.integer("jobs/max_waiting_s"))

    def _submit_find(self, kind: str, parameters: dict[str, Any], server: str) -> str:
        return self.queue.submit(kind, parameters, server=server, priority=Priority.HIGH, label="Query")

    def _fetch_watched(self, study: str, server: str) -> str:
        if self.parts.offline.holds(
            "retrieve", server
        ):  # each look would only be one more request for a job that waits
            return ""
        parameters = {"StudyInstanceUID": study}
        return self.queue.submit("retrieve", parameters, server=server, label="Watched study", by_user=False)

    def _fetch_ahead(self, server: str, study: str, series: str, instances: Sequence[str]) -> str:
        parameters: dict[str, Any] = {"StudyInstanceUID": study}
        if series:
            parameters["SeriesInstanceUID"] = series
        if instances:
            parameters["SOPInstanceUIDs"] = list(instances)
        return self.queue.submit(
            "retrieve", parameters, server=server, priority=Priority.LOW, label="Fetched ahead", by_user=False
        )

    def _after_new_series(self, series: list[str]) -> None:
        self._make_pictures(series, force=False)

    def _make_pictures(self, series: list[str], *, force: bool) -> None:
        if not self.parts.settings.flag("thumbnails/automatic"):
            return
        parameters: dict[str, Any] = {"series": series, **({"force": True} if force else {})}
        try:
            self.queue.submit("thumbnail", parameters, priority=Priority.LOW, label="Pictures", by_user=False)
        except VisualDICOMError as error:  # the job that asks has done its own work, also while the engine closes
            logger.info("Pictures of new series are made when they are asked for: %s", error)
