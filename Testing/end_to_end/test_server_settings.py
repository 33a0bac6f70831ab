"""Settings of a server that act through the engine: confirming what was sent, and asking when it starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from Testing.support.ct_series import CtSeries, make_ct_series
from Testing.support.dcmtk import StoreScp
from Testing.support.orthanc import Orthanc
from Testing.support.web_server import Answer, Request, WebServer, json_answer
from VisualDICOMBrowserLib.engine.engine import Engine
from VisualDICOMBrowserLib.engine.session import Session
from VisualDICOMBrowserLib.errors import VisualDICOMError
from VisualDICOMBrowserLib.servers.config import ServerConfig

WAIT_S = 60.0


@pytest.fixture
def series(tmp_path: Path, session: Session) -> CtSeries:
    """Six slices in the local database."""
    made = make_ct_series(tmp_path / "series", 6)
    session.import_files([made.folder], timeout=WAIT_S)
    return made


@pytest.fixture
def storescp(tmp_path: Path) -> Iterator[StoreScp]:
    """Takes images and answers no queries."""
    server = StoreScp(tmp_path / "storescp")
    server.start()
    yield server
    server.stop()


def send(session: Session, series: CtSeries, config: ServerConfig) -> str:
    """Begin to send the series to that server; the job."""
    session.client.request("add_server", **config.to_dict())
    uids = [series.SeriesInstanceUID]
    return str(session.client.request("send", level="SERIES", uids=uids, servers=[config.name])[0])


def failed_job(session: Session, job_id: str) -> dict[str, Any]:
    """The job, which fails."""
    with pytest.raises(VisualDICOMError):
        session.wait(job_id, WAIT_S)
    return dict(session.client.request("job", job_id=job_id))


@pytest.mark.parametrize("way", ["dimse", "dicomweb"])
def test_what_was_sent_is_found_again(
    session: Session, series: CtSeries, start_orthanc: Callable[..., Orthanc], way: str
) -> None:
    orthanc = start_orthanc(dicomweb=way == "dicomweb")
    changes = {"name": "Archive", "confirm_by_query": True}
    config = orthanc.config(**changes) if way == "dimse" else orthanc.web_config(**changes)
    job = session.wait(send(session, series, config), WAIT_S)
    assert (job["result"]["sent"], job["result"]["failed_count"]) == (6, 0)
    log = session.client.request("job", job_id=job["job_id"])["log"]
    assert any("Archive lists 6 of 6 images that were sent." in str(line) for line in log)


class Forgetful:
    """Confirms all it is sent, and lists all but one of them."""

    def __init__(self, series: CtSeries) -> None:
        self._series = series
        self.forgotten = min(series.files)
        self.posts = 0

    def __call__(self, request: Request) -> Answer:
        if request.method == "POST":
            self.posts += 1
            stored = [{"00081155": {"vr": "UI", "Value": [uid]}} for uid in self._series.files]
            return json_answer({"00081199": {"vr": "SQ", "Value": stored}})
        listed = [uid for uid in self._series.files if uid != self.forgotten]
        return json_answer([{"00080018": {"vr": "UI", "Value": [uid]}} for uid in listed])


def test_what_is_not_listed_is_not_confirmed_and_sent_again(session: Session, series: CtSeries) -> None:
    server = Forgetful(series)
    with WebServer(server) as web:
        config = ServerConfig(name="Forgetful", protocol="dicomweb", url=web.url, confirm_by_query=True)
        job = session.wait(send(session, series, config), WAIT_S)
        result = job["result"]
        assert (job["state"], result["sent"], result["failed_count"]) == ("partly", 5, 1)
        assert result["failed"] == [
            {
                "SOPInstanceUID": server.forgotten,
                "code": None,
                "reason": "Forgetful took it, but does not list it, so it is not confirmed.",
            }
        ]
        forgotten, server.forgotten = server.forgotten, ""
        assert session.client.request("retry_jobs", job_ids=[job["job_id"]]) == [job["job_id"]]
        again = session.wait(job["job_id"], WAIT_S)
    assert (again["state"], again["result"]["sent"]) == ("done", 6)
    last = [request for request in web.requests if request.method == "POST"][-1]
    assert server.posts == 2
    assert forgotten.encode() in last.body
    assert last.body.count(b"DICM") == 1


def test_who_cannot_be_asked_has_confirmed_nothing(session: Session, series: CtSeries, storescp: StoreScp) -> None:
    config = ServerConfig.from_dict({**storescp.config().to_dict(), "confirm_by_query": True})
    job = failed_job(session, send(session, series, config))
    assert job["result"]["sent"] == 0
    assert job["result"]["failed_count"] == 6
    assert job["result"]["failed"][0]["reason"].startswith(
        "storescp took it, but cannot be asked whether it has it: storescp offers no service of those we need."
    )
    assert len(list(storescp.received.iterdir())) == 6


def test_the_engine_asks_at_its_start_whom_it_is_told_to(tmp_path: Path, start_orthanc: Callable[..., Orthanc]) -> None:
    """Not those without the setting, switched off, or not trusted."""
    orthanc = start_orthanc()
    orthanc.put(make_ct_series(tmp_path / "series", 2).files.values())
    folder = tmp_path / "engine"
    engine = Engine(folder)
    try:
        assert [job.kind for job in engine.queue.jobs()] == []
        for name, changes in {
            "Asked": {"ask_at_start": True},
            "Plain": {},
            "Off": {"ask_at_start": True, "enabled": False},
            "Stranger": {"ask_at_start": True, "trusted": False},
        }.items():
            engine.parts.servers.add(orthanc.config(name=name, **changes))
    finally:
        engine.close()
    engine = Engine(folder)
    try:
        (job,) = [job for job in engine.queue.jobs() if job.kind == "find"]
        assert job.server == "Asked"
        done = engine.queue.wait(job.job_id, WAIT_S)
        assert done.result is not None
        assert done.result["count"] == 1
    finally:
        engine.close()
    engine = Engine(folder, resume=False)
    try:
        assert [job.job_id for job in engine.queue.jobs() if job.kind == "find"] == [job.job_id]
    finally:
        engine.close()
