"""What tests of the whole browser share: a host that notes what it is asked, a query, keys. Test code only.

Needs `attributes_for` on its own name, as the test modules that use it. The fixtures stand in the folder's conftest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import qt

from Testing.support.widget_driving import type_into

__all__ = ["RememberingHost", "Wait", "add_server", "names", "press_key", "query"]

Wait = Callable[[Callable[[], object]], None]


class RememberingHost:
    """A host whose scene is a list of what it was asked to load."""

    name = "the scene"

    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.shown: list[str] = []
        self.folders: list[str] = []
        self.extensions: set[str] = set()
        self.installed: list[str] = []
        self.no_extension = ""

    def load(self, series_uids: Sequence[str]) -> str:
        """Note the series."""
        self.loaded += series_uids
        return "Loaded."

    def in_scene(self) -> Mapping[str, str]:
        """All that was loaded."""
        return dict.fromkeys(self.loaded, "1 slice")

    def show_in_scene(self, series_uid: str) -> None:
        """Note the series."""
        self.shown.append(series_uid)

    def follow_scene(self, on_closed: Callable[[], None]) -> Callable[[], None]:
        """Nobody closes this scene."""
        return lambda: None

    def has_extension(self, name: str) -> bool:
        """What a test installed."""
        return name in self.extensions

    def why_no_extension(self, name: str) -> str:
        """What a test says."""
        return self.no_extension

    def install_extension(self, name: str) -> None:
        """Note the extension."""
        self.installed.append(name)

    def leave_database(self) -> None:
        """Nothing is open."""

    def before_network(self) -> bool:
        """Nothing is missing."""
        return True

    def open_database(self, folder: str) -> None:
        """Note the folder."""
        self.folders.append(folder)


def add_server(client: Any, name: str, port: int) -> None:
    """Make a PACS on this computer known to an engine."""
    fields = {"protocol": "dimse", "host": "127.0.0.1", "port": port, "called_ae_title": "PACS"}
    client.request("add_server", name=name, **fields)


def names(browser: Any) -> list[str]:
    """The patients that are listed."""
    return [entry.shown_name for entry in browser.showing.entries]


def query(browser: Any, wait_until: Wait, patient: str) -> None:
    """Ask the servers for a patient's ID, as Enter in the field does."""
    wait_until(lambda: browser.search_bar.servers)
    type_into(browser, "Patient ID", patient)
    wait_until(lambda: browser.run.states and browser.run.finished)


def press_key(browser: Any, key: str) -> None:
    """What a key of the browser does; offscreen windows are never active, so that shortcuts do not hear keys."""
    (shortcut,) = [each for each in browser.findChildren(qt.QShortcut) if each.key == qt.QKeySequence(key)]
    shortcut.activated.emit()
