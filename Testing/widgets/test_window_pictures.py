"""The whole browser and its windows as pictures, in both looks and many widths; no word on a button is cut off."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydicom
import pydicom.data
import pytest
import qt

from Testing.support.browser_driving import RememberingHost, Wait, names
from Testing.support.oauth_server import OAuthServer
from Testing.support.widget_driving import shown, texts, type_into
from VisualDICOMBrowserLib.widgets import language
from VisualDICOMBrowserLib.widgets.browser.browser import Browser
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.patients.column_fit import fitting
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient
from VisualDICOMBrowserLib.widgets.settings.databases import FoundDatabase
from VisualDICOMBrowserLib.widgets.settings.first_start import FirstStart
from VisualDICOMBrowserLib.widgets.view_settings import MemoryViewSettings

BOTH = pytest.mark.parametrize("look", ["light", "dark"])
Taken = Callable[[Any, str], None]


@pytest.fixture
def take(tmp_path: Path) -> Taken:
    """Writes what a widget looks like into a folder of the user's, else into one of the test."""
    folder = Path(os.environ.get("VISUAL_DICOM_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)

    def save(widget: Any, name: str) -> None:
        settle()
        assert widget.grab().save(str(folder / f"{name}.png"))

    return save


@pytest.fixture
def longer() -> Iterator[None]:
    """A language whose texts are 40 % longer."""
    language.translate_by(lambda text: text + "e" * round(0.4 * len(text)))
    yield
    language.translate_by(str)


@pytest.fixture
def large_font() -> Iterator[None]:
    """A font of 200 %."""
    before = qt.QFont(qt.QApplication.font())
    large = qt.QFont(before)
    large.setPixelSize(26)
    qt.QApplication.setFont(large)
    yield
    qt.QApplication.setFont(before)


def cut_off(window: Any) -> list[str]:
    """Words of visible buttons, and of labels of one line, that have no room."""
    found = []
    for button in window.findChildren(qt.QPushButton):
        if button.isVisibleTo(window) and button.text and not button.inherits("FieldButton"):
            words = qt.QFontMetrics(button.font).horizontalAdvance(button.text.replace("&", ""))
            if button.width < words:
                found.append(button.text)
    return found


def resized(browser: Browser, width: int, height: int = 800) -> None:
    settle()
    browser.resize(width, height)
    settle()


def settle() -> None:
    for _turn in range(5):
        qt.QApplication.processEvents()


@BOTH
@pytest.mark.parametrize("width", [300, 350, 720, 1100, 1440])
def test_browser_at_every_width(filled: Browser, look: str, width: int, take: Taken) -> None:
    filled.theme.choose(look)
    resized(filled, width)
    take(filled, f"browser-{width}-{look}")
    assert filled.width == width
    assert cut_off(filled) == []


@BOTH
@pytest.mark.parametrize("width", [720, 1100, 1440])
def test_list_shows_the_columns_that_fit(filled: Browser, look: str, width: int, take: Taken) -> None:
    filled.theme.choose(look)
    filled.choose_mode(True)
    resized(filled, width)
    take(filled, f"list-{width}-{look}")
    assert filled.table.horizontalScrollBar().maximum == 0
    assert filled.table.isColumnHidden(0) is False
    assert cut_off(filled) == []


def test_a_column_asked_for_is_shown_even_without_room(filled: Browser) -> None:
    filled.choose_mode(True)
    resized(filled, 720)
    hidden = [number for number in range(12) if filled.table.isColumnHidden(number)]
    filled.table.show_column("sex", True)
    assert 2 in hidden
    assert not filled.table.isColumnHidden(2)
    resized(filled, 1440)
    assert not filled.table.isColumnHidden(6)


def test_which_columns_fit() -> None:
    widths = {"sex": 40, "patient": 160, "last": 100, "description": 120}
    assert fitting(widths, 420) == set(widths)
    assert fitting(widths, 300) == {"patient", "last"}
    assert fitting(widths, 10) == {"patient"}
    assert "sex" in fitting(widths, 10, ["sex"])


@BOTH
def test_several_patients_summed_up(filled: Browser, look: str, take: Taken, wait_until: Wait) -> None:
    filled.theme.choose(look)
    filled.choose_mode(True)
    filled.table.selectAll()
    wait_until(lambda: "2 patients selected" in texts(filled))
    resized(filled, 1100)
    take(filled, f"several-patients-{look}")
    filled.choose_mode(False)
    assert len(filled.table.selected()) == 1


@BOTH
def test_full_screen_wide_and_small(filled: Browser, look: str, take: Taken) -> None:
    filled.theme.choose(look)
    filled.toggle_full_screen()
    resized(filled, 1920, 1080)
    take(filled, f"full-screen-1920-{look}")
    assert filled.jobs_panel.visible
    assert filled.jobs_panel.x > filled.page.width
    resized(filled, 800, 600)
    take(filled, f"full-screen-800-{look}")
    assert not filled.jobs_panel.visible  # as before the full screen
    assert filled.table.width >= 200
    assert filled.page.width >= 400
    filled.toggle_full_screen()
    resized(filled, 1300)
    assert not filled.jobs_panel.visible


@BOTH
def test_jobs_in_drawer_and_side_panel(filled: Browser, look: str, take: Taken) -> None:
    filled.theme.choose(look)
    filled.arranging.show_jobs(True)
    for width in (1440, 350):
        resized(filled, width, 960)
        take(filled, f"jobs-{width}-{look}")
        assert cut_off(filled) == []


@BOTH
def test_offline(filled: Browser, pacs: QProcessClient, look: str, take: Taken, wait_until: Wait) -> None:
    filled.theme.choose(look)
    filled.offline.toggle()
    wait_until(lambda: filled.offline.on and [chip for chip in filled.chips.shown if chip.words == "offline"])
    take(filled, f"offline-{look}")
    assert cut_off(filled) == []


@BOTH
def test_first_start(look: str, take: Taken, tmp_path: Path) -> None:
    found = FoundDatabase(tmp_path, 37, 12400, datetime.date.today())
    theme = Theme(look)
    page = FirstStart(theme, found, lambda _folder: None, lambda *_step: None)
    theme.apply(page)
    page.resize(1200, 780)
    page.show()
    take(page, f"first-start-{look}")
    assert cut_off(page) == []
    page.close()


@BOTH
def test_nothing_found(filled: Browser, look: str, take: Taken, wait_until: Wait) -> None:
    filled.theme.choose(look)
    type_into(filled, "Patient ID", "nobody", finish=False)
    wait_until(lambda: names(filled) == [])
    take(filled, f"nothing-found-{look}")
    assert cut_off(filled) == []


def four_of_one_id(folder: Path) -> list[str]:
    """Four images of persons with one ID."""
    paths = []
    persons = ("Doe^Jane", "Smith^John", "Vandenberghe^Elisabeth-Charlotte", "Doe^Janet")
    for number, person in enumerate(persons, start=1):
        dataset = pydicom.dcmread(str(pydicom.data.get_testdata_file("CT_small.dcm")))
        dataset.PatientID, dataset.PatientName, dataset.PatientBirthDate = "42", person, f"195{number}0101"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"1.2.5.{number}", f"1.2.4.{number}"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        paths.append(str(folder / f"{number}.dcm"))
        dataset.save_as(paths[-1])
    return paths


@BOTH
def test_four_sides_compared(browser: Browser, look: str, tmp_path: Path, take: Taken, wait_until: Wait) -> None:
    browser.theme.choose(look)
    browser.import_paths(four_of_one_id(tmp_path))
    wait_until(lambda: len(names(browser)) == 4 and browser.loader.idle and browser.remarks.visible)
    shown(browser.remarks, "Compare").click()
    window = browser.windows._windows["compare"]
    wait_until(lambda: not window.busy)
    take(window, f"compare-{look}")
    assert len(window.sides) == 4
    scroll = shown(window, "Comparison")
    assert scroll.horizontalScrollBar().maximum == 0
    assert cut_off(window) == []


@pytest.fixture
def servers(browser: Browser, pacs: QProcessClient, client: QProcessClient, tmp_path: Path, wait_until: Wait) -> Any:
    """The window of servers with one of each kind."""
    client.request("add_server", name="Cloud store", protocol="dicomweb", url="http://127.0.0.1:1/dicomweb")
    client.request("add_server", name="Scanner folder", protocol="folder", folder=str(tmp_path))
    browser.show_servers()
    window = browser.windows.open_servers("Main PACS")
    wait_until(lambda: at_server(window, "Main PACS"))
    return window


def at_server(window: Any, name: str) -> bool:
    """Whether the form shows that server."""
    return any(each.text == name and each.isVisibleTo(window) for each in window.findChildren(qt.QLineEdit))


@BOTH
@pytest.mark.parametrize("name", ["Main PACS", "Cloud store", "Scanner folder"])
def test_all_tabs_of_servers(
    browser: Browser, servers: Any, name: str, look: str, take: Taken, wait_until: Wait
) -> None:
    browser.theme.choose(look)
    browser.windows.open_servers(name)
    wait_until(lambda: at_server(servers, name))
    (tabs,) = servers.findChildren(qt.QTabWidget)
    for number in range(tabs.count):
        tabs.currentIndex = number
        take(servers, f"servers-{name.lower().replace(' ', '-')}-{number}-{look}")
        assert cut_off(servers) == []


@BOTH
def test_advice_of_a_test(
    browser: Browser, servers: Any, client: QProcessClient, look: str, take: Taken, wait_until: Wait
) -> None:
    browser.theme.choose(look)
    client.request("edit_server", name="Main PACS", called_ae_title="WRONG")
    shown(servers, "Test connection").click()
    wait_until(lambda: "failed at step" in texts(servers))
    take(servers, f"servers-advice-{look}")
    assert cut_off(servers) == []


@BOTH
def test_known_callers(browser: Browser, look: str, take: Taken, wait_until: Wait) -> None:
    browser.theme.choose(look)
    window = browser.windows.open_servers()
    wait_until(lambda: "not listening" in texts(window))
    window.show_this_computer()
    wait_until(lambda: "Anybody may call" in texts(window))
    take(window, f"servers-this-computer-{look}")
    assert cut_off(window) == []


@BOTH
def test_sign_in(browser: Browser, client: QProcessClient, look: str, take: Taken, wait_until: Wait) -> None:
    browser.theme.choose(look)
    with OAuthServer(person="waiting") as oauth:
        settings = {"protocol": "dicomweb", "url": oauth.server.url, "auth": "device_code", **oauth.settings}
        client.request("add_server", name="Cloud store", **settings)
        window = browser.windows.open_servers("Cloud store")
        wait_until(lambda: at_server(window, "Cloud store"))
        (tabs,) = window.findChildren(qt.QTabWidget)
        tabs.currentIndex = next(number for number in range(tabs.count) if tabs.tabText(number) == "Security")
        wait_until(lambda: shown(window, "Sign in now...").enabled)
        take(window, f"servers-sign-in-{look}")
        shown(window, "Sign in now...").click()
        asking = browser.windows.sign_in
        wait_until(lambda: "Waiting for you" in texts(asking))
        take(asking, f"sign-in-{look}")
        assert cut_off(window) == cut_off(asking) == []
        asking.close()


@pytest.mark.parametrize("width", [350, 1440])
def test_longer_texts_fit(longer: None, client: QProcessClient, width: int, take: Taken, wait_until: Wait) -> None:
    _in_another_size(client, width, "longer", take, wait_until)


@pytest.mark.parametrize("width", [700, 1440])
def test_large_font_fits(large_font: None, client: QProcessClient, width: int, take: Taken, wait_until: Wait) -> None:
    _in_another_size(client, width, "large", take, wait_until)


def _in_another_size(client: QProcessClient, width: int, name: str, take: Taken, wait_until: Wait) -> None:
    made = Browser(client, RememberingHost(), MemoryViewSettings())
    made.show()
    try:
        made.import_paths([str(pydicom.data.get_testdata_file("CT_small.dcm"))])
        wait_until(lambda: made.page.patient is not None and made.feed.state.summary().unfinished == 0)
        made.arranging.show_jobs(True)
        resized(made, width, 960)
        take(made, f"browser-{name}-{width}")
        assert cut_off(made) == []
    finally:
        made.close_browser()
        made.close()
