"""What the user restricts the view to; the same fields go to servers. Standard library only."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["SERIES_FILTERS", "STUDY_FILTERS", "TEXT_FILTERS", "Filters", "date_span"]

TEXT_FILTERS = (
    "PatientName", "PatientID", "StudyDescription", "SeriesDescription", "AccessionNumber", "ReferringPhysicianName",
    "BodyPartExamined", "InstitutionName",
)  # fmt: skip
STUDY_FILTERS = ("StudyDescription", "AccessionNumber", "ReferringPhysicianName", "InstitutionName", "date")
SERIES_FILTERS = ("SeriesDescription", "BodyPartExamined", "Modalities", "only")

# A server takes these; the rest sorts out what it answers.
_ASKED = ("PatientName", "PatientID", "StudyDescription", "SeriesDescription", "AccessionNumber")
_NAMES = (
    "PatientName", "PatientID", "StudyDescription", "SeriesDescription", "Modalities", "date", "AccessionNumber",
    "ReferringPhysicianName", "BodyPartExamined", "InstitutionName", "only",
)  # fmt: skip
_LAST = re.compile(r"last_(\d{1,5})_(days|months|years)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Empty fields do not restrict.

    ``date`` is empty for any date, ``today``, ``yesterday``, ``last_N_days`` (or months, years), or ``range``, which
    takes ``date_from`` and ``date_to`` (``YYYYMMDD``, both included, an empty one is no bound). ``only`` is ``new``,
    ``local`` or ``scene``.
    """

    PatientName: str = ""
    PatientID: str = ""
    StudyDescription: str = ""
    SeriesDescription: str = ""
    Modalities: tuple[str, ...] = ()
    date: str = ""
    date_from: str = ""
    date_to: str = ""
    AccessionNumber: str = ""
    ReferringPhysicianName: str = ""
    BodyPartExamined: str = ""
    InstitutionName: str = ""
    only: str = ""

    def active(self) -> list[str]:
        """Names of the filters that restrict, in the order of the fields; both ends of a range are ``date``."""
        span = date_span(self)
        return [name for name in _NAMES if (any(span) if name == "date" else _restricts(getattr(self, name)))]

    def without(self, name: str) -> Filters:
        """The same with one filter cleared."""
        if name == "date":
            return replace(self, date="", date_from="", date_to="")
        if name == "Modalities":
            return replace(self, Modalities=())
        cleared: dict[str, Any] = {name: ""}
        return replace(self, **cleared)

    def as_query(self) -> dict[str, Any]:
        """Fields for the engine's ``search`` and ``records``."""
        asked = {name: getattr(self, name).strip() for name in _ASKED}
        first, last = date_span(self)
        named = {**asked, "Modalities": list(self.Modalities), "date_from": first, "date_to": last}
        return {name: value for name, value in named.items() if value}


def date_span(filters: Filters, today: datetime.date | None = None) -> tuple[str, str]:
    """First and last day of filters (``YYYYMMDD``), empty for no bound."""
    day = today or datetime.date.today()
    if filters.date == "today":
        return _written(day), _written(day)
    if filters.date == "yesterday":
        before = day - datetime.timedelta(days=1)
        return _written(before), _written(before)
    last = _LAST.fullmatch(filters.date)
    if last is not None:
        return _written(_earlier(day, int(last.group(1)), last.group(2))), ""
    return (filters.date_from, filters.date_to) if filters.date in ("", "range") else ("", "")


def _restricts(value: Any) -> bool:
    return bool(value.strip() if isinstance(value, str) else value)


def _written(day: datetime.date) -> str:
    return day.isoformat().replace("-", "")


def _earlier(day: datetime.date, number: int, unit: str) -> datetime.date:
    if unit == "days":
        return day - datetime.timedelta(days=min(number, day.toordinal() - 1))
    months = day.year * 12 + day.month - 1 - (number if unit == "months" else 12 * number)
    year, month = divmod(max(months, 12), 12)
    # The 31st of a shorter month is its last day.
    following = datetime.date(year + month // 11, (month + 1) % 12 + 1, 1)
    return min(
        datetime.date(year, month + 1, 1) + datetime.timedelta(days=day.day - 1), following - datetime.timedelta(1)
    )
