"""The servers that the user set up, in the user's order.

Kept with the database as one value of `OwnStore`, so that every change is one write. Names are unique, at most one
server is the default, and a proxy that is renamed keeps its role. Entries that this version cannot use (a newer
one wrote them) stay where they are until they are removed. Any thread.
"""

from __future__ import annotations

import itertools
import logging
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.servers.config import ServerConfig

__all__ = ["SecretKeeper", "ServerRegistry", "ValueStore", "free_name"]

logger = logging.getLogger(__name__)

_SECTION = "servers"
_KEY = "list"
_LONGEST_NAME = 64


class ValueStore(Protocol):
    """What the registry needs of `database.own_store.OwnStore`."""

    def get(self, section: str, key: str) -> Any | None:
        """Value under that key, None if there is none."""
        ...

    def put(self, section: str, key: str, value: Any) -> None:
        """Keep a JSON value under that key."""
        ...


class SecretKeeper(Protocol):
    """What the registry needs of `secrets.SecretStore`."""

    def fields(self, server: str) -> Sequence[str]:
        """Names of the secrets of a server."""
        ...

    def copy(self, source: str, target: str) -> None:
        """Give one server the secrets of another."""
        ...

    def forget(self, server: str) -> None:
        """Forget all secrets of a server."""
        ...


@dataclass(frozen=True, slots=True)
class _Entry:
    """A stored server: its fields as stored, and what they make; None with the reason if they are not usable."""

    stored: Any
    config: ServerConfig | None
    problem: str = ""

    @property
    def name(self) -> str:
        if self.config is not None:
            return self.config.name
        return str(self.stored.get("name", "")) if isinstance(self.stored, Mapping) else ""


_Entries = list[_Entry]  # within the class below, ``list`` is a method


class ServerRegistry:
    """Ordered list of `ServerConfig` with unique names.

    Parameters
    ----------
    store : ValueStore
        Where the list is kept.
    secrets : SecretKeeper, optional
        Passwords and tokens, which go with their server when it is renamed, duplicated or removed.
    """

    def __init__(self, store: ValueStore, secrets: SecretKeeper | None = None) -> None:
        self._store = store
        self._secrets = secrets
        self._lock = threading.RLock()
        self._renamed: dict[str, str] = {}

    @property
    def secrets(self) -> SecretKeeper | None:
        """Where the secrets of its servers are kept."""
        return self._secrets

    def list(self) -> list[ServerConfig]:
        """All servers in the user's order; stored entries that are not usable are left out and logged."""
        servers = []
        for entry in self._load():
            if entry.config is None:
                logger.warning("A stored server is not usable: %s", entry.problem)
            else:
                servers.append(entry.config)
        return servers

    def unusable(self) -> dict[str, str]:
        """Stored servers that this version cannot use, by name, each with the reason."""
        return {entry.name: entry.problem for entry in self._load() if entry.config is None}

    def get(self, name: str) -> ServerConfig:
        """The server of that name, or that had it until it was renamed a while ago: work under way still calls it so.

        Raises
        ------
        UsageError
            There is none, or it is not usable.
        """
        entries = self._load()
        entry = entries[_position(entries, self._present_name(name, entries))]
        if entry.config is None:
            raise UsageError(entry.problem, code="server_config", server=name, next_step="Edit or remove it.")
        return entry.config

    def default(self) -> ServerConfig | None:
        """The server that is selected first: the default, else the first that is enabled; None without one."""
        enabled = [config for config in self.list() if config.enabled]
        return next((config for config in enabled if config.default), enabled[0] if enabled else None)

    def add(self, config: ServerConfig) -> ServerConfig:
        """Append a server; secrets that an earlier one of that name left are forgotten.

        Raises
        ------
        UsageError
            The name is taken.
        """
        with self._lock:
            entries = self._load()
            _refuse_taken(entries, config.name)
            if self._secrets is not None:
                self._secrets.forget(config.name)
            self._save([*entries, _entry_of(config)], default=config.name if config.default else "")
        return config

    def edit(self, name: str, /, **changes: Any) -> ServerConfig:
        """Change fields of a server, its name included; it keeps its place, its secrets and its role as a proxy.

        Raises
        ------
        UsageError
            There is no such server or field, a value is not usable, or the new name is taken.
        EnvironmentFault
            Its secrets cannot be read to go along with a new name; nothing was changed.
        """
        with self._lock:
            entries = self._load()
            position = _position(entries, name)
            unknown = sorted(set(changes) - set(ServerConfig.__dataclass_fields__))
            if unknown:
                message = f"A server has no field {', '.join(unknown)}."
                raise UsageError(message, server=name)
            edited = ServerConfig.from_dict({**entries[position].stored, **changes})
            entries[position] = _entry_of(edited)
            if edited.name != name:
                _refuse_taken([*entries[:position], *entries[position + 1 :]], edited.name)
                entries = _with_proxy(entries, name, edited.name)
                if self._secrets is not None:
                    self._secrets.copy(name, edited.name)
                self._renamed[name] = edited.name
            self._save(entries, default=edited.name if edited.default else "")
            if edited.name != name and self._secrets is not None:
                self._secrets.forget(name)
        return edited

    def enable(self, name: str, enabled: bool = True) -> ServerConfig:
        """Let searches go to a server, or not. Raises as `edit`."""
        return self.edit(name, enabled=enabled)

    def remove(self, name: str) -> None:
        """Forget a server and its secrets.

        Raises
        ------
        UsageError
            There is none of that name, or another server fetches through it (code ``server_in_use``).
        """
        with self._lock:
            entries = self._load()
            position = _position(entries, name)
            users = [entry.name for entry in entries if _fetches_through(entry, name)]
            if users:
                message = f"{name} is the proxy of {', '.join(users)}, so it is not removed."
                raise UsageError(
                    message, code="server_in_use", server=name, next_step="Choose another way to retrieve there first."
                )
            del entries[position]
            self._save(_with_proxy(entries, name, ""))
            if self._secrets is not None:
                self._secrets.forget(name)

    def duplicate(self, name: str) -> ServerConfig:
        """Put a copy right behind a server, with its secrets, under its name with the next free number.

        Raises
        ------
        UsageError
            There is no such server, or it is not usable.
        EnvironmentFault
            Its secrets cannot be read; nothing was changed.
        """
        with self._lock:
            config = self.get(name)
            entries = self._load()
            copy = replace(config, name=free_name(name, [entry.name for entry in entries]), default=False)
            entries.insert(_position(entries, name) + 1, _entry_of(copy))
            if self._secrets is not None:
                self._secrets.forget(copy.name)
                self._secrets.copy(name, copy.name)
            self._save(entries)
        return copy

    def move(self, name: str, position: int) -> None:
        """Put a server at that place, 0 for the first; a place beyond the end is the last.

        Raises
        ------
        UsageError
            There is no such server.
        """
        self._move(name, lambda _: position)

    def move_up(self, name: str) -> None:
        """Put a server one place nearer to the first. Raises as `move`."""
        self._move(name, lambda place: place - 1)

    def move_down(self, name: str) -> None:
        """Put a server one place nearer to the last. Raises as `move`."""
        self._move(name, lambda place: place + 1)

    def set_default(self, name: str) -> ServerConfig:
        """Make a server the only default. Raises as `edit`."""
        return self.edit(name, default=True)

    def _present_name(self, name: str, entries: _Entries) -> str:
        """What a server is called now; `name` itself if there is one of that name."""
        names = {entry.name for entry in entries}
        tried = {name}
        with self._lock:
            while name not in names and (later := self._renamed.get(name)) is not None and later not in tried:
                name = later
                tried.add(name)
        return name

    def _move(self, name: str, target: Callable[[int], int]) -> None:
        with self._lock:
            entries = self._load()
            place = _position(entries, name)
            entry = entries.pop(place)
            entries.insert(max(0, min(target(place), len(entries))), entry)
            self._save(entries)

    def _load(self) -> _Entries:
        stored = self._store.get(_SECTION, _KEY)
        return [_read(item) for item in stored] if isinstance(stored, (list, tuple)) else []

    def _save(self, entries: Sequence[_Entry], default: str = "") -> None:
        """Keep the list; `default` names the server that is from now on the only default."""
        if default:
            entries = [_only_default(entry, default) for entry in entries]
        kept = [entry.stored for entry in entries if isinstance(entry.stored, Mapping)]
        self._store.put(_SECTION, _KEY, kept)


def free_name(name: str, taken: Sequence[str]) -> str:
    """`name`, or else with the first free number: ``PACS`` becomes ``PACS 2``, and that ``PACS 3``."""
    if name not in taken:
        return name
    numbered = re.fullmatch(r"(.*\S) (\d{1,6})", name)
    base, number = (numbered[1], int(numbered[2])) if numbered else (name, 1)
    endings = (f" {following}" for following in itertools.count(number + 1))
    candidates = (base[: _LONGEST_NAME - len(ending)].rstrip() + ending for ending in endings)
    return next(candidate for candidate in candidates if candidate not in taken)


def _read(stored: Any) -> _Entry:
    try:
        return _Entry(stored, ServerConfig.from_dict(stored))
    except UsageError as fault:
        return _Entry(stored, None, fault.message)


def _entry_of(config: ServerConfig) -> _Entry:
    return _Entry(config.to_dict(), config)


def _only_default(entry: _Entry, name: str) -> _Entry:
    if entry.config is None or entry.config.default == (entry.name == name):
        return entry
    return _entry_of(replace(entry.config, default=entry.name == name))


def _fetches_through(entry: _Entry, proxy: str) -> bool:
    config = entry.config
    return config is not None and config.proxy == proxy and config.retrieve_protocol == "proxy"


def _with_proxy(entries: Sequence[_Entry], old: str, new: str) -> list[_Entry]:
    """`entries` where the proxy named `old` is named `new`."""
    return [
        _entry_of(replace(entry.config, proxy=new)) if entry.config is not None and entry.config.proxy == old else entry
        for entry in entries
    ]


def _position(entries: Sequence[_Entry], name: str) -> int:
    for position, entry in enumerate(entries):
        if name and entry.name == name:
            return position
    known = ", ".join(entry.name for entry in entries if entry.config is not None)
    next_step = f"Known servers: {known}." if known else "Add it first."
    message = f"There is no server {name!r}."
    raise UsageError(message, code="unknown_server", server=name, next_step=next_step)


def _refuse_taken(entries: Sequence[_Entry], name: str) -> None:
    if any(entry.name == name for entry in entries):
        message = f"There is a server {name!r} already."
        raise UsageError(message, code="server_exists", server=name, next_step="Choose another name.")
