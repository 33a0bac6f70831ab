"""Commands on the list of servers, their secrets and their diagnosis; see ``commands`` for the rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.engine.arguments import known_fields
from VisualDICOMBrowserLib.engine.desk import EngineDesk
from VisualDICOMBrowserLib.engine.server_memory import forget_server, rename_server
from VisualDICOMBrowserLib.errors import StorageFault, UsageError
from VisualDICOMBrowserLib.jobs.job import Priority
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.config_checks import config_problems

__all__ = ["ServerCommands"]


class ServerCommands:
    """What is asked of the list of servers."""

    def __init__(self, desk: EngineDesk) -> None:
        self._parts = desk.parts
        self._queue = desk.queue
        self._desk = desk

    def servers(self) -> list[dict[str, Any]]:
        """Settings of all servers, in their order; ``secrets`` names which secrets are kept, never what they are."""
        return [
            {**config.to_dict(), "secrets": sorted(self._parts.secrets.fields(config.name))}
            for config in self._parts.servers.list()
        ]

    def check_server(self, **fields: Any) -> dict[str, str]:
        """One sentence for each field that is not usable, by field; nothing is changed."""
        return config_problems(fields)

    def add_server(self, **fields: Any) -> dict[str, Any]:
        """Add a server; returns its settings with defaults filled in."""
        added = self._parts.servers.add(ServerConfig.from_dict(known_fields(fields))).to_dict()
        self._desk.servers_changed()
        return added

    def edit_server(self, name: str, **changes: Any) -> dict[str, Any]:
        """Change some settings of a server; ``new_name`` renames it."""
        new_name = changes.pop("new_name", name)
        edited = self._parts.servers.edit(name, **{**changes, "name": new_name}).to_dict()
        if new_name != name:
            rename_server(self._desk, name, new_name)
        self._desk.servers_changed()
        return edited

    def remove_server(self, name: str) -> None:
        """Forget a server and its secrets."""
        self._parts.servers.remove(name)
        forget_server(self._desk, name)
        self._desk.servers_changed()

    def duplicate_server(self, name: str) -> dict[str, Any]:
        """Add a copy of a server, its secrets included, under its name with a number."""
        copy = self._parts.servers.duplicate(name)
        self._desk.servers_changed()
        return copy.to_dict()

    def move_server(self, name: str, position: int) -> list[str]:
        """Put a server at that place of the list, 0 for the first; returns the names in their order."""
        self._parts.servers.move(name, position)
        self._desk.servers_changed()
        return [config.name for config in self._parts.servers.list()]

    def set_default_server(self, name: str) -> None:
        """Make a server the one that is selected first."""
        self._parts.servers.set_default(name)
        self._desk.servers_changed()

    def set_secret(self, server: str, field: str, value: str) -> str:
        """Keep a password or token of a server, or forget it if empty; returns where secrets are kept."""
        self._parts.servers.get(server)
        self._parts.secrets.put(server, field, value)
        return self._parts.secrets.where

    def export_servers(self, path: str = "") -> dict[str, Any]:
        """The list of servers without secrets, also written to a file if `path` is given."""
        from VisualDICOMBrowserLib.servers.server_lists import export_list

        return export_list(self._parts.servers, Path(path) if path else None)

    def import_servers(
        self, path: str = "", document: dict[str, Any] | None = None, on_clash: str = "rename"
    ) -> dict[str, Any]:
        """Take over a list that `export_servers` wrote; tells what was added, replaced, skipped or not usable."""
        from VisualDICOMBrowserLib.servers.server_lists import import_list

        report = import_list(document if document is not None else _document(path), self._parts.servers, on_clash)
        self._desk.servers_changed()
        return report.as_dict()

    def import_ctk_servers(self, path: str) -> dict[str, Any]:
        """Take over the servers of Slicer's DICOM settings (its INI file); see `import_servers` for the answer."""
        from VisualDICOMBrowserLib.servers.ctk_servers import read_ctk_settings
        from VisualDICOMBrowserLib.servers.server_lists import add_configs

        found = read_ctk_settings(Path(path))
        report = add_configs(found.servers, self._parts.servers, "rename")
        self._desk.servers_changed()
        answer = report.as_dict()
        return {
            **answer,
            "invalid": [*answer["invalid"], *found.invalid],
            "notes": [*found.notes, *answer["notes"]],
            "storage": found.storage,
        }

    def echo_server(self, name: str) -> str:
        """Ask only whether a server answers; returns the job's id."""
        self._parts.servers.get(name)
        return self._queue.submit("echo", {}, server=name, priority=Priority.HIGH, label="Echo")

    def test_server(self, name: str, store: bool = False) -> str:
        """Walk through everything that can be wrong with a server; returns the id of the job with the diagnosis.

        With `store`, a small test image is sent too, which may stay there.
        """
        self._parts.servers.get(name)
        parameters = {"store": True} if store else {}
        return self._queue.submit("test", parameters, server=name, priority=Priority.HIGH, label="Test")


def _document(path: str) -> dict[str, Any]:
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as fault:
        message = f"{path} cannot be read: {fault.strerror or fault}."
        raise StorageFault(message, subject=path) from fault
    except ValueError as fault:
        message = f"{path} is not a list of servers."
        raise UsageError(message, subject=path, next_step="Export a list to see what one looks like.") from fault
    if not isinstance(document, dict):
        message = f"{path} is not a list of servers."
        raise UsageError(message, subject=path)
    return document
