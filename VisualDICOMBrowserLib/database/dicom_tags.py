"""The part of `DicomDatabase` for tags as text and for the tag cache.

A mix-in without state of its own. Names and answers are those of ctkDICOMDatabase; what CTK hands back through
its arguments is returned here.
"""

from __future__ import annotations

from collections.abc import Sequence

from VisualDICOMBrowserLib.database.dicom_values import DicomValues, normal_tag, tag_of_numbers
from VisualDICOMBrowserLib.database.local_database import LocalDatabase
from VisualDICOMBrowserLib.database.tag_cache import EMPTY_STRING, NOT_IN_INSTANCE, NOT_STORED

__all__ = ["DicomTags"]

_MARKERS = frozenset((NOT_IN_INSTANCE, NOT_STORED, EMPTY_STRING))


class DicomTags:
    """Tags and cached values of an opened database."""

    _database: LocalDatabase
    _values: DicomValues

    @staticmethod
    def groupElementToTag(group: int, element: int) -> str:
        """``"GGGG,EEEE"`` of a group and an element number."""
        return tag_of_numbers(group, element)

    @staticmethod
    def tagToGroupElement(tag: str) -> tuple[int, int] | None:
        """Group and element number of ``"gggg,eeee"``, None for text that is no tag."""
        try:
            group, element = (int(part, 16) for part in tag.split(","))
        except ValueError:
            return None
        return group, element

    def tagCacheExists(self) -> bool:
        """Whether there is a tag cache."""
        return self._database.tag_cache.path.exists()

    def initializeTagCache(self) -> bool:
        """Whether there is a tag cache; never empties one."""
        return self.tagCacheExists()

    def cachedTag(self, sopInstanceUID: str, tag: str) -> str:
        """What the tag cache has, markers included; empty if it has nothing."""
        self._values.flush()
        cached = self._database.tag_cache.values([sopInstanceUID], [normal_tag(tag)])
        return cached.get(sopInstanceUID, {}).get(normal_tag(tag), "")

    def cacheTag(self, sopInstanceUID: str, tag: str, value: str) -> bool:
        """Put a value into the tag cache."""
        return self.cacheTags([sopInstanceUID], [tag], [value])

    def cacheTags(self, sopInstanceUIDs: Sequence[str], tags: Sequence[str], values: Sequence[str]) -> bool:
        """Put values into the tag cache, one of each list; False if the lists differ in length."""
        if not len(sopInstanceUIDs) == len(tags) == len(values):
            return False
        rows = zip(sopInstanceUIDs, map(normal_tag, tags), values, strict=True)
        self._database.writer.add_cached_tags(rows)
        self._values.forget()
        return True

    def getCachedTags(self, sopInstanceUID: str, cachedTags: dict[str, str] | None = None) -> dict[str, str]:
        """Everything the tag cache has of an instance by tag, empty for what has no value.

        A dictionary that is given is emptied, filled and returned.
        """
        self._values.flush()
        found = self._database.tag_cache.values([sopInstanceUID]).get(sopInstanceUID, {})
        filled = {} if cachedTags is None else cachedTags
        filled.clear()
        filled.update((tag, "" if value in _MARKERS else value) for tag, value in found.items())
        return filled

    def removeCachedTags(self, sopInstanceUID: str) -> None:
        """Let the tag cache forget an instance; its values are read from the file again when asked for."""
        self._values.flush()
        self._database.tag_cache.remove([sopInstanceUID])
        self._values.forget()
