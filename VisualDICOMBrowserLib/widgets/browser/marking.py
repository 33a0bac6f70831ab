"""What cards, rows and tabs show beside their records: what is known of series, who is being fetched.

Pure functions on the catalogue and the jobs; no Qt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any

from VisualDICOMBrowserLib.widgets.catalogue.catalogue import Catalogue
from VisualDICOMBrowserLib.widgets.catalogue.entries import PatientEntry, PatientKey
from VisualDICOMBrowserLib.widgets.language import _
from VisualDICOMBrowserLib.widgets.page.states import COMPACT, OVERLAYS, Marks
from VisualDICOMBrowserLib.widgets.page.words import number_text

__all__ = ["fetching_patients", "marks_of", "tab_icon"]

_UNDER_WAY = ("running", "queued", "waiting")


# Objects that an image has a mark of.
_DRAWN_ON = ("SEG", "RTSTRUCT")
_NOTHING = Marks()


def marks_of(
    shown: Sequence[Any],
    facts: Mapping[str, Mapping[str, Any]],
    loads_when_complete: Container[str],
    has_extension: Callable[[str], bool],
) -> dict[str, Marks]:
    """Marks by SeriesInstanceUID, of the series that have any.

    Parameters
    ----------
    shown : sequence of SeriesEntry
    facts : mapping
        Events ``series_facts`` by SeriesInstanceUID.
    loads_when_complete : container of str
        SeriesInstanceUIDs.
    has_extension : Callable[[str], bool]
        Whether the host has the reader that an extension brings.
    """
    by_uid = {each.SeriesInstanceUID: each for each in shown}
    lies_on = {uid: _image_of(facts[uid], by_uid) for uid in by_uid if uid in facts}
    overlays: dict[str, list[Any]] = {}
    for uid, image in lies_on.items():
        if image is not None and by_uid[uid].Modality in _DRAWN_ON:
            overlays.setdefault(image.SeriesInstanceUID, []).append(by_uid[uid])
    needed = {str(facts[uid].get("needs") or "") for uid in lies_on} - {""}
    missing = {name for name in needed if not has_extension(name)}
    marks = {}
    for uid in by_uid:
        known, image = facts.get(uid, {}), lies_on.get(uid)
        upon = overlays.get(uid, [])
        needs = str(known.get("needs") or "")
        made = Marks(
            warning=_(str(known["warning"])) if known.get("warning") else "",
            told=" ".join(known.get("sentences") or ()),
            needs=needs if needs in missing else "",
            sets=int(known.get("sets") or 1),
            refers_to="" if image is None else image.SeriesInstanceUID,
            image_number="" if image is None else number_text(image),
            parts=str(known.get("references_text") or ""),
            overlays=tuple(each.SeriesInstanceUID for each in upon),
            overlay_kinds=_kinds(upon),
            loads_when_complete=uid in loads_when_complete,
        )
        if made != _NOTHING:
            marks[uid] = made
    return marks


def _kinds(upon: Sequence[Any]) -> tuple[tuple[str, int], ...]:
    counts = Counter(str(each.Modality) for each in upon)
    return tuple((kind, counts[kind]) for kind in _DRAWN_ON if counts[kind])


def _image_of(known: Mapping[str, Any], by_uid: Mapping[str, Any]) -> Any:
    """The image that is referred to, as far as it is shown; None for what, such as a report, refers to several."""
    referred = [by_uid[uid] for uid in known.get("refers_to") or () if uid in by_uid]
    images = [each for each in referred if each.Modality not in COMPACT]
    own = str(by_uid[uid].Modality) if (uid := str(known["series"])) in by_uid else ""
    return images[0] if images and (len(images) == 1 or own in OVERLAYS) else None


def fetching_patients(catalogue: Catalogue, jobs: Iterable[Mapping[str, Any]]) -> set[PatientKey]:
    """Keys of the patients that are being fetched."""
    found = set()
    for job in jobs:
        if job["kind"] == "retrieve" and job["state"] in _UNDER_WAY:
            study = catalogue.one_study(str((job.get("concerns") or {}).get("study") or ""))
            if study is not None:
                found.add(study.patient.key)
    return found


def tab_icon(entry: PatientEntry, fetching: bool) -> tuple[str, str]:
    """Icon and colour of a patient's tab: to be checked, being fetched, only on servers, or here."""
    if entry.where == "check":
        return "warning", "warn"
    if fetching:
        return "cloud-down", "accent"
    if entry.where == "remote":
        return "cloud", "accent"
    return "person", "mid"
