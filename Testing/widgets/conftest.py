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

from VisualDICOMBrowserLib.desktop.qt import attributes_for  # noqa: E402
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient  # noqa: E402

for _name in (
    "Testing.support.look_gallery",
    "test_look_gallery",
    "test_browser",
    "test_browser_more",
    "Testing.widgets.test_browser",
    "test_look_paint",
    "test_note_bar",
    "test_desktop_qt",
    "test_qprocess_client",
    "Testing.support.widget_driving",
    "test_servers_window",
    "test_servers_listener",
    "test_volume_window",
    "test_metadata_window",
    "test_preview_popup",
    "Testing.support.viewing",
    "test_settings_window",
    "test_first_start",
    "test_desktop_window",
    "test_jobs_panel",
    "test_search_bar",
    "test_search_run",
    "test_source_chips",
    "test_page_pictures",
    "test_page_view",
    "test_catalogue_loading",
    "test_patient_list",
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
