"""Strips and single slices that a window asks for: made beside the job queue, told by events.

``strip_ready``: `series`, `path`, `frames`, `indices`, `width`, `height`, `reason`. ``picture_ready``: `request`,
`path`, `index`, `count`, `SOPInstanceUID`, `frame`, `center`, `width` (null for colour), `position` (mm or null),
`spacing`, `columns`, `rows`, `reason`. A `path` that is empty goes with a reason. Slices lie in a folder that is
emptied at start and end; only the last ones stay. Where the database may not be written, both lie in a private
temporary folder. Any thread.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from VisualDICOMBrowserLib.database.paths import THUMBNAIL_FOLDER
from VisualDICOMBrowserLib.database.slice_order import OrderedInstance, SliceOrder
from VisualDICOMBrowserLib.engine.parts import EngineParts
from VisualDICOMBrowserLib.engine.picture_pool import PicturePool
from VisualDICOMBrowserLib.errors import UsageError, VisualDICOMError
from VisualDICOMBrowserLib.thumbnails.png import png_bytes, write_whole
from VisualDICOMBrowserLib.thumbnails.references import DatabaseImages
from VisualDICOMBrowserLib.thumbnails.slice_picture import slice_picture
from VisualDICOMBrowserLib.thumbnails.strip import Strip, StripMaker, frame_at
from VisualDICOMBrowserLib.thumbnails.windowing import Window

__all__ = ["SliceWish", "ViewPictures"]

_FOLDER = "visual-dicom-browser"
# A window shows one slice at a time; the others are for those that are slow to read theirs.
_KEPT_SLICES = 64
_SMALLEST_SIDE, _LARGEST_SIDE = 16, 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceWish:
    """A slice that is to be shown: of an instance, else the frame number ``index`` of ``series`` (None: the middle)."""

    request: str
    SOPInstanceUID: str = ""
    series: str = ""
    index: int | None = None
    frame: int = 0
    window: Window | None = None
    side: int = 512


class ViewPictures:
    """Makes strips and slices of one engine.

    Parameters
    ----------
    parts : EngineParts
    """

    def __init__(self, parts: EngineParts) -> None:
        self._parts = parts
        self.order = SliceOrder(parts.database)
        self._images = DatabaseImages(parts.database.reader)
        self._pool = PicturePool()
        self._lock = Lock()
        self._folder: Path | None = None
        self._temporary = False
        self._numbers = itertools.count(1)
        self._slices: deque[Path] = deque()
        self._unsubscribe = parts.hub.subscribe(self._on_event)

    def ask_strip(self, series: str, side: int = 200) -> None:
        """Have the strip of a series made and told."""
        wanted = _side(side)
        self._pool.wish(
            f"strip {series}",
            lambda: self._strip(series, wanted),
            lambda fields: self._parts.hub.publish("strip_ready", **fields),
        )

    def ask_slice(self, wish: SliceWish) -> None:
        """Have a slice made and told."""
        self._pool.wish(
            f"slice {wish.request}",
            lambda: self._slice(wish),
            lambda fields: self._parts.hub.publish("picture_ready", **fields),
        )

    def close(self) -> None:
        """End the threads and delete the slices."""
        self._unsubscribe()
        self._pool.close()
        with self._lock:
            if self._folder is not None:
                shutil.rmtree(self._folder if self._temporary else self._folder / "slices", ignore_errors=True)
                self._folder = None

    def _strip(self, series: str, side: int) -> dict[str, Any] | None:
        try:
            maker = StripMaker(self._place() / "strips", self._images)
            strip = maker.make(series, self.order.of(series), side, lambda: self._pool.closed)
        except (VisualDICOMError, OSError) as fault:
            strip = Strip(reason=str(fault))
        return None if strip is None else {"series": series, **asdict(strip), "indices": list(strip.indices)}

    def _slice(self, wish: SliceWish) -> dict[str, Any] | None:
        answer: dict[str, Any] = {
            "request": wish.request, "path": "", "index": 0, "count": 0, "SOPInstanceUID": "", "frame": 0,
            "center": None, "width": None, "position": None, "spacing": [], "columns": 0, "rows": 0, "reason": "",
        }  # fmt: skip
        try:
            self._fill(answer, wish)
        except (VisualDICOMError, OSError) as fault:
            answer["reason"] = str(fault)
        return answer

    def _fill(self, answer: dict[str, Any], wish: SliceWish) -> None:
        series = wish.series or self._series_of(wish.SOPInstanceUID)
        instances = self.order.of(series) if series else []
        count = sum(instance.frames for instance in instances)
        if not count:
            message = "No image of this series is in the local database."
            raise UsageError(message, subject=series or wish.SOPInstanceUID)
        index = _index(instances, wish, count)
        instance, frame = frame_at(instances, index)
        answer.update(index=index, count=count, SOPInstanceUID=instance.SOPInstanceUID, frame=frame)
        shown = slice_picture(Path(instance.path), frame, _side(wish.side), self._images, wish.window)
        path = self._new_slice(png_bytes(shown.picture))
        answer.update(
            path=str(path),
            center=shown.window.center if shown.window else None,
            width=shown.window.width if shown.window else None,
            position=instance.position if shown.position is None else shown.position,
            spacing=list(shown.spacing),
            columns=shown.columns,
            rows=shown.rows,
        )

    def _series_of(self, sop: str) -> str:
        sql = "SELECT SeriesInstanceUID FROM Images WHERE SOPInstanceUID = ?"
        rows = self._parts.database.connections.rows(sql, (sop,))
        return str(rows[0][0]) if rows else ""

    def _new_slice(self, content: bytes) -> Path:
        path = self._place() / "slices" / f"{next(self._numbers)}.png"
        write_whole(path, content)
        with self._lock:
            self._slices.append(path)
            old = self._slices.popleft() if len(self._slices) > _KEPT_SLICES else None
        if old is not None:
            with suppress(OSError):
                old.unlink(missing_ok=True)
        return path

    def _place(self) -> Path:
        """The folder of strips and slices; at the first use, slices that a killed engine left are deleted."""
        with self._lock:
            if self._folder is None:
                database = self._parts.database
                self._temporary = database.read_only
                if self._temporary:
                    self._folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER}-"))
                else:
                    self._folder = database.folder / THUMBNAIL_FOLDER / _FOLDER
                    shutil.rmtree(self._folder / "slices", ignore_errors=True)
            return self._folder

    def _on_event(self, event: dict[str, Any]) -> None:
        """Strips go with their series."""
        if event["event"] != "content_changed" or not event["removed"]:
            return
        strips = self._parts.database.folder / THUMBNAIL_FOLDER / _FOLDER / "strips"
        if not self._parts.database.read_only and strips.is_dir():
            maker = StripMaker(strips, self._images)
            for series in event["removed"]:
                maker.forget(series)


def _index(instances: list[OrderedInstance], wish: SliceWish, count: int) -> int:
    """Which frame of the series is wished for."""
    if not wish.SOPInstanceUID:
        return max(0, min(count // 2 if wish.index is None else wish.index, count - 1))
    before = 0
    for instance in instances:
        if instance.SOPInstanceUID == wish.SOPInstanceUID:
            return before + max(0, min(wish.frame, instance.frames - 1))
        before += instance.frames
    message = "This image is not in the local database."
    raise UsageError(message, subject=wish.SOPInstanceUID)


def _side(side: int) -> int:
    return max(_SMALLEST_SIDE, min(int(side), _LARGEST_SIDE))
