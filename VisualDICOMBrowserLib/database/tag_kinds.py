"""What the data dictionary says of a tag that matters to text: padding, and whether there is text at all.

A header scan gives values as the file has them, without trailing padding (its answer is pydicom's). What
becomes a row has lost insignificant leading spaces too, as in CTK, so that patient `` 77`` is patient ``77``.
Pure functions, any thread; pydicom's dictionary is loaded only where it is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

__all__ = ["has_no_text", "significant", "significant_values"]

_LEADING_COUNTS = frozenset(("LT", "ST", "UC", "UT"))


def significant(tag: str, value: str) -> str:
    """`value` of the element `tag` (``"GGGG,EEEE"``) without the spaces around its parts that mean nothing.

    See DICOM PS3.5 table 6.2-1. Of a person name the outer spaces go, those of its components stay.
    """
    if (value[:1] != " " and "\\ " not in value) or _representation(tag) in _LEADING_COUNTS:
        return value
    return "\\".join(part.strip(" ") for part in value.split("\\"))


def significant_values(values: Mapping[str, str]) -> dict[str, str]:
    """Every value by tag as `significant` has it."""
    return {tag: significant(tag, value) for tag, value in values.items()}


@lru_cache(maxsize=1024)
def has_no_text(tag: str) -> bool:
    """Whether the header scan may give no text for the element although it is there (sequences, bytes)."""
    representation = _representation(tag)
    return representation == "SQ" or representation.startswith("O")


@lru_cache(maxsize=1024)
def _representation(tag: str) -> str:
    """Value representation of a standard tag, empty for any other."""
    from pydicom.datadict import dictionary_VR

    try:
        return str(dictionary_VR(int(tag.replace(",", ""), 16)))
    except (KeyError, ValueError):
        return ""
