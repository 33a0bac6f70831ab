"""Lists of servers as documents: export without secrets, and import that takes what is usable.

A document is JSON: ``{"visual-dicom-browser-servers": 1, "servers": [...]}`` with the fields of `ServerConfig`. Paths
of TLS files go along as text. Any thread.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.errors import StorageFault, UsageError
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.registry import ServerRegistry, free_name

__all__ = ["DOCUMENT_KEY", "ImportReport", "add_configs", "export_list", "import_list"]

DOCUMENT_KEY = "visual-dicom-browser-servers"

_CLASHES = ("rename", "replace", "skip")
_MOST_SERVERS = 500
# What decides to whom a password or token is shown.
_SIGN_IN_FIELDS = (
    "protocol",
    "host",
    "port",
    "url",
    "rest_url",
    "token_url",
    "device_url",
    "auth",
    "user",
    "tls",
    "tls_ca_file",
    "tls_check_host",
)
_LOOKS_LIKE_TOKEN = re.compile(r"(?=[^\s]*[0-9])(?=[^\s]*[A-Za-z])[A-Za-z0-9+/=_.~-]{24,}")


@dataclass(slots=True)
class ImportReport:
    """What came of an import: names by fate, and one sentence for each entry that is not usable or needs a word."""

    added: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, list[str]]:
        """Plain fields, for the wire and for ``--json``."""
        return {name: list(getattr(self, name)) for name in ImportReport.__dataclass_fields__}


def export_list(registry: ServerRegistry, path: Path | None = None) -> dict[str, Any]:
    """The list of servers as a document without secrets, also written to `path` if given.

    Headers whose value looks like a token are left out, because such a list is handed around.

    Raises
    ------
    StorageFault
        The file cannot be written.
    """
    document = {DOCUMENT_KEY: 1, "servers": [_exported(config) for config in registry.list()]}
    if path is not None:
        part = path.with_name(f"{path.name}.part")
        try:
            part.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            part.replace(path)
        except OSError as fault:
            part.unlink(missing_ok=True)
            message = f"The list of servers cannot be written to {path}: {fault.strerror or fault}."
            raise StorageFault(message, subject=str(path), next_step="Choose another place.") from fault
    return document


def import_list(document: object, registry: ServerRegistry, on_clash: str = "rename") -> ImportReport:
    """Take over the servers of a document; usable entries are taken even where others are not.

    Parameters
    ----------
    document : object
        What `export_list` gave, also through JSON.
    registry : ServerRegistry
        Where they go. Secrets of a replaced server are forgotten where the new entry would show them to others.
    on_clash : str
        What to do with a name that is taken: ``rename`` the new one, ``replace`` the old one, or ``skip`` it.

    Raises
    ------
    UsageError
        The document is no list of servers or of a newer version, or `on_clash` is not known.
    """
    entries = _entries_of(document)
    report = ImportReport()
    configs = []
    for number, entry in enumerate(entries, start=1):
        try:
            configs.append(ServerConfig.from_dict(entry))
        except UsageError as fault:
            name = entry.get("name") if isinstance(entry, Mapping) else None
            label = f"Entry {number} ({name})" if isinstance(name, str) and name.isprintable() else f"Entry {number}"
            report.invalid.append(f"{label}: {fault.message}")
    return add_configs(configs, registry, on_clash, report)


def add_configs(
    configs: Iterable[ServerConfig],
    registry: ServerRegistry,
    on_clash: str = "rename",
    report: ImportReport | None = None,
) -> ImportReport:
    """Put servers into the registry; see `import_list`. A server that is there already as it is, is skipped."""
    if on_clash not in _CLASHES:
        message = f"A name that is taken can be treated by {', '.join(_CLASHES)}, not by {on_clash!r}."
        raise UsageError(message)
    report = report or ImportReport()
    taken = {config.name: config for config in registry.list()}
    others = set(registry.unusable())
    has_default = any(config.default for config in taken.values())
    planned = _planned(list(configs), taken, others, on_clash, report)
    for config, replaces in planned:
        wanted = config
        if has_default and not (replaces and taken[config.name].default):
            wanted = replace(config, default=False)
        has_default = has_default or wanted.default
        if replaces:
            _replace(registry, taken[config.name], wanted, report)
        else:
            registry.add(wanted)
            report.added.append(wanted.name)
    _note_missing_proxies(registry, [config for config, _ in planned], report)
    return report


def _planned(
    configs: Sequence[ServerConfig],
    taken: Mapping[str, ServerConfig],
    others: set[str],
    on_clash: str,
    report: ImportReport,
) -> list[tuple[ServerConfig, bool]]:
    """Servers to take with their final names, and whether each replaces the one of that name."""
    names = {*taken, *others}
    given = {config.name for config in configs} | {config.proxy for config in configs}
    first: dict[str, str] = {}  # the final name of the first entry of each name
    planned: list[tuple[ServerConfig, bool]] = []
    for config in configs:
        name = config.name
        present = taken.get(name)
        repeated = name in first
        replaces = on_clash == "replace" and present is not None and not repeated
        if present is not None and replace(config, default=present.default) == present:
            report.skipped.append(name)
        elif name not in names or replaces:
            names.add(name)
            first.setdefault(name, name)
            planned.append((config, replaces))
        elif on_clash == "skip":
            report.skipped.append(name)
        else:
            new_name = free_name(name, tuple(names | given))
            names.add(new_name)
            first.setdefault(name, new_name)
            planned.append((replace(config, name=new_name), False))
    return [(_with_renamed_proxy(config, first), replaces) for config, replaces in planned]


def _with_renamed_proxy(config: ServerConfig, renamed: Mapping[str, str]) -> ServerConfig:
    """`config` whose proxy is the entry of the same list, which may have got another name."""
    proxy = renamed.get(config.proxy, config.proxy)
    return config if proxy == config.proxy else replace(config, proxy=proxy)


def _replace(registry: ServerRegistry, old: ServerConfig, new: ServerConfig, report: ImportReport) -> None:
    secrets = registry.secrets
    moved = any(getattr(old, name) != getattr(new, name) for name in _SIGN_IN_FIELDS)
    if moved and secrets is not None and secrets.fields(old.name):
        # Else whoever hands out a list could have our passwords sent to a host of theirs.
        secrets.forget(old.name)
        report.notes.append(f"{old.name} has another address or sign-in now, so its passwords must be entered again.")
    registry.edit(old.name, **new.to_dict())
    report.replaced.append(old.name)


def _note_missing_proxies(registry: ServerRegistry, configs: Sequence[ServerConfig], report: ImportReport) -> None:
    names = {config.name for config in registry.list()}
    for config in configs:
        if config.retrieve_protocol == "proxy" and config.proxy not in names:
            report.notes.append(f"{config.name} fetches through {config.proxy}, which is not among the servers.")


def _exported(config: ServerConfig) -> dict[str, Any]:
    values = config.to_dict()
    headers = config.headers.items()
    values["headers"] = {name: text for name, text in headers if not _LOOKS_LIKE_TOKEN.fullmatch(text)}
    return values


def _entries_of(document: object) -> Sequence[Any]:
    if not isinstance(document, Mapping) or DOCUMENT_KEY not in document:
        message = "This is no list of servers."
        raise UsageError(message, next_step="Export a list to see what one looks like.")
    if document[DOCUMENT_KEY] != 1:
        message = "This list of servers was written by a newer version."
        raise UsageError(message, next_step="Update this program.")
    entries = document.get("servers")
    if not isinstance(entries, (list, tuple)) or len(entries) > _MOST_SERVERS:
        message = "This list of servers has no servers, or too many."
        raise UsageError(message)
    return entries
