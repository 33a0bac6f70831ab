"""How DICOM values look in the columns of the database, and back.

CTK writes dates as text ``2024-01-19`` when it inserts and as integer 20240119 when it refreshes displayed
fields, numbers that a file lacks as 0, moments as local time without zone. What is written here has the
insert form; what is read is understood in every form. Also the folding of text for searching and sorting.
Pure functions, any thread.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from functools import lru_cache
from typing import Any

__all__ = [
    "date_from_column",
    "date_to_column",
    "folded",
    "folded_name",
    "integer_to_column",
    "local_timestamp",
    "natural_key",
    "parse_timestamp",
    "readable_name",
    "storable",
    "utc_timestamp",
]

_DATE = re.compile(r"(\d{4})[-.]?(\d{2})[-.]?(\d{2})")
_INTEGER = re.compile(r"\s*([+-]?\d{1,12})")
_NAME_BREAKS = str.maketrans("^=,.\\", "     ")


def date_to_column(value: str) -> str | None:
    """DICOM DA text as CTK inserts it (``2024-01-19``), None where it is no valid date."""
    if len(value) != 8 or not (value.isascii() and value.isdigit()):
        return None
    try:
        return datetime.date(int(value[:4]), int(value[4:6]), int(value[6:])).isoformat()
    except ValueError:
        return None


def date_from_column(value: Any) -> str:
    """DICOM DA text (``YYYYMMDD``) of a date column in any of its forms, empty if there is none."""
    found = _DATE.match(str(value)) if value is not None else None
    return "".join(found.groups()) if found else ""


def integer_to_column(value: str) -> int:
    """First number of an IS or DS value, 0 where there is none, as CTK stores absent numbers."""
    found = _INTEGER.match(value)
    number = int(found.group(1)) if found else 0
    return number if -(2**31) <= number < 2**31 else 0


def local_timestamp(moment: datetime.datetime | None = None) -> str:
    """Local time as CTK's ``InsertTimestamp`` (``YYYY-MM-DDTHH:MM:SS.zzz``, no zone)."""
    return (moment or datetime.datetime.now()).isoformat(timespec="milliseconds")


def utc_timestamp(moment: datetime.datetime | None = None) -> str:
    """UTC as SQLite's CURRENT_TIMESTAMP (``YYYY-MM-DD HH:MM:SS``), for displayed fields."""
    return (moment or datetime.datetime.now(datetime.timezone.utc)).strftime("%Y-%m-%d %H:%M:%S")


def parse_timestamp(value: Any) -> datetime.datetime | None:
    """Local moment of an ``InsertTimestamp``, None if it is not one."""
    try:
        return datetime.datetime.fromisoformat(str(value))
    except ValueError:
        return None


def storable(value: str) -> str:
    """`value` with whatever SQLite cannot store as text (lone surrogates) replaced by ``?``."""
    return value.encode("utf-8", "replace").decode("utf-8")


@lru_cache(maxsize=200_000)
def folded(text: str) -> str:
    """`text` without case and accents (compatibility decomposition), for comparing."""
    lowered = text.casefold()
    if lowered.isascii():
        return lowered
    decomposed = unicodedata.normalize("NFKD", lowered)
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter)).casefold()


def folded_name(name: str) -> str:
    """`folded` person name (every group of it) with blanks for what separates its parts."""
    return folded(name).translate(_NAME_BREAKS)


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that orders numbers inside text by value and ignores case and accents."""
    parts = re.split(r"(\d+)", folded(text))
    return tuple((1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts if part)


def readable_name(name: str) -> str:
    """Person name as CTK displays it: ``Last, First Middle, Suffix (Prefix)`` of its first group that says anything."""
    group = next((group for group in name.split("=") if group.strip(" ^")), "")
    parts = [part.strip() for part in group.split("^")]
    last, first, middle, prefix, suffix = (parts + [""] * 5)[:5]
    given = " ".join(part for part in (first, middle) if part)
    text = ", ".join(part for part in (last, given, suffix) if part)
    return f"{text} ({prefix})".strip() if prefix else text
