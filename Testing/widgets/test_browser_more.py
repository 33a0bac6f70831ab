"""More of the whole browser with real engines: keys, remarks, worklist, watching, what is told in the bar."""

from __future__ import annotations

import datetime
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pydicom.data
import pytest
import qt

from Testing.support.browser_driving import Wait, add_server, names, press_key, query
from Testing.support.widget_driving import press, shown, texts, type_into
from Testing.support.worklists import Entry, WlmScpFs
from VisualDICOMBrowserLib.widgets.browser.browser import Browser
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient


def notes(browser: Browser) -> str:
    return "\n".join(note.text for note in browser.note_bar.notes)


def a_slice(folder: Path, name: str = "CT_small.dcm", **changes: Any) -> str:
    """A file of pydicom's with other values."""
    dataset = pydicom.dcmread(str(pydicom.data.get_testdata_file(name)))
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    path = folder / f"{dataset.SOPInstanceUID}.dcm"
    dataset.save_as(str(path))
    return str(path)


def import_files(browser: Browser, wait_until: Wait, *paths: str) -> None:
    before = len(browser.feed.state.jobs())
    browser.import_paths(list(paths))
    wait_until(lambda: len(browser.feed.state.jobs()) > before and browser.feed.state.summary().unfinished == 0)
    wait_until(lambda: browser.loader.idle)


# Keys


def test_del_asks_before_it_deletes_the_selected_series(filled: Browser, wait_until: Wait) -> None:
    press(filled.page.view, qt.Qt.Key_A, "", qt.Qt.ControlModifier)
    filled.page.view.setFocus()
    (key,) = [each for each in filled._keys if each.key == qt.QKeySequence("Del")]  # the job list has its own
    key.activated.emit()
    wait_until(lambda: any(each.visible for each in filled.findChildren(qt.QDialog)))
    (dialog,) = [each for each in filled.findChildren(qt.QDialog) if each.visible]
    assert "Delete 1 series" in texts(dialog)
    dialog.reject()
    assert len(names(filled)) == 2


def test_in_the_list_keys_mean_the_selected_patients(filled: Browser) -> None:
    filled.choose_mode(True)
    filled.table.setFocus()
    filled.table.selectAll()
    assert filled.key_actions.meant() == ("PATIENT", filled.table.selected())
    assert len(filled.key_actions.meant()[1]) == 2


def test_series_of_a_hidden_page_are_not_meant_by_keys(filled: Browser, wait_until: Wait) -> None:
    filled.choose_mode(True)
    press(filled.page.view, qt.Qt.Key_A, "", qt.Qt.ControlModifier)
    assert filled.selection_bar.visible
    filled.table.selectAll()
    wait_until(lambda: "2 patients selected" in texts(filled))
    filled.search_bar.focus_field()
    assert filled.key_actions.meant() == ("", [])
    assert not filled.selection_bar.visible


@pytest.mark.parametrize(
    ("key", "words"), [("Ctrl+E", "Export comes"), ("Ctrl+Return", "how to load"), ("Ctrl+Shift+S", "No server")]
)
def test_what_cannot_be_done_says_why(filled: Browser, key: str, words: str) -> None:
    press(filled.page.view, qt.Qt.Key_A, "", qt.Qt.ControlModifier)
    press_key(filled, key)
    assert words in notes(filled)


def test_a_key_with_nothing_selected_says_so(browser: Browser) -> None:
    press_key(browser, "Ctrl+D")
    assert "Nothing is selected." in notes(browser)


def test_the_key_for_sending_offers_the_servers_and_the_chosen_one_gets_it(
    filled: Browser, client: QProcessClient, tmp_path: Path, wait_until: Wait
) -> None:
    target = QProcessClient(tmp_path / "target")
    try:
        node = target.request("start_node", port=0, ae_title="PACS")
        add_server(client, "Archive", node["port"])
        client.request("edit_server", name="Archive", store_enabled=True)
        wait_until(lambda: filled.servers and filled.servers[0].get("store_enabled"))
        press(filled.page.view, qt.Qt.Key_A, "", qt.Qt.ControlModifier)
        press_key(filled, "Ctrl+Shift+S")
        menu = filled.key_actions._menu
        assert [each.text for each in menu.actions()] == ["Archive"]
        menu.actions()[0].trigger()
        menu.close()
        wait_until(lambda: target.request("counts")["instances"] == 1)
    finally:
        target.close()


# Remarks


def test_hidden_series_are_told_and_can_be_shown(browser: Browser, tmp_path: Path, wait_until: Wait) -> None:
    paths = [
        a_slice(tmp_path, SOPInstanceUID=f"1.2.3.{number}", SeriesInstanceUID=f"1.2.4.{number}", SeriesDescription=text)
        for number, text in enumerate(("Scout", "Lung", "Bone"), 1)
    ]
    import_files(browser, wait_until, *paths)
    wait_until(lambda: browser.showing.current is not None and len(browser.showing.current.studies[0].series) == 3)
    assert not browser.remarks.visible
    type_into(browser, "Series description", "lung", finish=False)
    wait_until(lambda: "The filters leave 1 of 3 series." in texts(browser))
    shown_rows = browser.page.view.model().rowCount()
    shown(browser.remarks, "Show all").click()
    assert browser.page.view.model().rowCount() == shown_rows + 2
    press_key(browser, "Ctrl+Shift+A")
    assert browser.page.view.model().rowCount() == shown_rows


def test_one_id_of_two_persons_is_told_and_the_other_is_one_click_away(
    browser: Browser, tmp_path: Path, wait_until: Wait
) -> None:
    paths = [
        a_slice(
            tmp_path,
            SOPInstanceUID=f"1.2.3.{number}",
            SeriesInstanceUID=f"1.2.4.{number}",
            StudyInstanceUID=f"1.2.5.{number}",
            PatientName=name,
            PatientBirthDate=birth,
        )
        for number, (name, birth) in enumerate((("Doe^Jane", "19500101"), ("Smith^John", "19900101")), 1)
    ]
    import_files(browser, wait_until, *paths)
    wait_until(lambda: len(names(browser)) == 2 and browser.remarks.visible)
    before = browser.showing.current
    assert "They are kept apart" in texts(browser)
    assert "The ID 1CT1 also stands for" in texts(browser)
    shown(browser.remarks, "Compare").click()
    window = browser.windows._windows["compare"]
    other = window.sides[1].entry
    shown(window, f"Show {other.shown_name}, Local database").click()
    assert browser.showing.current is not before
    assert browser.showing.current.birth != before.birth


# Worklist


@pytest.fixture
def ris(tmp_path: Path, client: QProcessClient) -> Iterator[WlmScpFs]:
    """DCMTK's worklist server with a procedure of today, of a patient that the PACS knows."""
    folder = tmp_path / "ris"
    folder.mkdir()
    today = datetime.date.today().strftime("%Y%m%d")
    server = WlmScpFs(folder, Entry(number=1, patient="4MR1", date=today))
    try:
        server.start()
        fields = {"host": "127.0.0.1", "port": server.port, "called_ae_title": "WLMAE"}
        client.request("add_server", name="RIS", protocol="dimse", worklist_enabled=True, **fields)
        yield server
    finally:
        server.stop()


def test_enter_in_the_worklist_opens_the_patient_from_the_pacs(
    browser: Browser, ris: WlmScpFs, pacs: QProcessClient, wait_until: Wait
) -> None:
    wait_until(lambda: any(chip.worklist for chip in browser.chips.shown))
    press_key(browser, "Ctrl+Shift+W")
    popup, run = browser.worklist.popup, browser.worklist.run
    wait_until(lambda: run.asked and not run.busy)
    assert [item["PatientID"] for item in run.items] == ["4MR1"], run.failures
    assert [chip.words for chip in browser.chips.shown if chip.worklist] == ["1 today"]
    assert popup.visible
    popup.open_current()
    assert not popup.visible
    wait_until(lambda: browser.showing.current is not None)
    assert browser.showing.current.PatientID == "4MR1"
    assert browser.showing.current.where == "remote"


def test_without_a_worklist_the_key_says_so(browser: Browser) -> None:
    press_key(browser, "Ctrl+Shift+W")
    assert "No server is set up for the worklist." in notes(browser)


# Watching, fetching


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield int(listening.getsockname()[1])


def test_watching_is_told_of_the_watched_patient_only(
    filled: Browser, pacs: QProcessClient, client: QProcessClient, wait_until: Wait
) -> None:
    query(filled, wait_until, "4MR")
    wait_until(lambda: filled.showing.current.PatientID == "4MR1" and filled.showing.current.servers)
    watch = next(each for each in filled.findChildren(qt.QPushButton) if each.text == "Watch for new images")
    watched = filled.showing.current
    filled.acts.watch(watched.studies, 10 * 365 * 24 * 60)
    wait_until(lambda: watch.text == "Watching")
    filled.acts.watch(watched.studies, 60)
    wait_until(lambda: watch.text.startswith("Watching until"))
    other = next(each for each in filled.catalogue.patients() if each is not watched)
    filled.showing.show(other)
    assert watch.text == "Watch for new images"
    filled.showing.show(watched)
    filled.acts.stop_watching(watched.studies)
    wait_until(lambda: watch.text == "Watch for new images")
    assert client.request("watches") == []


def test_the_tab_of_a_patient_shows_that_it_is_being_fetched(
    browser: Browser, pacs: QProcessClient, client: QProcessClient, silent_port: int, wait_until: Wait
) -> None:
    query(browser, wait_until, "4MR")
    wait_until(lambda: browser.showing.current is not None and browser.showing.current.studies[0].series)
    client.request("edit_server", name="Main PACS", port=silent_port)
    entry = browser.showing.current
    browser.acts.fetch(entry.studies[0].series)
    wait_until(lambda: entry.key in browser.fetching)
    assert browser.tabs._icons[entry.key] == ("cloud-down", "accent")
    browser.acts.cancel([job["job_id"] for job in browser.feed.state.jobs() if job.get("finished") is None])
    wait_until(lambda: browser.tabs._icons[entry.key] == ("cloud", "accent"))


# What is told


def test_when_no_server_answers_the_bar_offers_to_test_them(
    filled: Browser, client: QProcessClient, free_port: int, wait_until: Wait
) -> None:
    add_server(client, "Old PACS", free_port)
    query(filled, wait_until, "1")
    wait_until(lambda: "No server answered." in notes(filled))
    (note,) = [note for note in filled.note_bar.notes if note.text.startswith("No server answered.")]
    assert [text for text, _action in note.actions] == ["Test connections", "Work offline"]
    note.actions[0][1]()
    wait_until(lambda: any(job["kind"] == "test" for job in client.request("jobs")))


def test_a_restart_of_the_engine_is_told_once(
    browser: Browser, pacs: QProcessClient, client: QProcessClient, silent_port: int, wait_until: Wait
) -> None:
    query(browser, wait_until, "4MR")
    wait_until(lambda: browser.showing.current is not None)
    client.request("edit_server", name="Main PACS", port=silent_port)
    browser.acts.fetch_studies(browser.showing.current.studies)
    wait_until(lambda: [job for job in client.request("jobs") if job["kind"] == "retrieve"])
    before = client.pid
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: client.pid not in (0, None, before))
    wait_until(lambda: "The background engine was restarted." in notes(browser))
    assert notes(browser).count("was restarted") == 1


def test_the_status_line_follows_the_listener(browser: Browser, client: QProcessClient, wait_until: Wait) -> None:
    wait_until(lambda: "Not listening" in browser.status.text())
    port = client.request("start_node", port=0)["port"]
    wait_until(lambda: f", {port}" in browser.status.text())
    client.request("stop_node")
    wait_until(lambda: "Not listening" in browser.status.text())


# Menus


def test_the_menu_of_patients_copies_id_name_and_python_code(filled: Browser) -> None:
    entry = filled.showing.current
    items = filled.menus.patient([entry], entry.studies)
    (copy,) = [item for item in items if item.text == "Copy"]
    by_name = {item.text: item for item in copy.items}
    assert all(not item.why_not for item in copy.items)
    by_name["Name"].action()
    assert qt.QApplication.clipboard().text() == entry.shown_name
    by_name["Python Code"].action()
    assert entry.studies[0].series[0].SeriesInstanceUID in qt.QApplication.clipboard().text()


def test_all_series_of_a_study_are_selected_from_its_menu(filled: Browser) -> None:
    study = filled.showing.current.studies[0]
    (item,) = [each for each in filled.menus.study([study], study.series) if each.text == "Select All Series"]
    item.action()
    assert filled.page.selected() == study.series
