"""The page on this computer with a real engine: titles, listener, a port that is taken, notifications."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import qt

from Testing.support.processes import free_port
from Testing.support.widget_driving import shown, texts, type_into
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient
from VisualDICOMBrowserLib.widgets.servers.window import ServersWindow
from VisualDICOMBrowserLib.widgets.view_settings import MemoryViewSettings


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


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which another program listens."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_listener_is_started_changed_and_stopped(window: ServersWindow, client: QProcessClient, wait_until):
    port = free_port()
    shown(window, "Port").value = port
    shown(window, "Start listening").click()
    wait_until(lambda: f"listening on port {port}" in texts(window))
    assert client.request("node")["port"] == port
    type_into(window, "AE title of the listener", "WARD7")
    wait_until(lambda: client.request("node").get("ae_title") == "WARD7")
    wait_until(lambda: f"AE title WARD7 · listening on port {port}" in texts(window))
    shown(window, "Stop listening").click()
    wait_until(lambda: not client.request("node")["running"])
    wait_until(lambda: "WARD7 · not listening" in texts(window))


def test_taken_port_offers_one_that_is_free(window: ServersWindow, client: QProcessClient, taken_port: int, wait_until):
    shown(window, "Port").value = taken_port
    shown(window, "Start listening").click()
    wait_until(lambda: f"Port {taken_port} is used by another program." in texts(window))
    (use,) = [each for each in window.findChildren(qt.QPushButton) if each.text.startswith("Use ")]
    offered = use.text
    use.click()
    wait_until(lambda: client.request("node")["running"])
    port = client.request("node")["port"]
    assert offered == f"Use {port}"
    wait_until(lambda: client.request("settings").get("node/port") == port)
    assert not use.isVisibleTo(window)


def test_settings_are_kept_and_refused_ones_say_why(window: ServersWindow, client: QProcessClient, wait_until):
    type_into(window, "AE title of the caller", "MODALITY", finish=False)
    type_into(window, "Address of the caller", "192.0.2.7")
    wait_until(lambda: client.request("settings").get("node/allowed_callers") == "MODALITY@192.0.2.7")
    shown(window, "Listen from the start of the program").click()
    wait_until(lambda: client.request("settings").get("node/start") is True)
    type_into(window, "AE title of the listener", "{nonsense}")
    shown(window, "Start listening").click()
    wait_until(lambda: "cannot be filled in" in texts(window))


def test_notifications_show_where_servers_post(window: ServersWindow, client: QProcessClient, wait_until):
    client.request("set_setting", key="notify/port", value=free_port())
    window.show_this_computer()
    shown(window, "Let servers tell when something is new").click()
    wait_until(lambda: "Servers post to http://127.0.0.1:" in texts(window))
    shown(window, "Copy token").click()
    assert len(qt.QApplication.clipboard().text()) > 10
