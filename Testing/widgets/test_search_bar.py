"""The search bar: fields, popups, layouts, and what it asks for; real widgets, no engine needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import qt

from Testing.support.widget_driving import press, shown, type_into
from VisualDICOMBrowserLib.widgets.catalogue.filters import Filters
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient
from VisualDICOMBrowserLib.widgets.search.search_bar import SearchBar
from VisualDICOMBrowserLib.widgets.view_settings import MemoryViewSettings

SERVERS = [
    {"name": "Main PACS", "enabled": True, "default": True},
    {"name": "Research", "enabled": True},
    {"name": "Off", "enabled": False},
]


class Bar:
    """A shown bar with what it told."""

    def __init__(self, client: QProcessClient, settings: MemoryViewSettings) -> None:
        self.told: list[Filters] = []
        self.asked: list[tuple[Filters, list[str], int]] = []
        self.edited = 0
        self.context = BrowserContext(client, Theme("light"), None, settings, lambda *_: None)
        self.bar = SearchBar(self.context, self.told.append, lambda *query: self.asked.append(query), self._edit)
        self.bar.set_servers(SERVERS)
        self.context.theme.apply(self.bar)
        self.bar.resize(1440, 80)
        self.bar.show()

    def _edit(self) -> None:
        self.edited += 1


@pytest.fixture
def settings() -> MemoryViewSettings:
    return MemoryViewSettings()


@pytest.fixture
def made(client: QProcessClient, settings: MemoryViewSettings) -> Iterator[Bar]:
    bar = Bar(client, settings)
    yield bar
    bar.bar.close()


def test_typing_filters_after_a_pause_and_marks_the_field(made: Bar, wait_until):
    type_into(made.bar, "Patient ID", "42", finish=False)
    assert made.told == []
    wait_until(lambda: made.told == [Filters(PatientID="42")])
    assert shown(made.bar, "Patient ID").property("state") == "active"
    assert shown(made.bar, "Clear (1)").enabled
    assert made.asked == []


def test_enter_in_a_field_asks_the_chosen_servers(made: Bar):
    type_into(made.bar, "Patient name", "demo")
    assert made.told[-1] == Filters(PatientName="demo")
    assert made.asked == [(Filters(PatientName="demo"), ["Main PACS"], 0)]
    assert made.bar.saved.last() == [Filters(PatientName="demo")]


def test_a_change_after_the_query_gives_the_button_a_dot(made: Bar):
    type_into(made.bar, "Patient name", "demo")
    assert not made.bar.changed
    type_into(made.bar, "Patient ID", "7", finish=False)
    assert made.bar.changed
    assert shown(made.bar, "Query servers, the filters have changed")
    made.bar.clear("PatientID")
    assert not made.bar.changed


def test_without_any_filter_it_asks_whether_everything_is_meant(made: Bar):
    shown(made.bar, "Query servers").click()
    assert made.asked == []
    shown(made.bar, "All, up to 500").click()
    assert made.asked == [(Filters(), ["Main PACS"], 500)]
    shown(made.bar, "Query servers").click()
    shown(made.bar, "Last 7 days").click()
    assert made.asked[-1] == (Filters(date="last_7_days"), ["Main PACS"], 0)
    assert not [each for each in made.bar.findChildren(qt.QPushButton) if each.text == "No" and each.visible]


def test_escape_clears_a_field(made: Bar):
    type_into(made.bar, "Study description", "head", finish=False)
    press(shown(made.bar, "Study description"), qt.Qt.Key_Escape)
    assert made.bar.filters == Filters()


def test_modalities_are_checked_in_a_list_with_counts(made: Bar):
    made.bar.set_modality_counts({"CT": 8, "MR": 1200})
    shown(made.bar, "Modality: All").click()
    (view,) = [each for each in made.bar.findChildren(qt.QListWidget) if each.accessibleName == "Modality"]
    assert [view.item(row).text() for row in range(view.count)] == ["MR   1,200", "CT   8"]
    view.item(0).setCheckState(qt.Qt.Checked)
    view.item(1).setCheckState(qt.Qt.Checked)
    assert made.told[-1] == Filters(Modalities=("MR", "CT"))
    assert shown(made.bar, "Modality: MR, CT")
    popup(made, "_modalities").close()


def test_dates_are_chosen_from_presets_numbers_and_ranges(made: Bar):
    dates = popup(made, "_dates")
    made.bar.open_dates()
    assert dates.visible
    dates.choose_preset("today")
    assert made.told[-1] == Filters(date="today")
    assert not dates.visible
    dates.choose_last(3, 1)
    assert shown(made.bar, "Study date: Last 3 months")
    dates.choose_range("20260131", "20260101")
    assert made.told[-1] == Filters(date="range", date_from="20260101", date_to="20260131")
    dates.choose_preset("")
    assert made.told[-1] == Filters()


def test_servers_are_chosen_and_remembered(made: Bar, client: QProcessClient, settings: MemoryViewSettings):
    shown(made.bar, "Servers to ask: Main PACS").click()
    servers = popup(made, "_servers")
    assert servers.checked == ["Main PACS"]
    servers.check("Research")
    assert made.bar.servers == ["Main PACS", "Research"]
    assert shown(made.bar, "Servers to ask: All 2 servers")
    again = Bar(client, settings)
    assert again.bar.servers == ["Main PACS", "Research"]
    again.bar.close()
    link(servers, "Default").click()
    assert made.bar.servers == ["Main PACS"]
    link(servers, "Edit servers...").click()
    assert made.edited == 1


def test_further_filters_stand_in_more(made: Bar):
    made.bar.resize(900, 80)
    qt.QApplication.processEvents()
    shown(made.bar, "More").click()
    more = popup(made, "_more")
    type_into(more, "Accession number", "SYN-1", finish=False)
    type_into(more, "Series description", "T1", finish=False)
    assert made.bar.filters == Filters(AccessionNumber="SYN-1", SeriesDescription="T1")
    more.keep_as("Mine")
    more.close()
    assert shown(made.bar, "More (2)").property("state") == "active"
    made.bar.clear()
    made.bar.set_filters(made.bar.saved.filters("Mine"))
    assert made.told[-1].AccessionNumber == "SYN-1"


def test_locked_filters_outlive_the_window(made: Bar, client: QProcessClient, settings: MemoryViewSettings):
    made.bar.set_filters(Filters(PatientID="42"))
    (lock,) = [each for each in popup(made, "_more").findChildren(qt.QCheckBox) if each.text.startswith("Lock")]
    lock.checked = True
    made.bar.set_filters(Filters(PatientID="43"))
    again = Bar(client, settings)
    assert again.bar.filters == Filters(PatientID="43")
    again.bar.close()


@pytest.mark.parametrize(("width", "fields"), [(1440, 4), (1100, 4), (900, 2), (700, 2)])
def test_fields_fit_the_width(made: Bar, width: int, fields: int):
    made.bar.resize(width, 80)
    qt.QApplication.processEvents()
    assert made.bar.width == width
    assert len([each for each in made.bar.findChildren(qt.QLineEdit) if each.isVisibleTo(made.bar)]) == fields


def test_a_side_panel_has_one_field_and_chips_of_the_other_filters(made: Bar):
    made.bar.set_filters(Filters(PatientID="42", Modalities=("MR",), date="today"))
    made.bar.resize(350, 80)
    qt.QApplication.processEvents()
    assert made.bar.width == 350
    type_into(made.bar, "Search", "demo")
    assert made.asked[-1][0] == Filters(PatientName="demo", PatientID="42", Modalities=("MR",), date="today")
    shown(made.bar, "Take Patient ID away").click()
    assert made.told[-1] == Filters(PatientName="demo", Modalities=("MR",), date="today")
    assert shown(made.bar, "Filters, 2 more active")


def popup(made: Bar, name: str) -> Any:
    return getattr(made.bar, name)


def link(owner: Any, text: str) -> Any:
    (found,) = [each for each in owner.findChildren(qt.QPushButton) if each.text == text]
    return found
