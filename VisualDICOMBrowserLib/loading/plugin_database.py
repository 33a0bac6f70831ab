"""What loading needs of a DICOM database, as a protocol.

`database.dicom_database.DicomDatabase` and, in Slicer, `slicer.dicomDatabase` (a ctkDICOMDatabase) both
have these methods. No implementation lives here. Standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["PluginDatabase"]


class PluginDatabase(Protocol):
    """Methods that DICOM plugins call; named and behaving as those of ctkDICOMDatabase.

    Tags are ``"gggg,eeee"`` text of top-level elements, several values of one element are joined by a
    backslash, and whatever is unknown or absent is an empty string or list, never None.
    """

    def filesForSeries(self, seriesUID: str, /) -> Sequence[str]:
        """Absolute paths of the files of a series, in any order."""
        ...

    def instancesForSeries(self, seriesUID: str, /) -> Sequence[str]:
        """SOP Instance UIDs of a series, in any order."""
        ...

    def seriesForFile(self, filePath: str, /) -> str:
        """Series Instance UID of a file."""
        ...

    def fileForInstance(self, sopInstanceUID: str, /) -> str:
        """Absolute path of an instance."""
        ...

    def instanceForFile(self, filePath: str, /) -> str:
        """SOP Instance UID of a file."""
        ...

    def fileValue(self, filePath: str, tag: str, /) -> str:
        """Value of one element of a file."""
        ...

    def instanceValue(self, sopInstanceUID: str, tag: str, /) -> str:
        """Value of one element of an instance."""
        ...
