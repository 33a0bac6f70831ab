"""The page of the first start, and empty views: what they say, offer and call."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
import qt

from VisualDICOMBrowserLib.engine.open_engine import open_engine
from VisualDICOMBrowserLib.engine.session import Session
from VisualDICOMBrowserLib.errors import StorageFault
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.settings.databases import FoundDatabase, checked_folder, found_database
from VisualDICOMBrowserLib.widgets.settings.empty_state import EmptyState
from VisualDICOMBrowserLib.widgets.settings.first_start import FirstStart
from VisualDICOMBrowserLib.widgets.settings.sample import sample_paths


def button(widget: qt.QWidget, text: str) -> qt.QPushButton:
    (found,) = [each for each in widget.findChildren(qt.QPushButton) if each.text == text]
    return found


def texts(widget: qt.QWidget) -> str:
    return "\n".join(each.text for each in widget.findChildren(qt.QLabel) if not each.isHidden())


@pytest.fixture
def calls() -> list[tuple[str, ...]]:
    return []


def made(found: FoundDatabase | None, calls: list[tuple[str, ...]]) -> FirstStart:
    page = FirstStart(Theme("light"), found, lambda folder: calls.append((folder,)), lambda *step: calls.append(step))
    page.resize(1200, 780)
    page.show()
    return page


def test_database_of_slicer_is_offered_first(calls: list[tuple[str, ...]], tmp_path: Path):
    page = made(FoundDatabase(tmp_path, 37, 12400, datetime.date.today()), calls)
    assert "37 patients, 12,400 images, last used today." in texts(page)
    button(page, "Use this database").click()
    button(page, "Get sample").click()
    assert calls == [(str(tmp_path),), ("sample", str(tmp_path))]


def test_without_one_the_usual_folder_is_suggested(calls: list[tuple[str, ...]]):
    page = made(None, calls)
    button(page, "Use this folder").click()
    button(page, "Import...").click()
    usual = str(Path.home() / "VisualDICOMBrowser")
    assert calls == [(usual,), ("import", usual)]


def test_why_a_folder_was_not_taken_is_said(calls: list[tuple[str, ...]]):
    page = made(None, calls)
    page.say("The disk is full.")
    assert "The disk is full." in texts(page)


def test_nothing_is_cut_off_in_a_narrow_panel(calls: list[tuple[str, ...]]):
    page = made(None, calls)
    page.resize(350, 700)
    qt.QApplication.processEvents()
    assert page.widget().width <= page.viewport().width


def test_slicers_database_is_found_by_its_settings(tmp_path: Path, dicom_folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("APPDATA", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert found_database() is None
    folder = tmp_path / "SlicerDICOMDatabase"
    with Session(open_engine(folder)) as session:
        session.import_files([dicom_folder])
    settings = tmp_path / "config" / "slicer.org" / "Slicer.ini"
    settings.parent.mkdir(parents=True)
    settings.write_text(f"[General]\nDatabaseDirectory_0.8.1={folder.as_posix()}\n", encoding="utf-8")
    found = found_database()
    assert found == FoundDatabase(folder, 2, 2, datetime.date.today())


def test_folder_that_is_a_file_is_refused(tmp_path: Path):
    assert checked_folder(tmp_path / "new" / "database").is_dir()
    file = tmp_path / "file"
    file.write_text("x", encoding="utf-8")
    with pytest.raises(StorageFault, match="cannot be used for a database"):
        checked_folder(file)


def test_sample_images_are_there():
    assert len(sample_paths()) >= 3


def test_empty_view_says_why_and_what_next(calls: list[tuple[str, ...]]):
    view = EmptyState(
        Theme("dark"),
        "search",
        "No patient matches ID 42",
        "",
        [("Clear Modality", lambda: calls.append(("modality",))), ("Clear all", lambda: calls.append(("all",)))],
    )
    view.show()
    assert view.accessibleName == "No patient matches ID 42"
    assert button(view, "Clear Modality").property("kind") == "primary"
    button(view, "Clear all").click()
    view.say("No patients yet", "Drop DICOM files here.", [("Import...", lambda: calls.append(("import",)))])
    qt.QCoreApplication.sendPostedEvents(None, qt.QEvent.DeferredDelete)
    button(view, "Import...").click()
    assert calls == [("all",), ("import",)]
    assert "Drop DICOM files here." in texts(view)


def test_buttons_of_an_empty_view_fit_a_narrow_panel():
    view = EmptyState(Theme("light"), "search", "Nothing", "", [(f"A rather long text {n}", list) for n in range(3)])
    view.resize(300, 500)
    view.show()
    qt.QApplication.processEvents()
    for each in view.findChildren(qt.QPushButton):
        assert view.rect.contains(qt.QRect(each.mapTo(view, qt.QPoint(0, 0)), each.size))
