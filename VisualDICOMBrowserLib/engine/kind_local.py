"""The job kinds that work on the local database alone: ``thumbnail`` and ``remove``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from VisualDICOMBrowserLib.database.removal import RemovalReport
from VisualDICOMBrowserLib.engine.parts import EngineParts
from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.jobs.job import JobRecord
from VisualDICOMBrowserLib.model import JobControl, Level
from VisualDICOMBrowserLib.thumbnails.maker import Thumbnail

__all__ = ["RemoveKind", "ThumbnailKind"]


class ThumbnailKind:
    """Makes the pictures of the series in ``series`` (list of SeriesInstanceUID); ``force`` makes them anew.

    ``choice`` tells jobs apart that follow a choice of the user (SOP Instance UID and frame).
    Each is announced by a ``thumbnail_ready`` event. Result: counts by kind and the reasons of failures.
    """

    name = "thumbnail"
    limit = 1
    resumable = True

    def __init__(self, parts: EngineParts) -> None:
        self._parts = parts

    def identity(self, parameters: dict[str, Any]) -> str:
        """The same series in the same manner are the same job."""
        choice = parameters.get("choice", "")
        return f"{parameters.get('force', False)}|{choice}|{'|'.join(sorted(parameters['series']))}"

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
    """Removes patients, studies and series from the local database.

    Parameters: ``level`` and ``uid`` (of a patient its key), or ``items``, a list of such pairs. Files that the
    database owns are deleted, linked files stay. Nothing is removed from any server.
    """

    name = "remove"
    limit = 1
    resumable = True

    def __init__(self, parts: EngineParts) -> None:
        self._parts = parts

    def identity(self, parameters: dict[str, Any]) -> str:
        """The same objects are the same removal."""
        return "|".join(f"{level}|{uid}" for level, uid in _items(parameters))

    def run(self, job: JobRecord, control: JobControl) -> dict[str, Any]:
        """Remove, and tell which series are gone."""
        items = _items(job.parameters)
        report = RemovalReport()
        for done, (level, uid) in enumerate(items, start=1):
            control.raise_if_cancelled()
            try:
                removed = self._remove(Level(level), uid)
            except UsageError:
                # Of several, one may be gone with another, or since an earlier engine began this job.
                if len(items) == 1:
                    raise
                continue
            report += removed
            self._parts.changes.add(removed=removed.series_uids)
            control.progress(done, len(items))
        return report.as_dict()

    def _remove(self, level: Level, uid: str) -> RemovalReport:
        writer = self._parts.database.writer
        if level is Level.PATIENT:
            return writer.remove_patient(int(uid))
        if level is Level.STUDY:
            return writer.remove_study(uid)
        if level is Level.SERIES:
            return writer.remove_series(uid)
        message = "Single images cannot be removed."
        raise UsageError(message, next_step="Remove their series.")


def _items(parameters: dict[str, Any]) -> list[tuple[str, str]]:
    given = parameters.get("items") or [(parameters["level"], parameters["uid"])]
    return [(str(level), str(uid)) for level, uid in given]
