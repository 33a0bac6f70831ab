"""The files that a DICOMDIR names.

Reads the directory records one after the other, without following the offsets between them (which many
writers get wrong) and without building a tree. Every name is confined to the folder of the DICOMDIR. Any
thread.

References: DICOM PS3.3 annex F, PS3.10 chapter 8.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

from VisualDICOMBrowserLib.database.header_meta import Encoding, locate_data_set
from VisualDICOMBrowserLib.database.header_scan import file_window, open_regular
from VisualDICOMBrowserLib.database.header_source import HeaderOddity, TruncatedHeader, Window
from VisualDICOMBrowserLib.database.header_walk import UNDEFINED, element_at, skip_undefined
from VisualDICOMBrowserLib.errors import RejectedFileError

__all__ = ["DICOMDIR_NAME", "ListedFile", "listed_files"]

DICOMDIR_NAME = "DICOMDIR"

_DIRECTORY_RECORDS, _REFERENCED_FILE = 0x00041220, 0x00041500
_DELIMITERS = frozenset({0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD})
_LONGEST_NAME = 1024

ListedFile = tuple[str, str]
"""Path that a record names, and why it cannot be used (empty if it can)."""


def listed_files(dicomdir: Path) -> Iterator[ListedFile]:
    """Absolute path of every file that `dicomdir` names, in order, or the reason why there is none.

    Raises
    ------
    RejectedFileError
        It cannot be read or is no DICOMDIR.
    """
    root = dicomdir.parent
    resolver = _Resolver(root)
    descriptor, size = open_regular(str(dicomdir))
    try:
        window = file_window(descriptor, size)
        encoding = locate_data_set(window)
        if encoding is None or encoding.deflated or not encoding.is_dicomdir:
            message = "This is not a DICOMDIR."
            raise RejectedFileError(message, subject=str(dicomdir))
        for value in _references(window, encoding):
            components = [part.strip(" \0") for part in value.decode("latin_1").split("\\")]
            yield resolver.resolve(components)
    except (HeaderOddity, TruncatedHeader, OSError, struct.error):
        # The records before the damage were given; the folder is walked through anyway.
        yield str(dicomdir), "The DICOMDIR is damaged; the files it lists behind the damage are not known."
    finally:
        os.close(descriptor)


def _references(window: Window, encoding: Encoding) -> Iterator[bytes]:
    """Values of Referenced File ID (0004,1500) in all directory records."""
    offset = encoding.offset
    while offset + 8 <= window.size:
        tag, vr, length, begin = element_at(window, offset, encoding.explicit, encoding.big_endian)
        if tag == _DIRECTORY_RECORDS or tag in _DELIMITERS:
            offset = begin
        elif length == UNDEFINED:
            offset = skip_undefined(window, begin, encoding.explicit and vr != b"UN", encoding.big_endian)
        else:
            if begin + length > window.size:
                raise TruncatedHeader(length, window.size - begin)
            if tag == _REFERENCED_FILE and 0 < length <= _LONGEST_NAME:
                yield window.at(begin, length)
            offset = begin + length


class _Resolver:
    """Finds named files below a root, whatever the case in which a medium shows its names."""

    def __init__(self, root: Path) -> None:
        self._root = os.path.realpath(root)
        self._listings: dict[str, dict[str, str]] = {}

    def resolve(self, components: list[str]) -> ListedFile:
        shown = os.path.join(self._root, *(part.strip("/\\") for part in components))  # noqa: PTH118
        if not components or any(_is_harmful(part) for part in components):
            return shown, "The DICOMDIR names a file outside of its folder."
        path = self._root
        for part in components:
            exact = os.path.join(path, part)  # noqa: PTH118
            path = exact if os.path.lexists(exact) else self._listing(path).get(_plain(part), exact)
        real = os.path.realpath(path)
        if os.path.commonpath([real, self._root]) != self._root:
            return shown, "The DICOMDIR names a file outside of its folder."
        if not os.path.lexists(path):
            return shown, "The DICOMDIR lists this file, but it is not there."
        return path, ""

    def _listing(self, folder: str) -> dict[str, str]:
        if folder not in self._listings:
            try:
                names = os.listdir(folder)  # noqa: PTH208
            except OSError:
                names = []
            self._listings[folder] = {_plain(name): os.path.join(folder, name) for name in names}  # noqa: PTH118
        return self._listings[folder]


def _is_harmful(part: str) -> bool:
    return part in ("", ".", "..") or any(letter in part for letter in "/\\:\0")


def _plain(name: str) -> str:
    """A name without what ISO 9660 adds to it (``;1``, a final dot), in one case."""
    return name.split(";")[0].rstrip(".").casefold()
