"""How servers, their tests and our listener read to a person. Pure functions; no Qt."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from VisualDICOMBrowserLib.widgets.language import _

__all__ = [
    "act_title",
    "field_of_step",
    "free_port_in",
    "listener_line",
    "mark_of_test",
    "server_line",
    "step_title",
    "steps_of",
    "verdict",
]

_STEPS = {
    "dimse": ("name", "network", "encryption", "association", "echo", "query", "retrieve", "store", "listener"),
    "dicomweb": ("name", "network", "encryption", "http", "sign-in", "query", "retrieve", "store"),
    "folder": ("exists", "readable", "deletable", "dicom"),
}
_FIELDS = {
    "dimse": {
        "name": "host",
        "network": "port",
        "encryption": "tls",
        "association": "called_ae_title",
        "proxy": "proxy",
        "destination": "proxy",
        "retrieve": "retrieve_protocol",
        "store": "store_ae_title",
    },
    "dicomweb": {
        "name": "url",
        "network": "url",
        "encryption": "tls_ca_file",
        "http": "url",
        "sign-in": "auth",
        "query": "qido_prefix",
        "retrieve": "wado_prefix",
        "store": "stow_prefix",
    },
    "folder": {"exists": "folder", "readable": "folder", "deletable": "folder_mode", "dicom": "folder"},
}
_FREE = re.compile(r"\b(\d{1,5}) is free")


def server_line(server: Mapping[str, Any], servers: Sequence[Mapping[str, Any]] = ()) -> str:
    """The second line of a server in the list: what it is and where."""
    protocol = server.get("protocol")
    if protocol == "dicomweb":
        return _("DICOMweb · {address}").format(address=server.get("url") or _("no address yet"))
    if protocol == "folder":
        modes = {"copy": _("copy"), "link": _("link"), "move": _("import, then clean up")}
        return _("Folder · {mode}").format(mode=modes.get(str(server.get("folder_mode")), ""))
    users = [str(other["name"]) for other in servers if _fetches_through(other, server)]
    if users:
        return _("DIMSE · used by {servers}").format(servers=", ".join(users))
    if server.get("retrieve_protocol") == "proxy" and server.get("proxy"):
        return _("DIMSE · C-MOVE only, through {proxy}").format(proxy=server["proxy"])
    if not server.get("host"):
        return _("DIMSE · no host yet")
    return _("DIMSE · {title} @ {host}:{port}").format(
        title=server.get("called_ae_title") or "?", host=server["host"], port=server.get("port")
    )


def _fetches_through(other: Mapping[str, Any], server: Mapping[str, Any]) -> bool:
    return other.get("retrieve_protocol") == "proxy" and other.get("proxy") == server.get("name")


def steps_of(protocol: str, way: str = "") -> tuple[str, ...]:
    """Names of the steps of a test in their order; `way` is how images are fetched."""
    steps = _STEPS.get(protocol, ())
    if protocol != "dimse" or way != "proxy":
        return steps
    place = steps.index("retrieve")
    return (*steps[:place], "proxy", "destination", *steps[place:])


def step_title(step: str, server: Mapping[str, Any]) -> str:
    """What a step is called for this server."""
    dimse = server.get("protocol") == "dimse"
    titles = {
        "name": _("Name"),
        "network": _("Network"),
        "encryption": _("Encryption (TLS)"),
        "association": _("Association"),
        "echo": _("Echo (C-ECHO)"),
        "query": _("Query (C-FIND)") if dimse else _("Query (QIDO-RS)"),
        "retrieve": _retrieve_title(server) if dimse else _("Retrieve (WADO-RS)"),
        "proxy": _("Proxy answers us"),
        "destination": _("Server sends to the proxy"),
        "store": _("Send (C-STORE)") if dimse else _("Send (STOW-RS)"),
        "listener": _("Listener, for C-MOVE"),
        "http": _("Web service (HTTP)"),
        "sign-in": _("Sign-in"),
        "exists": _("Folder is there"),
        "readable": _("Folder can be read"),
        "deletable": _("Files can be removed"),
        "dicom": _("DICOM files in it"),
    }
    return titles.get(step, step)


def _retrieve_title(server: Mapping[str, Any]) -> str:
    way = str(server.get("retrieve_protocol"))
    if way == "proxy":
        return _("Image comes from the proxy")
    return _("Retrieve ({way})").format(way="C-MOVE" if way == "C-MOVE" else "C-GET")


def act_title(act: Mapping[str, Any]) -> str:
    """What the button of an act says, in the user's language where it is known."""
    titles = {
        "Switch TLS on": _("Switch TLS on"),
        "Switch TLS off": _("Switch TLS off"),
        "Use https": _("Use https"),
        "Use http": _("Use http"),
        "Use C-MOVE": _("Use C-MOVE"),
        "Use C-GET": _("Use C-GET"),
        "Sign in": _("Sign in..."),
        "Edit URL": _("Edit URL"),
        "Details": _("Details"),
        "Start listening": _("Start listening"),
        "Set the way to sign in": _("Set the way to sign in"),
        "Enter the password": _("Enter the password"),
        "Enter the token": _("Enter the token"),
        "Enter the client secret": _("Enter the client secret"),
        "Choose the certificate of its issuer": _("Choose the certificate of its issuer"),
        "Choose our certificate": _("Choose our certificate"),
        "Choose another proxy": _("Choose another proxy"),
    }
    port = (act.get("changes") or {}).get("port")
    if act.get("act") == "listener" and port:
        return _("Use {port}").format(port=port)
    title = str(act.get("title", ""))
    return titles.get(title, title)


def field_of_step(step: str, protocol: str) -> str:
    """The field of the form that is most likely wrong when a step fails; empty if none is."""
    return _FIELDS.get(protocol, {}).get(step, "")


def verdict(protocol: str, steps: Sequence[Mapping[str, Any]], running: bool, way: str = "") -> tuple[str, str]:
    """A few words on a test, and their tone: ``ok``, ``error`` or ``ask``."""
    total = max(len(steps_of(protocol, way)), len(steps))
    for number, step in enumerate(steps, 1):
        if step.get("state") == "failed":
            return _("failed at step {number} of {total}").format(number=number, total=total), "error"
    if running:
        return _("step {number} of {total}").format(number=min(len(steps) + 1, total), total=total), "ask"
    return _("all steps passed"), "ok"


def mark_of_test(
    server: Mapping[str, Any], last: Mapping[str, Any] | None, running: bool = False
) -> tuple[str, str, str]:
    """Icon, colour token and words for the last test of a server."""
    if running:
        return "clock", "accent", _("Being tested")
    if last is None:
        signs_in = server.get("protocol") == "dicomweb" and server.get("auth", "none") != "none"
        return ("key", "mid", _("Signs in; not tested yet")) if signs_in else ("", "mid", _("Not tested yet"))
    if last.get("ok"):
        skipped = [step for step in last.get("steps", ()) if step.get("state") == "not tried"]
        if skipped:
            return "warning", "warn", _("The last test passed in part")
        return "check-circle", "ok", _("The last test passed")
    failed: Mapping[str, Any] = next((step for step in last.get("steps", ()) if step.get("state") == "failed"), {})
    words = _("The last test failed: {reason}").format(reason=failed.get("message") or last.get("error", ""))
    return "cross-circle", "error", words


def listener_line(node: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """What our own node does."""
    title = node.get("ae_title") or settings.get("node/ae_title")
    if node.get("running"):
        return _("AE title {title} · listening on port {port}").format(title=title, port=node.get("port"))
    return _("AE title {title} · not listening").format(title=title)


def free_port_in(sentence: str) -> int:
    """The port that an error names as free, 0 if it names none."""
    found = _FREE.search(sentence)
    return int(found.group(1)) if found else 0
