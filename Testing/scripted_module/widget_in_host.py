"""Run by `test_module_widget` in a process of its own: the module's widget in a stand-in for Slicer."""

from __future__ import annotations

import socket
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

from VisualDICOMBrowserLib.desktop.app import application

application()

import qt  # noqa: E402 - there since `application` installed it
import slicer  # noqa: E402

from VisualDICOMBrowserLib.desktop.qt import attributes_for  # noqa: E402

attributes_for("__main__")

from VisualDICOMBrowser import VisualDICOMBrowser, VisualDICOMBrowserWidget  # noqa: E402

WAIT_S = 60.0


def wait_until(condition) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        qt.QApplication.processEvents(qt.QEventLoop.AllEvents, 50)


def main(folder: Path, files: str) -> None:
    parent = SimpleNamespace()
    VisualDICOMBrowser(parent)
    assert parent.title == "Visual DICOM Browser"

    widget = VisualDICOMBrowserWidget()
    widget.setup()
    assert widget.browser is None
    assert "No DICOM database is open." in widget._message.text

    slicer.dicomDatabase.openFolder(folder / "first")
    first = widget.browser
    assert first is not None
    widget.enter()
    assert widget.browser is first

    assert widget.logic.importFiles([files])["imported"] == 1
    assert widget.logic.patients()[0].PatientID == "1CT1"
    wait_until(lambda: slicer.dicomDatabase.changes > 0)
    process = widget.logic.client().pid

    the_whole_screen_is_taken_by_a_window_of_its_own(widget)
    first.toggle_full_screen()
    slicer.dicomDatabase.openFolder(folder / "second")
    assert not [each for each in qt.QApplication.topLevelWidgets() if each.visible and each.fullScreen]
    assert widget.browser is not first
    assert widget.logic.patients() == []
    assert widget.logic.client().pid != process
    widget.exit()
    widget.cleanup()
    assert widget.logic.currentClient is None
    assert slicer.dicomDatabase.opened.slots == []

    reload_while_a_job_runs()


def the_whole_screen_is_taken_by_a_window_of_its_own(widget) -> None:
    """The application's own window stays as it is; what is loaded meanwhile changes nothing."""
    browser = widget.browser
    around = browser.window()
    browser.toggle_full_screen()
    own = browser.window()
    assert own is not around
    assert own.fullScreen
    assert not around.fullScreen
    assert browser.table.visible
    browser.acts.load_now([])
    assert browser.window() is own
    browser.escape()
    assert browser.window() is around
    assert not browser.arranging.full


def reload_while_a_job_runs() -> None:
    """Case 72 (extension reloaded while work runs): the job goes on in the next session, no thread is left."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        widget = VisualDICOMBrowserWidget()
        widget.setup()
        widget.logic.addServer("Silent", "127.0.0.1", silent.getsockname()[1], "SILENT", timeout_s=600)
        job = widget.logic.startRetrieve("Silent", "1.2.3")
        wait_until(lambda: widget.logic.jobs()[-1]["state"] == "running")
        widget.cleanup()

        again = VisualDICOMBrowserWidget()
        again.setup()
        wait_until(lambda: again.browser.feed.state.get(job) is not None)
        wait_until(lambda: again.browser.feed.state.get(job)["state"] == "running")
        assert again.logic.cancelJob(job)
        assert again.logic.waitForJob(job, WAIT_S)["state"] == "cancelled"
        again.cleanup()
    assert slicer.dicomDatabase.opened.slots == []
    assert slicer.mrmlScene.observers == {}
    assert threading.enumerate() == [threading.main_thread()]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
