"""What an attribute is, in words: its keyword, the kind and number of its values, whose it is, whether it is retired.

From the dictionary of the standard that pydicom brings, and its list of private ones. Pure; any thread.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from VisualDICOMBrowserLib.widgets.language import _, plural
from VisualDICOMBrowserLib.widgets.page.words import DOT

__all__ = ["explanation", "multiplicity_words", "vr_words"]

_VR_WORDS = {
    "AE": "AE title",
    "AS": "age",
    "AT": "tag of an attribute",
    "CS": "code word",
    "DA": "date, YYYYMMDD",
    "DS": "decimal number as text",
    "DT": "date and time",
    "FD": "number, 64 bits, floating point",
    "FL": "number, 32 bits, floating point",
    "IS": "whole number as text",
    "LO": "text, at most 64 characters",
    "LT": "text, at most 10,240 characters",
    "OB": "bytes",
    "OD": "numbers, 64 bits, floating point",
    "OF": "numbers, 32 bits, floating point",
    "OL": "whole numbers, 32 bits",
    "OV": "whole numbers, 64 bits",
    "OW": "whole numbers, 16 bits",
    "PN": "name of a person",
    "SH": "text, at most 16 characters",
    "SL": "whole number, 32 bits, with sign",
    "SQ": "sequence of items",
    "SS": "whole number, 16 bits, with sign",
    "ST": "text, at most 1,024 characters",
    "SV": "whole number, 64 bits, with sign",
    "TM": "time of day, HHMMSS",
    "UC": "text of any length",
    "UI": "unique identifier (UID)",
    "UL": "whole number, 32 bits",
    "UN": "bytes of an unknown kind",
    "UR": "address (URI or URL)",
    "US": "whole number, 16 bits",
    "UT": "text of any length",
    "UV": "whole number, 64 bits",
}
_ONE_ITEM = ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "UN")
"""Of these each element has one value, however long: that says nothing."""


def vr_words(vr: str) -> str:
    """A value representation (DICOM PS3.5 6.2) in words; the letters themselves where it is not known."""
    found = [_(_VR_WORDS[each]) if each in _VR_WORDS else each for each in re.split(r"\s+or\s+", vr.strip()) if each]
    return _(" or ").join(found)


def multiplicity_words(multiplicity: str) -> str:
    """How many values there may be (DICOM PS3.5 6.4), such as ``1-n``, in words."""
    first = multiplicity.split(" or ", maxsplit=1)[0]
    low, _dash, high = first.partition("-")
    if not low.isdigit():
        return ""
    if not high or high == low:
        return plural(int(low), "{count} value", "{count} values")
    if high == "n":
        return _("{count} or more values").format(count=low)
    if high.endswith("n"):
        return _("values in groups of {count}").format(count=high[:-1])
    return _("{low} to {high} values").format(low=low, high=high)


def explanation(tag: str, vr: str, path: Sequence[str]) -> str:
    """What is known of an attribute.

    Parameters
    ----------
    tag : str
        ``GGGG,EEEE``.
    vr : str
        As the file has it.
    path : sequence of str
        As in ``tree``; the last part of a private element's names its creator.
    """
    if not tag:
        return ""
    number = int(tag.replace(",", ""), 16)
    creator = path[-1].partition("|")[2] if path else ""
    if number >> 16 & 1:
        return _private(number, vr, creator)
    return _standard(number, vr)


def _standard(number: int, vr: str) -> str:
    from pydicom.datadict import dictionary_is_retired, dictionary_keyword, dictionary_VM

    if not number & 0xFFFF:
        retired = _("retired") if number >> 16 > 0x0006 else ""
        return _joined(_("how many bytes the group has"), _kind(vr, "1"), retired)
    try:
        keyword, multiplicity = dictionary_keyword(number), dictionary_VM(number)
        retired = _("retired: no longer used by the standard") if dictionary_is_retired(number) else ""
    except KeyError:
        return _joined(_("not in the DICOM dictionary"), _kind(vr, ""))
    return _joined(keyword, _kind(vr, multiplicity), retired)


def _private(number: int, vr: str, creator: str) -> str:
    from pydicom.datadict import private_dictionary_VM

    if 0x10 <= (number & 0xFFFF) <= 0xFF:
        return _joined(_("says whose the private elements of a block are"), _kind(vr, "1"))
    whose = _("private, of {creator}").format(creator=creator) if creator not in ("", "?") else _("private, of nobody")
    try:
        multiplicity = private_dictionary_VM(number, creator)
    except KeyError:
        return _joined(whose, _kind(vr, ""), _("what it means is not known here"))
    return _joined(whose, _kind(vr, multiplicity))


def _kind(vr: str, multiplicity: str) -> str:
    words = _("{kind} ({vr})").format(kind=vr_words(vr), vr=vr) if vr_words(vr) != vr else vr
    many = "" if vr in _ONE_ITEM else multiplicity_words(multiplicity)
    return _("{kind}, {values}").format(kind=words, values=many) if many and words else words


def _joined(*parts: str) -> str:
    return DOT.join(part for part in parts if part)
