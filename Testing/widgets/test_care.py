"""Files that are gone, a damaged database, readers that are missing: what is said, and what its buttons do."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pydicom.data
import pytest
import qt

from Testing.support.browser_driving import RememberingHost, Wait, names
from Testing.support.ct_series import CtSeries, make_ct_series
from Testing.support.widget_driving import texts
from VisualDICOMBrowserLib.desktop.window import DesktopWindow
from VisualDICOMBrowserLib.engine.open_engine import open_engine
from VisualDICOMBrowserLib.engine.session import Session
from VisualDICOMBrowserLib.errors import LoadError
from VisualDICOMBrowserLib.widgets.browser.browser import Browser
from VisualDICOMBrowserLib.widgets.gone_words import gone_text, removal_sentences
from VisualDICOMBrowserLib.widgets.jobs.reports import next_steps
from VisualDICOMBrowserLib.widgets.slicer_host import SlicerHost
from VisualDICOMBrowserLib.widgets.view_settings import MemoryViewSettings


def notes(browser: Browser) -> str:
    return "\n".join(note.text for note in browser.note_bar.notes)


def button(window: Any, text: str) -> Any:
    """The visible button of that text."""
    found = [each for each in window.findChildren(qt.QPushButton) if each.text == text and each.isVisibleTo(window)]
    assert len(found) == 1, f"{text}: {len(found)}"
    return found[0]


def last_job(browser: Browser, kind: str) -> dict[str, Any]:
    return [each for each in browser.feed.state.jobs() if each["kind"] == kind][-1]


@pytest.fixture
def linked(browser: Browser, tmp_path: Path, wait_until: Wait) -> CtSeries:
    """A linked series of five images whose folder has gone elsewhere."""
    made = make_ct_series(tmp_path / "old", 5)
    browser.import_paths([str(made.folder)])
    wait_until(lambda: len(names(browser)) == 1 and browser.feed.state.summary().unfinished == 0)
    wait_until(lambda: browser.page.patient is not None and browser.loader.idle)
    browser.note_bar.close_note()
    (tmp_path / "old").rename(tmp_path / "new")
    return made


# Files that are gone


def test_loading_says_that_files_are_gone_and_they_are_found_again(
    browser: Browser, linked: CtSeries, tmp_path: Path, wait_until: Wait
) -> None:
    entry = browser.catalogue.one_series(linked.SeriesInstanceUID)
    said = f"5 files moved or deleted (folder {tmp_path / 'old'} absent?)."
    browser.acts.load([entry])
    wait_until(lambda: said in notes(browser))
    browser.acts.load([entry])
    wait_until(lambda: said in notes(browser))
    assert notes(browser).count("moved or deleted") == 1
    browser.note_bar.show_next()
    assert {"Find...", "Remove..."} <= {
        each.text for each in browser.note_bar.findChildren(qt.QPushButton) if each.isVisibleTo(browser.note_bar)
    }
    browser.windows.care.find_in(str(tmp_path / "new"))
    wait_until(lambda: "5 of 5 missing files found." in notes(browser))
    assert said not in notes(browser)
    assert browser.context.client.request("missing_files", series=[linked.SeriesInstanceUID])["missing"] == 0


def test_preview_and_metadata_say_it_too(browser: Browser, linked: CtSeries, wait_until: Wait) -> None:
    entry = browser.catalogue.one_series(linked.SeriesInstanceUID)
    browser.open_preview(entry)
    wait_until(lambda: "5 files moved or deleted" in notes(browser))
    browser.windows.close_preview()
    browser.note_bar.take_back("gone")
    browser.open_metadata(entry)
    wait_until(lambda: "5 files moved or deleted" in notes(browser))


def test_the_check_offers_both_in_its_details_and_removes_what_is_left(
    browser: Browser, linked: CtSeries, tmp_path: Path, wait_until: Wait
) -> None:
    (tmp_path / "new").rename(tmp_path / "old")
    first = next(iter(linked.files.values()))
    first.unlink()
    browser.context.ask("check_database")
    wait_until(lambda: "1 file moved or deleted." in notes(browser))
    job = last_job(browser, "check")
    assert [each.words for each in next_steps(job)] == ["Find...", "Remove..."]
    remove = next_steps(job)[1].remedy
    browser.windows.remedies.run(remove, job)
    wait_until(lambda: any(each.visible for each in browser.findChildren(qt.QDialog)))
    (dialog,) = [each for each in browser.findChildren(qt.QDialog) if each.visible]
    assert "Remove 1 image of 1 series from the local database?" in texts(dialog)
    assert "1 series stays with the files it has." in texts(dialog)
    button(dialog, "Remove 1 image").click()
    wait_until(lambda: "1 image whose file is gone was removed from the database." in notes(browser))
    wait_until(lambda: browser.catalogue.one_series(linked.SeriesInstanceUID).local == 4)
    assert len(names(browser)) == 1


def test_a_series_that_has_nothing_left_goes_away(
    browser: Browser, linked: CtSeries, tmp_path: Path, wait_until: Wait
) -> None:
    (tmp_path / "new").rename(tmp_path / "elsewhere")
    (tmp_path / "new").mkdir()
    browser.windows.care.find_in(str(tmp_path / "new"))
    wait_until(lambda: "0 of 5 missing files found." in notes(browser))
    job = last_job(browser, "find_files")
    assert job["state"] == "partly"
    assert [each.words for each in next_steps(job)] == ["Find...", "Remove..."]
    button(browser.note_bar, "Remove...").click()
    wait_until(lambda: any(each.visible for each in browser.findChildren(qt.QDialog)))
    (dialog,) = [each for each in browser.findChildren(qt.QDialog) if each.visible]
    assert "1 series goes away: none of its files is left." in texts(dialog)
    button(dialog, "Remove 5 images").click()
    wait_until(lambda: names(browser) == [])
    assert (tmp_path / "elsewhere").is_dir()


def test_words_for_an_absent_drive() -> None:
    found = {"missing": 28, "absent": "E:", "missing_series": ["1", "2"], "emptied": 2}
    assert gone_text(found) == "28 files moved or deleted (drive E: absent?)."
    assert removal_sentences(found)[0] == "Remove 28 images of 2 series from the local database?"
    assert not any("stay" in sentence for sentence in removal_sentences(found))


# A damaged database


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A database with a copied series whose table of patients is overwritten."""
    folder = tmp_path / "damaged"
    with Session(open_engine(folder)) as session:
        session.import_files([make_ct_series(tmp_path / "ct", 4).folder], copy=True, timeout=60)
    file = folder / "ctkDICOM.sql"
    with sqlite3.connect(file) as connection:
        ((root,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'Patients'")
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with file.open("r+b") as opened:
        opened.seek((root - 1) * size)
        opened.write(b"\xff" * size)
    return folder


@pytest.fixture
def window(damaged: Path) -> Iterator[DesktopWindow]:
    made = DesktopWindow(damaged, MemoryViewSettings())
    made.resize(1200, 760)
    made.show()
    yield made
    made.close()


def test_a_damaged_database_is_made_anew_by_one_button(window: DesktopWindow, damaged: Path, wait_until: Wait) -> None:
    broken = window.browser
    wait_until(lambda: "The database is damaged" in texts(broken))
    wait_until(lambda: broken.note_bar.current is not None)
    assert broken.note_bar.current.actions[0][0] == "Rebuild"
    found = [each for each in broken.findChildren(qt.QPushButton) if each.text == "Rebuild"]
    shown = [each for each in found if each.isVisibleTo(broken)]
    assert len(shown) == 2  # in the bar, and where the patients would be
    shown[-1].click()
    assert "The database is made anew..." in texts(broken)
    wait_until(lambda: window.browser is not None and window.browser is not broken)
    wait_until(lambda: len(names(window.browser)) == 1)
    wait_until(lambda: "The database was made anew with 4 images." in notes(window.browser))
    kept = list(damaged.glob("ctkDICOM-damaged-*.sql"))
    assert len(kept) == 1
    assert str(kept[0]) in notes(window.browser)
    assert last_job(window.browser, "rebuild")["state"] == "done"


def test_a_sound_database_is_not_made_anew(browser: Browser, linked: CtSeries, host: Any, wait_until: Wait) -> None:
    browser.windows.care.rebuild()
    wait_until(lambda: "The database was not made anew:" in notes(browser))
    assert "is sound, so it is left as it is." in notes(browser)
    assert host.folders == []


# The engine, readers


def test_the_bar_shows_how_an_engine_ended(browser: Browser, linked: CtSeries, wait_until: Wait) -> None:
    os.kill(browser.context.client.pid, signal.SIGKILL)
    wait_until(lambda: "The background engine was restarted." in notes(browser))
    (note,) = [each for each in browser.note_bar.notes if "was restarted" in each.text]
    assert "ended unexpectedly (exit code" in note.details
    button(browser.note_bar, "Details").click()
    assert browser.note_bar.findChild(qt.QPlainTextEdit).isVisibleTo(browser.note_bar)


class PickyHost(RememberingHost):
    """A host that has no reader, as the loader says it."""

    def load(self, series_uids: Any) -> str:
        message = "No reader for this kind (RTPLAN)."
        raise LoadError(message, subject=series_uids[0], next_step="The extension SlicerRT can.")


@pytest.fixture
def host() -> RememberingHost:
    return PickyHost() if os.environ.get("PYTEST_CURRENT_TEST", "").find("reader") > 0 else RememberingHost()


@pytest.mark.parametrize("reason", ["", "SlicerRT is an extension of Slicer; install it there."])
def test_a_kind_without_reader_offers_its_extension(
    browser: Browser, host: RememberingHost, reason: str, wait_until: Wait
) -> None:
    host.no_extension = reason
    browser.import_paths([str(pydicom.data.get_testdata_file("rtplan.dcm"))])
    wait_until(lambda: len(names(browser)) == 1 and browser.page.patient is not None)
    wait_until(lambda: browser.feed.state.summary().unfinished == 0)
    (uid,) = [each.SeriesInstanceUID for study in browser.page.patient.studies for each in study.series]
    while browser.note_bar.current is not None:
        browser.note_bar.close_note()
    browser.acts.load_now([uid])
    wait_until(lambda: "No reader for this kind (RTPLAN)." in notes(browser))
    install = button(browser.note_bar, "Install")
    assert install.enabled == (not reason)
    assert install.toolTip == reason
    if not reason:
        install.click()
        assert host.installed == ["SlicerRT"]


def test_slicer_installs_through_its_extensions_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    slicer = pytest.importorskip("slicer")
    host = SlicerHost(lambda _uids: [], lambda: True)
    asked: list[str] = []
    manager = SimpleNamespace(interactive=False, installExtensionFromServer=lambda name: asked.append(name) or True)
    monkeypatch.setattr(slicer, "app", SimpleNamespace(extensionsManagerModel=lambda: manager), raising=False)
    assert host.why_no_extension("SlicerRT") == ""
    host.install_extension("SlicerRT")
    assert (asked, manager.interactive) == (["SlicerRT"], True)
    # One that cannot say what to install is opened.
    opened: list[bool] = []
    app = SimpleNamespace(
        extensionsManagerModel=lambda: SimpleNamespace(), openExtensionsManagerDialog=lambda: opened.append(True)
    )
    monkeypatch.setattr(slicer, "app", app)
    host.install_extension("SlicerRT")
    assert opened == [True]
    monkeypatch.setattr(slicer, "app", SimpleNamespace())
    assert host.why_no_extension("SlicerRT")
    with pytest.raises(LoadError, match="cannot be installed"):
        host.install_extension("SlicerRT")
