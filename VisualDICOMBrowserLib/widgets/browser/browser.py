"""`Browser`: the whole browser as one widget, for the desktop window, Slicer's panel, a dock, or a layout view.

It makes the views, gives them their `BrowserContext`, and passes on what the engine says. What stands where is
``arranging``, who is shown ``showing``, what can be done ``actions``. Main thread only.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.engine.client import EngineClient
from VisualDICOMBrowserLib.widgets.browser.actions import Actions
from VisualDICOMBrowserLib.widgets.browser.arranging import Arranging
from VisualDICOMBrowserLib.widgets.browser.dropping import DropOverlay, dropped_paths
from VisualDICOMBrowserLib.widgets.browser.facts import SeriesFacts
from VisualDICOMBrowserLib.widgets.browser.hearing import Hearing
from VisualDICOMBrowserLib.widgets.browser.item_menus import ItemMenus
from VisualDICOMBrowserLib.widgets.browser.key_actions import KeyActions
from VisualDICOMBrowserLib.widgets.browser.keys import add_keys
from VisualDICOMBrowserLib.widgets.browser.marking import fetching_patients
from VisualDICOMBrowserLib.widgets.browser.menus import show_menu
from VisualDICOMBrowserLib.widgets.browser.navigation import Navigation
from VisualDICOMBrowserLib.widgets.browser.offline import OfflineMode
from VisualDICOMBrowserLib.widgets.browser.remarks import PageRemarks
from VisualDICOMBrowserLib.widgets.browser.selection_bar import SelectionBar
from VisualDICOMBrowserLib.widgets.browser.showing import Showing
from VisualDICOMBrowserLib.widgets.browser.toolbar import ToolBar
from VisualDICOMBrowserLib.widgets.browser.watching import Watching
from VisualDICOMBrowserLib.widgets.browser.windows import Windows
from VisualDICOMBrowserLib.widgets.browser.worklist import Worklist
from VisualDICOMBrowserLib.widgets.catalogue.catalogue import Catalogue
from VisualDICOMBrowserLib.widgets.catalogue.entries import PatientEntry, StudyEntry
from VisualDICOMBrowserLib.widgets.catalogue.filters import Filters
from VisualDICOMBrowserLib.widgets.catalogue.loading import CatalogueLoader
from VisualDICOMBrowserLib.widgets.context import BrowserContext, Host, ViewSettings
from VisualDICOMBrowserLib.widgets.jobs.feed import JobsFeed
from VisualDICOMBrowserLib.widgets.jobs.panel import JobsPanel
from VisualDICOMBrowserLib.widgets.jobs.status_line import StatusLine
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.note_bar import NoteBar
from VisualDICOMBrowserLib.widgets.look.parts import label, push_button
from VisualDICOMBrowserLib.widgets.look.theme import Theme
from VisualDICOMBrowserLib.widgets.page.page import PatientPage
from VisualDICOMBrowserLib.widgets.patients.patient_picker import PatientPicker
from VisualDICOMBrowserLib.widgets.patients.patient_table import PatientTable
from VisualDICOMBrowserLib.widgets.patients.patient_tabs import PatientTabs
from VisualDICOMBrowserLib.widgets.search.fields import FieldButton
from VisualDICOMBrowserLib.widgets.search.search_bar import SearchBar
from VisualDICOMBrowserLib.widgets.search.search_run import SearchRun
from VisualDICOMBrowserLib.widgets.search.source_chips import ChipActions, SourceChips

__all__ = ["Browser"]

# Between two updates, and how long the first news waits for what comes with it.
_UPDATE_MS, _SOON_MS = 100, 15
# An update that takes long is made more seldom, so that it never takes more than this share of the time.
_SHARE = 0.15


class Browser(qt.QWidget):
    """The browser on one database.

    Parameters
    ----------
    client : EngineClient
        Its reply and event callbacks must come on the main thread (`QProcessClient`). The host closes it.
    host : Host
    view_settings : ViewSettings
    theme : Theme, optional
        One that follows the system if left out.
    """

    def __init__(
        self, client: EngineClient, host: Host, view_settings: ViewSettings, theme: Theme | None = None
    ) -> None:
        qt.QWidget.__init__(self)
        self.objectName = "visualDicomBrowser"
        # Inside of a host whose look is another one, its ground must not show through.
        self.setAttribute(qt.Qt.WA_StyledBackground, True)
        self.setProperty("ground", "window")
        self.theme = theme or Theme(str(view_settings.get("look", "system")))
        self.note_bar = NoteBar(self.theme)
        self.context = BrowserContext(client, self.theme, host, view_settings, self.note_bar.say)
        self.catalogue = Catalogue()
        self.catalogue.in_scene = lambda: host.in_scene()
        self.servers: list[dict[str, Any]] = []
        self._menu: Any = None
        self._closed = False
        self.fetching: set[Any] = set()
        self._next_update = 0.0
        self._changes = qt.QTimer(self)
        self._changes.timeout.connect(lambda *_args: self._take_changes())
        self.hearing, self.navigation, self.offline = Hearing(self), Navigation(self), OfflineMode(self)
        self.worklist, self.watching = Worklist(self), Watching(self, lambda: self._show_watching())
        self._make_views()
        self.remarks, self.facts = PageRemarks(self), SeriesFacts(self)
        self.showing = Showing(self)
        self.windows = Windows(self)
        self.arranging = Arranging(self)
        self.overlay = DropOverlay(self, self.import_paths)
        self.acceptDrops = True
        self.key_actions = KeyActions(self)
        self._keys = add_keys(self, self.key_actions.everywhere())
        self._keys += add_keys(self.arranging.patients, self.key_actions.at_patients())
        self.page.set_in_scene(host.in_scene())
        self.theme.follow(self, lambda: self.theme.apply(self))
        self._unsubscribe = client.subscribe(self.hearing.hear)
        self.refresh()

    # What hosts use

    def refresh(self) -> None:
        """Ask the engine for everything that is shown."""
        self.ask_servers()
        self.loader.start()
        for part in (self.offline, self.feed, self.status, self.watching):
            part.refresh()

    def import_paths(self, paths: Sequence[str], copy: bool | None = None) -> None:
        """Import files and folders in the background."""
        self.acts.import_paths(list(paths), copy)

    def show_patient(self, patient_id: str) -> bool:
        """Show the patient with an ID, as soon as it is known; False if it is not known yet."""
        return self.showing.show_id(patient_id)

    def show_servers(self) -> None:
        """Open the list of servers."""
        self.windows.open_servers()

    def close_browser(self) -> None:
        """Remember the view and hear no more; idempotent."""
        if self._closed:
            return
        self._closed = True
        self._unsubscribe()
        self.acts.close()
        self._changes.stop()
        self.arranging.close()
        self.windows.close_all()
        self.loader.close()
        self.facts.close()
        self.run.close()
        self.worklist.close()
        self.chips.end()
        self.jobs_panel.close_panel()
        self.status.close_line()
        self.feed.close()

    # Making

    def _make_views(self) -> None:
        context = self.context
        self.feed = JobsFeed(context, self.hearing.say_resumed)
        self.acts = Actions(context, self.catalogue, self, self._scene_changed)
        self.menus = ItemMenus(self.acts, lambda: self.servers, context.host.in_scene, self.job_of, self)
        self.loader = CatalogueLoader(context, self.catalogue, self.change_soon, lambda: self.showing.refresh())
        self.run = SearchRun(context, self.catalogue, self._search_changed)
        self.search_bar = SearchBar(context, self._filters_changed, self._query, lambda: self.windows.open_servers())
        self.chips = SourceChips(
            context,
            ChipActions(
                source=lambda source: self.showing.show_source(source),
                retry=self.run.retry,
                why=self.hearing.say_why,
                stop=self.run.stop,
                narrow=self.search_bar.open_dates,
                following=self.run.ask_next,
                again=self.ask_again,
                worklist=lambda: self.worklist.open(),
                online=self.offline.go_online,
            ),
        )
        self.tabs = PatientTabs(context, self.navigation.tab_chosen)
        self.table = PatientTable(
            context,
            self.navigation.rows_selected,
            self.navigation.row_opened,
            lambda entries, point: self.open_item_menu("PATIENT", entries, point),
        )
        self.picker = PatientPicker(context, lambda entry: self.showing.show(entry), self)
        self.page = PatientPage(
            context,
            self.acts,
            lambda _chosen: self._series_selected(),
            lambda seen: self.catalogue.seen([each.SeriesInstanceUID for each in seen]),
            lambda pixels: self.arranging.note_size(pixels),
            lambda study: self.showing.opened([study]),
        )
        self._make_bars()

    def _make_bars(self) -> None:
        context = self.context
        self.count_label = label("", "strong")
        pick, find = self.navigation.open_picker, _("Find a patient")
        self.patients_button = push_button(self.theme, _("Patients"), pick, "search", find)
        # In the side panel there is no room for tabs: the name opens the list of patients.
        self.name_button = FieldButton(self.theme, _("Patient"), lambda _field: self.navigation.pick_patient())
        self.toolbar = ToolBar(self.theme, self)
        self.selection_bar = SelectionBar(
            self.theme,
            lambda: self.acts.load(self.page.selected()),
            lambda: [self.menus.send_menu("SERIES", [each for each in self.page.selected() if each.local], "")],
            self._select_nothing,
            lambda: self.menus.series(self.page.selected()),
        )
        acts, show = self.acts, self.navigation.show_series
        self.jobs_panel = JobsPanel(context, show, self.feed, lambda: self.arranging.show_jobs(False), acts.load_now)
        self.status = StatusLine(context, self.feed, self.navigation.jobs_pressed, lambda: self.windows.open_servers())
        self._end_jobs = self.feed.subscribe(lambda _changed: self._jobs_changed())

    # Changes

    def change_soon(self) -> None:
        """Take up changes soon; many in a row cost ten updates each second."""
        if not self._closed and not self._changes.active:
            self._changes.interval = max(_SOON_MS, int(1000 * (self._next_update - time.monotonic())))
            self._changes.start()

    def _take_changes(self) -> None:
        self._changes.stop()
        began = time.monotonic()
        self.showing.refresh()
        self.acts.load_what_is_complete()
        ended = time.monotonic()
        self._next_update = ended + max(_UPDATE_MS / 1000, (ended - began) * (1 / _SHARE - 1))

    def _jobs_changed(self) -> None:
        self.page.update_jobs(self.feed.state)
        fetching = fetching_patients(self.catalogue, self.feed.state.jobs())
        self.table.set_fetching(fetching)
        if fetching != self.fetching:
            self.fetching = fetching
            self.showing.note_fetching()
        self.facts.refresh()

    def ask_servers(self) -> None:
        """Take up the list of servers."""

        def take(servers: list[dict[str, Any]]) -> None:
            self.servers = servers
            for part in (self.search_bar, self.chips, self.worklist):
                part.set_servers(servers)

        self.context.ask("servers", take)

    # Searching

    def _filters_changed(self, _filters: Filters) -> None:
        self.showing.filters_changed()

    def _query(self, filters: Filters, servers: list[str], limit: int = 0) -> None:
        self.showing.queried()
        self.run.ask(filters, servers, limit)

    def ask_again(self) -> None:
        """The last question to the servers once more, or what stands in the fields."""
        if self.run.filters is None:
            self.search_bar.query()
        else:
            self.showing.queried()
            self.run.ask_again()

    def _search_changed(self) -> None:
        self.chips.note_search(self.run.states, self.run.finished)
        self.chips.note_asked(self.run.asked_at)
        self.search_bar.set_server_states(self.run.states)
        self.hearing.note_search()
        self.change_soon()

    # Patients

    def show_patient_page(self, entry: PatientEntry, studies: list[StudyEntry], series: dict[str, list[Any]]) -> None:
        """Show a patient's studies."""
        self.arranging.show_page(True)
        self.name_button.put(entry.shown_name, False)
        self.page.show_patient(entry, studies, series)
        self.facts.show(studies, series)
        self.remarks.show_for(entry)
        self._show_watching()
        self._series_selected()

    def _show_watching(self) -> None:
        self.page.show_watching(self.watching.words(self.page.patient.studies) if self.page.patient else "")

    def show_empty_page(self) -> None:
        """Nobody to show: say why, and what to do next."""
        self.arranging.show_page(False)
        self._series_selected()

    def _series_selected(self) -> None:
        chosen = self.page.selected()
        self.acts.prefer(chosen, self.job_of)
        images = sum(each.image_count for each in chosen)
        where = _("all local") if all(each.complete for each in chosen) else _("some only on servers")
        self.selection_bar.show_selection(len(chosen), images, "", where, self.context.host.name)

    def _select_nothing(self) -> None:
        self.page.select([], False)

    def job_of(self, series: Any) -> dict[str, Any] | None:
        """The job that brings a series."""
        return self.feed.state.by_series(series.SeriesInstanceUID, series.StudyInstanceUID)

    def _scene_changed(self) -> None:
        self.page.set_in_scene(self.context.host.in_scene())

    # Menus, windows

    def open_item_menu(self, level: str, entries: list[Any], point: Any) -> None:
        """Open the context menu of entries of a level, or of the empty area."""
        if level == "SERIES":
            items = self.menus.series(entries)
        elif level == "STUDY":
            items = self.menus.study(entries, [each for study in entries for each in study.series])
        elif level == "PATIENT":
            items = self.menus.patient(entries, [study for entry in entries for study in entry.studies])
        else:
            items = self.arranging.area_menu()
        self._menu = show_menu(self.theme, self, items, point)

    def open_preview(self, series: Any) -> None:
        """Show a series large."""
        self.windows.open_preview(series)

    def open_metadata(self, *series: Any) -> None:
        """Show all attributes of one series, or compare two."""
        if series:
            self.windows.open_metadata(*series)

    def open_patient_servers(self, patient: PatientEntry) -> None:
        """Choose which servers may be asked about a patient."""
        self.windows.open_patient_servers(patient)

    def open_menu(self) -> list[Any]:
        """Entries of the menu behind the gear."""
        return self.arranging.gear_menu()

    def escape(self) -> None:
        """Leave what is open, one thing at a time."""
        if self.windows.close_preview() or self.acts.take_back_loading(self.page.selected()):
            return
        if self.page.selected():
            self._select_nothing()
        elif self.arranging.full:
            self.toggle_full_screen()
        else:
            self.page.setFocus(qt.Qt.OtherFocusReason)

    # Buttons of the tool bar

    def choose_order(self, order: str) -> None:
        """Another order of series."""
        self.arranging.choose_order(order)

    def choose_view(self, rows: bool) -> None:
        """Series as rows, or as cards."""
        self.arranging.choose_view(rows)

    def choose_size(self, pixels: int) -> None:
        """Another size of pictures."""
        self.arranging.choose_size(pixels)

    def choose_mode(self, as_list: bool) -> None:
        """Patients as a list, or as tabs."""
        self.arranging.choose_mode(as_list)

    def toggle_side_panel(self) -> None:
        """The narrow layout, or back."""
        self.arranging.toggle_side()

    def toggle_full_screen(self) -> None:
        """The whole screen, or back."""
        self.arranging.toggle_full()

    # Qt

    def resizeEvent(self, event: Any) -> None:
        """Arrange for the new width."""
        self.arranging.fit()
        qt.QWidget.resizeEvent(self, event)

    def changeEvent(self, event: Any) -> None:
        """Follow the application's palette."""
        if event.type() == qt.QEvent.PaletteChange and self.theme.asked == "system":
            qt.QTimer.singleShot(0, lambda: self.theme.follow_palette())
        qt.QWidget.changeEvent(self, event)

    def dragEnterEvent(self, event: Any) -> None:
        """Files over the browser: say that they can be dropped."""
        if dropped_paths(event.mimeData()):
            event.acceptProposedAction()
            self.overlay.begin()
