"""Header values read with tolerance: a malformed value counts as absent.

Also the order in which the attributes of one frame are looked up in enhanced objects. No pixels, no files;
any thread.
"""

from __future__ import annotations

import struct
import zlib
from math import isfinite

from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError

__all__ = ["PARSER_FAULTS", "FrameHeader", "items", "number", "numbers", "text"]

# What pydicom, its decoders and numpy raise on damaged input; `Warning` for hosts that turn warnings into errors.
PARSER_FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BytesLengthException,
    EOFError,
    InvalidDicomError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    StopIteration,
    TypeError,
    ValueError,
    Warning,
    struct.error,
    zlib.error,
)


def numbers(header: Dataset, keyword: str) -> tuple[float, ...]:
    """All finite numbers of attribute `keyword`, empty if it is absent or malformed."""
    try:
        value = header.get(keyword)
        if value is None or value == "":
            return ()
        values = [value] if isinstance(value, (int, float, str)) else value
        converted = tuple(float(part) for part in values)
    except PARSER_FAULTS:
        return ()
    return converted if all(isfinite(part) for part in converted) else ()


def number(header: Dataset, keyword: str) -> float | None:
    """First number of attribute `keyword`, None if it is absent or malformed."""
    return next(iter(numbers(header, keyword)), None)


def text(header: Dataset, keyword: str) -> str:
    """Text of attribute `keyword`, empty if it is absent or malformed; several values as one."""
    try:
        value = header.get(keyword)
        return "" if value is None else str(value).strip()
    except PARSER_FAULTS:
        return ""


def items(header: Dataset, keyword: str) -> list[Dataset]:
    """Items of sequence `keyword`, empty if it is absent, damaged or no sequence."""
    try:
        return [item for item in header.get(keyword) or () if isinstance(item, Dataset)]
    except PARSER_FAULTS:
        return []


class FrameHeader:
    """Attributes that apply to one frame (DICOM PS3.3 C.7.6.16.1.1).

    Parameters
    ----------
    header : Dataset
        Header of the whole object.
    index : int
        Number of the frame, from 0.
    """

    def __init__(self, header: Dataset, index: int = 0) -> None:
        self.header = header
        self.index = index
        frames = items(header, "PerFrameFunctionalGroupsSequence")
        self._own = frames[index] if index < len(frames) else None
        self._shared = next(iter(items(header, "SharedFunctionalGroupsSequence")), None)

    def group(self, macro: str) -> Dataset:
        """First item of the functional group sequence `macro`; the header itself where there is none."""
        return next(iter(self.group_items(macro)), self.header)

    def group_items(self, macro: str) -> list[Dataset]:
        """Items of the functional group sequence `macro`: of this frame, else shared by all frames."""
        for source in (self._own, self._shared):
            found = items(source, macro) if source is not None else []
            if found:
                return found
        return []
