"""The table of who may call our listener: rows join and go, unusable ones are refused with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import qt

from Testing.support.widget_driving import shown, texts, type_into
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient
from VisualDICOMBrowserLib.widgets.servers.callers import KnownCaller, callers_in, problem_of, text_of
from VisualDICOMBrowserLib.widgets.servers.window import ServersWindow
from VisualDICOMBrowserLib.widgets.view_settings import MemoryViewSettings

CT, WARD = KnownCaller("CT1", "10.1.2.3"), KnownCaller("*", "10.0.0.0/8")


def test_setting_and_rows_tell_the_same():
    text = "CT1@10.1.2.3; *@10.0.0.0/8\nMR2, ANY@ 2001:db8::1"
    callers = [CT, WARD, KnownCaller("MR2"), KnownCaller("ANY", "2001:db8::1")]
    assert callers_in(text) == callers
    assert callers_in(text_of(callers)) == callers
    assert callers_in(" ") == []


@pytest.mark.parametrize(
    ("caller", "words"),
    [
        (CT, "in the list already"),
        (KnownCaller("MR2", "10.1.2"), "no address and no network"),
        (KnownCaller("A" * 17), "17 characters"),
        (KnownCaller("A,B"), "no comma"),
        (KnownCaller("*"), "needs an address"),
    ],
)
def test_what_cannot_be_a_caller_is_refused(caller: KnownCaller, words: str):
    assert words in problem_of(caller, [CT])
    assert problem_of(WARD, [CT]) == ""


@pytest.fixture
def window(client: QProcessClient, wait_until) -> Iterator[ServersWindow]:
    """The window at the page on this computer."""
    context = BrowserContext(client, Theme("light"), None, MemoryViewSettings(), lambda *_: None)
    made = ServersWindow(context)
    made.show()
    wait_until(lambda: "VISUALDICOM · not listening" in texts(made))
    made.show_this_computer()
    yield made
    made.release()
    made.close()


def rows(window: ServersWindow) -> list[tuple[Any, ...]]:
    table = shown(window, "Known callers only")
    items = [table.topLevelItem(row) for row in range(table.topLevelItemCount)]
    return [(item.text(0), item.text(1)) for item in items]


def test_callers_are_added_and_removed(window: ServersWindow, client: QProcessClient, wait_until):
    assert "Anybody may call" in texts(window)
    type_into(window, "AE title of the caller", "CT1", finish=False)
    type_into(window, "Address of the caller", "10.1.2", finish=False)
    shown(window, "Add caller").click()
    assert "no address and no network" in texts(window)
    assert "node/allowed_callers" not in client.request("settings")
    type_into(window, "Address of the caller", "10.1.2.3")
    wait_until(lambda: client.request("settings").get("node/allowed_callers") == "CT1@10.1.2.3")
    type_into(window, "Address of the caller", "10.0.0.0/8", finish=False)
    shown(window, "Add caller").click()
    wait_until(lambda: client.request("settings").get("node/allowed_callers") == "CT1@10.1.2.3, *@10.0.0.0/8")
    assert rows(window) == [("CT1", "10.1.2.3"), ("any AE title", "10.0.0.0/8")]
    table = shown(window, "Known callers only")
    table.setCurrentItem(table.topLevelItem(0))
    shown(window, "Remove").click()
    wait_until(lambda: client.request("settings").get("node/allowed_callers") == "*@10.0.0.0/8")
    table.setCurrentItem(table.topLevelItem(0))
    shown(window, "Remove").click()
    wait_until(lambda: not client.request("settings").get("node/allowed_callers"))
    wait_until(lambda: "Anybody may call" in texts(window))
    assert isinstance(table, qt.QTreeWidget)
