"""What is fetched ahead is what the server's setting says, and nothing else; watched studies bring their news."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from Testing.end_to_end.conftest import EventLog
from Testing.support.ct_series import CtSeries, make_ct_series
from Testing.support.orthanc import Orthanc
from VisualDICOMBrowserLib.engine.session import Session

WAIT_S = 60.0
PATIENT = "CT-1"


@pytest.fixture
def studies(tmp_path: Path) -> list[CtSeries]:
    """A patient with a newer study of two series and an older one of one; another patient with one."""
    newer = make_ct_series(tmp_path / "1", 5, date="20240102")
    second = make_ct_series(tmp_path / "2", 4, study=newer.StudyInstanceUID, number=2, date="20240102")
    older = make_ct_series(tmp_path / "3", 3, number=3, date="20200102")
    other = make_ct_series(tmp_path / "4", 2, number=4, patient=("CT-11", "Other^One"))
    return [newer, second, older, other]


@pytest.fixture
def pacs(session: Session, studies: list[CtSeries], start_orthanc: Callable[..., Orthanc]) -> Orthanc:
    """Orthanc with all of them, known as PACS."""
    server = start_orthanc()
    for series in studies:
        server.put(series.files.values())
    session.client.request("add_server", **server.config(name="PACS").to_dict())
    return server


def show(session: Session, **settings: Any) -> int:
    """Let the patient be looked at, wait for all that comes of it, and count what is here."""
    session.client.request("edit_server", name="PACS", **settings)
    for job_id in session.client.request("show_patient", PatientID=PATIENT):
        job = session.wait(job_id, WAIT_S)
        for fetch in job["result"].get("jobs", ()):
            session.wait(fetch, WAIT_S)
    return int(session.client.request("counts")["instances"])


def test_off_means_that_nothing_is_fetched(session: Session, pacs: Orthanc) -> None:
    assert show(session, prefetch="nothing") == 0
    assert show(session, prefetch="series", manual=True) == 0


def test_thumbnails_need_one_image_of_each_series(session: Session, pacs: Orthanc, studies: list[CtSeries]) -> None:
    assert show(session, prefetch="thumbnails") == 3
    middle = [list(series.files)[len(series.files) // 2] for series in studies[:3]]
    assert sorted(record.SOPInstanceUID for record in session.records("IMAGE")) == sorted(middle)


def test_series_fetches_all_of_the_shown_patient(session: Session, pacs: Orthanc) -> None:
    assert show(session, prefetch="series") == 12


def test_priors_of_the_same_modality_come_along(session: Session, pacs: Orthanc) -> None:
    assert show(session, prefetch="priors") == 12


def test_a_young_study_is_asked_for_again(session: Session, pacs: Orthanc, tmp_path: Path) -> None:
    import datetime

    today = datetime.datetime.now().strftime("%Y%m%d")
    young = make_ct_series(tmp_path / "young", 2, number=9, date=today)
    first, second = young.files.values()
    pacs.put([first])
    session.retrieve("PACS", young.StudyInstanceUID, timeout=WAIT_S)
    pacs.put([second])
    assert show(session, refresh_younger_h=48.0) == 2


def test_a_watched_study_brings_its_news(
    session: Session, events: EventLog, pacs: Orthanc, studies: list[CtSeries], tmp_path: Path
) -> None:
    study = studies[0].StudyInstanceUID
    session.client.request("watch", StudyInstanceUID=study, server="PACS", minutes=5, interval_s=1)
    assert events.wait(lambda event: event["event"] == "watch_news")[0]["imported"] == 9
    late = make_ct_series(tmp_path / "late", 3, study=study, number=7, date="20240102")
    pacs.put(late.files.values())
    events.wait(lambda event: event["event"] == "watch_news" and late.SeriesInstanceUID in event["series"])
    received = sum(event["imported"] for event in events.named("watch_news"))
    assert received <= 12
    assert session.client.request("watches")[0]["StudyInstanceUID"] == study
    assert session.client.request("stop_watch", StudyInstanceUID=study)
    assert session.client.request("watches") == []


def test_raising_a_priority_reaches_the_jobs_of_a_study(
    session: Session, pacs: Orthanc, studies: list[CtSeries]
) -> None:
    study = studies[0].StudyInstanceUID
    job_id = session.client.request("retrieve", StudyInstanceUID=study, server="PACS", priority=0)
    raised = session.client.request("raise_priority", StudyInstanceUID=study)
    job = session.wait(job_id, WAIT_S)
    assert job["state"] == "done"
    assert raised in ([job_id], [])
    assert job["priority"] == (30 if raised else 0)
