"""The whole browser with real engines: import, browse, filter, query, fetch, load, delete, remember."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt

from Testing.support.browser_driving import RememberingHost, Wait, add_server, names, press_key, query
from Testing.support.ct_series import make_ct_series
from Testing.support.widget_driving import press, shown, texts, type_into
from VisualDICOMBrowserLib.widgets.browser.browser import Browser
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient
from VisualDICOMBrowserLib.widgets.view_settings import MemoryViewSettings


def test_an_empty_database_says_what_to_do(browser: Browser, wait_until: Wait) -> None:
    wait_until(lambda: "No images yet" in texts(browser))
    assert "Drop DICOM files" in texts(browser)


def test_imported_patients_are_shown_with_pictures(filled: Browser, wait_until: Wait) -> None:
    assert names(filled) == ["CompressedSamples, CT1", "CompressedSamples, MR1"]
    (study,) = filled.showing.current.studies
    wait_until(lambda: all(Path(each.thumbnail).is_file() for each in study.series))


def test_the_models_keep_qts_rules(filled: Browser, pacs: QProcessClient, wait_until: Wait) -> None:
    from PySide6.QtTest import QAbstractItemModelTester

    views = [filled.table, filled.page.view, *filled.jobs_panel.findChildren(qt.QTreeView)]
    fatal = QAbstractItemModelTester.FailureReportingMode.Fatal
    testers = [QAbstractItemModelTester(view.model(), fatal) for view in views]
    query(filled, wait_until, "1")
    type_into(filled, "Patient ID", "4mr", finish=False)
    wait_until(lambda: len(names(filled)) == 1)
    filled.choose_order("description")
    filled.choose_view(True)
    del testers


def test_typing_filters_at_once_and_the_empty_result_offers_ways_out(filled: Browser, wait_until: Wait) -> None:
    type_into(filled, "Patient ID", "4mr", finish=False)
    wait_until(lambda: names(filled) == ["CompressedSamples, MR1"])
    assert filled.showing.current.PatientID == "4MR1"
    type_into(filled, "Patient ID", "nobody", finish=False)
    wait_until(lambda: "No patient matches" in texts(filled))
    (clear,) = [each for each in filled.findChildren(qt.QPushButton) if each.text == "Clear Patient ID"]
    clear.click()
    wait_until(lambda: len(names(filled)) == 2)


def test_what_is_selected_is_loaded_and_says_so(filled: Browser, host: RememberingHost, wait_until: Wait) -> None:
    press(filled.page.view, qt.Qt.Key_A, "", qt.Qt.ControlModifier)
    wait_until(lambda: filled.selection_bar.visible)
    assert "1 series selected" in texts(filled)
    chosen = [each.SeriesInstanceUID for each in filled.page.selected()]
    shown(filled.selection_bar, "Load").click()
    assert host.loaded == chosen
    assert "Loaded." in [note.text for note in filled.note_bar.notes]
    press(filled, qt.Qt.Key_Escape)


def test_query_fetch_and_load_when_complete(
    browser: Browser, pacs: QProcessClient, host: RememberingHost, wait_until: Wait
) -> None:
    query(browser, wait_until, "4MR")
    assert browser.run.states["Main PACS"]["count"] == 1
    wait_until(lambda: names(browser) == ["CompressedSamples, MR1"])
    entry = browser.showing.current
    assert entry.where == "remote"
    wait_until(lambda: len(entry.studies[0].series) == 1)
    series = entry.studies[0].series[0]
    assert series.local == 0
    wait_until(lambda: browser.page.view.model().rowCount() == 2)
    browser.page.select([series.SeriesInstanceUID])
    press(browser.page.view, qt.Qt.Key_Return, "\r")
    wait_until(lambda: host.loaded == [series.SeriesInstanceUID])
    assert series.complete
    assert browser.showing.current is entry
    assert entry.local


def test_who_is_found_is_shown_though_another_patient_has_a_tab(
    browser: Browser, pacs: QProcessClient, tmp_path: Path, wait_until: Wait
) -> None:
    make_ct_series(tmp_path / "local", 1)
    browser.import_paths([str(tmp_path / "local")])
    wait_until(lambda: browser.showing.current is not None)
    before = browser.showing.current
    query(browser, wait_until, "4MR")
    wait_until(lambda: browser.showing.current is not None)
    assert browser.showing.current.PatientID == "4MR1"
    assert before.key in list(browser.tabs.keys())


def test_a_server_that_is_down_is_named_and_what_is_here_stays(
    filled: Browser, client: QProcessClient, free_port: int, wait_until: Wait
) -> None:
    add_server(client, "Old PACS", free_port)
    query(filled, wait_until, "1")
    assert filled.run.states["Old PACS"]["state"] == "failed"
    assert "connection refused" in " ".join(chip.words for chip in filled.chips.shown)
    assert len(names(filled)) == 2


def test_a_failed_fetch_is_told_in_the_bar_never_in_a_box(
    browser: Browser, client: QProcessClient, pacs: QProcessClient, free_port: int, wait_until: Wait
) -> None:
    query(browser, wait_until, "4MR")
    wait_until(lambda: browser.showing.current is not None)
    client.request("edit_server", name="Main PACS", called_ae_title="WRONG")
    study = browser.showing.current.studies[0]
    browser.acts.fetch_studies([study])
    wait_until(lambda: any(note.level == "error" for note in browser.note_bar.notes))
    assert any("WRONG" in note.text for note in browser.note_bar.notes)
    assert qt.QApplication.activeModalWidget() is None
    wait_until(lambda: browser.job_of(study.series[0]) is not None if study.series else True)


def test_deleting_asks_with_counts_and_deletes(filled: Browser, wait_until: Wait) -> None:
    entry = filled.showing.current
    filled.acts.delete("PATIENT", [entry])
    wait_until(lambda: any(each.visible for each in filled.findChildren(qt.QDialog)))
    (dialog,) = [each for each in filled.findChildren(qt.QDialog) if each.visible]
    assert "Delete 1 series" in texts(dialog)
    assert "1 linked file stays where it is." in texts(dialog)
    (understood,) = dialog.findChildren(qt.QCheckBox)
    (delete,) = [each for each in dialog.findChildren(qt.QPushButton) if each.text == "Delete 1 series"]
    assert not delete.enabled
    understood.click()
    delete.click()
    wait_until(lambda: len(names(filled)) == 1)
    assert entry.shown_name not in names(filled)


def test_background_work_moves_neither_patient_nor_selection(filled: Browser, tmp_path: Path, wait_until: Wait) -> None:
    import pydicom.data

    press(filled.page.view, qt.Qt.Key_A, "", qt.Qt.ControlModifier)
    before = (filled.showing.current, [each.SeriesInstanceUID for each in filled.page.selected()])
    filled.import_paths([str(pydicom.data.get_testdata_file("rtdose.dcm"))])
    wait_until(lambda: len(names(filled)) == 3)
    wait_until(lambda: filled.feed.state.summary().unfinished == 0)
    assert (filled.showing.current, [each.SeriesInstanceUID for each in filled.page.selected()]) == before


def test_list_and_tabs(filled: Browser, wait_until: Wait) -> None:
    press_key(filled, "Ctrl+L")
    assert filled.table.visible
    assert not filled.tabs.visible
    other = next(entry for entry in filled.showing.entries if entry is not filled.showing.current)
    row = filled.table.patients().index(other)
    index = filled.table.model().index(row, 0)
    filled.table.selectionModel().setCurrentIndex(
        index, qt.QItemSelectionModel.ClearAndSelect | qt.QItemSelectionModel.Rows
    )
    wait_until(lambda: filled.page.patient is other)
    filled.table.selectAll()
    wait_until(lambda: "2 patients selected" in texts(filled))
    press_key(filled, "Ctrl+L")
    assert filled.tabs.visible


def test_a_narrow_browser_is_a_side_panel(filled: Browser) -> None:
    filled.resize(350, 800)
    qt.QApplication.processEvents()
    assert filled.width == 350
    assert filled.arranging.side
    assert filled.name_button.visible
    assert filled.name_button.shown == filled.showing.current.shown_name
    assert filled.name_button.accessibleName.endswith(filled.showing.current.shown_name)
    filled.navigation.open_picker()
    assert filled.table.visible


def test_the_view_is_remembered(
    filled: Browser, client: QProcessClient, host: RememberingHost, settings: MemoryViewSettings, wait_until: Wait
) -> None:
    filled.choose_mode(True)
    filled.choose_order("modality")
    filled.choose_view(True)
    filled.choose_size(200)
    shown_before = filled.showing.current.key
    filled.close_browser()
    again = Browser(client, host, settings)
    try:
        again.resize(1300, 800)
        again.show()
        arranging = again.arranging
        assert (arranging.as_list, arranging.order, arranging.rows, arranging.size) == (True, "modality", True, 200)
        wait_until(lambda: again.showing.current is not None)
        assert again.showing.current.key == shown_before
    finally:
        again.close_browser()
        again.close()


def test_files_dropped_are_copied(browser: Browser, dicom_folder: Path, wait_until: Wait) -> None:
    mime = qt.QMimeData()
    mime.setUrls([qt.QUrl.fromLocalFile(str(dicom_folder))])
    place = qt.QPoint(200, 300)
    entering = qt.QDragEnterEvent(place, qt.Qt.CopyAction, mime, qt.Qt.LeftButton, qt.Qt.NoModifier)
    qt.QApplication.sendEvent(browser, entering)
    assert entering.isAccepted()
    assert browser.overlay.visible
    over = qt.QDragEnterEvent(place, qt.Qt.CopyAction, mime, qt.Qt.LeftButton, qt.Qt.NoModifier)
    qt.QApplication.sendEvent(browser.overlay, over)
    dropping = qt.QDropEvent(qt.QPointF(place), qt.Qt.CopyAction, mime, qt.Qt.LeftButton, qt.Qt.NoModifier)
    qt.QApplication.sendEvent(browser.overlay, dropping)
    wait_until(lambda: len(names(browser)) == 2)
    assert not browser.overlay.visible
    paths = browser.context.client.request(
        "files", series=[browser.showing.current.studies[0].series[0].SeriesInstanceUID]
    )
    assert all(not str(path).startswith(str(dicom_folder)) for found in paths.values() for path in found)


def test_every_entry_of_the_menus_has_an_action_or_a_reason(filled: Browser) -> None:
    entry = filled.showing.current
    study = entry.studies[0]
    menus = (
        filled.menus.series(study.series),
        filled.menus.study([study], study.series),
        filled.menus.patient([entry], [study]),
        filled.arranging.gear_menu(),
        filled.arranging.area_menu(),
    )

    def check(items: Any) -> None:
        for item in items:
            assert not item.text or item.action is not None or item.why_not or item.items, item.text
            check(item.items)

    for items in menus:
        check(items)
    filled.open_item_menu("SERIES", study.series, filled.mapToGlobal(qt.QPoint(10, 10)))
    assert filled._menu.visible
    filled._menu.close()


def test_the_engine_is_killed_and_the_browser_goes_on(filled: Browser, wait_until: Wait) -> None:
    import os
    import signal

    before = filled.context.client.pid
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: filled.context.client.pid not in (0, None, before))
    wait_until(lambda: filled.loader.idle and len(names(filled)) == 2)
    assert qt.QApplication.activeModalWidget() is None
