"""Writes a picture of the window without a display, once nothing on it changes any more. Main thread only."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt

from VisualDICOMBrowserLib.desktop.window import DesktopWindow
from VisualDICOMBrowserLib.errors import StorageFault, UsageError
from VisualDICOMBrowserLib.widgets.view_settings import MemoryViewSettings

__all__ = ["write_screenshot"]

_QUIET_S = 0.4
"""How long the window must look the same: longer than any pause of the views before they ask or draw again."""
_STEP_MS = 50


def write_screenshot(
    folder: Path | None, file: Path, size: tuple[int, int], look: str, patient_id: str, limit_s: float
) -> None:
    """Picture of a window of `size` on the database in `folder`; see `app.screenshot`."""
    deadline = time.monotonic() + limit_s
    window = DesktopWindow(folder, MemoryViewSettings(), look)
    try:
        window.resize(*size)
        window.show()
        _settle(window, deadline)
        if patient_id:
            _check_patient(window, patient_id)
            window.show_patient(patient_id)
            _settle(window, deadline)
        if not window.grab().save(str(file)):
            message = f"The picture could not be written to {file}."
            raise StorageFault(message, subject=str(file), next_step="Check the folder and the ending, such as .png.")
    finally:
        window.close()


def _check_patient(window: DesktopWindow, patient_id: str) -> None:
    known = window.client.request("records", level="PATIENT", PatientID=patient_id) if window.client else []
    if not any(record["PatientID"] == patient_id for record in known):
        message = f"The database has no patient with the ID {patient_id}."
        raise UsageError(message, subject=patient_id, next_step="See the patients with: visual-dicom-browser list")


def _settle(window: DesktopWindow, deadline: float) -> None:
    """Run the event loop until no job runs, no command is unanswered, and the window looks the same for a while."""
    shown: Any = None
    since = 0.0

    def is_quiet() -> bool:
        nonlocal shown, since
        image = window.grab().toImage()
        now = time.monotonic()
        if shown is None or image != shown:
            shown, since = image, now
            return False
        return now - since >= _QUIET_S

    _run_until(is_quiet, deadline)
    if window.client is not None:
        # Pictures are made by jobs; what these still bring is drawn once more.
        _run_until(lambda: _no_job(window), deadline)
        shown = None
        _run_until(is_quiet, deadline)


def _no_job(window: DesktopWindow) -> bool:
    return all(job["finished"] is not None for job in window.client.request("jobs"))


def _run_until(condition: Callable[[], bool], deadline: float) -> None:
    while not condition():
        if time.monotonic() >= deadline:
            message = "The window was not complete in time; no picture was written."
            raise UsageError(message, code="screenshot", next_step="Give it more time or a smaller database.")
        qt.QApplication.processEvents(qt.QEventLoop.AllEvents, _STEP_MS)
