"""`FolderDriver`: a folder of DICOM files as a server.

A search looks through the folder first, so that what lies there is in the database, and answers from the database
what came from this folder. One job, one thread; looking is ``look``, sending ``sending``.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from VisualDICOMBrowserLib.errors import PeerError, UsageError
from VisualDICOMBrowserLib.model import (
    AnyRecord,
    FailedInstance,
    FindResult,
    InstanceRecord,
    InstanceSink,
    JobControl,
    Level,
    PatientRecord,
    Query,
    RetrieveRequest,
    RetrieveResult,
    SeriesRecord,
    StoredInstance,
    StudyRecord,
    WorklistItem,
    WorklistQuery,
)
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.driver import DriverServices, OnRecords, OnSent
from VisualDICOMBrowserLib.servers.folders.index import FolderIndex, KnownFile
from VisualDICOMBrowserLib.servers.folders.look import FolderLook, FolderLooker, index_of
from VisualDICOMBrowserLib.servers.folders.sending import FolderSending
from VisualDICOMBrowserLib.servers.folders.walk import reach
from VisualDICOMBrowserLib.servers.query_limits import effective_query
from VisualDICOMBrowserLib.settings import Settings

if TYPE_CHECKING:
    from VisualDICOMBrowserLib.database.local_database import LocalDatabase

__all__ = ["FolderDriver"]

_RECORDS_AT_ONCE = 200
_LOOK_AGAIN_S = 30.0


class FolderDriver:
    """One folder; the methods are those of `ServerDriver`.

    Parameters
    ----------
    config : ServerConfig
        ``folder``, ``folder_recursive``, ``folder_mode``.
    settings : Settings
        ``folder/...``.
    services : DriverServices
        Its ``database`` and ``importer`` are needed for everything but `echo` and `store`.
    """

    def __init__(self, config: ServerConfig, settings: Settings, services: DriverServices | None = None) -> None:
        self._config = config
        self._settings = settings
        self._services = services or DriverServices()
        self._look_again = 0.0

    @property
    def name(self) -> str:
        """The server's name."""
        return self._config.name

    def echo(self, control: JobControl) -> float:
        """Verify that the folder is there and may be read; seconds until it answered."""
        control.raise_if_cancelled()
        return reach(self._config)

    def look(self, control: JobControl) -> FolderLook:
        """Import what is new in the folder, and clean it if it is so set: one look of a watched folder."""
        return self._looker().look(control)

    def find(self, query: Query, control: JobControl, on_records: OnRecords | None = None) -> FindResult:
        """Look through the folder, then answer what came from it."""
        database = self._database()
        query = effective_query(self._config, query, datetime.date.today())
        warnings: tuple[str, ...] = ()
        if database.read_only:
            warnings = ("The database may only be read, so the folder was not looked through.",)
        elif query.level in (Level.PATIENT, Level.STUDY) or time.monotonic() > self._look_again:
            # A job that goes down from a study to its images looks once.
            warnings = self.look(control).warnings
            self._look_again = time.monotonic() + _LOOK_AGAIN_S
        found = self._answers(database, replace(query, limit=query.limit + 1 if query.limit else 0))
        limit_reached = bool(query.limit) and len(found) > query.limit
        records = found[: query.limit] if query.limit else found
        if on_records is not None:
            for start in range(0, len(records), _RECORDS_AT_ONCE):
                on_records(records[start : start + _RECORDS_AT_ONCE])
        return FindResult(records=tuple(records), limit_reached=limit_reached, warnings=warnings)

    def retrieve(self, request: RetrieveRequest, sink: InstanceSink, control: JobControl) -> RetrieveResult:
        """Import what the database does not have of the request; `sink` is told of all that it has then."""
        database = self._database()
        looker = self._looker()
        index = index_of(database, self._config)
        here = _local(database, _wanted(index, request))
        look = looker.look(control, lambda known: _is_of(known, request) and known.SOPInstanceUID not in here)
        if look.locked_by:
            message = f"{self.name} is being read by {look.locked_by}."
            raise PeerError(message, code="busy", server=self.name, next_step="Try again later.")
        wanted = _wanted(index_of(database, self._config), request)
        if not wanted and not request.SOPInstanceUIDs:
            message = f"{self.name} has no such study or series."
            raise PeerError(message, code="not_found", server=self.name, next_step="Search it again.")
        stored = _local(database, wanted)
        sink.stored([_stored(record, look) for record in stored.values()])
        missing = [uid for uid in (request.SOPInstanceUIDs or sorted(wanted)) if uid not in stored]
        reason = "The folder does not have it any more."
        return RetrieveResult(
            received=len(stored),
            bytes=sum(look.new_instances.get(uid, 0) for uid in stored),
            failed_count=len(missing),
            failed=tuple(FailedInstance(SOPInstanceUID=uid, reason=reason) for uid in missing),
        )

    def store(self, instances: Sequence[InstanceRecord], control: JobControl, on_sent: OnSent) -> None:
        """Copy instances into the folder; `on_sent` hears of each as soon as it is on the disk there."""
        reach(self._config)
        database = self._services.database
        writable = database is not None and not database.read_only
        index = index_of(database, self._config) if database is not None and writable else None
        FolderSending(self._config, index, control, on_sent).run(instances)

    def worklist(self, query: WorklistQuery, control: JobControl) -> tuple[WorklistItem, ...]:
        """A folder has no worklist.

        Raises
        ------
        UsageError
            Always.
        """
        message = f"{self.name} is a folder and has no worklist."
        raise UsageError(message, code="not_offered", server=self.name)

    def picture(self, study: str, series: str, instance: str, control: JobControl) -> bytes | None:
        """A folder draws no pictures."""
        return None

    def close(self) -> None:
        """Nothing is held between calls."""

    def _database(self) -> LocalDatabase:
        if self._services.database is None:
            message = f"{self.name} is a folder, which is read into a database; there is none here."
            raise UsageError(message, code="not_offered", server=self.name)
        return self._services.database

    def _looker(self) -> FolderLooker:
        if self._services.importer is None:
            message = f"{self.name} is a folder, from which nothing can be imported here."
            raise UsageError(message, code="not_offered", server=self.name)
        return FolderLooker(self._config, self._settings, self._database(), self._services.importer)

    def _answers(self, database: LocalDatabase, query: Query) -> list[AnyRecord]:
        """Local records that match and came from this folder, as this server's."""
        index = index_of(database, self._config)
        studies = _restricted(query.StudyInstanceUID, index.studies.values())
        if not studies:
            return []
        query = replace(query, StudyInstanceUID="\\".join(studies))
        if query.level in (Level.SERIES, Level.IMAGE):
            series = _restricted(query.SeriesInstanceUID, index.instances)
            query = replace(query, SeriesInstanceUID="\\".join(series) or "0")
        records = database.reader.find(replace(query, limit=0 if query.level is Level.IMAGE else query.limit))
        if query.level is Level.IMAGE:
            mine = set().union(*index.instances.values())
            records = [record for record in records if getattr(record, "SOPInstanceUID", "") in mine]
            records = records[: query.limit] if query.limit else records
        return [self._as_remote(record, index) for record in records]

    def _as_remote(self, record: AnyRecord, index: FolderIndex) -> AnyRecord:
        """A local record as a server gives it, with the numbers of this folder."""
        if isinstance(record, PatientRecord):
            return replace(record, server=self.name, key=None, NumberOfPatientRelatedStudies=None)
        if isinstance(record, StudyRecord):
            series = [uid for uid, study in index.studies.items() if study == record.StudyInstanceUID]
            count = sum(len(index.instances[uid]) for uid in series)
            counts: dict[str, Any] = {
                "NumberOfStudyRelatedSeries": len(series),
                "NumberOfStudyRelatedInstances": count,
            }
            return replace(record, server=self.name, **counts)
        if isinstance(record, SeriesRecord):
            count = len(index.instances[record.SeriesInstanceUID])
            return replace(record, server=self.name, thumbnail="", NumberOfSeriesRelatedInstances=count)
        return replace(record, server=self.name, path="")


def _restricted(wanted: str, offered: Iterable[str]) -> list[str]:
    """UIDs that are offered, of those that a query names if it names any."""
    named = {uid.strip() for uid in wanted.split("\\")} - {""}
    return sorted({uid for uid in offered if uid and (not named or uid in named)})


def _is_of(known: KnownFile, request: RetrieveRequest) -> bool:
    if known.StudyInstanceUID != request.StudyInstanceUID or not known.SOPInstanceUID:
        return False
    if request.SeriesInstanceUID and known.SeriesInstanceUID != request.SeriesInstanceUID:
        return False
    return not request.SOPInstanceUIDs or known.SOPInstanceUID in request.SOPInstanceUIDs


def _wanted(index: FolderIndex, request: RetrieveRequest) -> set[str]:
    """SOP Instance UIDs of the request that the folder has or had."""
    named = {known.SOPInstanceUID for known in index.files.values() if _is_of(known, request)}
    for series, instances in index.instances.items():
        if index.studies[series] == request.StudyInstanceUID and request.SeriesInstanceUID in ("", series):
            named |= instances
    return named & set(request.SOPInstanceUIDs) if request.SOPInstanceUIDs else named


def _local(database: LocalDatabase, uids: set[str]) -> dict[str, InstanceRecord]:
    """Instances that the database has, with a file that is there, by SOP Instance UID."""
    if not uids:
        return {}
    found = database.reader.instances(Query(level=Level.IMAGE, SOPInstanceUID="\\".join(uids)))
    return {record.SOPInstanceUID: record for record in found if record.path and Path(record.path).exists()}


def _stored(record: InstanceRecord, look: FolderLook) -> StoredInstance:
    return StoredInstance(
        SOPInstanceUID=record.SOPInstanceUID,
        SeriesInstanceUID=record.SeriesInstanceUID,
        status="imported" if record.SOPInstanceUID in look.new_instances else "unchanged",
        size=look.new_instances.get(record.SOPInstanceUID, 0),
    )
