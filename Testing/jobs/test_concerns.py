"""Which study and series a job is about, as its events tell."""

from __future__ import annotations

from typing import Any

import pytest

from Testing.jobs.job_kinds import GatedKind, MakeQueue
from VisualDICOMBrowserLib.jobs.concerns import MOST_SERIES, concerns_of


@pytest.mark.parametrize(
    ("parameters", "study", "series"),
    [
        ({"StudyInstanceUID": "1.2"}, "1.2", []),
        ({"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.3"}, "1.2", ["1.2.3"]),
        ({"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.3", "SOPInstanceUIDs": ["1.2.3.4"]}, "1.2", ["1.2.3"]),
        ({"level": "SERIES", "uids": ["1.2.3", "1.2.4"]}, "", ["1.2.3", "1.2.4"]),
        ({"level": "STUDY", "uids": ["1.2"]}, "1.2", []),
        ({"level": "STUDY", "uids": ["1.2", "1.3"]}, "", []),
        ({"level": "PATIENT", "uids": ["7"]}, "", []),
        ({"level": "SERIES", "uid": "1.2.3"}, "", ["1.2.3"]),
        ({"series": ["1.2.3"], "force": False}, "", ["1.2.3"]),
        ({"query": {"level": "SERIES", "StudyInstanceUID": "1.2"}}, "1.2", []),
        ({"paths": ["/somewhere"], "copy": True}, "", []),
        ({}, "", []),
    ],
)
def test_study_and_series_of_each_kind(parameters: dict[str, Any], study: str, series: list[str]):
    assert concerns_of(parameters) == {"study": study, "series": series}


def test_series_are_named_up_to_a_limit():
    uids = [f"1.2.{number}" for number in range(200)]
    assert concerns_of({"series": uids})["series"] == uids[:MOST_SERIES]


def test_list_and_record_of_a_job_tell_it(new_queue: MakeQueue, kind: GatedKind):
    queue = new_queue()
    job_id = queue.submit("gated", {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.3"})
    wanted = {"study": "1.2", "series": ["1.2.3"]}
    assert queue.job(job_id).as_dict()["concerns"] == wanted
    assert queue.jobs()[0].as_dict(brief=True)["concerns"] == wanted
    kind.let_end(job_id, {})
    queue.wait(job_id, 30)
    assert queue.jobs()[0].as_dict(brief=True)["concerns"] == wanted


def test_named_jobs_are_forgotten_unless_they_go_on(new_queue: MakeQueue, kind: GatedKind):
    queue = new_queue()
    ids = [queue.submit("gated", {"about": name}) for name in ("first", "second", "third")]
    for job_id in ids[:2]:
        kind.let_end(job_id, {})
        queue.wait(job_id, 30)
    assert queue.forget_finished([ids[0], ids[2]]) == 1
    assert [job.job_id for job in queue.jobs()] == ids[1:]
    kind.let_end(ids[2], {})
