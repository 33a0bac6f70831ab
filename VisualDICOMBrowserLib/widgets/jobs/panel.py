"""The job panel: a drawer below the window, a page of the side panel, or a column in full screen.

Main thread only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import qt

from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.jobs.acts import ACTS, can, carry_out
from VisualDICOMBrowserLib.widgets.jobs.details import JobDetails
from VisualDICOMBrowserLib.widgets.jobs.feed import JobsFeed
from VisualDICOMBrowserLib.widgets.jobs.panel_bar import PanelBar
from VisualDICOMBrowserLib.widgets.jobs.panel_menus import jobs_menu, settings_menu
from VisualDICOMBrowserLib.widgets.jobs.remedies import Remedy
from VisualDICOMBrowserLib.widgets.jobs.remedy_acts import Remedies
from VisualDICOMBrowserLib.widgets.jobs.reports import series_of
from VisualDICOMBrowserLib.widgets.jobs.rows import FILTERS, RowChoice, filter_counts
from VisualDICOMBrowserLib.widgets.jobs.state import Job
from VisualDICOMBrowserLib.widgets.jobs.table import JobsTable
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.look.parts import label, line

__all__ = ["JobsPanel"]

_SETTINGS = "jobs/view"
_BESIDE_FROM, _DETAILS_WIDTH, _LEAST_WIDTH = 860, 350, 260


class JobsPanel(qt.QWidget):
    """All jobs with what can be done about them, and the details of the selected one.

    Parameters
    ----------
    context : BrowserContext
    on_show_series : Callable[[str, list[str]], None]
        Called with a StudyInstanceUID, which may be empty, and SeriesInstanceUIDs that the user wants to see.
    feed : JobsFeed, optional
        Shared with the status line and the patient page; one of its own if left out.
    on_close : Callable[[], None], optional
        Called when the user closes the panel; without it there is no button for that.
    on_load : Callable[[list[str]], None], optional
        Loads series; the host does it if left out.
    """

    def __init__(
        self,
        context: BrowserContext,
        on_show_series: Callable[[str, list[str]], None],
        feed: JobsFeed | None = None,
        on_close: Callable[[], None] | None = None,
        on_load: Callable[[list[str]], None] | None = None,
    ) -> None:
        qt.QWidget.__init__(self)
        self._context = context
        self._on_show_series = on_show_series
        self._on_close = on_close
        self._on_load = on_load
        self._own_feed = feed is None
        self.feed = feed or JobsFeed(context)
        self._choice = RowChoice(describe=self.feed.describe)
        self._wants_details = True
        self._menu: Any = None
        self._remedies: Remedies | None = None
        self._make_parts()
        self._lay_out()
        self._add_keys()
        self._restore()
        self._unsubscribe = self.feed.subscribe(self._update)
        self._update(set())

    def show_only(self, name: str) -> None:
        """Choose a filter: ``all``, ``running``, ``waiting``, ``queued``, ``failed`` or ``done``."""
        if name in FILTERS:
            self._choice.show = name
            self._bar.choose(name)
            self._update(set())

    def select(self, job_id: str) -> bool:
        """Select a job and show its details; False if it is not in the list."""
        return self._table.select(job_id)

    def pause_all(self) -> None:
        """Let everything rest until it is resumed."""
        self._context.ask("pause_jobs")

    def close_panel(self) -> None:
        """Remember how it looks and hear no more; idempotent."""
        self._remember()
        self._unsubscribe()
        if self._own_feed:
            self.feed.close()

    def use_remedies(self, remedies: Remedies) -> None:
        """What carries out that which mends the cause of a failure."""
        self._remedies = remedies

    def arrange(self, width: int) -> None:
        """Fit into a width: details beside or below the list, columns or two lines."""
        px = self._context.theme.px
        self._bar.arrange(width)
        beside = width >= px(_BESIDE_FROM)
        wanted = qt.Qt.Horizontal if beside else qt.Qt.Vertical
        if self._splitter.orientation != wanted:
            self._splitter.orientation = wanted
        details = px(_DETAILS_WIDTH) if beside and self._details.isVisibleTo(self) else 0
        self._table.arrange(width - details)
        if beside:
            self._details.maximumWidth = max(px(_DETAILS_WIDTH), width // 2)
        else:
            self._details.maximumWidth = qt.QWidget().maximumWidth

    def resizeEvent(self, event: Any) -> None:
        """Fit into the new width."""
        qt.QWidget.resizeEvent(self, event)
        self.arrange(self.width)

    def _make_parts(self) -> None:
        context = self._context
        self.accessibleName = _("Job panel")
        self.setProperty("ground", "window")
        self.setAttribute(qt.Qt.WA_StyledBackground, True)
        self._bar = PanelBar(context, self.show_only, self._search, self._act_on_all, self._on_close is not None)
        self._table = JobsTable(
            context.theme,
            context.view_settings,
            self.feed,
            self._choice,
            on_act=self._act,
            on_selected=self._selected,
            on_open=lambda _job: self._open_details(),
            on_menu=self._show_menu,
        )
        self._details = JobDetails(context, self.feed, self._act, self._close_details, self._mend)
        self._details.hide()
        self._empty = label("", "mid")
        self._empty.alignment = qt.Qt.AlignCenter
        self._empty.wordWrap = True
        # What does not fit is left out, so that no part may ask for more.
        for part in (self, self._bar, self._table, self._details):
            part.minimumWidth = context.theme.px(_LEAST_WIDTH)

    def _lay_out(self) -> None:
        self._splitter = qt.QSplitter(qt.Qt.Horizontal)
        self._splitter.childrenCollapsible = False
        self._splitter.addWidget(self._table)
        self._splitter.addWidget(self._details)
        self._splitter.setStretchFactor(0, 1)
        self._splitter.setStretchFactor(1, 0)
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.spacing = 0
        layout.addWidget(self._bar)
        layout.addWidget(line())
        layout.addWidget(self._empty, 1)
        layout.addWidget(self._splitter, 1)
        self.setLayout(layout)

    def _add_keys(self) -> None:
        self._keys: list[Any] = []
        by_key: dict[str, list[str]] = {}
        for act in ACTS.values():
            by_key.setdefault(act.key, []).append(act.name)
        for key, names in by_key.items():
            self._key(key, self._table, partial(self._act_by_key, names))
        self._key("Ctrl+C", self._table, self._details.copy_log)
        for key, name in (("Ctrl+Shift+P", "pause"), ("Ctrl+Shift+T", "retry"), ("Ctrl+Shift+Del", "clear")):
            self._key(key, self, partial(self._act_on_all, name))

    def _key(self, key: str, widget: Any, action: Callable[[], None]) -> None:
        shortcut = qt.QShortcut(qt.QKeySequence(key), widget)
        whole = widget is self
        shortcut.context = qt.Qt.WidgetWithChildrenShortcut if whole else qt.Qt.WidgetShortcut
        shortcut.activated.connect(lambda *_: action())
        self._keys.append(shortcut)

    # What is shown

    def _update(self, changed: set[str]) -> None:
        state = self.feed.state
        self._table.rebuild()
        self._details.refresh(changed)
        summary = state.summary()
        moving = summary.running + summary.queued + summary.waiting
        clearable = sum(1 for job in state.jobs() if _is_done(job))
        counts = filter_counts(state, self._choice)
        self._bar.set_counts(counts, moving > 0, summary.paused > 0, summary.attention, clearable)
        shown = counts[self._choice.show]
        self._splitter.visible = shown > 0
        self._empty.visible = shown == 0
        found_none = self._choice.search or self._choice.show != "all"
        self._empty.text = _("No job matches.") if found_none else _("No jobs.")

    def _search(self, text: str) -> None:
        self._choice.search = text
        self._update(set())

    def _selected(self, jobs: list[Job]) -> None:
        self._details.show_jobs(jobs)
        self._show_details(self._wants_details and bool(jobs))

    def _open_details(self) -> None:
        self._wants_details = True
        self._selected(self._table.selected_jobs())

    def _close_details(self) -> None:
        self._wants_details = False
        self._show_details(False)
        self._table.setFocus(qt.Qt.OtherFocusReason)

    def _show_details(self, shown: bool) -> None:
        if shown == self._details.isVisibleTo(self._splitter):
            return
        self._details.visible = shown
        px = self._context.theme.px
        if shown and self._splitter.orientation == qt.Qt.Horizontal:
            self._splitter.setSizes([max(1, self.width - px(_DETAILS_WIDTH)), px(_DETAILS_WIDTH)])
        elif shown:
            self._splitter.setSizes([max(1, self.height // 2), max(1, self.height // 2)])
        self.arrange(self.width)

    # What is done

    def _act(self, name: str, jobs: Iterable[Job]) -> None:
        listed = list(jobs)
        if name == "load":
            self._load([uid for job in listed for uid in series_of(job)])
        elif name == "show":
            for job in listed[:1]:
                concerns = job.get("concerns") or {}
                self._on_show_series(str(concerns.get("study") or ""), list(concerns.get("series") or series_of(job)))
        elif name == "copy":
            self._details.copy_log()
        else:
            carry_out(self._context, self.feed.state, name, listed, self.feed.refresh)

    def _act_by_key(self, names: Iterable[str]) -> None:
        """The first of these actions that a selected job can follow."""
        jobs = self._table.selected_jobs()
        name = next((name for name in names if any(can(name, job) for job in jobs)), "")
        if name:
            self._act(name, jobs)

    def _mend(self, remedy: Remedy, job: Job) -> None:
        if self._remedies is not None:
            self._remedies.run(remedy, job)

    def _act_on_all(self, name: str) -> None:
        jobs = self.feed.state.jobs()
        if name == "pause":
            self.pause_all()
        elif name == "resume":
            self._context.ask("resume_jobs")
        elif name == "retry":
            self._act("retry", [job for job in jobs if job["state"] in ("failed", "partly")])
        elif name == "clear":
            self._act("clear", [job for job in jobs if _is_done(job)])
        elif name == "menu":
            self._show_settings()
        elif self._on_close is not None:
            self._on_close()

    def _load(self, series: list[str]) -> None:
        if self._on_load is not None:
            self._on_load(series)
            return
        try:
            self._context.report(self._context.host.load(series), "info")
        except VisualDICOMError as error:
            self._context.report(str(error), "error")

    def _show_menu(self, jobs: list[Job], point: Any) -> None:
        more = {"show": _("Show in browser"), "copy": _("Copy log")} if len(jobs) == 1 else {}
        self._menu = jobs_menu(self, self._context, jobs, lambda name: self._act(name, jobs), more)
        self._menu.popup(point)

    def _show_settings(self) -> None:
        entries = [
            (_("Pause all"), self.pause_all),
            (_("Resume all"), lambda: self._act_on_all("resume")),
            (_("Retry failed"), lambda: self._act_on_all("retry")),
            (_("Clear done"), lambda: self._act_on_all("clear")),
        ]
        background = self._choice.background
        self._menu = settings_menu(self, self._context, entries, background, self._set_background, self.feed.servers)
        self._menu.popup(self._bar.menu_place())

    def _set_background(self, shown: bool) -> None:
        self._choice.background = shown
        self._update(set())

    # What is remembered

    def _restore(self) -> None:
        kept = self._context.view_settings.get(_SETTINGS) or {}
        self._wants_details = bool(kept.get("details", True))
        self._choice.folded = set(kept.get("folded", ("earlier",)))
        self._choice.background = bool(kept.get("background", False))

    def _remember(self) -> None:
        kept = {
            "details": self._wants_details,
            "folded": sorted(self._choice.folded),
            "background": self._choice.background,
        }
        self._context.view_settings.put(_SETTINGS, kept)


def _is_done(job: Job) -> bool:
    """Whether it ended with nothing left to see to."""
    return job["state"] in ("done", "cancelled")
