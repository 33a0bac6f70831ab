"""Header values of one DICOM file, for indexing.

What lives here: opening a file safely, reading the wanted elements (the walk itself is `header_walk`), their
text, and the decision whether the file may be indexed at all. What does not: finding files (`sources`),
storing them (`storing`). Any thread, any process; nothing is kept between calls but prepared plans.

A scan reads the first 8 KB of a file and more only where the header is longer; pixel data are never read.
"""

from __future__ import annotations

import os
import re
import stat
import struct
from collections.abc import Collection
from functools import partial
from pathlib import Path

from VisualDICOMBrowserLib.database.elements import ASCII_TEXT, text_of
from VisualDICOMBrowserLib.database.header_fallback import read_with_pydicom
from VisualDICOMBrowserLib.database.header_meta import Encoding, locate_data_set
from VisualDICOMBrowserLib.database.header_plan import (
    CHARACTER_SET,
    PIXEL_REPRESENTATION,
    TagPlan,
    plan_for,
)
from VisualDICOMBrowserLib.database.header_source import (
    FIRST_READ,
    HeaderOddity,
    InflatedReader,
    TruncatedHeader,
    Window,
    read_exactly,
)
from VisualDICOMBrowserLib.database.header_walk import Found, walk_explicit, walk_implicit
from VisualDICOMBrowserLib.database.records import ScannedFile
from VisualDICOMBrowserLib.errors import RejectedFileError
from VisualDICOMBrowserLib.settings import SETTINGS

__all__ = ["INFLATE_LIMIT", "check_identity", "file_window", "open_regular", "read_values", "scan_file", "scan_values"]

INFLATE_LIMIT = int(SETTINGS["import/inflate_limit"].default) << 20
"""Largest inflated size of a deflated data set where the caller names none, in bytes."""

_OPEN_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_NONBLOCK", 0)
)
_NOT_DICOM = "This is not a DICOM file."
_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*").fullmatch
_IDENTITY = (
    ("0020,000D", "Study Instance UID"),
    ("0020,000E", "Series Instance UID"),
    ("0008,0018", "SOP Instance UID"),
)
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def scan_file(path: Path, tags: Collection[str]) -> ScannedFile:
    """Header values of the file at `path`, which may be indexed.

    Parameters
    ----------
    path : Path
        A file; a symbolic link is followed.
    tags : collection of str
        Wanted top-level elements as ``"GGGG,EEEE"``; SOP class and the three UIDs always come too.

    Returns
    -------
    ScannedFile
        Not owned; the caller that stores a file says so itself.

    Raises
    ------
    RejectedFileError
        The file cannot be indexed; the message is the one plain reason.
    """
    name = str(path.absolute())
    size, values = scan_values(name, plan_for(tags))
    return ScannedFile(name, False, size, values)


def scan_values(
    path: str, plan: TagPlan, inflate_limit: int = INFLATE_LIMIT, *, head: bytes = b"", size: int = 0
) -> tuple[int, dict[str, str]]:
    """Size and text values by tag of a file that may be indexed.

    Who has just written the file can give its first bytes, `head`, and its `size`; it is opened only where the header
    is longer then.

    Raises
    ------
    RejectedFileError
        As for `scan_file`.
    """
    size, values, encoding = _read(_Source(path, head, size), plan, inflate_limit, whole=True)
    if encoding.is_dicomdir:
        raise _rejected(path, "This is a DICOMDIR, an index of other files, not an image.")
    reason = check_identity(values)
    if reason:
        if not encoding.certain:
            reason = _NOT_DICOM
        raise _rejected(path, reason)
    return size, values


def read_values(path: Path, tags: Collection[str]) -> dict[str, str]:
    """Text values by tag of any DICOM file, also one that may not be indexed or is cut short.

    Raises
    ------
    RejectedFileError
        The file cannot be read or is not DICOM.
    """
    return _read(_Source(str(path)), plan_for(tags), INFLATE_LIMIT, whole=False)[1]


def check_identity(values: dict[str, str]) -> str:
    """Reason why these values do not identify an instance, empty if they do.

    UIDs are checked by form only: digits and dots, at most 64 characters (DICOM PS3.5 9.1). Leading zeros
    in a component are forgiven, for real scanners write them.
    """
    for tag, name in _IDENTITY:
        uid = values.get(tag, "")
        if not uid:
            return f"The file has no {name}."
        if len(uid) > 64 or not _UID(uid):
            return f"The {name} {uid[:80]!r} is not a valid UID."
    return ""


def open_regular(path: str) -> tuple[int, int]:
    """Descriptor and size of a regular file, opened so that nothing can block.

    Raises
    ------
    RejectedFileError
        It is something else than a file, empty, or may not be read.
    """
    try:
        # Looked at before it is opened, for opening alone can set a device in motion.
        status = os.stat(path)  # noqa: PTH116 - the inner loop of an import
        if not stat.S_ISREG(status.st_mode):
            kind = next((text for test, text in _KINDS if test(status.st_mode)), "something else")
            raise _rejected(path, f"This is {kind}, not a file.")
        if not status.st_size:
            raise _rejected(path, "The file is empty.")
        return os.open(path, _OPEN_FLAGS), status.st_size
    except FileNotFoundError:
        reason = "The link points to nothing." if Path(path).is_symlink() else "The file is not there."
        raise _rejected(path, reason) from None
    except PermissionError:
        raise _rejected(path, "The file may not be read (permission denied).") from None
    except (OSError, ValueError) as error:
        raise _rejected(path, f"The file cannot be read: {_words(error)}.") from None


class _Source:
    """A file, opened when more of it is needed than is known.

    Raises
    ------
    RejectedFileError
        It cannot be opened.
    """

    __slots__ = ("_descriptor", "_head", "path", "size")

    def __init__(self, path: str, head: bytes = b"", size: int = 0) -> None:
        self.path = path
        self.size = size
        self._head = head
        self._descriptor = -1
        if not head:
            self._descriptor, self.size = open_regular(path)

    def window(self) -> Window:
        """What is seen of it first."""
        return Window(self._read, self.size, self._head) if self._head else file_window(self._descriptor, self.size)

    def descriptor(self) -> int:
        """The open file."""
        if self._descriptor < 0:
            self._descriptor, _ = open_regular(self.path)
        return self._descriptor

    def close(self) -> None:
        """Close it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _read(self, offset: int, count: int) -> bytes:
        return _piece(self.descriptor(), self.size, offset, count)


def _read(source: _Source, plan: TagPlan, inflate_limit: int, *, whole: bool) -> tuple[int, dict[str, str], Encoding]:
    """Size, text values and encoding; a file that is cut short is refused only if `whole` is asked for."""
    path = source.path
    try:
        window = source.window()
        encoding = locate_data_set(window)
        if encoding is None:
            raise _rejected(path, _not_dicom(window.data))
        offset = encoding.offset
        if encoding.deflated:
            inflated = InflatedReader(source.descriptor(), offset, inflate_limit)
            window, offset = Window(inflated.read, inflated.size, b""), 0
        found, big_endian = _elements(path, window, offset, encoding, plan, whole=whole)
    except TruncatedHeader as cut:
        reason = f"The file is cut short: an element needs {cut.needed} bytes, {max(0, cut.present)} are left."
        raise _rejected(path, reason) from None
    except HeaderOddity as oddity:
        raise _rejected(path, f"The header is damaged ({oddity}).") from None
    except OSError as error:
        raise _rejected(path, f"The file cannot be read: {_words(error)}.") from None
    finally:
        source.close()
    return source.size, _texts(found, plan, big_endian), encoding


def _elements(
    path: str, window: Window, offset: int, encoding: Encoding, plan: TagPlan, *, whole: bool
) -> tuple[Found, bool]:
    """Wanted elements and whether their numbers are big endian; odd files are left to pydicom."""
    found: Found = {}
    try:
        _walk(window, offset, encoding, plan, found)
    except TruncatedHeader:
        if not (encoding.certain or found):
            raise _rejected(path, _NOT_DICOM) from None
        if whole:
            raise
    except HeaderOddity:
        if encoding.deflated:
            raise
        return read_with_pydicom(path, window.size, plan.vr_of)
    return found, encoding.big_endian


def file_window(descriptor: int, size: int) -> Window:
    """Window on the beginning of an open file."""

    return Window(partial(_piece, descriptor, size), size, read_exactly(descriptor, min(FIRST_READ, size)))


def _piece(descriptor: int, size: int, offset: int, count: int) -> bytes:
    os.lseek(descriptor, offset, os.SEEK_SET)
    return read_exactly(descriptor, min(count, size - offset))


def _walk(window: Window, offset: int, encoding: Encoding, plan: TagPlan, found: Found) -> None:
    try:
        if not encoding.explicit:
            walk_implicit(window, offset, plan.little, found)
        elif encoding.big_endian:
            walk_explicit(window, offset, plan.big, found, big_endian=True)
        else:
            walk_explicit(window, offset, plan.little, found, big_endian=False)
    except struct.error:
        # The file became shorter while it was read.
        raise TruncatedHeader(FIRST_READ, 0) from None


def _texts(found: Found, plan: TagPlan, big_endian: bool) -> dict[str, str]:
    """Text by tag of the elements that have one, helpers left out."""
    character_set = _helper(found, CHARACTER_SET)
    # Escape sequences mean something only where code extensions are announced.
    shortcuts = ASCII_TEXT if "2022" not in character_set else {}
    texts: dict[str, str] = {}
    for key, (vr, value) in found.items():
        if not vr or vr == b"UN":
            vr = _dictionary_vr(key, plan, found)
        strip = shortcuts.get(vr)
        text = "\\"
        if strip is not None and value.isascii():
            text = strip(value.decode("ascii"), " \0")
        if "\\" in text:
            text = text_of(vr, value, character_set, big_endian=big_endian)
        if text and key not in plan.helpers:
            texts[key] = text
    return texts


def _helper(found: Found, tag: str) -> str:
    return found[tag][1].decode("latin_1").rstrip(" \0") if tag in found else ""


def _dictionary_vr(key: str, plan: TagPlan, found: Found) -> bytes:
    """Value representation of an element whose file does not tell it (DICOM PS3.5 annex A.1)."""
    vr = plan.vr_of[key]
    if not vr:
        return _private_vr(key, _helper(found, plan.creators[key]))
    if vr.startswith(b"US or"):
        signed = found.get(PIXEL_REPRESENTATION, (b"", b""))[1].strip(b"\0")
        return b"SS" if signed else b"US"
    return vr[:2]


def _private_vr(key: str, creator: str) -> bytes:
    from pydicom.datadict import private_dictionary_VR

    try:
        return str(private_dictionary_VR(int(key[:4] + key[5:], 16), creator)).encode()
    except KeyError:
        return b"UN"


def _not_dicom(data: bytes) -> str:
    if data[:2] == b"\x1f\x8b":
        return "This is a gzip file; unpack it first."
    return _NOT_DICOM


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _rejected(path: str, reason: str) -> RejectedFileError:
    return RejectedFileError(reason, subject=path)
