"""What the details of a job say: title, sentence, best next action, facts, log, rejected files. Pure, no Qt."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from VisualDICOMBrowserLib.widgets.gone_words import gone_text, outcome_text
from VisualDICOMBrowserLib.widgets.jobs.feed import JobsFeed
from VisualDICOMBrowserLib.widgets.jobs.remedies import Remedy, remedies_of
from VisualDICOMBrowserLib.widgets.jobs.state import Job
from VisualDICOMBrowserLib.widgets.jobs.words import clock_time, countdown, gives_up_at, missing_count, task_of
from VisualDICOMBrowserLib.widgets.language import _, plural

__all__ = [
    "NextStep",
    "Rejected",
    "facts_of",
    "log_text",
    "next_steps",
    "rejected_of",
    "sentence_of",
    "series_of",
    "table_text",
    "title_of",
]

_LONG = 2000
_DAY_S = 86400


@dataclass(frozen=True, slots=True)
class NextStep:
    """A button: the name of an action of ``acts``, or ``load``, ``show``, ``remedy``; its words and icon."""

    name: str
    words: str
    icon: str = ""
    remedy: Remedy | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A file or object that did not make it, and why."""

    what: str
    reason: str


def title_of(job: Mapping[str, Any], what: str) -> str:
    """The heading of the details."""
    subject = what or task_of(job)
    state = str(job["state"])
    if state == "partly":
        words = _("{what} is incomplete") if job["kind"] != "import" else _("Import with rejected files")
        return words.format(what=subject)
    words = {
        "failed": _("{what} failed"),
        "waiting": _("{what} waits for another try"),
        "queued": _("{what} is queued"),
        "paused": _("{what} is paused"),
        "cancelled": _("{what} was cancelled"),
        "done": _("{what} is done"),
    }.get(state, "{what}")
    return words.format(what=subject)


def sentence_of(job: Mapping[str, Any], feed: JobsFeed) -> str:
    """What happened, what is kept, and when it goes on by itself."""
    result, state = job.get("result") or {}, str(job["state"])
    error = job.get("error") or {}
    parts = [" ".join(str(error.get(key) or "") for key in ("message", "next_step")).strip()]
    if not parts[0]:
        parts = [str(result.get("reason") or "")]
    parts += _kept(job, result)
    if state == "waiting":
        parts += _reached(job)
        left = max(0.0, float(job.get("next_try") or 0) - feed.state.clock())
        parts.append(_("Next try in {time}; it goes on from where it stopped.").format(time=countdown(left)))
        until = gives_up_at(job, feed.max_waiting_s(dict(job)))
        if until is not None:
            parts.append(_("Gives up at {time}.").format(time=clock_time(until, feed.state.clock())))
    elif state == "paused":
        parts.append(_("It rests until it is resumed, also over restarts. What came is kept."))
    elif state == "queued" and (place := feed.state.place(str(job["job_id"]))):
        parts.append(_("It starts next.") if place == 1 else _("It is number {n} of the queue.").format(n=place))
    return " ".join(part for part in parts if part)


def _reached(job: Mapping[str, Any]) -> list[str]:
    """How much of a job that goes on later is done."""
    done, total = int(job.get("progress_done") or 0), job.get("progress_total")
    if not done or job["kind"] not in ("retrieve", "send"):
        return []
    fetched = job["kind"] == "retrieve"
    if not total:
        one, many = ("{count} image is here.", "{count} images are here.")
        if not fetched:
            one, many = ("{count} image is sent.", "{count} images are sent.")
        return [plural(done, one, many)]
    words = _("{done} of {total} images are here.") if fetched else _("{done} of {total} images are sent.")
    return [words.format(done=f"{done:,}", total=f"{int(total):,}")]


def _kept(job: Mapping[str, Any], result: Mapping[str, Any]) -> list[str]:
    """What is missing and what is kept."""
    missing, kept = missing_count(job), int(result.get("done_count") or 0)
    kind = job["kind"]
    if result and kind == "check":
        files = plural(int(result["files"]), "{count} file was looked for.", "{count} files were looked for.")
        return [files, gone_text(result)] if result["missing"] else [files, _("All of them are there.")]
    if result and (told := outcome_text(kind, result)):
        return [told]
    if kind == "import" and result:
        taken = int(result.get("imported") or 0) + int(result.get("unchanged") or 0)
        words = plural(taken, "{count} image is in the database.", "{count} images are in the database.")
        rejected = plural(missing, "{count} file was not taken.", "{count} files were not taken.")
        return [words, rejected] if missing else [words]
    if not missing or kind not in ("retrieve", "send"):
        return []
    if kind == "send":
        words = _("{sent} images were sent and confirmed, {missing} were not.")
        return [words.format(sent=f"{kept:,}", missing=f"{missing:,}")]
    total = f"{missing + kept:,}"
    parts = [_("{missing} of {total} images are missing.").format(missing=f"{missing:,}", total=total)]
    if kept:
        parts.append(
            plural(kept, "{count} image is kept and can be loaded.", "{count} images are kept and can be loaded.")
        )
    return parts


def next_steps(job: Mapping[str, Any], server: Mapping[str, Any] | None = None) -> list[NextStep]:
    """What to do now, the best first; `server` has the settings of the job's one.

    What mends the cause of a failure comes before another try, and after it where that will come by itself.
    """
    steps = _usual_steps(job)
    mending = [NextStep("remedy", _(each.words), each.icon, each) for each in remedies_of(job, server)]
    if mending and job["kind"] in ("check", "find_files") and job["state"] in ("done", "partly"):
        return mending
    if str(job["state"]) not in ("failed", "partly", "waiting", "paused"):
        return steps
    if job["state"] == "waiting" or not mending:
        return [*steps[:1], *mending[:1], *steps[1:]]
    return [*mending[:2], *steps] if job["state"] == "failed" else [*mending[:1], *steps]


def _usual_steps(job: Mapping[str, Any]) -> list[NextStep]:
    state, kind, missing = str(job["state"]), str(job["kind"]), missing_count(job)
    steps: list[NextStep] = []
    if state in ("failed", "partly", "cancelled"):
        steps.append(NextStep("retry", _again(kind, missing), "retry"))
        if kind == "retrieve" and int((job.get("result") or {}).get("done_count") or 0) and series_of(job):
            steps.append(NextStep("load", _("Load what is there")))
    elif state == "waiting":
        steps += [NextStep("now", _("Try now"), "play"), NextStep("cancel", _("Cancel"))]
    elif state == "queued":
        steps += [NextStep("top", _("Move to top"), "to-top"), NextStep("cancel", _("Cancel"))]
    elif state == "paused":
        steps += [NextStep("resume", _("Resume"), "play"), NextStep("cancel", _("Cancel"))]
    elif state == "running":
        steps += [NextStep("pause", _("Pause"), "pause"), NextStep("cancel", _("Cancel"))]
    elif kind in ("retrieve", "import") and series_of(job):
        steps.append(NextStep("load", _("Load"), "cube"))
    return steps


def series_of(job: Mapping[str, Any]) -> list[str]:
    """Series of a job that are in the database."""
    named = (job.get("concerns") or {}).get("series") or []
    return [str(uid) for uid in (job.get("result") or {}).get("series_uids") or named]


def _again(kind: str, missing: int) -> str:
    if missing and kind == "retrieve":
        return plural(missing, "Fetch the missing one", "Fetch the {count} missing")
    if missing and kind == "send":
        return plural(missing, "Send the missing one", "Send the {count} missing")
    return _("Import again") if kind == "import" else _("Try again")


def facts_of(job: Mapping[str, Any], now: float) -> str:
    """One line of what else is known: server, begin, starts, how often it was asked for."""
    parts = [str(job.get("server") or "")]
    if job.get("started"):
        parts.append(_("started {time}").format(time=clock_time(job["started"], now)))
    elif job.get("created"):
        parts.append(_("asked {time}").format(time=clock_time(job["created"], now)))
    if job.get("finished"):
        parts.append(_("ended {time}").format(time=clock_time(job["finished"], now)))
    if int(job.get("attempts") or 0) > 1:
        parts.append(_("{count} attempts").format(count=job["attempts"]))
    if job.get("merged"):
        parts.append(_("asked {count} times").format(count=int(job["merged"]) + 1))
    return ", ".join(part for part in parts if part)


def log_text(job: Mapping[str, Any], technical: bool) -> str:
    """The log of a job as the command ``job`` tells it; `technical` adds ids, parameters and every start."""
    lines = _course(job)
    if not technical:
        return "\n".join(lines)
    head = [f"job {job['job_id']}, kind {job['kind']}, state {job['state']}, priority {job.get('priority')}"]
    head.append("parameters " + _cut(json.dumps(job.get("parameters") or {}, ensure_ascii=False)))
    if job.get("error"):
        head.append("error " + _cut(json.dumps(job["error"], ensure_ascii=False)))
    for start in job.get("starts") or ():
        end = _stamp(start.get("finished")) or "-"
        line = f"start {start['number']}: {_stamp(start['started'])} to {end}, {start.get('outcome') or 'running'}"
        error = start.get("error") or {}
        head.append(f"{line}, {error.get('code', '')}: {error.get('message', '')}" if error else line)
    return "\n".join([*head, "", *lines])


def _course(job: Mapping[str, Any]) -> list[str]:
    """The lines of the log between those that say when the job was asked for, began and ended, in order of time."""
    created = float(job.get("created") or 0)
    told: list[tuple[float, int, str]] = [(created, 0, _("Asked for."))] if created else []
    for start in job.get("starts") or ():
        number = int(start.get("number") or 1)
        words = _("Started.") if number == 1 else _("Attempt {number} started.").format(number=number)
        told.append((float(start["started"]), 0, words))
    if job.get("finished"):
        ends = {
            "done": _("Done."),
            "partly": _("Ended incomplete."),
            "failed": _("Failed."),
            "cancelled": _("Cancelled."),
        }
        told.append((float(job["finished"]), 2, ends.get(str(job["state"]), _("Ended."))))
    lines = [(at, order, f"{time.strftime('%H:%M:%S', time.localtime(at))} {text}") for at, order, text in told]
    at = created
    for line in job.get("log") or ():
        at = _time_of_line(str(line), at)
        lines.append((at, 1, str(line)))
    # Lines bear whole seconds, so that within a second only their kind tells what came first.
    return [text for _at, _order, text in sorted(lines, key=lambda each: (int(each[0]), each[1]))]


def _time_of_line(line: str, not_before: float) -> float:
    """Unix time of a line that bears only the time of day: the first such time that is not before another."""
    try:
        clock = time.strptime(line[:8], "%H:%M:%S")
    except ValueError:
        return not_before
    day = time.localtime(not_before)
    at = time.mktime((*day[:3], clock.tm_hour, clock.tm_min, clock.tm_sec, 0, 0, -1))
    return at if at >= int(not_before) else at + _DAY_S


def _stamp(at: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)) if at else ""


def _cut(text: str) -> str:
    return text if len(text) <= _LONG else text[:_LONG] + " ..."


def rejected_of(job: Job) -> list[Rejected]:
    """Files that an import did not take, or objects that did not come or go, each with its reason."""
    result = job.get("result") or {}
    listed: Sequence[Mapping[str, Any]] = [
        *(result.get("rejected") or ()),
        *(result.get("conflicts") or ()),
        *(result.get("failed") or ()),
        *(result.get("failures") or ()),
    ]
    keys = ("path", "SOPInstanceUID", "SeriesInstanceUID")
    return [
        Rejected(next((str(item[key]) for key in keys if item.get(key)), ""), str(item.get("reason") or ""))
        for item in listed
    ]


def table_text(rejected: Sequence[Rejected]) -> str:
    """The list as a table of comma-separated values, which spreadsheets open."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["file or object", "reason"])
    writer.writerows((item.what, item.reason) for item in rejected)
    return out.getvalue()
