"""Takes the rows of the local database and the records of servers, and answers what is shown. One thread.

Local rows come as the engine's ``overview`` and ``rows`` give them, records of servers as ``search_records`` does.
The same study and series have the same UID; patients are the same who have ID and name in common, without regard to
case, accents and blanks, and whose birth dates do not contradict each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from VisualDICOMBrowserLib.widgets.catalogue.entries import PatientEntry, PatientKey, SeriesEntry, StudyEntry
from VisualDICOMBrowserLib.widgets.catalogue.filling import (
    base_key,
    fill_patient,
    fill_series,
    fill_study,
    name_patient,
    number_from,
    summarise,
)
from VisualDICOMBrowserLib.widgets.catalogue.filters import Filters
from VisualDICOMBrowserLib.widgets.catalogue.matching import Matcher

__all__ = ["Catalogue"]

Rows = Sequence[Sequence[Any]]


class Catalogue:
    """Everything that is known of patients, studies and series.

    Attributes
    ----------
    loaded : bool
        Whether the local database has been read once; what comes later counts as new.
    in_scene : callable
        Gives the SeriesInstanceUIDs of what is loaded, for the filter that shows only those.
    """

    def __init__(self) -> None:
        self.loaded = False
        self.in_scene: Callable[[], Iterable[str]] = tuple
        self._patients: dict[PatientKey, PatientEntry] = {}
        self._named: dict[PatientKey, list[PatientEntry]] = {}
        self._of_id: dict[str, set[PatientKey]] = {}
        self._of_row: dict[int, PatientEntry] = {}
        self._studies: dict[str, StudyEntry] = {}
        self._series: dict[str, SeriesEntry] = {}
        self._changed: dict[PatientKey, PatientEntry] = {}
        self._ordered: list[PatientEntry] | None = None
        self._news: dict[PatientKey, PatientEntry] = {}
        self._anew = True
        self._modalities: Counter[str] = Counter()
        self._local = 0

    # What comes in

    def set_rows(self, level: str, fields: Sequence[str], rows: Rows) -> None:
        """Take local rows of a level; patients before their studies, studies before their series."""
        take = {"PATIENT": self._take_patient, "STUDY": self._take_study, "SERIES": self._take_series}[level]
        for row in rows:
            take(dict(zip(fields, row, strict=True)))

    def update(self, reply: Mapping[str, Any]) -> None:
        """Take the reply of the command ``rows``."""
        for level, name in (("PATIENT", "patients"), ("STUDY", "studies"), ("SERIES", "series")):
            self.set_rows(level, reply[name]["fields"], reply[name]["rows"])

    def remove(self, uids: Iterable[str]) -> None:
        """Series, or all series of studies, are in the local database no more."""
        for uid in uids:
            study = self._studies.get(uid)
            named = list(study.series) if study is not None else [self._series[uid]] if uid in self._series else []
            for entry in named:
                entry.study.local -= entry.local
                entry.local = entry.new = entry.frames = 0
                entry.thumbnail = entry.label = ""
                entry.study.filed = any(each.local for each in entry.study.series)
                self._drop_if_nowhere(entry)

    def keep_local(self, uids: Iterable[str]) -> None:
        """Of local series there are only these; the others were removed without anybody telling."""
        here = frozenset(uids)
        self.remove([uid for uid, entry in self._series.items() if entry.local and uid not in here])
        for study in list(self._studies.values()):
            if study.filed and not study.local:
                study.filed = False
                self._drop_study_if_nowhere(study)
        for patient in list(self._patients.values()):
            self._drop_patient_if_empty(patient)

    def add_remote(self, level: str, records: Iterable[Mapping[str, Any]]) -> None:
        """Take merged records of a search at a level."""
        for record in records:
            if level == "STUDY":
                self._remote_study(record)
            elif level == "SERIES":
                self._remote_series(record)

    def clear_remote(self) -> None:
        """Forget what servers told."""
        for entry in list(self._series.values()):
            if entry.sources or not entry.local:
                entry.sources, entry.expected = {}, None
                self._drop_if_nowhere(entry)
        for study in list(self._studies.values()):
            if study.sources or not study.series:
                study.sources, study.others, study.expected, study.expected_series = {}, {}, None, None
                self._touch(study.patient)
                self._drop_study_if_nowhere(study)

    def seen(self, series_uids: Iterable[str]) -> None:
        """The user has looked at these series; they are new no longer."""
        for uid in series_uids:
            entry = self._series.get(uid)
            if entry is not None and entry.new:
                entry.new = 0
                self._touch(entry.study.patient)

    def note_thumbnail(self, event: Mapping[str, Any]) -> SeriesEntry | None:
        """Take an event ``thumbnail_ready``; the series it is of, if that is known."""
        entry = self._series.get(str(event.get("series")))
        if entry is not None:
            entry.thumbnail = str(event.get("path") or "")
            entry.label = str(event.get("label") or event.get("reason") or "")
        return entry

    # What is asked

    def take_news(self) -> list[PatientEntry] | None:
        """Patients that have changed since this was asked last; None if there are others, or in another order."""
        self._work_up()
        anew, news = self._anew, list(self._news.values())
        self._anew, self._news = False, {}
        return None if anew else news

    def filtered(self, filters: Filters) -> list[PatientEntry]:
        """Patients that are shown, by name."""
        return self.matcher(filters).patients(self._in_order(), self._studies.values(), self._series.values())

    def matcher(self, filters: Filters) -> Matcher:
        """Tests entries one by one."""
        return Matcher(filters, frozenset(self.in_scene()) if filters.only == "scene" else ())

    def patients(self) -> list[PatientEntry]:
        """All patients, by name."""
        return list(self._in_order())

    def patient(self, key: PatientKey) -> PatientEntry | None:
        """The patient with this key."""
        self._work_up()
        return self._patients.get(tuple(key))

    def patients_of(self, patient_id: str) -> list[PatientEntry]:
        """All patients with this PatientID; more than one is for the user to tell apart."""
        self._work_up()
        return [self._patients[key] for key in sorted(self._of_id.get(patient_id.strip(), ()))]

    def studies(self, patient: PatientEntry, filters: Filters | None = None) -> list[StudyEntry]:
        """Studies of a patient, the newest first; with `filters` those that are shown."""
        self._work_up()
        return self.matcher(filters or Filters()).studies(patient.studies)

    def series(self, study_uid: str, filters: Filters | None = None) -> list[SeriesEntry]:
        """Series of a study, by number; with `filters` those that are shown."""
        study = self._studies.get(study_uid)
        return sorted(self.matcher(filters or Filters()).series(study.series), key=_number) if study else []

    def one_study(self, uid: str) -> StudyEntry | None:
        """The study with this UID."""
        return self._studies.get(uid)

    def one_series(self, uid: str) -> SeriesEntry | None:
        """The series with this UID."""
        return self._series.get(uid)

    def shown_of(self, study_uid: str, filters: Filters) -> tuple[int, int]:
        """How many series of a study are shown, of how many."""
        study = self._studies.get(study_uid)
        return (len(self.series(study_uid, filters)), study.series_count) if study else (0, 0)

    def modality_counts(self) -> dict[str, int]:
        """Number of series by modality, the most frequent first; studies whose series are unknown count once each."""
        counts = +self._modalities
        for study in self._studies.values():
            if not study.series:
                counts.update(study.ModalitiesInStudy)
        return dict(counts.most_common())

    def patient_counts(self) -> tuple[int, int]:
        """Numbers of patients, and of those of whom something is here; quicker than `totals`."""
        self._work_up()
        return len(self._patients), self._local

    def totals(self, patients: Iterable[PatientEntry] | None = None) -> dict[str, int]:
        """Numbers of patients, of those local and only on servers, of studies, series and images."""
        self._work_up()
        chosen = list(self._patients.values() if patients is None else patients)
        local = sum(1 for each in chosen if each.local)
        return {
            "patients": len(chosen),
            "local": local,
            "remote": len(chosen) - local,
            "studies": sum(each.study_count for each in chosen),
            "series": sum(each.series_count for each in chosen),
            "images": sum(each.image_count for each in chosen),
        }

    def best_removal(self, filters: Filters) -> str:
        """The filter without which most patients are shown; empty if that helps with none."""
        found = {name: len(self.filtered(filters.without(name))) for name in filters.active()}
        best = max(found, key=lambda name: found[name], default="")
        return best if best and found[best] else ""

    # Local rows

    def _take_patient(self, row: Mapping[str, Any]) -> None:
        entry = self._named_patient(row["PatientID"], row["PatientName"], row["PatientBirthDate"], row["key"])
        fill_patient(entry, row, local=True)
        if row["key"] not in entry.rows:
            entry.rows = (*entry.rows, row["key"])
        entry.row = entry.rows[0]
        entry.added = max(entry.added, row["DateAdded"])
        entry.other_births = tuple(sorted({*entry.other_births, *(row.get("OtherBirthDates") or ())}))
        self._of_row[row["key"]] = entry
        self._touch(entry)

    def _take_study(self, row: Mapping[str, Any]) -> None:
        patient = self._of_row.get(row["patient"])
        if patient is not None:
            study = self._study(row["StudyInstanceUID"], patient, local=True)
            study.filed = True
            fill_study(study, row, local=True)
            self._touch(patient)

    def _take_series(self, row: Mapping[str, Any]) -> None:
        study = self._studies.get(row["StudyInstanceUID"])
        if study is None:
            return
        known = self._series.get(row["SeriesInstanceUID"])
        entry = known or self._one_series(row["SeriesInstanceUID"], study)
        count = row["instances"] or 0
        if self.loaded and (known is None or entry.new or (entry.complete and count > entry.local)):
            entry.new += max(0, count - entry.local)
        entry.study.local += count - entry.local
        entry.local, entry.frames, entry.label = count, row["frames"] or 0, row["label"] or ""
        self._fill_series(entry, row, local=True)
        self._touch(study.patient)

    # Records of servers

    def _remote_study(self, record: Mapping[str, Any]) -> None:
        uid = record["StudyInstanceUID"]
        known = self._studies.get(uid)
        patient = known.patient if known else self._patient_of(record)
        study = known or self._study(uid, patient)
        fill_patient(patient, record, local=False)
        fill_study(study, record, local=False)
        # What other servers told stays: this may be the answer of one that was asked for more.
        study.sources.update(record.get("sources") or {})
        study.others = {**study.others, **(record.get("OtherPatients") or {})}
        told = study.sources.values()
        study.expected = _largest(study.expected, [each.get("instances") for each in told])
        study.expected_series = _largest(study.expected_series, [each.get("series") for each in told])
        self._touch(patient)
        self._drop_study_if_nowhere(study)

    def _remote_series(self, record: Mapping[str, Any]) -> None:
        study = self._studies.get(record.get("StudyInstanceUID", ""))
        if study is None:
            return
        entry = self._series.get(record["SeriesInstanceUID"]) or self._one_series(record["SeriesInstanceUID"], study)
        self._fill_series(entry, record, local=False)
        entry.sources.update(record.get("sources") or {})
        entry.expected = _largest(entry.expected, [each.get("instances") for each in entry.sources.values()])
        self._touch(study.patient)
        self._drop_if_nowhere(entry)

    def _patient_of(self, record: Mapping[str, Any]) -> PatientEntry:
        return self._named_patient(
            record.get("PatientID") or "", record.get("PatientName") or "", record.get("PatientBirthDate") or ""
        )

    # Entries

    def _named_patient(self, patient_id: str, name: str, birth: str, row: int | None = None) -> PatientEntry:
        if row in self._of_row:
            return self._of_row[row]
        key = base_key(patient_id, name)
        same = self._named.setdefault(key, [])
        for entry in same:
            if not birth or not entry.birth or entry.birth == birth:
                return entry
        entry = PatientEntry((*key, birth) if same else key, patient_id, name, birth=birth)
        name_patient(entry)
        same.append(entry)
        self._patients[entry.key] = entry
        self._of_id.setdefault(patient_id.strip(), set()).add(entry.key)
        self._ordered, self._anew = None, True
        for other in self._of_id[patient_id.strip()]:
            self._touch(self._patients[other])
        return entry

    def _study(self, uid: str, patient: PatientEntry, *, local: bool = False) -> StudyEntry:
        entry = self._studies.get(uid)
        if entry is None:
            entry = self._studies[uid] = StudyEntry(uid, patient)
            patient.studies.append(entry)
        elif local and entry.patient is not patient:
            # The database files it with another patient than the server did, or than before.
            former, entry.patient = entry.patient, patient
            former.studies.remove(entry)
            patient.studies.append(entry)
            self._drop_patient_if_empty(former)
        return entry

    def _one_series(self, uid: str, study: StudyEntry) -> SeriesEntry:
        entry = self._series[uid] = SeriesEntry(uid, study.StudyInstanceUID, study)
        study.series.append(entry)
        return entry

    def _fill_series(self, entry: SeriesEntry, record: Mapping[str, Any], *, local: bool) -> None:
        """Fill it, and keep the counts by modality, which are asked for at every change."""
        before = entry.Modality
        fill_series(entry, record, local=local)
        if entry.Modality != before:
            self._modalities[entry.Modality] += 1
            self._modalities[before] -= 1 if before else 0

    def _drop_if_nowhere(self, entry: SeriesEntry) -> None:
        self._touch(entry.study.patient)
        if not entry.local and not entry.sources:
            del self._series[entry.SeriesInstanceUID]
            self._modalities[entry.Modality] -= 1 if entry.Modality else 0
            entry.study.series.remove(entry)
            self._drop_study_if_nowhere(entry.study)

    def _drop_study_if_nowhere(self, study: StudyEntry) -> None:
        if not (study.series or study.sources or study.filed) and study.StudyInstanceUID in self._studies:
            del self._studies[study.StudyInstanceUID]
            study.patient.studies.remove(study)
            self._touch(study.patient)
            self._drop_patient_if_empty(study.patient)

    def _drop_patient_if_empty(self, patient: PatientEntry) -> None:
        if not any(study.filed for study in patient.studies) and self.loaded:
            for row in patient.rows:
                self._of_row.pop(row, None)
            patient.row, patient.rows = None, ()
        if patient.studies or patient.rows:
            self._touch(patient)
            return
        del self._patients[patient.key]
        self._local -= patient.local
        self._named[patient.key[:2]].remove(patient)
        others = self._of_id[patient.key[0]]
        others.discard(patient.key)
        self._changed.pop(patient.key, None)
        self._ordered, self._anew = None, True
        for other in others:
            self._touch(self._patients[other])

    def _touch(self, patient: PatientEntry) -> None:
        self._changed[patient.key] = patient

    def _work_up(self) -> None:
        changed, self._changed = self._changed, {}
        for patient in changed.values():
            before, was_local = patient.order, patient.local
            summarise(patient)
            self._local += patient.local - was_local
            named = len(self._of_id.get(patient.key[0], ()))
            told_apart = bool(patient.other_births) or any(study.others for study in patient.studies)
            patient.doubt = named > 1 or not patient.key[0] or told_apart
            if patient.order != before:
                self._ordered, self._anew = None, True
            self._news[patient.key] = patient

    def _in_order(self) -> list[PatientEntry]:
        self._work_up()
        if self._ordered is None:
            self._ordered = sorted(self._patients.values(), key=lambda patient: patient.order)
        return self._ordered


def _number(entry: SeriesEntry) -> tuple[bool, int, str, str]:
    return entry.SeriesNumber is None, entry.SeriesNumber or 0, entry.SeriesTime, entry.SeriesInstanceUID


def _largest(known: int | None, told: Iterable[Any]) -> int | None:
    numbers = [number for number in (known, *map(number_from, told)) if number is not None]
    return max(numbers, default=None)
