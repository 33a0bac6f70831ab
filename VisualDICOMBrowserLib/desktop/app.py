"""Starts the desktop window: Qt's application object, the module `qt`, and the window itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.desktop.qt import install
from VisualDICOMBrowserLib.errors import UsageError

__all__ = ["application", "check_display", "open_window", "remembered_folder", "run", "screenshot"]

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")


def application(*, offscreen: bool = False) -> Any:
    """Qt's application object, made if there is none; `offscreen` needs no display.

    Raises
    ------
    UsageError
        PySide6 is not installed.
    """
    if offscreen:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    try:
        qt = install()
    except ImportError as error:
        message = f"The window needs PySide6, which cannot be imported ({error})."
        step = 'Install it with: pip install "visual-dicom-browser[desktop]"'
        raise UsageError(message, code="no_qt", next_step=step) from None
    return qt.QApplication.instance() or qt.QApplication(sys.argv[:1])


def check_display() -> None:
    """Refuse in one sentence what Qt would end the process for.

    Raises
    ------
    UsageError
        There is no display to open a window on.
    """
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in _DISPLAYS):
        message = "There is no display for the window."
        raise UsageError(message, code="no_display", next_step="Write a picture instead: browse --screenshot FILE")


def remembered_folder() -> Path | None:
    """The database that the window had last, if it is still there; `application` must have been called."""
    from VisualDICOMBrowserLib.desktop.window import FOLDER_KEY
    from VisualDICOMBrowserLib.widgets.view_settings import KeptViewSettings

    kept = KeptViewSettings().get(FOLDER_KEY)
    return Path(kept) if isinstance(kept, str) and kept and Path(kept).is_dir() else None


def open_window(folder: Path | None, look: str = "", *, remember: bool = True) -> Any:
    """Window on the database in `folder`, shown; None asks the user. `application` must have been called."""
    from VisualDICOMBrowserLib.desktop.window import DesktopWindow

    settings = None
    if not remember:
        from VisualDICOMBrowserLib.widgets.view_settings import MemoryViewSettings

        settings = MemoryViewSettings()
    window = DesktopWindow(folder, settings, look)
    window.show()
    return window


def run(folder: Path | None, look: str = "", patient_id: str = "", *, remember: bool = True) -> int:
    """Show the window until it is closed; returns the exit code.

    Parameters
    ----------
    folder : Path, optional
        The database; None asks the user where images are to be kept.
    look : str
        ``light``, ``dark``, ``contrast`` or ``system``, else what is remembered.
    patient_id : str
        The patient shown first.
    remember : bool
        Whether the view and the database are remembered for the next start.
    """
    app = application()
    window = open_window(folder, look, remember=remember)
    try:
        if patient_id:
            window.show_patient(patient_id)
        return int(app.exec())
    finally:
        window.close()


def screenshot(
    folder: Path | None,
    file: Path,
    size: tuple[int, int],
    look: str = "light",
    patient_id: str = "",
    limit_s: float = 60.0,
) -> None:
    """Write a picture of the window, once its pictures are there, without a display.

    Raises
    ------
    UsageError
        It was not complete within `limit_s` seconds, or the patient is not known.
    StorageFault
        The file cannot be written.
    """
    application(offscreen=True)
    from VisualDICOMBrowserLib.desktop.screenshot import write_screenshot

    write_screenshot(folder, file, size, look or "light", patient_id, limit_s)
