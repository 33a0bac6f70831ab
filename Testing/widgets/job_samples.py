"""Jobs as the engine tells them, in every state, for tests of the views."""

from __future__ import annotations

import time
from typing import Any

from VisualDICOMBrowserLib.jobs.job import FailureRun, JobRecord
from VisualDICOMBrowserLib.jobs.states import JobState

NOW = time.mktime((2026, 8, 19, 12, 0, 0, 0, 0, -1))


def brief(
    number: int, state: str, label: str = "", *, kind: str = "retrieve", study: str = "", series: str = "", **more: Any
) -> dict[str, Any]:
    """One job as events tell it; fields of `JobRecord` may be given."""
    parameters = {"StudyInstanceUID": study or f"1.2.{number}", "SeriesInstanceUID": series or f"1.2.{number}.1"}
    if kind == "import":
        parameters = {"paths": ["/incoming"], "copy": True}
    elif kind == "find":
        parameters = {"query": {"level": "STUDY", "PatientID": "DEMO-004217"}}
    elif kind == "send":
        parameters = {"level": "STUDY", "uids": [study or f"1.2.{number}"]}
    given = {"server": "Main PACS", "created": NOW - 600 + number, "attempts": 1, **more}
    record = JobRecord(
        job_id=f"{kind}-{number}", kind=kind, label=label, state=JobState(state), parameters=parameters, **given
    )
    return record.as_dict(brief=True)


def failure(message: str, code: str = "busy", server: str = "Main PACS") -> dict[str, Any]:
    """An error as jobs carry it."""
    return {"type": "PeerError", "message": message, "code": code, "server": server, "subject": "", "next_step": ""}


def one_of_each(now: float = NOW) -> list[dict[str, Any]]:
    """The jobs of the design's picture."""
    waiting = {"next_try": now + 38, "failing": FailureRun(count=2, since=now - 60, lasted_s=60.0, wait_s=8.0)}
    missing = [{"SOPInstanceUID": f"1.9.{number}", "reason": "out of resources"} for number in range(96)]
    partly = {
        "result": {"failed_count": 96, "done_count": 114, "failed": missing, "series_uids": ["1.2.1.1"]},
        "error": failure("Main PACS stopped after 114 of 210 images because it ran out of resources.", "a702"),
        "finished": now - 600,
        "progress_done": 114,
        "progress_total": 210,
        "attempts": 3,
    }
    busy = {**waiting, "attempts": 2, "error": failure("Main PACS: busy.")}
    refused = {
        "next_try": now + 112,
        "failing": FailureRun(count=1, since=now - 8, wait_s=120.0),
        "error": failure("Old PACS: connection refused.", "refused", "Old PACS"),
        "server": "Old PACS",
    }
    big = {"progress_done": 61, "progress_total": 100, "received_bytes": 120_000_000}
    small = {"progress_done": 112, "progress_total": 300}
    sent = {"progress_done": 2050, "progress_total": 4812, "server": "Research archive", "started": now - 250}
    jobs = [
        brief(1, "partly", "SAMPLE, Priya \u00b7 CT 3 Spine bone 2.0", **partly),
        brief(2, "running", "DEMO, Jane \u00b7 MR 9 T1 post Gd cor", started=now - 6, **big),
        brief(3, "running", "DEMO, Jane \u00b7 MR 8 fMRI rest", started=now - 5, merged=2, **small),
        brief(4, "running", "MUSTER, Max \u00b7 CT thorax/abdomen", kind="send", **sent),
        brief(5, "waiting", "DEMO, Jane \u00b7 MR 11 SWI minIP", **busy),
        brief(6, "waiting", "Patient ID DEMO-004217", kind="find", **refused),
        brief(7, "queued", "DEMO, Jane \u00b7 MR 10 T1 post Gd ax", priority=20, progress_total=176),
        brief(8, "queued", "DEMO, Jane \u00b7 MR 12 TOF MIP", progress_total=1),
        brief(9, "paused", "MUSTER, Max \u00b7 CT thorax/abdomen 2025", progress_done=40, progress_total=1804),
    ]
    for number in range(10, 16):
        result = {"done_count": 100 + number, "failed_count": 0}
        jobs.append(
            brief(number, "done", f"DEMO, Jane \u00b7 MR {number} finished", result=result, finished=now - number * 30)
        )
    rejected = [{"path": f"/incoming/scan{number}.dcm", "reason": "no Study Instance UID"} for number in range(3)]
    imported = {"imported": 40, "unchanged": 2, "rejected": rejected, "failed_count": 3}
    jobs.append(brief(16, "partly", "/incoming", kind="import", server="", result=imported, finished=now - 900))
    return jobs
