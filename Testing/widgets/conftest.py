"""Real Qt without a display, and panels and clients on databases with real engines."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom.data
import pytest

if not os.environ.get("CI"):
    pytest.importorskip("PySide6", reason="the widgets need PySide6 (extra 'desktop')")

from VisualDICOMBrowserLib.desktop.app import application

application()

import qt  # noqa: E402 - there since `application` installed it

from Testing.support.browser_driving import RememberingHost, add_server, names  # noqa: E402
from VisualDICOMBrowserLib.desktop.qt import attributes_for  # noqa: E402
from VisualDICOMBrowserLib.widgets.browser.browser import Browser  # noqa: E402
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient  # noqa: E402
from VisualDICOMBrowserLib.widgets.view_settings import MemoryViewSettings  # noqa: E402

for _name in (
    "Testing.support.look_gallery",
    "test_look_gallery",
    "test_browser",
    "test_browser_more",
    "Testing.support.browser_driving",
    "test_look_paint",
    "test_note_bar",
    "test_desktop_qt",
    "test_qprocess_client",
    "Testing.support.widget_driving",
    "test_servers_window",
    "test_servers_listener",
    "test_servers_advice",
    "test_servers_sign_in",
    "test_known_callers",
    "test_volume_window",
    "test_metadata_window",
    "test_preview_popup",
    "Testing.support.viewing",
    "test_settings_window",
    "test_first_start",
    "test_desktop_window",
    "test_jobs_panel",
    "test_jobs_columns",
    "test_job_remedies",
    "test_scene_closed",
    "test_care",
    "test_compare_window",
    "test_offline",
    "test_search_bar",
    "test_search_run",
    "test_source_chips",
    "test_page_pictures",
    "test_window_pictures",
    "test_page_in_browser",
    "test_page_view",
    "test_catalogue_loading",
    "test_patient_list",
    "test_card_marks",
):
    attributes_for(_name)

WAIT_S = 60.0
Wait = Callable[[Callable[[], object]], None]


@pytest.fixture
def wait_until() -> Wait:
    """Runs Qt's event loop until a condition holds, and fails the test if it never does."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true in time"
            qt.QApplication.processEvents(qt.QEventLoop.AllEvents, 50)

    return wait


@pytest.fixture
def dicom_folder(tmp_path: Path) -> Path:
    """Three real images of two patients: one CT, two MR of one study."""
    folder = tmp_path / "files"
    folder.mkdir()
    for name in ("CT_small.dcm", "MR_small.dcm", "MR_truncated.dcm"):
        source = pydicom.data.get_testdata_file(name)
        shutil.copy(str(source), folder / name)
    return folder


@pytest.fixture
def client(tmp_path: Path) -> Iterator[QProcessClient]:
    """Client of a real engine child on an empty database."""
    opened = QProcessClient(tmp_path / "database")
    yield opened
    opened.close()


@pytest.fixture
def python_with(tmp_path: Path) -> Callable[[str], list[str]]:
    """Command of a child that runs the given Python text."""

    def command(text: str) -> list[str]:
        script = tmp_path / "child.py"
        script.write_text(text, encoding="utf-8")
        return [sys.executable, str(script)]

    return command


@pytest.fixture
def host() -> RememberingHost:
    """A host whose scene is a list of what it was asked to load."""
    return RememberingHost()


@pytest.fixture
def settings() -> MemoryViewSettings:
    """What the browser remembers, in memory."""
    return MemoryViewSettings()


@pytest.fixture
def browser(client: QProcessClient, host: RememberingHost, settings: MemoryViewSettings) -> Iterator[Browser]:
    """A shown browser on an empty database."""
    made = Browser(client, host, settings)
    made.resize(1300, 800)
    made.show()
    yield made
    made.close_browser()
    made.close()


@pytest.fixture
def filled(browser: Browser, dicom_folder: Path, wait_until: Wait) -> Browser:
    """The browser after an import of two patients."""
    browser.import_paths([str(dicom_folder)])
    wait_until(lambda: len(names(browser)) == 2 and browser.feed.state.summary().unfinished == 0)
    wait_until(lambda: browser.page.patient is not None)
    return browser


@pytest.fixture
def pacs(tmp_path: Path, dicom_folder: Path, client: QProcessClient) -> Iterator[QProcessClient]:
    """A PACS with the images of the folder, known to the browser's engine as Main PACS."""
    opened = QProcessClient(tmp_path / "pacs")
    try:
        job = opened.request("import_files", paths=[str(dicom_folder)])
        assert opened.wait(lambda: opened.request("job", job_id=job)["finished"] is not None, 60)
        node = opened.request("start_node", port=0, ae_title="PACS")
        add_server(client, "Main PACS", node["port"])
        yield opened
    finally:
        opened.close()
