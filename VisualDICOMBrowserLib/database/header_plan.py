"""Which elements a header scan looks for, prepared once for many files.

A plan holds the wanted tags in the forms that the walk over the bytes needs, and the value
representations that implicit files do not carry. `plan_for` asks pydicom's dictionary; worker processes
get the finished table over their pipe, so they start without pydicom. Immutable, any thread.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache

__all__ = ["CHARACTER_SET", "IDENTITY", "PIXEL_REPRESENTATION", "TagPlan", "plan_for"]

IDENTITY = ("0008,0016", "0008,0018", "0020,000D", "0020,000E")
"""SOP class and the three UIDs, always read."""

CHARACTER_SET = "0008,0005"
PIXEL_REPRESENTATION = "0028,0103"
_HELPERS = {CHARACTER_SET: "CS", PIXEL_REPRESENTATION: "US"}


class TagPlan:
    """Wanted tags of a header scan.

    Parameters
    ----------
    vrs : mapping of str to str
        Dictionary value representation by tag ``"GGGG,EEEE"``; empty for a private tag, whose value
        representation depends on its creator.
    """

    __slots__ = ("big", "creators", "helpers", "keys", "little", "vr_of", "vrs")

    def __init__(self, vrs: Mapping[str, str]) -> None:
        self.vrs = dict(vrs)
        self.keys = tuple(sorted(vrs))
        self.creators = {key: _creator(key) for key in self.keys if _is_private(key)}
        looked_for = {**_HELPERS, **dict.fromkeys(self.creators.values(), "LO"), **self.vrs}
        self.helpers = frozenset(looked_for).difference(self.keys)
        self.vr_of = {key: vr.encode() for key, vr in looked_for.items()}
        pairs = [(int(key[:4], 16), int(key[5:], 16), key) for key in looked_for]
        self.little = {element << 16 | group: key for group, element, key in pairs}
        self.big = {group << 16 | element: key for group, element, key in pairs}


def plan_for(tags: Collection[str]) -> TagPlan:
    """Plan for `tags` (``"GGGG,EEEE"``, any case) and the identity of the instance."""
    return _plan(frozenset(tag.upper() for tag in tags).union(IDENTITY))


@lru_cache(maxsize=16)
def _plan(tags: frozenset[str]) -> TagPlan:
    from pydicom.datadict import dictionary_VR

    vrs = {}
    for tag in tags:
        try:
            vrs[tag] = str(dictionary_VR(int(tag[:4] + tag[5:], 16)))
        except KeyError:
            vrs[tag] = "" if _is_private(tag) else "UN"
    return TagPlan(vrs)


def _is_private(key: str) -> bool:
    return bool(int(key[3], 16) & 1) and int(key[5:], 16) >= 0x1000


def _creator(key: str) -> str:
    """Tag of the private creator that reserved the block of `key` (DICOM PS3.5 7.8.1)."""
    return f"{key[:4]},00{key[5:7]}"
