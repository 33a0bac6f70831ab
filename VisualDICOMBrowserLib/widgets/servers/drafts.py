"""What of a changed form can be saved now, while other fields of it cannot. Pure functions; no Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from VisualDICOMBrowserLib.servers.config import ServerConfig

__all__ = ["changes_to_save", "free_name", "new_server"]

# A choice that makes other fields needed waits until those are usable.
_NEEDS = {
    "protocol": ("host", "called_ae_title", "url", "folder", "proxy", "user", "client_id", "token_url", "device_url"),
    "retrieve_protocol": ("proxy",),
    "auth": ("user", "client_id", "token_url", "device_url"),
    "tls_key_file": ("tls_certificate_file",),
    "date_from": ("date_to",),
    "name": ("proxy",),
}


def new_server(protocol: str, name: str) -> dict[str, Any]:
    """Values of a server that is not in the list yet."""
    values: dict[str, Any] = {}
    for field in fields(ServerConfig):
        if field.default is not MISSING:
            values[field.name] = field.default
        elif field.default_factory is not MISSING:
            values[field.name] = field.default_factory()
    return {**values, "name": name, "protocol": protocol}


def changes_to_save(
    stored: Mapping[str, Any], values: Mapping[str, Any], problems: Mapping[str, str]
) -> dict[str, Any]:
    """The fields of `values` that differ from `stored` and can be saved although `problems` remain."""
    changed = {name: value for name, value in values.items() if name in stored and value != stored[name]}
    return {
        name: value
        for name, value in changed.items()
        if name not in problems and not any(need in problems for need in _NEEDS.get(name, ()))
    }


def free_name(wanted: str, taken: list[str]) -> str:
    """`wanted`, with a number behind it if it is taken."""
    number, name = 2, wanted
    while name in taken:
        name, number = f"{wanted} {number}", number + 1
    return name
