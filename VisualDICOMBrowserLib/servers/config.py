"""What is known of one server: `ServerConfig`, valid once made.

Plain data with its checks, one sentence per bad field. No network, no files; any thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from VisualDICOMBrowserLib.errors import UsageError

__all__ = ["PROTOCOLS", "RETRIEVE_PROTOCOLS", "ServerConfig", "ae_title_problem", "config_problems"]

PROTOCOLS = ("dimse",)
RETRIEVE_PROTOCOLS = ("C-GET",)

_LONGEST_AE_TITLE = 16
_LONGEST_NAME = 64
_MOST_ASSOCIATIONS = 32
_LONGEST_TIMEOUT_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """One DICOM server as the user set it up.

    Parameters
    ----------
    name : str
        What the user calls it; unique in the registry.
    protocol : str
        One of `PROTOCOLS`.
    host : str
        Host name or address.
    port : int
        TCP port.
    called_ae_title : str
        The server's AE title.
    calling_ae_title : str
        Ours; empty for the setting ``network/calling_ae_title``.
    timeout_s : float
        Longest time to connect, and longest silence of the server, in seconds.
    enabled : bool
        Whether searches go to it.
    max_associations : int
        Most associations we open to it at the same time.
    retrieve_protocol : str
        One of `RETRIEVE_PROTOCOLS`.

    Raises
    ------
    UsageError
        Fields are not usable; the message has one sentence for each.
    """

    name: str
    protocol: str = "dimse"
    host: str = ""
    port: int = 11112
    called_ae_title: str = ""
    calling_ae_title: str = ""
    timeout_s: float = 30.0
    enabled: bool = True
    max_associations: int = 4
    retrieve_protocol: str = "C-GET"

    def __post_init__(self) -> None:
        problems = config_problems(asdict(self))
        if problems:
            raise UsageError(" ".join(problems.values()), code="server_config", server=str(self.name))

    def to_dict(self) -> dict[str, Any]:
        """All fields, for the store, the wire and ``--json``."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ServerConfig:
        """Config with the fields that `to_dict` wrote; unknown keys are dropped, missing ones have defaults.

        Raises
        ------
        UsageError
            A field is not usable, or there is no name.
        """
        known = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        return cls(**{"name": "", **known})


def config_problems(values: Mapping[str, Any]) -> dict[str, str]:
    """One sentence for each field of a `ServerConfig` that is not usable, by field name."""
    checks: dict[str, Callable[[Any], str]] = {
        "name": _name_problem,
        "protocol": lambda value: _choice_problem("protocol", value, PROTOCOLS),
        "host": _host_problem,
        "port": lambda value: _number_problem("port", value, 1, 65535, whole=True),
        "called_ae_title": lambda value: ae_title_problem("called AE title", value),
        "calling_ae_title": lambda value: ae_title_problem("calling AE title", value, optional=True),
        "timeout_s": lambda value: _number_problem("time-out", value, 1, _LONGEST_TIMEOUT_S, whole=False),
        "enabled": lambda value: "" if isinstance(value, bool) else "The field enabled is yes or no.",
        "max_associations": lambda value: _number_problem(
            "number of associations", value, 1, _MOST_ASSOCIATIONS, whole=True
        ),
        "retrieve_protocol": lambda value: _choice_problem("retrieve protocol", value, RETRIEVE_PROTOCOLS),
    }
    problems = {name: check(values[name]) for name, check in checks.items() if name in values}
    return {name: problem for name, problem in problems.items() if problem}


def ae_title_problem(what: str, value: object, *, optional: bool = False) -> str:
    """What is wrong with an AE title, empty if nothing (DICOM PS3.5 6.2: VR AE)."""
    if not isinstance(value, str):
        return f"The {what} must be text."
    if not value.strip():
        return "" if optional else f"The {what} is missing."
    if len(value) > _LONGEST_AE_TITLE:
        return f"The {what} has {len(value)} characters; at most {_LONGEST_AE_TITLE} are allowed."
    if not value.isascii() or not value.isprintable() or "\\" in value:
        return f"The {what} may hold only plain letters, digits and signs, and no backslash."
    return ""


def _name_problem(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        return "The name of the server is missing."
    if len(value) > _LONGEST_NAME or not value.isprintable():
        return f"The name of the server must be one line of at most {_LONGEST_NAME} characters."
    return ""


def _host_problem(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        return "The host is missing."
    if any(character.isspace() or character in "/\\@" for character in value):
        return f"The host {value!r} must be a plain name or address, without spaces, slashes or a user."
    return ""


def _number_problem(what: str, value: object, lowest: float, highest: float, *, whole: bool) -> str:
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not lowest <= value <= highest:
        kind = "a whole number" if whole else "a number"
        return f"The {what} must be {kind} from {lowest:g} to {highest:g}, not {value!r}."
    return ""


def _choice_problem(what: str, value: object, choices: tuple[str, ...]) -> str:
    return "" if value in choices else f"The {what} must be one of {', '.join(choices)}, not {value!r}."
