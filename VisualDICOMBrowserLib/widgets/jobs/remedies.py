"""What can be done about the cause of a failure, by the code of its error. Pure, no Qt; `remedy_acts` does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Remedy", "remedies_of"]


@dataclass(frozen=True, slots=True)
class Remedy:
    """A name, words (to be translated) and an icon; for ``edit`` the field of the server's settings."""

    name: str
    words: str
    icon: str = ""
    field: str = ""


_TEST = Remedy("test", "Test connection", "check-circle")
_REQUEST = Remedy("request", "Copy request", "copy")
_REBUILD = Remedy("rebuild", "Rebuild", "database")
_GONE = (Remedy("find", "Find...", "search"), Remedy("remove_missing", "Remove...", "trash"))
_FOLDER = Remedy("database", "Choose folder", "database")
_CERTIFICATE = Remedy("edit", "Certificates", "lock", "tls_ca_file")
_LISTENER = Remedy("listener", "Listener settings", "ring")
_LISTENER_TEST = Remedy("test", "Test listener", "ring")
_PORT, _HOST = Remedy("edit", "Edit port", "pencil", "port"), Remedy("edit", "Edit address", "pencil", "host")
_URL = Remedy("edit", "Edit URL", "pencil", "url")
_SIGN_IN = Remedy("edit", "Sign in", "key", "auth")
_REMEDIES: dict[str, tuple[Remedy, ...]] = {
    "unknown_host": (_HOST, _TEST),
    "unreachable": (_TEST, _HOST),
    "refused": (_TEST, _PORT),
    "timeout": (_TEST,),
    "not_dicom": (_PORT, _TEST),
    "tls_expected": (Remedy("tls_on", "Switch TLS on", "lock"), _TEST),
    "tls_not_expected": (Remedy("tls_off", "Switch TLS off", "lock"), _TEST),
    **dict.fromkeys(
        ("tls_certificate_expired", "tls_certificate_name", "tls_untrusted", "tls_client_certificate", "tls_ca_file"),
        (_CERTIFICATE, _TEST),
    ),
    **dict.fromkeys(("tls_version", "tls_failed"), (_TEST,)),
    **dict.fromkeys(("called_ae", "calling_ae", "association_rejected", "move_destination"), (_REQUEST, _TEST)),
    "no_context": (_REQUEST, _TEST),
    **dict.fromkeys(("move_nothing_came", "nothing_came"), (_LISTENER_TEST, _REQUEST)),
    **dict.fromkeys(("cannot_listen", "listener_off", "listener_loopback"), (_LISTENER,)),
    "sign_in": (_SIGN_IN, _REQUEST),
    "no_right": (_REQUEST, _SIGN_IN),
    "not_dicomweb": (_URL, _TEST),
    "too_large": (Remedy("edit", "Edit limit", "pencil", "stow_limit_mb"),),
    "disk_full": (_FOLDER,),
    "database_damaged": (_REBUILD, _FOLDER),
    **dict.fromkeys(("storage", "database_read_only"), (_FOLDER,)),
}
_USE_MOVE = Remedy("use_move", "Use C-MOVE", "retry")
_WEB_WORDS = {"tls_expected": _URL, "tls_not_expected": _URL, "unknown_host": _URL, "refused": _URL}


def remedies_of(job: Mapping[str, Any], server: Mapping[str, Any] | None = None) -> tuple[Remedy, ...]:
    """What helps a job that failed, waits or is paused, the best first.

    Parameters
    ----------
    job : mapping
        As the engine tells it.
    server : mapping, optional
        The settings of its server, as far as they are known.
    """
    error = job.get("error") or {}
    if _left(job):
        return _GONE
    code, name = str(error.get("code") or ""), str(error.get("server") or job.get("server") or "")
    found = list(_REMEDIES.get(code, ()))
    if server is not None and server.get("protocol") == "dicomweb" and code in _WEB_WORDS:
        found = [_WEB_WORDS[code], _TEST]
    if code == "no_context" and "C-GET" in str(error.get("message")):
        found.insert(0, _USE_MOVE)
    return tuple(each for each in found if name or each in (_FOLDER, _LISTENER, _REBUILD))


def _left(job: Mapping[str, Any]) -> bool:
    """Whether a job found that files of the database are gone, and found them nowhere."""
    result = job.get("result") or {}
    return bool(result.get("missing") if job.get("kind") == "check" else result.get("left"))
