"""WADO-RS against a scriptable server: what splits, breaks off, lies or is not what was asked for."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from Testing.support.ct_series import CtSeries, make_ct_series
from Testing.support.file_sink import ControlOfTest, FileSink
from Testing.support.web_drivers import web_driver, web_services
from Testing.support.web_fetching import answering, check_kept, contents, fetch, request_for
from Testing.support.web_server import Answer, Request, WebServer, json_answer, multipart, multipart_answer
from VisualDICOMBrowserLib.errors import JobCancelled, NetworkError, PeerError, PeerTimeoutError, StorageFault
from VisualDICOMBrowserLib.model import RetrieveRequest

PARTS = {"Content-Type": "multipart/related; boundary=edge"}


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> CtSeries:
    """Twelve small slices."""
    return make_ct_series(tmp_path_factory.mktemp("series"), 12)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> CtSeries:
    """Another patient's slice."""
    return make_ct_series(tmp_path_factory.mktemp("stranger"), 1, number=9, patient=("X-1", "Other^Patient"))


def test_a_series_as_it_is(series: CtSeries, sink: FileSink) -> None:
    """Every byte as it came, with File Meta Information, and what each file is."""
    control, seen = ControlOfTest(), list[Request]()

    def handler(request: Request) -> Answer:
        seen.append(request)
        return multipart_answer(multipart(contents(series)))

    result = fetch(handler, request_for(series, expected=12), sink, control)
    check_kept(sink, series, 12)
    assert (result.received, result.failed_count, result.warnings) == (12, 0, 0)
    assert control.last_progress[:2] == (12, 12)
    (request,) = seen
    assert request.path == f"/studies/{series.StudyInstanceUID}/series/{series.SeriesInstanceUID}"
    assert request.headers["accept"] == 'multipart/related; type="application/dicom"; transfer-syntax=*'
    assert request.headers["accept-encoding"] == "identity"
    received = sink.files[0]
    assert received.SOPClassUID == "1.2.840.10008.5.1.4.1.1.2"
    assert received.TransferSyntaxUID == "1.2.840.10008.1.2.1"


@pytest.mark.parametrize(
    "answer_of",
    [
        lambda body: multipart_answer(b"preamble\r\n" + body + b"\r\nepilogue"),
        lambda body: Answer(200, {"Content-Type": 'multipart/related; boundary="edge"'}, [body]),
        lambda body: multipart_answer(body, chunked=True),
        lambda body: Answer(200, {**PARTS, "Content-Encoding": "gzip"}, [gzip.compress(body)]),
        lambda body: multipart_answer(body.replace(b"Content-Type: application/dicom\r\n\r\n", b"\r\n")),
        lambda body: multipart_answer(body.replace(b"Content-Type", b"Content-Length: 7\r\nContent-Type")),
    ],
    ids=["preamble", "quoted", "chunked", "packed", "no-headers", "wrong-lengths"],
)
def test_bodies_of_all_kinds(series: CtSeries, sink: FileSink, answer_of: Callable[[bytes], Answer]) -> None:
    """Case 69: quoted boundary, preamble and epilogue, parts without Content-Type, lengths that lie."""
    result = fetch(answering(answer_of(multipart(contents(series)))), request_for(series), sink)
    assert len({received.SOPInstanceUID for received in sink.files}) == 12
    assert sink.stray_files() == []
    assert result.failed_count == 0


def test_boundary_like_bytes_in_data(series: CtSeries, sink: FileSink) -> None:
    """Case 69: a boundary that almost stands in the pixels."""
    body = multipart(contents(series)[:1])
    middle = len(body) - 1000
    data = body[:middle] + b"\r\n--edge-like\r\n--edg" + body[middle + 20 :]
    fetch(answering(multipart_answer(data)), request_for(series), sink)
    assert sink.files[0].size == next(iter(series.files.values())).stat().st_size


def test_a_single_file_without_parts(series: CtSeries, sink: FileSink) -> None:
    """Some servers send one instance bare."""
    uid, path = next(iter(series.files.items()))
    answer = Answer(200, {"Content-Type": "application/dicom"}, [path.read_bytes()])
    result = fetch(answering(answer), request_for(series, uid), sink)
    check_kept(sink, series, 1)
    assert result.received == 1


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (Answer(200, {"Content-Type": "multipart/related"}, [b"--x"]), "protocol", "without a boundary"),
        (Answer(200, {"Content-Type": "text/html"}, [b"<html>"]), "not_dicomweb", "web page"),
        (json_answer([]), "not_dicomweb", "something else than images"),
        (Answer(204), "not_found", "none of the images"),
        (multipart_answer(b"--edge--"), "not_found", "none of the images"),
        (Answer(404), "not_found", "does not have"),
        (Answer(403), "no_right", "no right"),
        (Answer(413), "too_large", "size"),
        (Answer(503, {"Retry-After": "3"}), "http_503", "busy"),
    ],
)
def test_answers_without_images(answer: Answer, code: str, words: str, series: CtSeries, sink: FileSink) -> None:
    """Cases 67 and 69: a sentence, and no file."""
    with pytest.raises(PeerError) as fault:
        fetch(answering(answer), request_for(series), sink)
    assert fault.value.code == code
    assert words in fault.value.message
    assert sink.files == []
    assert sink.stray_files() == []


def cut_answers(body: bytes) -> Iterator[tuple[str, Answer]]:
    """Answers that end in the middle of the fourth part."""
    cut = body[: len(body) // 12 * 3 + 600]
    yield "final boundary missing", multipart_answer(cut)
    yield "Content-Length lie", multipart_answer(cut, length=len(body))
    yield "chunked cut", multipart_answer(cut, chunked=True, cut=True)
    yield "reset", multipart_answer(cut, length=len(body), reset=True)


@pytest.mark.parametrize("number", range(4))
def test_whole_parts_are_kept_when_it_breaks_off(number: int, series: CtSeries, sink: FileSink) -> None:
    """Case 69: missing final boundary, Content-Length lie, chunked cut mid part, connection lost: retryable."""
    name, answer = list(cut_answers(multipart(contents(series))))[number]
    with pytest.raises(NetworkError) as fault:
        fetch(answering(answer), request_for(series, expected=12), sink)
    assert fault.value.code == "connection_lost"
    if name != "reset":  # which may overtake what was sent before
        assert "3 of 12 images had arrived and are kept." in fault.value.message
        check_kept(sink, series, 3)
    assert sink.stray_files() == []


def test_silence_in_the_middle(series: CtSeries, sink: FileSink) -> None:
    """A server that stops in the middle of an instance and keeps the connection."""
    body = multipart(contents(series))
    answer = multipart_answer(body, length=len(body))
    answer.pieces = [body[: len(body) // 2], threading.Event()]
    with pytest.raises(PeerTimeoutError):
        fetch(answering(answer), request_for(series, expected=12), sink, timeout_s=1.0)
    check_kept(sink, series, 5)


def test_cancel_in_the_middle(series: CtSeries, tmp_path: Path) -> None:
    """Whole instances stay, the one in transit goes, and the server is not waited for."""
    control = ControlOfTest()
    sink = FileSink(tmp_path / "in", on_add=lambda count: control.cancel() if count == 2 else None)
    body = multipart(contents(series))
    answer = multipart_answer(body, length=len(body))
    answer.pieces = [body[: len(body) // 3], threading.Event()]
    started = time.monotonic()
    with pytest.raises(JobCancelled):
        fetch(answering(answer), request_for(series), sink, control, timeout_s=60.0)
    assert time.monotonic() - started < 5
    assert len(sink.files) >= 2
    assert sink.stray_files() == []


def test_foreign_and_broken_parts(series: CtSeries, stranger: CtSeries, sink: FileSink) -> None:
    """Another patient's instance is kept and counted, what is no DICOM is refused with its reason."""
    control = ControlOfTest()
    parts = [*contents(series)[:2], *contents(stranger), b"no DICOM", contents(series)[2][:300]]
    result = fetch(answering(multipart_answer(multipart(parts))), request_for(series, expected=4), sink, control)
    assert (result.received, result.warnings, result.failed_count) == (3, 1, 2)
    assert [item.reason for item in result.failed if "not a DICOM file" in item.reason]
    assert len(result.failed) == 2
    assert sink.stray_files() == []
    assert "another study or series" in control.messages[0]


def test_few_instances_are_asked_for_one_by_one(series: CtSeries, stranger: CtSeries, sink: FileSink) -> None:
    """Over kept connections, not more than the settings allow; refused ones are listed."""
    uids = list(series.files)
    paths: list[str] = []

    def handler(request: Request) -> Answer:
        uid = request.path.rpartition("/")[2]
        paths.append(request.path)
        if uid == uids[3]:
            return Answer(404)
        if uid == uids[4]:
            return multipart_answer(multipart([series.files[uids[0]].read_bytes()]))
        if uid == uids[5]:
            return multipart_answer(multipart(contents(stranger)))
        return multipart_answer(multipart([series.files[uid].read_bytes()]))

    with WebServer(handler) as server:
        driver = web_driver(server.url, max_associations=2)
        result = driver.retrieve(request_for(series, *uids[1:]), sink, ControlOfTest())
        driver.close()
        assert server.connections <= 2
    base = f"/studies/{series.StudyInstanceUID}/series/{series.SeriesInstanceUID}/instances/"
    assert sorted(paths) == sorted(base + uid for uid in uids[1:])
    assert (result.received, result.warnings) == (9, 1)
    assert {item.SOPInstanceUID for item in result.failed} >= {uids[3], uids[4], uids[5]}
    assert any("does not have" in item.reason for item in result.failed)
    assert sink.stray_files() == []


def test_one_by_one_ends_at_the_first_break(series: CtSeries, sink: FileSink) -> None:
    """A server that sends none of the first few is not asked for the rest."""
    with WebServer(answering(Answer(500))) as server:
        driver = web_driver(server.url, max_associations=3)
        with pytest.raises(PeerError) as fault:
            driver.retrieve(request_for(series, *series.files), sink, ControlOfTest())
        driver.close()
        assert len(server.requests) <= 6
    assert fault.value.code == "http_500"


def test_many_missing_come_with_the_whole_series(tmp_path: Path, sink: FileSink) -> None:
    """What is here already is dropped without a word."""
    large = make_ct_series(tmp_path / "large", 60, size=8)
    missing = list(large.files)[5:]
    result = fetch(answering(multipart_answer(multipart(contents(large)))), request_for(large, *missing), sink)
    assert {received.SOPInstanceUID for received in sink.files} == set(missing)
    assert (result.received, result.failed_count, result.failed) == (55, 0, ())
    assert sink.stray_files() == []


def test_instances_without_their_series(series: CtSeries, sink: FileSink) -> None:
    """The series is looked up first."""
    uid = list(series.files)[2]

    def handler(request: Request) -> Answer:
        if request.path.endswith("/instances"):
            found = [
                {"00080018": {"Value": [one]}, "0020000E": {"Value": [series.SeriesInstanceUID]}}
                for one in series.files
            ]
            return json_answer(found)
        return multipart_answer(multipart([series.files[uid].read_bytes()]))

    request = RetrieveRequest(StudyInstanceUID=series.StudyInstanceUID, SOPInstanceUIDs=(uid,))
    assert fetch(handler, request, sink).received == 1
    check_kept(sink, series, 1)


@pytest.mark.parametrize("status", [400, 406, 415])
def test_servers_that_do_not_know_the_transfer_syntax_parameter(status: int, series: CtSeries, sink: FileSink) -> None:
    """They are asked more plainly, and not again for every instance."""
    accepts: list[str] = []

    def handler(request: Request) -> Answer:
        accepts.append(request.headers["accept"])
        if "transfer-syntax" in accepts[-1]:
            return Answer(status)
        uid = request.path.rpartition("/")[2]
        return multipart_answer(multipart([series.files[uid].read_bytes()]))

    fetch(handler, request_for(series, *list(series.files)[:3]), sink, max_associations=1)
    check_kept(sink, series, 3)
    assert accepts[1:] == ['multipart/related; type="application/dicom"'] * 3


def test_token_expires_in_a_long_transfer(series: CtSeries, sink: FileSink) -> None:
    """Case 70: token expiry during a long transfer: the next request signs in again and goes on."""
    state = {"given": 0, "used": 0}

    def handler(request: Request) -> Answer:
        if request.path == "/token":
            state["given"] += 1
            return json_answer({"access_token": f"t{state['given']}", "expires_in": 3600})
        state["used"] += 1
        valid = "t1" if state["used"] <= 5 else "t2"
        if request.headers.get("authorization") != f"Bearer {valid}":
            return Answer(401)
        return multipart_answer(multipart([series.files[request.path.rpartition("/")[2]].read_bytes()]))

    with WebServer(handler) as server:
        driver = web_driver(
            server.url,
            web_services(client_secret="s3cret"),
            auth="client_credentials",
            token_url=f"{server.url}/token",
            client_id="browser",
            max_associations=1,
        )
        result = driver.retrieve(request_for(series, *series.files), sink, ControlOfTest())
        driver.close()
    assert (result.received, result.failed_count) == (12, 0)
    assert state["given"] == 2
    check_kept(sink, series, 12)


def test_disk_full(series: CtSeries, sink: FileSink, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sink's folder goes away: a storage fault, not a network fault."""
    monkeypatch.setattr(sink, "new_part", lambda: sink.folder / "gone" / "1.part")
    with pytest.raises(StorageFault):
        fetch(answering(multipart_answer(multipart(contents(series)))), request_for(series), sink)


# --- worker processes ---


@pytest.mark.parametrize("status", [500, 406])
def test_one_image_that_the_server_cannot_read_does_not_end_the_others(
    series: CtSeries, sink: FileSink, status: int
) -> None:
    """It is listed as failed with the reason; the first one asked for may be the broken one."""
    uids = list(series.files)

    def handler(request: Request) -> Answer:
        uid = request.path.rpartition("/")[2]
        return Answer(status) if uid == uids[0] else multipart_answer(multipart([series.files[uid].read_bytes()]))

    result = fetch(handler, request_for(series, *uids), sink)
    assert (result.received, result.failed_count) == (len(uids) - 1, 1)
    (failed,) = result.failed
    assert failed.SOPInstanceUID == uids[0]
    assert f"({status})" in failed.reason
    assert sink.stray_files() == []
