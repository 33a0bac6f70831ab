"""Which servers a retrieve may ask, and what is known of those that do not answer. Called by the job's thread."""

from __future__ import annotations

from collections.abc import Sequence

from VisualDICOMBrowserLib.database.patient_connections import connections_of
from VisualDICOMBrowserLib.database.remote_records import RemoteRecords
from VisualDICOMBrowserLib.engine.parts import EngineParts
from VisualDICOMBrowserLib.engine.sources import Survey, source_rank
from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.jobs.job import JobRecord
from VisualDICOMBrowserLib.model import JobControl
from VisualDICOMBrowserLib.servers.config import ServerConfig

__all__ = ["chosen_servers", "known_losses", "known_numbers", "may_be_asked", "ranks_of"]


def chosen_servers(parts: EngineParts, job: JobRecord, remote: RemoteRecords | None, control: JobControl) -> list[str]:
    """Names of the servers to fetch from, in order: those the job names, else every one that may be asked.

    A forced retrieve leaves folders out: what lies there is read where it lies, or was imported when it was seen, so
    that there is no new copy to fetch.

    Raises
    ------
    UsageError
        There is none.
    """
    chosen = _named_or_all(parts, job, remote, control)
    return _without_folders(parts, chosen, control) if job.parameters.get("force") else chosen


def _named_or_all(parts: EngineParts, job: JobRecord, remote: RemoteRecords | None, control: JobControl) -> list[str]:
    named = [str(name) for name in job.parameters.get("sources") or ()]
    if named:
        return _existing(parts, list(dict.fromkeys(named)), control)
    if job.server:
        return [job.server]
    patient = str(job.parameters.get("PatientID", ""))
    if not patient and remote is not None:
        studies = remote.studies(job.parameters["StudyInstanceUID"]).values()
        patient = next((study.PatientID for study in studies if study.PatientID), "")
    enabled = [config for config in parts.servers.list() if config.retrieve_enabled and config.enabled]
    chosen = [config.name for config in enabled if may_be_asked(parts, config, patient)]
    if not chosen:
        message = "No server is set up to fetch from."
        raise UsageError(message, next_step="Add a server, or enable one for retrieving.")
    return chosen


def may_be_asked(parts: EngineParts, config: ServerConfig, patient_id: str) -> bool:
    """Whether a server that nobody named may be asked about a patient: trusted, or allowed for this very one.

    One that is denied for the patient is never asked so, as CTK does.
    """
    known = connections_of(parts.database, patient_id) if patient_id else []
    if any(config.name in connections.deny for connections in known):
        return False
    return config.trusted or any(config.name in connections.allow for connections in known)


def ranks_of(parts: EngineParts, names: Sequence[str]) -> dict[str, int]:
    """Rank of each server (`source_rank`), in their order."""
    if len(names) == 1:
        return {names[0]: 0}
    return {name: source_rank(parts.servers.get(name)) for name in names}


def known_losses(remote: RemoteRecords | None, study: str, survey: Survey, series: str) -> int:
    """How many instances of the study (or of one series) lie, as far as we remember, on unreachable servers only."""
    if remote is None or not survey.failed:
        return 0
    found = {uid for at in survey.series.values() for uid in at}
    lost: dict[str, int] = {}
    for server, listed in remote.series(study).items():
        for record in listed if server in survey.failed else ():
            uid = record.SeriesInstanceUID
            if uid not in found and series in ("", uid):
                lost[uid] = max(lost.get(uid, 0), record.NumberOfSeriesRelatedInstances or 1)
    return sum(lost.values())


def known_numbers(remote: RemoteRecords | None, study: str) -> dict[str, int]:
    """How many instances each series of the study has, as far as any server ever said so."""
    numbers: dict[str, int] = {}
    listed = remote.series(study).values() if remote is not None else ()
    for record in (each for records in listed for each in records):
        if record.NumberOfSeriesRelatedInstances:
            uid = record.SeriesInstanceUID
            numbers[uid] = max(numbers.get(uid, 0), record.NumberOfSeriesRelatedInstances)
    return numbers


def _without_folders(parts: EngineParts, names: Sequence[str], control: JobControl) -> list[str]:
    folders = [name for name in names if parts.servers.get(name).protocol == "folder"]
    for name in folders:
        control.log(f"{name} is left out: it is a folder, from which nothing can be fetched anew.")
    if len(folders) == len(names):
        message = f"{' and '.join(folders)}: nothing can be fetched anew from a folder."
        next_step = "Remove the study here and search the folder again, or fetch from another server."
        raise UsageError(message, code="not_offered", server=folders[0], next_step=next_step)
    return [name for name in names if name not in folders]


def _existing(parts: EngineParts, names: Sequence[str], control: JobControl) -> list[str]:
    existing = []
    for name in names:
        try:
            existing.append(parts.servers.get(name).name)
        except UsageError as error:
            if len(names) == 1:
                raise
            control.log(f"{name} is left out: {error.message}")
    if not existing:
        message = f"None of the servers {', '.join(names)} is set up any more."
        raise UsageError(message, code="unknown_server", next_step="Choose other servers.")
    return existing
