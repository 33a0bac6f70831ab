"""Commands that feed a window: short rows, instances, headers and pictures made on the spot; see ``commands``."""

from __future__ import annotations

import json
import os
from typing import Any

from VisualDICOMBrowserLib.database.header_tree import header_tree
from VisualDICOMBrowserLib.database.overview import FIELDS, Overview
from VisualDICOMBrowserLib.engine.arguments import level_from
from VisualDICOMBrowserLib.engine.desk import EngineDesk
from VisualDICOMBrowserLib.engine.view_pictures import SliceWish
from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.model import Level
from VisualDICOMBrowserLib.thumbnails.windowing import Window

__all__ = ["ViewCommands"]

_MOST_ROWS = 20_000


class ViewCommands:
    """What a window asks to show the local database."""

    def __init__(self, desk: EngineDesk) -> None:
        self._parts = desk.parts
        self._database = desk.parts.database
        self._overview = Overview(self._database, self._parts.thumbnails.picture_of)
        self._pictures = desk.pictures
        self._order = desk.pictures.order

    def overview(self, level: str, after: int = 0, limit: int = 5000) -> dict[str, Any]:
        """A page of all local patients, studies or series as short rows: ``fields``, ``rows``, ``next``.

        ``next`` is what to give as `after` for the page that follows, null on the last one.
        """
        wanted = level_from(level)
        if wanted not in FIELDS:
            message = f"There is no overview of the level {level}."
            raise UsageError(message, subject=level, next_step="Use PATIENT, STUDY or SERIES.")
        rows, following = self._overview.page(wanted, after, max(1, min(limit, _MOST_ROWS)))
        return {"fields": list(FIELDS[wanted]), "rows": rows, "next": following}

    def rows(
        self, studies: list[str] | None = None, series: list[str] | None = None, patients: list[int] | None = None
    ) -> dict[str, Any]:
        """Short rows of series, and of all series of studies and patients, with what they belong to.

        Patients are named by the ``key`` of their rows.
        """
        found = self._overview.of(studies or [], series or [], patients or [])
        names = {"patients": Level.PATIENT, "studies": Level.STUDY, "series": Level.SERIES}
        return {name: {"fields": list(FIELDS[level]), "rows": found[level]} for name, level in names.items()}

    def instances(self, series: str) -> list[dict[str, Any]]:
        """Local instances of a series in slice order; ``size`` is null for a file that is not there."""
        sql = "SELECT SOPInstanceUID, Filename FROM Images WHERE SeriesInstanceUID = ? AND Filename <> ''"
        stored = dict(self._database.connections.rows(sql, (series,)))
        owned = self._database.paths.owned_file
        return [
            {
                "SOPInstanceUID": instance.SOPInstanceUID,
                "InstanceNumber": instance.InstanceNumber,
                "NumberOfFrames": instance.frames,
                "path": instance.path,
                "linked": owned(stored.get(instance.SOPInstanceUID, "")) is None,
                "size": _size(instance.path),
                "position": instance.position,
            }
            for instance in self._order.of(series)
        ]

    def files(self, series: list[str]) -> dict[str, list[str]]:
        """Paths of the local files of each of these series, in the order in which they came."""
        sql = (
            "SELECT SeriesInstanceUID, Filename FROM Images WHERE SeriesInstanceUID IN (SELECT value FROM json_each(?))"
            " AND Filename <> '' ORDER BY rowid"
        )
        paths: dict[str, list[str]] = {uid: [] for uid in series}
        for uid, stored in self._database.connections.rows(sql, (json.dumps(list(paths)),)):
            paths[uid].append(self._database.paths.absolute(stored))
        return paths

    def metadata(self, SOPInstanceUID: str, frame: int = 0) -> list[dict[str, Any]]:
        """Every element of a local instance as a tree (see `header_tree`); `frame` chooses the functional groups."""
        sql = "SELECT Filename FROM Images WHERE SOPInstanceUID = ? AND Filename <> ''"
        rows = self._database.connections.rows(sql, (SOPInstanceUID,))
        if not rows:
            message = "This image is not in the local database."
            raise UsageError(message, subject=SOPInstanceUID)
        return header_tree(self._database.paths.absolute(rows[0][0]), frame)

    def ask_strip(self, series: str, side: int = 200) -> None:
        """Have up to 32 frames of a series drawn side by side, each at most `side` pixels; comes as ``strip_ready``."""
        self._pictures.ask_strip(series, side)

    def ask_slice(
        self,
        request: str,
        SOPInstanceUID: str = "",
        series: str = "",
        index: int | None = None,
        frame: int = 0,
        center: float | None = None,
        width: float | None = None,
        side: int = 512,
    ) -> None:
        """Have one frame drawn; comes as ``picture_ready``. A newer wish with the same `request` takes its place.

        Either an instance and a `frame` of it, or the frame number `index` of a series in slice order (its middle if
        left out). `center` and `width` together are the window, left out the best one.
        """
        if not SOPInstanceUID and not series:
            message = "A picture needs an image or a series."
            raise UsageError(message)
        window = None if center is None or width is None else Window(float(center), max(float(width), 1e-6))
        wish = SliceWish(
            request=str(request),
            SOPInstanceUID=SOPInstanceUID,
            series=series,
            index=index,
            frame=frame,
            window=window,
            side=side,
        )
        self._pictures.ask_slice(wish)


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size  # noqa: PTH116  (called for every file of a series)
    except OSError:
        return None
