"""The job kind ``check``: is the database sound, and is every file where it says?

No parameters. Result: ``files`` looked at, ``missing`` (how many are gone), ``missing_paths`` (the first of them)
and ``missing_series`` with all their UIDs. A damaged database fails the job with what to do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.engine.parts import EngineParts
from VisualDICOMBrowserLib.jobs.job import JobRecord
from VisualDICOMBrowserLib.model import JobControl

__all__ = ["CheckKind"]

_AT_ONCE = 2000
_LISTED = 200
_NEXT = (
    "SELECT rowid, Filename, SeriesInstanceUID FROM Images WHERE rowid > ? AND Filename <> '' ORDER BY rowid LIMIT ?"
)


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
        done, last = 0, 0
        missing: list[str] = []
        series: set[str] = set()
        while rows := database.connections.rows(_NEXT, (last, _AT_ONCE)):
            control.raise_if_cancelled()
            for last, stored, uid in rows:  # noqa: B007  (the last number is where the next part begins)
                path = database.paths.absolute(stored)
                if not Path(path).is_file():
                    missing.append(path)
                    series.add(uid)
            done += len(rows)
            control.progress(done, max(total, done))
        return {
            "files": done,
            "missing": len(missing),
            "missing_paths": missing[:_LISTED],
            "missing_series": sorted(series),
        }
