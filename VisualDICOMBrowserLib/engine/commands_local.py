"""Commands on the local database, its pictures and the settings; see ``commands`` for the rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib import __version__
from VisualDICOMBrowserLib.engine.arguments import level_from, query_of
from VisualDICOMBrowserLib.engine.desk import EngineDesk
from VisualDICOMBrowserLib.engine.kind_local import thumbnail_fields
from VisualDICOMBrowserLib.engine.offline import OFFLINE
from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.jobs.job import Priority
from VisualDICOMBrowserLib.model import record_as_dict

__all__ = ["LocalCommands"]


class LocalCommands:
    """What is asked of the local database."""

    def __init__(self, desk: EngineDesk) -> None:
        self._desk = desk
        self._parts = desk.parts
        self._queue = desk.queue

    def ping(self) -> dict[str, Any]:
        """Version of the engine and the database it works on."""
        return {
            "version": __version__,
            "database": str(self._parts.database.folder),
            "read_only": self._parts.database.read_only,
        }

    def import_files(self, paths: list[str], copy: bool | None = None) -> str:
        """Import files and folders; returns the job's id. `copy` left out takes the setting."""
        absolute = [str(Path(path).absolute()) for path in paths]
        if not absolute:
            message = "There is nothing to import: no path was given."
            raise UsageError(message)
        parameters = {
            "paths": absolute,
            "copy": self._parts.settings.flag("import/copy") if copy is None else copy,
        }
        label = absolute[0] if len(absolute) == 1 else f"{absolute[0]} and {len(absolute) - 1} more"
        return self._queue.submit("import", parameters, label=label)

    def records(self, level: str = "PATIENT", **filters: Any) -> list[dict[str, Any]]:
        """Records of the local database at `level` that match `filters` (fields of `Query`)."""
        found = self._parts.database.reader.find(query_of(level, filters))
        return [record_as_dict(record) for record in found]

    def counts(self) -> dict[str, int]:
        """Numbers of patients, studies, series and instances in the local database."""
        counts = self._parts.database.reader.counts()
        return {
            "patients": counts.patients,
            "studies": counts.studies,
            "series": counts.series,
            "instances": counts.instances,
        }

    def remove(self, level: str, uid: str | int) -> str:
        """Remove a patient (by key), study or series from the local database; returns the job's id."""
        parameters = {"level": level_from(level).value, "uid": str(uid)}
        return self._queue.submit("remove", parameters, priority=Priority.HIGH, label=str(uid))

    def make_thumbnails(self, series: list[str], force: bool = False) -> str:
        """Make the pictures of series; returns the job's id."""
        return self._queue.submit("thumbnail", {"series": series, "force": force}, label="Pictures")

    def thumbnail(self, series: str) -> dict[str, Any] | None:
        """What is known of the picture of a series, also one that a server drew; None if there never was one."""
        known = self._parts.thumbnails.cached(series)
        if known is not None:
            return thumbnail_fields(known)
        drawn = self._parts.database.own.get("remote-pictures", series)
        return dict(drawn) if drawn else None

    def precache_tags(self, tags: list[str]) -> None:
        """Read these tags (``GGGG,EEEE``) too from what is indexed from now on, also by later engines.

        Slicer's DICOM plugins name theirs, so that loading finds them in the tag cache.
        """
        own = self._parts.database.own
        known = {*(own.get("engine", "precached_tags") or ()), *tags}
        self._parts.database.add_tags(tags)
        own.put("engine", "precached_tags", sorted(known))

    def conflicts(self) -> list[dict[str, Any]]:
        """Files that were not taken because another file has the same SOP Instance UID."""
        return [conflict.as_dict() for conflict in self._parts.database.own.conflicts()]

    def settings(self) -> dict[str, Any]:
        """Settings that differ from their defaults."""
        return dict(self._parts.settings.changed())

    def set_setting(self, key: str, value: Any) -> None:
        """Change one setting and keep it with the database."""
        self._parts.settings[key] = value
        self._parts.database.own.put("settings", key, self._parts.settings[key])
        if key == OFFLINE:
            self._desk.offline_changed()
