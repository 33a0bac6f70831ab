"""All jobs as they stand: by id and by series, their speed, their place in the queue, and their sum.

Knows no Qt and no engine; times come from the clock that is given. One object is shared by the job list, the status
line and the patient page.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["FINISHED", "Job", "JobsState", "JobsSummary", "needs_attention"]

Job = dict[str, Any]

FINISHED = frozenset({"done", "partly", "failed", "cancelled"})
_ATTENTION = frozenset({"partly", "failed"})
# Of several jobs about one series, the first of these states is the one to show.
_URGENCY = ("running", "waiting", "queued", "paused", "failed", "partly", "done", "cancelled")
_WINDOW_S = 6.0
_SHORTEST_S = 0.5
_TRANSFERS = frozenset({"retrieve", "send", "import"})


@dataclass(frozen=True, slots=True)
class JobsSummary:
    """Counts by state, and of what runs the speed (bytes per second), the share done and the time left.

    ``share`` and ``left_s`` are None where nobody knows.
    """

    running: int = 0
    waiting: int = 0
    queued: int = 0
    paused: int = 0
    attention: int = 0
    done: int = 0
    speed: float = 0.0
    share: float | None = None
    left_s: float | None = None

    @property
    def unfinished(self) -> int:
        """How many have not ended."""
        return self.running + self.waiting + self.queued + self.paused


class _Course:
    """The last seconds of one running job: when it had how many bytes and images."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, float, float]] = deque()

    def note(self, now: float, received: float, done: float) -> None:
        points = self._points
        if points and (received < points[-1][1] or done < points[-1][2]):
            points.clear()
        points.append((now, received, done))
        while len(points) > 2 and points[1][0] < now - _WINDOW_S:
            points.popleft()

    def rates(self, now: float) -> tuple[float, float]:
        """Bytes and images per second, up to now."""
        first, last = self._points[0], self._points[-1]
        span = now - first[0]
        if span < _SHORTEST_S or now - last[0] > 2 * _WINDOW_S:
            return 0.0, 0.0
        return (last[1] - first[1]) / span, (last[2] - first[2]) / span


class JobsState:
    """Jobs as the engine told of them (`JobRecord.as_dict`), kept by `replace` and `update`.

    Parameters
    ----------
    clock : Callable[[], float]
        Unix time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._jobs: dict[str, Job] = {}
        self._courses: dict[str, _Course] = {}
        self._by_series: dict[str, set[str]] = {}
        self._by_study: dict[str, set[str]] = {}
        self._places: dict[str, int] | None = None
        self._running: dict[str, list[str]] | None = None
        self.offline = False
        self._paused_at: dict[str, float] = {}

    def replace(self, jobs: Iterable[Mapping[str, Any]]) -> None:
        """Take these jobs, the newest last, in place of all that were known."""
        self._jobs.clear()
        self._by_series.clear()
        self._by_study.clear()
        self._places = self._running = None
        for job in jobs:
            self.update(job)
        self._courses = {key: course for key, course in self._courses.items() if key in self._jobs}

    def update(self, job: Mapping[str, Any]) -> None:
        """Take what is new of one job."""
        job_id = str(job["job_id"])
        before = self._jobs.get(job_id)
        self._jobs[job_id] = dict(job)
        if before is None:
            self._index(job_id, job)
        if before is None or before["state"] != job["state"] or before["priority"] != job["priority"]:
            self._places = self._running = None
        if before is not None and before["state"] != "paused" and job["state"] == "paused":
            self._paused_at[job_id] = self.clock()
        if job["state"] == "running":
            course = self._courses.setdefault(job_id, _Course())
            course.note(self.clock(), float(job.get("received_bytes") or 0), float(job.get("progress_done") or 0))
        else:
            self._courses.pop(job_id, None)

    def jobs(self) -> list[Job]:
        """All jobs, the oldest first."""
        return list(self._jobs.values())

    def get(self, job_id: str) -> Job | None:
        """One job, None if it is not known."""
        return self._jobs.get(job_id)

    def by_series(self, series: str, study: str = "", kinds: Iterable[str] = ("retrieve",)) -> Job | None:
        """The job that brings a series, alone or with its study; the most urgent one, of these the newest."""
        of_study = {key for key in self._by_study.get(study, ()) if not self._jobs[key]["concerns"]["series"]}
        wanted = frozenset(kinds)
        found = [self._jobs[key] for key in self._by_series.get(series, set()) | of_study]
        found = [job for job in found if job["kind"] in wanted]
        return min(found, key=_urgency) if found else None

    def by_study(self, study: str, kinds: Iterable[str] = ("retrieve",)) -> list[Job]:
        """Jobs about a study or about series of it, the oldest first."""
        wanted = frozenset(kinds)
        known = self._by_study.get(study, set())
        return [job for key, job in self._jobs.items() if key in known and job["kind"] in wanted]

    def speed(self, job_id: str) -> float:
        """Bytes per second that a running job receives or sends; 0 if it is not known yet."""
        course = self._courses.get(job_id)
        return course.rates(self.clock())[0] if course else 0.0

    def left_s(self, job_id: str) -> float | None:
        """Seconds that a running job still needs at the pace of its last seconds; None if nobody knows."""
        course, job = self._courses.get(job_id), self._jobs.get(job_id)
        if course is None or job is None or not job.get("progress_total"):
            return None
        rate = course.rates(self.clock())[1]
        missing = max(0, int(job["progress_total"]) - int(job.get("progress_done") or 0))
        return missing / rate if rate > 0 else None

    def place(self, job_id: str) -> int:
        """The place of a queued job in the queue, 1 for what starts next; 0 if it is not queued."""
        if self._places is None:
            queued = [job for job in self._jobs.values() if job["state"] == "queued"]
            queued.sort(key=lambda job: (-int(job["priority"]), float(job.get("created") or 0)))
            self._places = {str(job["job_id"]): number for number, job in enumerate(queued, start=1)}
        return self._places.get(job_id, 0)

    def paused_at(self, job_id: str) -> float | None:
        """Unix time at which a job was seen to be paused; None if that was before this session."""
        return self._paused_at.get(job_id)

    def running_at(self, server: str) -> list[str]:
        """The kinds of the jobs that run at a server."""
        if self._running is None:
            self._running = {}
            for job in self._jobs.values():
                if job["state"] == "running" and job.get("server"):
                    self._running.setdefault(str(job["server"]), []).append(str(job["kind"]))
        return self._running.get(server, [])

    def highest_priority(self) -> int:
        """The highest priority of a queued job, 0 if there is none."""
        return max((int(job["priority"]) for job in self._jobs.values() if job["state"] == "queued"), default=0)

    def summary(self) -> JobsSummary:
        """Counts, speed, share and time left of all jobs together."""
        counts: dict[str, int] = {}
        for job in self._jobs.values():
            counts[job["state"]] = counts.get(job["state"], 0) + 1
        running = [job for job in self._jobs.values() if job["state"] == "running" and job["kind"] in _TRANSFERS]
        known = [job for job in running if job.get("progress_total")]
        total = sum(int(job["progress_total"]) for job in known)
        done = sum(int(job.get("progress_done") or 0) for job in known)
        lefts = [left for job in known if (left := self.left_s(str(job["job_id"]))) is not None]
        return JobsSummary(
            running=counts.get("running", 0),
            waiting=counts.get("waiting", 0),
            queued=counts.get("queued", 0),
            paused=counts.get("paused", 0),
            attention=sum(counts.get(state, 0) for state in _ATTENTION),
            done=counts.get("done", 0) + counts.get("cancelled", 0),
            speed=sum(self.speed(str(job["job_id"])) for job in running),
            share=done / total if total else None,
            left_s=max(lefts) if lefts else None,
        )

    def _index(self, job_id: str, job: Mapping[str, Any]) -> None:
        concerns = self._jobs[job_id].setdefault("concerns", {"study": "", "series": []})
        if concerns.get("study"):
            self._by_study.setdefault(concerns["study"], set()).add(job_id)
        for series in concerns.get("series", ()):
            self._by_series.setdefault(series, set()).add(job_id)


def needs_attention(job: Mapping[str, Any]) -> bool:
    """Whether a job ended without all that was asked of it."""
    return job.get("state") in _ATTENTION


def _urgency(job: Mapping[str, Any]) -> tuple[int, float]:
    state = str(job["state"])
    # What ended tells less the older it is: the last fetch counts, whatever became of the ones before.
    if state in FINISHED:
        return len(_URGENCY), -float(job.get("finished") or 0)
    return _URGENCY.index(state), -float(job.get("created") or 0)
