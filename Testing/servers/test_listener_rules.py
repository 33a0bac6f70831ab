"""Who may call our node, and what a person is told where it cannot listen."""

from __future__ import annotations

import errno

import pytest

from VisualDICOMBrowserLib.errors import UsageError
from VisualDICOMBrowserLib.servers.node.listener_rules import ListenerRules
from VisualDICOMBrowserLib.servers.node.listening_socket import cannot_listen
from VisualDICOMBrowserLib.servers.upper_layer.negotiation import CALLED_AE_UNKNOWN, CALLING_AE_UNKNOWN


def refusal(rules: ListenerRules, calling: str, address: str, called: str = "NODE") -> tuple[int, int, int] | None:
    return rules.refusal(called=called, ours="NODE", calling=calling, address=address)


def test_without_entries_anybody_may_call_by_our_title() -> None:
    """Case 61."""
    assert refusal(ListenerRules(), "X", "192.0.2.1") is None
    assert refusal(ListenerRules(), "X", "192.0.2.1", called="OTHER") == CALLED_AE_UNKNOWN
    assert refusal(ListenerRules(check_called=False), "X", "192.0.2.1", called="OTHER") is None


@pytest.mark.parametrize(
    ("calling", "address", "allowed"),
    [
        ("CT1", "203.0.113.9", True),
        ("ct1", "203.0.113.9", False),
        ("MR1", "192.0.2.7", True),
        ("MR1", "192.0.2.8", False),
        ("US1", "198.51.100.77", True),
        ("US1", "198.51.101.77", False),
        ("ANY", "10.9.8.7", True),
        ("ANY", "::ffff:10.9.8.7", True),
        ("ANY", "2001:db8::5", True),
        ("ANY", "2001:db9::5", False),
        ("ANY", "fe80::1%eth0", False),
    ],
)
def test_entries_name_titles_addresses_and_networks(calling: str, address: str, allowed: bool) -> None:
    """Case 61."""
    rules = ListenerRules.parse("CT1, MR1@192.0.2.7; US1@198.51.100.0/24\n*@10.0.0.0/8, *@2001:db8::/32")
    assert refusal(rules, calling, address) == (None if allowed else CALLING_AE_UNKNOWN)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("*", "star needs an address"),
        ("CT1@scanner.example.org", "'scanner.example.org' is no address"),
        ("A_TITLE_THAT_IS_TOO_LONG", "at most 16"),
        ("@10.0.0.1", "AE title is missing"),
        ("CT1@10.0.0.0/40", "is no address and no network"),
    ],
)
def test_an_entry_that_cannot_be_understood_is_named(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        ListenerRules.parse(f"GOOD, {text}")
    assert caught.value.code == "allowed_callers"
    assert text in caught.value.message
    assert "*@10.0.0.0/8" in caught.value.next_step


def test_a_low_port_without_the_right_has_a_sentence_of_its_own() -> None:
    """Case 61: as the system reports it, for tests may run as somebody who has the right."""
    fault = cannot_listen("127.0.0.1", 104, PermissionError(errno.EACCES, "Permission denied"))
    assert fault.code == "cannot_listen"
    assert str(fault) == (
        "Port 104 needs a right that this program does not have, as every port below 1024."
        " Choose a port from 1024 on, such as 11112."
    )
    other = cannot_listen("192.0.2.1", 11112, OSError(errno.EADDRNOTAVAIL, "no"))
    assert "This computer has no address 192.0.2.1" in str(other)
