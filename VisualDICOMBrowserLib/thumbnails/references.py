"""Finding the image that a segmentation, dose or structure set refers to.

By the instance it names, else by the frame of reference: the nearest parallel slice. What is in the database
comes through `ImageSource`, which `DatabaseImages` implements. Any thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pydicom.dataset import Dataset

from VisualDICOMBrowserLib.errors import ImageFault
from VisualDICOMBrowserLib.model import Level, Query
from VisualDICOMBrowserLib.thumbnails.geometry import Canvas, Plane, frame_plane
from VisualDICOMBrowserLib.thumbnails.image_file import ImageFile
from VisualDICOMBrowserLib.thumbnails.image_picture import frame_canvas
from VisualDICOMBrowserLib.thumbnails.values import FrameHeader, items, number, text

if TYPE_CHECKING:
    from VisualDICOMBrowserLib.database.reader import DatabaseReader

__all__ = ["Base", "DatabaseImages", "ImageSource", "Reference", "base_at", "base_by_reference"]

# Slices further away than this do not show the place any more.
MAX_DISTANCE_MM = 5.0
# Headers read in search of the nearest slice, over all series.
_MAX_HEADERS = 3000
_IMAGE_MODALITIES = ("CT", "MR", "PT", "NM", "US", "XA", "MG", "OT")


@dataclass(frozen=True, slots=True)
class Reference:
    """An instance that an object names, and the frame of it (from 0; None if it names none)."""

    sop: str
    frame: int | None = None

    @classmethod
    def of(cls, item: Dataset) -> Reference:
        """Reference of an item of a Referenced SOP Sequence (DICOM PS3.3 10.3, 10.8)."""
        frame = number(item, "ReferencedFrameNumber")
        return cls(text(item, "ReferencedSOPInstanceUID"), int(frame) - 1 if frame and frame >= 1 else None)


@dataclass(frozen=True, slots=True)
class Base:
    """Picture of the image below an overlay, and the file it came from."""

    canvas: Canvas
    path: Path


class ImageSource(Protocol):
    """What this module asks the database."""

    def image_path(self, sop: str) -> Path | None:
        """File of instance `sop`, None if it is not here."""
        ...

    def series_paths(self, series: str) -> list[Path]:
        """Files of `series` in order."""
        ...

    def series_in_frame(self, study: str, frame_of_reference: str) -> list[str]:
        """Image series of `study` in this frame of reference, anatomy first."""
        ...


class DatabaseImages:
    """`ImageSource` on the local database."""

    def __init__(self, reader: DatabaseReader) -> None:
        self._reader = reader

    def image_path(self, sop: str) -> Path | None:
        """File of instance `sop`, None if it is not here."""
        for record in self._reader.instances(Query(level=Level.IMAGE, SOPInstanceUID=sop)):
            if record.SOPInstanceUID == sop and record.path:
                return Path(record.path)
        return None

    def series_paths(self, series: str) -> list[Path]:
        """Files of `series` in order."""
        return [Path(record.path) for record in self._reader.instances_of_series(series) if record.path]

    def series_in_frame(self, study: str, frame_of_reference: str) -> list[str]:
        """Image series of `study` in this frame of reference: CT, MR and so on, larger ones first."""
        found = [
            record
            for record in self._reader.series(Query(level=Level.SERIES, StudyInstanceUID=study))
            if record.FrameOfReferenceUID == frame_of_reference and record.Modality in _IMAGE_MODALITIES
        ]
        found.sort(
            key=lambda record: (
                _IMAGE_MODALITIES.index(record.Modality),
                -(record.NumberOfSeriesRelatedInstances or 0),
            )
        )
        return [record.SeriesInstanceUID for record in found]


def base_by_reference(source: ImageSource, references: Iterable[Reference], box: int) -> Base | None:
    """Picture of the first of `references` that is in the database and can be shown."""
    for reference in references:
        path = source.image_path(reference.sop) if reference.sop else None
        if path is None:
            continue
        base = _drawn(path, reference.frame, box)
        if base is not None:
            return base
    return None


def base_at(source: ImageSource, header: Dataset, plane: Plane, box: int) -> Base | None:
    """Picture of the slice nearest to `plane`, in series that `header` names or of its frame of reference."""
    named = [text(item, "SeriesInstanceUID") for item in items(header, "ReferencedSeriesSequence")]
    frame_of_reference = text(header, "FrameOfReferenceUID")
    shared = source.series_in_frame(text(header, "StudyInstanceUID"), frame_of_reference) if frame_of_reference else []
    own = text(header, "SeriesInstanceUID")
    budget = _MAX_HEADERS
    for series in dict.fromkeys((*named, *shared)):
        paths = source.series_paths(series)[:budget] if series and series != own else []
        budget -= len(paths)
        nearest = _nearest(paths, plane)
        if nearest is not None:
            base = _drawn(*nearest, box)
            if base is not None:
                return base
    return None


def _nearest(paths: list[Path], plane: Plane) -> tuple[Path, int | None] | None:
    best: tuple[Path, int | None] | None = None
    smallest = MAX_DISTANCE_MM
    for path in paths:
        for index, candidate in _planes(path):
            distance = plane.distance(candidate)
            if distance < smallest or (best is None and distance == smallest):
                best, smallest = (path, index), distance
    return best


def _planes(path: Path) -> list[tuple[int, Plane]]:
    try:
        with ImageFile(path) as image:
            if image.pixels is None:
                return []
            frames = range(max(1, len(items(image.header, "PerFrameFunctionalGroupsSequence"))))
            planes = [(index, frame_plane(FrameHeader(image.header, index))) for index in frames]
    except ImageFault:
        return []
    return [(index, plane) for index, plane in planes if plane is not None]


def _drawn(path: Path, index: int | None, box: int) -> Base | None:
    try:
        with ImageFile(path) as image:
            if index is None:
                index = max(1, int(number(image.header, "NumberOfFrames") or 1)) // 2
            return Base(frame_canvas(image, box, index), path)
    except ImageFault:
        # The overlay can still be drawn alone.
        return None
