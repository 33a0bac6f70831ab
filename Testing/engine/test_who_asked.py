"""What the program starts by itself never brings on a job that the user paused; what the user asks for does."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from Testing.support.ct_series import CtSeries, make_ct_series
from Testing.support.many_servers import ManyServers
from Testing.support.orthanc import Orthanc
from VisualDICOMBrowserLib.servers.config import ServerConfig

WAIT_S = 60.0


@pytest.fixture
def series(tmp_path: Path) -> CtSeries:
    """A study of today."""
    return make_ct_series(tmp_path / "files", 3, date=datetime.datetime.now().strftime("%Y%m%d"))


@pytest.fixture
def engine(tmp_path: Path, series: CtSeries) -> Iterator[ManyServers]:
    server = Orthanc(tmp_path / "orthanc")
    server.start()
    server.put(series.files.values())
    opened = ManyServers(tmp_path / "database", [server.config(name="PACS")])
    yield opened
    opened.close()
    server.stop()


@pytest.fixture
def asked(engine: ManyServers, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """Kind of each job that is submitted to the queue from now on, and whether by the user."""
    submitted: list[tuple[str, bool]] = []
    submit = engine.queue.submit

    def noted(kind: str, parameters: dict[str, Any], **options: Any) -> str:
        submitted.append((kind, options.get("by_user", True)))
        return submit(kind, parameters, **options)

    monkeypatch.setattr(engine.queue, "submit", noted)
    return submitted


def wait_for(engine: ManyServers, *job_ids: str) -> None:
    for job_id in job_ids:
        job = engine.queue.wait(job_id, WAIT_S)
        assert job.state.finished, job


def test_looking_at_a_patient_is_no_request(
    engine: ManyServers, series: CtSeries, asked: list[tuple[str, bool]]
) -> None:
    """Fetching ahead, what it fetches, the refreshing of a young study, and pictures."""
    engine.put(list(series.files.values())[:1])
    engine.parts.servers.edit("PACS", prefetch="series", refresh_younger_h=48.0)
    started = engine.engine.handle("show_patient", {"PatientID": "CT-1"})
    wait_for(engine, *started)
    wait_for(engine, *(job.job_id for job in engine.queue.jobs()))
    assert {kind for kind, _ in asked} == {"prefetch", "retrieve", "thumbnail"}
    assert not any(by_user for _, by_user in asked)


def test_a_watched_study_and_a_watched_folder_are_no_requests(
    engine: ManyServers, series: CtSeries, asked: list[tuple[str, bool]], tmp_path: Path
) -> None:
    (tmp_path / "inbox").mkdir()
    study = series.StudyInstanceUID
    engine.engine.handle("watch", {"StudyInstanceUID": study, "server": "PACS", "interval_s": 1.0})
    engine.event("job_finished", lambda event: event["job"]["kind"] == "retrieve")
    engine.engine.handle("stop_watch", {"StudyInstanceUID": study})
    folder = ServerConfig(name="Inbox", protocol="folder", folder=str(tmp_path / "inbox"), folder_watch_s=60.0)
    engine.engine.handle("add_server", folder.to_dict())
    engine.event("job_finished", lambda event: event["job"]["kind"] == "find")
    assert {kind for kind, _ in asked} >= {"retrieve", "find"}
    assert not any(by_user for _, by_user in asked)


def test_what_the_user_says_is_a_request(engine: ManyServers, series: CtSeries, asked: list[tuple[str, bool]]) -> None:
    handle, study = engine.engine.handle, series.StudyInstanceUID
    wait_for(engine, handle("retrieve", {"server": "PACS", "StudyInstanceUID": study}))
    wait_for(engine, handle("find", {"server": "PACS"}))
    wait_for(engine, *handle("send", {"level": "STUDY", "uids": [study], "servers": ["PACS"]}))
    wait_for(engine, handle("test_server", {"name": "PACS"}))
    handle("search", {})
    engine.event("search_finished")
    by_user = {kind for kind, said in asked if said}
    assert by_user == {"retrieve", "find", "send", "test"}
    assert {kind for kind, said in asked if not said} <= {"thumbnail"}
