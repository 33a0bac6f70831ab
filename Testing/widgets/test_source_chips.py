"""The strip of chips: clicks, merging by width, and the pictures of the search area in every look."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import qt

from Testing.support.spoken import heard
from Testing.support.widget_driving import press
from VisualDICOMBrowserLib.widgets.catalogue.filters import Filters
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient
from VisualDICOMBrowserLib.widgets.search.chip_states import ChipState
from VisualDICOMBrowserLib.widgets.search.search_bar import SearchBar
from VisualDICOMBrowserLib.widgets.search.source_chips import ChipActions, SourceChips
from VisualDICOMBrowserLib.widgets.search.worklist import WorklistPopup
from VisualDICOMBrowserLib.widgets.view_settings import MemoryViewSettings

SERVERS = [{"name": name, "enabled": True} for name in ("Main PACS", "Research", "Old PACS", "A", "B")]
REFUSED = {"code": "refused", "message": "Old PACS: nothing listens on port 104."}
STATES: dict[str, dict[str, Any]] = {
    "Main PACS": {"state": "done", "count": 3, "seconds": 0.4},
    "Research": {"state": "done", "count": 2, "seconds": 1.2},
    "Old PACS": {"state": "failed", "count": 0, "error": REFUSED},
}
STEP = {
    "PatientName": "DEMO^Jane",
    "PatientID": "DEMO-1",
    "Modality": "MR",
    "ScheduledStationAETitle": "MR1",
    "ScheduledProcedureStepStartTime": "083000",
    "ScheduledProcedureStepDescription": "Head",
}


class Strip:
    """Shown chips and what they asked for."""

    def __init__(self, client: QProcessClient, look: str = "light") -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.context = BrowserContext(client, Theme(look), None, MemoryViewSettings(), lambda *_: None)

        def note(*what: Any) -> None:
            self.asked.append(what)

        actions = ChipActions(
            source=lambda source: note("source", source),
            retry=lambda server: note("retry", server),
            why=lambda server: note("why", server),
            stop=lambda server: note("stop", server),
            narrow=lambda: note("narrow"),
            following=lambda server: note("next", server),
            again=lambda: note("again"),
            worklist=lambda: note("worklist"),
            online=lambda: note("online"),
        )
        self.chips = SourceChips(self.context, actions)
        self.chips.set_servers(SERVERS)
        self.chips.note_local(1, 412)
        self.chips.note_search(STATES, True)
        self.resize(1700)
        self.chips.show()

    def resize(self, width: int) -> None:
        self.chips.resize(width, 40)
        qt.QApplication.processEvents()

    def chip(self, start: str) -> Any:
        (found,) = [each for each in self.chips._chips if not each.isHidden() and seen_in(each.state).startswith(start)]
        return found

    def words(self) -> list[str]:
        return [seen_in(state) for state in self.chips.shown]


def seen_in(state: ChipState) -> str:
    """What stands in a chip."""
    return f"{state.name}, {state.words}" if state.words else state.name


@pytest.fixture
def strip(client: QProcessClient) -> Iterator[Strip]:
    made = Strip(client)
    yield made
    made.chips.end()
    made.chips.close()


def test_each_source_has_a_chip(strip: Strip):
    assert strip.words() == [
        "Local database, 1 of 412 patients",
        "Main PACS, 3 studies · 0.4 s",
        "Research, 2 studies · 1.2 s",
        "Old PACS, connection refused",
        ", 2 more, not asked",
    ]


def test_a_chip_shows_only_its_source_until_it_is_pressed_again(strip: Strip):
    press(strip.chip("Main PACS"), qt.Qt.Key_Space)
    assert strip.chip("Main PACS").property("state") == "chosen"
    press(strip.chip("Local"), qt.Qt.Key_Return)
    press(strip.chip("Local"), qt.Qt.Key_Return)
    assert strip.asked == [("source", "Main PACS"), ("source", ""), ("source", None)]
    assert strip.chip("Local").property("state") == ""


def test_links_act_for_their_server(strip: Strip):
    strip.chip("Old PACS").press("retry")
    strip.chip("Old PACS").press("why")
    strip.chips.note_search({"Main PACS": {"state": "done", "count": 500, "limit_reached": True}}, True)
    strip.chip("Main PACS").press("narrow")
    strip.chip("Main PACS").press("next")
    assert strip.asked == [("retry", "Old PACS"), ("why", "Old PACS"), ("narrow",), ("next", "Main PACS")]


def test_chips_keep_their_widgets_while_words_change(strip: Strip):
    before = strip.chip("Main PACS")
    strip.chips.note_search({**STATES, "Main PACS": {"state": "done", "count": 4}}, True)
    assert strip.chip("Main PACS") is before
    assert before.accessibleName == "Main PACS, 4 studies"


def test_chips_use_fewer_words_where_there_is_less_room(strip: Strip):
    seen = []
    for width in range(1700, 180, -40):
        strip.resize(width)
        assert strip.chips._wanted_width() <= width
        seen.append(strip.words())
    assert any(words[1] == "Main PACS, 3" for words in seen)
    assert ["Local, 1", "2 servers, 5", ", 1 failed"] in seen
    assert seen[-1] == [", 1", ", 5", ", 1"]


def test_a_merged_chip_lists_its_servers(strip: Strip):
    strip.resize(640)
    press(strip.chip(", 1 failed"), qt.Qt.Key_Space)
    assert strip.asked == [("source", "Old PACS")]
    press(strip.chip("2 servers"), qt.Qt.Key_Space)
    texts = [each.text for each in strip.chips._menu.actions()]
    assert texts == ["Main PACS: 3 studies · 0.4 s", "Research: 2 studies · 1.2 s"]
    strip.chips._menu.actions()[1].trigger()
    assert strip.asked[-1] == ("source", "Research")
    strip.chips._menu.close()


def test_the_worklist_chip_opens_the_list(strip: Strip):
    strip.chips.note_worklist(14)
    assert strip.words()[-1] == "Worklist, 14 today"
    press(strip.chip("Worklist"), qt.Qt.Key_Space)
    assert strip.asked == [("worklist",)]


def test_a_step_of_the_worklist_opens_its_patient(strip: Strip):
    opened: list[dict[str, Any]] = []
    popup = WorklistPopup(strip.chips, strip.context.theme, opened.append, lambda step: "no images yet", lambda: None)
    popup.put([STEP], {}, False)
    (tree,) = popup.findChildren(qt.QTreeWidget)
    line = tree.topLevelItem(0)
    assert [line.text(column) for column in range(5)] == ["08:30", "MR1", "DEMO, Jane", "MR Head", "no images yet"]
    popup.open_current()
    assert opened == [STEP]


def test_what_changes_is_told_to_screen_readers_and_seconds_are_not(strip: Strip):
    asking = {"state": "running", "since": time.monotonic()}
    with heard() as events:
        strip.chips.note_search({**STATES, "Main PACS": asking}, False)
        chip = strip.chip("Main PACS")
        assert chip.accessibleName == "Main PACS, asking"
        assert "NameChanged" in events  # all that hosts with an older Qt have
        assert events.count("Announcement") == 1
        later = {**asking, "since": asking["since"] - 5}
        strip.chips.note_search({**STATES, "Main PACS": later}, False)
        assert "5 s" in chip.state.words
        assert chip.accessibleName == "Main PACS, asking"
        assert events.count("Announcement") == 1
        strip.chips.note_search(STATES, True)
        assert chip.accessibleName == "Main PACS, 3 studies · 0.4 s"
        assert events.count("Announcement") == 2
    strip.resize(190)
    assert strip.words() == [", 1", ", 5", ", 1"]
    assert [state.spoken for state in strip.chips.shown] == ["Local, 1", "2 servers, 5", "1 failed"]


def test_offline_is_marked_and_has_the_way_back(strip: Strip):
    strip.chips.set_servers([*SERVERS, {"name": "Shelf", "enabled": True, "protocol": "folder"}])
    strip.chips.note_offline(True)
    assert strip.words() == [
        "Working offline",
        "Local database, 1 of 412 patients",
        "Main PACS, 3 studies · 0.4 s",
        "Research, 2 studies · 1.2 s",
        "Old PACS, connection refused",
        ", 3 more, not asked",
    ]
    assert "A: offline\nB: offline\nShelf: not asked" in strip.chip(", 3 more").state.hint
    strip.chip("Working offline").press("online")
    press(strip.chip("Working offline"), qt.Qt.Key_Space)
    assert strip.asked == [("online",), ("online",)]
    strip.resize(500)
    assert strip.words()[0] in ("Working offline", "Offline")
    strip.chips.note_offline(False)
    assert "Working offline" not in strip.words()


@pytest.mark.parametrize("look", ["light", "dark", "contrast"])
@pytest.mark.parametrize("width", [1440, 900, 350])
def test_pictures_of_the_search_area(client: QProcessClient, tmp_path: Path, look: str, width: int):
    strip = Strip(client, look)
    window = qt.QWidget()
    window.setProperty("ground", "window")
    bar = SearchBar(strip.context, lambda *_: None, lambda *_: None)
    bar.set_servers(SERVERS)
    bar.set_filters(Filters(PatientID="DEMO-004217", Modalities=("MR", "CT", "SR")))
    strip.chips.note_asked(time.time())
    layout = qt.QVBoxLayout()
    layout.addWidget(bar)
    layout.addWidget(strip.chips)
    window.setLayout(layout)
    strip.context.theme.apply(window)
    window.resize(width, 150)
    window.show()
    qt.QApplication.processEvents()
    assert window.width == width
    picture = tmp_path / f"search-{width}-{look}.png"
    assert window.grab().save(str(picture))
    assert picture.stat().st_size > 1000
    strip.chips.end()
    window.close()
