"""Whether two DICOM files hold the same instance.

Same content means: same transfer syntax and the same bytes of the data set. Preamble and File Meta
Information do not count, for every program that stores a file writes its own. Reads both files piece by
piece; any thread.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from VisualDICOMBrowserLib.database.header_meta import Encoding, locate_data_set
from VisualDICOMBrowserLib.database.header_scan import file_window, open_regular
from VisualDICOMBrowserLib.database.header_source import TruncatedHeader, read_exactly
from VisualDICOMBrowserLib.errors import RejectedFileError

__all__ = ["same_content"]

_STEP = 1 << 20


@dataclass(frozen=True, slots=True)
class _Opened:
    descriptor: int
    size: int
    encoding: Encoding | None


def same_content(first: Path, second: Path) -> bool:
    """True if both files hold the same data set in the same transfer syntax.

    Raises
    ------
    RejectedFileError
        One of them cannot be read.
    """
    with _Closing() as files:
        one, two = files.open(first), files.open(second)
        if one.encoding is None or two.encoding is None:
            return False
        if one.encoding.transfer_syntax != two.encoding.transfer_syntax:
            return False
        if one.size - one.encoding.offset != two.size - two.encoding.offset:
            return False
        os.lseek(one.descriptor, one.encoding.offset, os.SEEK_SET)
        os.lseek(two.descriptor, two.encoding.offset, os.SEEK_SET)
        try:
            while block := os.read(one.descriptor, _STEP):
                if block != read_exactly(two.descriptor, len(block)):
                    return False
        except OSError as error:
            message = f"The file cannot be read: {error.strerror or error}."
            raise RejectedFileError(message, subject=str(first)) from None
        return True


class _Closing:
    """Opens files for one comparison and closes them all."""

    def __init__(self) -> None:
        self._descriptors: list[int] = []

    def __enter__(self) -> _Closing:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self._descriptors:
            os.close(descriptor)

    def open(self, path: Path) -> _Opened:
        descriptor, size = open_regular(str(path))
        self._descriptors.append(descriptor)
        try:
            encoding = locate_data_set(file_window(descriptor, size))
        except TruncatedHeader:
            encoding = None
        return _Opened(descriptor, size, encoding)
