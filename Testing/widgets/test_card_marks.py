"""Marks on the cards of a real database: warnings, frame sets, extensions, what lies on what, and clicks on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import qt

from Testing.support.browser_driving import RememberingHost, Wait, press_key
from Testing.support.ct_series import make_ct_series
from Testing.support.marked_series import changed_slices, make_marked_patient, slice_is_missing
from Testing.support.widget_driving import click
from VisualDICOMBrowserLib.widgets.browser.browser import Browser
from VisualDICOMBrowserLib.widgets.page.paint_card import sets_place


@pytest.fixture
def uids(browser: Browser, tmp_path: Path, wait_until: Wait) -> dict[str, str]:
    """Series UIDs by name of the patient that the browser shows, once it is marked."""
    made = make_marked_patient(tmp_path / "marked")
    browser.import_paths([str(tmp_path / "marked")])
    wait_until(lambda: browser.page.patient is not None and browser.feed.state.summary().unfinished == 0)
    wait_until(lambda: len(browser.page.view.model().all_series()) == len(made))
    wait_until(lambda: all(each.thumbnail or each.label for each in browser.page.view.model().all_series()))
    wait_until(lambda: state(browser, made["dose"]).text == "Dose on series 2")
    return made


def one(browser: Browser, uid: str) -> Any:
    return next(each for each in browser.page.view.model().all_series() if each.SeriesInstanceUID == uid)


def state(browser: Browser, uid: str) -> Any:
    return browser.page.view.model().state(one(browser, uid))


def places(browser: Browser, uid: str) -> Any:
    """Where the parts of a card are, which is brought into view."""
    view = browser.page.view
    index = view.model().index(view.model().number_of_series(uid), 0)
    view.scrollTo(index)
    return view.metrics.card(qt.QRect(view.visualRect(index)))


def spoken(browser: Browser, uid: str) -> str:
    model = browser.page.view.model()
    return str(model.data(model.index(model.number_of_series(uid), 0), qt.Qt.AccessibleTextRole))


def hint(browser: Browser, uid: str) -> str:
    model = browser.page.view.model()
    return str(model.data(model.index(model.number_of_series(uid), 0), qt.Qt.ToolTipRole))


def test_cards_tell_what_loading_will_tell(browser: Browser, uids: dict[str, str]) -> None:
    told = {name: (state(browser, uid).name, state(browser, uid).text) for name, uid in uids.items()}
    assert told["uneven"] == ("warning", "Uneven spacing")
    assert told["scout"] == ("warning", "Localizer inside")
    assert told["echoes"] == ("local", "2 frame sets")
    assert told["contours"] == ("needs", "Needs SlicerRT")
    assert told["plan"] == ("needs", "Needs SlicerRT")
    assert told["brain"] == ("local", "64×64×12 · 1 SEG · 1 RTSTRUCT")
    assert told["old"] == ("local", "64×64×12")
    assert "Slice spacing is uneven: 1.5 to" in hint(browser, uids["uneven"])
    assert spoken(browser, uids["uneven"]) == "Series 3, Bone 1 mm, CT, Uneven spacing, warning"


def test_an_extension_that_is_there_is_not_asked_for(
    browser: Browser, host: RememberingHost, uids: dict[str, str], wait_until: Wait
) -> None:
    segmentation = uids["segmentation"]
    assert state(browser, segmentation).text == "Needs QuantitativeReporting"
    assert "4 segments on series 2" in hint(browser, segmentation)
    host.extensions = {"QuantitativeReporting", "SlicerRT"}
    browser.facts.refresh()
    wait_until(lambda: state(browser, segmentation).text == "4 segments on series 2")
    assert state(browser, uids["contours"]).text == "3 structures on series 2"
    assert state(browser, uids["plan"]).text == "1 object · for series 2"
    assert state(browser, segmentation).icon == ""


def test_the_mark_of_an_image_jumps_to_what_lies_on_it(browser: Browser, uids: dict[str, str]) -> None:
    view = browser.page.view
    browser.choose_size(320)
    browser.resize(1100, 620)
    qt.QApplication.processEvents()
    before = places(browser, uids["brain"])
    assert not view.viewport().rect.contains(places_unscrolled(browser, uids["segmentation"]).picture.center())
    click(view, before.overlay.center())
    chosen = {each.SeriesInstanceUID for each in browser.page.selected()}
    assert chosen == {uids["segmentation"], uids["contours"]}
    assert browser.page.current().SeriesInstanceUID in chosen
    first = places_unscrolled(browser, browser.page.current().SeriesInstanceUID)
    assert view.viewport().rect.contains(first.picture.center())


def places_unscrolled(browser: Browser, uid: str) -> Any:
    view = browser.page.view
    index = view.model().index(view.model().number_of_series(uid), 0)
    return view.metrics.card(qt.QRect(view.visualRect(index)))


def test_the_mark_stays_where_there_is_no_picture_of_it_to_press(browser: Browser, uids: dict[str, str]) -> None:
    """In the Rows view there is no corner to press; the words tell it."""
    browser.choose_view(True)
    view = browser.page.view
    index = view.model().index(view.model().number_of_series(uids["brain"]), 0)
    click(view, qt.QRect(view.visualRect(index)).topLeft() + qt.QPoint(30, 24))
    assert [each.SeriesInstanceUID for each in browser.page.selected()] == [uids["brain"]]
    assert "1 SEG" in state(browser, uids["brain"]).text


def test_clicks_on_warnings_sets_and_puzzles_say_what_can_be_done(
    browser: Browser, host: RememberingHost, uids: dict[str, str]
) -> None:
    view = browser.page.view
    said(browser)
    later = "Choosing how to load comes with a later version."
    click(view, places(browser, uids["contours"]).state.center())
    assert "needs Slicer's extension SlicerRT" in said(browser)
    click(view, places(browser, uids["uneven"]).state.center())
    assert said(browser) == later
    card = places(browser, uids["echoes"])
    place = sets_place(view.metrics, card, one(browser, uids["echoes"]), state(browser, uids["echoes"]))
    assert place.x() > card.tag.x()
    click(view, place.center())
    assert said(browser) == later
    assert host.loaded == []
    assert browser.page.selected() == []
    click(view, card.picture.center())
    assert [each.SeriesInstanceUID for each in browser.page.selected()] == [uids["echoes"]]
    press_key(browser, "Ctrl+Return")
    assert said(browser) == later


def said(browser: Browser) -> str:
    """What the notification bar says, which is closed."""
    text = "\n".join(note.text for note in browser.note_bar.notes)
    while browser.note_bar.notes:
        browser.note_bar.close_note()
    return text


def test_a_series_that_grows_is_examined_when_it_rests(browser: Browser, tmp_path: Path, wait_until: Wait) -> None:
    made = changed_slices(make_ct_series(tmp_path / "ct", 12), slice_is_missing)
    files = [str(path) for path in made.files.values()]
    browser.import_paths(files[:5])
    wait_until(lambda: browser.page.patient is not None)
    wait_until(lambda: browser.facts._facts.get(made.SeriesInstanceUID))
    assert state(browser, made.SeriesInstanceUID).name == "local"
    browser.import_paths(files[5:])
    wait_until(lambda: state(browser, made.SeriesInstanceUID).text == "Slices missing")


def test_the_engine_is_asked_again_after_it_died(browser: Browser, uids: dict[str, str], wait_until: Wait) -> None:
    import os
    import signal

    client = browser.context.client
    browser.facts._facts.clear()
    browser.facts.refresh()
    assert state(browser, uids["uneven"]).name == "local"
    before = client.pid
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: client.pid not in (0, None, before))
    wait_until(lambda: state(browser, uids["uneven"]).text == "Uneven spacing")


def test_marks_are_drawn_where_they_can_be_pressed(browser: Browser, uids: dict[str, str]) -> None:
    browser.resize(1500, 800)
    browser.choose_size(120)
    marks = dict(browser.page.view.model().marks)

    def shot() -> Any:
        qt.QApplication.processEvents()
        return browser.page.view.viewport().grab().toImage()

    for look in ("light", "dark"):
        browser.theme.choose(look)
        marked = shot()
        browser.page.set_marks({})
        plain = shot()
        browser.page.set_marks(marks)
        for name, part in (("brain", "overlay"), ("uneven", "state"), ("contours", "state"), ("echoes", "tag")):
            card = places(browser, uids[name])
            assert marked.copy(getattr(card, part)) != plain.copy(getattr(card, part)), name
            middle = card.picture.adjusted(40, 40, -40, -40)
            assert marked.copy(middle) == plain.copy(middle), name
