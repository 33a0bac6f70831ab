"""Thumbnails of the series of a database: made when they are missing or out of date, else as they lie there.

The PNG lies where CTK looks for it (``thumbs/<study>/<series>/<instance>.png``), so that Slicer's own browser
shows the same. What it was made from is kept in the section ``thumbnails`` of our own database file. Drawing
is in ``drawing``; when to draw is for the engine. `ThumbnailMaker` may be called from several threads.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from VisualDICOMBrowserLib.errors import (
    DatabaseReadOnlyError,
    ImageFault,
    MissingDecoderError,
    StorageFault,
    UsageError,
)
from VisualDICOMBrowserLib.model import InstanceRecord, Level, Query
from VisualDICOMBrowserLib.settings import Settings
from VisualDICOMBrowserLib.thumbnails.decoders import installed_decoders
from VisualDICOMBrowserLib.thumbnails.drawing import draw
from VisualDICOMBrowserLib.thumbnails.image_picture import middle_out
from VisualDICOMBrowserLib.thumbnails.overlays import Drawing
from VisualDICOMBrowserLib.thumbnails.png import png_bytes, write_whole
from VisualDICOMBrowserLib.thumbnails.references import DatabaseImages

if TYPE_CHECKING:
    from VisualDICOMBrowserLib.database.local_database import LocalDatabase

__all__ = ["Thumbnail", "ThumbnailMaker"]

SECTION = "thumbnails"
_CHOICES = "picture-choices"
# Raised when pictures come out otherwise than before, so that those of older versions are made again.
_DRAWN_BY = 1
# Where the middle image has no picture, its neighbours are tried, this many in all.
_MAX_CANDIDATES = 5

State = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """Picture of a series, or why there is none.

    Parameters
    ----------
    SeriesInstanceUID : str
        The series.
    path : Path or None
        PNG file; None unless ``kind`` is ``"picture"``.
    kind : str
        ``"picture"``; ``"none"`` for objects without pixels, which views show as a compact row;
        ``"failed"`` where the pixels cannot be shown.
    label : str
        What it shows where that needs words: "4 segments", "Structured report".
    reason : str
        Plain sentence: why it failed, or why the picture is not of the middle image.
    made : bool
        True if this call made it, False if it was there.
    """

    SeriesInstanceUID: str
    path: Path | None
    kind: str
    label: str
    reason: str
    made: bool


class ThumbnailMaker:
    """Makes and finds thumbnails of one database.

    Parameters
    ----------
    database : LocalDatabase
        The open database.
    settings : Settings
        Read at every call: ``thumbnails/size``.
    """

    def __init__(self, database: LocalDatabase, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._images = DatabaseImages(database.reader)
        self._lock = threading.Lock()
        self._running: dict[str, Future[Thumbnail]] = {}

    def make(self, series_uid: str, *, force: bool = False) -> Thumbnail:
        """Thumbnail of a series, drawn if there is none or the series changed since.

        A series counts as changed when it has another number of images, another middle image, or that
        file was written anew; an overlay also when the image below it came, went or changed. What failed
        is tried again only after such a change or when other decoders are installed. While one thread
        draws a series, others that ask for it wait for the same picture.

        Parameters
        ----------
        series_uid : str
            SeriesInstanceUID.
        force : bool
            Draw it in any case.

        Raises
        ------
        UsageError
            The database has no such series.
        DatabaseReadOnlyError
            It would have to be drawn, but the database may only be read.
        StorageFault
            The picture cannot be written.
        """
        with self._lock:
            running = self._running.get(series_uid)
            if running is None:
                mine = self._running[series_uid] = Future()
        if running is not None:
            return replace(running.result(), made=False)
        try:
            thumbnail = self._make(series_uid, force)
        except BaseException as fault:
            mine.set_exception(fault)
            raise
        else:
            mine.set_result(thumbnail)
            return thumbnail
        finally:
            with self._lock:
                del self._running[series_uid]

    def cached(self, series_uid: str) -> Thumbnail | None:
        """Thumbnail as last made, None if there is none; looks at no image, so it may be out of date."""
        state = self._database.own.get(SECTION, series_uid)
        return self._stored(series_uid, state) if state else None

    def choose(self, series_uid: str, sop_uid: str, frame: int = 0) -> None:
        """Show this image of the series from the next picture on; an empty UID goes back to the middle one.

        Raises
        ------
        UsageError
            The series has no such local image.
        """
        if not sop_uid:
            self._database.own.delete(_CHOICES, series_uid)
            return
        known = self._database.reader.instances_of_series(series_uid)
        if not any(record.path and record.SOPInstanceUID == sop_uid for record in known):
            message = "This image is not in the local database."
            raise UsageError(message, subject=sop_uid)
        self._database.own.put(_CHOICES, series_uid, {"sop": sop_uid, "frame": max(0, int(frame))})

    def picture_of(self, series_uid: str, state: State) -> tuple[str, str]:
        """Path (empty if there is no picture) and words for a state as stored, without a look at the file."""
        path = str(self._picture_path(series_uid, state)) if state["kind"] == "picture" else ""
        return path, str(state["label"] or ("" if path else state["reason"]))

    def _make(self, series_uid: str, force: bool) -> Thumbnail:
        known = self._database.reader.instances_of_series(series_uid)
        if not known:
            message = f"There is no series {series_uid} in the database."
            raise UsageError(message, subject=series_uid)
        local = [record for record in known if record.path]
        if not local:
            reason = "No image of this series is in the local database."
            return Thumbnail(series_uid, None, "none", "Not fetched", reason, made=False)
        before: State = self._database.own.get(SECTION, series_uid) or {}
        local, frame = self._with_choice(series_uid, local)
        source = self._source_of(local, frame)
        if not force and self._is_current(before, source):
            found = self._stored(series_uid, before)
            if found is not None:
                return found
        if self._database.read_only:
            message = "The database may only be read, so no picture can be stored in it."
            raise DatabaseReadOnlyError(message, subject=series_uid)
        state = {**self._drawn(series_uid, local, frame), "source": source}
        self._remove_old_picture(series_uid, before, state)
        self._database.own.put(SECTION, series_uid, state)
        return replace(self._described(series_uid, state), made=True)

    def _with_choice(self, series_uid: str, local: list[InstanceRecord]) -> tuple[list[InstanceRecord], int | None]:
        """The images with the one that a person chose in the middle, and the frame of it; as they are without."""
        choice = self._database.own.get(_CHOICES, series_uid) or {}
        chosen = [record for record in local if record.SOPInstanceUID == choice.get("sop")]
        if not chosen:
            return local, None
        others = [record for record in local if record is not chosen[0]]
        middle = len(local) // 2
        return [*others[:middle], chosen[0], *others[middle:]], int(choice["frame"])

    def _source_of(self, local: Sequence[InstanceRecord], frame: int | None) -> list[Any]:
        """What the picture depends on, apart from the image below an overlay."""
        middle = local[len(local) // 2]
        box = self._settings.integer("thumbnails/size")
        source = [_DRAWN_BY, box, len(local), middle.SOPInstanceUID, *_file_stamp(middle.path)]
        return source if frame is None else [*source, frame]

    def _is_current(self, state: State, source: list[Any]) -> bool:
        if state.get("source") != source:
            return False
        if state["kind"] == "failed" and state.get("decoders") != installed_decoders():
            return False
        base = state.get("base")
        if base is not None:
            return bool(_file_stamp(base[0]) == base)
        return "study_size" not in state or state["study_size"] == self._study_size(state["study"])

    def _drawn(self, series_uid: str, local: Sequence[InstanceRecord], frame: int | None) -> State:
        """Draw and store the picture; what is to be remembered of it."""
        try:
            record, drawing, reason = self._draw_middle(local, frame)
        except ImageFault as fault:
            return {
                "kind": "failed",
                "label": "",
                "reason": str(fault),
                "study": local[0].StudyInstanceUID,
                "decoders": installed_decoders(),
            }
        state: State = {
            "kind": "none",
            "label": drawing.label,
            "reason": reason,
            "study": record.StudyInstanceUID,
        }
        if drawing.base is not None:
            state["base"] = _file_stamp(str(drawing.base))
        elif drawing.is_overlay:
            state["study_size"] = self._study_size(record.StudyInstanceUID)
        if drawing.picture is not None:
            state["kind"], state["sop"] = "picture", record.SOPInstanceUID
            write_whole(self._picture_path(series_uid, state), png_bytes(drawing.picture))
        return state

    def _draw_middle(self, local: Sequence[InstanceRecord], frame: int | None) -> tuple[InstanceRecord, Drawing, str]:
        """First image with a picture from the middle outwards, and why it is not the middle one.

        Raises
        ------
        ImageFault
            None of them can be shown, although one has pixels: what is wrong with the first such.
        """
        fault: ImageFault | None = None
        without: tuple[InstanceRecord, Drawing] | None = None
        for position in islice(middle_out(len(local)), _MAX_CANDIDATES):
            record = local[position]
            chosen = frame if position == len(local) // 2 else None
            try:
                drawing = draw(Path(record.path), self._images, self._settings.integer("thumbnails/size"), chosen)
            except MissingDecoderError:
                raise
            except ImageFault as problem:
                fault = fault or problem
                continue
            if drawing.picture is not None:
                return record, drawing, f"The middle image cannot be shown. {fault}" if fault else ""
            without = without or (record, drawing)
        if fault is not None or without is None:
            message = "The series has no images."
            raise fault or ImageFault(message)
        return (*without, "")

    def _study_size(self, study_uid: str) -> int:
        """Number of instances in a study; an overlay drawn alone is drawn again when it grows."""
        series = self._database.reader.series(Query(level=Level.SERIES, StudyInstanceUID=study_uid))
        return sum(record.NumberOfSeriesRelatedInstances or 0 for record in series)

    def _stored(self, series_uid: str, state: State) -> Thumbnail | None:
        """Thumbnail that `state` describes, None if its file is gone."""
        thumbnail = self._described(series_uid, state)
        return thumbnail if thumbnail.path is None or thumbnail.path.is_file() else None

    def _described(self, series_uid: str, state: State) -> Thumbnail:
        path = self._picture_path(series_uid, state) if state["kind"] == "picture" else None
        return Thumbnail(series_uid, path, state["kind"], state["label"], state["reason"], made=False)

    def _picture_path(self, series_uid: str, state: State) -> Path:
        return self._database.reader.thumbnail_path(state["study"], series_uid, state["sop"])

    def _remove_old_picture(self, series_uid: str, before: State, state: State) -> None:
        if "sop" in before and before["sop"] != state.get("sop"):
            try:
                self._picture_path(series_uid, before).unlink(missing_ok=True)
            except OSError as fault:
                message = f"An old picture cannot be removed: {fault.strerror or fault}."
                raise StorageFault(message, subject=series_uid) from fault


def _file_stamp(path: str) -> list[Any]:
    """Path, time of last change in ns, and size; zeros for a file that is not there."""
    try:
        status = Path(path).stat()
    except OSError:
        return [path, 0, 0]
    return [path, status.st_mtime_ns, status.st_size]
