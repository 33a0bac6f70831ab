"""How the patient page looks: every state of a card, in every look, written as pictures."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import qt

from Testing.support.page_samples import NOW, Everything, KeptSettings, RecordedActions
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.page.page import PatientPage


def shown_page(look: str, sample: Everything, width: int, height: int) -> Any:
    theme = Theme(look)
    context = BrowserContext(None, theme, None, KeptSettings(), lambda _text, _level: None)
    page = PatientPage(context, RecordedActions())
    page._list._clock = lambda: NOW
    theme.apply(page)
    page.set_marks(sample.marks)
    page.set_in_scene(sample.in_scene)
    page.update_jobs(sample.jobs)
    page.resize(width, height)
    page.show_patient(sample.patient, sample.studies, sample.series_by_study)
    page.show()
    for _turn in range(20):
        qt.QApplication.processEvents()
    return page


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where pictures go: a folder of the user's to look at, else one of the test."""
    chosen = Path(os.environ.get("VISUAL_DICOM_SCREENSHOTS") or tmp_path)
    chosen.mkdir(parents=True, exist_ok=True)
    return chosen


@pytest.fixture
def sample(tmp_path: Path) -> Everything:
    return Everything(tmp_path)


@pytest.mark.parametrize("look", ["light", "dark", "contrast"])
def test_every_state_is_painted(look: str, sample: Everything, folder: Path):
    page = shown_page(look, sample, 1180, 1000)
    uids = [each.SeriesInstanceUID for each in sample.study.series]
    page.select([uids[0], uids[3]], show=False)
    page.view.setFocus()
    qt.QApplication.processEvents()
    assert page.grab().save(str(folder / f"page-{look}.png"))


@pytest.mark.parametrize(("name", "width", "side"), [("narrow", 350, 88), ("small", 700, 56), ("large", 900, 240)])
def test_other_sizes_are_painted(name: str, width: int, side: int, sample: Everything, folder: Path):
    page = shown_page("light", sample, width, 900)
    page.set_size(side)
    qt.QApplication.processEvents()
    assert page.grab().save(str(folder / f"page-{name}.png"))


@pytest.mark.parametrize(("name", "width", "look"), [("rows-wide", 1100, "light"), ("rows-narrow", 350, "dark")])
def test_rows_view_is_painted(name: str, width: int, look: str, sample: Everything, folder: Path):
    page = shown_page(look, sample, width, 900)
    page.set_rows_view(True)
    qt.QApplication.processEvents()
    assert page.grab().save(str(folder / f"page-{name}.png"))


def test_slice_under_the_mouse_and_sticky_header_are_painted(sample: Everything, folder: Path):
    page = shown_page("light", sample, 800, 400)
    series = sample.study.series[0]
    picture = series.thumbnail
    side = qt.QPixmap(picture).width()
    page.note_strip(
        {
            "series": series.SeriesInstanceUID,
            "path": picture,
            "frames": 18,
            "indices": [10],
            "width": side,
            "height": side,
        }
    )
    page.view.verticalScrollBar().value = 12
    number = page._list.number_of_series(series.SeriesInstanceUID)
    page.view._painter.hovered, page.view._painter.scrub_share = number, 0.6
    page.view.viewport().update()
    qt.QApplication.processEvents()
    assert page.grab().save(str(folder / "page-scrub.png"))


def test_card_counts_the_slices_that_have_been_told_of(sample: Everything):
    page = shown_page("light", sample, 800, 400)
    series = next(each for each in sample.study.series if each.SeriesDescription == "T1 post cor")
    told = {"count": 70, "ranges": [[1, 70]]}
    page.note_arrived({"series": {series.SeriesInstanceUID: told}})
    assert page._list.state(series).text.startswith("70 / 100")
    page.note_arrived({"series": {series.SeriesInstanceUID: {**told, "count": 4}}})
    assert page._list.state(series).text.startswith("61 / 100")
