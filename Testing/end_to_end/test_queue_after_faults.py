"""The queue when every server of a list is broken in its own way: a sentence for each job, and the next one runs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from Testing.support.ct_series import CtSeries, dataset_bytes, make_ct_series
from Testing.support.faulty_peer import FaultyPeer, PeerSide
from Testing.support.orthanc import Orthanc
from Testing.support.web_server import Answer, Request, WebServer, json_answer, multipart, multipart_answer
from VisualDICOMBrowserLib.engine.session import Session
from VisualDICOMBrowserLib.errors import VisualDICOMError, error_from_dict

WAIT_S = 60.0


@pytest.fixture
def series(tmp_path: Path) -> list[CtSeries]:
    """Two small series."""
    return [make_ct_series(tmp_path / str(number), 6, number=number) for number in (1, 2)]


def dimse(port: int, **fields: Any) -> dict[str, Any]:
    """Fields of a DIMSE server of which a job hears at once."""
    return {"host": "127.0.0.1", "port": port, "called_ae_title": "PACS", "max_waiting_s": 0, "timeout_s": 2, **fields}


def web(answer: Answer | Callable[[Request], Answer], opened: contextlib.ExitStack) -> dict[str, Any]:
    """Fields of a DICOMweb server that answers so."""
    server = opened.enter_context(WebServer(answer if callable(answer) else lambda request: answer))
    return {"protocol": "dicomweb", "url": server.url, "max_waiting_s": 0, "timeout_s": 2}


def cut_in_an_instance(series: CtSeries) -> Callable[[Request], Answer]:
    """Lists the series, sends two whole instances of it and half of the third, and breaks the connection."""
    body = multipart([path.read_bytes() for path in series.files.values()])
    cut = multipart_answer(body[: len(body) * 5 // 12], length=len(body))
    uids = {"0020000D": series.StudyInstanceUID, "0020000E": series.SeriesInstanceUID, "00080060": "CT"}
    listed = {tag: {"Value": [uid]} for tag, uid in uids.items()}

    def handler(request: Request) -> Answer:
        if "multipart" in request.headers["accept"]:
            return cut
        if request.query.get("offset", ["0"]) != ["0"]:
            return json_answer([])
        if request.path.endswith("/instances"):
            return json_answer([{**listed, "00080018": {"Value": [uid]}} for uid in series.files])
        return json_answer([listed])

    return handler


def broken_servers(
    opened: contextlib.ExitStack, series: CtSeries, closed: int, silent: int
) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Name, fields and error code of each."""

    def reset(peer: PeerSide) -> None:
        peer.accept()
        peer.read_message()
        peer.reset()

    speaks_http = opened.enter_context(WebServer(lambda request: Answer(400)))
    resets = opened.enter_context(FaultyPeer(reset)).config()
    yield "Closed", dimse(closed), "refused"
    yield "Silent", dimse(silent), "timeout"
    yield "Http", dimse(speaks_http.port), "not_dicom"
    yield "Resets", dimse(resets.port), "connection_lost"
    yield "Locked", web(Answer(401), opened), "sign_in"
    yield "Forbidden", web(Answer(403), opened), "no_right"
    yield "Busy", web(Answer(503, {"Retry-After": "1"}), opened), "http_503"
    yield "Page", web(Answer(200, {"Content-Type": "text/html"}, [b"<html>"]), opened), "not_dicomweb"
    yield "Object", web(json_answer({"no": "list"}), opened), "not_dicomweb"
    yield "Cut", web(cut_in_an_instance(series), opened), "connection_lost"


def open_sockets() -> int:
    """Open sockets of this process."""
    count = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            count += str(link.readlink()).startswith("socket:")
    return count


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the system does not list open files")
def test_jobs_of_broken_servers_end_in_sentences_and_the_queue_goes_on(
    session: Session,
    series: list[CtSeries],
    start_orthanc: Callable[..., Orthanc],
    tmp_path: Path,
    free_port: int,
    silent_port: int,
) -> None:
    """Cases 48, 54, 67, 68, 69 and 72: queue alive, no partial file, nothing lost or foreign, no leaked socket."""
    good = start_orthanc()
    for item in series:
        good.put(item.files.values())
    session.client.request("add_server", **good.config(name="Good").to_dict())
    assert retrieved(session, series[0])["received"] == 6
    before = open_sockets()
    with contextlib.ExitStack() as opened:
        jobs: dict[str, tuple[str, str]] = {}
        for name, fields, code in broken_servers(opened, series[1], free_port, silent_port):
            session.client.request("add_server", name=name, **fields)
            jobs[name] = request(session, name, series[1]), code
        for name, (job_id, code) in jobs.items():
            error = error_of(session, job_id)
            assert (error.code, error.server) == (code, name), error
            assert name in error.message
            assert error.message.endswith(".")
            assert error.next_step
            assert "Traceback" not in str(session.client.request("job", job_id=job_id))
    assert not list((tmp_path / "database").rglob("*.part"))
    result = retrieved(session, series[1])
    assert (result["received"] + result["present"], result["failed_count"]) == (6, 0)
    assert open_sockets() <= before
    instances = [
        record for item in series for record in session.records("IMAGE", SeriesInstanceUID=item.SeriesInstanceUID)
    ]
    files = {uid: path for item in series for uid, path in item.files.items()}
    assert {record.SOPInstanceUID for record in instances} == files.keys()
    for record in instances:
        assert dataset_bytes(Path(record.path)) == dataset_bytes(files[record.SOPInstanceUID])


def error_of(session: Session, job_id: str) -> VisualDICOMError:
    """Why a job did not do all of its work."""
    try:
        job = session.wait(job_id, WAIT_S)
    except VisualDICOMError as failure:
        return failure
    assert (job["state"], job["result"]["received"]) == ("partly", 2)
    return error_from_dict(job["starts"][-1]["error"])


def request(session: Session, server: str, series: CtSeries) -> str:
    """The job that fetches a series."""
    uids = {"StudyInstanceUID": series.StudyInstanceUID, "SeriesInstanceUID": series.SeriesInstanceUID}
    return str(session.client.request("retrieve", server=server, **uids))


def retrieved(session: Session, series: CtSeries) -> dict[str, Any]:
    """Result of fetching a series from the good server."""
    return dict(session.wait(request(session, "Good", series), WAIT_S)["result"] or {})
