"""Where the engine of a database folder can be reached: the files that say so, and who may read them.

The engine that holds the folder's lock writes a small JSON file into the folder: the address, a random id that
proves to callers that they reached the engine of this very folder, and who to name if they cannot. The socket
itself (its path may have 108 bytes at most) and, where loopback TCP is used, the token lie in a folder that only
the user can enter. A folder that cannot be written has its files there too. Any thread; no sockets here.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from VisualDICOMBrowserLib.errors import StorageFault

__all__ = [
    "SOCKET_PATH_LIMIT",
    "EngineAddress",
    "address_file",
    "lock_file",
    "private_folder",
    "private_folders",
    "read_address",
    "remove_address",
    "write_address",
]

SOCKET_PATH_LIMIT = 103
"""Bytes of a socket's path that every system takes (Linux 107, macOS 103)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineAddress:
    """How to reach an engine: ``path`` of a socket, or ``host``, ``port`` and ``token_file`` of loopback TCP."""

    engine_id: str
    pid: int
    computer: str
    path: str = ""
    host: str = ""
    port: int = 0
    token_file: str = ""


def lock_file(folder: Path) -> Path:
    """File whose lock makes one engine the engine of `folder`."""
    return _control_folder(folder) / "visual-dicom-browser.lock"


def address_file(folder: Path) -> Path:
    """File that says where the engine of `folder` is."""
    return _control_folder(folder) / "visual-dicom-browser-engine.json"


def write_address(folder: Path, address: EngineAddress) -> None:
    """Publish an address in one step, so that nobody reads half of it."""
    path = address_file(folder)
    part = path.with_name(f"{path.name}.{address.engine_id}.part")
    try:
        part.write_text(json.dumps(asdict(address)), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        message = f"The engine's address could not be written to {path}: {error.strerror}."
        raise StorageFault(message, subject=str(path)) from error


def read_address(folder: Path) -> EngineAddress | None:
    """Address last published for `folder`, None if there is none that can be read; it may be out of date."""
    try:
        values = json.loads(address_file(folder).read_text(encoding="utf-8"))
        return EngineAddress(**{field.name: values[field.name] for field in fields(EngineAddress)})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remove_address(folder: Path) -> None:
    """Withdraw the address; only the holder of the lock may."""
    with contextlib.suppress(OSError):
        address_file(folder).unlink(missing_ok=True)


def private_folders() -> Iterator[Path]:
    """Folders only this user can enter, the best first; made on the way.

    Raises
    ------
    StorageFault
        None of the places can be made private.
    """
    found = False
    for place in _places():
        with contextlib.suppress(OSError):
            place.mkdir(mode=0o700, exist_ok=True)
            if _is_private(place):
                found = True
                yield place
    if not found:
        message = "There is no folder that only you can enter, which the engine needs for its connections."
        raise StorageFault(message, next_step="Check the permissions of the temporary folder.")


def private_folder() -> Path:
    """The best of `private_folders`."""
    return next(private_folders())


def _places() -> Iterator[Path]:
    name = "visual-dicom-browser"
    if sys.platform == "win32":
        yield Path(os.environ.get("LOCALAPPDATA") or tempfile.gettempdir()) / name
    else:
        if runtime := os.environ.get("XDG_RUNTIME_DIR"):
            yield Path(runtime) / name
        for parent in dict.fromkeys((tempfile.gettempdir(), "/tmp")):
            yield Path(parent) / f"{name}-{os.getuid()}"


def _is_private(folder: Path) -> bool:
    """Whether `folder` is a real folder of this user that no other can enter (Windows: its parent sees to that)."""
    private = True
    if sys.platform != "win32":
        status = folder.lstat()
        private = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077
    return private


def _control_folder(folder: Path) -> Path:
    if os.access(folder, os.W_OK):
        return folder
    place = private_folder() / hashlib.sha256(str(folder.resolve()).encode("utf-8", "replace")).hexdigest()[:32]
    place.mkdir(mode=0o700, exist_ok=True)
    return place
