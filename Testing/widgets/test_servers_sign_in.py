"""Signing in with a code: the window shows where to go, waits without blocking, and says how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import qt

from Testing.support.oauth_server import OAuthServer
from Testing.support.widget_driving import shown, texts
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient
from VisualDICOMBrowserLib.widgets.servers.sign_in import SignInWindow
from VisualDICOMBrowserLib.widgets.servers.window import ServersWindow
from VisualDICOMBrowserLib.widgets.view_settings import MemoryViewSettings


@pytest.fixture
def oauth() -> Iterator[OAuthServer]:
    """A server to which nobody has signed in yet."""
    with OAuthServer(person="waiting") as server:
        yield server


@pytest.fixture
def window(client: QProcessClient, oauth: OAuthServer, wait_until) -> Iterator[ServersWindow]:
    """The window with that server."""
    settings = {"protocol": "dicomweb", "url": oauth.server.url, "auth": "device_code", **oauth.settings}
    client.request("add_server", name="Cloud store", **settings)
    context = BrowserContext(client, Theme("light"), None, MemoryViewSettings(), lambda *_: None)
    made = ServersWindow(context)
    made.show()
    wait_until(lambda: shown(made, "Name").text == "Cloud store")
    yield made
    made.release()
    made.close()


@pytest.fixture
def waiting(window: ServersWindow, wait_until) -> Any:
    """The sign-in window while the person is waited for, reached from the page on security."""
    (tabs,) = window.findChildren(qt.QTabWidget)
    tabs.currentIndex = next(number for number in range(tabs.count) if tabs.tabText(number) == "Security")
    wait_until(lambda: shown(window, "Sign in now...").enabled)
    shown(window, "Sign in now...").click()
    (found,) = window.findChildren(SignInWindow)
    wait_until(lambda: "Waiting for you" in texts(found))
    return found


def test_code_and_address_are_shown_and_copied(waiting, oauth: OAuthServer, wait_until):
    assert shown(waiting, "Address to open").text == "https://sign.example.org/device"
    assert shown(waiting, "Code to enter").text == "ABCD-EFGH"
    shown(waiting, "Copy code").click()
    assert qt.QApplication.clipboard().text() == "ABCD-EFGH"
    shown(waiting, "Copy address").click()
    assert qt.QApplication.clipboard().text() == "https://sign.example.org/device"
    assert "The code is good for 9:5" in texts(waiting) or "10:00" in texts(waiting)
    oauth.person = "signed in"
    wait_until(lambda: "You are signed in to Cloud store." in texts(waiting))
    assert not [each for each in waiting.findChildren(qt.QPushButton) if each.visible and each.text != "Close"]


@pytest.mark.parametrize(
    ("person", "words"), [("refused", "was refused"), ("expired", "The code has expired, nobody signed in")]
)
def test_how_it_ended_is_said_and_a_new_code_is_offered(
    waiting, oauth: OAuthServer, person: str, words: str, wait_until
):
    oauth.person = person
    wait_until(lambda: words in texts(waiting))
    oauth.person = "waiting"
    shown(waiting, "Get a new code").click()
    wait_until(lambda: "Waiting for you" in texts(waiting))
    oauth.person = "signed in"
    wait_until(lambda: "You are signed in" in texts(waiting))


def test_it_can_be_given_up(waiting, client: QProcessClient, wait_until):
    shown(waiting, "Cancel sign-in").click()
    wait_until(lambda: "The sign-in to Cloud store was given up." in texts(waiting))
    wait_until(lambda: all(job["state"] == "cancelled" for job in client.request("jobs")))


def test_it_comes_up_when_a_query_needs_it(window: ServersWindow, client: QProcessClient, oauth, wait_until):
    """The test of a server waits for the person as well, and goes on by itself."""
    shown(window, "Test connection").click()
    (found,) = window.findChildren(SignInWindow)
    wait_until(lambda: found.visible and "Waiting for you" in texts(found))
    oauth.person = "signed in"
    wait_until(lambda: "accepts our sign-in" in texts(window))
    wait_until(lambda: "You are signed in" in texts(found))


def test_a_refused_sign_in_can_be_repeated_from_the_advice(window: ServersWindow, oauth: OAuthServer, wait_until):
    oauth.person = "refused"
    shown(window, "Test connection").click()
    wait_until(lambda: [each for each in window.findChildren(qt.QPushButton) if each.text == "Sign in..."])
    oauth.person = "signed in"
    (button,) = [each for each in window.findChildren(qt.QPushButton) if each.text == "Sign in..."]
    button.click()
    wait_until(lambda: "accepts our sign-in" in texts(window))
