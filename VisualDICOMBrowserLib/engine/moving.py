"""Moves a database to another folder: ``python -m VisualDICOMBrowserLib.engine.moving FROM TO``.

A program of its own, because it takes long and no engine may work on the database meanwhile: it holds the engine's
lock. On one disk the files are renamed, else they are copied and removed when all of them have arrived.
"""

from __future__ import annotations

import errno
import shutil
import sys
from pathlib import Path

from VisualDICOMBrowserLib.database.paths import DATABASE_FILE
from VisualDICOMBrowserLib.engine.address import lock_file
from VisualDICOMBrowserLib.engine.lock import take_engine_lock
from VisualDICOMBrowserLib.errors import StorageFault, UsageError, VisualDICOMError

__all__ = ["move_database"]


def move_database(source: Path, target: Path) -> None:
    """Move everything in the folder `source` to the folder `target`, which is empty or made.

    Raises
    ------
    UsageError
        There is no database to move, or the target cannot take it.
    StorageFault
        Another program works on it, or not everything could be moved; what the source held is then still there.
    """
    source, target = source.resolve(), target.resolve()
    if not (source / DATABASE_FILE).is_file():
        message = f"There is no database in {source}."
        raise UsageError(message, subject=str(source))
    if target == source or source in target.parents:
        message = f"{target} lies within the database itself."
        raise UsageError(message, subject=str(target), next_step="Choose another folder.")
    target.mkdir(parents=True, exist_ok=True)
    if any(target.iterdir()):
        message = f"{target} is not empty."
        raise UsageError(message, subject=str(target), next_step="Choose an empty folder.")
    lock = take_engine_lock(lock_file(source))
    if lock is None:
        message = f"Another program works on the database in {source}."
        raise StorageFault(message, subject=str(source), next_step="Close it there and try again.")
    try:
        _move(source, target, lock_file(source))
    except OSError as fault:
        message = f"The database could not be moved: {fault.strerror or fault}."
        raise StorageFault(message, subject=str(fault.filename or target)) from fault
    finally:
        lock.release()


def _move(source: Path, target: Path, lock: Path) -> None:
    entries = [path for path in source.iterdir() if path != lock]
    moved: list[Path] = []
    try:
        for path in entries:
            path.rename(target / path.name)
            moved.append(path)
    except OSError as fault:
        for path in reversed(moved):
            (target / path.name).rename(path)
        if fault.errno != errno.EXDEV:
            raise
        _copy(entries, target)


def _copy(entries: list[Path], target: Path) -> None:
    """To another disk: nothing is removed from here before all of it is there."""
    try:
        for path in entries:
            if path.is_dir() and not path.is_symlink():
                shutil.copytree(path, target / path.name, symlinks=True)
            else:
                shutil.copy2(path, target / path.name, follow_symlinks=False)
    except (OSError, shutil.Error) as fault:
        for path in target.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        if isinstance(fault, OSError) and fault.errno:
            raise
        message = "Not every file could be copied"
        raise OSError(errno.EIO, message, str(target)) from fault
    for path in entries:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _main() -> int:
    try:
        move_database(Path(sys.argv[1]), Path(sys.argv[2]))
    except VisualDICOMError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
