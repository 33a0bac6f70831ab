"""Who may call our node: AE titles, addresses, and whether the called AE title counts.

Pure rules over plain values; the node asks once per association. Any thread.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.servers.config_checks import ae_title_problem
from VisualDICOMBrowserLib.servers.upper_layer.negotiation import CALLED_AE_UNKNOWN, CALLING_AE_UNKNOWN

__all__ = ["ListenerRules"]

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_ANY = "*"


@dataclass(frozen=True, slots=True)
class _Entry:
    """One line of the list: ``title`` may be ``*``; ``network`` is None for every address."""

    title: str
    network: _Network | None


class ListenerRules:
    """An allow-list of callers.

    Parameters
    ----------
    allowed : iterable of str
        Entries ``AE``, ``AE@address``, ``AE@network`` or ``*@network``, such as ``CT1@10.1.2.3`` and
        ``*@10.0.0.0/8``; addresses of IPv4 or IPv6. Empty: anybody may call.
    check_called : bool
        Refuse who calls us by another AE title than ours.

    Raises
    ------
    UsageError
        An entry cannot be understood; the sentence names it.
    """

    def __init__(self, allowed: Iterable[str] = (), *, check_called: bool = True) -> None:
        self._entries = tuple(_entry(text) for text in allowed)
        self.check_called = check_called

    @classmethod
    def parse(cls, text: str, *, check_called: bool = True) -> ListenerRules:
        """Rules from a setting: entries separated by commas, semicolons or lines.

        Raises
        ------
        UsageError
            As the class.
        """
        entries = [entry.strip() for entry in re.split(r"[,;\n]", text)]
        return cls([entry for entry in entries if entry], check_called=check_called)

    def refusal(self, *, called: str, ours: str, calling: str, address: str) -> tuple[int, int, int] | None:
        """Result, source and reason of the rejection of a caller (DICOM PS3.8 9.3.4), None for one who may call."""
        if self.check_called and called != ours:
            return CALLED_AE_UNKNOWN
        if self._entries and not self._allows(calling, address):
            return CALLING_AE_UNKNOWN
        return None

    def _allows(self, calling: str, address: str) -> bool:
        place = _place(address)
        return any(
            entry.title in (_ANY, calling) and (entry.network is None or (place is not None and place in entry.network))
            for entry in self._entries
        )


def _entry(text: str) -> _Entry:
    title, at, where = (part.strip() for part in text.strip().rpartition("@"))
    if not at:
        title, where = where, ""
    problem = "" if title == _ANY else ae_title_problem("AE title", title)
    if not problem and at:
        try:
            return _Entry(title, ipaddress.ip_network(where, strict=False))
        except ValueError:
            problem = f"{where!r} is no address and no network."
    if not problem and title == _ANY:
        problem = "The star needs an address or a network behind an @."
    if problem:
        message = f"The entry {text.strip()!r} of the allowed callers cannot be used. {problem}"
        next_step = "Write AE, AE@address or *@network, such as CT1@10.1.2.3 or *@10.0.0.0/8."
        raise UsageError(message, code="allowed_callers", subject=text.strip(), next_step=next_step)
    return _Entry(title, None)


def _place(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """A caller's address; one of IPv4 that comes over an IPv6 socket as what it is."""
    try:
        place = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(place, "ipv4_mapped", None) or place
