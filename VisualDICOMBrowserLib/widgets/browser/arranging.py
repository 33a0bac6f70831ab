"""What stands where: wide, medium, side panel, full screen; tabs or list; all of it remembered. Main thread only."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.browser.emptiness import say_why_empty
from VisualDICOMBrowserLib.widgets.browser.full_screen import FullScreen
from VisualDICOMBrowserLib.widgets.browser.menus import SEPARATOR, Item
from VisualDICOMBrowserLib.widgets.browser.patient_sum import PatientSum
from VisualDICOMBrowserLib.widgets.browser.toolbar import ORDERS, order_name
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.settings.empty_state import EmptyState

__all__ = ["Arranging"]

_SIDE_BELOW = 560
_COLUMN_FROM = 1000
"""Width of the whole screen, for a font of 13 pixels, from which jobs have a column; below it they are a drawer."""
_SMALLEST_WIDTH = 300
_LIST_SIZES, _DRAWER_SIZES = [1000, 460], [520, 260]
_FULL_LIST, _FULL_JOBS, _LEAST_LIST, _LEAST_PAGE = 280, 400, 200, 250
_EMPTY, _SUM = 1, 2
_SETTINGS = "browser/view"
_SIZES = ((64, "Small"), (120, "Medium"), (200, "Large"))


class Arranging:
    """Lays the views of a browser out and remembers how.

    Parameters
    ----------
    browser : Browser
    """

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._settings = browser.context.view_settings
        kept = dict(self._settings.get(_SETTINGS, {}) or {})
        self.order = kept.get("order") if kept.get("order") in ORDERS else "number"
        self.rows = bool(kept.get("rows", False))
        self.size = browser.page.size_of_pictures
        self.as_list = bool(kept.get("list", False))
        self.wants_side = False
        self.full = False
        self._column = False
        self.screen = FullScreen(browser, self.toggle_full)
        self._jobs_before = False
        self._list_sizes = {False: kept.get("halves") or _LIST_SIZES, True: kept.get("full halves")}
        self._job_sizes = {False: kept.get("drawer") or _DRAWER_SIZES, True: kept.get("full drawer")}
        self.jobs_shown = False
        self.list_shown = False
        self._has_page = True
        self._last_side: bool | None = None
        self._build()
        self._apply()
        # Until the database is read the page has nobody to show.
        self._show_empty()

    @property
    def side(self) -> bool:
        """Whether the narrow layout is shown."""
        # A large font needs the narrow layout earlier.
        least = max(_SIDE_BELOW, self._browser.theme.px(_SIDE_BELOW))
        return not self.full and (self.wants_side or self._browser.width < least)

    # What the user does

    def choose_order(self, order: str) -> None:
        """Another order of series."""
        self.order = order
        self._apply()

    def choose_view(self, rows: bool) -> None:
        """Series as rows, or as cards."""
        self.rows = rows
        self._apply()

    def choose_size(self, pixels: int) -> None:
        """Another size of pictures."""
        self.size = pixels
        self._browser.page.set_size(pixels)
        self._show_state()

    def note_size(self, pixels: int) -> None:
        """The page has another size by itself (Ctrl+wheel)."""
        self.size = pixels
        self._show_state()

    def choose_mode(self, as_list: bool) -> None:
        """Patients as a list, or as tabs."""
        self.as_list = as_list
        self._end_choice()
        self._apply()

    def toggle_side(self) -> None:
        """The narrow layout, or back."""
        self.wants_side = not self.wants_side
        self._apply()

    def toggle_full(self) -> None:
        """The whole screen with patients at the left and jobs at the right, or back."""
        self._keep_sizes()
        self.full = not self.full
        self._end_choice()
        if self.full:
            self._jobs_before = self.jobs_shown
            self.screen.enter()
        else:
            self.screen.leave()
        self._last_side = None
        self.fit()
        self._set_sizes()
        self._browser.page.setFocus(qt.Qt.OtherFocusReason)

    def show_jobs(self, shown: bool) -> None:
        """Open or close the job list."""
        self.jobs_shown = shown
        self._browser.jobs_panel.visible = shown
        self._browser.status.set_jobs_open(shown)
        self._fit_jobs()

    def show_list(self, shown: bool) -> None:
        """In the side panel: the list of patients in place of the page."""
        self.list_shown = shown
        self._place_list()

    def show_page(self, shown: bool) -> None:
        """The current patient's page, or what to do when there is none; not while several patients are selected."""
        self._has_page = shown
        self.refresh_sum()
        if self._sum.patients:
            return
        if shown:
            self._pages.currentIndex = 0
        else:
            self._show_empty()

    def show_sum(self, patients: Sequence[Any]) -> None:
        """In place of a page: how much several patients are, and what can be done with all of them."""
        self._sum.show_for(patients)
        self._pages.currentIndex = _SUM
        # What is selected on the page that is hidden now is not meant any more.
        self._browser.selection_bar.hide()

    def refresh_sum(self) -> None:
        """Take up what has changed of several selected patients; of one that is left, its page comes back."""
        if not self._sum.patients:
            return
        chosen = self._browser.table.selected()
        if chosen == self._sum.patients:
            self._sum.refresh()
        elif len(chosen) > 1:
            self._sum.show_for(chosen)
        else:
            self.end_sum()

    def end_sum(self) -> None:
        """Only one patient is selected: its page again."""
        if self._sum.patients:
            self._sum.show_for([])
            self.show_page(self._has_page)

    def _end_choice(self) -> None:
        """Of several selected patients only the one that the page shows stays selected."""
        if self._sum.patients:
            self.end_sum()
            current = self._browser.showing.current
            self._browser.table.select_patient(None if current is None else current.key)

    def fit(self) -> None:
        """Fit into the width there is."""
        width = self._browser.width
        self._place_jobs(self.full and width >= self._browser.theme.px(_COLUMN_FROM))
        self._browser.toolbar.arrange(self.side, self.full, width)
        narrow = self.side
        self._browser.search_bar.arrange(_SIDE_BELOW - 1 if narrow else width)
        self._browser.chips.arrange(_SIDE_BELOW - 1 if narrow else width)
        if narrow != self._last_side:
            self._last_side = narrow
            self._browser.selection_bar.arrange(narrow)
            self._browser.table.arrange(narrow or self.full)
            self._place_list()
        self._fit_jobs()

    def remember(self) -> None:
        """Keep how it looks."""
        self._keep_sizes()
        kept = {
            "order": self.order,
            "rows": self.rows,
            "list": self.as_list,
            "halves": self._list_sizes[False],
            "drawer": self._job_sizes[False],
            "full halves": self._list_sizes[True],
            "full drawer": self._job_sizes[True],
        }
        self._settings.put(_SETTINGS, kept)

    def close(self) -> None:
        """Remember how it looks, and leave no window behind."""
        self.remember()
        self.screen.close()

    # Menus

    def gear_menu(self) -> list[Item]:
        """Entries of the menu behind the gear."""
        browser = self._browser
        return [
            Item(_("Import Folder..."), self.import_folder),
            Item(_("Import Files..."), self._import_files),
            SEPARATOR,
            Item(_("Servers..."), lambda: browser.windows.open_servers()),
            Item(_("Settings..."), lambda: browser.windows.open_settings()),
            SEPARATOR,
            *self._view_items(),
            Item(_("Jobs"), lambda: self.show_jobs(not self.jobs_shown), key="Ctrl+J", checked=self.jobs_shown),
            Item(_("Work Offline"), browser.offline.toggle, checked=browser.offline.on),
            Item(_("Worklist..."), browser.worklist.open, browser.worklist.why_not, "Ctrl+Shift+W"),
            Item(_("Refresh"), browser.refresh),
        ]

    def area_menu(self) -> list[Item]:
        """Entries of the menu of the empty area of a page."""
        browser = self._browser
        return [
            Item(_("Import Folder..."), self.import_folder),
            Item(_("Import Files..."), self._import_files),
            Item(_("Select All"), browser.page.select_all, key="Ctrl+A"),
            SEPARATOR,
            *self._view_items(),
            Item(_("Refresh"), browser.refresh),
        ]

    def _view_items(self) -> list[Item]:
        orders = [
            Item(order_name(order), partial(self.choose_order, order), checked=order == self.order) for order in ORDERS
        ]
        sizes = [
            Item(_(text), partial(self.choose_size, pixels), checked=pixels == self.size) for pixels, text in _SIZES
        ]
        return [
            Item(_("Sort By"), items=orders),
            Item(_("Picture Size"), items=sizes),
            Item(_("Rows"), lambda: self.choose_view(not self.rows), checked=self.rows),
            Item(
                _("Patients as a List"), lambda: self.choose_mode(not self.as_list), key="Ctrl+L", checked=self.as_list
            ),
        ]

    def import_folder(self) -> None:
        """Ask for a folder and import it."""
        folder = qt.QFileDialog.getExistingDirectory(self._browser, _("Import a folder with DICOM files"))
        if folder:
            self._browser.import_paths([str(folder)])

    def _import_files(self) -> None:
        files = qt.QFileDialog.getOpenFileNames(self._browser, _("Import DICOM files"))
        if files:
            self._browser.import_paths([str(file) for file in files])

    # Layout

    def _build(self) -> None:
        browser = self._browser
        browser.toolbar.put_left(browser.patients_button)
        browser.toolbar.put_left(browser.tabs, 1)
        browser.toolbar.put_left(browser.name_button, 1)
        browser.toolbar.put_left(browser.count_label, 1)
        self._pages = qt.QStackedWidget()
        self._pages.addWidget(_above(browser.remarks, browser.page))
        self._empty = EmptyState(browser.theme)
        self._pages.addWidget(self._empty)
        self._sum = PatientSum(browser)
        self._pages.addWidget(self._sum)
        self._halves = qt.QSplitter(qt.Qt.Horizontal)
        self._halves.childrenCollapsible = False
        self._halves.addWidget(browser.table)
        self._halves.addWidget(self._pages)
        upper = self.patients = qt.QWidget()
        above = qt.QVBoxLayout()
        above.setContentsMargins(0, 0, 0, 0)
        above.spacing = 0
        above.addWidget(self._halves, 1)
        above.addWidget(browser.selection_bar)
        upper.setLayout(above)
        self._drawer = qt.QSplitter(qt.Qt.Vertical)
        self._drawer.childrenCollapsible = False
        self._drawer.addWidget(upper)
        self._drawer.addWidget(browser.jobs_panel)
        self._drawer.setStretchFactor(0, 3)
        self._set_sizes()
        browser.jobs_panel.hide()
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.spacing = 0
        for widget in (browser.toolbar.head, browser.search_bar, browser.chips, browser.note_bar, browser.toolbar):
            layout.addWidget(widget)
        layout.addWidget(self._drawer, 1)
        layout.addWidget(browser.status)
        browser.setLayout(layout)
        # Else the least width of the wide arrangement would keep the browser from ever becoming narrow.
        browser.minimumWidth = _SMALLEST_WIDTH

    def _apply(self) -> None:
        page = self._browser.page
        page.set_order(self.order)
        page.set_rows_view(self.rows)
        self._last_side = None
        self._show_state()
        self.fit()

    def _show_state(self) -> None:
        self._browser.toolbar.show_state(self.order, self.rows, self.size, self.as_list, self.wants_side)

    def _set_sizes(self) -> None:
        px, width = self._browser.theme.px, self._browser.width
        beside = px(_FULL_LIST) + (px(_FULL_JOBS) if self._column else 0)
        halves = self._list_sizes[self.full] or [px(_FULL_LIST), max(1, width - beside)]
        drawer = self._job_sizes[self._column] or [width - px(_FULL_JOBS), px(_FULL_JOBS)]
        # On the whole screen the page alone takes what is left, when the screen is another one too.
        self._halves.setStretchFactor(1, int(self.full))
        self._halves.setSizes(halves)
        self._drawer.setSizes(drawer)

    def _keep_sizes(self) -> None:
        """Of what is hidden the size is not known."""
        if self._browser.table.visible and not self.side:
            self._list_sizes[self.full] = list(self._halves.sizes())
        if self.jobs_shown:
            self._job_sizes[self._column] = list(self._drawer.sizes())

    def _place_list(self) -> None:
        browser = self._browser
        as_list = self.as_list or self.full
        px = browser.theme.px
        browser.table.minimumWidth = 0 if self.side else px(_LEAST_LIST)
        self._pages.minimumWidth = 0 if self.side else px(_LEAST_PAGE)
        if self.side:
            browser.table.visible = self.list_shown
            self._pages.visible = not self.list_shown
            browser.tabs.visible = False
            browser.count_label.visible = False
            browser.name_button.visible = not self.list_shown
        else:
            browser.name_button.visible = False
            browser.table.visible = as_list
            self._pages.visible = True
            browser.tabs.visible = not as_list
            browser.count_label.visible = as_list
        browser.patients_button.visible = self.side or not as_list

    def _fit_jobs(self) -> None:
        if self.jobs_shown:
            panel = self._browser.jobs_panel
            panel.arrange(panel.width if self._column else self._browser.width)

    def _place_jobs(self, column: bool) -> None:
        """Jobs in a column at the right of the whole screen, where it is wide enough; else below, if they were open."""
        if column != self._column:
            self._column = column
            self._drawer.orientation = qt.Qt.Horizontal if column else qt.Qt.Vertical
            self.show_jobs(column or self._jobs_before)
            self._set_sizes()

    def _show_empty(self) -> None:
        say_why_empty(self._browser, self._empty)
        self._pages.currentIndex = _EMPTY


def _above(strip: Any, page: Any) -> Any:
    holder = qt.QWidget()
    layout = qt.QVBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.spacing = 0
    layout.addWidget(strip)
    layout.addWidget(page, 1)
    holder.setLayout(layout)
    return holder
