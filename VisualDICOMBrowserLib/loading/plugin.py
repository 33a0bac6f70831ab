"""The DICOM plugin interface of Slicer, for hosts that are not Slicer.

`DICOMLoadable` and `DICOMPlugin` have the members that plugins written for Slicer's DICOMLib use, so
camelCase. In Slicer the real classes are used instead: import both from `loading.dicomlib`, never from
here. Picking and loading loadables is the loader's work. Main thread only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import slicer

from VisualDICOMBrowserLib.loading.plugin_database import PluginDatabase
from VisualDICOMBrowserLib.loading.quantities import modality_of_class, quantity_and_units
from VisualDICOMBrowserLib.loading.subject_hierarchy import place_series
from VisualDICOMBrowserLib.series.headers import read_header

__all__ = ["DICOMLoadable", "DICOMPlugin", "HostedPlugin", "series_name"]

_SERIES_DESCRIPTION = "0008,103E"
_SERIES_NUMBER = "0020,0011"


class DICOMLoadable:
    """One way to load some files of a series.

    Attributes
    ----------
    files : list of str
        Paths of the files, in loading order.
    name : str
        Name of the node to be.
    tooltip : str
        More about it, for a person.
    warning : str
        What a person should know before loading it; empty if nothing.
    selected : bool
        Whether the plugin proposes to load it.
    confidence : float
        How sure the plugin is that this is how the files are meant to be loaded, 0 to 1.

    Plugins set further attributes as they need (``referencedInstanceUIDs``, ...).
    """

    def __init__(self, qLoadable: Any = None) -> None:
        self.files: list[str] = list(qLoadable.files) if qLoadable else []
        self.name: str = qLoadable.name if qLoadable else "Unknown"
        self.tooltip: str = qLoadable.tooltip if qLoadable else "No further information available"
        self.warning: str = qLoadable.warning if qLoadable else ""
        self.selected: bool = qLoadable.selected if qLoadable else False
        self.confidence: float = qLoadable.confidence if qLoadable else 0.5


class HostedPlugin:
    """A plugin that is told which database and scene it works on.

    Without `attach` it works, as plugins in Slicer do, on `slicer.dicomDatabase` and `slicer.mrmlScene`.
    """

    _attached: tuple[PluginDatabase, Any] | None = None

    def attach(self, database: PluginDatabase, scene: Any) -> None:
        """Work on `database` and `scene` from now on."""
        self._attached = (database, scene)

    @property
    def database(self) -> Any:
        """The DICOM database that file paths and UIDs refer to."""
        return self._attached[0] if self._attached else slicer.dicomDatabase

    @property
    def scene(self) -> Any:
        """The MRML scene that nodes are added to."""
        return self._attached[1] if self._attached else slicer.mrmlScene


class DICOMPlugin(HostedPlugin):
    """Base of DICOM plugins: overrides `examineFiles` (or `examineForImport`) and `load`.

    Attributes
    ----------
    loadType : str
        What the plugin makes, for a person.
    tags : dict of str to str
        Elements the plugin asks the database for, so that they can be read ahead.
    loadableCache : dict
        Loadables by `hashFiles` of the files they came from.
    """

    def __init__(self) -> None:
        self.loadType = "Generic DICOM"
        self.loadableCache: dict[bytes, list[Any]] = {}
        self.tags: dict[str, str] = {
            "seriesDescription": _SERIES_DESCRIPTION,
            "seriesNumber": _SERIES_NUMBER,
            "frameOfReferenceUID": "0020,0052",
        }

    def hashFiles(self, files: Sequence[str]) -> bytes:
        """Key of a list of files in `loadableCache`; the order of the files counts."""
        return hashlib.md5("\n".join(files).encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()

    def getCachedLoadables(self, files: Sequence[str]) -> list[Any] | None:
        """Loadables found earlier for these files, None if they were not examined yet."""
        return self.loadableCache.get(self.hashFiles(files))

    def cacheLoadables(self, files: Sequence[str], loadables: list[Any]) -> None:
        """Keep `loadables` for the next examination of these files."""
        self.loadableCache[self.hashFiles(files)] = loadables

    def examineForImport(self, fileLists: Sequence[Sequence[str]]) -> list[Any]:
        """Loadables of several lists of files, each list being one series."""
        found: list[Any] = []
        for files in fileLists:
            loadables = self.getCachedLoadables(files)
            if loadables is None:
                loadables = self.examineFiles(list(files))
                self.cacheLoadables(files, loadables)
            found += loadables
        return found

    def examine(self, fileLists: Sequence[Sequence[str]]) -> list[Any]:
        """Old name of `examineForImport`."""
        return self.examineForImport(fileLists)

    def examineFiles(self, files: list[str]) -> list[Any]:
        """Loadables of the files of one series; none in the base class."""
        return []

    def load(self, loadable: Any) -> Any:
        """Make nodes of a loadable; returns the node, or something true for success."""
        return True

    def examineForExport(self, subjectHierarchyItemID: int) -> list[Any]:
        """Ways to export an item as DICOM; none in the base class."""
        return []

    def export(self, exportables: Sequence[Any]) -> str:
        """Export as DICOM; returns an error message, empty for success."""
        return ""

    def isDetailedLogging(self) -> bool:
        """Whether plugins should log details; that switch exists in Slicer only."""
        return False

    def defaultSeriesNodeName(self, seriesUID: str) -> str:
        """Node name of a series: ``"<number>: <description>"``, "Unnamed Series" without description."""
        files = sorted(self.database.filesForSeries(seriesUID))
        return series_name(self.database, files[0]) if files else "Unnamed Series"

    def addSeriesInSubjectHierarchy(self, loadable: Any, dataNode: Any) -> None:
        """Show `dataNode` below its patient and study in the subject hierarchy, with their attributes."""
        place_series(self.database, self.scene, loadable, dataNode)

    def addReferences(self, loadable: Any) -> None:
        """Set ``loadable.referencedInstanceUIDs``: all instances its first file refers to, in file order."""
        header = read_header(loadable.files[0])
        loadable.referencedInstanceUIDs = list(dict.fromkeys(_referenced_instances(header)))

    def findPrivateTag(self, ds: Any, group: int, element: int, privateCreator: str) -> tuple[int, int] | None:
        """Tag of a private element in a pydicom dataset, None without a block of that creator."""
        try:
            tag = ds.private_block(group, privateCreator).get_tag(element)
        except KeyError:
            return None
        return (tag.group, tag.element)

    def mapSOPClassUIDToModality(self, sopClassUID: str) -> str | None:
        """Modality of an image storage SOP class, None if it has no fixed one."""
        return modality_of_class(sopClassUID)

    def mapSOPClassUIDToDICOMQuantityAndUnits(self, sopClassUID: str) -> tuple[Any, Any]:
        """Coded quantity and units (`vtkCodedEntry`) of voxels of a SOP class, None where not fixed."""
        return quantity_and_units(modality_of_class(sopClassUID) or "")


def series_name(database: PluginDatabase, file: str) -> str:
    """Node name of the series that `file` belongs to."""
    number = database.fileValue(file, _SERIES_NUMBER).strip()
    description = database.fileValue(file, _SERIES_DESCRIPTION).strip() or "Unnamed Series"
    return f"{number}: {description}" if number else description


def _referenced_instances(dataset: Any) -> Iterator[str]:
    for element in dataset:
        if element.keyword == "ReferencedSOPInstanceUID" and element.value:
            yield str(element.value)
        elif element.VR == "SQ":
            for item in element.value:
                yield from _referenced_instances(item)
