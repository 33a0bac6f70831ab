"""Commands for files of the database that are gone, and for a database that was made anew; see ``commands``."""

from __future__ import annotations

from collections import Counter
from typing import Any

from VisualDICOMBrowserLib.database.missing_files import absent_place, emptied_series, is_gone, local_files
from VisualDICOMBrowserLib.engine.desk import EngineDesk
from VisualDICOMBrowserLib.engine.kind_rebuild import submit_rebuild
from VisualDICOMBrowserLib.jobs.job import Priority

__all__ = ["MissingCommands"]

_LISTED = 200


class MissingCommands:
    """What a window asks once a file cannot be found."""

    def __init__(self, desk: EngineDesk) -> None:
        self._desk = desk
        self._database = desk.parts.database

    def missing_files(self, series: list[str]) -> dict[str, Any]:
        """Which files of these series are gone; the fields are those of the job ``check``."""
        files = [each for portion in local_files(self._database, series) for each in portion]
        missing = [each for each in files if is_gone(each.path)]
        of_series = Counter(each.SeriesInstanceUID for each in missing)
        paths = [each.path for each in missing]
        return {
            "files": len(files),
            "missing": len(missing),
            "missing_paths": paths[:_LISTED],
            "missing_series": sorted(of_series),
            "emptied": emptied_series(self._database, of_series),
            "absent": absent_place(paths),
        }

    def find_files(self, folder: str) -> str:
        """Look below `folder` for all files that are gone; returns the job's id."""
        return self._desk.queue.submit("find_files", {"folder": folder}, priority=Priority.HIGH, label=folder)

    def remove_missing(self, series: list[str] | None = None) -> str:
        """Remove what files that are gone left in the database, of some series or all; returns the job's id."""
        parameters = {"series": list(series)} if series else {}
        label = "Files that are gone"
        return self._desk.queue.submit("remove_missing", parameters, priority=Priority.HIGH, label=label)

    def take_up_rebuild(self) -> str:
        """Begin what is still to be done for a database that was made anew; the job's id, empty if nothing is."""
        return submit_rebuild(self._database.own, self._desk.queue)
