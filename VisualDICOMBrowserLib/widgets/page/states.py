"""How a series stands, as its card shows it: icon, words, edge, and what a click on the icon does.

Pure functions; knows no Qt. A state is an icon and words; its colour only repeats it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from VisualDICOMBrowserLib.widgets.language import _, plural
from VisualDICOMBrowserLib.widgets.page.words import (
    DOT,
    count_text,
    dimensions,
    expected_of,
    ordinal,
    speed_text,
    wait_text,
    where_text,
    why_failed,
)

__all__ = ["COMPACT", "OVERLAYS", "CardState", "Marks", "card_state", "is_compact", "is_whole"]

OVERLAYS = frozenset({"SEG", "RTSTRUCT", "RTDOSE", "PR"})
"""Modalities that are drawn over the image they refer to."""

COMPACT = frozenset({
    "SR", "KO", "DOC", "ECG", "EPS", "HD", "AU", "REG", "RTPLAN", "RTRECORD", "PLAN", "FID", "RWV", "STAIN",
    "SEG", "RTSTRUCT", "RTDOSE", "PR", "RAW", "RESP", "EEG", "EMG", "EOG", "ASMT", "CTPROTOCOL", "XAPROTOCOL", "PLM",
})  # fmt: skip
"""Modalities that are a compact row as long as there is no picture of them."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What is known of a series beyond its record.

    Parameters
    ----------
    warning : str
        What to beware of when it is loaded, in a word or two: "Uneven spacing".
    told : str
        The same in sentences.
    needs : str
        The extension that can load it, empty if none is needed.
    sets : int
        How many frame sets it has.
    refers_to : str
        SeriesInstanceUID of the image it lies on.
    image_number : str
        The number of that series.
    parts : str
        What it consists of, such as "4 segments".
    overlays : tuple of str
        SeriesInstanceUIDs of segmentations and structure sets of it.
    overlay_kinds : tuple of (str, int)
        Their modalities, and how many there are of each.
    loads_when_complete : bool
        The user has asked to load it.
    """

    warning: str = ""
    told: str = ""
    needs: str = ""
    sets: int = 1
    refers_to: str = ""
    image_number: str = ""
    parts: str = ""
    overlays: tuple[str, ...] = ()
    overlay_kinds: tuple[tuple[str, int], ...] = ()
    loads_when_complete: bool = False


@dataclass(frozen=True, slots=True)
class CardState:
    """What a card shows.

    Parameters
    ----------
    name : str
        ``local remote partly queued downloading paused retry failed warning needs scene``.
    text : str
        The second line.
    tone : str
        Token of its colour.
    icon : str
        In the top right corner of the picture, empty for none.
    icon_tone : str
        Token of the icon's colour.
    act : str
        What a click on the icon does: ``fetch top pause resume retry log options install`` or nothing.
    hint : str
        Sentence that tells more, such as the whole reason of a failure.
    edge : str
        ``dashed``, ``failed`` or empty.
    share : float or None
        How much has arrived while it is being fetched.
    ticks : int
        How many slices there will be, 0 if nobody knows.
    in_scene : bool
    new : bool
    sets : int
        How many frame sets the picture stands for.
    overlays : int
        How many segmentations and structure sets there are of it.
    short : str
        In place of a text that is too long for the card; empty if that is cut.
    """

    name: str
    text: str
    tone: str = "mid"
    icon: str = ""
    icon_tone: str = "text"
    act: str = ""
    hint: str = ""
    edge: str = ""
    share: float | None = None
    ticks: int = 0
    in_scene: bool = False
    new: bool = False
    sets: int = 1
    overlays: int = 0
    short: str = ""


def is_whole(series: Any) -> bool:
    """Whether all known instances of a series are here."""
    return bool(series.local) and int(series.local) >= int(series.expected or 0)


def is_compact(series: Any) -> bool:
    """Whether it is a compact row after the cards: an object without a picture."""
    if series.thumbnail:
        return False
    return str(series.Modality) in COMPACT or bool(series.local and getattr(series, "label", "") and not series.Rows)


def card_state(
    series: Any,
    job: Mapping[str, Any] | None = None,
    in_scene: str = "",
    marks: Marks | None = None,
    now: float = 0.0,
    arrived: int = 0,
) -> CardState:
    """State of a series; of all that is true of it the most urgent is told.

    Parameters
    ----------
    series : SeriesEntry
    job : mapping, optional
        The job that fetches it (`JobRecord.as_dict`), with ``speed`` in bytes per second and ``place`` in the queue
        where they are known.
    in_scene : str
        What is loaded of it, such as "176 slices"; empty if nothing is.
    marks : Marks, optional
    now : float
        Unix time, for how long a retry still waits.
    arrived : int
        How many slices have been told to have come; the job may know of fewer.
    """
    known = marks or Marks()
    state = _of_job(series, job, known, now, arrived) if job is not None else None
    state = state or _of_place(series) or _of_content(series, in_scene, known)
    state = replace(state, sets=known.sets, overlays=len(known.overlays))
    return replace(state, in_scene=bool(in_scene), new=bool(series.new))


def _of_job(series: Any, job: Mapping[str, Any], marks: Marks, now: float, arrived: int) -> CardState | None:
    name = str(job.get("state"))
    error = job.get("error") or {}
    reason = str(error.get("message") or "")
    if name in ("failed", "partly") and not is_whole(series):
        text = why_failed(error) if error else _("{missing} missing").format(missing=expected_of(series) - series.local)
        text = _("{reason}{dot}Retry").format(reason=text, dot=DOT)
        return CardState("failed", text, "error", "cross-circle", "error", "log", reason, "failed")
    if name == "waiting":
        text = _("Retry in {time}").format(time=wait_text(float(job.get("next_try") or now) - now))
        return CardState("retry", text, "warn", "retry", "warn", "retry", reason)
    if name == "running":
        # Of a study's job, series that have come are local; it goes on with the others.
        return None if _is_of_study(series, job) and is_whole(series) else _downloading(series, job, marks, arrived)
    edge = "" if series.local else "dashed"
    if name == "paused":
        text = _("Paused{dot}{done} / {total}").format(dot=DOT, done=series.local, total=expected_of(series))
        return CardState("paused", text, "mid", "pause", "text", "resume", reason, edge)
    if name == "queued":
        place = int(job.get("place") or 0)
        text = _("Queued, {place}").format(place=ordinal(place)) if place else _("Queued")
        text = _("Loads when complete") if marks.loads_when_complete else text
        hint = _("Click to fetch it next")
        return CardState("queued", text, "mid", "clock", "text", "top", hint, edge)
    return None


def _downloading(series: Any, job: Mapping[str, Any], marks: Marks, arrived: int) -> CardState:
    done, total = _progress(series, job)
    done = max(done, min(arrived, total) if total else arrived)
    amount = f"{done:,} / {total:,}" if total else f"{done:,}" if done else _("Fetching")
    # The speed of a study's job stands beside the series that it brings just now.
    coming = series.local or not _is_of_study(series, job)
    speed = speed_text(float(job.get("speed") or 0)) if coming else ""
    tail = _("Loads when complete") if marks.loads_when_complete else speed
    text = DOT.join(part for part in (amount, tail) if part)
    share = min(1.0, done / total) if total else 0.0
    hint = _("Click to pause")
    return CardState("downloading", text, "accent", "cloud-down", "accent", "pause", hint, "", share, total)


def _is_of_study(series: Any, job: Mapping[str, Any]) -> bool:
    concerns = job.get("concerns")
    return concerns is not None and series.SeriesInstanceUID not in (concerns.get("series") or ())


def _progress(series: Any, job: Mapping[str, Any]) -> tuple[int, int]:
    """Of a job for the whole study only what has come of this series counts."""
    if _is_of_study(series, job):
        return int(series.local or 0), expected_of(series)
    return int(job.get("progress_done") or 0), int(job.get("progress_total") or 0) or expected_of(series)


def _of_place(series: Any) -> CardState | None:
    total = expected_of(series)
    if not series.local:
        where = where_text(series.sources)
        text = DOT.join(part for part in (where, _images_text(series, total) if total else "") if part) or _("Not here")
        hint = _("Only on {servers}. Click to fetch it.").format(servers=", ".join(series.sources)) if where else ""
        return CardState("remote", text, "mid", "cloud", "accent", "fetch", hint, "dashed")
    if series.local < total:
        text = _("{here:,} of {total:,} local").format(here=series.local, total=total)
        return CardState("partly", text, "mid", "cloud-half", "accent", "fetch", _("Click to fetch the rest"))
    return None


def _images_text(series: Any, count: int) -> str:
    return plural(count, "{count} object", "{count} objects") if is_compact(series) else count_text(count)


def _of_content(series: Any, in_scene: str, marks: Marks) -> CardState:
    if marks.warning:
        hint = "\n".join(part for part in (marks.told, _("Click to choose how to load it")) if part)
        return CardState("warning", marks.warning, "warn", "warning", "warn", "options", hint)
    if marks.needs:
        text = _("Needs {extension}").format(extension=marks.needs)
        hint = _("The extension {extension} of Slicer can load it.").format(extension=marks.needs)
        lies = _overlay_text(series, marks)
        hint = f"{lies}\n{hint}" if lies else hint
        return CardState("needs", text, "warn", "puzzle", "warn", "install", hint, short=_("Needs extension"))
    if in_scene:
        return CardState("scene", _("In scene{dot}{what}").format(dot=DOT, what=in_scene), "ok")
    if series.new:
        return CardState("local", plural(series.new, "{count} new image", "{count} new images"), "new")
    text = _content_text(series, marks)
    return CardState("local", text, short=_content_text(series, replace(marks, overlay_kinds=())))


def _content_text(series: Any, marks: Marks) -> str:
    kinds = [f"{count} {kind}" for kind, count in marks.overlay_kinds]
    if marks.sets > 1:
        sets = plural(marks.sets, "{count} frame set", "{count} frame sets")
        return DOT.join((sets, *kinds))
    if is_compact(series):
        number = marks.image_number
        upon = _("for series {number}").format(number=number) if number else ""
        objects = _images_text(series, int(series.frames or series.local or 0))
        return DOT.join(part for part in (objects, upon) if part)
    return _overlay_text(series, marks) or DOT.join(part for part in (dimensions(series), *kinds) if part)


def _overlay_text(series: Any, marks: Marks) -> str:
    """What lies on which image, empty for what is no overlay or says neither."""
    if str(series.Modality) not in OVERLAYS:
        return ""
    what = str(getattr(series, "label", "") or "") if series.thumbnail else ""
    what = marks.parts or what
    if not marks.image_number:
        return what
    if not what:
        return _("On series {number}").format(number=marks.image_number)
    return _("{what} on series {number}").format(what=what, number=marks.image_number)
