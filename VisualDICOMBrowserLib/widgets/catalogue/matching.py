"""Which entries fit filters. Pure functions on folded text; made to go through 50,000 series in a few ms.

Text fits where it contains what is wanted, without case and accents; ``*`` and ``?`` stand for any text and any
character. Names match whatever the order of their parts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from VisualDICOMBrowserLib.database.patient_index import name_matcher, text_matcher
from VisualDICOMBrowserLib.database.values import folded, folded_name
from VisualDICOMBrowserLib.widgets.catalogue.entries import PatientEntry, SeriesEntry, StudyEntry
from VisualDICOMBrowserLib.widgets.catalogue.filters import Filters, date_span

__all__ = ["Matcher"]

NarrowSeries = Callable[[list[SeriesEntry]], list[SeriesEntry]]
NarrowStudies = Callable[[list[StudyEntry]], list[StudyEntry]]

# Fewer patients than this share of all studies are gone through one by one.
_FEW = 10


class Matcher:
    """Filters made ready for many entries.

    Each filter is a function that gives those of a list which fit: a pass over a list costs a third of calling a test
    for each of its entries.

    Parameters
    ----------
    filters : Filters
    in_scene : collection of str
        SeriesInstanceUIDs of what is loaded.
    """

    def __init__(self, filters: Filters, in_scene: Collection[str] = ()) -> None:
        self._filters = filters
        self._modalities = frozenset(filters.Modalities)
        self._on_studies = _on_studies(filters)
        self._on_series = _on_series(filters, frozenset(in_scene))

    @property
    def on_series(self) -> bool:
        """Whether any filter looks at series."""
        return bool(self._on_series)

    def patients(
        self,
        patients: Iterable[PatientEntry],
        studies: Collection[StudyEntry] | None = None,
        series: Collection[SeriesEntry] | None = None,
    ) -> list[PatientEntry]:
        """Those that fit, in their order.

        With `studies` and `series`, all that there are in the order in which they came, most of them are looked at
        there: they lie side by side in memory, which is several times as fast as going from one to the next.
        """
        chosen = list(patients)
        # One part of a name after the other: most patients are out after the first.
        for part in folded_name(self._filters.PatientName).split():
            fits_name = text_matcher(part)
            chosen = [patient for patient in chosen if fits_name(patient.name_text)]
        if self._filters.PatientID.strip():
            fits_id = text_matcher(self._filters.PatientID)
            chosen = [patient for patient in chosen if fits_id(patient.id_text)]
        if self._on_studies or self._on_series:
            if studies is None or len(chosen) < len(studies) // _FEW:
                studies, series = [study for patient in chosen for study in patient.studies], None
            shown = {study.patient for study in self.studies(studies, series)}
            chosen = [patient for patient in chosen if patient in shown]
        return chosen

    def studies(self, studies: Iterable[StudyEntry], series: Iterable[SeriesEntry] | None = None) -> list[StudyEntry]:
        """Those that are shown, in their order: they fit, and with filters on series one of their series does.

        A study of a server whose series are not all known is shown if its modalities fit: servers were asked with
        these filters too. `series` are all of theirs, if the caller has them at hand.
        """
        chosen = list(studies)
        for narrow in self._on_studies:
            chosen = narrow(chosen)
        if not self._on_series:
            return chosen
        if series is None:
            series = [entry for study in chosen for entry in study.series]
        shown = {entry.study for entry in self.series(series)}
        return [study for study in chosen if study in shown or (study.sources and self._may_have_it(study))]

    def series(self, series: Iterable[SeriesEntry]) -> list[SeriesEntry]:
        """Those that are shown in a study that is, in their order."""
        chosen = list(series)
        for narrow in self._on_series:
            chosen = narrow(chosen)
        return chosen

    def _may_have_it(self, study: StudyEntry) -> bool:
        if self._filters.only:
            return False
        if study.series and len(study.series) >= (study.expected_series or 0):
            return False
        return not self._modalities or not self._modalities.isdisjoint(study.ModalitiesInStudy)


def _on_studies(filters: Filters) -> list[NarrowStudies]:
    found: list[NarrowStudies] = []
    first, last = date_span(filters)
    if first or last:
        # A study without date comes before every first day, and is no answer to a last day either.
        begin, end = first or "0", last or "99999999"
        found.append(lambda studies: [study for study in studies if begin <= study.StudyDate <= end])
    if wanted := filters.StudyDescription.strip():
        fits = text_matcher(wanted)
        found.append(lambda studies: [study for study in studies if fits(study.text)])
    if wanted := filters.AccessionNumber.strip():
        fits_number = text_matcher(wanted)
        found.append(lambda studies: [study for study in studies if fits_number(folded(study.AccessionNumber))])
    if wanted := filters.InstitutionName.strip():
        fits_place = text_matcher(wanted)
        found.append(lambda studies: [study for study in studies if fits_place(folded(study.InstitutionName))])
    if wanted := filters.ReferringPhysicianName.strip():
        fits_name = name_matcher(wanted)
        found.append(lambda studies: [each for each in studies if fits_name(folded_name(each.ReferringPhysicianName))])
    return found


def _on_series(filters: Filters, in_scene: frozenset[str]) -> list[NarrowSeries]:
    found: list[NarrowSeries] = []
    if filters.Modalities:
        modalities = frozenset(filters.Modalities)
        found.append(lambda series: [entry for entry in series if entry.Modality in modalities])
    if filters.only == "new":
        found.append(lambda series: [entry for entry in series if entry.new])
    elif filters.only == "local":
        found.append(lambda series: [entry for entry in series if entry.local])
    elif filters.only == "scene":
        found.append(lambda series: [entry for entry in series if entry.SeriesInstanceUID in in_scene])
    if wanted := filters.SeriesDescription.strip():
        found.append(_described(wanted))
    if wanted := filters.BodyPartExamined.strip():
        fits = text_matcher(wanted)
        found.append(lambda series: [entry for entry in series if fits(folded(entry.BodyPartExamined))])
    return found


def _described(wanted: str) -> NarrowSeries:
    needle = folded(wanted)
    if "*" in needle or "?" in needle:
        fits = text_matcher(wanted)
        return lambda series: [entry for entry in series if fits(entry.text)]
    return lambda series: [entry for entry in series if needle in entry.text]
