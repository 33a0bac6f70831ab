"""How values read to a person: dates, names, counts, states of jobs. Pure functions, standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["counted", "job_progress", "job_title", "person_name", "result_sentence", "size_text", "written_date"]

_TITLES = {
    "import": "Import",
    "find": "Query",
    "echo": "Test",
    "retrieve": "Fetch",
    "thumbnail": "Pictures",
    "remove": "Remove",
}


def counted(number: int, singular: str, plural: str = "") -> str:
    """``"1 image"``, ``"1,200 images"``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def written_date(value: str) -> str:
    """DICOM DA text as an ISO date; what is no date stays as it is."""
    if len(value) == 8 and value.isdigit():
        return f"{value[:4]}-{value[4:6]}-{value[6:]}"
    return value


def person_name(value: str) -> str:
    """DICOM PN text as ``Family, Given``, of its first group that is not empty (DICOM PS3.5 6.2.1)."""
    group = next((part for part in value.split("=") if part.strip("^ ")), "")
    family, given, *_ = [*(part.strip() for part in group.split("^")), "", ""]
    return ", ".join(part for part in (family, given) if part)


def size_text(size: float) -> str:
    """A number of bytes with a fitting unit."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def job_title(job: Mapping[str, Any]) -> str:
    """What a job does, as its row says it."""
    verb = _TITLES.get(str(job.get("kind")), str(job.get("kind")))
    label = str(job.get("label") or "")
    return verb if label in ("", verb) else f"{verb}: {label}"


def job_progress(job: Mapping[str, Any]) -> str:
    """How far a job is, in words."""
    state = str(job.get("state"))
    if job.get("cancel_requested") and job.get("finished") is None:
        return "Cancelling"
    if state == "running":
        done, total = job.get("progress_done") or 0, job.get("progress_total")
        amount = f"{done:,} of {total:,}" if total else f"{done:,}" if done else "Running"
        received = job.get("received_bytes") or 0
        return f"{amount}, {size_text(received)}" if received else amount
    if state == "failed":
        return f"Failed: {(job.get('error') or {}).get('message', '')}"
    if state in ("done", "partly"):
        return result_sentence(job)
    return state.capitalize()


def result_sentence(job: Mapping[str, Any]) -> str:
    """What a job that ended has brought."""
    result = job.get("result") or {}
    failed = int(result.get("failed_count") or 0)
    kind = job.get("kind")
    if kind == "find":
        more = ", more exist" if result.get("limit_reached") else ""
        return f"{result.get('count', 0):,} found{more}"
    if kind == "echo":
        return f"Answered in {float(result.get('seconds', 0)):.2f} s"
    parts = []
    if "imported" in result:
        parts.append(f"{counted(int(result['imported']), 'image')} new")
        known = int(result.get("unchanged") or 0) + int(result.get("present") or 0)
        if known:
            parts.append(f"{known:,} here before")
    if failed:
        parts.append(f"{failed:,} rejected" if kind == "import" else f"{failed:,} missing")
    return ", ".join(parts) or "Done"
