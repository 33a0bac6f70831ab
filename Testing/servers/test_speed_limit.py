"""The limit of speed of a server: what arrives keeps to it, whichever way it comes, and a cancel is heard."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from Testing.support.ct_series import CtSeries, dataset_bytes
from Testing.support.dcmtk import DcmQrScp, run_client
from Testing.support.file_sink import ControlOfTest, FileSink
from Testing.support.web_drivers import web_driver
from Testing.support.web_fetching import contents, request_for
from Testing.support.web_server import WebServer, multipart, multipart_answer
from VisualDICOMBrowserLib.errors import JobCancelled
from VisualDICOMBrowserLib.model import RetrieveRequest
from VisualDICOMBrowserLib.servers.bulk.pool import BulkPool
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.servers.dimse.driver import DimseDriver
from VisualDICOMBrowserLib.servers.node.node import Node
from VisualDICOMBrowserLib.servers.speed import SpeedLimit, throttle_of
from VisualDICOMBrowserLib.settings import Settings

SECONDS = 1.0


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def limit_for(series: CtSeries) -> float:
    """MB per second with which the series takes about a second."""
    return sum(path.stat().st_size for path in series.files.values()) / SECONDS / 1e6


def request_of(series: CtSeries) -> RetrieveRequest:
    return RetrieveRequest(
        StudyInstanceUID=series.StudyInstanceUID,
        SeriesInstanceUID=series.SeriesInstanceUID,
        expected=len(series.files),
    )


def test_a_bucket_owes_what_is_above_its_speed() -> None:
    clock = Clock()
    limit = SpeedLimit(1000.0, clock)
    assert limit.owed_s(250) == 0  # what may come at once
    assert limit.owed_s(500) == pytest.approx(0.5)
    clock.now += 0.5
    assert limit.owed_s(0) == 0
    assert limit.owed_s(100) == pytest.approx(0.1)
    clock.now += 60  # a long pause saves up no more than a moment
    assert limit.owed_s(1250) == pytest.approx(1.0)


def test_all_jobs_of_a_server_share_one_bucket() -> None:
    """Two threads together take as long as one for both."""
    config = ServerConfig(name="Shared", host="h", called_ae_title="A", speed_limit_mb_s=0.001)
    assert throttle_of(None)(10**9) is None
    started = time.monotonic()
    threads = [threading.Thread(target=throttle_of(config), args=(450,), name=f"take-{n}") for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started >= 0.6


@pytest.mark.parametrize("own_loop", [True, False])
def test_c_get_keeps_to_the_limit(
    dcmqrscp: DcmQrScp, thorax_series: list[CtSeries], sink: FileSink, pool: BulkPool, own_loop: bool
) -> None:
    series = thorax_series[0]
    config = dcmqrscp.config(name=f"Slow {own_loop}", speed_limit_mb_s=limit_for(series))
    driver = DimseDriver(config, Settings(), pool, own_loop=own_loop)
    started = time.monotonic()
    try:
        result = driver.retrieve(request_of(series), sink, ControlOfTest())
    finally:
        driver.close()
    assert result.received == len(series.files)
    assert time.monotonic() - started >= 0.6 * SECONDS
    assert sorted(dataset_bytes(item.path) for item in sink.files) == sorted(map(dataset_bytes, series.files.values()))


def test_dicomweb_keeps_to_the_limit(thorax_series: list[CtSeries], sink: FileSink) -> None:
    series = thorax_series[0]
    with WebServer(lambda request: multipart_answer(multipart(contents(series)))) as server:
        driver = web_driver(server.url, name="Slow web", speed_limit_mb_s=limit_for(series))
        started = time.monotonic()
        try:
            result = driver.retrieve(request_for(series), sink, ControlOfTest())
        finally:
            driver.close()
    assert result.received == len(series.files)
    assert time.monotonic() - started >= 0.6 * SECONDS


def test_a_cancel_is_heard_while_it_rests(
    dcmqrscp: DcmQrScp, thorax_series: list[CtSeries], sink: FileSink, control: ControlOfTest
) -> None:
    """At this limit the series would take minutes."""
    config = dcmqrscp.config(name="Crawling", speed_limit_mb_s=limit_for(thorax_series[0]) / 300)
    driver = DimseDriver(config, Settings())
    timer = threading.Timer(0.3, control.cancel)
    timer.start()
    started = time.monotonic()
    try:
        with pytest.raises(JobCancelled):
            driver.retrieve(request_of(thorax_series[0]), sink, control)
    finally:
        driver.close()
        timer.join()
    assert time.monotonic() - started < 20
    assert sink.stray_files() == []


def test_what_a_server_sends_to_our_listener_keeps_to_its_limit(
    start_node: Callable[..., Node], thorax_series: list[CtSeries]
) -> None:
    """As it does for a C-MOVE; another caller is as quick as ever."""
    series = thorax_series[0]
    config = ServerConfig(
        name="Slow mover", host="127.0.0.1", called_ae_title="MOVER", speed_limit_mb_s=limit_for(series)
    )
    node = start_node(destinations={"MOVER": config})
    spent = [sending_s(node, title, list(series.files.values())) for title in ("MOVER", "OTHER")]
    assert spent[0] >= 0.6 * SECONDS
    assert spent[1] < spent[0]


def sending_s(node: Node, title: str, files: list[Path]) -> float:
    started = time.monotonic()
    done = run_client("storescu", "-aet", title, "-aec", node.ae_title, "127.0.0.1", str(node.port), *files)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - started
