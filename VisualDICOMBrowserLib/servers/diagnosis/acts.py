"""What can be done at once about a fault that a diagnosis found: changes of settings, a field to correct, a sign-in.

An act is data: whoever shows the diagnosis offers it as a button, makes its ``changes`` the way a person would, and
tests again. Pure functions; any thread.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.diagnosis.texts import Facts

__all__ = ["REFUSED_CERTIFICATE", "Act", "acts_of"]


@dataclass(frozen=True, slots=True)
class Act:
    """One thing to do.

    Parameters
    ----------
    act : str
        ``change`` (make the changes, then test again), ``edit`` (go to the field), ``copy_request`` (the text for the
        administrator), ``sign_in`` (sign in, then test again), ``listener`` (start our listener, on the port among
        the changes, then test again) or ``details`` (show the text).
    title : str
        What a button says.
    changes : dict
        New values of settings by field.
    field : str
        The setting to correct.
    text : str
        What ``details`` shows.
    """

    act: str
    title: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    field: str = ""
    text: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain fields, for the wire and for ``--json``."""
        return {
            "act": self.act,
            "title": self.title,
            "changes": dict(self.changes),
            "field": self.field,
            "text": self.text,
        }


REFUSED_CERTIFICATE = frozenset(("tls_certificate_expired", "tls_certificate_name", "tls_untrusted"))
"""Codes of faults for which the certificate is worth looking at."""
# Only the administrator of the server can do something about these.
_FOR_THE_ADMINISTRATOR = frozenset(
    (
        "association_rejected",
        "called_ae",
        "calling_ae",
        "move_destination",
        "move_nothing_came",
        "no_context",
        "no_right",
        "not_dicom",
    )
)
_FREE = re.compile(r"\b(\d{1,5}) is free")
_FIELDS = {
    "tls_untrusted": ("tls_ca_file", "Choose the certificate of its issuer"),
    "tls_client_certificate": ("tls_certificate_file", "Choose our certificate"),
    "unknown_proxy": ("proxy", "Choose another proxy"),
    "bad_proxy": ("proxy", "Choose another proxy"),
    "key_store": ("password", "Enter the password"),
}
_SIGN_IN_FIELDS = {
    "none": ("auth", "Set the way to sign in"),
    "basic": ("password", "Enter the password"),
    "bearer": ("token", "Enter the token"),
    "client_credentials": ("client_secret", "Enter the client secret"),
}


def acts_of(config: ServerConfig, facts: Facts) -> tuple[Act, ...]:
    """What can be done about the faults, each thing once, the likeliest first."""
    acts: dict[tuple[str, str], Act] = {}
    for step, fault in facts.faults:
        for act in _acts_for(config, facts, step, fault):
            acts.setdefault((act.act, act.field or act.title), act)
    return tuple(acts.values())


def _acts_for(config: ServerConfig, facts: Facts, step: str, fault: VisualDICOMError) -> list[Act]:
    code = fault.code
    acts = []
    if code in ("tls_expected", "tls_not_expected"):
        acts += _tls_acts(config, on=code == "tls_expected")
    if code == "no_context" and step == "retrieve":
        acts += _way_acts(config, facts)
    if code == "sign_in":
        acts.append(_sign_in_act(config))
    if code == "not_dicomweb":
        acts.append(Act("edit", "Edit URL", field="url"))
    if code == "listener_off":
        acts.append(Act("listener", "Start listening"))
    if code == "cannot_listen" and (free := _FREE.search(f"{fault.message} {fault.next_step}")):
        port = int(free.group(1))
        acts.append(Act("listener", f"Use {port}", {"port": port}))
    if code in REFUSED_CERTIFICATE and facts.certificate:
        acts.append(Act("details", "Details", text=facts.certificate))
    if code in _FIELDS:
        field_name, title = _FIELDS[code]
        acts.append(Act("edit", title, field=field_name))
    if code in _FOR_THE_ADMINISTRATOR and config.protocol != "folder":
        acts.append(Act("copy_request", "Copy request"))
    return acts


def _tls_acts(config: ServerConfig, *, on: bool) -> list[Act]:
    if config.protocol == "dimse":
        return [Act("change", "Switch TLS on" if on else "Switch TLS off", {"tls": on})]
    if not on and config.auth != "none":
        # A password would go over the network for everybody to read.
        return [Act("edit", "Edit URL", field="url")]
    parts = urlsplit(config.url)
    url = parts._replace(scheme="https" if on else "http").geturl()
    return [Act("change", "Use https" if on else "Use http", {"url": url})]


def _way_acts(config: ServerConfig, facts: Facts) -> list[Act]:
    """The other way to retrieve, where the server offers it."""
    if config.retrieve_protocol == "C-GET" and "C-MOVE" in facts.offered:
        return [Act("change", "Use C-MOVE", {"retrieve_protocol": "C-MOVE"})]
    if config.retrieve_protocol in ("C-MOVE", "proxy") and "C-GET" in facts.offered:
        return [Act("change", "Use C-GET", {"retrieve_protocol": "C-GET"})]
    return []


def _sign_in_act(config: ServerConfig) -> Act:
    if config.auth == "device_code":
        return Act("sign_in", "Sign in")
    field_name, title = _SIGN_IN_FIELDS[config.auth]
    return Act("edit", title, field=field_name)
