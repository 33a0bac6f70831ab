"""The command ``servers``: the list of servers of this database, their secrets and their diagnosis."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from typing import Any

from VisualDICOMBrowserLib.cli.local import Handler
from VisualDICOMBrowserLib.cli.output import EXIT_DONE, EXIT_FAILED, EXIT_PARTLY, Output, count, table
from VisualDICOMBrowserLib.engine.session import Session
from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.servers.config import ServerConfig

__all__ = ["HANDLERS"]

_OPTIONS = {
    "protocol": "protocol",
    "host": "host",
    "port": "port",
    "aet": "called_ae_title",
    "calling_aet": "calling_ae_title",
    "url": "url",
    "folder": "folder",
    "retrieve": "retrieve_protocol",
    "proxy": "proxy",
    "auth": "auth",
    "user": "user",
    "tls": "tls",
    "timeout": "timeout_s",
    "max_associations": "max_associations",
    "new_name": "new_name",
}
_COLUMNS = {"name": "Name", "protocol": "Protocol", "address": "Address", "use": "Used for", "default": "Default"}
_MARKS = {"passed": "ok", "failed": "FAILED", "skipped": "skipped", "not tried": "not tried"}


def servers(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    """List or change servers, or test one."""
    return _ACTIONS[arguments.action](session, arguments, output)


def _list(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    rows = session.client.request("servers")
    shown = [{**row, "address": _address(row), "use": _use(row), "default": "x" * row["default"]} for row in rows]
    output.document(rows, table(shown, _COLUMNS) or "No servers.")
    return EXIT_DONE


def _add(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    config = session.client.request("add_server", name=arguments.name, **_given(arguments))
    output.document(config, f"{arguments.name} added.")
    return EXIT_DONE


def _edit(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    config = session.client.request("edit_server", name=arguments.name, **_given(arguments))
    output.document(config, f"{config['name']} changed.")
    return EXIT_DONE


def _remove(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    session.client.request("remove_server", name=arguments.name)
    output.document({"removed": arguments.name}, f"{arguments.name} removed.")
    return EXIT_DONE


def _duplicate(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    config = session.client.request("duplicate_server", name=arguments.name)
    output.document(config, f"{config['name']} added.")
    return EXIT_DONE


def _default(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    session.client.request("set_default_server", name=arguments.name)
    output.document({"default": arguments.name}, f"{arguments.name} is selected first from now on.")
    return EXIT_DONE


def _order(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    names: list[str] = []
    for position, name in enumerate(arguments.names):
        names = session.client.request("move_server", name=name, position=position)
    output.document(names, "\n".join(names))
    return EXIT_DONE


def _secret(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    if sys.stdin.isatty():
        value = getpass.getpass(f"{arguments.field} of {arguments.name}: ")
    else:
        value = sys.stdin.readline().rstrip("\r\n")
    where = session.client.request("set_secret", server=arguments.name, field=arguments.field, value=value)
    text = f"{arguments.field} of {arguments.name} is kept in the {where}." if value else "Forgotten."
    output.document({"server": arguments.name, "field": arguments.field, "kept_in": where if value else ""}, text)
    return EXIT_DONE


def _export(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    document = session.client.request("export_servers", path=str(arguments.file.absolute()))
    written = count(len(document["servers"]), "server")
    output.document(document, f"{written} written to {arguments.file}, without passwords.")
    return EXIT_DONE


def _import(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    path = str(arguments.file.absolute())
    if arguments.file.suffix.lower() == ".ini":
        report = session.client.request("import_ctk_servers", path=path)
    else:
        report = session.client.request("import_servers", path=path, on_clash=arguments.on_clash)
    lines = [f"{name} added." for name in report["added"]]
    lines += [f"{name} replaced." for name in report["replaced"]]
    lines += [f"{name} was here already and stays." for name in report["skipped"]]
    lines += [*report["invalid"], *report["notes"]]
    output.document(report, "\n".join(lines) or "The list is empty.")
    return EXIT_PARTLY if report["invalid"] else EXIT_DONE


def _test(session: Session, arguments: argparse.Namespace, output: Output) -> int:
    diagnosis = session.test_server(arguments.name, store=arguments.store)
    lines = [
        f"{_MARKS[step['state']]:>9}  {step['name']}: {step['message']} ({step['seconds']:.2f} s)"
        if step["state"] in ("passed", "failed")
        else f"{_MARKS[step['state']]:>9}  {step['name']}{': ' + step['message'] if step['message'] else ''}"
        for step in diagnosis["steps"]
    ]
    lines += ["", *diagnosis["advice"]] if diagnosis["advice"] else []
    if diagnosis["request"] and not diagnosis["ok"]:
        lines += ["", "Text for the administrator of the server:", "", diagnosis["request"]]
    output.document(diagnosis, "\n".join(lines))
    return EXIT_DONE if diagnosis["ok"] else EXIT_FAILED


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    """Fields that were given, by their options or by ``--set``."""
    given = {
        field: value for option, field in _OPTIONS.items() if (value := getattr(arguments, option, None)) is not None
    }
    defaults = ServerConfig.__dataclass_fields__
    for text in arguments.more:
        field, equals, value = text.partition("=")
        if not equals or field not in defaults:
            message = f"{text!r} is not FIELD=VALUE with a field of a server."
            raise UsageError(message, next_step=f"Fields: {', '.join(defaults)}.")
        given[field] = _typed(field, value)
    return given


def _typed(field: str, value: str) -> Any:
    """A value of ``--set`` as the field's type; what does not fit stays text and is refused with a sentence."""
    kind = str(ServerConfig.__dataclass_fields__[field].type)
    if kind == "str":
        return value
    try:
        plain = json.loads({"yes": "true", "no": "false"}.get(value.lower(), value))
    except ValueError:
        return value
    return plain


def _address(row: dict[str, Any]) -> str:
    if row["protocol"] == "dimse":
        return f"{row['called_ae_title']}@{row['host']}:{row['port']}"
    return str(row["url"] or row["folder"])


def _use(row: dict[str, Any]) -> str:
    uses = {"query": "enabled", "retrieve": "retrieve_enabled", "send": "store_enabled", "worklist": "worklist_enabled"}
    return ", ".join(use for use, field in uses.items() if row[field])


_ACTIONS: dict[str, Handler] = {
    "list": _list,
    "add": _add,
    "edit": _edit,
    "remove": _remove,
    "duplicate": _duplicate,
    "default": _default,
    "order": _order,
    "secret": _secret,
    "export": _export,
    "import": _import,
    "test": _test,
}

HANDLERS: dict[str, Handler] = {"servers": servers}
