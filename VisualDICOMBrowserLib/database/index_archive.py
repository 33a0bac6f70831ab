"""Members of a zip archive as part files of the store.

Extracts one member after the other, each bounded in size, into files that the store names: the names in the
archive are only ever shown. Used by an import, on its thread.
"""

from __future__ import annotations

import lzma
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from VisualDICOMBrowserLib.database.header_meta import locate_data_set
from VisualDICOMBrowserLib.database.header_source import FIRST_READ, HeaderOddity, TruncatedHeader, Window
from VisualDICOMBrowserLib.database.storing import InstanceStore
from VisualDICOMBrowserLib.database.storing_session import is_disk_fault, storage_fault

__all__ = ["Member", "extracted_members"]

_STEP = 1 << 20
_ENCRYPTED = 0x1
# Images without content pack well, so proportion counts only for what is large.
_HARMLESS_BYTES = 1 << 30
_LARGEST_RATIO = 200
_SPARE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """One member: its name as shown (archive and member), its part file, or why there is none."""

    name: str
    part: Path | None = None
    size: int = 0
    reason: str = ""


def extracted_members(archive: Path, store: InstanceStore) -> Iterator[Member]:
    """Every file in `archive`, extracted or with the reason why not. Folders in it are passed over.

    The caller takes over each part file before it asks for the next member.

    Raises
    ------
    StorageFault
        The disk is full or failed.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            budget = _HARMLESS_BYTES + _LARGEST_RATIO * archive.stat().st_size
            for info in opened.infolist():
                if info.is_dir():
                    continue
                member = _extracted(opened, info, f"{archive}: {info.filename}", store, budget)
                budget -= member.size
                yield member
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        yield Member(str(archive), reason=f"The zip archive cannot be read: {error}.")


def _extracted(opened: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, store: InstanceStore, budget: int) -> Member:
    reason = _refusal(info)
    if reason:
        return Member(name, reason=reason)
    part = store.new_part()
    try:
        free = shutil.disk_usage(part.parent).free
        with opened.open(info) as source:
            size, reason = _copied(source, part, min(budget, max(0, free - _SPARE_BYTES)))
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError):
        size, reason = 0, "This part of the zip archive is damaged or packed in an unknown way."
    if reason:
        store.discard(part)
        return Member(name, reason=reason)
    return Member(name, part, size)


def _refusal(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & _ENCRYPTED:
        return "This part of the zip archive is encrypted."
    if info.filename.lower().endswith(".zip"):
        return "This is a zip archive inside a zip archive; unpack it first."
    return ""


def _copied(source: IO[bytes], part: Path, most: int) -> tuple[int, str]:
    """Bytes written to `part`, and the reason why the member is refused (empty if it is not)."""
    first = source.read(FIRST_READ)
    if not first:
        return 0, "The file is empty."
    # What is no DICOM is not worth extracting, however large it pretends to be.
    if not _looks_like_dicom(first):
        return 0, "This is not a DICOM file."
    size = len(first)
    try:
        with part.open("wb") as target:
            target.write(first)
            while block := source.read(_STEP):
                size += len(block)
                if size > most:
                    return 0, "This part of the zip archive grows out of proportion, or beyond the free disk space."
                target.write(block)
    except OSError as error:
        part.unlink(missing_ok=True)
        if is_disk_fault(error):
            raise storage_fault(error, part.parent) from error
        return 0, f"This part of the zip archive cannot be read: {error.strerror or error}."
    return size, ""


def _looks_like_dicom(first: bytes) -> bool:
    window = Window(lambda offset, count: first[offset : offset + count], 1 << 62, first)
    try:
        return locate_data_set(window) is not None
    except (HeaderOddity, TruncatedHeader):
        return False
