"""The job kind ``retrieve``: a study, a series or instances from one server into the local database.

What is in the database already is not fetched again: a series of which some instances are here is asked
for by the UIDs of the others, which is also how a retrieve goes on after a restart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from VisualDICOMBrowserLib.database.records import AddOutcome
from VisualDICOMBrowserLib.engine.parts import EngineParts
from VisualDICOMBrowserLib.engine.sink import DatabaseSink
from VisualDICOMBrowserLib.errors import PeerError
from VisualDICOMBrowserLib.jobs.job import JobRecord
from VisualDICOMBrowserLib.model import (
    AnyRecord,
    InstanceRecord,
    JobControl,
    Level,
    Query,
    RetrieveRequest,
    RetrieveResult,
    SeriesRecord,
)
from VisualDICOMBrowserLib.servers.driver import ServerDriver

__all__ = ["RetrieveKind"]

_Record = TypeVar("_Record", SeriesRecord, InstanceRecord)


class RetrieveKind:
    """Fetches by C-GET, indexes while instances arrive, and counts what is missing at the end.

    Parameters of the job: ``StudyInstanceUID``, and optionally ``SeriesInstanceUID``, ``SOPInstanceUIDs``,
    ``PatientID``.
    """

    name = "retrieve"
    limit = 0
    resumable = True

    def __init__(self, parts: EngineParts, after: Callable[[list[str]], None]) -> None:
        self._parts = parts
        self._after = after

    def identity(self, parameters: dict[str, Any]) -> str:
        """The same objects of the same server are the same retrieve."""
        instances = ",".join(sorted(parameters.get("SOPInstanceUIDs", ())))
        return f"{parameters['StudyInstanceUID']}|{parameters.get('SeriesInstanceUID', '')}|{instances}"

    def run(self, job: JobRecord, control: JobControl) -> dict[str, Any]:
        """Fetch what is missing, store it, and tell what came of it."""
        started = time.monotonic()
        driver = self._parts.driver(job.server)
        sink = DatabaseSink(self._parts.store, job.job_id, self._stored)
        results: list[RetrieveResult] = []
        requests: list[RetrieveRequest] = []
        present = 0
        try:
            try:
                requests, present = self._requests(driver, job.parameters, control)
                for request in requests:
                    control.raise_if_cancelled()
                    results.append(driver.retrieve(request, sink, control))
            finally:
                sink.finish()
        finally:
            driver.close()
            if sink.series:
                self._after(sorted(sink.series))
        short = _short(requests, results, sink)
        if short:
            control.log(f"{job.server} announced {short} more images than came, without saying which.")
        return self._outcome(job, results, sink, present, short, time.monotonic() - started)

    def _stored(self, outcomes: Sequence[AddOutcome]) -> None:
        imported = [outcome for outcome in outcomes if outcome.status == "imported"]
        self._parts.changes.add(series={outcome.SeriesInstanceUID for outcome in imported})

    def _requests(
        self, driver: ServerDriver, parameters: dict[str, Any], control: JobControl
    ) -> tuple[list[RetrieveRequest], int]:
        """What has to be asked for, and how many of the wanted instances are here already."""
        study = parameters["StudyInstanceUID"]
        patient = parameters.get("PatientID", "")
        wanted = tuple(parameters.get("SOPInstanceUIDs", ()))
        series_uid = parameters.get("SeriesInstanceUID", "")
        if wanted:
            here = self._local_instances(series_uid) if series_uid else self._local_instances_of_study(study)
            missing = tuple(uid for uid in wanted if uid not in here)
            request = RetrieveRequest(
                StudyInstanceUID=study,
                SeriesInstanceUID=series_uid,
                SOPInstanceUIDs=missing,
                PatientID=patient,
                expected=len(missing),
            )
            return ([request] if missing else []), len(wanted) - len(missing)
        query = Query(level=Level.SERIES, StudyInstanceUID=study, SeriesInstanceUID=series_uid)
        found = _only(SeriesRecord, driver.find(query, control).records)
        if not found:
            message = f"{driver.name} has no {'series ' + series_uid if series_uid else 'study ' + study}."
            raise PeerError(message, server=driver.name, next_step="Query the server again.")
        local = {record.SeriesInstanceUID: self._local_instances(record.SeriesInstanceUID) for record in found}
        if not any(local.values()):
            return [self._whole(study, series_uid, patient, found)], 0
        return self._missing_parts(driver, study, patient, found, local, control)

    @staticmethod
    def _whole(study: str, series_uid: str, patient: str, found: Sequence[SeriesRecord]) -> RetrieveRequest:
        counts = [record.NumberOfSeriesRelatedInstances for record in found]
        return RetrieveRequest(
            StudyInstanceUID=study,
            SeriesInstanceUID=series_uid,
            PatientID=patient,
            expected=None if None in counts else sum(count or 0 for count in counts),
        )

    def _missing_parts(
        self,
        driver: ServerDriver,
        study: str,
        patient: str,
        found: Sequence[SeriesRecord],
        local: dict[str, set[str]],
        control: JobControl,
    ) -> tuple[list[RetrieveRequest], int]:
        requests, present = [], 0
        for record in found:
            series_uid = record.SeriesInstanceUID
            here = local[series_uid]
            if not here:
                requests.append(self._whole(study, series_uid, patient, [record]))
                continue
            query = Query(level=Level.IMAGE, StudyInstanceUID=study, SeriesInstanceUID=series_uid)
            instances = _only(InstanceRecord, driver.find(query, control).records)
            remote = {item.SOPInstanceUID: item.SOPClassUID for item in instances}
            missing = tuple(uid for uid in remote if uid not in here)
            present += len(remote) - len(missing)
            if missing:
                requests.append(
                    RetrieveRequest(
                        StudyInstanceUID=study,
                        SeriesInstanceUID=series_uid,
                        SOPInstanceUIDs=missing,
                        PatientID=patient,
                        SOPClassUIDs=tuple(sorted({remote[uid] for uid in missing} - {""})),
                        expected=len(missing),
                    )
                )
        return requests, present

    def _local_instances(self, series_uid: str) -> set[str]:
        reader = self._parts.database.reader
        return {item.SOPInstanceUID for item in reader.instances_of_series(series_uid) if item.path}

    def _local_instances_of_study(self, study: str) -> set[str]:
        series = self._parts.database.reader.series(Query(level=Level.SERIES, StudyInstanceUID=study))
        return {uid for record in series for uid in self._local_instances(record.SeriesInstanceUID)}

    def _outcome(
        self,
        job: JobRecord,
        results: Sequence[RetrieveResult],
        sink: DatabaseSink,
        present: int,
        short: int,
        seconds: float,
    ) -> dict[str, Any]:
        stored = sink.counts["imported"] + sink.counts["unchanged"]
        refused = [{"SOPInstanceUID": outcome.SOPInstanceUID, "reason": outcome.reason} for outcome in sink.refused]
        failed = [
            {"SOPInstanceUID": item.SOPInstanceUID, "reason": item.reason}
            for result in results
            for item in result.failed
        ]
        failed_count = sum(result.failed_count for result in results) + len(refused) + short
        if not stored and not present and failed_count:
            came = "could be kept" if refused else f"came from {job.server}"
            message = f"None of the {failed_count} images asked for {came}."
            reasons = [item["reason"] for item in failed + refused]
            raise PeerError(message, server=job.server, next_step=reasons[0] if reasons else "")
        return {
            "received": sum(result.received for result in results),
            "imported": sink.counts["imported"],
            "unchanged": sink.counts["unchanged"],
            "present": present,
            "bytes": sum(result.bytes for result in results),
            "seconds": round(seconds, 3),
            "failed_count": failed_count,
            "failed": failed + refused,
            "series_uids": sorted(sink.series),
        }


def _short(requests: Sequence[RetrieveRequest], results: Sequence[RetrieveResult], sink: DatabaseSink) -> int:
    """How many different instances the server announced, did not send, and did not count as failed either."""
    expected = [request.expected for request in requests]
    if None in expected:
        return 0
    failed = sum(result.failed_count for result in results) + len(sink.refused)
    return max(0, sum(number or 0 for number in expected) - len(sink.instances) - failed)


def _only(kind: type[_Record], records: Sequence[AnyRecord]) -> list[_Record]:
    """Those of `records` that are of the level asked for, which a careless server may mix."""
    return [record for record in records if isinstance(record, kind)]
