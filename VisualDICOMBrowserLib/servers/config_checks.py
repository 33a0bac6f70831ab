"""What the fields of a `ServerConfig` may hold: one sentence for each that is not usable.

Pure functions over plain values, so that a form can check while the user types. Any thread.
"""

from __future__ import annotations

import datetime
import ipaddress
import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import parse_qsl, urlsplit

__all__ = [
    "AUTHENTICATIONS",
    "CHARACTER_SETS",
    "FOLDER_MODES",
    "PREFETCHES",
    "PROTOCOLS",
    "RECENT_UNITS",
    "RETRIEVE_PROTOCOLS",
    "TLS_VERSIONS",
    "ae_title_problem",
    "config_problems",
    "is_secret_header",
]

PROTOCOLS = ("dimse", "dicomweb", "folder")
RETRIEVE_PROTOCOLS = ("auto", "C-GET", "C-MOVE", "proxy")
AUTHENTICATIONS = ("none", "basic", "bearer", "client_credentials", "device_code")
FOLDER_MODES = ("link", "copy", "move")
PREFETCHES = ("nothing", "thumbnails", "series", "priors")
RECENT_UNITS = ("days", "months", "years")
TLS_VERSIONS = ("1.2", "1.3")
CHARACTER_SETS = (
    *(f"ISO_IR {number}" for number in (13, 100, 101, 109, 110, 126, 127, 138, 144, 148, 166, 192, 203)),
    *("GB18030", "GBK", "ISO 2022 IR 87", "ISO 2022 IR 149"),
)
"""Defined terms of (0008,0005) in which queries can be written (DICOM PS3.3 C.12.1.1.2)."""

_LONGEST_AE_TITLE = 16
_LONGEST_NAME = 64
_MOST_ASSOCIATIONS = 32
_LONGEST_TIMEOUT_S = 3600.0
_LONGEST_WAITING_S = 30 * 86400.0
_LARGEST = 10_000_000

Check = Callable[[Any], str]

_LONGEST_SHOWN = 40
_LONGEST_HOST = 253
# Whoever reads one of these can act as the user.
_SECRET_HEADER = re.compile(r"authorization|cookie|token|secret|passw|api-?_?key|x-auth-(?!user)", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"(bearer|basic|token|digest|negotiate)\s", re.IGNORECASE)
_SECRET_PARAMETER = re.compile(r"token|secret|passw|key|signature|\bsig\b", re.IGNORECASE)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 5.6.2
_OWN_HEADERS = frozenset(
    ("accept", "connection", "content-length", "content-type", "expect", "host", "te", "trailer", "transfer-encoding")
)


def ae_title_problem(what: str, value: object, *, optional: bool = False) -> str:
    """What is wrong with an AE title, empty if nothing (DICOM PS3.5 6.2: VR AE)."""
    if not isinstance(value, str):
        return f"The {what} must be text."
    value = value.strip()
    if not value:
        return "" if optional else f"The {what} is missing."
    if len(value) > _LONGEST_AE_TITLE:
        return f"The {what} has {len(value)} characters; at most {_LONGEST_AE_TITLE} are allowed."
    if not value.isascii() or not value.isprintable() or "\\" in value:
        return f"The {what} may hold only plain letters, digits and signs, and no backslash."
    return ""


def is_secret_header(name: str, value: str) -> bool:
    """Whether an HTTP header by its name or its value lets its holder sign in."""
    return bool(_SECRET_HEADER.search(name) or _SECRET_VALUE.match(value.lstrip()))


def _shown(value: object) -> str:
    """`value` for a sentence, cut short; some values have no text of their own (an int of 5,000 digits)."""
    if not isinstance(value, (str, int, float, list, dict, tuple, type(None))):
        return f"a {type(value).__name__}"
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        return f"a {type(value).__name__}"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _name_problem(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        return "The name of the server is missing."
    if len(value) > _LONGEST_NAME or not value.isprintable():
        return f"The name of the server must be one line of at most {_LONGEST_NAME} characters."
    return ""


def _flag(what: str) -> Check:
    return lambda value: "" if isinstance(value, bool) else f"The field {what} is yes or no."


def _number(what: str, lowest: float, highest: float, *, whole: bool = False) -> Check:
    kinds = (int,) if whole else (int, float)
    kind = "a whole number" if whole else "a number"

    def check(value: object) -> str:
        if isinstance(value, bool) or not isinstance(value, kinds) or not lowest <= value <= highest:
            return f"The {what} must be {kind} from {lowest:.12g} to {highest:.12g}, not {_shown(value)}."
        return ""

    return check


def _choice(what: str, choices: tuple[str, ...]) -> Check:
    def check(value: object) -> str:
        if isinstance(value, str) and value in choices:
            return ""
        return f"The {what} must be one of {', '.join(choices)}, not {_shown(value)}."

    return check


def _character_set_problem(value: object) -> str:
    if isinstance(value, str) and value in ("", *CHARACTER_SETS):
        return ""
    return f"The character set of queries must be left out or one of {', '.join(CHARACTER_SETS)}, not {_shown(value)}."


def _line(what: str) -> Check:
    def check(value: object) -> str:
        return "" if isinstance(value, str) and (not value or value.isprintable()) else f"The {what} must be one line."

    return check


def _ae(what: str) -> Check:
    return lambda value: ae_title_problem(what, value, optional=True)


def _host(what: str) -> Check:
    def check(value: object) -> str:
        if not isinstance(value, str):
            return f"The {what} must be text."
        if not value or _is_ipv6(value):
            return ""
        if not value.isprintable() or any(character.isspace() or character in "/\\@[]" for character in value):
            # What stands before an @ may be a password.
            shown = "" if "@" in value else f" {_shown(value)}"
            return f"The {what}{shown} must be a plain name or address, without spaces, slashes or a user."
        if ":" in value:
            return f"The {what} {_shown(value)} holds a colon; the port has a field of its own."
        try:
            encoded = value.encode("idna")
        except UnicodeError:
            encoded = b""
        if not 0 < len(encoded) <= _LONGEST_HOST:
            return f"The {what} {_shown(value)} is not a name that a computer can have."
        return ""

    return check


def _is_ipv6(value: str) -> bool:
    plain = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    try:
        return isinstance(ipaddress.ip_address(plain), ipaddress.IPv6Address)
    except ValueError:
        return False


def _url(what: str, *, parameters: bool = False) -> Check:
    # What was given is not repeated: it may hold a password.
    example = f"The {what} must look like https://host/path, without a user or password in it."
    plain = f"The {what} must end with its path: parameters after ? or # do not belong into it."
    secret = f"The {what} holds a secret among its parameters; secrets are given apart from it."

    def check(value: object) -> str:
        if value == "":
            return ""
        if not isinstance(value, str) or not value.isprintable() or " " in value or "\\" in value:
            return example
        try:
            parts = urlsplit(value)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
            names = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
        except ValueError:
            return example
        if not usable or "@" in parts.netloc:
            return example
        problem = _host("host of the " + what)(parts.hostname)
        if not problem and (parts.fragment or (parts.query and not parameters)):
            return plain
        return problem or (secret if any(map(_SECRET_PARAMETER.search, names)) else "")

    return check


def _date(what: str) -> Check:
    def check(value: object) -> str:
        if value == "":
            return ""
        if isinstance(value, str) and re.fullmatch(r"[0-9]{8}", value):
            try:
                datetime.date(int(value[:4]), int(value[4:6]), int(value[6:]))
            except ValueError:
                pass
            else:
                return ""
        return f"The {what} must be a date such as 20260131, not {_shown(value)}."

    return check


def _folder(what: str) -> Check:
    def check(value: object) -> str:
        if not isinstance(value, str) or (value and not value.isprintable()):
            return f"The {what} must be one line."
        # A list may come from another system, so either kind of full path will do.
        if value and not (PurePosixPath(value).is_absolute() or PureWindowsPath(value).is_absolute()):
            return f"The {what} must be a full path, not {_shown(value)}."
        return ""

    return check


def _headers_problem(value: object) -> str:
    if not isinstance(value, dict):
        return "The headers must be names with values."
    for name, text in value.items():
        if not isinstance(name, str) or not isinstance(text, str) or not _HEADER_NAME.fullmatch(name):
            return f"The header {_shown(name)} must be a plain name with a text."
        if not text.isprintable() or not text.isascii():
            return f"The header {_shown(name)} must be one line of plain text."
        if is_secret_header(name, text):
            return f"The header {name} holds a secret, so it is given as a secret and not among the headers."
        if name.lower() in _OWN_HEADERS:
            return f"The header {name} is set by this program and cannot be given."
    return ""


_CHECKS: dict[str, Check] = {
    "name": _name_problem,
    "protocol": _choice("protocol", PROTOCOLS),
    **{
        name: _flag(name)
        for name in (
            "enabled",
            "retrieve_enabled",
            "store_enabled",
            "worklist_enabled",
            "default",
            "trusted",
            "keep_association",
            "fuzzy",
            "tls",
            "tls_check_host",
            "folder_recursive",
            "manual",
            "ask_at_start",
            "wildcards",
            "confirm_by_query",
            "keep_compression",
        )
    },
    "timeout_s": _number("time-out", 1, _LONGEST_TIMEOUT_S),
    "max_associations": _number("number of associations", 1, _MOST_ASSOCIATIONS, whole=True),
    "query_workers": _number("number of workers for queries", 0, _MOST_ASSOCIATIONS, whole=True),
    "fetch_workers": _number("number of workers for fetching", 0, _MOST_ASSOCIATIONS, whole=True),
    "send_workers": _number("number of workers for sending", 0, _MOST_ASSOCIATIONS, whole=True),
    "max_waiting_s": _number("longest waiting time", 0, _LONGEST_WAITING_S),
    "speed_limit_mb_s": _number("speed limit", 0, _LARGEST),
    "images_per_batch": _number("number of images per batch", 0, _LARGEST, whole=True),
    "character_set": _character_set_problem,
    "host": _host("host"),
    "port": _number("port", 1, 65535, whole=True),
    "called_ae_title": _ae("called AE title"),
    "calling_ae_title": _ae("calling AE title"),
    "retrieve_protocol": _choice("retrieve protocol", RETRIEVE_PROTOCOLS),
    "proxy": _line("proxy"),
    "move_destination": _ae("move destination"),
    "store_host": _host("host to send to"),
    "store_port": _number("port to send to", 0, 65535, whole=True),
    "store_ae_title": _ae("AE title to send to"),
    "worklist_ae_title": _ae("worklist AE title"),
    "scheduled_ae_title": _ae("scheduled station AE title"),
    "worklist_modality": _line("modality of the worklist"),
    "url": _url("address"),
    "qido_prefix": _line("QIDO path"),
    "wado_prefix": _line("WADO path"),
    "stow_prefix": _line("STOW path"),
    "auth": _choice("way to sign in", AUTHENTICATIONS),
    "user": _line("user"),
    "token_url": _url("token address", parameters=True),
    "device_url": _url("device sign-in address", parameters=True),
    "client_id": _line("client ID"),
    "scope": _line("scope"),
    "headers": _headers_problem,
    "stow_limit_mb": _number("largest STOW request", 0, _LARGEST),
    "tls_ca_file": _line("file of trusted certificates"),
    "tls_certificate_file": _line("certificate file"),
    "tls_key_file": _line("key file"),
    "tls_min_version": _choice("oldest version of TLS", TLS_VERSIONS),
    "folder": _folder("folder"),
    "folder_mode": _choice("folder mode", FOLDER_MODES),
    "folder_watch_s": _number("interval of looking into the folder", 0, 86400),
    "rest_url": _url("REST address"),
    "rest_user": _line("REST user"),
    "query_limit": _number("limit of the list", 0, _LARGEST, whole=True),
    "search_limit": _number("limit of a search", 0, _LARGEST, whole=True),
    "cache_threshold": _number("cache threshold", 0, _LARGEST, whole=True),
    "storage_folder": _folder("storage folder"),
    "notification_interval_s": _number("interval of asking for changes", 0, 86400),
    "prefetch": _choice("prefetch", PREFETCHES),
    "refresh_younger_h": _number("age for refreshing", 0, 24 * 365),
    "date_from": _date("first date"),
    "date_to": _date("last date"),
    "recent_count": _number("number of recent days, months or years", 0, 100_000, whole=True),
    "recent_unit": _choice("unit of recent", RECENT_UNITS),
}


def config_problems(values: Mapping[str, Any]) -> dict[str, str]:
    """One sentence for each field of a `ServerConfig` that is not usable, by field name.

    Only given fields are judged by themselves, so that a form can ask about one; what a protocol needs is judged
    where ``protocol`` is given. Blanks around a text do not matter. Takes values of any type and never raises.
    """
    values = {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}
    problems = {name: check(values[name]) for name, check in _CHECKS.items() if name in values}
    problems = {name: problem for name, problem in problems.items() if problem}
    for name, problem in (*_needed(values), *_contradictions(values)):
        problems.setdefault(name, problem)
    return problems


def _needed(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Fields that are empty although the protocol or another field needs them."""
    protocol = values.get("protocol")
    needed: list[tuple[str, str]] = []
    if protocol == "dimse":
        needed += [("host", "The host is missing."), ("called_ae_title", "The called AE title is missing.")]
        if values.get("retrieve_protocol") == "proxy":
            needed.append(("proxy", "The server to use as proxy is missing."))
    elif protocol == "dicomweb":
        needed.append(("url", "The address is missing."))
        auth = values.get("auth")
        if auth == "basic":
            needed.append(("user", "The user is missing."))
        if auth in ("client_credentials", "device_code"):
            needed += [("client_id", "The client ID is missing."), ("token_url", "The token address is missing.")]
        if auth == "device_code":
            needed.append(("device_url", "The device sign-in address is missing."))
    elif protocol == "folder":
        needed.append(("folder", "The folder is missing."))
    if values.get("tls_key_file"):
        needed.append(("tls_certificate_file", "A key file needs its certificate file."))
    return [(name, problem) for name, problem in needed if _is_empty(values.get(name, ""))]


def _contradictions(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Fields that do not go together."""
    found = []
    name, proxy = values.get("name"), values.get("proxy")
    if isinstance(name, str) and isinstance(proxy, str) and proxy and proxy == name:
        found.append(("proxy", "A server cannot be its own proxy."))
    first, last = values.get("date_from"), values.get("date_to")
    if isinstance(first, str) and isinstance(last, str) and first and last and first > last:
        found.append(("date_to", "The last date lies before the first."))
    return found


def _is_empty(value: object) -> bool:
    return value is None or value == ""
