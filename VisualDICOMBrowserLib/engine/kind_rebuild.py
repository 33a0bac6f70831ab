"""The job kind ``rebuild``: fills a database that was made anew in place of a damaged one (``rebuilding``).

Parameter ``kept``: the file of the damaged one. Everything below ``dicom`` is indexed as the database's own, and what
the damaged file can still name as linked. Result: as of an import, and ``gone``: how many linked files are not there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.database.own_store import OwnStore
from VisualDICOMBrowserLib.database.paths import DICOM_FOLDER
from VisualDICOMBrowserLib.database.salvage import salvaged_files
from VisualDICOMBrowserLib.engine.kind_import import ImportKind
from VisualDICOMBrowserLib.jobs.job import JobRecord, Priority
from VisualDICOMBrowserLib.jobs.queue import JobQueue
from VisualDICOMBrowserLib.model import JobControl

__all__ = ["RebuildKind", "note_rebuild", "submit_rebuild"]

_SECTION, _KEY = "engine", "rebuild"


def note_rebuild(own: OwnStore, kept: Path) -> None:
    """Keep in mind that the next engine has to fill the database anew."""
    own.put(_SECTION, _KEY, str(kept))


def submit_rebuild(own: OwnStore, queue: JobQueue) -> str:
    """Begin to fill the database if that was noted; the job's id or nothing."""
    kept = own.get(_SECTION, _KEY)
    if not kept:
        return ""
    job_id = ""
    if Path(kept).exists():  # else the file was put back before a new one was made
        job_id = queue.submit("rebuild", {"kept": kept}, priority=Priority.HIGH, label=Path(kept).name)
    own.delete(_SECTION, _KEY)
    return job_id


class RebuildKind(ImportKind):
    """Imports what belongs to the database; begun again after a restart, what is in stays in."""

    name = "rebuild"

    def identity(self, parameters: dict[str, Any]) -> str:
        """One for each damaged file."""
        return str(parameters["kept"])

    def run(self, job: JobRecord, control: JobControl) -> dict[str, Any]:
        """Import, tell what changed, and have thumbnails made."""
        paths = self._parts.database.paths
        named = list(dict.fromkeys(salvaged_files(Path(job.parameters["kept"]), paths)))
        linked = [path for path in named if Path(path).is_file()]
        gone = len(named) - len(linked)
        control.log(f"The damaged file still names {len(named)} linked files; {gone} of them are not there.")
        folder = paths.folder / DICOM_FOLDER
        places = ([folder] if folder.is_dir() else []) + [Path(path) for path in linked]
        report = self._parts.indexer.import_paths(places, copy=False, control=control, inside=True)
        return {**self._taken(report), "gone": gone, "kept": job.parameters["kept"]}
