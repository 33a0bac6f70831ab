"""The file beside the key store: which secrets there are, and those that no key store takes.

JSON that only the user can read (0600 in a folder of 0700), one file per scope, replaced as a whole. A file
that others could read or change is not used before it is mended. Values of None lie in the key store.
Reads the file at every call, so that several processes see the same. Any thread.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from VisualDICOMBrowserLib.errors import EnvironmentFault, StorageFault

__all__ = ["SecretFile"]

_FORMAT = "visual-dicom-browser-secrets"
_FOREIGN_BITS = stat.S_IRWXG | stat.S_IRWXO
_FOREIGN_WRITE = stat.S_IWGRP | stat.S_IWOTH
_LARGEST = 16 * 1024 * 1024

_Entries = dict[str, dict[str, str | None]]


class SecretFile:
    """Secrets of one scope.

    Parameters
    ----------
    folder : Path
        Where the file lies; made when the first secret is kept.
    scope : str
        What the file is for; only a hash of it becomes part of the name.
    """

    def __init__(self, folder: Path, scope: str) -> None:
        digest = hashlib.sha256(scope.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self.path = folder / f"secrets-{digest}.json"
        self._lock = threading.Lock()

    def entries(self, server: str) -> dict[str, str | None]:
        """Secrets of a server by field; None for one that lies in the key store.

        Raises
        ------
        EnvironmentFault
            The file is damaged, or others can read it (code ``secret_file``).
        StorageFault
            It cannot be read.
        """
        with self._lock:
            return self._read().get(server, {})

    def put(self, server: str, field: str, value: str | None) -> None:
        """Keep a value, or None for one in the key store. Raises as `entries`."""
        with self._lock:
            servers = self._read()
            servers.setdefault(server, {})[field] = value
            self._write(servers)

    def remove(self, server: str, field: str) -> None:
        """Forget a value. Raises as `entries`."""
        with self._lock:
            servers = self._read()
            if field in servers.get(server, {}):
                del servers[server][field]
                self._write({name: fields for name, fields in servers.items() if fields})

    def mend(self) -> None:
        """Close file and folder to others, if they belong to this user.

        Raises
        ------
        EnvironmentFault
            They belong to somebody else, or the file is a link.
        """
        if _has_modes():
            for path, mode in ((self.path.parent, 0o700), (self.path, 0o600)):
                with contextlib.suppress(FileNotFoundError), _told(self.path):
                    status = path.lstat()
                    if stat.S_ISLNK(status.st_mode) or status.st_uid != _own_id():
                        raise _foreign(self.path)
                    path.chmod(mode)

    def _read(self) -> _Entries:
        with _told(self.path):
            try:
                # Not through a link that somebody else may have laid.
                descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
            except FileNotFoundError:
                return {}
            with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
                self._refuse_open_to_others(os.fstat(file.fileno()))
                content = file.read(_LARGEST)
        return self._parsed(content)

    def _refuse_open_to_others(self, status: os.stat_result) -> None:
        if not _has_modes():
            return
        folder = self.path.parent.stat()
        if status.st_uid != _own_id() or folder.st_uid not in (_own_id(), 0):
            raise _foreign(self.path)
        if status.st_mode & _FOREIGN_BITS or folder.st_mode & _FOREIGN_WRITE:
            message = f"The passwords in {self.path} are not used, because other users can read or change that file."
            raise EnvironmentFault(
                message,
                code="secret_file",
                subject=str(self.path),
                next_step="Let this program close it to others, and consider changing the passwords.",
            )

    def _parsed(self, content: bytes) -> _Entries:
        try:
            document = json.loads(content)
            servers = document["servers"]
            if document[_FORMAT] == 1 and all(
                _is_field(*item) for fields in servers.values() for item in fields.items()
            ):
                return {str(name): dict(fields) for name, fields in servers.items()}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            pass
        message = f"The file of passwords {self.path} is damaged or of a newer version, so it is not used."
        raise EnvironmentFault(
            message,
            code="secret_file",
            subject=str(self.path),
            next_step="Move it away, then enter the passwords again.",
        )

    def _write(self, servers: _Entries) -> None:
        text = json.dumps({_FORMAT: 1, "servers": servers}, indent=1, ensure_ascii=True)
        part = self.path.with_name(f"{self.path.name}.{secrets.token_hex(4)}.part")
        with _told(self.path):
            _make_folder(self.path.parent)
            try:
                descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123 - a descriptor, not a path
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(self.path)
            finally:
                part.unlink(missing_ok=True)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn an OSError into a sentence that names the file, never its content."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as fault:
        message = f"The file of passwords {path} cannot be used: {fault.strerror or fault}."
        raise StorageFault(message, subject=str(path), next_step="Check its folder and disk.") from fault


def _make_folder(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)


def _is_field(name: object, value: object) -> bool:
    return isinstance(name, str) and (value is None or isinstance(value, str))


def _has_modes() -> bool:
    """Whether the system keeps files apart by owner and mode; on Windows the user's folder does it."""
    return sys.platform != "win32"


def _own_id() -> int:
    get_id: Callable[[], int] | None = getattr(os, "getuid", None)
    return get_id() if get_id is not None else 0


def _foreign(path: Path) -> EnvironmentFault:
    message = f"The passwords in {path} are not used, because that file belongs to another user."
    return EnvironmentFault(
        message, code="secret_file", subject=str(path), next_step="Ask the administrator of this computer."
    )
