"""What there is to know of a local series before it is loaded: warnings, frame sets, references, what it needs.

Told by the rules that loading follows (`series.volumes`), from the headers of the files. One thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.database.header_scan import read_values
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.engine.references_read import References, read_references
from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.thumbnails.references import DatabaseImages

__all__ = ["SeriesExaminer", "SeriesFacts"]

# These lie on images, even where they have pixels of their own.
_OVERLAYS = ("SEG", "RTSTRUCT", "RTDOSE", "PR")
# Images of these kinds have a place in the patient; that it is not told is worth a word.
_PLACED = ("CT", "MR", "PT", "RTDOSE")
_MOST_OBJECTS = 10


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """Fields of the event ``series_facts``.

    Parameters
    ----------
    refers_to : tuple of str
        SeriesInstanceUIDs, images first.
    references_text : str
        What an overlay consists of, such as "4 segments".
    needs : str
        The extension of Slicer that can load it, if no reader here can.
    warning : str
        What loading will warn of, in a word or two, such as "Uneven spacing".
    sentences : tuple of str
        The warnings in full.
    sets : int
        How many frame sets it has.
    final : bool
        False if more may be known once other objects have come.
    """

    refers_to: tuple[str, ...] = ()
    references_text: str = ""
    needs: str = ""
    warning: str = ""
    sentences: tuple[str, ...] = ()
    sets: int = 1
    final: bool = True


class SeriesExaminer:
    """Reads headers of series of one database.

    Parameters
    ----------
    database : LocalDatabase
    pause : Callable[[], None]
        Called after every file; may wait, or raise to give up.
    """

    def __init__(self, database: LocalDatabase, pause: Callable[[], None]) -> None:
        self._database = database
        self._images = DatabaseImages(database.reader)
        self._pause = pause

    def examine(self, series: str) -> SeriesFacts:
        """Facts of a local series."""
        from VisualDICOMBrowserLib.series.volumes import volumes_of_series

        sql = "SELECT Filename FROM Images WHERE SeriesInstanceUID = ? AND Filename <> ''"
        absolute = self._database.paths.absolute
        files = sorted(absolute(stored) for (stored,) in self._database.connections.rows(sql, (series,)))
        if not files:
            return SeriesFacts()
        values = _HeaderValues(self._pause)
        found = volumes_of_series(values, files)
        modality = values.modality(files[0])
        if found.volumes and modality not in _OVERLAYS:
            return SeriesFacts(**_of_volumes(found, modality))
        objects = [self._references(path, modality) for path in files[:_MOST_OBJECTS]]
        first = objects[0]
        known = _of_volumes(found, modality) if found.volumes else {"needs": _needs(first, modality)}
        return SeriesFacts(
            refers_to=tuple(dict.fromkeys(uid for each in objects for uid in each.series)),
            references_text=first.parts,
            final=all(each.whole for each in objects),
            **known,
        )

    def _references(self, path: str, modality: str) -> References:
        self._pause()
        return read_references(self._database, self._images, Path(path), placed=modality in _OVERLAYS)


class _HeaderValues:
    """Elements that loading asks for, of each file read at once and held for one series."""

    def __init__(self, pause: Callable[[], None]) -> None:
        from VisualDICOMBrowserLib.series.headers import TAGS, TRAIT_TAGS

        self._tags = frozenset((*TAGS.values(), *TRAIT_TAGS.values()))
        self._modality = TAGS["modality"]
        self._pause = pause
        self._read: dict[str, dict[str, str]] = {}

    def fileValue(self, path: str, tag: str, /) -> str:
        """Value of an element of a file, empty if there is none or the file cannot be read."""
        if path not in self._read:
            self._pause()
            try:
                self._read[path] = read_values(Path(path), self._tags)
            except (VisualDICOMError, ValueError):
                self._read[path] = {}
        return self._read[path].get(tag, "")

    def modality(self, path: str) -> str:
        """Modality of a file."""
        return self.fileValue(path, self._modality).strip()


def _of_volumes(found: Any, modality: str) -> dict[str, Any]:
    """What is to be said of images: of the volumes that loading proposes, then that there is a localizer."""
    from VisualDICOMBrowserLib.series.geometry import NO_POSITIONS
    from VisualDICOMBrowserLib.series.remarks import Remark, short_words

    main = [volume for volume in found.volumes if volume.role == "main"]
    told = [volume for volume in main if volume.selected]
    told += [volume for volume in found.volumes if volume.role == "scout"][:1]
    remarks = dict.fromkeys(remark for volume in told for remark in found.remarks(volume) if isinstance(remark, Remark))
    if modality not in _PLACED:
        remarks = {each: None for each in remarks if each.short != NO_POSITIONS}
    # Pictures that each stand for themselves, such as radiographs, are no frame sets.
    sets = len(main) if any(len(volume.slices) > 1 for volume in main) else 1
    return {"warning": short_words(remarks), "sentences": tuple(map(str, remarks)), "sets": sets}


def _needs(first: References, modality: str) -> str:
    from VisualDICOMBrowserLib.series.kinds import extension_for

    return extension_for(first.Modality or modality, first.SOPClassUID, first.template)
