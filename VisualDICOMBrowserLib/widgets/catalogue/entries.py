"""One light object for each patient, study and series. Standard library only.

Entries stay the same objects as long as the thing is known, so that views may hold them; their fields change.
``local`` of a patient tells whether anything of it is here, of studies and series it is the number of images here.
``sources`` is, by server, what it told: ``{"instances": 96, "series": 3}``.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Any

__all__ = ["PatientEntry", "PatientKey", "SeriesEntry", "StudyEntry", "age_days"]

PatientKey = tuple[str, ...]
"""PatientID, folded name, and where others of that ID and name have another one the birth date."""

Sources = dict[str, dict[str, Any]]


@dataclass(slots=True, eq=False)
class PatientEntry:
    """A patient, with what its row in a list shows.

    ``row`` is the number of its row in the local database, None for one of a server; `rows` are all of them, where
    names that differ in case or accents have several. ``servers`` have studies of it; ``complete`` tells that all
    known images are here. ``new`` is the number of series that came since the user last looked. ``doubt`` is set for
    a patient without ID, whose ID others have too, or of whom not everything agrees: ``other_births`` are further
    birth dates that local files give, and servers may tell of another patient (`StudyEntry.others`).
    """

    key: PatientKey
    PatientID: str = ""
    PatientName: str = ""
    shown_name: str = ""
    birth: str = ""
    sex: str = ""
    row: int | None = None
    rows: tuple[int, ...] = ()
    added: str = ""
    last_study: str = ""
    description: str = ""
    modalities: tuple[str, ...] = ()
    study_count: int = 0
    series_count: int = 0
    image_count: int = 0
    local: bool = False
    complete: bool = True
    servers: tuple[str, ...] = ()
    new: int = 0
    doubt: bool = False
    other_births: tuple[str, ...] = ()
    id_text: str = ""
    name_text: str = ""
    order: tuple[Any, ...] = ()
    studies: list[StudyEntry] = field(default_factory=list)

    @property
    def age(self) -> int | None:
        """Age today in whole years, None where the birth date is not known."""
        days = age_days(self.birth, datetime.date.today())
        return None if days is None else int(days / 365.2425)

    @property
    def where(self) -> str:
        """``check``, ``local``, ``both`` or ``remote``."""
        if self.doubt:
            return "check"
        if self.local:
            return "local" if self.complete else "both"
        return "remote"


@dataclass(slots=True, eq=False)
class StudyEntry:
    """A study. ``expected`` and ``expected_series`` are the largest numbers that any source told, ``filed``
    that the local database has it. ``others`` are the patients to whom servers ascribe it, by server, where these
    contradict its patient.
    """

    StudyInstanceUID: str
    patient: PatientEntry
    StudyDate: str = ""
    StudyTime: str = ""
    StudyID: str = ""
    StudyDescription: str = ""
    AccessionNumber: str = ""
    ModalitiesInStudy: tuple[str, ...] = ()
    InstitutionName: str = ""
    ReferringPhysicianName: str = ""
    local: int = 0
    expected: int | None = None
    expected_series: int | None = None
    new: int = 0
    filed: bool = False
    text: str = ""
    others: Sources = field(default_factory=dict)
    sources: Sources = field(default_factory=dict)
    series: list[SeriesEntry] = field(default_factory=list)

    @property
    def PatientID(self) -> str:
        """PatientID of its patient."""
        return self.patient.PatientID

    @property
    def moment(self) -> str:
        """Date and time, for sorting."""
        return self.StudyDate + self.StudyTime

    @property
    def series_count(self) -> int:
        """Number of its series, as far as known."""
        return max(len(self.series), self.expected_series or 0)

    @property
    def image_count(self) -> int:
        """Number of its images, as far as known."""
        return max(sum(each.image_count for each in self.series), self.local, self.expected or 0)

    @property
    def complete(self) -> bool:
        """Whether all known images are here."""
        return self.local > 0 and self.local >= self.image_count and len(self.series) >= (self.expected_series or 0)


@dataclass(slots=True, eq=False)
class SeriesEntry:
    """A series. ``expected`` is the largest number of images that a server told, ``new`` how many came unseen."""

    SeriesInstanceUID: str
    StudyInstanceUID: str
    study: StudyEntry
    SeriesNumber: int | None = None
    SeriesDescription: str = ""
    Modality: str = ""
    BodyPartExamined: str = ""
    SeriesDate: str = ""
    SeriesTime: str = ""
    local: int = 0
    expected: int | None = None
    Rows: int | None = None
    Columns: int | None = None
    frames: int = 0
    thumbnail: str = ""
    label: str = ""
    new: int = 0
    text: str = ""
    sources: Sources = field(default_factory=dict)

    @property
    def PatientID(self) -> str:
        """PatientID of its patient."""
        return self.study.patient.PatientID

    @property
    def image_count(self) -> int:
        """Number of its images, as far as known."""
        return max(self.local, self.expected or 0)

    @property
    def complete(self) -> bool:
        """Whether all known images are here."""
        return self.local > 0 and self.local >= (self.expected or 0)


def age_days(birth: str, today: datetime.date) -> int | None:
    """Days since a birth date (``YYYYMMDD``), None where it is none or lies ahead."""
    try:
        born = datetime.date(int(birth[:4]), int(birth[4:6]), int(birth[6:8]))
    except ValueError:
        return None
    days = (today - born).days
    return days if days >= 0 else None
