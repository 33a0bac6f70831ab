"""What is fetched before anybody asks for it: the job kind ``prefetch``, and who starts it.

A server's setting decides: nothing, pictures of the series of the shown patient, all its series, or the shown study
with the priors of the same modality or body part. What is fetched has low priority, so it never holds up what
somebody waits for.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from VisualDICOMBrowserLib.engine.parts import EngineParts
from VisualDICOMBrowserLib.jobs.job import JobRecord
from VisualDICOMBrowserLib.model import (
    InstanceRecord,
    JobControl,
    Level,
    Query,
    SeriesRecord,
    StudyRecord,
)
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.driver import ServerDriver

__all__ = ["PrefetchKind", "young_studies"]

_PICTURES_FOLDER = "visual-dicom-browser-pictures"
_PICTURES_SECTION = "remote-pictures"

Fetch = Callable[[str, str, str, Sequence[str]], str]
"""Submits a retrieve of low priority: server, study, series, instances; returns the job's id."""


class PrefetchKind:
    """Looks on one server for what is worth fetching of a patient, and submits the retrieves.

    Parameters of the job: ``PatientID``, and ``StudyInstanceUID`` of the study that is shown (else the newest one).
    Result: ``jobs`` (ids of retrieves) and ``pictures`` (how many the server drew).
    """

    name = "prefetch"
    limit = 2
    resumable = False
    retries = False

    def __init__(self, parts: EngineParts, fetch: Fetch) -> None:
        self._parts = parts
        self._fetch = fetch

    def identity(self, parameters: dict[str, Any]) -> str:
        """The same patient with the same study in front."""
        return f"{parameters['PatientID']}|{parameters.get('StudyInstanceUID', '')}"

    def run(self, job: JobRecord, control: JobControl) -> dict[str, Any]:
        """Look and submit."""
        config = self._parts.servers.get(job.server)
        result: dict[str, Any] = {"jobs": [], "pictures": 0}
        if config.manual or config.prefetch == "nothing":
            return result
        driver = self._parts.driver(job.server)
        try:
            studies = _studies(driver, job.parameters["PatientID"], control)
            shown = next(
                (study for study in studies if study.StudyInstanceUID == job.parameters.get("StudyInstanceUID")),
                studies[0] if studies else None,
            )
            if config.prefetch == "thumbnails":
                self._pictures(driver, config, studies, control, result)
            elif config.prefetch == "series":
                result["jobs"] = [self._fetch(config.name, study.StudyInstanceUID, "", ()) for study in studies]
            elif shown is not None:
                self._priors(driver, config, shown, studies, control, result)
        finally:
            driver.close()
        return result

    def _priors(
        self,
        driver: ServerDriver,
        config: ServerConfig,
        shown: StudyRecord,
        studies: Sequence[StudyRecord],
        control: JobControl,
        result: dict[str, Any],
    ) -> None:
        """The shown study, and of the others each series of one of its modalities or body parts."""
        own = _series(driver, shown.StudyInstanceUID, control)
        modalities = {record.Modality for record in own} - {""}
        parts = {record.BodyPartExamined for record in own} - {""}
        result["jobs"].append(self._fetch(config.name, shown.StudyInstanceUID, "", ()))
        for study in studies:
            if study is shown:
                continue
            for record in _series(driver, study.StudyInstanceUID, control):
                if record.Modality in modalities or record.BodyPartExamined in parts:
                    job_id = self._fetch(config.name, study.StudyInstanceUID, record.SeriesInstanceUID, ())
                    result["jobs"].append(job_id)

    def _pictures(
        self,
        driver: ServerDriver,
        config: ServerConfig,
        studies: Sequence[StudyRecord],
        control: JobControl,
        result: dict[str, Any],
    ) -> None:
        """A picture of the middle image of each series that has none here: drawn by the server, or made of it."""
        for study in studies:
            for record in _series(driver, study.StudyInstanceUID, control):
                control.raise_if_cancelled()
                uid = record.SeriesInstanceUID
                if self._parts.database.reader.instances_of_series(uid):
                    continue
                middle = _middle(driver, study.StudyInstanceUID, uid, control)
                if middle is None:
                    continue
                picture = driver.picture(study.StudyInstanceUID, uid, middle, control)
                if picture is None:
                    result["jobs"].append(self._fetch(config.name, study.StudyInstanceUID, uid, (middle,)))
                else:
                    self._keep_picture(uid, config.name, picture)
                    result["pictures"] += 1

    def _keep_picture(self, series: str, server: str, picture: bytes) -> None:
        folder = self._parts.database.folder / _PICTURES_FOLDER
        folder.mkdir(exist_ok=True)
        suffix = ".png" if picture.startswith(b"\x89PNG") else ".jpg"
        path = folder / (hashlib.md5(series.encode(), usedforsecurity=False).hexdigest() + suffix)
        part = path.with_suffix(".part")
        part.write_bytes(picture)
        part.replace(path)
        fields = {"series": series, "path": str(path), "kind": "picture", "label": "", "reason": ""}
        self._parts.database.own.put(_PICTURES_SECTION, series, fields)
        self._parts.hub.publish("thumbnail_ready", **fields, server=server)


def young_studies(
    studies: Sequence[StudyRecord], hours: float, now: datetime.datetime | None = None
) -> list[StudyRecord]:
    """Studies made less than `hours` before `now` (local time); those without a date are not among them."""
    now = now or datetime.datetime.now()
    return [
        study
        for study in studies
        if (made := _study_time(study)) is not None and now - made < datetime.timedelta(hours=hours)
    ]


def _study_time(study: StudyRecord) -> datetime.datetime | None:
    text = study.StudyDate + (study.StudyTime.partition(".")[0] or "0").ljust(6, "0")[:6]
    try:
        return datetime.datetime.strptime(text, "%Y%m%d%H%M%S")
    except ValueError:
        return None


def _studies(driver: ServerDriver, patient_id: str, control: JobControl) -> list[StudyRecord]:
    """Studies of exactly this patient, the newest first."""
    found = driver.find(Query(level=Level.STUDY, PatientID=patient_id), control).records
    studies = [record for record in found if isinstance(record, StudyRecord) and record.PatientID == patient_id]
    return sorted(studies, key=lambda study: (study.StudyDate, study.StudyTime), reverse=True)


def _series(driver: ServerDriver, study: str, control: JobControl) -> list[SeriesRecord]:
    found = driver.find(Query(level=Level.SERIES, StudyInstanceUID=study), control).records
    return [record for record in found if isinstance(record, SeriesRecord)]


def _middle(driver: ServerDriver, study: str, series: str, control: JobControl) -> str | None:
    """The middle instance by its number, None if the server names none."""
    query = Query(level=Level.IMAGE, StudyInstanceUID=study, SeriesInstanceUID=series)
    instances = [record for record in driver.find(query, control).records if isinstance(record, InstanceRecord)]
    instances.sort(key=lambda record: record.InstanceNumber or 0)
    return instances[len(instances) // 2].SOPInstanceUID if instances else None
