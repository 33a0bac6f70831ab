"""The job kinds for files that are gone: ``find_files`` where they were moved, ``remove_missing`` from the database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.database.missing_files import MissingFile, is_gone, local_files
from VisualDICOMBrowserLib.database.relocating import relocated
from VisualDICOMBrowserLib.database.removal import RemovalReport
from VisualDICOMBrowserLib.engine.parts import EngineParts
from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.jobs.job import JobRecord
from VisualDICOMBrowserLib.model import JobControl

__all__ = ["FindFilesKind", "RemoveMissingKind"]

_LISTED = 200
_SERIES_AT_ONCE = 50


class FindFilesKind:
    """Looks below ``folder`` for every file of the database that is gone.

    Result: how many were ``missing``, ``found`` and ``left``, the paths of the first that are left, the series that
    got files back (``series_uids``) and those that still lack some (``left_series``).
    """

    name = "find_files"
    limit = 1
    resumable = True

    def __init__(self, parts: EngineParts, after: Callable[[list[str]], None]) -> None:
        self._parts = parts
        self._after = after

    def identity(self, parameters: dict[str, Any]) -> str:
        """One search for each folder."""
        return str(parameters["folder"])

    def run(self, job: JobRecord, control: JobControl) -> dict[str, Any]:
        """Search, and tell what was found."""
        folder = Path(job.parameters["folder"])
        if not folder.is_dir():
            message = f"There is no folder {folder}."
            raise UsageError(message, subject=str(folder), next_step="Choose another folder.")
        database = self._parts.database
        _ = database.writer  # refuses a database that may only be read before anything is looked through
        missing = _missing(self._parts, None, control)
        control.log(f"{len(missing)} files are missing; {folder} is looked through.")
        found: set[str] = set()
        series: dict[str, None] = {}
        for portion in relocated(database, missing, folder, control):
            found.update(each.SOPInstanceUID for each, _file in portion)
            changed = dict.fromkeys(each.SeriesInstanceUID for each, _file in portion)
            series.update(changed)
            self._parts.changes.add(series=list(changed))
        if series:
            self._after(list(series))
        left = [each for each in missing if each.SOPInstanceUID not in found]
        return {
            "folder": str(folder),
            "missing": len(missing),
            "found": len(found),
            "left": len(left),
            "left_paths": [each.path for each in left[:_LISTED]],
            "left_series": sorted({each.SeriesInstanceUID for each in left}),
            "series_uids": list(series),
            "done_count": len(found),
            "failed_count": len(left),
        }


class RemoveMissingKind:
    """Removes the rows of files that are gone, of the series in ``series`` or, without that, of all.

    What is gone is looked up anew, so that a file that has come back stays. No file is deleted that anybody can see.
    Result: as of a removal.
    """

    name = "remove_missing"
    limit = 1
    resumable = True

    def __init__(self, parts: EngineParts) -> None:
        self._parts = parts

    def identity(self, parameters: dict[str, Any]) -> str:
        """The same series are the same removal."""
        return "|".join(sorted(parameters.get("series") or ()))

    def run(self, job: JobRecord, control: JobControl) -> dict[str, Any]:
        """Remove, and tell which series are gone with it."""
        writer = self._parts.database.writer
        named = job.parameters.get("series") or None
        noted: dict[str, list[tuple[str, str, str]]] = {}
        for each in _missing(self._parts, named, control):
            noted.setdefault(each.SeriesInstanceUID, []).append((each.SOPInstanceUID, each.stored, each.inserted))
        report = RemovalReport()
        uids = list(noted)
        for start in range(0, len(uids), _SERIES_AT_ONCE):
            control.raise_if_cancelled()
            part = {uid: noted[uid] for uid in uids[start : start + _SERIES_AT_ONCE]}
            removed = writer.remove_missing(part)
            report += removed
            kept = [uid for uid in part if uid not in removed.series_uids]
            self._parts.changes.add(series=kept, removed=removed.series_uids)
            control.progress(min(start + _SERIES_AT_ONCE, len(uids)), len(uids))
        return report.as_dict()


def _missing(parts: EngineParts, series: list[str] | None, control: JobControl) -> list[MissingFile]:
    missing: list[MissingFile] = []
    for portion in local_files(parts.database, series):
        control.raise_if_cancelled()
        missing += [each for each in portion if is_gone(each.path)]
    return missing
