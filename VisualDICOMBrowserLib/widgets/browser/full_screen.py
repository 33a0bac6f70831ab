"""The whole screen for the browser, in its own window or, inside of another program, in one made for it.

Main thread only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.ending import delete_later
from VisualDICOMBrowserLib.widgets.language import _

__all__ = ["FullScreen"]


class FullScreen:
    """Takes the screen and gives it back.

    Parameters
    ----------
    browser : Browser
    on_closed : Callable[[], None]
        Called when the user closes the window that was made for it.
    """

    def __init__(self, browser: Any, on_closed: Callable[[], None]) -> None:
        self._browser = browser
        self._on_closed = on_closed
        self._put_back: Callable[[], None] | None = None
        self._taken_out: Callable[[], None] = lambda: None
        self._window: Any = None
        self._maximized = False

    def be_guest(self, put_back: Callable[[], None], taken_out: Callable[[], None]) -> None:
        """The window around the browser is another program's.

        `put_back` brings the browser to its place in it; `taken_out` is called when it has left that place.
        """
        self._put_back, self._taken_out = put_back, taken_out

    def enter(self) -> None:
        """Take the whole screen that the browser is on."""
        if self._put_back is None:
            window = self._browser.window()
            self._maximized = bool(window.maximized)
            window.showFullScreen()
            return
        place = _screen_of(self._browser)
        self._window = _GuestWindow(self._on_closed)
        self._window.windowTitle = _("Visual DICOM Browser")
        self._window.layout().addWidget(self._browser)
        self._browser.show()
        self._taken_out()
        if place is not None:
            self._window.geometry = place
        self._window.showFullScreen()

    def leave(self) -> None:
        """Give the screen back."""
        if self._put_back is None:
            window = self._browser.window()
            window.showMaximized() if self._maximized else window.showNormal()
        elif self._window is not None:
            self._put_back()
            self.close()
            self._browser.window().activateWindow()

    def close(self) -> None:
        """Leave no window behind; the browser is brought back, or gone, before."""
        window, self._window = self._window, None
        if window is not None:
            window.hide()
            delete_later(window)


class _GuestWindow(qt.QWidget):
    """Holds the browser while it has the whole screen; closing it brings the browser back."""

    def __init__(self, on_closed: Callable[[], None]) -> None:
        qt.QWidget.__init__(self)
        self._on_closed = on_closed
        self.objectName = "visualDicomBrowserFullScreen"
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        self.setLayout(layout)

    def closeEvent(self, event: Any) -> None:
        """The browser lives on in its place."""
        event.ignore()
        self._on_closed()


def _screen_of(widget: Any) -> Any:
    """``QRect`` of the screen that the middle of a widget is on."""
    middle = widget.mapToGlobal(qt.QPoint(widget.width // 2, widget.height // 2))
    found = [screen.geometry for screen in qt.QApplication.screens() if screen.geometry.contains(middle)]
    return found[0] if found else None
