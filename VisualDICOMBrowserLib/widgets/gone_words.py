"""What is said of files that are gone, and of what looking for them or removing them came to. Pure, no Qt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from VisualDICOMBrowserLib.widgets.language import _, plural

__all__ = ["gone_text", "outcome_text", "removal_sentences"]

_DRIVE_LENGTH = 2


def gone_text(found: Mapping[str, Any]) -> str:
    """How many files are gone, and the drive or folder that explains it.

    Parameters
    ----------
    found : mapping
        What the engine's command ``missing_files`` or its job ``check`` found.
    """
    text = plural(int(found["missing"]), "{count} file moved or deleted", "{count} files moved or deleted")
    place = str(found.get("absent") or "")
    if not place:
        return _("{what}.").format(what=text)
    if len(place) == _DRIVE_LENGTH and place.endswith(":"):
        return _("{what} (drive {place} absent?).").format(what=text, place=place)
    return _("{what} (folder {place} absent?).").format(what=text, place=place)


def removal_sentences(found: Mapping[str, Any]) -> list[str]:
    """What removing does and what it leaves."""
    missing, series, emptied = int(found["missing"]), len(found["missing_series"]), int(found["emptied"])
    images = plural(missing, "{count} image", "{count} images")
    of_series = plural(series, "{count} series", "{count} series")
    lines = [_("Remove {images} of {series} from the local database?").format(images=images, series=of_series)]
    lines.append(_("Their files are gone. No file is deleted, and nothing is removed from any server."))
    if emptied:
        lines.append(
            plural(
                emptied,
                "{count} series goes away: none of its files is left.",
                "{count} series go away: none of their files is left.",
            )
        )
    if series > emptied:
        count = series - emptied
        lines.append(
            plural(
                count, "{count} series stays with the files it has.", "{count} series stay with the files they have."
            )
        )
    return lines


def outcome_text(kind: str, result: Mapping[str, Any]) -> str:
    """What a job on files that are gone, or on a database made anew, came to; empty for any other kind."""
    if kind == "find_files":
        if not result["missing"]:
            return _("No file of the database is missing.")
        missing = plural(int(result["missing"]), "{count} missing file", "{count} missing files")
        return _("{found} of {missing} found.").format(found=f"{int(result['found']):,}", missing=missing)
    if kind == "remove_missing":
        text = plural(
            int(result["instances"]),
            "{count} image whose file is gone was removed from the database.",
            "{count} images whose files are gone were removed from the database.",
        )
        series = len(result["series_uids"])
        went = plural(series, "{count} series went away.", "{count} series went away.")
        return f"{text} {went}" if series else text
    if kind == "rebuild":
        count = int(result["imported"]) + int(result["unchanged"])
        text = plural(
            count,
            "The database was made anew with {count} image.",
            "The database was made anew with {count} images.",
        )
        gone = int(result["gone"])
        lost = plural(gone, "{count} linked file is not there.", "{count} linked files are not there.")
        kept = _("The damaged file is kept as {path}.").format(path=result["kept"])
        return " ".join([text, lost, kept] if gone else [text, kept])
    return ""
