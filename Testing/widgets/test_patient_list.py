"""The patient list, the tabs and the popup, on a catalogue of made-up patients and columns kept by a real engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import qt

from Testing.support.catalogue_rows import listed
from Testing.support.widget_driving import click, press
from VisualDICOMBrowserLib.widgets.catalogue.catalogue import Catalogue
from VisualDICOMBrowserLib.widgets.catalogue.filters import Filters
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.patients.columns import COLUMNS
from VisualDICOMBrowserLib.widgets.patients.patient_model import PatientModel
from VisualDICOMBrowserLib.widgets.patients.patient_picker import PatientPicker
from VisualDICOMBrowserLib.widgets.patients.patient_table import PatientTable
from VisualDICOMBrowserLib.widgets.patients.patient_tabs import MOST_TABS, PatientTabs
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient
from VisualDICOMBrowserLib.widgets.view_settings import MemoryViewSettings

Wait = Callable[[Callable[[], object]], None]


@pytest.fixture(params=["light", "dark"])
def look(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def context(client: QProcessClient) -> BrowserContext:
    return BrowserContext(client, Theme("light"), None, MemoryViewSettings(), lambda *_: None)


@pytest.fixture
def catalogue() -> Catalogue:
    made = listed()
    made.one_series("1.1.0.1").new = 4
    made.one_series("1.1.0.2").new = 4
    return made


@pytest.fixture
def said() -> list[tuple[str, Any]]:
    return []


def shown_table(context: BrowserContext, said: list[tuple[str, Any]], catalogue: Catalogue) -> PatientTable:
    table = PatientTable(
        context,
        lambda entries: said.append(("selected", [entry.PatientID for entry in entries])),
        lambda entry: said.append(("open", entry.PatientID)),
        lambda entries, _place: said.append(("menu", [entry.PatientID for entry in entries])),
    )
    context.theme.apply(table)
    table.resize(1040, 420)
    table.show_patients(catalogue.filtered(Filters()))
    table.show()
    return table


@pytest.fixture
def table(context: BrowserContext, said: list[tuple[str, Any]], catalogue: Catalogue) -> Iterator[PatientTable]:
    made = shown_table(context, said, catalogue)
    yield made
    made.deleteLater()


def ids(table: PatientTable) -> list[str]:
    return [entry.PatientID for entry in table.patients()]


def titles(table: PatientTable) -> list[str]:
    header = table.header()
    sections = sorted(range(len(COLUMNS)), key=header.visualIndex)
    return [table.model().headerData(each, qt.Qt.Horizontal) for each in sections if not table.isColumnHidden(each)]


def test_newest_study_comes_first_and_headers_change_the_order(table: PatientTable):
    assert ids(table)[:3] == ["DEMO-004217", "DEMO-003991", "DEMO-000388"]
    header = table.header()
    assert header.showSortIndicator
    assert header.sectionsMovable
    assert header.sectionsClickable
    table.sort_by("last")
    assert ids(table)[0] == ""
    table.sort_by("id")
    assert (ids(table)[0], ids(table)[-1]) == ("DEMO-000388", "")  # what is blank comes last, both ways
    table.sort_by("id")
    assert (ids(table)[0], ids(table)[-1]) == ("QA-0007", "")
    table.sort_by("images")
    assert ids(table)[0] == "DEMO-004217"
    table.sort_by("age")
    assert ids(table)[-1] in ("", "QA-0007", "DEMO-003377")


def test_click_on_a_header_sorts_numbers_and_dates_downwards_first(table: PatientTable):
    header = table.header()
    section = [column.name for column in COLUMNS].index("images")
    x = header.sectionViewportPosition(section) + header.sectionSize(section) // 2
    click(header, qt.QPoint(x, header.height // 2))
    assert (header.sortIndicatorSection(), header.sortIndicatorOrder()) == (section, qt.Qt.DescendingOrder)
    assert ids(table)[0] == "DEMO-004217"
    click(header, qt.QPoint(x, header.height // 2))
    assert header.sortIndicatorOrder() == qt.Qt.AscendingOrder
    assert ids(table)[-1] == "DEMO-004217"


def test_selection_and_place_outlive_changes(table: PatientTable, said: list[tuple[str, Any]], catalogue: Catalogue):
    click(table, table.visualRect(table.model().index(2, 0)).center())
    assert said == [("selected", ["DEMO-000388"])]
    table.show_patients(catalogue.filtered(Filters(PatientID="demo")))
    table.sort_by("id")
    assert [entry.PatientID for entry in table.selected()] == ["DEMO-000388"]
    assert table.currentIndex().row() == 0
    table.show_patients(catalogue.filtered(Filters(PatientID="qa")))
    assert table.selected() == []
    table.show_patients(catalogue.filtered(Filters()))
    assert [entry.PatientID for entry in table.selected()] == ["DEMO-000388"]
    assert len(said) == 1


def test_keys_open_and_find(table: PatientTable, said: list[tuple[str, Any]], catalogue: Catalogue):
    (jane,) = catalogue.patients_of("DEMO-004217")
    assert table.select_patient(jane.key)
    assert said == []
    press(table, qt.Qt.Key_Return, "\r")
    assert said == [("open", "DEMO-004217")]
    press(table, qt.Qt.Key_P, "p")
    assert said[-1] == ("selected", ["QA-0007"])
    press(table, qt.Qt.Key_A, "\x01", qt.Qt.ControlModifier)
    assert len(said[-1][1]) == 11


def test_columns_are_kept_with_the_database(
    context: BrowserContext, said: list[tuple[str, Any]], table: PatientTable, catalogue: Catalogue, wait_until: Wait
):
    assert titles(table) == [
        "Patient", "Patient ID", "Sex", "Age", "Last study", "Description of last study", "Modalities", "Studies",
        "Images", "Where",
    ]  # fmt: skip
    table.show_column("sex", False)
    table.show_column("born", True)
    table.rename_column("id", "Number")
    table.header().moveSection(table.header().visualIndex(0), 2)
    chosen = titles(table)
    assert chosen[:4] == ["Number", "Patient", "Age", "Birth date"]
    kept: list[list[dict[str, Any]]] = []
    context.ask("column_properties", kept.append, table="Patients")
    wait_until(lambda: kept)
    fields = {row["field"]: row for row in kept[0]}
    assert (fields["PatientID"]["title"], fields["PatientsSex"]["visible"]) == ("Number", False)
    assert fields["DisplayedPatientsName"]["title"] == "Patient name"
    other = BrowserContext(context.client, context.theme, None, MemoryViewSettings(), lambda *_: None)
    again = shown_table(other, said, catalogue)
    wait_until(lambda: titles(again) == chosen)
    again.open_columns_menu("id", qt.QPoint(0, 0))
    texts = [action.text for action in again.findChildren(qt.QMenu)[0].actions() if action.text]
    assert texts[:2] == ["Sort by Number", "Rename Number..."]
    next(each for each in again.findChildren(qt.QMenu)[0].actions() if each.text == "Reset Columns").trigger()
    assert titles(again)[:3] == ["Patient", "Patient ID", "Sex"]
    again.deleteLater()


def test_rows_speak_for_themselves(table: PatientTable):
    spoken = table.model().data(table.model().index(0, 0), qt.Qt.AccessibleTextRole)
    assert spoken == (
        "DEMO, Jane, DEMO-004217, 2026-08-19, MR head without and with contrast, 1 study, Local + remote, 2 new"
    )


def test_model_keeps_qts_rules(catalogue: Catalogue):
    from PySide6.QtTest import QAbstractItemModelTester

    model = PatientModel()
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    model.show(catalogue.filtered(Filters()))
    model.order_by(0, True)
    model.show([])
    assert model.rowCount() == 0
    del tester


def test_twelve_tabs_at_most_and_the_least_recent_leaves(context: BrowserContext):
    catalogue = Catalogue()
    catalogue.add_remote("STUDY", [_study(number) for number in range(MOST_TABS + 2)])
    chosen: list[Any] = []
    closed: list[Any] = []
    tabs = PatientTabs(context, chosen.append, closed.append)
    tabs.show()
    entries = catalogue.patients()
    for entry in entries[:MOST_TABS]:
        tabs.open_tab(entry)
    tabs.open_tab(entries[0])
    tabs.open_tab(entries[MOST_TABS])
    kept = tabs.keys()
    assert entries[0].key in kept
    assert entries[1].key not in kept
    assert tabs.count == MOST_TABS
    assert chosen == []
    tabs.step(1)
    assert chosen == [entries[0].key]
    tabs.close_current()
    assert closed == [entries[0].key]
    assert chosen[-1] == tabs.current_key
    for _number in range(MOST_TABS - 1):
        tabs.close_current()
    assert chosen[-1] is None
    tabs.deleteLater()


def test_popup_finds_by_name_and_id_with_recent_ones_on_top(context: BrowserContext, catalogue: Catalogue):
    found: list[str] = []
    picker = PatientPicker(context, lambda entry: found.append(entry.PatientID))
    (priya,) = catalogue.patients_of("DEMO-000388")
    picker.open_at(catalogue.filtered(Filters()), [priya.key], qt.QPoint(10, 10))
    assert picker.shown()[0] is priya
    picker.field.text = "luca prova"
    assert [entry.PatientID for entry in picker.shown()] == ["DEMO-003377"]
    picker.field.text = "demo-00"
    assert len(picker.shown()) == 9
    press(picker.field, qt.Qt.Key_Down)
    wanted = picker.shown()[1].PatientID
    press(picker.field, qt.Qt.Key_Return, "\r")
    assert found == [wanted]
    assert not picker.visible
    picker.deleteLater()


def test_pictures_of_the_list(
    client: QProcessClient, said: list[tuple[str, Any]], catalogue: Catalogue, look: str, tmp_path: Path
):
    context = BrowserContext(client, Theme(look), None, MemoryViewSettings(), lambda *_: None)
    table = shown_table(context, said, catalogue)
    (jane,) = catalogue.patients_of("DEMO-004217")
    table.select_patient(jane.key)
    table.set_fetching([catalogue.patients_of("DEMO-003991")[0].key])
    tabs = PatientTabs(context, lambda _key: None)
    context.theme.apply(tabs)
    for entry in catalogue.patients()[:4]:
        tabs.open_tab(entry)
    tabs.resize(700, 36)
    tabs.show()
    narrow = shown_table(context, said, catalogue)
    narrow.arrange(True)
    narrow.resize(350, 420)
    narrow.select_patient(jane.key)
    picker = PatientPicker(context, lambda _entry: None)
    context.theme.apply(picker)
    picker.open_at(catalogue.filtered(Filters()), [], qt.QPoint(0, 0))
    qt.QApplication.processEvents()
    for name, widget in (("table", table), ("tabs", tabs), ("narrow", narrow), ("picker", picker)):
        picture = widget.grab()
        assert picture.save(str(tmp_path / f"patient-list-{name}-{look}.png"))
    mark = context.theme.colour("accent")
    row = narrow.visualRect(narrow.model().index(0, 0)).center()
    assert narrow.viewport().grab().toImage().pixelColor(1, row.y()) == mark
    for widget in (table, tabs, narrow, picker):
        widget.deleteLater()


def _study(number: int) -> dict[str, Any]:
    return {
        "StudyInstanceUID": f"3.{number}",
        "PatientName": f"Many^{number:02d}",
        "PatientID": f"M{number:02d}",
        "sources": {"Main PACS": {"instances": 1, "series": 1}},
    }
