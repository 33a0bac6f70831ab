"""What the row of a job says: task, what, progress, time and note. Pure functions, no Qt.

Each takes the job as the engine tells it (`JobRecord.as_dict`) and, where it matters, the state of all jobs.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from VisualDICOMBrowserLib.widgets.jobs.state import FINISHED, JobsState, needs_attention
from VisualDICOMBrowserLib.widgets.language import _, plural
from VisualDICOMBrowserLib.widgets.wording import size_text

__all__ = [
    "Progress",
    "bundle_task",
    "clock_time",
    "countdown",
    "gives_up_at",
    "icon_of",
    "missing_count",
    "note_of",
    "progress_of",
    "server_limit",
    "short_reason",
    "span_text",
    "speed_text",
    "task_of",
    "time_of",
    "what_of",
]

_ICONS = {
    "retrieve": "cloud-down",
    "send": "send",
    "import": "import",
    "find": "search",
    "echo": "server",
    "test": "server",
    "thumbnail": "layers",
    "remove": "trash",
    "prefetch": "cloud-down",
    "worklist": "calendar",
}
_HELD_OFFLINE = ("find", "worklist", "retrieve", "send", "prefetch")
_STATE_ICONS = {
    "failed": ("cross-circle", "error"),
    "partly": ("cross-circle", "error"),
    "waiting": ("retry", "warn"),
    "queued": ("clock", "mid"),
    "paused": ("pause", "mid"),
    "done": ("check-circle", "ok"),
    "cancelled": ("stop", "mid"),
}
_HIGH, _HIGHEST = 20, 30
_WORK = {"query": ("find", "echo", "worklist"), "fetch": ("retrieve",), "send": ("send",)}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: a few words, the token of their colour, and the share done where a bar is due."""

    text: str = ""
    tone: str = "text"
    share: float | None = None


def task_of(job: Mapping[str, Any]) -> str:
    """What is done, such as ``Fetch series``."""
    kind, concerns = str(job["kind"]), job.get("concerns") or {}
    series = len(concerns.get("series") or ())
    if kind in ("retrieve", "send") and series > 1:
        one, many = ("Fetch series", "Fetch {count} series") if kind == "retrieve" else ("Send series", _SEND_MANY)
        return plural(series, one, many)
    if kind == "retrieve":
        return _("Fetch series") if series else _("Fetch study")
    if kind == "send":
        return _("Send series") if series else _("Send study") if concerns.get("study") else _("Send")
    return {
        "import": _("Import"),
        "find": _("Query"),
        "echo": _("Test"),
        "test": _("Test"),
        "thumbnail": _("Make pictures"),
        "remove": _("Delete"),
        "prefetch": _("Fetch ahead"),
        "worklist": _("Worklist"),
        "check": _("Check database"),
        "find_files": _("Find files"),
        "remove_missing": _("Remove missing files"),
        "rebuild": _("Rebuild database"),
    }.get(kind, kind.capitalize())


_SEND_MANY = "Send {count} series"


def bundle_task(job: Mapping[str, Any], count: int) -> str:
    """What many jobs like this one do."""
    if job["kind"] == "retrieve" and (job.get("concerns") or {}).get("series"):
        return plural(count, "Fetch series", "Fetch {count} series")
    return _("{task}, {count} times").format(task=task_of(job), count=f"{count:,}")


def what_of(job: Mapping[str, Any]) -> str:
    """What a job is about: its label."""
    label = str(job.get("label") or "")
    return "" if label in (task_of(job), "Query", "Test", "Echo", "Pictures", "Worklist", "Fetching ahead") else label


def icon_of(job: Mapping[str, Any]) -> tuple[str, str]:
    """Name and colour token of the icon that says kind or state."""
    return _STATE_ICONS.get(str(job["state"])) or (_ICONS.get(str(job["kind"]), "gear"), "accent")


def progress_of(job: Mapping[str, Any], state: JobsState) -> Progress:
    """How far a job is."""
    name = str(job["state"])
    done, total = int(job.get("progress_done") or 0), job.get("progress_total")
    amount = f"{done:,} / {total:,}" if total else f"{done:,}" if done else ""
    if job.get("cancel_requested") and name not in FINISHED:
        return Progress(_("Cancelling"), "mid")
    if job.get("pause_requested") and name == "running":
        return Progress(_("Pausing"), "mid", done / total if total else None)
    if name == "running":
        speed = state.speed(str(job["job_id"]))
        text = f"{amount}, {speed_text(speed)}" if amount and speed > 0 else amount or _("Started")
        return Progress(text, "text", min(1.0, done / total) if total else None)
    if name == "waiting":
        left = max(0.0, float(job.get("next_try") or 0) - state.clock())
        return Progress(_("Next try in {time}").format(time=countdown(left)), "warn")
    if name == "paused":
        return Progress(_("Paused at {amount}").format(amount=amount) if amount else _("Paused"), "mid")
    if name == "queued":
        return Progress(plural(int(total), "{count} image", "{count} images") if total else amount, "mid")
    return _outcome(job)


def _outcome(job: Mapping[str, Any]) -> Progress:
    result, name = job.get("result") or {}, str(job["state"])
    if name == "cancelled":
        return Progress(_("Cancelled"), "mid")
    if needs_attention(job):
        missing = missing_count(job)
        if not missing:
            return Progress(_("Failed"), "error")
        if job["kind"] == "import":
            return Progress(plural(missing, "{count} file rejected", "{count} files rejected"), "error")
        total = max(missing, missing + int(result.get("done_count") or 0), int(job.get("progress_total") or 0))
        words = _("{missing} of {total} images not sent") if job["kind"] == "send" else None
        words = words or _("{missing} of {total} images missing")
        return Progress(words.format(missing=f"{missing:,}", total=f"{total:,}"), "error")
    if job["kind"] == "find":
        more = result.get("limit_reached")
        words = _("First {count} found, more exist") if more else _("{count} found")
        return Progress(words.format(count=f"{int(result.get('count') or 0):,}"), "mid")
    if job["kind"] == "import":
        return Progress(_imported(result), "mid")
    count = int(result.get("done_count") or job.get("progress_total") or 0)
    return Progress(plural(count, "{count} image", "{count} images") if count else _("Done"), "mid")


def _imported(result: Mapping[str, Any]) -> str:
    new, known = int(result.get("imported") or 0), int(result.get("unchanged") or 0)
    text = plural(new, "{count} new image", "{count} new images")
    return _("{new}, {known} known").format(new=text, known=f"{known:,}") if known else text


def missing_count(job: Mapping[str, Any]) -> int:
    """How many objects a finished job did not get, send or take."""
    return int((job.get("result") or {}).get("failed_count") or 0)


def time_of(job: Mapping[str, Any], state: JobsState) -> str:
    """Time left, which attempt is next, the place in the queue, or when it ended."""
    name, job_id = str(job["state"]), str(job["job_id"])
    if name == "running":
        left = state.left_s(job_id)
        return "" if left is None else _("{time} left").format(time=span_text(left))
    if name == "waiting":
        return _("attempt {number}").format(number=int(job.get("attempts") or 0) + 1)
    if name == "queued":
        place = state.place(job_id)
        return _("next") if place == 1 else _("no. {number}").format(number=f"{place:,}") if place else ""
    return clock_time(job.get("finished"), state.clock()) if name in FINISHED else ""


def note_of(job: Mapping[str, Any], state: JobsState, max_waiting_s: float | None = None, limit: int = 0) -> str:
    """What else is worth knowing: the reason, when it gives up, why it goes first, how often it was asked for.

    `limit` is how many jobs its server lets run at once, if that is what a queued job waits for, else 0.
    """
    parts, name = [], str(job["state"])
    if state.offline and name in ("queued", "waiting") and job["kind"] in _HELD_OFFLINE:
        return _("Working offline")
    reason = short_reason(job)
    if reason and name != "running":
        parts.append(reason)
    if name == "waiting" and (until := gives_up_at(job, max_waiting_s)) is not None:
        parts.append(_("gives up at {time}").format(time=clock_time(until, state.clock())))
    if name == "queued" and int(job.get("priority") or 0) >= _HIGH:
        selected = int(job["priority"]) >= _HIGHEST
        parts.append(_("high priority: selected") if selected else _("high priority"))
    if name == "queued" and limit:
        parts.append(_("server limit: {count} at a time").format(count=limit))
    if name == "paused" and not reason:
        since = state.paused_at(str(job["job_id"]))
        words = _("paused by you at {time}") if since else _("paused by you")
        parts.append(words.format(time=clock_time(since, state.clock())))
    if name == "running" and int(job.get("attempts") or 0) > 1:
        parts.append(_("attempt {number}").format(number=job["attempts"]))
    if job.get("merged"):
        parts.append(_("asked {count} times").format(count=int(job["merged"]) + 1))
    return ", ".join(parts)


def server_limit(job: Mapping[str, Any], state: JobsState, server: Mapping[str, Any] | None) -> int:
    """How many jobs a server lets run at once, if a queued job waits for that, else 0."""
    if server is None or job["state"] != "queued":
        return 0
    kinds, most = state.running_at(str(job.get("server") or "")), int(server.get("max_associations") or 0)
    work = next((name for name, of_it in _WORK.items() if job["kind"] in of_it), "")
    own = int(server.get(f"{work}_workers") or 0)
    if own and sum(kind in _WORK[work] for kind in kinds) >= min(own, most or own):
        return min(own, most or own)
    return most if most and len(kinds) >= most else 0


def short_reason(job: Mapping[str, Any]) -> str:
    """Why a job failed, waits or is incomplete, without the server's name and the full stop."""
    result = job.get("result") or {}
    message = str((job.get("error") or {}).get("message") or "") or str(result.get("reason") or "")
    server = str(job.get("server") or "")
    for opening in (f"{server}: ", f"{server} ") if server else ():
        message = message.removeprefix(opening)
    return message.rstrip(". ")


def gives_up_at(job: Mapping[str, Any], max_waiting_s: float | None) -> float | None:
    """Unix time after which a waiting job is not tried again; None if it is not known."""
    failing = job.get("failing") or {}
    if max_waiting_s is None or not job.get("next_try"):
        return None
    failed_at = float(job["next_try"]) - float(failing.get("wait_s") or 0)
    return failed_at + max(0.0, max_waiting_s - float(failing.get("lasted_s") or 0))


def speed_text(speed: float) -> str:
    """Bytes per second with a fitting unit: ``22 MB/s``, ``0.4 MB/s``, ``80 kB/s``."""
    if 100_000 <= speed < 10_000_000:
        return f"{speed / 1_000_000:.1f} MB/s"
    return f"{size_text(speed)}/s"


def span_text(seconds: float) -> str:
    """A span as time left is told: ``3 s``, ``4 min``, ``2 h 10 min``."""
    if seconds < 90:
        return _("{count} s").format(count=max(1, round(seconds)))
    minutes = round(seconds / 60)
    if minutes < 90:
        return _("{count} min").format(count=minutes)
    return _("{hours} h {minutes} min").format(hours=minutes // 60, minutes=minutes % 60)


def countdown(seconds: float) -> str:
    """A span that is watched: ``0:38``, ``12:05``, ``1:00:00``."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def clock_time(at: float | None, now: float) -> str:
    """A Unix time as the time of day, with its date unless that is today."""
    if not at:
        return ""
    when, today = time.localtime(at), time.localtime(now)
    same = (when.tm_year, when.tm_yday) == (today.tm_year, today.tm_yday)
    return time.strftime("%H:%M" if same else "%Y-%m-%d %H:%M", when)
