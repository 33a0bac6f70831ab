"""Passwords and tokens of servers: in the system's key store, else in a file that only the user can read.

The key store is reached through ``keyring``, imported at first use and not required. Which secrets a server has
stands in our own file (``secret_file``), so that they can be listed without being read; there also lie those
that no key store takes. Nothing here is ever written to a log, an error or a ``repr``. Any thread.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from VisualDICOMBrowserLib.errors import EnvironmentFault, UsageError
from VisualDICOMBrowserLib.servers.secret_file import SecretFile

__all__ = ["IN_FILE", "IN_KEY_STORE", "SECRET_FIELDS", "SERVICE", "SecretStore", "configuration_folder"]

SERVICE = "visual-dicom-browser"
IN_KEY_STORE = "system key store"
IN_FILE = "file"
SECRET_FIELDS = (
    "password",
    "token",
    "refresh_token",
    "client_secret",
    "rest_password",
    "key_password",
    "notify_token",
)
"""The secrets a server may have; besides them, ``header:NAME`` is the value of an HTTP header."""

_LONGEST = 64 * 1024
# Windows keeps at most 2,560 bytes of UTF-16 under one name.
_LONGEST_IN_KEY_STORE = 1200
# Back ends below it keep plain files or ask on the terminal.
_RECOMMENDED_PRIORITY = 1

_T = TypeVar("_T")


class SecretStore:
    """Secrets by server and field.

    Parameters
    ----------
    scope : str
        Keeps equally named servers of different databases apart.
    folder : Path, optional
        Where our own file lies; without it the user's configuration folder. The environment variable
        ``VISUAL_DICOM_SECRETS=file`` keeps the key store out of it, for containers.
    """

    def __init__(self, scope: str, folder: Path | None = None) -> None:
        self._scope = scope
        self._file = SecretFile(folder or configuration_folder(), scope)
        self._lock = threading.RLock()
        self._refused = False

    def __repr__(self) -> str:
        return f"SecretStore({self._scope!r})"

    @property
    def where(self) -> str:
        """Where the next secret goes: ``system key store`` or ``file``."""
        return IN_FILE if self._refused or self._key_store() is None else IN_KEY_STORE

    @property
    def path(self) -> Path:
        """Our own file."""
        return self._file.path

    def get(self, server: str) -> dict[str, str]:
        """Secrets of a server by field; empty if it has none.

        Raises
        ------
        EnvironmentFault
            The key store is locked or fails (code ``key_store``), or our own file is damaged, or others can
            read it (code ``secret_file``).
        """
        with self._lock:
            kept = self._file.entries(server)
            values = {field: self._value(server, field, value) for field, value in kept.items()}
        return {field: value for field, value in values.items() if value}

    def fields(self, server: str) -> tuple[str, ...]:
        """Names of the secrets that a server has; their values are not read. Raises as `get`."""
        return tuple(sorted(self._file.entries(server)))

    def put(self, server: str, field: str, value: str) -> None:
        """Keep one secret; an empty value forgets it. What the key store does not take goes to our own file.

        Raises
        ------
        UsageError
            There is no such secret, or the value is not one line of text.
        EnvironmentFault
            Our own file cannot be used; raises as `get`.
        """
        _check(server, field, value)
        with self._lock:
            self._file.entries(server)  # nothing goes to the key store that our file could not name
            if not value:
                self._forget(server, field)
            elif self._put_in_key_store(server, field, value):
                self._file.put(server, field, None)
            else:
                self._file.put(server, field, value)

    def copy(self, source: str, target: str) -> None:
        """Give one server the secrets of another, beside those it has. Raises as `get` and `put`."""
        with self._lock:
            for field, value in self.get(source).items():
                self.put(target, field, value)

    def rename(self, old: str, new: str) -> None:
        """Move the secrets of a server to its new name. Raises as `get` and `put`."""
        if old != new:
            with self._lock:
                self.copy(old, new)
                self.forget(old)

    def forget(self, server: str) -> None:
        """Forget all secrets of a server. Raises as `get`."""
        with self._lock:
            for field in self.fields(server):
                self._forget(server, field)

    def mend(self) -> None:
        """Close our own file and its folder to others, if they belong to this user.

        Raises
        ------
        EnvironmentFault
            They belong to somebody else.
        """
        self._file.mend()

    def _value(self, server: str, field: str, kept: str | None) -> str:
        if kept is not None:
            return kept
        store = self._key_store()
        if store is None:
            message = f"The {_words(field)} of {server} is kept in the system's key store, which is not there now."
            raise _key_store_fault(message, server, "Start the key store, or enter it again.")
        account = self._account(server, field)
        return _guarded(lambda: store.get_password(SERVICE, account), server, f"The {_words(field)}") or ""

    def _put_in_key_store(self, server: str, field: str, value: str) -> bool:
        """Whether the key store has taken it; the entry of before is gone if not."""
        store = self._key_store()
        if store is None or self._refused:
            return False
        account = self._account(server, field)
        if len(value) <= _LONGEST_IN_KEY_STORE:
            try:
                _guarded(lambda: store.set_password(SERVICE, account, value), server, "The secret")
            except EnvironmentFault:
                self._refused = True
            else:
                return True
        self._drop_from_key_store(server, field)
        return False

    def _forget(self, server: str, field: str) -> None:
        if self._file.entries(server).get(field, "") is None:
            self._drop_from_key_store(server, field)
        self._file.remove(server, field)

    def _drop_from_key_store(self, server: str, field: str) -> None:
        store = self._key_store()
        account = self._account(server, field)
        if store is None:
            return
        try:
            if _guarded(lambda: store.get_password(SERVICE, account), server, "The secret") is not None:
                _guarded(lambda: store.delete_password(SERVICE, account), server, "The secret")
        except EnvironmentFault:
            # A locked store keeps its entry; our list no longer names it, so it is never used again.
            self._refused = True

    def _account(self, server: str, field: str) -> str:
        # A slash within a name must not make two servers one.
        return f"{quote(self._scope, ' ')}/{quote(server, ' ')}/{field}"

    @staticmethod
    def _key_store() -> Any | None:
        """The key store's back end, None without one that can be used."""
        if os.environ.get("VISUAL_DICOM_SECRETS", "") == IN_FILE:
            return None
        try:
            import keyring
        except ImportError:
            return None
        try:
            backend = keyring.get_keyring()
            usable = float(backend.priority) >= _RECOMMENDED_PRIORITY
        except Exception:  # noqa: BLE001 - back ends look for services and raise what these raise
            return None
        return backend if usable else None


def configuration_folder() -> Path:
    """The folder of this user's settings of this program, by the custom of the system."""
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming") / SERVICE
    configured = os.environ.get("XDG_CONFIG_HOME", "")
    # A relative path is not valid there (XDG Base Directory Specification).
    return (Path(configured) if configured.startswith("/") else Path.home() / ".config") / SERVICE


def _check(server: str, field: str, value: object) -> None:
    name = field.removeprefix("header:")
    known = field in SECRET_FIELDS or (field != name and name.replace("-", "").replace("_", "").isalnum())
    if not known or not field.isascii():
        message = f"A server has no secret {field!r}."
        next_step = f"There are {', '.join(SECRET_FIELDS)} and header:NAME."
        raise UsageError(message, server=server, next_step=next_step)
    if not server:
        message = "The server of the secret is missing."
        raise UsageError(message)
    if not isinstance(value, str) or len(value) > _LONGEST or (value and not value.isprintable()):
        message = f"The {_words(field)} of {server} must be one line of text."
        raise UsageError(message, server=server)


def _words(field: str) -> str:
    return field.replace("_", " ").replace("header:", "header ")


def _guarded(action: Callable[[], _T], server: str, what: str) -> _T:
    """Result of a call of the key store; what it raises becomes one sentence."""
    try:
        return action()
    except Exception as fault:
        message = f"{what} of {server} cannot be read: the system's key store is locked or does not answer."
        raise _key_store_fault(message, server, "Unlock it, then try again.") from fault


def _key_store_fault(message: str, server: str, next_step: str) -> EnvironmentFault:
    return EnvironmentFault(message, code="key_store", server=server, next_step=next_step)
