"""Header values by pydicom, for files that the own reader does not understand.

Only the header scan calls this, with files that are whole and not deflated. pydicom reads recursively and
without bounds, so size is limited before and every failure becomes `HeaderOddity`. The file is read
front to back up to the pixel data. Any thread; calls wait for each other.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.database.header_source import HeaderOddity
from VisualDICOMBrowserLib.database.header_walk import Found

__all__ = ["read_with_pydicom"]

_CHARACTER_SET = 0x00080005
_LARGEST_FILE = 128 * 1024 * 1024
# The filters of the warnings module belong to the process, so only one call may change them at a time.
_one_at_a_time = threading.Lock()


def read_with_pydicom(path: str, size: int, tags: Collection[str]) -> tuple[Found, bool]:
    """Elements of `tags` as pydicom finds them, and whether numbers are big endian.

    Raises
    ------
    HeaderOddity
        The file is larger than is safe to hand over, or pydicom cannot read it either.
    """
    if size > _LARGEST_FILE:
        message = "too large for the tolerant reader"
        raise HeaderOddity(message)
    numbers = {tag: int(tag[:4] + tag[5:], 16) for tag in tags}
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data_set = _data_set(path, list(numbers.values()))
    found = {tag: _raw(data_set, number) for tag, number in numbers.items() if number in data_set}
    return found, not data_set.original_encoding[1]


def _data_set(path: str, numbers: list[int]) -> Any:
    import pydicom

    try:
        with Path(path).open("rb") as file:
            return pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=list(numbers))
    except OSError as error:
        raise HeaderOddity(str(error)) from None
    except Exception as error:  # noqa: BLE001 - pydicom raises what it meets, RecursionError included
        raise HeaderOddity(type(error).__name__) from None


def _raw(data_set: Any, number: int) -> tuple[bytes, bytes]:
    """Value representation and bytes of one element; a sequence has no bytes of its own."""
    element = data_set.get_item(number)
    vr, value = str(element.VR or "").encode(), element.value
    if isinstance(value, bytes):
        return vr, value
    if number == _CHARACTER_SET and value:
        # The one element that pydicom decodes on its way.
        terms = [value] if isinstance(value, str) else value
        return b"CS", "\\".join(terms).encode("latin_1", "replace")
    return b"SQ", b""
