"""The page in the whole browser: chosen pictures, hidden series, arriving slices, sums of patients, the full screen."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import qt

from Testing.support.browser_driving import RememberingHost, add_server, names, press_key, query
from Testing.support.ct_series import make_ct_series
from Testing.support.ordered_pacs import OrderedPacs
from Testing.support.viewing import settle
from Testing.support.widget_driving import press, shown, texts, type_into
from VisualDICOMBrowserLib.widgets.browser.actions import frame_at
from VisualDICOMBrowserLib.widgets.browser.browser import Browser
from VisualDICOMBrowserLib.widgets.browser.patient_sum import sum_text
from VisualDICOMBrowserLib.widgets.page.arrival import arrived_shares
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient

Wait = Callable[[Callable[[], object]], None]


def picture_folder(tmp_path: Path) -> Path:
    return Path(os.environ.get("VISUAL_DICOM_SCREENSHOTS") or tmp_path)


def imported(browser: Browser, wait_until: Wait, *folders: Path) -> None:
    before = len(browser.feed.state.jobs())
    browser.import_paths([str(folder) for folder in folders])
    wait_until(lambda: len(browser.feed.state.jobs()) > before and browser.feed.state.summary().unfinished == 0)
    wait_until(lambda: browser.loader.idle and browser.page.patient is not None)


def card(browser: Browser, uid: str) -> Any:
    """``QRect`` of a card in the view."""
    view = browser.page.view
    return qt.QRect(view.visualRect(view.model().index(view.model().number_of_series(uid), 0)))


def move_mouse(browser: Browser, point: Any, kind: Any = qt.QEvent.MouseMove, button: Any = qt.Qt.NoButton) -> None:
    area = browser.page.view.viewport()
    held = qt.Qt.NoButton if kind == qt.QEvent.MouseButtonRelease else button
    place, far = qt.QPointF(point), qt.QPointF(area.mapToGlobal(point))
    qt.QApplication.sendEvent(area, qt.QMouseEvent(kind, place, far, button, held, qt.Qt.NoModifier))


def click(browser: Browser, point: Any) -> None:
    move_mouse(browser, point, qt.QEvent.MouseButtonPress, qt.Qt.LeftButton)
    move_mouse(browser, point, qt.QEvent.MouseButtonRelease, qt.Qt.LeftButton)


def item(browser: Browser, text: str, *series: Any) -> Any:
    return next(each for each in browser.menus.series(series) if each.text == text)


def pixels(series: Any) -> bytes:
    """Of the picture of a series; of one that has just made way for another, nothing."""
    image = qt.QImage(series.thumbnail)
    return b"" if image.isNull() else bytes(image.convertToFormat(qt.QImage.Format_RGB32).constBits())


# Use this slice as picture


@pytest.mark.parametrize(
    ("index", "found"), [(0, ("a", 0)), (1, ("b", 0)), (3, ("b", 2)), (4, ("c", 0)), (99, ("c", 0)), (None, ("b", 1))]
)
def test_a_slice_is_an_image_and_a_frame(index: int | None, found: tuple[str, int]) -> None:
    frames = {"a": None, "b": 3, "c": 1}
    instances = [{"SOPInstanceUID": uid, "NumberOfFrames": count} for uid, count in frames.items()]
    assert frame_at(instances, index) == found
    assert frame_at([], index) is None


def test_the_slice_under_the_mouse_becomes_the_picture(browser: Browser, tmp_path: Path, wait_until: Wait) -> None:
    made = make_ct_series(tmp_path / "ct", 8)
    imported(browser, wait_until, tmp_path / "ct")
    wait_until(lambda: (each := browser.catalogue.one_series(made.SeriesInstanceUID)) is not None and each.thumbnail)
    entry = browser.catalogue.one_series(made.SeriesInstanceUID)
    before = pixels(entry)
    picture = browser.page.view.metrics.card(card(browser, made.SeriesInstanceUID)).picture
    move_mouse(browser, picture.center())
    wait_until(lambda: browser.page.shown_slice(entry) is not None)
    move_mouse(browser, qt.QPoint(picture.right() - 1, picture.center().y()))
    assert browser.page.shown_slice(entry) == 7
    chosen = item(browser, "Use This Slice as Picture", entry)
    move_mouse(browser, qt.QPoint(1, 1))  # to the menu
    assert chosen.why_not == ""
    chosen.action()
    wait_until(lambda: pixels(entry) not in (b"", before))
    last = pixels(entry)
    assert browser.page.shown_slice(entry) is None
    item(browser, "Use This Slice as Picture", entry).action()
    wait_until(lambda: pixels(entry) == before)
    browser.open_preview(entry)
    preview = browser.windows._preview
    wait_until(lambda: preview.index is not None)
    preview.seek(7)
    assert item(browser, "Use This Slice as Picture", entry).why_not == ""
    press(preview, qt.Qt.Key_P)
    wait_until(lambda: pixels(entry) == last)


def test_of_a_remote_series_no_slice_can_be_chosen(browser: Browser, pacs: QProcessClient, wait_until: Wait) -> None:
    query(browser, wait_until, "1CT1")
    wait_until(lambda: browser.page.patient is not None and browser.page.patient.studies[0].series)
    (entry,) = browser.page.patient.studies[0].series
    assert "fetch it first" in item(browser, "Use This Slice as Picture", entry).why_not
    browser.open_preview(entry)
    preview = browser.windows._preview
    assert not preview._use.enabled
    assert "fetch it first" in preview._use.toolTip


# Series that filters hide


@pytest.fixture
def three_series(browser: Browser, tmp_path: Path, wait_until: Wait) -> Browser:
    """A browser on a study of three series, one of which fits the filter."""
    first = make_ct_series(tmp_path / "1", 1, description="Scout")
    for number, text in ((2, "Lung"), (3, "Bone")):
        make_ct_series(tmp_path / str(number), 1, study=first.StudyInstanceUID, number=number, description=text)
    imported(browser, wait_until, *(tmp_path / name for name in "123"))
    wait_until(lambda: browser.showing.current is not None and len(browser.showing.current.studies[0].series) == 3)
    type_into(browser, "Series description", "lung", finish=False)
    wait_until(lambda: shown_series(browser) == ["Lung"])
    return browser


def shown_series(browser: Browser) -> list[str]:
    return [each.SeriesDescription for each in browser.page.view.model().all_series()]


def header(browser: Browser) -> tuple[Any, Any]:
    """The study of the first header, and its ``QRect``."""
    view = browser.page.view
    return view.model().row(0).study, qt.QRect(view.visualRect(view.model().index(0, 0)))


def counts(browser: Browser) -> str:
    delegate = browser.page.view._painter
    return str(delegate.header_look(browser.page.view.model().row(0), 0).counts)


@pytest.mark.parametrize("width", [1300, 360])
def test_a_click_on_the_counts_shows_the_whole_study(
    three_series: Browser, tmp_path: Path, wait_until: Wait, width: int
) -> None:
    browser = three_series
    browser.resize(width, 800)
    settle()
    delegate = browser.page.view._painter
    assert counts(browser) == "1 of 3 series, show all"
    place = delegate.link_place(*header(browser))
    assert place.height() >= browser.theme.px(24)
    move_mouse(browser, place.center())
    assert delegate.link_hovered
    browser.grab().save(str(picture_folder(tmp_path) / f"partly-shown-{width}.png"))
    click(browser, place.center())
    assert shown_series(browser) == ["Scout", "Lung", "Bone"]
    assert counts(browser) == "3 series, show 1 of 3"
    assert browser.search_bar.filters.active()
    browser.grab().save(str(picture_folder(tmp_path) / f"wholly-shown-{width}.png"))
    click(browser, delegate.link_place(*header(browser)).center())
    assert shown_series(browser) == ["Lung"]
    move_mouse(browser, qt.QPoint(5, 5))
    assert not delegate.link_hovered


def test_space_on_the_header_shows_the_whole_study_and_a_new_filter_ends_it(
    three_series: Browser, wait_until: Wait
) -> None:
    browser = three_series
    view = browser.page.view
    view.setFocus()
    view.make_current(0)
    press(view, qt.Qt.Key_Space)
    assert len(shown_series(browser)) == 3
    assert "show only what fits" in str(view.model().data(view.model().index(0, 0), qt.Qt.ToolTipRole)).lower()
    press(view, qt.Qt.Key_Space)
    assert shown_series(browser) == ["Lung"]
    study, _rect = header(browser)
    entry = next(each for each in browser.menus.study([study], study.series) if each.text == "Show All Series")
    entry.action()
    assert len(shown_series(browser)) == 3
    type_into(browser, "Series description", "bone", finish=False)
    wait_until(lambda: shown_series(browser) == ["Bone"])


def test_a_study_that_is_shown_whole_offers_nothing(three_series: Browser, wait_until: Wait) -> None:
    three_series.search_bar.clear()
    wait_until(lambda: len(shown_series(three_series)) == 3)
    assert counts(three_series) == "3 series, 3 images"
    study, rect = header(three_series)
    assert not three_series.page.view._painter.link_place(study, rect).width()
    entry = next(each for each in three_series.menus.study([study], study.series) if each.text == "Show All Series")
    assert entry.why_not == "No filter hides a series of it."


# Slices that arrive


@pytest.mark.parametrize(
    ("count", "ranges", "total", "shares"),
    [
        (4, [[7, 10]], 10, ((0.6, 1.0),)),
        (3, [[0, 0], [2, 3]], 4, ((0.0, 0.25), (0.5, 1.0))),
        (5, [[7, 10]], 10, None),  # one without a number
        (4, [[8, 11]], 10, None),  # not from 1
        (0, [], 10, None),
        (1, [[1, 1]], 0, None),
    ],
)
def test_where_slices_lie_on_the_strip(count: int, ranges: list[list[int]], total: int, shares: Any) -> None:
    assert arrived_shares(count, ranges, total) == shares


def blue_columns(picture: Any, line: int) -> list[int]:
    """Places along a line of a picture that have the blue of the strip."""
    found = []
    for x in range(picture.width()):
        colour = qt.QColor(picture.pixel(x, line))
        if colour.blue() > 200 and colour.red() < 130:
            found.append(x)
    return found


@pytest.mark.parametrize("way", ["C-GET", "C-MOVE"])
def test_slices_that_come_backwards_fill_the_strip_from_the_right(
    browser: Browser, client: QProcessClient, tmp_path: Path, wait_until: Wait, way: str
) -> None:
    made = make_ct_series(tmp_path / "ct", 10, size=64)
    port = client.request("start_node", port=0, ae_title="BROWSER")["port"]
    uid = made.SeriesInstanceUID
    with OrderedPacs(list(reversed(made.files.values())), 4, port) as pacs:
        add_server(client, "Main PACS", pacs.port)
        client.request("edit_server", name="Main PACS", retrieve_protocol=way)
        query(browser, wait_until, "CT-1")
        wait_until(lambda: browser.catalogue.one_series(uid) is not None and browser.page.patient is not None)
        browser.acts.fetch([browser.catalogue.one_series(uid)])
        model = browser.page.view.model()
        wait_until(lambda: model.arrivals.shares(uid, 10) == ((0.6, 1.0),))
        wait_until(lambda: model.state(browser.catalogue.one_series(uid)).name == "downloading")
        settle()
        strip = browser.page.view.metrics.card(card(browser, uid)).picture
        picture = browser.page.view.viewport().grab(strip).toImage()
        line = round((strip.height() - 3) * picture.devicePixelRatio())
        blue = blue_columns(picture, line)
        browser.grab().save(str(picture_folder(tmp_path) / f"arriving-{way}.png"))
        assert blue
        assert min(blue) / picture.width() == pytest.approx(0.6, abs=0.03)
        assert max(blue) / picture.width() > 0.95
        pacs.go_on()
        wait_until(lambda: browser.catalogue.one_series(uid).complete)


# Several patients


def test_what_a_sum_says() -> None:
    totals = {"patients": 12, "studies": 34, "local": 3, "remote": 9, "series": 80, "images": 9000}
    assert sum_text(totals, 21_000_000_000) == "34 studies, 21.0 GB, 9 only on servers"
    assert sum_text({**totals, "remote": 0}, None) == "34 studies"
    assert sum_text({**totals, "local": 0}, 0) == "34 studies, 9 only on servers"


def test_several_patients_are_summed_up_and_fetched(
    browser: Browser, client: QProcessClient, pacs: QProcessClient, dicom_folder: Path, tmp_path: Path, wait_until: Wait
) -> None:
    imported(browser, wait_until, dicom_folder / "MR_small.dcm")
    client.request("edit_server", name="Main PACS", store_enabled=False)
    wait_until(lambda: browser.servers and not browser.servers[0].get("store_enabled"))
    query(browser, wait_until, "*1")
    wait_until(lambda: len(names(browser)) == 2)
    browser.choose_mode(True)
    browser.table.selectAll()
    summed = browser.arranging._sum
    wait_until(lambda: "kB" in summed._sum.text)
    assert "2 patients selected" in texts(browser)
    assert summed._sum.text.startswith("2 studies, ")
    assert summed._sum.text.endswith(", 1 only on servers")
    settle()
    browser.grab().save(str(picture_folder(tmp_path) / "sum.png"))
    assert not summed._export.enabled
    assert summed._export.toolTip == "Export comes with a later version."
    assert summed._send.toolTip == "No server is set up for sending."
    client.request("edit_server", name="Main PACS", store_enabled=True)
    wait_until(lambda: browser.servers[0].get("store_enabled"))
    shown(summed, "Copy Python Code").click()
    copied = str(qt.QApplication.clipboard().text())
    assert "logic.loadSeries([" in copied
    assert copied.count('"') >= 2
    shown(summed, "Fetch").click()
    # Neither what comes nor its jobs take the sum away.
    wait_until(lambda: client.request("counts")["patients"] == 2 and browser.feed.state.summary().unfinished == 0)
    wait_until(lambda: summed._sum.text.startswith("2 studies") and "servers" not in summed._sum.text)
    assert summed.visible
    assert not summed._fetch.enabled
    assert summed._fetch.toolTip
    assert summed._send.enabled
    summed._send_menu.aboutToShow.emit()
    assert [each.text for each in summed._send_menu.actions()] == ["Main PACS"]
    index = browser.table.model().index(0, 0)
    flags = qt.QItemSelectionModel.ClearAndSelect | qt.QItemSelectionModel.Rows
    browser.table.selectionModel().setCurrentIndex(index, flags)
    wait_until(lambda: browser.page.visible and not summed.visible)


# The whole screen


def test_full_screen_has_three_columns_and_escape_leaves(filled: Browser, tmp_path: Path, wait_until: Wait) -> None:
    window = filled.window()
    press_key(filled, "F11")
    assert window.fullScreen
    settle()  # the size of the screen comes later
    filled.resize(1600, 900)
    settle()
    table, page, jobs = filled.table, filled.page, filled.jobs_panel
    places = [each.mapTo(filled, qt.QPoint(0, 0)).x() for each in (table, page, jobs)]
    assert all(each.visible for each in (table, page, jobs))
    assert places == sorted(places)
    assert len(set(places)) == 3
    assert not filled.tabs.visible
    filled.grab().save(str(picture_folder(tmp_path) / "full-screen.png"))
    filled.acts.load(filled.page.patient.studies[0].series)
    settle()
    assert filled.arranging.full
    press_key(filled, "Escape")
    assert not window.fullScreen
    assert filled.tabs.visible
    assert not table.visible
    assert not jobs.visible
    filled.choose_mode(True)
    settle()
    assert table.visible
    assert table.width > page.width // 2


def test_as_a_guest_the_browser_takes_a_window_of_its_own(client: QProcessClient, settings: Any) -> None:
    around, layout = qt.QWidget(), qt.QVBoxLayout()
    around.setLayout(layout)
    browser = Browser(client, RememberingHost(), settings)
    layout.addWidget(browser)
    around.resize(500, 700)
    around.show()
    left: list[bool] = []
    browser.arranging.screen.be_guest(lambda: layout.addWidget(browser), lambda: left.append(True))
    try:
        browser.toggle_full_screen()
        own = browser.window()
        assert own is not around
        assert own.fullScreen
        assert not around.fullScreen
        assert left == [True]
        own.close()  # as the window's own button does
        assert browser.window() is around
        assert not browser.arranging.full
        browser.toggle_full_screen()
        press_key(browser, "Escape")
        assert browser.window() is around
    finally:
        browser.close_browser()
        around.close()
