"""The panel with a real engine: import, browse, query, fetch, load, cancel, broken servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import qt

from VisualDICOMBrowserLib.widgets.browser_panel import BrowserPanel
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient


@pytest.fixture
def loaded() -> list[list[str]]:
    """What the panel has asked to be loaded."""
    return []


@pytest.fixture
def panel(client: QProcessClient, loaded: list[list[str]]) -> Iterator[BrowserPanel]:
    """A shown panel on an empty database."""

    def load(series_uids: list[str]) -> str:
        loaded.append(series_uids)
        return "Loaded."

    made = BrowserPanel(client, load)
    made.resize(1100, 700)
    made.show()
    yield made
    made.close_panel()
    made.close()


@pytest.fixture
def filled(panel: BrowserPanel, dicom_folder: Path, wait_until) -> BrowserPanel:
    """The panel after an import of two patients."""
    panel.import_paths([str(dicom_folder)])
    wait_until(lambda: named(panel, "Patients").model().rowCount() == 2)
    return panel


def named(panel: BrowserPanel, name: str) -> qt.QWidget:
    """The one widget that screen readers know by this name."""
    (found,) = [each for each in panel.findChildren(qt.QWidget) if each.accessibleName == name]
    return found


def cells(panel: BrowserPanel, name: str) -> list[str]:
    """First column of a list."""
    model = named(panel, name).model()
    return [model.data(model.index(row, 0)) for row in range(model.rowCount())]


def button(panel: BrowserPanel, text: str) -> qt.QPushButton:
    (found,) = [each for each in panel.findChildren(qt.QPushButton) if each.text == text]
    return found


def choose(panel: BrowserPanel, name: str, row: int) -> None:
    view = named(panel, name)
    flags = qt.QItemSelectionModel.ClearAndSelect | qt.QItemSelectionModel.Rows
    view.selectionModel().setCurrentIndex(view.model().index(row, 0), flags)


def shown_text(panel: BrowserPanel) -> str:
    return "\n".join(each.text for each in panel.findChildren(qt.QLabel) if each.isVisibleTo(panel))


def test_empty_database_says_what_to_do(panel: BrowserPanel, wait_until):
    wait_until(lambda: "The database is empty." in shown_text(panel))


def test_imported_patients_studies_and_series_are_shown(filled: BrowserPanel, wait_until):
    assert cells(filled, "Patients") == ["CompressedSamples, CT1", "CompressedSamples, MR1"]
    choose(filled, "Patients", 1)
    wait_until(lambda: cells(filled, "Studies") == ["2004-08-26"])
    wait_until(lambda: len(cells(filled, "Series")) == 1)
    wait_until(lambda: any(text.startswith("Import") for text in cells(filled, "Jobs")))


def test_picture_of_a_series_appears(filled: BrowserPanel, wait_until):
    wait_until(lambda: len(cells(filled, "Series")) == 1)
    view = named(filled, "Series")
    wait_until(lambda: view.sizeHintForIndex(view.model().index(0, 0)).height() > 144)


def test_typing_filters_the_local_database(filled: BrowserPanel, wait_until):
    named(filled, "Patient ID").text = "4MR"
    wait_until(lambda: cells(filled, "Patients") == ["CompressedSamples, MR1"])
    named(filled, "Patient ID").text = "nobody"
    wait_until(lambda: "No patient matches" in shown_text(filled))


def test_selected_series_is_loaded(filled: BrowserPanel, loaded: list[list[str]], wait_until):
    wait_until(lambda: len(cells(filled, "Series")) == 1)
    assert not button(filled, "Load").enabled
    named(filled, "Series").selectAll()
    button(filled, "Load").click()
    assert len(loaded) == 1
    assert len(loaded[0]) == 1
    assert "Loaded." in shown_text(filled)


def test_query_and_fetch_from_a_server(panel: BrowserPanel, tmp_path: Path, dicom_folder: Path, wait_until):
    pacs = QProcessClient(tmp_path / "pacs")
    try:
        job = pacs.request("import_files", paths=[str(dicom_folder)])
        assert pacs.wait(lambda: pacs.request("job", job_id=job)["finished"] is not None, 60)
        node = pacs.request("start_node", port=0, ae_title="PACS")
        add_server(panel, "Main PACS", node["port"], wait_until)
        button(panel, "Query server").click()
        wait_until(lambda: len(cells(panel, "Studies found on the server")) == 2)
        wait_until(lambda: "Main PACS: 2 found" in shown_text(panel))
        choose(panel, "Studies found on the server", 0)
        button(panel, "Fetch 1 study").click()
        wait_until(lambda: len(cells(panel, "Patients")) == 1)
        wait_until(lambda: "1 image new" in shown_text(panel))
    finally:
        pacs.close()


def test_server_that_is_down_is_named(panel: BrowserPanel, free_port: int, wait_until):
    add_server(panel, "Old PACS", free_port, wait_until)
    button(panel, "Query server").click()
    wait_until(lambda: f"Old PACS: nothing listens on port {free_port}." in shown_text(panel))


def test_wrong_server_settings_are_explained_in_the_form(panel: BrowserPanel, wait_until):
    button(panel, "Add server...").click()
    (dialog,) = panel.findChildren(qt.QDialog)
    dialog.add()
    wait_until(lambda: "The host is missing." in "".join(each.text for each in dialog.findChildren(qt.QLabel)))
    assert dialog.visible


def test_narrow_panel_stacks_its_lists(panel: BrowserPanel):
    panel.resize(360, 800)
    qt.QApplication.processEvents()
    assert panel.width == 360
    patients, studies = named(panel, "Patients"), named(panel, "Studies")
    assert studies.mapTo(panel, qt.QPoint(0, 0)).y() > patients.mapTo(panel, qt.QPoint(0, 0)).y() + 50


def add_server(panel: BrowserPanel, name: str, port: int, wait_until) -> None:
    button(panel, "Add server...").click()
    (dialog,) = panel.findChildren(qt.QDialog)
    fields = {each.accessibleName: each for each in dialog.findChildren(qt.QWidget) if each.accessibleName}
    fields["Name"].text = name
    fields["Host"].text = "127.0.0.1"
    fields["AE title of the server"].text = "PACS"
    fields["Port"].value = port
    dialog.add()
    wait_until(lambda: button(panel, "Query server").enabled)
