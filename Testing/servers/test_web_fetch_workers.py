"""WADO-RS through worker processes, and pictures that a server draws."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from Testing.support.ct_series import CtSeries, make_ct_series
from Testing.support.file_sink import ControlOfTest, FileSink
from Testing.support.web_drivers import web_driver, web_services
from Testing.support.web_fetching import answering, check_kept, contents, request_for
from Testing.support.web_server import Answer, Request, WebServer, json_answer, multipart, multipart_answer
from VisualDICOMBrowserLib.errors import JobCancelled, NetworkError, PeerError
from VisualDICOMBrowserLib.servers.bulk.pool import BulkPool

PARTS = {"Content-Type": "multipart/related; boundary=edge"}


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> CtSeries:
    """Twelve small slices."""
    return make_ct_series(tmp_path_factory.mktemp("series"), 12)


def test_a_worker_fetches_with_the_sign_in_of_the_moment(series: CtSeries, sink: FileSink, pool: BulkPool) -> None:
    """Case 70: a rejected token is renewed once and the worker asks again; secrets come through the pipe."""
    state = {"given": 0}

    def handler(request: Request) -> Answer:
        if request.path == "/token":
            state["given"] += 1
            return json_answer({"access_token": f"t{state['given']}"})
        if request.headers.get("authorization") != "Bearer t2" or request.headers.get("x-key") != "k3y":
            return Answer(401)
        return multipart_answer(multipart(contents(series)))

    with WebServer(handler) as server:
        driver = web_driver(
            server.url,
            web_services(client_secret="s3cret", **{"header:X-Key": "k3y"}),
            pool,
            auth="client_credentials",
            token_url=f"{server.url}/token",
            client_id="browser",
        )
        result = driver.retrieve(request_for(series, expected=12), sink, ControlOfTest())
        driver.close()
        assert server.seen("/token")
        for pid in pool.process_ids():
            assert b"k3y" not in Path(f"/proc/{pid}/environ").read_bytes()
            assert b"k3y" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert (result.received, result.failed_count) == (12, 0)
    assert all(received.flushed for received in sink.files)
    check_kept(sink, series, 12)


def test_a_worker_that_loses_the_connection_keeps_what_is_whole(
    series: CtSeries, sink: FileSink, pool: BulkPool
) -> None:
    """Case 69 in a worker process."""
    body = multipart(contents(series))
    cut = multipart_answer(body[: len(body) // 2])
    with WebServer(answering(cut)) as server:
        driver = web_driver(server.url, None, pool)
        with pytest.raises(NetworkError, match="5 of 12 images had arrived and are kept"):
            driver.retrieve(request_for(series, expected=12), sink, ControlOfTest())
        driver.close()
    check_kept(sink, series, 5)


def test_cancel_reaches_a_worker(series: CtSeries, tmp_path: Path, pool: BulkPool) -> None:
    """Cancel ends a worker's transfer that the server does not go on with."""
    control = ControlOfTest()
    sink = FileSink(tmp_path / "in", on_add=lambda count: control.cancel() if count == 1 else None)
    body = multipart(contents(series))
    answer = multipart_answer(body, length=len(body))
    answer.pieces = [body[: len(body) // 2], threading.Event()]
    with WebServer(answering(answer)) as server:
        driver = web_driver(server.url, None, pool, timeout_s=60.0)
        with pytest.raises(JobCancelled):
            driver.retrieve(request_for(series, expected=12), sink, control)
        driver.close()
    assert sink.stray_files() == []


@pytest.mark.parametrize("status", [404, 400, 406, 501])
def test_no_picture(status: int, series: CtSeries) -> None:
    """Servers that do not draw."""
    with WebServer(answering(Answer(status))) as server:
        driver = web_driver(server.url)
        assert driver.picture("1.2", "1.3", "1.4", ControlOfTest()) is None
        driver.close()


def test_a_picture_that_is_none() -> None:
    """Bytes that are neither JPEG nor PNG are not passed on, and other faults are told."""
    with WebServer(answering(Answer(200, {"Content-Type": "image/jpeg"}, [b"GIF89a"]))) as server:
        driver = web_driver(server.url)
        assert driver.picture("1.2", "1.3", "1.4", ControlOfTest()) is None
        server.handler = answering(Answer(401))
        with pytest.raises(PeerError) as fault:
            driver.picture("1.2", "1.3", "1.4", ControlOfTest())
        driver.close()
    assert fault.value.code == "sign_in"
