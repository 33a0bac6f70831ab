"""The settings window with a real engine: what is changed reaches the engine at once, what cannot be is said."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import qt

from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient
from VisualDICOMBrowserLib.widgets.settings.appearance import SheetFollower, theme_from
from VisualDICOMBrowserLib.widgets.settings.settings_window import SettingsWindow
from VisualDICOMBrowserLib.widgets.view_settings import KeptViewSettings

said: list[str] = []
views: list[str] = []


class Host:
    """Remembers which database it was asked to open."""

    name = "nothing"

    def __init__(self) -> None:
        self.opened: list[str] = []

    def open_database(self, folder: str) -> None:
        self.opened.append(folder)


@pytest.fixture
def context(client: QProcessClient, tmp_path: Path) -> BrowserContext:
    settings = KeptViewSettings(tmp_path / "view.ini")
    return BrowserContext(client, Theme("light"), Host(), settings, lambda text, level: said.append(text))


@pytest.fixture
def window(context: BrowserContext, wait_until: Any) -> Iterator[SettingsWindow]:
    said.clear()
    views.clear()
    made = SettingsWindow(context, views.append)
    made.show()
    wait_until(lambda: named(made, "Database folder").text)
    yield made
    made.close()


def named(window: qt.QWidget, name: str) -> Any:
    """The one widget that screen readers know by this name."""
    (found,) = [each for each in window.findChildren(qt.QWidget) if each.accessibleName == name]
    return found


def button(window: qt.QWidget, text: str) -> Any:
    (found,) = [each for each in window.findChildren(qt.QPushButton) if each.text == text]
    return found


def texts(window: qt.QWidget) -> str:
    return "\n".join(each.text for each in window.findChildren(qt.QLabel) if not each.isHidden())


def kept(client: QProcessClient, key: str) -> Callable[[], Any]:
    return lambda: client.request("settings").get(key)


def test_contents_and_size_of_the_database_are_shown(
    window: SettingsWindow, client: QProcessClient, dicom_folder: Path, wait_until: Any
):
    assert named(window, "Database folder").text == str(client.folder)
    assert "0 patients" in texts(window)
    client.request("import_files", paths=[str(dicom_folder)], copy=True)
    wait_until(lambda: "2 patients, 2 studies, 2 series, 2 images" in texts(window))
    wait_until(lambda: "2 copied files" in texts(window))
    assert "free on the disk" in texts(window)


def test_check_finds_a_file_that_is_gone(
    window: SettingsWindow, client: QProcessClient, dicom_folder: Path, wait_until: Any
):
    button(window, "Check now").click()
    wait_until(lambda: "The database is sound and 0 files are there." in texts(window))
    client.request("import_files", paths=[str(dicom_folder)])
    wait_until(lambda: "2 images" in texts(window))
    (dicom_folder / "CT_small.dcm").unlink()
    wait_until(lambda: button(window, "Check now").enabled)
    button(window, "Check now").click()
    wait_until(lambda: "1 file is gone" in texts(window))
    assert "CT_small.dcm" in texts(window)


def test_every_kind_of_field_takes_effect_at_once(window: SettingsWindow, client: QProcessClient, wait_until: Any):
    named(window, "Copy imported files into the database").click()
    wait_until(lambda: kept(client, "import/copy")() is True)
    named(window, "Longest side").value = 128
    wait_until(lambda: kept(client, "thumbnails/size")() == 128)
    field = named(window, "Calling AE title")
    field.setFocus()
    field.selectAll()
    for letter in "WARD3":
        qt.QApplication.sendEvent(field, qt.QKeyEvent(qt.QEvent.KeyPress, 0, qt.Qt.NoModifier, letter))
    qt.QApplication.sendEvent(field, qt.QKeyEvent(qt.QEvent.KeyPress, qt.Qt.Key_Return, qt.Qt.NoModifier))
    wait_until(lambda: kept(client, "network/calling_ae_title")() == "WARD3")


def test_kept_values_are_shown_by_the_next_window(
    window: SettingsWindow, context: BrowserContext, client: QProcessClient, wait_until: Any
):
    client.request("set_setting", key="jobs/max_concurrent", value=3)
    second = SettingsWindow(context)
    wait_until(lambda: named(second, "Jobs at a time").value == 3)
    second.close()


def test_listener_is_switched_on_and_off(
    window: SettingsWindow, client: QProcessClient, free_port: int, wait_until: Any
):
    named(window, "Port").value = free_port
    button(window, "Listen now").click()
    wait_until(lambda: f"Listening as VISUALDICOM, 127.0.0.1, port {free_port}." in texts(window))
    assert client.request("node")["running"]
    button(window, "Stop listening").click()
    wait_until(lambda: "Not listening." in texts(window))
    assert not client.request("node")["running"]


def test_port_in_use_offers_the_next_one(window: SettingsWindow, client: QProcessClient, wait_until: Any):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        named(window, "Port").value = port
        wait_until(lambda: kept(client, "node/port")() == port)
        button(window, "Listen now").click()
        wait_until(lambda: f"Port {port} is used by another program." in texts(window))
        button(window, f"Use port {port + 1}").click()
        wait_until(lambda: kept(client, "node/port")() == port + 1)
        assert named(window, "Port").value == port + 1
    # That port may be taken as well by now; either way it was tried.
    tried = (f"port {port + 1}.", f"Port {port + 1} is used")
    wait_until(lambda: any(text in texts(window) for text in tried))


def test_prefetch_of_a_server_is_chosen(window: SettingsWindow, client: QProcessClient, wait_until: Any):
    client.request("add_server", name="Main PACS", protocol="dimse", host="pacs.invalid", port=104, called_ae_title="X")
    wait_until(lambda: "Main PACS" in texts(window))
    named(window, "Fetched ahead from Main PACS").currentIndex = 2
    wait_until(lambda: client.request("servers")[0]["prefetch"] == "series")


def test_look_changes_at_once_and_is_remembered(window: SettingsWindow, context: BrowserContext, tmp_path: Path):
    named(window, "Dark").click()
    assert context.theme.look == "dark"
    assert window.palette.color(qt.QPalette.Window).name().upper() == context.theme.text("window")
    context.view_settings.save()
    assert theme_from(KeptViewSettings(tmp_path / "view.ini")).look == "dark"


def test_own_style_sheet_is_read_again_when_it_changes(context: BrowserContext, tmp_path: Path, wait_until: Any):
    sheet = tmp_path / "own.qss"
    sheet.write_text("QLabel { color: @accent; }", encoding="utf-8")
    follower = SheetFollower(context.theme, context.view_settings)
    follower.choose(str(sheet))
    assert context.theme.sheet() == f"QLabel {{ color: {context.theme.text('accent')}; }}"
    seen: list[str] = []
    unsubscribe = context.theme.subscribe(lambda: seen.append(context.theme.sheet()))
    sheet.write_text("QLabel { color: @error; }", encoding="utf-8")
    wait_until(lambda: any(context.theme.text("error") in text for text in seen))
    unsubscribe()
    follower.choose("")
    assert "QToolButton" in context.theme.sheet()
    follower.close()


def test_order_of_series_is_told_to_the_browser(window: SettingsWindow, context: BrowserContext):
    named(window, "Order of series").currentIndex = 2
    named(window, "Newest studies open").value = 5
    assert views == ["order", "opened_studies"]
    assert context.view_settings.get("order") == "modality"
    assert context.view_settings.get("opened_studies") == 5


def test_database_is_moved_to_an_empty_folder(
    window: SettingsWindow,
    context: BrowserContext,
    client: QProcessClient,
    dicom_folder: Path,
    tmp_path: Path,
    wait_until: Any,
):
    client.request("import_files", paths=[str(dicom_folder)], copy=True)
    wait_until(lambda: "2 images" in texts(window))
    target = tmp_path / "elsewhere"
    window._pages[0].move_to(str(dicom_folder))
    assert "is not empty" in texts(window)
    window._pages[0].move_to(str(target))
    wait_until(lambda: context.host.opened)
    assert context.host.opened == [str(target)]
    moved = QProcessClient(target)
    try:
        assert moved.request("counts")["instances"] == 2
        (record,) = moved.request("records", level="SERIES", Modalities=["CT"])
        (path,) = moved.request("files", series=[record["SeriesInstanceUID"]])[record["SeriesInstanceUID"]]
        assert Path(path).is_file()
        assert target in Path(path).parents
    finally:
        moved.close()


def test_fault_of_the_engine_stands_below_the_field(window: SettingsWindow, wait_until: Any):
    window._pages[2].put("node/port", -1)
    wait_until(lambda: "must be at least 0" in texts(window))


def test_escape_closes(window: SettingsWindow):
    qt.QApplication.sendEvent(window, qt.QKeyEvent(qt.QEvent.KeyPress, qt.Qt.Key_Escape, qt.Qt.NoModifier))
    assert not window.visible


def test_every_field_has_a_name_for_screen_readers(window: SettingsWindow):
    kinds = (qt.QLineEdit, qt.QComboBox, qt.QAbstractSpinBox, qt.QCheckBox, qt.QRadioButton)
    inner = ("qt_spinbox_lineedit",)
    for kind in kinds:
        for field in window.findChildren(kind):
            assert field.accessibleName or field.objectName in inner
