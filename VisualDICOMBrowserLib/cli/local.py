"""The commands on the local database: ``import``, ``list``, ``remove``, ``thumbnail``, ``load``, ``jobs``."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from typing import Any

from VisualDICOMBrowserLib.cli.options import filters_of
from VisualDICOMBrowserLib.cli.output import EXIT_DONE, EXIT_FAILED, EXIT_PARTLY, Output, count, table
from VisualDICOMBrowserLib.engine.session import Session
from VisualDICOMBrowserLib.errors import LoadError, UsageError
from VisualDICOMBrowserLib.model import Level, record_as_dict
from VisualDICOMBrowserLib.settings import SETTINGS

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


def settings(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    """List the settings, or change one."""
    if arguments.key:
        session.client.request("set_setting", key=arguments.key, value=arguments.value)
        output.document({arguments.key: arguments.value}, f"{arguments.key} is {arguments.value} from now on.")
        return EXIT_DONE
    changed = session.client.request("settings")
    values = {key: changed.get(key, setting.default) for key, setting in SETTINGS.items()}
    rows = [{"key": key, "value": value, "help": SETTINGS[key].help} for key, value in values.items()]
    output.document(values, table(rows, {"key": "Setting", "value": "Value", "help": "Meaning"}))
    return EXIT_DONE


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
    "settings": settings,
}
