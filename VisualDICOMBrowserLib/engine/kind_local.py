"""The job kinds that work on the local database alone: ``thumbnail`` and ``remove``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from VisualDICOMBrowserLib.engine.parts import EngineParts
from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.jobs.job import JobRecord
from VisualDICOMBrowserLib.model import JobControl, Level
from VisualDICOMBrowserLib.thumbnails.maker import Thumbnail

__all__ = ["RemoveKind", "ThumbnailKind"]


class ThumbnailKind:
    """Makes the pictures of the series in ``series`` (list of SeriesInstanceUID); ``force`` makes them anew.

    Each is announced by a ``thumbnail_ready`` event. Result: counts by kind and the reasons of failures.
    """

    name = "thumbnail"
    limit = 1
    resumable = True

    def __init__(self, parts: EngineParts) -> None:
        self._parts = parts

    def identity(self, parameters: dict[str, Any]) -> str:
        """The same series in the same manner are the same job."""
        return f"{parameters.get('force', False)}|{'|'.join(sorted(parameters['series']))}"

    def run(self, job: JobRecord, control: JobControl) -> dict[str, Any]:
        """Make the pictures in a few threads, the first series first."""
        series = job.parameters["series"]
        force = bool(job.parameters.get("force", False))
        counts = {"picture": 0, "none": 0, "failed": 0}
        failed = []

        def make(series_uid: str) -> Thumbnail | None:
            return None if control.cancel_requested else self._parts.thumbnails.make(series_uid, force=force)

        workers = self._parts.settings.integer("thumbnails/workers")
        with ThreadPoolExecutor(workers, thread_name_prefix="thumbnail") as pool:
            for done, thumbnail in enumerate(pool.map(make, series), start=1):
                control.raise_if_cancelled()
                if thumbnail is None:
                    continue
                counts[thumbnail.kind] += 1
                if thumbnail.kind == "failed":
                    failed.append({"SeriesInstanceUID": thumbnail.SeriesInstanceUID, "reason": thumbnail.reason})
                self._parts.hub.publish("thumbnail_ready", **thumbnail_fields(thumbnail))
                control.progress(done, len(series))
        return {**counts, "failures": failed}


def thumbnail_fields(thumbnail: Thumbnail) -> dict[str, Any]:
    """A thumbnail as plain JSON values."""
    return {
        "series": thumbnail.SeriesInstanceUID,
        "path": str(thumbnail.path or ""),
        "kind": thumbnail.kind,
        "label": thumbnail.label,
        "reason": thumbnail.reason,
    }


class RemoveKind:
    """Removes a patient, study or series from the local database: ``level`` and ``uid`` (or patient key).

    Files that the database owns are deleted, linked files stay. Nothing is removed from any server.
    """

    name = "remove"
    limit = 1
    resumable = True

    def __init__(self, parts: EngineParts) -> None:
        self._parts = parts

    def identity(self, parameters: dict[str, Any]) -> str:
        """The same object is the same removal."""
        return f"{parameters['level']}|{parameters['uid']}"

    def run(self, job: JobRecord, control: JobControl) -> dict[str, Any]:
        """Remove, and tell which series are gone."""
        level, uid = Level(job.parameters["level"]), str(job.parameters["uid"])
        writer = self._parts.database.writer
        if level is Level.PATIENT:
            report = writer.remove_patient(int(uid))
        elif level is Level.STUDY:
            report = writer.remove_study(uid)
        elif level is Level.SERIES:
            report = writer.remove_series(uid)
        else:
            message = "Single images cannot be removed."
            raise UsageError(message, next_step="Remove their series.")
        self._parts.changes.add(removed=report.series_uids)
        return report.as_dict()
