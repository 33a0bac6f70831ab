"""The servers that the user set up, in the user's order.

Kept with the database as one value of `OwnStore`, so that every change is one write. Any thread.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any, Protocol

from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.servers.config import ServerConfig

__all__ = ["ServerRegistry", "ValueStore"]

logger = logging.getLogger(__name__)

_SECTION = "servers"
_KEY = "list"


class ValueStore(Protocol):
    """What the registry needs of `database.own_store.OwnStore`."""

    def get(self, section: str, key: str) -> Any | None:
        """Value under that key, None if there is none."""
        ...

    def put(self, section: str, key: str, value: Any) -> None:
        """Keep a JSON value under that key."""
        ...


class ServerRegistry:
    """Ordered list of `ServerConfig` with unique names.

    Parameters
    ----------
    store : ValueStore
        Where the list is kept.
    """

    def __init__(self, store: ValueStore) -> None:
        self._store = store
        self._lock = threading.Lock()

    def list(self) -> list[ServerConfig]:
        """All servers in the user's order; stored entries that are not usable are left out and logged."""
        servers = []
        for entry in self._store.get(_SECTION, _KEY) or ():
            try:
                servers.append(ServerConfig.from_dict(entry))
            except (UsageError, TypeError, AttributeError) as fault:
                logger.warning("A stored server is not usable: %s", fault)
        return servers

    def get(self, name: str) -> ServerConfig:
        """The server of that name.

        Raises
        ------
        UsageError
            There is none.
        """
        servers = self.list()
        return servers[_position(servers, name)]

    def add(self, config: ServerConfig) -> ServerConfig:
        """Append a server.

        Raises
        ------
        UsageError
            The name is taken.
        """
        with self._lock:
            servers = self.list()
            _refuse_taken(servers, config.name)
            self._save([*servers, config])
        return config

    def edit(self, name: str, /, **changes: Any) -> ServerConfig:
        """Change fields of a server, its name included; it keeps its place.

        Raises
        ------
        UsageError
            There is no such server or field, a value is not usable, or the new name is taken.
        """
        with self._lock:
            servers = self.list()
            position = _position(servers, name)
            values = servers[position].to_dict()
            unknown = sorted(set(changes) - set(values))
            if unknown:
                message = f"A server has no field {', '.join(unknown)}."
                raise UsageError(message, server=name)
            edited = ServerConfig.from_dict({**values, **changes})
            if edited.name != name:
                _refuse_taken(servers, edited.name)
            servers[position] = edited
            self._save(servers)
        return edited

    def remove(self, name: str) -> None:
        """Forget a server.

        Raises
        ------
        UsageError
            There is none of that name.
        """
        with self._lock:
            servers = self.list()
            del servers[_position(servers, name)]
            self._save(servers)

    def _save(self, servers: Sequence[ServerConfig]) -> None:
        self._store.put(_SECTION, _KEY, [config.to_dict() for config in servers])


def _position(servers: Sequence[ServerConfig], name: str) -> int:
    for position, config in enumerate(servers):
        if config.name == name:
            return position
    known = ", ".join(config.name for config in servers)
    next_step = f"Known servers: {known}." if known else "Add it first."
    message = f"There is no server {name!r}."
    raise UsageError(message, code="unknown_server", server=name, next_step=next_step)


def _refuse_taken(servers: Sequence[ServerConfig], name: str) -> None:
    if any(config.name == name for config in servers):
        message = f"There is a server {name!r} already."
        raise UsageError(message, code="server_exists", server=name, next_step="Choose another name.")
