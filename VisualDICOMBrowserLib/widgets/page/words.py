"""What cards and headers of studies say: titles, sizes, dates, counts. Pure functions, standard library only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from VisualDICOMBrowserLib.widgets.language import _, plural
from VisualDICOMBrowserLib.widgets.wording import written_date

__all__ = [
    "DOT",
    "count_text",
    "dimensions",
    "earlier_text",
    "expected_of",
    "number_text",
    "ordinal",
    "speed_text",
    "study_date",
    "time_text",
    "title_of",
    "wait_text",
    "watch_choices",
    "where_text",
    "why_failed",
]

DOT = " \u00b7 "
_TIMES = "\u00d7"
_ALWAYS_MINUTES = 10 * 365 * 24 * 60.0
_EVENING_HOUR = 18
_DAYS_OF_MONTH, _DAYS_OF_YEAR = 30.44, 365.25
_REASONS = {
    "refused": "Refused",
    "unreachable": "Not reachable",
    "unknown_host": "Unknown name",
    "timeout": "No answer",
    "connection_lost": "Connection lost",
    "busy": "Server busy",
    "sign_in": "Sign-in needed",
    "no_right": "No right",
    "disk_full": "Disk full",
    "not_found": "Not found",
    "not_offered": "Not offered",
    "move_destination": "Not registered",
    "move_nothing_came": "Nothing came",
    "nothing_came": "Nothing came",
    "aborted": "Aborted",
    "released": "Ended early",
}


def title_of(series: Any) -> str:
    """The description of a series, or in its place what it is."""
    return str(series.SeriesDescription or getattr(series, "label", "") or series.Modality or _("No description"))


def number_text(series: Any) -> str:
    """The number of a series, empty if it has none."""
    return "" if series.SeriesNumber is None else str(series.SeriesNumber)


def expected_of(series: Any) -> int:
    """How many instances a series is known to have, here or elsewhere."""
    return max(int(series.local or 0), int(series.expected or 0))


def dimensions(series: Any) -> str:
    """Columns, rows and, if there are several, frames of a series."""
    columns, rows = int(series.Columns or 0), int(series.Rows or 0)
    frames = int(series.frames or series.local or 0)
    if not columns or not rows:
        return count_text(frames) if frames else ""
    return _TIMES.join(str(each) for each in (columns, rows, frames) if each != 1)


def count_text(images: int) -> str:
    """A number of images."""
    return plural(images, "{count} image", "{count} images")


def speed_text(speed: float) -> str:
    """Bytes per second in words; empty if there is nothing to tell."""
    if speed < 1000:
        return ""
    if speed < 1e6:
        return _("{number} kB/s").format(number=f"{speed / 1e3:.0f}")
    return _("{number} MB/s").format(number=f"{speed / 1e6:.0f}" if speed >= 9.5e6 else f"{speed / 1e6:.1f}")


def wait_text(seconds: float) -> str:
    """Minutes and seconds until something happens."""
    whole = max(0, round(seconds))
    if whole >= 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
    return f"{whole // 60}:{whole % 60:02d}"


def ordinal(place: int) -> str:
    """A place in the queue."""
    if place == 1:
        return _("next")
    if 10 <= place % 100 <= 20:
        return f"{place}th"
    return f"{place}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(place % 10, 'th') }"


def where_text(sources: Mapping[str, Any] | Sequence[str]) -> str:
    """The server that has it, or how many have it."""
    names = list(sources)
    if not names:
        return ""
    return names[0] if len(names) == 1 else plural(len(names), "{count} server", "{count} servers")


def why_failed(error: Mapping[str, Any] | None) -> str:
    """A failure in a word or two, as a card has room for; the whole sentence stands in the hint."""
    known = error or {}
    short = _REASONS.get(str(known.get("code") or ""))
    if short:
        return _(short)
    message = str(known.get("message") or "")
    server = str(known.get("server") or "")
    if server and message.startswith(f"{server}: "):
        message = message[len(server) + 2 :]
    return message.split(". ")[0].rstrip(".") or _("Failed")


def time_text(value: str) -> str:
    """DICOM TM text as hours and minutes."""
    plain = value.replace(":", "")
    return f"{plain[:2]}:{plain[2:4]}" if len(plain) >= 4 and plain[:4].isdigit() else ""


def study_date(study: Any) -> str:
    """Date of a study as it is shown."""
    return written_date(str(study.StudyDate or "")) or _("No date")


def earlier_text(newest: str, value: str) -> str:
    """How much earlier than the newest study; empty if it is of the same day, or if a date is missing."""
    last, this = _date(newest), _date(value)
    days = (last - this).days if last and this else 0
    if days <= 0:
        return ""
    if days < 45:
        return plural(days, "{count} day earlier", "{count} days earlier")
    months = round(days / _DAYS_OF_MONTH)
    if months < 24:
        return plural(months, "{count} month earlier", "{count} months earlier")
    return plural(int(days / _DAYS_OF_YEAR), "{count} year earlier", "{count} years earlier")


def watch_choices(now: datetime) -> list[tuple[str, float]]:
    """For how long new images can be watched for: words, and minutes."""
    evening = now.replace(hour=_EVENING_HOUR, minute=0, second=0, microsecond=0)
    choices = [(_("For 1 hour"), 60.0), (_("For 4 hours"), 240.0)]
    if evening > now:
        choices.append((_("Until 18:00"), (evening - now).total_seconds() / 60))
    return [*choices, (_("Always"), _ALWAYS_MINUTES)]


def _date(value: str) -> date | None:
    plain = str(value or "").replace("-", "")
    try:
        return date(int(plain[:4]), int(plain[4:6]), int(plain[6:8]))
    except ValueError:
        return None
