"""The page of one patient: header above, studies and series below. Main thread only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.context import BrowserContext
from VisualDICOMBrowserLib.widgets.look.theme import set_state
from VisualDICOMBrowserLib.widgets.page.actions import PageActions
from VisualDICOMBrowserLib.widgets.page.calls import ViewCallbacks
from VisualDICOMBrowserLib.widgets.page.dragging import CardDrag
from VisualDICOMBrowserLib.widgets.page.geometry import LARGEST, SMALLEST
from VisualDICOMBrowserLib.widgets.page.header import PatientHeader
from VisualDICOMBrowserLib.widgets.page.hovering import SliceHover
from VisualDICOMBrowserLib.widgets.page.model import PageModel
from VisualDICOMBrowserLib.widgets.page.pressing import act_on_icon
from VisualDICOMBrowserLib.widgets.page.states import Marks
from VisualDICOMBrowserLib.widgets.page.view import PageView

__all__ = ["USUAL_SIDE", "PatientPage"]

USUAL_SIDE = 120
"""Side of a picture unless the user chooses another."""

_SIDE_KEY = "page/picture-size"
_GROWTH = 1.15
_UPDATE_MS = 100
_TICK_MS = 1000
_SEEN_AFTER_TICKS = 10


class PatientPage(qt.QWidget):
    """Shows one patient at a time.

    Parameters
    ----------
    context : BrowserContext
    actions : PageActions
        Does what the page is told to do.
    on_selected : Callable[[list], None], optional
        Called with the selected series when they change.
    on_seen : Callable[[list], None], optional
        Called with series whose new images the user has seen.
    on_size : Callable[[int], None], optional
        Called when wheel or keys have changed the size of the pictures.
    on_series_wanted : Callable[[StudyEntry], None], optional
        Called when a study stands open of which not all series are known, so that servers can be asked; once each.
    """

    def __init__(
        self,
        context: BrowserContext,
        actions: PageActions,
        on_selected: Callable[[list[Any]], None] | None = None,
        on_seen: Callable[[list[Any]], None] | None = None,
        on_size: Callable[[int], None] | None = None,
        on_series_wanted: Callable[[Any], None] | None = None,
    ) -> None:
        qt.QWidget.__init__(self)
        self._context = context
        self._actions = actions
        self._on_selected = on_selected
        self._on_seen = on_seen
        self._on_size = on_size
        self._on_series_wanted = on_series_wanted
        self._wanted: set[str] = set()
        self._patient: Any = None
        self._jobs: Any = {}
        self._visible_ticks: dict[str, int] = {}
        set_state(self, "ground", "base")
        self._list = PageModel()
        self._list.job_of = self.job_of
        self._hover = SliceHover(context, self)
        self._drag = CardDrag(context, self, actions)
        self._header = PatientHeader(context.theme, actions)
        self._calls = self._callbacks()
        self._view = PageView(context.theme, self._list, self._hover.strips, self._calls)
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.spacing = 0
        layout.addWidget(self._header)
        layout.addWidget(self._view, 1)
        self.setLayout(layout)
        self.setFocusProxy(self._view)
        self._update_timer = self._timer(_UPDATE_MS, self._refresh, once=True)
        self._tick_timer = self._timer(_TICK_MS, self._tick, once=False)
        context.theme.follow(self, self._view.refresh_look)
        self.set_size(int(context.view_settings.get(_SIDE_KEY, USUAL_SIDE) or USUAL_SIDE))

    def _timer(self, interval: int, function: Callable[[], None], *, once: bool) -> Any:
        timer = qt.QTimer(self)
        timer.interval = interval

        def fire() -> None:
            if once:
                timer.stop()
            function()

        timer.timeout.connect(fire)
        return timer

    def _callbacks(self) -> ViewCallbacks:
        calls, actions = ViewCallbacks(), self._actions
        calls.open = actions.load
        calls.icon = self._act_on_icon
        calls.scene = actions.show_in_scene
        calls.jump, calls.options = self.select, actions.load_with_options
        calls.menu = actions.menu
        calls.preview = actions.preview
        calls.escape = lambda: bool(actions.take_back_loading(self.selected()))
        calls.hover = self._hover.hovered
        calls.show_all = actions.show_all_series
        calls.drag = self._drag.begin
        calls.selection = self._selection_changed
        calls.opened = self._want_series
        calls.resize_pictures = self.grow
        calls.usual_pictures = lambda: self._resized(USUAL_SIDE)
        return calls

    # What is shown

    @property
    def patient(self) -> Any:
        """The patient that is shown, None at first."""
        return self._patient

    @property
    def view(self) -> PageView:
        """The list of studies and series."""
        return self._view

    def show_patient(self, patient: Any, studies: Sequence[Any], series_by_study: Mapping[str, Sequence[Any]]) -> None:
        """Show a patient; called again for the same one, selection, active row and scroll position stay.

        Parameters
        ----------
        patient : PatientEntry
        studies : sequence of StudyEntry
            Newest first.
        series_by_study : mapping of str to sequence of SeriesEntry
            By StudyInstanceUID the series that the filters let through.
        """
        anew = self._patient is not patient
        self._patient = patient
        self._header.show_patient(patient, studies)
        chosen = [] if anew else [each.SeriesInstanceUID for each in self.selected()]
        row = None if anew else self._list.row(self._view.currentIndex().row())
        value = 0 if anew else self._view.verticalScrollBar().value
        if self._list.show(studies, series_by_study, anew=anew):
            self._view.executeDelayedItemsLayout()
            self._view.verticalScrollBar().value = value
            self._view.select_series(chosen)
            if row is not None:
                self._view.make_current(self._list.number_of(row.key))
        else:
            self._view.repaint_rows(self._list.refresh_looks())
            self._view.repaint_headers()
        self._visible_ticks.clear()
        self._tick_timer.start()
        if anew:
            self._wanted.clear()
            self._list.arrivals.keep({each.SeriesInstanceUID for each in self._list.all_series()})
        self._want_series()

    def update_jobs(self, jobs: Any) -> None:
        """Take how jobs stand; cards follow at most ten times a second.

        `jobs` is a `JobsState`, or brief job dicts by SeriesInstanceUID or StudyInstanceUID.
        """
        self._jobs = jobs
        if not self._update_timer.active:
            self._update_timer.start()

    def set_in_scene(self, loaded: Mapping[str, str]) -> None:
        """Take what is loaded: by SeriesInstanceUID a few words such as "176 slices"."""
        self._list.in_scene = dict(loaded)
        self._refresh()

    def set_marks(self, marks: Mapping[str, Marks]) -> None:
        """Take what is known of series beyond their records."""
        self._list.marks = dict(marks)
        self._refresh()

    def note_thumbnail(self, event: Mapping[str, Any]) -> None:
        """Take a picture that a ``thumbnail_ready`` event tells of."""
        uid = str(event["series"])
        series = next((each for each in self._list.all_series() if each.SeriesInstanceUID == uid), None)
        if series is None:
            return
        path = str(event.get("path") or "")
        self._view.pictures.forget(path)
        self._hover.strips.forget(uid)
        series.thumbnail = path
        series.label = str(event.get("label") or event.get("reason") or "")
        self._list.arrange()
        self._view.repaint_rows([self._list.number_of_series(uid)])

    def note_strip(self, event: Mapping[str, Any]) -> None:
        """Take a strip that a ``strip_ready`` event tells of."""
        self._hover.note(event)
        self._view.repaint_rows([self._list.number_of_series(str(event["series"]))])

    def note_arrived(self, event: Mapping[str, Any]) -> None:
        """Take which slices a ``slices_arrived`` event tells of."""
        self._view.repaint_rows(self._list.note_arrived(event))

    def note_fitting(self, fitting: Mapping[str, int]) -> None:
        """Take of which studies the filters hide series: by StudyInstanceUID how many they let through."""
        self._list.fitting = dict(fitting)

    def shown_slice(self, series: Any) -> int | None:
        """Number from 0 of the slice of a series that the mouse is on; None if its usual picture is shown."""
        under, share = self._view.scrubbed()
        return None if under is not series or share is None else self._hover.index_at(series, share)

    def job_of(self, series: Any) -> Mapping[str, Any] | None:
        """The job that fetches a series, with its speed and place in the queue where they are known."""
        jobs = self._jobs
        if hasattr(jobs, "by_series"):
            job = jobs.by_series(series.SeriesInstanceUID, series.StudyInstanceUID)
            if job is None:
                return None
            return {**job, "speed": jobs.speed(job["job_id"]), "place": jobs.place(job["job_id"])}
        found: Mapping[str, Any] | None = jobs.get(series.SeriesInstanceUID) or jobs.get(series.StudyInstanceUID)
        return found

    # Size and order

    @property
    def size_of_pictures(self) -> int:
        """Side of a picture."""
        return int(self._view.metrics.side)

    def set_size(self, side: int) -> None:
        """Show pictures in another size, 48 to 320."""
        side = min(LARGEST, max(SMALLEST, int(side)))
        self._context.view_settings.put(_SIDE_KEY, side)
        self._view.set_side(side)

    def grow(self, steps: int) -> None:
        """Show larger or smaller pictures."""
        self._resized(round(self.size_of_pictures * _GROWTH**steps))

    def _resized(self, side: int) -> None:
        self.set_size(side)
        if self._on_size is not None:
            self._on_size(self.size_of_pictures)

    def set_order(self, order: str) -> None:
        """Sort series by ``number``, ``time``, ``modality`` or ``description``."""
        chosen = [each.SeriesInstanceUID for each in self.selected()]
        if self._list.set_order(order):
            self._view.select_series(chosen)

    def set_rows_view(self, on: bool) -> None:
        """Show rows in place of cards."""
        chosen = [each.SeriesInstanceUID for each in self.selected()]
        self._view.set_rows_view(on)
        self._view.select_series(chosen)

    # Selection

    def selected(self) -> list[Any]:
        """Selected series in the order of the page."""
        return self._view.selected_series()

    def current(self) -> Any:
        """The active series, None if there is none."""
        row = self._list.row(self._view.currentIndex().row())
        return None if row is None else row.series

    def active(self) -> tuple[Any, Any]:
        """Study and series of the active row; None for what there is not."""
        row = self._list.row(self._view.currentIndex().row())
        return (None, None) if row is None else (row.study, row.series)

    def show_watching(self, words: str) -> None:
        """Say in the header until when new images are watched for; empty if they are not."""
        self._header.show_watching(words)

    def select(self, series_uids: Sequence[str], show: bool = True) -> None:
        """Select series, and bring the first one into view, its study opened."""
        wanted = set(series_uids)
        holding = [
            study
            for study in self._list.studies
            if any(each.SeriesInstanceUID in wanted for each in self._list.series(study))
        ]
        if self._list.set_open(holding, True):
            self._view.executeDelayedItemsLayout()
        self._view.select_series(list(series_uids))
        number = self._list.number_of_series(series_uids[0]) if series_uids else -1
        self._view.make_current(number)
        if show and number >= 0:
            self._view.scrollTo(self._list.index(number, 0))

    def select_all(self) -> None:
        """Select the series of the active study; if they all are, those of the patient."""
        self._view.select_all()

    def close_other_studies(self, study: Any) -> None:
        """Leave only one study open."""
        uid = study.StudyInstanceUID
        others = [each for each in self._list.studies if each.StudyInstanceUID != uid]
        self._view.set_open(others, False)

    def step(self, steps: int) -> Any:
        """Make the next or previous series the active and selected one, as the preview does; returns it."""
        numbers = [number for number, row in enumerate(self._list.rows()) if row.series is not None]
        here = self._view.currentIndex().row()
        if not numbers:
            return None
        place = numbers.index(here) + steps if here in numbers else 0
        number = numbers[min(len(numbers) - 1, max(0, place))]
        index = self._list.index(number, 0)
        self._view.selectionModel().setCurrentIndex(index, qt.QItemSelectionModel.ClearAndSelect)
        self._view.scrollTo(index)
        return self.current()

    def place_of(self, series: Any) -> Any:
        """``QRect`` of a card on the screen, for what is shown beside it."""
        number = self._list.number_of_series(series.SeriesInstanceUID)
        rect = qt.QRect(self._view.visualRect(self._list.index(number, 0)))
        rect.moveTopLeft(self._view.viewport().mapToGlobal(rect.topLeft()))
        return rect

    def _selection_changed(self) -> None:
        chosen = self.selected()
        self._seen([each for each in chosen if each.new])
        if self._on_selected is not None:
            self._on_selected(chosen)

    # What happens by and by

    def resizeEvent(self, event: Any) -> None:
        """Show less of the header in a narrow window."""
        qt.QWidget.resizeEvent(self, event)
        self._header.fit(self.width)

    def _want_series(self) -> None:
        if self._on_series_wanted is None:
            return
        for study in self._list.studies:
            known = len(study.series)
            lacking = bool(study.sources) and (not known or known < (study.expected_series or 0))
            if lacking and self._list.is_open(study) and study.StudyInstanceUID not in self._wanted:
                self._wanted.add(study.StudyInstanceUID)
                self._on_series_wanted(study)

    def _refresh(self) -> None:
        self._view.repaint_rows(self._list.refresh_states())

    def _tick(self) -> None:
        """Every second: countdowns of retries, and what has been in view long enough to be seen."""
        if not self.visible:
            return
        self._refresh()
        area = self._view.viewport().rect
        seen = []
        for number, row in enumerate(self._list.rows()):
            if row.series is None or not row.series.new:
                continue
            if area.contains(self._view.visualRect(self._list.index(number, 0)).center()):
                uid = row.series.SeriesInstanceUID
                self._visible_ticks[uid] = self._visible_ticks.get(uid, 0) + 1
                if self._visible_ticks[uid] == _SEEN_AFTER_TICKS:
                    seen.append(row.series)
        self._seen(seen)

    def _seen(self, series: list[Any]) -> None:
        if series and self._on_seen is not None:
            self._on_seen(series)
            self._refresh()

    def _act_on_icon(self, series: Any) -> None:
        act_on_icon(self._list.state(series).act, series, self.job_of(series), self._actions)
