"""Intent files: what is about to be renamed into the database, noted before it happens.

An intent is a JSON list of pairs: name of the ``.part`` file in the session's folder, and path of the stored
file below the database folder. It is whole on the disk before the first rename, and removed after the rows
are committed; so whoever finds one after a crash can finish what it says. Called by the instance store.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from pathlib import Path, PurePosixPath

__all__ = ["flush_file", "flush_files", "flush_folders", "read_intent", "write_intent"]

_ROOT = "dicom"
_ROWS = 4


def write_intent(path: Path, entries: Sequence[tuple[str, str]]) -> None:
    """Write the entries to `path` and wait until they are on the disk."""
    with path.open("wb") as file:
        file.write(json.dumps(entries).encode("ascii"))
        file.flush()
        os.fsync(file.fileno())


def read_intent(path: Path) -> list[tuple[str, str]]:
    """Entries of an intent; empty if a crash cut it off, for then nothing was renamed yet.

    Names that point anywhere but to a part file and into the folder of stored files are left out.
    """
    try:
        entries = [(str(part), str(stored)) for part, stored in json.loads(path.read_bytes())]
    except (ValueError, TypeError):
        return []
    return [(part, stored) for part, stored in entries if _is_harmless(part, stored)]


def flush_file(path: Path) -> None:
    """Wait until the bytes of one file are on the disk."""
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_files(paths: Sequence[Path], threads: Executor) -> None:
    """Wait until the bytes of all `paths` are on the disk.

    The system gathers what is waited for at the same time, so only the waiting is done in `threads`.
    """
    # A few long rows, for a thread per file costs those that receive meanwhile more than it saves.
    rows = [paths[start::_ROWS] for start in range(min(_ROWS, len(paths)))]
    for _ in threads.map(_flush_row, rows):
        pass


def _flush_row(paths: Sequence[Path]) -> None:
    for path in paths:
        flush_file(path)


def flush_folders(folders: Iterable[Path]) -> None:
    """Wait until renames in `folders` are on the disk, where the system can tell (not on Windows)."""
    if sys.platform == "win32":
        return
    for folder in folders:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _is_harmless(part: str, stored: str) -> bool:
    parts = PurePosixPath(stored).parts
    inside = len(parts) == 4 and parts[0] == _ROOT and ".." not in parts
    return inside and "\\" not in stored and Path(part).name == part and part not in ("", ".", "..")
