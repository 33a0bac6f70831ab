"""The commands on the local database: ``import``, ``list``, ``remove``, ``thumbnail``, ``load``, ``jobs``."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from typing import Any

from VisualDICOMBrowserLib.cli.output import EXIT_DONE, EXIT_FAILED, EXIT_PARTLY, Output, count, table
from VisualDICOMBrowserLib.cli.parser import filters_of
from VisualDICOMBrowserLib.engine.session import Session
from VisualDICOMBrowserLib.errors import LoadError, UsageError, VisualDICOMError
from VisualDICOMBrowserLib.model import Level, record_as_dict

__all__ = ["COLUMNS", "HANDLERS", "Handler"]

Handler = Callable[[Session, argparse.Namespace, Output], int]

COLUMNS: dict[Level, dict[str, str]] = {
    Level.PATIENT: {
        "PatientID": "Patient ID",
        "PatientName": "Name",
        "PatientSex": "Sex",
        "PatientBirthDate": "Born",
        "NumberOfPatientRelatedStudies": "Studies",
        "LastStudyDate": "Last study",
    },
    Level.STUDY: {
        "StudyDate": "Date",
        "PatientID": "Patient ID",
        "PatientName": "Name",
        "ModalitiesInStudy": "Modalities",
        "StudyDescription": "Description",
        "NumberOfStudyRelatedSeries": "Series",
        "StudyInstanceUID": "StudyInstanceUID",
    },
    Level.SERIES: {
        "SeriesNumber": "Number",
        "Modality": "Modality",
        "SeriesDescription": "Description",
        "NumberOfSeriesRelatedInstances": "Images",
        "SeriesInstanceUID": "SeriesInstanceUID",
    },
    Level.IMAGE: {
        "InstanceNumber": "Number",
        "SOPInstanceUID": "SOPInstanceUID",
        "path": "File",
    },
}


def import_files(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    """Import and list every rejected file with its reason."""
    job_id = session.client.request(
        "import_files", paths=[str(path.absolute()) for path in arguments.paths], copy=arguments.copy
    )
    job = session.wait(job_id, on_progress=output.progress)
    result = job["result"]
    lines = [
        f"{count(result['imported'], 'image')} imported, {result['unchanged']} unchanged, "
        f"{len(result['rejected'])} rejected, {count(len(result['conflicts']), 'conflict')}: "
        f"{count(result['patients'], 'new patient')}, {count(result['studies'], 'new study', 'new studies')}, "
        f"{count(result['series'], 'new series', 'new series')}."
    ]
    lines += [f"  {item['path']}: {item['reason']}" for item in result["rejected"] + result["conflicts"]]
    output.document(result, "\n".join(lines))
    if not result["failed_count"]:
        return EXIT_DONE
    return EXIT_PARTLY if result["imported"] + result["unchanged"] else EXIT_FAILED


def list_records(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    """List records of the local database."""
    level = Level(arguments.level.upper())
    rows = [record_as_dict(record) for record in session.records(level, **filters_of(arguments))]
    output.document(rows, table(rows, COLUMNS[level]) or "Nothing in the database matches.")
    return EXIT_DONE


def remove(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    """Remove a patient, study or series."""
    if arguments.patient:
        records = [
            record
            for record in session.records(Level.PATIENT, PatientID=arguments.patient)
            if record.PatientID == arguments.patient
        ]
    elif arguments.study:
        records = session.records(Level.STUDY, StudyInstanceUID=arguments.study)
    else:
        records = session.records(Level.SERIES, SeriesInstanceUID=arguments.series)
    if not records:
        wanted = arguments.patient or arguments.study or arguments.series
        message = f"The database has no {wanted}."
        raise UsageError(message, subject=wanted, next_step="See what it has with the command list.")
    results = [session.remove(record) for record in records]
    series = sum(len(result["series_uids"]) for result in results)
    output.document(results, f"{count(series, 'series', 'series')} removed from the local database.")
    return EXIT_DONE


def thumbnail(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    """Make pictures and say where they are."""
    for uid in arguments.series:
        _require_series(session, uid)
    pictures = session.make_thumbnails(arguments.series, force=arguments.force)
    lines = []
    for uid, picture in pictures.items():
        if arguments.output and picture["path"]:
            arguments.output.mkdir(parents=True, exist_ok=True)
            picture["path"] = str(shutil.copyfile(picture["path"], arguments.output / f"{uid}.png"))
        lines.append(f"{uid}: {picture['path'] or picture['reason'] or picture['label']}")
    output.document(list(pictures.values()), "\n".join(lines))
    failed = sum(picture["kind"] == "failed" for picture in pictures.values())
    if not failed:
        return EXIT_DONE
    return EXIT_FAILED if failed == len(pictures) else EXIT_PARTLY


def load(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    """Load one series through the DICOM plugins and save its volume."""
    _require_series(session, arguments.series)
    from VisualDICOMBrowserLib.database.dicom_database import DicomDatabase
    from VisualDICOMBrowserLib.database.local_database import LocalDatabase
    from VisualDICOMBrowserLib.loading import application_scene, load_series, save_volume

    database = LocalDatabase.open(arguments.database, read_only=True)
    try:
        report = load_series(DicomDatabase(database), [arguments.series], application_scene())
    finally:
        database.close()
    if not report.nodes:
        message = f"Series {arguments.series} gave no volume."
        raise LoadError(message, subject=arguments.series)
    results = []
    for number, node in enumerate(report.nodes):
        stem = arguments.output.stem + (f"_{number + 1}" if number else "")
        path = arguments.output.with_name(stem + arguments.output.suffix)
        save_volume(node, path)
        results.append({"name": node.GetName(), "path": str(path), **volume_fields(node)})
    for warning in report.warnings:
        output.message(warning)
    document = {"volumes": results, "warnings": list(report.warnings)}
    lines = [f"{item['name']}: {item['dimensions']} to {item['path']}" for item in results]
    output.document(document, "\n".join(lines))
    return EXIT_DONE


def volume_fields(node: Any) -> dict[str, Any]:
    """Dimensions (columns, rows, slices) and spacing (mm) of a volume node."""
    image = node.GetImageData()
    return {"dimensions": list(image.GetDimensions()), "spacing": list(node.GetSpacing())}


def jobs(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    """List, show, cancel, clear or resume jobs."""
    columns = {"job_id": "Job", "kind": "Task", "label": "What", "server": "Server", "state": "State"}
    if arguments.action == "list":
        rows = session.client.request("jobs")
        output.document(rows, table(rows, columns) or "No jobs.")
    elif arguments.action == "show":
        job = session.client.request("job", job_id=arguments.job_id)
        output.document(job, "\n".join([table([job], columns), *(str(line) for line in job["log"])]))
    elif arguments.action == "cancel":
        told = session.client.request("cancel_job", job_id=arguments.job_id)
        text = "The job is asked to end." if told else "The job had ended already."
        output.document({"job_id": arguments.job_id, "cancel_requested": told}, text)
    elif arguments.action == "clear":
        cleared = session.client.request("clear_jobs")
        output.document({"cleared": cleared}, f"{count(cleared, 'job')} forgotten.")
    else:
        return _resume(session, columns, output)
    return EXIT_DONE


def _resume(session: Session, columns: dict[str, str], output: Output) -> int:
    """Take up unfinished jobs and wait for all of them, also when some fail."""
    ended = []
    for job_id in session.client.request("resume_jobs"):
        try:
            session.wait(job_id, on_progress=output.progress)
        except VisualDICOMError as error:
            output.message(str(error))
        ended.append(session.client.request("job", job_id=job_id))
    output.document(ended, table(ended, columns) or "No unfinished jobs.")
    states = {job["state"] for job in ended}
    if states <= {"done"}:
        return EXIT_DONE
    return EXIT_PARTLY if states & {"done", "partly"} else EXIT_FAILED


def _require_series(session: Session, uid: str) -> None:
    if not session.records(Level.SERIES, SeriesInstanceUID=uid):
        message = f"The database has no series {uid}."
        raise UsageError(message, subject=uid, next_step="Import or retrieve it first.")


HANDLERS: dict[str, Handler] = {
    "import": import_files,
    "list": list_records,
    "remove": remove,
    "thumbnail": thumbnail,
    "load": load,
    "jobs": jobs,
}
