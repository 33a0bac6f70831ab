"""Starts the desktop window: Qt's application object, the module `qt`, and the window itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from VisualDICOMBrowserLib.desktop.qt import install
from VisualDICOMBrowserLib.errors import UsageError

__all__ = ["application", "open_window", "run"]


def application() -> Any:
    """Qt's application object, made if there is none.

    Raises
    ------
    UsageError
        PySide6 is not installed.
    """
    try:
        qt = install()
    except ImportError as error:
        message = f"The window needs PySide6, which cannot be imported ({error})."
        step = 'Install it with: pip install "visual-dicom-browser[desktop]"'
        raise UsageError(message, code="no_qt", next_step=step) from None
    return qt.QApplication.instance() or qt.QApplication(sys.argv[:1])


def open_window(folder: Path) -> Any:
    """Window on the database in `folder`, shown; `application` must have been called."""
    from VisualDICOMBrowserLib.desktop.window import DesktopWindow

    window = DesktopWindow(folder)
    window.show()
    return window


def run(folder: Path) -> int:
    """Show the window until it is closed; returns the exit code."""
    app = application()
    window = open_window(folder)
    try:
        return int(app.exec())
    finally:
        window.close()
