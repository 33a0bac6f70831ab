"""The methods that Slicer's DICOM plugins call on ``slicer.dicomDatabase``, over a `LocalDatabase`.

Names, arguments and answers are those of ctkDICOMDatabase (unknown is ``""`` or an empty list; Qt's signals are
left out), with correct values where CTK's are odd: a tag that is absent, empty or not kept is ``""`` at every
reading, ``fileValueExists`` tells the truth about every file, and files outside the database are told apart.
Safe from any thread.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from VisualDICOMBrowserLib.database.dicom_columns import DicomColumns
from VisualDICOMBrowserLib.database.dicom_records import DicomRecords
from VisualDICOMBrowserLib.database.dicom_tags import DicomTags
from VisualDICOMBrowserLib.database.dicom_upkeep import DicomUpkeep
from VisualDICOMBrowserLib.database.dicom_values import DicomValues, normal_tag, tag_of_numbers
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.paths import DATABASE_FILE
from VisualDICOMBrowserLib.database.records import ScannedFile
from VisualDICOMBrowserLib.errors import RejectedFileError, VisualDICOMError
from VisualDICOMBrowserLib.model import ReceivedFile

__all__ = ["DicomDatabase"]

logger = logging.getLogger(__name__)


class DicomDatabase(DicomRecords, DicomTags, DicomUpkeep, DicomColumns):
    """A stand-in for ctkDICOMDatabase.

    Parameters
    ----------
    database : LocalDatabase
        Stays the caller's: it is not closed by `closeDatabase`, unless `openDatabase` opened it.
    """

    def __init__(self, database: LocalDatabase) -> None:
        self.loadedSeriesInstanceUIDs: list[str] = []
        self.tagsToExcludeFromStorage: list[str] = ["7FE0,0010"]
        self._header: dict[str, str] = {}
        self._error = ""
        self._opened_here = False
        self._is_open = True
        self._attach(database)

    @property
    def isOpen(self) -> bool:
        """Whether the database can be asked."""
        return self._is_open

    @property
    def isInMemory(self) -> bool:
        """False; databases are files."""
        return False

    @property
    def lastError(self) -> str:
        """The last failure of a method that answers False."""
        return self._error

    @property
    def databaseFilename(self) -> str:
        """Absolute path of the main file."""
        return str(self._database.folder / DATABASE_FILE)

    @property
    def databaseDirectory(self) -> str:
        """Absolute path of the folder."""
        return str(self._database.folder)

    @property
    def tagsToPrecache(self) -> list[str]:
        """Tags that are read from every file at indexing.

        Those assigned are added to the built-in ones, except pixel data and sequences (`LocalDatabase.add_tags`).
        """
        return sorted(self._database.tags_to_precache)

    @tagsToPrecache.setter
    def tagsToPrecache(self, tags: Iterable[str]) -> None:
        self._database.add_tags(normal_tag(tag) for tag in tags)

    @property
    def useShortStoragePath(self) -> bool:
        """True; copies lie under short, hashed names."""
        return True

    @property
    def useSystemFileCopy(self) -> bool:
        """False; files are copied by this program."""
        return False

    def openDatabase(self, databaseFile: str, connectionName: str = "") -> bool:
        """Open another database; False and `lastError` if that fails."""
        try:
            database = LocalDatabase.open(Path(databaseFile).parent)
        except VisualDICOMError as error:
            self._error = str(error)
            return False
        self.closeDatabase()
        self._attach(database)
        self._opened_here = self._is_open = True
        return True

    def closeDatabase(self) -> None:
        """Stop using the database."""
        self._values.flush()
        self._is_open = False
        if self._opened_here:
            self._database.close()
            self._opened_here = False

    def initializeDatabase(self, schemaFile: str = "") -> bool:
        """Whether there is a database; never empties one."""
        return self._is_open

    def updateSchema(self, schemaFile: str = "") -> bool:
        """Whether the schema is the present one; opening a database sees to that."""
        return self.schemaVersionLoaded() == self.schemaVersion()

    def updateSchemaIfNeeded(self, schemaFile: str = "") -> bool:
        """False: opening left nothing to be done."""
        return False

    def instanceForFile(self, fileName: str) -> str:
        """SOP Instance UID of a file."""
        return self._values.instance_of(fileName) if fileName else ""

    def fileValue(self, fileName: str, tag: str | int, element: int | None = None) -> str:
        """Value of a top-level element of a file (or of a URL that CTK knows), several values joined by a backslash.

        The element is text ``"gggg,eeee"`` or a group and an element number.
        """
        if not fileName:
            return ""
        sop, path = self._located(fileName)
        return self._values.value(sop, path, _tag(tag, element))

    def fileValueExists(self, fileName: str, tag: str | int, element: int | None = None) -> bool:
        """Whether a top-level element of a file is there and not empty."""
        if not fileName:
            return False
        sop, path = self._located(fileName)
        return self._values.exists(sop, path, _tag(tag, element))

    def instanceValue(self, sopInstanceUID: str, tag: str | int, element: int | None = None) -> str:
        """Value of a top-level element of an instance."""
        return self._values.value(sopInstanceUID, "", _tag(tag, element)) if sopInstanceUID else ""

    def instanceValueExists(self, sopInstanceUID: str, tag: str | int, element: int | None = None) -> bool:
        """Whether a top-level element of an instance is there and not empty."""
        return bool(sopInstanceUID) and self._values.exists(sopInstanceUID, "", _tag(tag, element))

    def instanceValues(self, sopInstanceUIDs: Sequence[str], tag: str) -> dict[str, str]:
        """Cached values of one tag by SOP Instance UID, without those that have none."""
        return self._values.values_of(list(sopInstanceUIDs), tag)

    def loadInstanceHeader(self, sopInstanceUID: str) -> None:
        """Read a whole header for `headerKeys` and `headerValue`."""
        self.loadFileHeader(self.fileForInstance(sopInstanceUID))

    def loadFileHeader(self, fileName: str) -> None:
        """Read a whole header for `headerKeys` and `headerValue`; none if the file cannot be read."""
        from VisualDICOMBrowserLib.database.dicom_header import dumped_header

        self._header = dumped_header(fileName)

    def headerKeys(self) -> list[str]:
        """Tags (``"GGGG,EEEE"``) of the header that was loaded."""
        return sorted(self._header)

    def headerValue(self, key: str) -> str:
        """One line for an element of the header that was loaded: ``(gggg,eeee) VR [value] # length, VM keyword``."""
        return self._header.get(normal_tag(key), "")

    def insert(
        self,
        filePath: str,
        storeFile: bool = True,
        generateThumbnail: bool = True,
        createHierarchy: bool = True,
        destinationDirectoryName: str = "",
    ) -> None:
        """Index one file, as a copy if `storeFile`; a file that is refused is logged. Makes no thumbnail."""
        try:
            if storeFile:
                self._insert_copy(Path(filePath))
            else:
                self._insert_link(Path(filePath))
        except RejectedFileError as error:
            logger.warning("The file %s was not inserted: %s", filePath, error)
        self._values.forget()

    def _attach(self, database: LocalDatabase) -> None:
        self._database = database
        self._values = DicomValues(
            database.connections, database.paths, database.tag_cache, writable=not database.read_only
        )

    def _located(self, name: str) -> tuple[str, str]:
        """SOP Instance UID and path of a file or URL; either may be empty."""
        if "://" in name:
            return self.instanceForURL(name), ""
        return self._values.instance_of(name), name

    def _insert_link(self, path: Path) -> None:
        from VisualDICOMBrowserLib.database.header_scan import scan_file

        file = scan_file(path, self._database.tags_to_precache)
        outcome = self._database.writer.add_files([file])[0]
        if outcome.status == "exists":
            logger.warning("The file %s was not inserted: its instance is in the database as %s", path, outcome.path)
        elif outcome.status == "imported":
            self._database.writer.add_cached_tags(self._database.cached_tag_rows(file))
        else:
            raise RejectedFileError(outcome.reason, subject=str(path))

    def _insert_copy(self, path: Path) -> None:
        from VisualDICOMBrowserLib.database.header_scan import scan_file
        from VisualDICOMBrowserLib.database.storing import InstanceStore

        scanned = scan_file(path, ["0002,0010"])
        store = InstanceStore(self._database)
        try:
            part = store.new_part()
            shutil.copyfile(path, part)
            outcome = store.accept([_received(part, scanned)])[0]
        finally:
            store.close()
        if outcome.status not in ("imported", "unchanged"):
            raise RejectedFileError(outcome.reason, subject=str(path))


def _tag(tag: str | int, element: int | None) -> str:
    if isinstance(tag, int):
        return tag_of_numbers(tag, element or 0)
    return tag


def _received(part: Path, scanned: ScannedFile) -> ReceivedFile:
    return ReceivedFile(
        path=part,
        SOPClassUID=scanned.values.get("0008,0016", ""),
        SOPInstanceUID=scanned.SOPInstanceUID,
        TransferSyntaxUID=scanned.values.get("0002,0010", ""),
        size=scanned.size,
    )
