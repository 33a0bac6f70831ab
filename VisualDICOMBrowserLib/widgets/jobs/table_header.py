"""The header of the job list: its columns can be hidden, moved and made wider, and stay so. Main thread only."""

from __future__ import annotations

from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.context import ViewSettings
from VisualDICOMBrowserLib.widgets.jobs.columns import COLUMN_NAMES, FIRST_WIDTHS, JobColumns
from VisualDICOMBrowserLib.widgets.jobs.table_model import ACT_COLUMN, COLUMNS
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.patients.header_menu import fill_header_menu

__all__ = ["JobsHeader"]

_ACTS_WIDTH, _LEAST = 58, 40
# Narrower than this, a list goes without the column.
_HIDDEN_BELOW = {"server": 690, "note": 940}
# The first of these that is shown takes what the others leave.
_STRETCHED = ("what", "note", "progress", "task")


class JobsHeader:
    """Arranges the sections of a list's header.

    Parameters
    ----------
    view : QTreeView
        The list; its model is set.
    theme : Theme
    settings : ViewSettings
    """

    def __init__(self, view: Any, theme: Theme, settings: ViewSettings) -> None:
        self._view = view
        self._px = theme.px
        self._columns = JobColumns(settings)
        self._narrow, self._width = False, 0
        self._busy = False
        # That of a tree lets its sections be dragged, all but the first; of others that can be asked in Qt 6 only.
        self._header = view.header()
        self._menu = qt.QMenu(view)
        self._prepare()
        self.arrange(False, 0)

    def arrange(self, narrow: bool, width: int) -> None:
        """Fit into a width, 0 for any: the less room the fewer columns, and narrow only the first."""
        self._narrow, self._width = narrow, width
        was, self._busy = self._busy, True
        try:
            self._place()
        finally:
            self._busy = was

    def show_column(self, name: str, visible: bool) -> None:
        """Show or hide a column, and keep that."""
        self._columns.show(name, visible)
        self.arrange(self._narrow, self._width)

    def reset(self) -> None:
        """All columns as they came."""
        self._columns.reset()
        self.arrange(self._narrow, self._width)

    def open_menu(self, place: Any) -> None:
        """Show the menu of the columns at a point of the screen."""
        columns = self._columns
        fill_header_menu(
            self._menu, columns.columns(), "", self.show_column, None, None, self.reset, kept=columns.fixed
        )
        self._menu.popup(place)

    def open_menu_by_key(self) -> None:
        """Show the menu below the header."""
        self.open_menu(self._header.mapToGlobal(qt.QPoint(0, self._header.height)))

    def _prepare(self) -> None:
        header = self._header
        header.accessibleName = _("Columns of the job list")
        header.stretchLastSection = False
        header.minimumSectionSize = self._px(_LEAST)
        header.contextMenuPolicy = qt.Qt.CustomContextMenu
        header.toolTip = _("Drag to move a column; right button, or Alt+Down, to show and hide columns")
        header.sectionMoved.connect(lambda *_args: self._moved())
        header.sectionResized.connect(lambda *_args: self._resized())
        header.customContextMenuRequested.connect(lambda point: self.open_menu(header.mapToGlobal(qt.QPoint(point))))

    def _place(self) -> None:
        header, columns = self._header, self._columns.columns()
        wanted = {each.name for each in columns if each.visible and not self._crowded(each.name)}
        stretched = "task" if self._narrow else next(name for name in _STRETCHED if name in wanted)
        for place, each in enumerate(columns):
            section = COLUMN_NAMES.index(each.name)
            header.moveSection(header.visualIndex(section), place)
            self._view.setColumnHidden(section, section != 0 if self._narrow else each.name not in wanted)
            mode = qt.QHeaderView.Stretch if each.name == stretched else qt.QHeaderView.Interactive
            header.setSectionResizeMode(section, mode)
            if each.name != stretched:
                usual = self._px(FIRST_WIDTHS.get(each.name, FIRST_WIDTHS["progress"]))
                header.resizeSection(section, self._columns.width(each.name) or usual)
        header.moveSection(header.visualIndex(ACT_COLUMN), len(COLUMNS) - 1)
        header.setSectionResizeMode(ACT_COLUMN, qt.QHeaderView.Fixed)
        header.resizeSection(ACT_COLUMN, self._px(_ACTS_WIDTH))

    def _crowded(self, name: str) -> bool:
        return bool(self._width) and self._width < self._px(_HIDDEN_BELOW.get(name, 0))

    def _moved(self) -> None:
        if self._busy:
            return
        header = self._header
        self._columns.order(sorted(COLUMN_NAMES, key=lambda name: header.visualIndex(COLUMN_NAMES.index(name))))
        # The first and the last column go back to their places.
        self.arrange(self._narrow, self._width)

    def _resized(self) -> None:
        if self._busy or self._narrow:
            return
        header = self._header
        widths = {
            name: int(header.sectionSize(section))
            for section, name in enumerate(COLUMN_NAMES)
            if header.sectionResizeMode(section) == qt.QHeaderView.Interactive and not header.isSectionHidden(section)
        }
        self._columns.keep_widths(widths)
