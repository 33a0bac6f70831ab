"""Takes over the servers that CTK's widgets keep in Slicer's settings (``Slicer.ini``).

Three forms are read: JSON under ``DICOM/ServerNodes`` (``ctkDICOMServerNodeWidget2`` today), a map in its place (its
first version), and ``ServerNodes`` (``ctkDICOMServerNodeWidget``). Nothing is written. Any thread.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.qt_settings import read_qt_settings

__all__ = ["CtkServers", "read_ctk_settings", "slicer_settings_files"]

_PRESET_HOSTS = ("dicom.example.com", "dicomserver.co.uk", "www.dicomserver.co.uk")
_MOST_SERVERS = 1000
_LONGEST_TIMEOUT_S = 3600.0


@dataclass(slots=True)
class CtkServers:
    """What was found.

    ``servers`` in CTK's order; ``storage`` is the listener's ``ae_title``, ``port`` and ``enabled``, None if nothing
    was set; ``invalid`` has one sentence for each row that cannot be taken over, ``notes`` what the user should know.
    """

    servers: tuple[ServerConfig, ...] = ()
    storage: dict[str, Any] | None = None
    invalid: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain fields, for the wire and for ``--json``."""
        return {
            "servers": [config.to_dict() for config in self.servers],
            "storage": self.storage,
            "invalid": list(self.invalid),
            "notes": list(self.notes),
        }


@dataclass(slots=True)
class _Found:
    servers: list[ServerConfig] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def slicer_settings_files() -> list[Path]:
    """Files of Slicer's settings on this computer, the latest changed first."""
    if sys.platform == "win32":
        root = Path(os.environ.get("APPDATA") or Path.home())
    else:
        root = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    folders = ("slicer.org", "www.slicer.org", "NA-MIC", "www.na-mic.org")
    found = [path for folder in folders for path in (root / folder).glob("Slicer*.ini")]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def read_ctk_settings(path: Path) -> CtkServers:
    """Servers and listener of a file of Slicer's settings.

    Raises
    ------
    StorageFault
        The file cannot be read.
    UsageError
        It holds no server settings (code ``no_servers``).
    """
    values = read_qt_settings(path)
    found = _Found()
    calling = _text(values.get("CallingAETitle"))
    for key in ("DICOM/ServerNodes", "ServerNodes"):
        for number, node in _nodes(values, key):
            _take(number, node, calling, found)
    storage = _storage(values)
    if storage is None and not (found.servers or found.invalid or found.notes):
        message = f"{path.name} holds no settings of DICOM servers."
        raise UsageError(message, code="no_servers", subject=str(path), next_step="Choose the file Slicer.ini.")
    _note_move(found, storage)
    return CtkServers(_with_proxies(found), storage, tuple(found.invalid), tuple(found.notes))


def _nodes(values: Mapping[str, Any], key: str) -> list[tuple[int, Any]]:
    """Rows under `key` with their number from 1; a count without rows gives nothing."""
    count = min(_number(values.get(f"{key.removesuffix('s')}Count")) or 0, _MOST_SERVERS)
    rows = [(row + 1, values.get(f"{key}/{row}")) for row in range(count)]
    return [(number, _node(value)) for number, value in rows if value is not None]


def _node(value: Any) -> Any:
    """The map that a row holds; anything else as it is."""
    if isinstance(value, (bytes, str)):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _take(number: int, node: Any, calling: str, found: _Found) -> None:
    label = f"Server {number} of Slicer's settings"
    if not isinstance(node, Mapping):
        found.invalid.append(f"{label} cannot be read.")
        return
    if not {"Name", "Address", "Port"} <= set(node):
        # CTK names the fields as its table heads them, in the language that Slicer ran in.
        found.invalid.append(f"{label} was saved with Slicer in another language; add it by hand.")
        return
    name = _text(node["Name"])
    if _text(node["Address"]).lower() in _PRESET_HOSTS:
        found.notes.append(f"{name} is one of CTK's public examples and was left out.")
        return
    try:
        config = ServerConfig.from_dict(_fields(node, calling))
    except UsageError as fault:
        found.invalid.append(f"{label} ({name}): {fault.message}")
        return
    if any(_address(config) == _address(other) for other in found.servers):
        found.notes.append(f"{name} is set up twice in Slicer and was taken once.")
    else:
        found.servers.append(config)


def _fields(node: Mapping[str, Any], calling: str) -> dict[str, Any]:
    """Fields of a `ServerConfig` from a row of either widget."""
    fields = {
        "name": _text(node["Name"]),
        "host": _text(node["Address"]),
        "port": _number(node["Port"]),
        "called_ae_title": _text(node.get("Called AETitle", node.get("AETitle"))),
        "calling_ae_title": _text(node.get("Calling AETitle", calling)),
    }
    if "QueryRetrieveCheckState" not in node:
        asked = _ticked(node.get("CheckState"))
        protocol = "C-GET" if _ticked(node.get("CGET")) else "C-MOVE"
        return {**fields, "enabled": asked, "retrieve_protocol": protocol}
    asked = _ticked(node["QueryRetrieveCheckState"])
    proxy = _text(node.get("Retrieve Proxy", node.get("Proxy")))
    protocol = "C-MOVE" if _text(node.get("Retrieve Protocol")).replace("-", "") == "CMOVE" else "C-GET"
    return {
        **fields,
        "enabled": asked,
        "retrieve_enabled": asked,
        "store_enabled": _ticked(node.get("StorageCheckState")),
        "trusted": _ticked(node.get("TrustedCheckState")),
        "timeout_s": min(float(_number(node.get("Timeout")) or 10), _LONGEST_TIMEOUT_S),
        "retrieve_protocol": "proxy" if proxy else protocol,
        "proxy": proxy,
    }


def _with_proxies(found: _Found) -> tuple[ServerConfig, ...]:
    """As CTK does: a server that another one fetches through is not searched itself."""
    proxies = {config.proxy: config.name for config in found.servers if config.enabled and config.proxy}
    names = {config.name for config in found.servers}
    for proxy in sorted(set(proxies) & names):
        found.notes.append(f"{proxy} is the proxy of {proxies[proxy]}, so searches do not go to it.")
    for proxy in sorted(set(proxies) - names):
        found.notes.append(f"{proxies[proxy]} fetches through {proxy}, which was not taken over.")
    return tuple(replace(config, enabled=False) if config.name in proxies else config for config in found.servers)


def _note_move(found: _Found, storage: Mapping[str, Any] | None) -> None:
    if storage and any(config.retrieve_protocol == "C-MOVE" for config in found.servers):
        found.notes.append(
            f"Servers that fetch by C-MOVE know this computer as {storage['ae_title']}, port {storage['port']}; "
            "our listener must use the same."
        )


def _storage(values: Mapping[str, Any]) -> dict[str, Any] | None:
    for prefix in ("DICOM/", ""):
        title = _text(values.get(f"{prefix}StorageAETitle"))
        port = _number(values.get(f"{prefix}StoragePort"))
        if title and port:
            return {"ae_title": title, "port": port, "enabled": _ticked(values.get(f"{prefix}StorageEnabled"))}
    return None


def _address(config: ServerConfig) -> tuple[str, int, str]:
    return config.host.lower(), config.port, config.called_ae_title


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    return str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def _number(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = _text(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 9 else None


def _ticked(value: Any) -> bool:
    """A check state of Qt (0 is off, 1 half, 2 on) or a plain yes."""
    return value is True or _text(value).lower() in ("1", "2", "true")
