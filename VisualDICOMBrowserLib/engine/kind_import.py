"""The job kind ``import``: files and folders into the local database.

Parameters: ``paths`` (list of str), ``copy`` (bool). Result: counts, and every rejected file with its reason.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.database.indexer import ImportReport
from VisualDICOMBrowserLib.engine.parts import EngineParts
from VisualDICOMBrowserLib.jobs.job import JobRecord
from VisualDICOMBrowserLib.model import JobControl

__all__ = ["ImportKind"]


class ImportKind:
    """Imports what its parameters name; begun again after a restart, what is in stays in."""

    name = "import"
    limit = 1
    resumable = True

    def __init__(self, parts: EngineParts, after: Callable[[list[str]], None]) -> None:
        self._parts = parts
        self._after = after

    def identity(self, parameters: dict[str, Any]) -> str:
        """The same paths in the same manner are the same import."""
        return f"{parameters['copy']}|{'|'.join(sorted(parameters['paths']))}"

    def run(self, job: JobRecord, control: JobControl) -> dict[str, Any]:
        """Import, tell what changed, and have thumbnails made."""
        paths = [Path(path) for path in job.parameters["paths"]]
        report = self._parts.indexer.import_paths(paths, copy=job.parameters["copy"], control=control)
        return self._taken(report)

    def _taken(self, report: ImportReport) -> dict[str, Any]:
        """Tell what changed; the report as plain fields."""
        series = list(report.series_uids)
        if series:
            self._parts.changes.add(series=series)
            self._after(series)
        return {
            "imported": report.imported,
            "unchanged": report.unchanged,
            "rejected": [{"path": item.path, "reason": item.reason} for item in report.rejected],
            "conflicts": [{"path": item.path, "reason": item.reason} for item in report.conflicts],
            "patients": report.patients,
            "studies": report.studies,
            "series": report.series,
            "series_uids": series,
            "failed_count": len(report.rejected) + len(report.conflicts),
        }
