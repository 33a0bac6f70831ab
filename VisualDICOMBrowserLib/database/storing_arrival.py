"""One whole file on its way into the database, and what its header says.

Shared by the instance store and by whoever takes instances in before they are indexed (our node). Plain data,
any thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from VisualDICOMBrowserLib.database.header_plan import TagPlan
from VisualDICOMBrowserLib.database.header_scan import scan_values
from VisualDICOMBrowserLib.database.paths import DatabasePaths
from VisualDICOMBrowserLib.database.records import AddOutcome, instance_number
from VisualDICOMBrowserLib.errors import RejectedFileError
from VisualDICOMBrowserLib.model import ReceivedFile

__all__ = ["Arrival", "scanned_arrival", "stored_arrival"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A whole file and where it belongs.

    ``part`` is where it lies, ``target`` where it will be kept, ``values`` the text of its header by tag,
    ``source`` where it came from, for the record of conflicts. ``flushed`` says that its bytes are on the disk.
    """

    part: Path
    target: Path
    size: int
    values: dict[str, str]
    source: str = ""
    flushed: bool = False

    @property
    def sop_uid(self) -> str:
        """SOP Instance UID."""
        return self.values["0008,0018"]

    @property
    def series_uid(self) -> str:
        """Series Instance UID."""
        return self.values["0020,000E"]

    @property
    def study_uid(self) -> str:
        """Study Instance UID."""
        return self.values["0020,000D"]

    def outcome(self, status: str, path: str, reason: str = "") -> AddOutcome:
        """What became of it."""
        return AddOutcome(status, self.sop_uid, self.series_uid, path, reason, instance_number(self.values))


def scanned_arrival(file: ReceivedFile, source: str, paths: DatabasePaths, plan: TagPlan) -> Arrival | AddOutcome:
    """A whole received file as an arrival, or its rejection."""
    try:
        size, values = scan_values(str(file.path), plan, head=file.head, size=file.size)
    except RejectedFileError as error:
        return AddOutcome("rejected", file.SOPInstanceUID, "", "", error.message)
    sop_uid, series_uid = values["0008,0018"], values["0020,000E"]
    if file.SOPInstanceUID not in ("", sop_uid):
        reason = f"The file holds the instance {sop_uid}, but {file.SOPInstanceUID} was announced."
        return AddOutcome("rejected", file.SOPInstanceUID, series_uid, "", reason)
    target = paths.file_for_instance(values["0020,000D"], series_uid, sop_uid)
    return Arrival(file.path, target, size, values, source, file.flushed)


def stored_arrival(target: Path, plan: TagPlan) -> Arrival | None:
    """A file under its final name as an arrival, None if there is none or it is not whole."""
    try:
        size, values = scan_values(str(target), plan)
    except RejectedFileError:
        return None
    return Arrival(target, target, size, values, flushed=True)
