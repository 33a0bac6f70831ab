"""Which patients are shown, and which one's page: from filters, answers of servers and what the user chose.

Main thread only. Work in the background never changes the current patient; the user's own act does: a filter, a
click, a tab.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from VisualDICOMBrowserLib.widgets.browser.marking import tab_icon
from VisualDICOMBrowserLib.widgets.catalogue.entries import PatientEntry, SeriesEntry, StudyEntry
from VisualDICOMBrowserLib.widgets.language import _, plural

__all__ = ["Showing"]

_MOST_STUDIES_ASKED = 20
# Of so many changed patients each is looked at by itself; of more the whole list is made anew.
_FEW = 200
_REMEMBERED = "browser/patients"
_LOCAL = attrgetter("local")


class Showing:
    """Keeps list, tabs and page on the patients that fit.

    Parameters
    ----------
    views : Browser
        Whose views are kept.
    """

    def __init__(self, views: Any) -> None:
        self._views = views
        self._context = views.context
        self._catalogue = views.catalogue
        self._asked_series: set[str] = set()
        self._asked_pictures: set[str] = set()
        self._source: str | None = None
        self._wanted_id = ""
        self._shown: set[PatientEntry] = set()
        self._local: tuple[int, int] | None = None
        self._total = 0
        self.entries: list[PatientEntry] = []
        self.current: PatientEntry | None = None
        self.show_all_series = False
        self._whole: set[str] = set()

    # What the user does

    def filters_changed(self) -> None:
        """Show what fits now; the first patient that does if the current one does not."""
        self.show_all_series = False
        self._whole.clear()
        self._find()
        self._views.table.show_patients(self.entries)
        self._show_counts()
        if self.current is None or self.current not in self._shown:
            self.show(self.entries[0] if self.entries else None)
        else:
            self.show_page()

    def show_source(self, source: str | None) -> None:
        """Show only what one server has, ``""`` for what is here; None for everything."""
        self._source = source
        self.filters_changed()

    def show(self, entry: PatientEntry | None) -> None:
        """Make a patient the current one."""
        self._views.arranging.end_sum()
        self.current = entry
        self.show_all_series = False
        self._whole.clear()
        if entry is not None:
            self._views.tabs.open_tab(entry)
            self._views.table.select_patient(entry.key)
            self._views.loader.hurry(entry.rows, lambda: self.show_page() if entry is self.current else None)
            self._context.ask("show_patient", None, lambda _error: None, PatientID=entry.PatientID)
            self._remember()
        self.show_page()

    def show_id(self, patient_id: str) -> bool:
        """Make the patient with an ID the current one, as soon as it is known; False if it is not known yet."""
        found = self._catalogue.patients_of(patient_id)
        self._wanted_id = "" if found else patient_id
        if found:
            self.show(found[0])
        return bool(found)

    def toggle_study(self, study: StudyEntry) -> None:
        """Show the series of a study that the filters hide too, or hide them again; the filters stay."""
        self._whole ^= {study.StudyInstanceUID}
        self.show_page()

    def hides_of(self, study: StudyEntry) -> int:
        """How many series of a study the filters let through if they hide some, -1 if they hide none."""
        filters = self._views.search_bar.filters
        if self.show_all_series or not study.series:
            return -1
        fitting = self._catalogue.shown_of(study.StudyInstanceUID, filters)[0]
        return fitting if fitting < len(study.series) else -1

    def is_whole(self, study: StudyEntry) -> bool:
        """Whether a study is shown with the series that the filters hide."""
        return study.StudyInstanceUID in self._whole

    def queried(self) -> None:
        """Servers are being asked anew: what was asked of them before is asked again."""
        self._asked_series.clear()

    def opened(self, studies: Sequence[StudyEntry]) -> None:
        """Learn the series of these studies, as far as only servers have them."""
        for study in studies:
            known = len(study.series) >= (study.expected_series or 1)
            if study.sources and not known and study.StudyInstanceUID not in self._asked_series:
                self._asked_series.add(study.StudyInstanceUID)
                self._views.run.ask_series(study.StudyInstanceUID, list(study.sources))

    # What changes by itself

    def refresh(self) -> None:
        """Take up what has changed; current patient, selection and scroll position stay."""
        if self._wanted_id:
            self.show_id(self._wanted_id)
        before = self.current
        if before is not None:
            self.current = self._catalogue.patient(before.key)
        news = self._catalogue.take_news()
        if news is not None and self._stay(news):
            if news:
                self._views.table.note_changed(news)
        else:
            self._find()
            self._views.table.show_patients(self.entries)
            news = None
        self._views.arranging.refresh_sum()
        self._show_counts(changed=news is None or bool(news))
        self._note_tabs(news)
        if self.current is None:
            # Nobody fitted, or who was shown is gone: there is nobody whom somebody else would push aside.
            self.show(self._first())
        elif self.current is not before or news is None or self.current in news:
            self.show_page()

    def show_page(self) -> None:
        """Show the current patient's page anew."""
        entry = self.current
        if entry is None:
            self._views.show_empty_page()
            return
        filters = None if self.show_all_series else self._views.search_bar.filters
        studies = self._catalogue.studies(entry, filters)
        if self._source is not None:
            studies = [each for each in studies if (self._source in each.sources if self._source else each.local)]
        series = {
            uid: self._catalogue.series(uid, None if uid in self._whole else filters)
            for uid in (each.StudyInstanceUID for each in studies)
        }
        hiding = {each.StudyInstanceUID: self.hides_of(each) for each in studies}
        self._views.page.note_fitting({uid: fitting for uid, fitting in hiding.items() if fitting >= 0})
        self._views.show_patient_page(entry, studies, series)
        self.opened(studies[:_MOST_STUDIES_ASKED])
        self._ask_pictures([each for found in series.values() for each in found])

    def _find(self) -> None:
        found = self._of_source(self._catalogue.filtered(self._views.search_bar.filters))
        self.entries = found
        self._shown = set(found)

    def _stay(self, news: Sequence[PatientEntry]) -> bool:
        """Whether the list has the same patients after these have changed."""
        filters = self._views.search_bar.filters
        if len(news) > _FEW or filters.only == "scene":
            return False
        fitting = set(self._of_source(self._catalogue.matcher(filters).patients(news)))
        return all((each in fitting) == (each in self._shown) for each in news)

    def _of_source(self, entries: list[PatientEntry]) -> list[PatientEntry]:
        source = self._source
        if source is None:
            return entries
        return [each for each in entries if (source in each.servers if source else each.local)]

    def _show_counts(self, *, changed: bool = False) -> None:
        """Say how many there are; `changed` when the catalogue has."""
        views = self._views
        everybody, total = self._catalogue.patient_counts()
        here = total if len(self.entries) == everybody else sum(map(_LOCAL, self.entries))
        if changed:
            self._total = total
        local = here, self._total
        if local != self._local:
            self._local = local
            views.chips.note_local(*local)
        views.chips.note_earlier(views.search_bar.changed)
        views.count_label.text = self._count_text(here)
        if changed:
            views.search_bar.set_modality_counts(self._catalogue.modality_counts())

    def note_fetching(self) -> None:
        """Other patients are being fetched than before: show it on their tabs."""
        self._note_tabs(None)

    def _note_tabs(self, news: Sequence[PatientEntry] | None) -> None:
        """Bring the tabs of patients that have changed up to date, of all if it is not known which have."""
        tabs = self._views.tabs
        changed = None if news is None else {each.key for each in news}
        for key in list(tabs.keys()):
            if changed is not None and key not in changed:
                continue
            entry = self._catalogue.patient(key)
            if entry is None:
                tabs.close_tab(key)
            else:
                tabs.note(entry, *tab_icon(entry, entry.key in self._views.fetching))

    def _count_text(self, here: int) -> str:
        text = plural(len(self.entries), "{count} patient", "{count} patients")
        elsewhere = len(self.entries) - here
        parts = [text]
        if elsewhere:
            parts.append(_("{local} local, {remote} only on servers").format(local=here, remote=elsewhere))
        if self._views.search_bar.filters.active():
            parts.append(_("filtered"))
        return " · ".join(parts)

    def _first(self) -> PatientEntry | None:
        """Whom to show when nobody was chosen: who was shown last, else the first."""
        if not self._views.loader.listed:
            return None
        fitting = {tuple(entry.key): entry for entry in self.entries}
        for key in self._context.view_settings.get(_REMEMBERED, []) or []:
            if tuple(key) in fitting:
                return fitting[tuple(key)]
        return self.entries[0] if self.entries else None

    def _remember(self) -> None:
        keys = [list(key) for key in reversed(self._views.tabs.keys())]
        if self.current is not None:
            mine = list(self.current.key)
            keys = [mine, *(key for key in keys if key != mine)]
        self._context.view_settings.put(_REMEMBERED, keys)

    def recent(self) -> list[tuple[str, ...]]:
        """Identities of patients that were shown last, the last one first."""
        return [tuple(key) for key in self._context.view_settings.get(_REMEMBERED, []) or []]

    def _ask_pictures(self, series: Sequence[SeriesEntry]) -> None:
        """Have pictures made that nobody has asked for yet."""
        missing = [
            each.SeriesInstanceUID
            for each in series
            if each.local
            and not each.thumbnail
            and not each.label
            and each.SeriesInstanceUID not in self._asked_pictures
        ]
        if missing:
            self._asked_pictures.update(missing)
            self._context.ask("make_thumbnails", None, lambda _error: None, series=missing)
