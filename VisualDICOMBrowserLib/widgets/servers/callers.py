"""Who may call our listener, as rows of AE title and address; kept as one text. No Qt."""

from __future__ import annotations

import re
from dataclasses import dataclass

from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.servers.node.listener_rules import ListenerRules

__all__ = ["ANY", "KnownCaller", "callers_in", "problem_of", "text_of"]

ANY = "*"
"""Stands for any AE title."""


@dataclass(frozen=True, slots=True)
class KnownCaller:
    """Somebody who may call: by AE title (`ANY` for every one), from an address or network (empty for every one)."""

    title: str
    address: str = ""

    @property
    def entry(self) -> str:
        """As the setting writes it."""
        return f"{self.title}@{self.address}" if self.address else self.title


def callers_in(text: str) -> list[KnownCaller]:
    """The callers that a setting names."""
    found = []
    for entry in re.split(r"[,;\n]", text):
        title, at, address = (part.strip() for part in entry.strip().rpartition("@"))
        if entry.strip():
            found.append(KnownCaller(title, address) if at else KnownCaller(address))
    return found


def text_of(callers: list[KnownCaller]) -> str:
    """The setting that names these callers."""
    return ", ".join(caller.entry for caller in callers)


def problem_of(caller: KnownCaller, others: list[KnownCaller]) -> str:
    """Why a caller cannot join the others, empty if it can."""
    if caller in others:
        return f"{caller.entry} is in the list already."
    if re.search(r"[,;\n@]", caller.title):
        return "An AE title has no comma, semicolon or @."
    try:
        ListenerRules([caller.entry])
    except UsageError as fault:
        # The entry is what stands in the fields; only the reason is news.
        return fault.message.partition(" cannot be used. ")[2] or fault.message
    return ""
