"""The job kind ``check``: is the database sound, and is every file where it says?

No parameters. Result: ``files`` looked at, ``missing`` (how many are gone), ``missing_paths`` (the first of them)
``missing_series`` with all their UIDs, ``emptied``: how many of these series have no other file, and ``absent``: the
drive or folder that is not there, where that explains it. A damaged database fails the job with what to do.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from VisualDICOMBrowserLib.database.missing_files import absent_place, emptied_series, is_gone, local_files
from VisualDICOMBrowserLib.engine.parts import EngineParts
from VisualDICOMBrowserLib.jobs.job import JobRecord
from VisualDICOMBrowserLib.model import JobControl

__all__ = ["CheckKind"]

_LISTED = 200


class CheckKind:
    """Goes over the whole file with SQLite's own check, then over every indexed file."""

    name = "check"
    limit = 1
    resumable = True

    def __init__(self, parts: EngineParts) -> None:
        self._parts = parts

    def identity(self, parameters: dict[str, Any]) -> str:
        """There is one database."""
        return "database"

    def run(self, job: JobRecord, control: JobControl) -> dict[str, Any]:
        """Check, and tell what is gone."""
        database = self._parts.database
        database.check()
        total = database.reader.counts().instances
        done = 0
        missing: list[str] = []
        series: Counter[str] = Counter()
        for portion in local_files(database):
            control.raise_if_cancelled()
            for file in portion:
                if is_gone(file.path):
                    missing.append(file.path)
                    series[file.SeriesInstanceUID] += 1
            done += len(portion)
            control.progress(done, max(total, done))
        return {
            "files": done,
            "missing": len(missing),
            "missing_paths": missing[:_LISTED],
            "missing_series": sorted(series),
            "emptied": emptied_series(database, series),
            "absent": absent_place(missing),
        }
