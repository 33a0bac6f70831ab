"""Which series an object refers to, as its header says: an image that it lies on, a plan, a structure set.

Series that are named count also where they are not here; what names only instances is looked up in the database.
Any thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.thumbnails.references import DatabaseImages
from VisualDICOMBrowserLib.thumbnails.values import PARSER_FAULTS, items, text

__all__ = ["References", "read_references"]

_SERIES_LISTS = (
    "ReferencedSeriesSequence",
    "ReferencedFrameOfReferenceSequence",
    "CurrentRequestedProcedureEvidenceSequence",
)
_INSTANCE_LISTS = (
    "ReferencedImageSequence",
    "SourceImageSequence",
    "ReferencedInstanceSequence",
    "ReferencedStructureSetSequence",
    "ReferencedRTPlanSequence",
)
# Read only where the lists above say nothing: of long segmentations these are most of the header.
_FRAME_LISTS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_FIELDS = (
    "SOPClassUID", "Modality", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SegmentSequence",
    "StructureSetROISequence", "ContentTemplateSequence",
)  # fmt: skip
# Objects that say how to get to an image, but are none.
_WAYPOINTS = ("RTPLAN", "RTSTRUCT", "SEG", "REG")
_DEEPEST = 3
_SEGMENTS, _STRUCTURES = "SegmentSequence", "StructureSetROISequence"


@dataclass(slots=True)
class References:
    """What the header of an object says.

    Parameters
    ----------
    series : list of str
        UIDs of the series it refers to, images before what leads to them.
    parts : str
        What it consists of, such as "4 segments".
    template : str
        Identifier of the template of a structured report.
    whole : bool
        False if it names instances that are not here yet.
    """

    series: list[str] = field(default_factory=list)
    SOPClassUID: str = ""
    Modality: str = ""
    parts: str = ""
    template: str = ""
    whole: bool = True


def read_references(database: LocalDatabase, images: DatabaseImages, path: Path, *, placed: bool) -> References:
    """References of the object in a file; of one that lies on images (`placed`), failing all else by its place."""
    header = _header(path, (*_FIELDS, *_SERIES_LISTS, *_INSTANCE_LISTS))
    if header is None:
        return References()
    found = References(SOPClassUID=text(header, "SOPClassUID"), Modality=text(header, "Modality"), parts=_parts(header))
    found.template = next((text(item, "TemplateIdentifier") for item in items(header, "ContentTemplateSequence")), "")
    named = _Named(database)
    named.take(header, path)
    frame_of_reference = text(header, "FrameOfReferenceUID")
    if placed and not named.images and frame_of_reference:
        named.images.update(
            dict.fromkeys(images.series_in_frame(text(header, "StudyInstanceUID"), frame_of_reference)[:1])
        )
    own = text(header, "SeriesInstanceUID")
    found.series = [uid for uid in dict.fromkeys((*named.images, *named.waypoints)) if uid and uid != own]
    found.whole = not named.lacking
    return found


class _Named:
    """Gathers what headers name, each series once, in their order."""

    def __init__(self, database: LocalDatabase) -> None:
        self._database = database
        self.images: dict[str, None] = {}
        self.waypoints: dict[str, None] = {}
        self.lacking = False

    def take(self, header: Dataset, path: Path, depth: int = 0) -> None:
        """Add the series and instances that a header names."""
        series = [uid for name in _SERIES_LISTS for uid in _texts(header, name, "SeriesInstanceUID")]
        self.images.update(dict.fromkeys(series))
        instances = [uid for name in _INSTANCE_LISTS for uid in _texts(header, name, "ReferencedSOPInstanceUID")]
        if not series and not instances and depth == 0:
            frames = _header(path, _FRAME_LISTS) or Dataset()
            instances = [uid for name in _FRAME_LISTS for uid in _texts(frames, name, "ReferencedSOPInstanceUID")]
        for uid in dict.fromkeys(instances):
            self._take_instance(uid, depth)

    def _take_instance(self, uid: str, depth: int) -> None:
        sql = (
            "SELECT i.SeriesInstanceUID, i.Filename, s.Modality FROM Images i"
            " JOIN Series s ON s.SeriesInstanceUID = i.SeriesInstanceUID WHERE i.SOPInstanceUID = ?"
        )
        rows = self._database.connections.rows(sql, (uid,))
        if not rows:
            self.lacking = True
            return
        series, stored, modality = rows[0]
        if modality not in _WAYPOINTS:
            self.images[str(series)] = None
            return
        self.waypoints[str(series)] = None
        path = Path(self._database.paths.absolute(stored)) if stored else None
        header = _header(path, (*_SERIES_LISTS, *_INSTANCE_LISTS)) if path is not None and depth < _DEEPEST else None
        if header is not None and path is not None:
            self.take(header, path, depth + 1)


def _header(path: Path, keywords: tuple[str, ...]) -> Dataset | None:
    """These elements of a file, None if it cannot be read."""
    try:
        return dcmread(path, stop_before_pixels=True, force=True, specific_tags=list(keywords))
    except PARSER_FAULTS:
        return None


def _texts(header: Dataset, sequence: str, keyword: str) -> Iterator[str]:
    """Values of `keyword` in the items of a sequence, and in sequences within them."""
    ahead = items(header, sequence)[::-1]
    while ahead:
        item = ahead.pop()
        value = text(item, keyword)
        if value:
            yield value
        try:
            inner = [element.value for element in item if element.VR == "SQ"]
        except PARSER_FAULTS:
            continue
        ahead += [each for value in inner[::-1] for each in list(value)[::-1]]


def _parts(header: Dataset) -> str:
    segments, structures = len(items(header, _SEGMENTS)), len(items(header, _STRUCTURES))
    if segments:
        return f"{segments} segment{'s' * (segments != 1)}"
    return f"{structures} structure{'s' * (structures != 1)}" if structures else ""
