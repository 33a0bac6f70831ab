"""Where the browser stands in Slicer: the module panel, a dock of its own, or the DICOM layout view. Main thread only.

A row of buttons above the module panel moves it, and a button in the DICOM module's panel opens it.
"""

from __future__ import annotations

from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.ending import delete_later
from VisualDICOMBrowserLib.widgets.language import _

__all__ = ["SlicerPlaces"]

_PANEL, _DOCK, _LAYOUT = "panel", "dock", "layout"


class _LayoutPage(qt.QWidget):
    """What Slicer's DICOM layout view expects of the widget in it."""

    closed = qt.Signal()

    def toggleBrowsers(self, _toggled: bool = False) -> None:
        """Slicer offers to go over to another browser; this one stays."""

    def setBrowserPersistence(self, _state: bool = True) -> None:
        """Slicer offers to close the browser after loading; this one stays."""

    def importDirectory(self, _folder: str = "", _mode: int = 0) -> None:
        """Slicer imports by itself."""


class SlicerPlaces:
    """Puts the browser somewhere and moves it.

    Parameters
    ----------
    layout : QLayout
        That of the module panel.
    """

    def __init__(self, layout: Any) -> None:
        self._layout = layout
        self._browser: Any = None
        self._dock: Any = None
        self._page: Any = None
        self._place = _PANEL
        self._row = qt.QWidget()
        buttons = qt.QHBoxLayout()
        buttons.setContentsMargins(0, 0, 0, 0)
        for place, text in ((_PANEL, _("In this panel")), (_DOCK, _("In a dock")), (_LAYOUT, _("In the view"))):
            button = qt.QPushButton(text)
            button.clicked.connect(lambda *_args, place=place: self.move(place))
            buttons.addWidget(button)
        self._row.setLayout(buttons)
        self._row.visible = self._can_move()
        layout.addWidget(self._row)
        self._button = self._put_button()

    def put(self, browser: Any) -> None:
        """Show a browser where the last one was."""
        self._browser = browser
        browser.arranging.screen.be_guest(lambda: self.move(self._place), self._taken_out)
        self.move(self._place)

    def move(self, place: str) -> None:
        """Show the browser elsewhere: ``panel``, ``dock`` or ``layout``."""
        self._place = place if self._can_move() else _PANEL
        if self._browser is None:
            return
        if self._browser.arranging.full:  # It comes back to its new place.
            self._browser.toggle_full_screen()
            return
        if self._place == _DOCK:
            self._show_dock()
        elif self._place == _LAYOUT:
            self._show_page()
        else:
            self._layout.addWidget(self._browser, 1)
        if self._dock is not None and self._place != _DOCK:
            self._dock.hide()
        self._browser.show()

    def remove(self) -> None:
        """Leave nothing behind in Slicer's window."""
        for widget in (self._dock, self._button, self._page):
            if widget is not None:
                widget.setParent(None)
                delete_later(widget)
        self._dock = self._button = self._page = self._browser = None

    def _taken_out(self) -> None:
        if self._dock is not None:
            self._dock.hide()

    @staticmethod
    def _can_move() -> bool:
        import slicer

        return getattr(getattr(slicer, "modules", None), "DICOMInstance", None) is not None

    def _show_dock(self) -> None:
        import slicer

        if self._dock is None:
            self._dock = qt.QDockWidget(_("Visual DICOM Browser"))
            self._dock.objectName = "VisualDICOMBrowserDock"
            slicer.util.mainWindow().addDockWidget(qt.Qt.BottomDockWidgetArea, self._dock)
        self._dock.setWidget(self._browser)
        self._dock.show()

    def _show_page(self) -> None:
        import slicer

        if self._page is None:
            self._page = _LayoutPage()
            inside = qt.QVBoxLayout()
            inside.setContentsMargins(0, 0, 0, 0)
            self._page.setLayout(inside)
        self._page.layout().addWidget(self._browser)
        slicer.modules.DICOMInstance.setBrowserWidgetInDICOMLayout(self._page)

    def _put_button(self) -> Any:
        """A button in the DICOM module's panel; None where that is not there."""
        import slicer

        widget = getattr(getattr(slicer, "modules", None), "DICOMWidget", None)
        if widget is None:
            return None
        button = qt.QPushButton(_("Visual DICOM Browser"))
        button.clicked.connect(lambda *_args: slicer.util.selectModule("VisualDICOMBrowser"))
        widget.layout.insertWidget(0, button)
        return button
