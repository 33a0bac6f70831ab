"""The patient page under mouse and keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom.data
import pytest
import qt

from Testing.support.page_samples import NOW, Everything, KeptSettings, RecordedActions, a_patient
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.page.page import PatientPage
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient

NONE, CTRL, SHIFT = qt.Qt.NoModifier, qt.Qt.ControlModifier, qt.Qt.ShiftModifier


class Shown:
    """A page with its actions, driven as a person does."""

    def __init__(self, sample: Everything, client: Any = None) -> None:
        self.sample = sample
        self.actions = RecordedActions()
        self.selections: list[list[Any]] = []
        self.seen: list[Any] = []
        self.wanted: list[Any] = []
        self.settings = KeptSettings()
        context = BrowserContext(client, Theme("light"), None, self.settings, lambda text, level: None)
        self.page = PatientPage(
            context, self.actions, self.selections.append, self.seen.extend, None, self.wanted.append
        )
        self.page._list._clock = lambda: NOW
        self.page.set_marks(sample.marks)
        self.page.set_in_scene(sample.in_scene)
        self.page.update_jobs(sample.jobs)
        self.page.resize(1100, 700)
        self.page.show_patient(sample.patient, sample.studies, sample.series_by_study)
        self.page.show()
        self.view = self.page.view
        self.turn()

    def turn(self) -> None:
        for _turn in range(5):
            qt.QApplication.processEvents()

    def series(self, description: str) -> Any:
        return next(each for each in self.sample.study.series if each.SeriesDescription == description)

    def rect(self, description: str) -> Any:
        number = self.page._list.number_of_series(self.series(description).SeriesInstanceUID)
        return self.view.visualRect(self.page._list.index(number, 0))

    def mouse(self, kind: Any, point: Any, modifiers: Any = NONE, button: Any = qt.Qt.LeftButton) -> None:
        pressed = qt.Qt.NoButton if kind == qt.QEvent.MouseButtonRelease else button
        place = qt.QPointF(point)
        far = qt.QPointF(self.view.viewport().mapToGlobal(point))
        qt.QApplication.sendEvent(self.view.viewport(), qt.QMouseEvent(kind, place, far, button, pressed, modifiers))

    def click(self, point: Any, modifiers: Any = NONE) -> None:
        self.mouse(qt.QEvent.MouseButtonPress, point, modifiers)
        self.mouse(qt.QEvent.MouseButtonRelease, point, modifiers)

    def click_card(self, description: str, modifiers: Any = NONE) -> None:
        self.click(self.rect(description).center(), modifiers)

    def key(self, key: Any, modifiers: Any = NONE) -> None:
        qt.QApplication.sendEvent(self.view, qt.QKeyEvent(qt.QEvent.KeyPress, key, modifiers))

    def chosen(self) -> list[str]:
        return [each.SeriesDescription for each in self.page.selected()]

    def kinds(self) -> list[str]:
        return [row.kind for row in self.page._list.rows()]


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    return Shown(Everything(tmp_path))


def test_headers_end_lines_and_cards_stand_in_columns(shown: Shown):
    model, view = shown.page._list, shown.view
    tops: dict[int, set[str]] = {}
    for number, row in enumerate(model.rows()):
        tops.setdefault(view.visualRect(model.index(number, 0)).y(), set()).add(row.kind)
    assert all(len(kinds) == 1 for kinds in tops.values())
    first = [view.visualRect(model.index(number, 0)).y() for number in range(1, 4)]
    assert len(set(first)) == 1


def test_click_ctrl_and_shift_select(shown: Shown):
    shown.click_card("FLAIR ax")
    assert shown.chosen() == ["FLAIR ax"]
    shown.click_card("fMRI rest", CTRL)
    assert shown.chosen() == ["FLAIR ax", "fMRI rest"]
    shown.click_card("FLAIR ax")
    shown.click_card("fMRI rest", SHIFT)
    assert shown.chosen() == ["FLAIR ax", "MPR coronal", "Spine bone", "fMRI rest"]
    assert [each.SeriesDescription for each in shown.selections[-1]] == shown.chosen()
    shown.key(qt.Qt.Key_Left, SHIFT)
    assert shown.chosen() == ["FLAIR ax", "MPR coronal", "Spine bone"]


def test_ctrl_a_selects_the_study_then_the_patient(shown: Shown):
    shown.click_card("FLAIR ax")
    shown.key(qt.Qt.Key_A, CTRL)
    assert len(shown.chosen()) == len(shown.sample.study.series)
    shown.key(qt.Qt.Key_A, CTRL)
    assert len(shown.chosen()) == len(shown.sample.study.series) + 3


@pytest.mark.parametrize(
    ("description", "call"),
    [
        ("MPR coronal", "fetch"),
        ("Spine bone", "fetch"),
        ("T1 post Gd ax", "to_top"),
        ("T1 post cor", "pause"),
        ("SWI minIP", "retry"),
        ("Abdomen 1.0", "show_job"),
        ("Bone 1 mm", "load_with_options"),
    ],
)
def test_click_on_the_icon_acts_and_selects_nothing(shown: Shown, description: str, call: str):
    shown.view.scrollTo(shown.view.indexAt(shown.rect(description).center()))
    places = shown.view.metrics.card(qt.QRect(shown.rect(description)))
    shown.click(places.state.center())
    assert shown.actions.last()[0] == call
    assert shown.chosen() == []


def test_click_on_the_cube_shows_it_in_the_scene(shown: Shown):
    shown.click(shown.view.metrics.card(qt.QRect(shown.rect("fMRI rest"))).scene.center())
    assert shown.actions.last() == ("show_in_scene", (shown.series("fMRI rest"),))


def test_overlay_mark_jumps_to_its_segmentation(shown: Shown):
    segmented = next(each for each in shown.sample.study.series if each.SeriesNumber == 17)
    number = shown.page._list.number_of_series(segmented.SeriesInstanceUID)
    rect = qt.QRect(shown.view.visualRect(shown.page._list.index(number, 0)))
    shown.click(shown.view.metrics.card(rect).overlay.center())
    assert shown.chosen() == ["Infarct SEG"]


def test_double_click_and_enter_load(shown: Shown):
    shown.mouse(qt.QEvent.MouseButtonDblClick, shown.rect("FLAIR ax").center())
    assert shown.actions.last() == ("load", ([shown.series("FLAIR ax")],))
    shown.click_card("fMRI rest")
    shown.click_card("FLAIR ax", CTRL)
    shown.key(qt.Qt.Key_Return)
    assert shown.actions.last() == ("load", ([shown.series("FLAIR ax"), shown.series("fMRI rest")],))


def test_space_previews_and_escape_takes_loading_back(shown: Shown):
    shown.click_card("FLAIR ax")
    shown.key(qt.Qt.Key_Space)
    assert shown.actions.last() == ("preview", (shown.series("FLAIR ax"),))
    shown.key(qt.Qt.Key_Escape)
    assert shown.actions.last() == ("take_back_loading", ([shown.series("FLAIR ax")],))


def test_click_on_a_header_closes_and_opens_with_ctrl_all(shown: Shown):
    header = shown.view.visualRect(shown.page._list.index(0, 0)).center()
    shown.click_card("FLAIR ax")
    before = len(shown.kinds())
    shown.click(header)
    assert shown.kinds()[:2] == ["header", "header"]
    shown.click(header)
    assert len(shown.kinds()) == before
    shown.click(header, CTRL)
    assert shown.kinds() == ["header"] * 3


def test_arrows_close_and_open_a_study(shown: Shown):
    shown.page.view.make_current(0)
    shown.key(qt.Qt.Key_Left)
    assert shown.kinds()[1] == "header"
    shown.key(qt.Qt.Key_Right)
    assert shown.kinds()[1] == "card"


def test_header_menu_and_context_menus(shown: Shown):
    rect = qt.QRect(shown.view.visualRect(shown.page._list.index(0, 0)))
    shown.click(shown.view.metrics.header(rect).more.center())
    assert shown.actions.last()[0] == "menu"
    assert shown.actions.last()[1][:2] == ("STUDY", [shown.sample.study])
    shown.click_card("FLAIR ax")
    point = shown.rect("fMRI rest").center()
    event = qt.QContextMenuEvent(qt.QContextMenuEvent.Mouse, point, shown.view.mapToGlobal(point))
    qt.QApplication.sendEvent(shown.view.viewport(), event)
    assert shown.actions.last()[1][:2] == ("SERIES", [shown.series("fMRI rest")])


def test_header_sticks_while_its_cards_scroll(shown: Shown):
    sticky = shown.view._sticky
    assert not sticky.visible
    shown.view.verticalScrollBar().value = 120
    shown.turn()
    assert sticky.visible
    assert sticky.geometry.y() == 0
    assert sticky._row.study is shown.sample.study


def test_size_changes_live_by_wheel_and_keys_and_is_kept(shown: Shown):
    shown.key(qt.Qt.Key_Plus, CTRL)
    assert shown.page.size_of_pictures > 120
    shown.key(qt.Qt.Key_0, CTRL)
    assert shown.page.size_of_pictures == 120
    shown.page.set_size(1000)
    assert shown.page.size_of_pictures == 320
    shown.page.set_size(1)
    assert shown.page.size_of_pictures == shown.settings.get("page/picture-size") == 48
    point = qt.QPointF(200, 200)
    turned = qt.QWheelEvent(
        point, point, qt.QPoint(0, 0), qt.QPoint(0, 120), qt.Qt.NoButton, CTRL, qt.Qt.NoScrollPhase, False
    )
    qt.QApplication.sendEvent(shown.view.viewport(), turned)
    assert shown.page.size_of_pictures > 48


def test_showing_the_same_patient_again_moves_nothing(shown: Shown):
    shown.click_card("FLAIR ax")
    shown.view.verticalScrollBar().value = 30
    study = shown.sample.studies[1]
    study.series.pop()
    shown.page.show_patient(shown.sample.patient, shown.sample.studies, shown.sample.series_by_study)
    shown.turn()
    assert shown.chosen() == ["FLAIR ax"]
    assert shown.view.verticalScrollBar().value == 30


def test_another_patient_starts_at_the_top(shown: Shown):
    shown.click_card("FLAIR ax")
    shown.page.show_patient(a_patient(), [], {})
    assert shown.chosen() == []
    assert shown.kinds() == []


def test_progress_repaints_without_a_reset(shown: Shown, wait_until: Callable[..., None]):
    resets: list[bool] = []
    shown.page._list.modelReset.connect(lambda *_: resets.append(True))
    series = shown.series("T1 post cor")
    shown.sample.jobs[series.SeriesInstanceUID]["progress_done"] = 70
    shown.page.update_jobs(shown.sample.jobs)
    wait_until(lambda: shown.page._list.state(series).text.startswith("70 / 100"))
    assert not resets


def test_new_is_seen_once_selected(shown: Shown):
    shown.click_card("Chest PA")
    assert shown.seen == [shown.series("Chest PA")]


def test_series_of_an_open_study_that_are_not_known_are_wanted_once(shown: Shown):
    assert shown.wanted == [shown.sample.studies[2]]
    shown.page.show_patient(shown.sample.patient, shown.sample.studies, shown.sample.series_by_study)
    assert len(shown.wanted) == 1


def test_cards_speak(shown: Shown):
    number = shown.page._list.number_of_series(shown.series("T1 post cor").SeriesInstanceUID)
    spoken = shown.page._list.data(shown.page._list.index(number, 0), qt.Qt.AccessibleTextRole)
    assert spoken == "Series 9, T1 post cor, MR, 61 / 100 \u00b7 22 MB/s, downloading"


def test_dragged_data_holds_files_and_series(shown: Shown):
    data = shown.page._drag.data_for([shown.series("FLAIR ax")], ["/a/b.dcm"])
    assert [url.toLocalFile() for url in data.urls()] == ["/a/b.dcm"]
    text = data.data("application/x-visual-dicom-browser-series").data()
    assert text.decode() == shown.series("FLAIR ax").SeriesInstanceUID


def test_strip_of_the_engine_is_scrubbed_under_the_mouse(
    tmp_path: Path, client: QProcessClient, wait_until: Callable[..., None]
):
    source = str(pydicom.data.get_testdata_file("MR_small.dcm"))
    events: list[dict[str, Any]] = []
    client.subscribe(events.append)
    client.send("import_files", lambda *_: None, paths=[source])
    wait_until(lambda: any(each["event"] == "job_finished" and each["job"]["kind"] == "import" for each in events))
    shown = Shown(Everything(tmp_path), client)
    series = shown.series("FLAIR ax")
    series.SeriesInstanceUID = str(pydicom.dcmread(source, stop_before_pixels=True).SeriesInstanceUID)
    shown.page._list.arrange()
    picture = shown.view.metrics.card(qt.QRect(shown.rect("FLAIR ax"))).picture
    shown.mouse(qt.QEvent.MouseMove, picture.center(), NONE, qt.Qt.NoButton)
    wait_until(lambda: any(each["event"] == "strip_ready" for each in events))
    shown.page.note_strip(next(each for each in events if each["event"] == "strip_ready"))
    found = shown.page._hover.strips.frame(series.SeriesInstanceUID, 0.5, 120)
    assert found is not None
    assert found[1:] == (1, 1)
    shown.turn()
