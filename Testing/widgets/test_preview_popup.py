"""The preview with a real engine: slices by wheel, mouse and keys, the window by dragging, neighbours, full screen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom.data
import pytest
import qt

from Testing.support.browser_driving import RememberingHost
from Testing.support.ct_series import make_ct_series
from Testing.support.viewing import imported, mouse, real_data, settle, wheel
from Testing.support.widget_driving import press, texts
from VisualDICOMBrowserLib.widgets.browser.browser import Browser
from VisualDICOMBrowserLib.widgets.catalogue.entries import SeriesEntry
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.preview.picture import PictureView
from VisualDICOMBrowserLib.widgets.preview.preview_popup import PreviewPopup
from VisualDICOMBrowserLib.widgets.preview.words import place_text, window_text
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient
from VisualDICOMBrowserLib.widgets.view_settings import MemoryViewSettings

COUNT = 12


class Shown:
    """A preview over a window of nothing else."""

    def __init__(self, client: QProcessClient, series: list[SeriesEntry], wait: Any, look: str = "light") -> None:
        self.all = series
        self.wait = wait
        self.loaded: list[SeriesEntry] = []
        self.over = qt.QWidget()
        self.over.resize(1100, 760)
        self.card = qt.QPushButton("card", self.over)
        context = BrowserContext(client, Theme(look), None, MemoryViewSettings(), lambda _text, _level: None)
        self.popup = PreviewPopup(context, self.step, self.loaded.append, self.over)
        context.theme.apply(self.over)
        self.over.show()
        self.card.setFocus()
        settle()
        (self.view,) = self.popup.findChildren(PictureView)

    def step(self, steps: int) -> SeriesEntry | None:
        place = self.all.index(self.popup.series) + steps
        return self.all[place] if 0 <= place < len(self.all) else None

    def open(self, number: int = 0, place: Any = None) -> None:
        self.popup.show_series(self.all[number], place)
        if self.all[number].local:
            self.wait_still()

    def wait_still(self) -> None:
        self.wait(lambda: self.popup.index is not None and not self.popup._feed.busy)

    def key(self, key: Any) -> None:
        press(self.popup, key)


@pytest.fixture
def shown(client: QProcessClient, tmp_path: Path, wait_until: Any) -> Iterator[Shown]:
    first = make_ct_series(tmp_path / "one", COUNT)
    make_ct_series(tmp_path / "two", 3, study=first.StudyInstanceUID, number=2, description="Second")
    catalogue = imported(client, wait_until, tmp_path / "one", tmp_path / "two")
    made = Shown(client, catalogue.series(first.StudyInstanceUID), wait_until)
    yield made
    made.popup.hide()


def test_opens_at_the_middle_slice_with_what_it_is(shown: Shown):
    shown.open()
    assert shown.popup.visible
    assert shown.popup.focus
    assert shown.popup.index == COUNT // 2
    assert shown.view.picture is not None
    assert shown.view.words == ""
    kind, window, place, position = shown.view.corners
    assert kind == "CT \u00b7 Axial 1.5"
    assert window.startswith("W ")
    assert place == f"Slice {COUNT // 2 + 1} / {COUNT}"
    assert position.endswith(" mm")
    assert "1  Axial 1.5" in texts(shown.popup)
    assert "Phantom, Thorax \u00b7 2024-01-02" in texts(shown.popup)
    assert shown.popup.width == shown.popup._context.theme.px(430)


def test_wheel_keys_and_mouse_go_through_the_slices(shown: Shown):
    shown.open()
    wheel(shown.view, 2)
    assert shown.popup.index == COUNT // 2 + 2
    shown.key(qt.Qt.Key_Up)
    assert shown.popup.index == COUNT // 2 + 1
    shown.key(qt.Qt.Key_Home)
    assert shown.popup.index == 0
    shown.key(qt.Qt.Key_PageDown)
    assert shown.popup.index == 2
    shown.key(qt.Qt.Key_End)
    wheel(shown.view, 5)
    assert shown.popup.index == COUNT - 1
    shown.wait_still()
    assert shown.view.corners[2] == f"Slice {COUNT} / {COUNT}"
    width = shown.view.width
    mouse(shown.view, qt.QEvent.MouseMove, width - 1, 50)
    mouse(shown.view, qt.QEvent.MouseMove, 0, 50)
    assert shown.popup.index == 0
    bar = shown.view._bar()
    for kind, x in ((qt.QEvent.MouseButtonPress, bar.center().x()), (qt.QEvent.MouseMove, bar.right())):
        mouse(shown.view, kind, x, bar.center().y(), qt.Qt.LeftButton)
    assert shown.popup.index == COUNT - 1
    mouse(shown.view, qt.QEvent.MouseButtonRelease, bar.right(), bar.center().y(), qt.Qt.LeftButton)
    shown.wait_still()


def test_dragging_changes_the_window_and_a_double_click_resets_it(shown: Shown):
    shown.open()
    before, shade = shown.view.corners[1], shown.view.picture.toImage()
    mouse(shown.view, qt.QEvent.MouseButtonPress, 50, 50, qt.Qt.LeftButton)
    mouse(shown.view, qt.QEvent.MouseMove, 150, 20, qt.Qt.LeftButton)
    mouse(shown.view, qt.QEvent.MouseButtonRelease, 150, 20, qt.Qt.LeftButton)
    assert shown.view.corners[1] != before
    shown.wait_still()
    assert shown.view.picture.toImage() != shade
    assert shown.popup.index == COUNT // 2
    wheel(shown.view, 1)
    shown.wait_still()
    kept = shown.view.corners[1]
    assert kept != before
    mouse(shown.view, qt.QEvent.MouseButtonDblClick, 50, 50, qt.Qt.LeftButton)
    shown.wait_still()
    assert shown.view.corners[1] != kept


def test_arrows_go_to_neighbours_enter_loads(shown: Shown):
    shown.open()
    shown.key(qt.Qt.Key_Left)
    assert shown.popup.series is shown.all[0]
    shown.key(qt.Qt.Key_Right)
    shown.wait_still()
    assert shown.popup.series is shown.all[1]
    assert shown.popup.index == 1
    assert "2  Second" in texts(shown.popup)
    shown.key(qt.Qt.Key_Return)
    assert shown.loaded == [shown.all[1]]
    assert not shown.popup.visible


@pytest.mark.parametrize("key", [qt.Qt.Key_Escape, qt.Qt.Key_Space])
def test_closing_gives_the_focus_back_and_listens_no_longer(shown: Shown, key: Any):
    shown.open()
    shown.key(key)
    assert not shown.popup.visible
    assert shown.card.focus
    assert shown.popup._feed._unsubscribe is None
    shown.open(1)
    assert shown.popup.visible
    assert shown.popup.index == 1


def test_full_screen_and_back(shown: Shown):
    shown.open()
    wheel(shown.view, 1)
    small = qt.QRect(shown.popup.geometry)
    shown.key(qt.Qt.Key_F)
    settle()
    assert shown.popup.is_full
    assert shown.popup.visible
    assert shown.popup.width > small.width()
    shown.wait_still()
    assert shown.popup.index == COUNT // 2 + 1
    shown.key(qt.Qt.Key_Escape)
    settle()
    assert not shown.popup.is_full
    assert shown.popup.visible
    assert qt.QRect(shown.popup.geometry) == small
    shown.key(qt.Qt.Key_F)
    shown.key(qt.Qt.Key_Space)
    settle()
    assert not shown.popup.visible
    assert not shown.popup.is_full
    assert shown.popup._feed._unsubscribe is None
    shown.open()
    assert shown.popup.geometry.width() == small.width()
    assert not shown.popup.isWindow()


def test_stays_inside_the_window_and_beside_the_card(shown: Shown):
    corner = shown.over.mapToGlobal(qt.QPoint(900, 600))
    shown.open(0, qt.QRect(corner, qt.QSize(120, 150)))
    inside = qt.QRect(0, 0, shown.over.width, shown.over.height)
    assert inside.contains(shown.popup.geometry)
    assert shown.popup.geometry.right() < 900
    shown.over.resize(360, 420)
    settle()
    assert qt.QRect(0, 0, 360, 420).contains(shown.popup.geometry)


def test_series_that_is_not_here_says_so_and_comes_when_it_is(shown: Shown, client: QProcessClient, tmp_path: Path):
    later = make_ct_series(tmp_path / "later", 5, number=7)
    study = shown.all[0].study
    remote = SeriesEntry(
        later.SeriesInstanceUID, study.StudyInstanceUID, study, SeriesNumber=7, Modality="CT", expected=5
    )
    shown.all.append(remote)
    shown.open(2)
    assert shown.view.words == "Not fetched yet"
    assert shown.view.picture is None
    remote.local = 5
    client.request("import_files", paths=[str(tmp_path / "later")])
    shown.wait_still()
    assert shown.view.picture is not None
    assert shown.view.words == ""


def test_objects_without_picture_say_why(client: QProcessClient, tmp_path: Path, wait_until: Any):
    folder = tmp_path / "objects"
    folder.mkdir()
    (folder / "report.dcm").write_bytes(Path(str(pydicom.data.get_testdata_file("reportsi.dcm"))).read_bytes())
    catalogue = imported(client, wait_until, folder)
    series = [each for patient in catalogue.patients() for study in patient.studies for each in study.series]
    shown = Shown(client, series, wait_until)
    shown.popup.show_series(series[0])
    wait_until(lambda: shown.view.words)
    assert "no picture" in shown.view.words
    shown.popup.hide()


def test_words():
    assert window_text((300.0, 612.4)) == "W 612  L 300"
    assert window_text((-0.125, 0.5)) == "W 0.5  L \u22120.125"
    assert window_text(None) == place_text(None) == ""
    assert place_text(-12.5) == "\u221212.5 mm"


@pytest.mark.parametrize("look", ["light", "dark", "contrast"])
def test_is_painted_in_every_look(look: str, client: QProcessClient, tmp_path: Path, wait_until: Any):
    folder = Path(os.environ.get("VISUAL_DICOM_SCREENSHOTS") or tmp_path)
    catalogue = imported(client, wait_until, real_data("mr-head"))
    series = [each for patient in catalogue.patients() for study in patient.studies for each in study.series]
    shown = Shown(client, series, wait_until, look)
    shown.open()
    shown.wait_still()
    settle()
    assert shown.over.grab().save(str(folder / f"preview-{look}.png"))
    shown.popup.hide()


def test_in_the_browser(client: QProcessClient, tmp_path: Path, wait_until: Any):
    first = make_ct_series(tmp_path / "one", COUNT)
    make_ct_series(tmp_path / "two", 3, study=first.StudyInstanceUID, number=2, description="Second")
    scene = RememberingHost()
    browser = Browser(client, scene, MemoryViewSettings())
    browser.resize(1300, 800)
    browser.show()
    browser.import_paths([str(tmp_path / "one"), str(tmp_path / "two")])
    wait_until(lambda: browser.page.patient is not None and browser.feed.state.summary().unfinished == 0)
    wait_until(lambda: browser.catalogue.one_series(first.SeriesInstanceUID) is not None)
    settle()
    browser.page.select([first.SeriesInstanceUID], show=True)
    browser.page.view.setFocus()
    settle()
    press(browser.page.view, qt.Qt.Key_Space)
    (popup,) = browser.findChildren(PreviewPopup)
    wait_until(lambda: popup.index is not None)
    assert popup.series.SeriesInstanceUID == first.SeriesInstanceUID
    press(popup, qt.Qt.Key_Right)
    wait_until(lambda: popup.index == 1)
    assert [each.SeriesDescription for each in browser.page.selected()] == ["Second"]
    folder = Path(os.environ.get("VISUAL_DICOM_SCREENSHOTS") or tmp_path)
    settle()
    assert browser.grab().save(str(folder / "preview-browser.png"))
    press(popup, qt.Qt.Key_Escape)
    assert not popup.visible
    assert browser.page.view.focus
    press(browser.page.view, qt.Qt.Key_Space)
    press(popup, qt.Qt.Key_Return)
    wait_until(lambda: scene.loaded)
    window = browser.windows.open_metadata(*browser.page.selected())
    wait_until(lambda: window.table.lines)
    assert "Phantom, Thorax" in window.windowTitle
    browser.close_browser()
    browser.close()
