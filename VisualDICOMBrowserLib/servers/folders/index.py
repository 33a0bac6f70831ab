"""What is known of the files in a folder and of the instances that came from it.

Kept in the database's own store, one section per folder: what became of each file, in groups by first subfolder so
that a change writes little; which instances of each series came from here, under the UID of the series, so that
removing a series from the database forgets them; and files that were not yet still. Bounded. One thread at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from VisualDICOMBrowserLib.database.own_store import OwnStore
from VisualDICOMBrowserLib.servers.folders.walk import SeenFile

__all__ = ["FolderIndex", "KnownFile", "section_of_folder", "section_of_storage"]

_ABOUT, _WAITING = "about", "waiting"
_MOST_FILES = 500_000
_MOST_SERIES = 20_000


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file as it was when it was dealt with.

    ``status`` is what `ImportReport` says of it, or ``ours`` for one that we put there, or ``seen`` for one whose
    header was read and nothing more. The UIDs are empty for a file that is not DICOM.
    """

    size: int
    modified_ns: int
    status: str
    SOPInstanceUID: str = ""
    SeriesInstanceUID: str = ""
    StudyInstanceUID: str = ""

    def is_of(self, seen: SeenFile) -> bool:
        """Whether the file has not changed since."""
        return (self.size, self.modified_ns) == (seen.size, seen.modified_ns)

    def row(self) -> list[Any]:
        """Plain values, as they are stored."""
        uids = (self.SOPInstanceUID, self.SeriesInstanceUID, self.StudyInstanceUID)
        return [self.size, self.modified_ns, self.status, *uids]


class FolderIndex:
    """The index of one folder, read at once and written by `save`.

    Parameters
    ----------
    own : OwnStore
    section : str
        Section of the store that is this index's alone.
    folder : str
        The folder; an index of another one is forgotten.

    Attributes
    ----------
    files : dict
        `KnownFile` by path below the folder.
    instances : dict
        Sets of SOP Instance UIDs by SeriesInstanceUID.
    studies : dict
        StudyInstanceUID by SeriesInstanceUID.
    waiting : dict
        Size, both times and the moment of the first look, by path, of files that were not yet still.
    """

    def __init__(self, own: OwnStore, section: str, folder: str) -> None:
        self._own = own
        self._section = section
        self._folder = folder
        self._changed: set[str] = set()
        self._emptied: set[str] = set()
        self._is_new = False
        self._groups: dict[str, dict[str, None]] = {}
        self.files: dict[str, KnownFile] = {}
        self.instances: dict[str, set[str]] = {}
        self.studies: dict[str, str] = {}
        self.waiting: dict[str, list[float]] = {}
        self._load()

    def note(self, relative: str, known: KnownFile) -> None:
        """Keep in mind what became of a file."""
        if relative not in self.files and len(self.files) >= _MOST_FILES:
            return
        self.files[relative] = known
        group = _group(relative)
        self._groups.setdefault(group, {})[relative] = None
        self._changed.add(group)

    def drop(self, relative: str) -> None:
        """Forget a file."""
        if self.files.pop(relative, None) is not None:
            group = _group(relative)
            self._groups[group].pop(relative, None)
            self._changed.add(group)

    def came_from_here(self, known: KnownFile) -> None:
        """Keep in mind that the instance of a file came from this folder."""
        series = known.SeriesInstanceUID
        if not series or not known.SOPInstanceUID:
            return
        instances = self.instances.setdefault(series, set())
        if known.SOPInstanceUID not in instances:
            instances.add(known.SOPInstanceUID)
            self.studies[series] = known.StudyInstanceUID
            self._changed.add(series)
        while len(self.instances) > _MOST_SERIES:
            oldest = next(iter(self.instances))
            del self.instances[oldest], self.studies[oldest]
            self._changed.discard(oldest)
            self._emptied.add(oldest)

    def save(self) -> None:
        """Write what changed, in one transaction.

        Raises
        ------
        DatabaseFault, StorageFault
            The store cannot be written.
        """
        if self._is_new:
            self._own.clear(self._section)
            self._is_new = False
        values: dict[str, Any] = {_ABOUT: self._folder, _WAITING: self.waiting}
        for key in self._changed:
            if key in self.instances:
                values[key] = {"study": self.studies[key], "instances": sorted(self.instances[key])}
            else:
                values[key] = {name: self.files[name].row() for name in self._groups.get(key, ())}
        self._own.put_many(self._section, values)
        for key in self._emptied:
            self._own.delete(self._section, key)
        self._changed, self._emptied = set(), set()

    def _load(self) -> None:
        stored = self._own.items(self._section)
        if stored.pop(_ABOUT, None) != self._folder:
            self._is_new = True
            return
        self.waiting = stored.pop(_WAITING, None) or {}
        for key, value in stored.items():
            if key.startswith("/"):
                self._groups[key] = dict.fromkeys(value)
                self.files.update((name, KnownFile(*row)) for name, row in value.items())
            else:
                self.instances[key] = set(value["instances"])
                self.studies[key] = value["study"]


def section_of_folder(server: str) -> str:
    """Section of the folder that is a server."""
    return f"folder:{server}"


def section_of_storage(server: str) -> str:
    """Section of the folder where a server keeps its files."""
    return f"storage:{server}"


def _group(relative: str) -> str:
    """Key of the entry that holds a file: its first subfolder. No UID begins with a slash."""
    first, separator, _ = relative.partition("/")
    return "/" + first if separator else "/"
