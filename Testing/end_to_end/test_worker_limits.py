"""Separate numbers of workers for queries, fetching and sending, counted at real servers; limited sending."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from Testing.support.counting_forwarder import CountingForwarder
from Testing.support.ct_series import CtSeries, make_ct_series
from Testing.support.dcmtk import DcmQrScp, StoreScp
from Testing.support.many_servers import WAIT_S, ManyServers
from Testing.support.web_server import Answer, WebServer
from VisualDICOMBrowserLib.jobs.limits import Limits
from VisualDICOMBrowserLib.servers.config import ServerConfig

JOBS = 4
JOB_S = 0.8
BURST_S = 0.25
"""What may pass at once after a pause, in seconds of the limit."""


@pytest.fixture
def series(tmp_path: Path) -> list[CtSeries]:
    return [make_ct_series(tmp_path / f"series-{number}", 4) for number in range(JOBS)]


@pytest.fixture
def storescp(tmp_path: Path) -> Iterator[StoreScp]:
    """Takes several associations at the same time."""
    server = StoreScp(tmp_path / "scp", ("--fork",))
    server.start()
    yield server
    server.stop()


def size_of(series: CtSeries) -> int:
    return sum(path.stat().st_size for path in series.files.values())


@pytest.mark.parametrize("workers", [1, 2])
def test_send_jobs_keep_to_their_number(
    tmp_path: Path, series: list[CtSeries], storescp: StoreScp, workers: int
) -> None:
    with CountingForwarder(storescp.port) as counted:
        config = ServerConfig(
            name="Archive",
            host="127.0.0.1",
            port=counted.port,
            called_ae_title="STORESCP",
            max_associations=JOBS,
            send_workers=workers,
            # So that each job is there long enough to meet the others.
            speed_limit_mb_s=workers * size_of(series[0]) / JOB_S / 1e6,
        )
        engine = ManyServers(tmp_path / "database", [config], options={"jobs/max_concurrent": 2 * JOBS})
        try:
            engine.put(path for each in series for path in each.files.values())
            jobs = [
                engine.queue.submit("send", {"level": "SERIES", "uids": [each.SeriesInstanceUID]}, server="Archive")
                for each in series
            ]
            ended = [engine.queue.wait(job, WAIT_S) for job in jobs]
        finally:
            engine.close()
        assert [job.state.value for job in ended] == ["done"] * JOBS
        assert (counted.most, counted.total) == (workers, JOBS)


def test_fetch_jobs_keep_to_their_number(tmp_path: Path, series: list[CtSeries]) -> None:
    """Queries and fetches of one job share its association, or follow each other."""
    pacs = DcmQrScp(tmp_path / "pacs")
    pacs.start()
    try:
        for each in series:
            pacs.put(each.folder)
        with CountingForwarder(pacs.port) as counted:
            config = pacs.config(
                name="PACS",
                port=counted.port,
                max_associations=JOBS,
                fetch_workers=1,
                keep_association=False,
                speed_limit_mb_s=size_of(series[0]) / JOB_S / 1e6,
            )
            engine = ManyServers(tmp_path / "database", [config], options={"jobs/max_concurrent": 2 * JOBS})
            try:
                jobs = [
                    engine.queue.submit("retrieve", {"StudyInstanceUID": each.StudyInstanceUID}, server="PACS")
                    for each in series
                ]
                ended = [engine.queue.wait(job, WAIT_S) for job in jobs]
            finally:
                engine.close()
            assert [job.state.value for job in ended] == ["done"] * JOBS
            assert counted.most == 1
    finally:
        pacs.stop()


def test_one_sort_of_work_leaves_room_to_the_others() -> None:
    config = ServerConfig(name="A", host="h", called_ae_title="A", max_associations=3, fetch_workers=1, query_workers=9)
    assert [config.workers(work) for work in ("query", "fetch", "send", "")] == [3, 1, 3, 3]
    limits = Limits({}, lambda server: config.max_associations, work_limit=lambda work, server: config.workers(work))
    limits.start(("retrieve", "A"))
    assert not limits.has_room(("retrieve", "A"))
    assert limits.has_room(("send", "A"))
    assert limits.has_room(("find", "A"))
    limits.start(("send", "A"))
    limits.start(("find", "A"))
    assert not limits.has_room(("worklist", "A"))
    limits.end(("retrieve", "A"))
    assert limits.has_room(("retrieve", "A"))


@pytest.mark.parametrize("protocol", ["dimse", "dicomweb"])
def test_sending_keeps_to_the_limit_of_speed(
    tmp_path: Path, series: list[CtSeries], storescp: StoreScp, protocol: str
) -> None:
    sent = series[0]
    with WebServer(lambda request: Answer(200, {"Content-Type": "application/dicom+json"}, [b"{}"])) as web:
        address = {
            "dimse": {"host": "127.0.0.1", "port": storescp.port, "called_ae_title": "STORESCP"},
            "dicomweb": {"url": web.url},
        }[protocol]
        limit = size_of(sent) / 1e6
        config = ServerConfig(name="Slow", protocol=protocol, speed_limit_mb_s=limit, **address)
        engine = ManyServers(tmp_path / "database", [config])
        try:
            engine.put(sent.files.values())
            started = time.monotonic()
            uids = {"level": "SERIES", "uids": [sent.SeriesInstanceUID]}
            job = engine.queue.wait(engine.queue.submit("send", uids, server="Slow"), WAIT_S)
            took = time.monotonic() - started
        finally:
            engine.close()
        if protocol == "dimse":
            assert job.state.value == "done"
            went = (job.result or {})["bytes"]
        else:
            # This server confirms nothing.
            (posted,) = [request for request in web.requests if request.method == "POST"]
            went = len(posted.body)
    assert went > 0.5 * size_of(sent)
    assert took >= went / (limit * 1e6) - BURST_S
