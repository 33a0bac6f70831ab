"""The head of a patient page: who it is, how much there is, where it is, and what can be done with all of it."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import qt

from VisualDICOMBrowserLib.widgets.ending import delete_later
from VisualDICOMBrowserLib.widgets.language import _, plural
from VisualDICOMBrowserLib.widgets.look.parts import ElidedLabel, Pill, icon_label, label, push_button, tool_button
from VisualDICOMBrowserLib.widgets.look.theme import Theme, set_state
from VisualDICOMBrowserLib.widgets.page.actions import PageActions
from VisualDICOMBrowserLib.widgets.page.words import DOT, count_text, watch_choices
from VisualDICOMBrowserLib.widgets.wording import written_date

__all__ = ["PatientHeader", "Place", "places_of", "who_text"]

_MOST_PILLS = 4
_TWO_YEARS_DAYS = 730

Place = tuple[str, str]
"""Words and tone of a pill."""


def who_text(patient: Any, brief: bool) -> str:
    """Sex, birth date and age in one line."""
    birth = written_date(str(patient.birth or ""))
    born = birth if brief or not birth else _("born {date}").format(date=birth)
    age = ""
    if patient.age is not None:
        age = _("{age} y").format(age=patient.age) if brief else plural(patient.age, "{count} year", "{count} years")
    return DOT.join(part for part in (str(patient.sex or ""), born, age) if part)


def places_of(studies: Sequence[Any], brief: bool) -> list[Place]:
    """Where the studies are: the local database first, then each server with how many it has."""
    local = [each for each in studies if each.local]
    complete = sum(1 for each in local if each.complete)
    servers: dict[str, int] = {}
    for study in studies:
        for name in study.sources:
            servers[name] = servers.get(name, 0) + 1
    places: list[Place] = []
    if local and not servers:
        places.append((_("Local only"), "bar"))
    elif local and brief:
        places.append((_("Local {count}").format(count=len(local)), "ok"))
    elif local and complete == len(local):
        text = plural(len(local), "Local: {count} study complete", "Local: {count} studies complete")
        places.append((text, "ok"))
    elif local:
        places.append((_("Local: {complete} of {count} complete").format(complete=complete, count=len(local)), "bar"))
    word = _("{server} {count}") if brief else _("{server}: {count}")
    return places + [(word.format(server=name, count=count), "ask") for name, count in servers.items()]


class PatientHeader(qt.QFrame):
    """Stays above the list of studies.

    Parameters
    ----------
    theme : Theme
    actions : PageActions
    """

    def __init__(self, theme: Theme, actions: PageActions) -> None:
        qt.QFrame.__init__(self)
        self._theme = theme
        self._actions = actions
        self._patient: Any = None
        self._studies: list[Any] = []
        self._narrow = self._brief = self._watched = False
        self._menu: Any = None
        self.sizePolicy = qt.QSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Fixed)
        set_state(self, "line", "below")
        set_state(self, "ground", "base")
        self._name = ElidedLabel("", "title")
        self._id = label("", "mid")
        self._who = label("", "mid")
        self._totals = label("", "mid")
        self._doubt = icon_label(theme, "warning", "warn")
        self._doubt.toolTip = _("This ID stands for several persons, or there is none: compare name and birth date.")
        self._pills = qt.QHBoxLayout()
        self._pills.setContentsMargins(0, 0, 0, 0)
        self._pills.spacing = theme.px(6)
        self._made_pills: list[Any] = []
        self._places: list[Place] = []
        self._fetch = push_button(theme, _("Fetch all"), self._fetch_menu, "cloud-down", _("Fetch what is missing"))
        self._watch = push_button(
            theme,
            _("Watch for new images"),
            self._watch_menu,
            "bell",
            _("Ask the servers again and again for new images"),
        )
        self._more = tool_button(theme, "more", _("More"), self._open_menu, _("More for this patient"))
        self._arrange()

    def _arrange(self) -> None:
        px = self._theme.px
        first = qt.QHBoxLayout()
        first.setContentsMargins(0, 0, 0, 0)
        first.spacing = px(12)
        for each in (self._name, self._doubt, self._id, self._who):
            first.addWidget(each)
        first.addStretch(1)
        second = qt.QHBoxLayout()
        second.setContentsMargins(0, 0, 0, 0)
        second.spacing = px(10)
        second.addWidget(self._totals)
        second.addLayout(self._pills)
        second.addStretch(1)
        lines = qt.QVBoxLayout()
        lines.setContentsMargins(0, 0, 0, 0)
        lines.spacing = px(3)
        lines.addLayout(first)
        lines.addLayout(second)
        self._below = label("", "mid")
        lines.insertWidget(1, self._below)
        layout = qt.QHBoxLayout()
        layout.setContentsMargins(px(14), px(8), px(10), px(8))
        layout.spacing = px(8)
        layout.addLayout(lines, 1)
        for each in (self._fetch, self._watch, self._more):
            layout.addWidget(each)
        self.setLayout(layout)

    def show_patient(self, patient: Any, studies: Sequence[Any]) -> None:
        """Show a patient with all its studies."""
        self._patient, self._studies = patient, list(studies)
        self._fill()

    def show_watching(self, words: str) -> None:
        """Tell until when new images are watched for; empty if they are not."""
        self._watched = bool(words)
        self._watch.text = words or _("Watch for new images")

    def fit(self, width: int) -> None:
        """Show less in a narrow window."""
        narrow, brief = width < self._theme.px(620), width < self._theme.px(1000)
        if (narrow, brief) != (self._narrow, self._brief):
            self._narrow, self._brief = narrow, brief
            self._fill()
        self._fetch.visible = not narrow
        self._watch.visible = width >= self._theme.px(940)

    def _fill(self) -> None:
        patient = self._patient
        if patient is None:
            return
        narrow = self._narrow
        self._name.text = patient.shown_name or _("No name")
        self._doubt.visible = bool(getattr(patient, "doubt", False))
        who = who_text(patient, narrow)
        self._id.text, self._who.text = patient.PatientID, who
        self._below.text = DOT.join(part for part in (patient.PatientID, who) if part)
        self._id.visible = self._who.visible = self._totals.visible = not narrow
        self._below.visible = narrow
        series = sum(each.series_count for each in self._studies)
        parts = (
            plural(len(self._studies), "{count} study", "{count} studies"),
            plural(series, "{count} series", "{count} series"),
            count_text(sum(each.image_count for each in self._studies)),
        )
        self._totals.text = DOT.join(parts)
        self._fetch.enabled = any(each.sources and not each.complete for each in self._studies)
        self._watch.enabled = any(each.sources for each in self._studies)
        self._fill_pills(places_of(self._studies, self._brief))
        self.accessibleName = _("Patient {name}, {id}, {who}").format(
            name=self._name.text, id=patient.PatientID, who=who
        )

    def _fill_pills(self, places: list[Place]) -> None:
        if places == self._places:
            return
        self._places = list(places)
        for each in self._made_pills:
            self._pills.removeWidget(each)
            each.hide()
            delete_later(each)
        self._made_pills = []
        shown = places if len(places) <= _MOST_PILLS else places[: _MOST_PILLS - 1]
        rest = places[len(shown) :]
        if rest:
            shown = [*shown, (_("+{count}").format(count=len(rest)), "ask")]
        for text, tone in shown:
            pill = Pill(text, tone)
            self._pills.addWidget(pill)
            self._made_pills.append(pill)
        if rest:
            self._made_pills[-1].toolTip = "\n".join(text for text, _tone in rest)

    # Menus

    def _popup(self, button: Any, items: Sequence[tuple[str, Callable[[], None]]]) -> None:
        self._menu = qt.QMenu(self)
        for text, action in items:
            self._menu.addAction(text).triggered.connect(lambda *_, act=action: act())
        self._menu.popup(button.mapToGlobal(qt.QPoint(0, button.height)))

    def _fetch_menu(self) -> None:
        parts = sorted({part for study in self._studies for part in _body_parts(study)})
        items: list[tuple[str, Callable[[], None]]] = [
            (_("All studies"), lambda: self._fetch_studies(self._studies)),
            (_("Last 2 years"), lambda: self._fetch_studies(self.recent_studies())),
        ]
        for part in parts:
            text = _("Same body part: {part}").format(part=part)
            items.append((text, self._fetcher_of(part)))
        self._popup(self._fetch, items)

    def _fetcher_of(self, part: str) -> Callable[[], None]:
        return lambda: self._fetch_studies(self.studies_of_part(part))

    def recent_studies(self) -> list[Any]:
        """Studies of the last 2 years."""
        oldest = (datetime.date.today() - datetime.timedelta(days=_TWO_YEARS_DAYS)).strftime("%Y%m%d")
        return [each for each in self._studies if str(each.StudyDate) >= oldest]

    def studies_of_part(self, part: str) -> list[Any]:
        """Studies with a series of a body part."""
        return [each for each in self._studies if part in _body_parts(each)]

    def _fetch_studies(self, studies: Sequence[Any]) -> None:
        self._actions.fetch_studies([each for each in studies if each.sources and not each.complete])

    def _watch_menu(self) -> None:
        items: list[tuple[str, Callable[[], None]]] = [
            (words, partial(self._watch_for, minutes)) for words, minutes in watch_choices(datetime.datetime.now())
        ]
        if self._watched:
            items.append((_("Stop watching"), lambda: self._actions.stop_watching(self._studies)))
        self._popup(self._watch, items)

    def _watch_for(self, minutes: float) -> None:
        self._actions.watch(self._studies, minutes)

    def _open_menu(self) -> None:
        if self._patient is not None:
            place = self._more.mapToGlobal(qt.QPoint(0, self._more.height))
            self._actions.menu("PATIENT", [self._patient], place)


def _body_parts(study: Any) -> set[str]:
    return {str(each.BodyPartExamined) for each in study.series if each.BodyPartExamined}
