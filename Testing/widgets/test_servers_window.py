"""The servers window with a real engine and real servers: fields, list, secrets, connection test."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import qt

from Testing.support.widget_driving import click, press, shown, texts, type_into
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient
from VisualDICOMBrowserLib.widgets.servers.delete_question import DeleteQuestion
from VisualDICOMBrowserLib.widgets.servers.window import ServersWindow
from VisualDICOMBrowserLib.widgets.view_settings import MemoryViewSettings

PACS = {"name": "Main PACS", "host": "pacs.example.org", "called_ae_title": "MAINPACS"}
OLD = {"name": "Old PACS", "host": "old.example.org", "called_ae_title": "OLD"}


@pytest.fixture
def said() -> list[tuple[str, str]]:
    """What was reported, with its level."""
    return []


@pytest.fixture
def open_window(
    client: QProcessClient, said: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, wait_until
) -> Iterator[Callable[..., ServersWindow]]:
    """Opens the window over a list of servers."""
    opened = []

    def make(*servers: dict[str, Any], memory: MemoryViewSettings | None = None) -> ServersWindow:
        for server in servers:
            client.request("add_server", **server)
        context = BrowserContext(
            client, Theme("light"), None, memory or MemoryViewSettings(), lambda text, level: said.append((text, level))
        )
        window = ServersWindow(context)
        opened.append(window)
        window.show()
        if servers:
            wait_until(lambda: shown(window, "Name").text == servers[0]["name"])
        return window

    yield make
    for window in opened:
        window.release()
        window.close()


def go_to_page(window: Any, title: str) -> None:
    (tabs,) = window.findChildren(qt.QTabWidget)
    (number,) = [number for number in range(tabs.count) if tabs.tabText(number) == title]
    tabs.currentIndex = number


def server(client: QProcessClient, name: str) -> dict[str, Any]:
    return next((each for each in client.request("servers") if each["name"] == name), {})


def names(client: QProcessClient) -> list[str]:
    return [each["name"] for each in client.request("servers")]


def listed(window: ServersWindow) -> list[str]:
    model = shown(window, "Servers").model()
    return [model.data(model.index(row, 0)) for row in range(model.rowCount())]


def words_of(window: ServersWindow, row: int) -> str:
    model = shown(window, "Servers").model()
    return model.data(model.index(row, 0), qt.Qt.AccessibleTextRole)


def choose(window: ServersWindow, row: int) -> None:
    view = shown(window, "Servers")
    click(view, view.visualRect(view.model().index(row, 0)).center())


def test_typed_value_is_saved_without_a_button(open_window, client: QProcessClient, wait_until):
    window = open_window(PACS)
    type_into(window, "Host", "other.example.org", finish=False)
    wait_until(lambda: server(client, "Main PACS")["host"] == "other.example.org")
    shown(window, "Port").value = 104
    wait_until(lambda: server(client, "Main PACS")["port"] == 104)


def test_unusable_value_stays_red_and_unused(open_window, client: QProcessClient, wait_until):
    window = open_window(PACS, OLD)
    type_into(window, "Host", "two words")
    wait_until(lambda: "without spaces" in texts(window))
    assert shown(window, "Host").property("state") == "error"
    assert not shown(window, "Test connection").enabled
    assert "cannot be used yet" in words_of(window, 0)
    choose(window, 1)
    wait_until(lambda: shown(window, "Name").text == "Old PACS")
    assert server(client, "Main PACS")["host"] == "pacs.example.org"
    choose(window, 0)
    wait_until(lambda: shown(window, "Host").text == "two words")
    shown(window, "Host")
    type_into(window, "Host", "pacs2.example.org")
    wait_until(lambda: server(client, "Main PACS")["host"] == "pacs2.example.org")
    assert shown(window, "Host").property("state") == ""


def test_rename_keeps_the_choice_and_refuses_a_taken_name(open_window, client: QProcessClient, wait_until):
    window = open_window(PACS, OLD)
    type_into(window, "Name", "Old PACS")
    wait_until(lambda: "already a server named Old PACS" in texts(window))
    type_into(window, "Name", "PACS of the house")
    wait_until(lambda: names(client) == ["PACS of the house", "Old PACS"])
    wait_until(lambda: listed(window) == ["PACS of the house", "Old PACS"])
    assert shown(window, "Name").text == "PACS of the house"
    assert shown(window, "Servers").currentIndex().row() == 0


def test_reset_takes_changes_back(open_window, client: QProcessClient, wait_until):
    window = open_window(PACS)
    type_into(window, "Called AE title", "OTHER")
    wait_until(lambda: server(client, "Main PACS")["called_ae_title"] == "OTHER")
    shown(window, "Reset changes").click()
    wait_until(lambda: server(client, "Main PACS")["called_ae_title"] == "MAINPACS")
    assert shown(window, "Called AE title").text == "MAINPACS"


def test_new_server_joins_the_list_once_it_is_usable(open_window, client: QProcessClient, wait_until):
    window = open_window()
    wait_until(lambda: "There is no server yet" in texts(window))
    shown(window, "Add a DIMSE server").click()
    wait_until(lambda: "The host is missing." in texts(window))
    assert names(client) == []
    type_into(window, "Name", "Main PACS")
    type_into(window, "Host", "pacs.example.org")
    type_into(window, "Called AE title", "MAINPACS")
    wait_until(lambda: names(client) == ["Main PACS"])
    wait_until(lambda: listed(window) == ["Main PACS"])
    wait_until(lambda: shown(window, "Test connection").enabled)


def test_protocol_changes_the_form(open_window, client: QProcessClient, wait_until):
    window = open_window(PACS)
    shown(window, "Protocol").currentIndex = 1
    wait_until(lambda: "The address is missing." in texts(window))
    assert server(client, "Main PACS")["protocol"] == "dimse"
    type_into(window, "Address", "https://pacs.example.org/dicom-web")
    wait_until(lambda: server(client, "Main PACS")["protocol"] == "dicomweb")
    go_to_page(window, "Security")
    shown(window, "Sign in").currentIndex = 2
    wait_until(lambda: server(client, "Main PACS")["auth"] == "bearer")
    type_into(window, "Token", "a-secret-token")
    wait_until(lambda: server(client, "Main PACS")["secrets"] == ["token"])
    wait_until(lambda: shown(window, "Token").placeholderText.startswith("kept"))
    assert "a-secret-token" not in json.dumps(client.request("servers"))


def test_list_is_ordered_checked_and_duplicated_by_keys(open_window, client: QProcessClient, wait_until):
    window = open_window(PACS, OLD)
    view = shown(window, "Servers")
    press(view, qt.Qt.Key_Down, "", qt.Qt.AltModifier)
    wait_until(lambda: listed(window) == ["Old PACS", "Main PACS"])
    press(view, qt.Qt.Key_Space, " ")
    wait_until(lambda: not server(client, "Main PACS")["enabled"])
    wait_until(lambda: "not asked in queries" in words_of(window, 1))
    press(view, qt.Qt.Key_D, "", qt.Qt.ControlModifier)
    wait_until(lambda: len(listed(window)) == 3)
    wait_until(lambda: shown(window, "Name").text not in ("Main PACS", "Old PACS"))


def test_click_on_the_mark_switches_and_a_drop_moves(open_window, client: QProcessClient, wait_until):
    window = open_window(PACS, OLD)
    view = shown(window, "Servers")
    click(view, view.check_point(0))
    wait_until(lambda: not server(client, "Main PACS")["enabled"])
    model = view.model()
    mime = model.mimeData([model.index(1, 0)])
    model.dropMimeData(mime, qt.Qt.MoveAction, 0, 0, qt.QModelIndex())
    wait_until(lambda: listed(window) == ["Old PACS", "Main PACS"])


def question(window: ServersWindow) -> Any:
    found = [each for each in window.findChildren(DeleteQuestion) if each.visible]
    return found[-1] if found else None


def test_delete_names_who_uses_it(open_window, client: QProcessClient, wait_until):
    proxy = {"name": "Proxy", "host": "proxy", "called_ae_title": "P"}
    window = open_window(proxy, PACS | {"retrieve_protocol": "proxy", "proxy": "Proxy"})
    shown(window, "Delete").click()
    wait_until(lambda: question(window) is not None)
    assert "Main PACS fetches through it" in texts(question(window))
    assert not shown(question(window), "Delete Proxy").enabled
    shown(question(window), "Cancel").click()
    choose(window, 1)
    wait_until(lambda: shown(window, "Name").text == "Main PACS")
    client.request("pause_jobs")
    shown(window, "Delete").click()
    wait_until(lambda: question(window) is not None)
    shown(question(window), "Delete Main PACS").click()
    wait_until(lambda: names(client) == ["Proxy"])
    wait_until(lambda: shown(window, "Name").text == "Proxy")


def test_lists_are_exported_and_imported(open_window, client: QProcessClient, tmp_path: Path, said, wait_until):
    window = open_window(PACS)
    path = tmp_path / "servers.json"
    window._actions.export_to(str(path))
    wait_until(lambda: any("1 server was written" in text for text, _level in said))
    client.request("remove_server", name="Main PACS")
    wait_until(lambda: listed(window) == [])
    window._actions.import_from(str(path))
    wait_until(lambda: listed(window) == ["Main PACS"])
    assert any("1 server was added." in text for text, _level in said)
    window._actions.import_from(str(tmp_path / "none.json"))
    wait_until(lambda: "cannot be read" in texts(window))


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A running server that answers to PACS."""
    served = QProcessClient(tmp_path / "pacs")
    yield served.request("start_node", port=0, ae_title="PACS")
    served.close()


def test_failed_test_says_where_why_and_what_to_do(open_window, pacs: dict[str, Any], said, wait_until):
    memory = MemoryViewSettings()
    window = open_window(PACS | {"host": "127.0.0.1", "port": pacs["port"]}, memory=memory)
    wait_until(lambda: shown(window, "Test connection").enabled)
    shown(window, "Test connection").click()
    wait_until(lambda: "goes by another AE title" in texts(window))
    assert "failed at step 4 of 9" in texts(window)
    assert shown(window, "Called AE title").property("state") == "error"
    assert "The last test failed" in words_of(window, 0)
    shown(window, "Copy request for the administrator").click()
    assert "AE title:   MAINPACS" in qt.QApplication.clipboard().text()
    assert said[-1][1] == "info"
    (edit,) = [each for each in window.findChildren(qt.QPushButton) if each.text == "Edit called AE title"]
    edit.click()
    type_into(window, "Called AE title", "PACS")
    assert shown(window, "Called AE title").property("state") == ""
    press(shown(window, "Servers"), qt.Qt.Key_F5)
    wait_until(lambda: "all steps passed" in texts(window))
    again = open_window(memory=memory)
    wait_until(lambda: "The last test passed" in (words_of(again, 0) or ""))


def test_technical_log_can_be_read(open_window, pacs: dict[str, Any], wait_until):
    window = open_window(PACS | {"host": "127.0.0.1", "port": pacs["port"]})
    wait_until(lambda: shown(window, "Test connection").enabled)
    shown(window, "Test connection").click()
    wait_until(lambda: "goes by another AE title" in texts(window))
    shown(window, "Technical log").click()
    logs = [each for each in qt.QApplication.topLevelWidgets() if each.windowTitle == "Connection test of Main PACS"]
    (field,) = logs[-1].findChildren(qt.QPlainTextEdit)
    wait_until(lambda: "association: failed" in field.plainText)


def test_every_field_has_a_name_for_screen_readers(open_window):
    window = open_window(PACS)
    kinds = ("QLineEdit", "QComboBox", "QSpinBox", "QDoubleSpinBox", "QCheckBox", "QPlainTextEdit", "QToolButton")
    parts = ("qt_spinbox_lineedit", "ScrollLeftButton", "ScrollRightButton")
    nameless = [
        each.objectName
        for kind in kinds
        for each in window.findChildren(getattr(qt, kind))
        if not each.accessibleName and each.objectName not in parts and not each.parent().inherits("QComboBox")
    ]
    assert nameless == []
