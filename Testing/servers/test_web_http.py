"""HTTP of the web driver: statuses in words, redirects without secrets, lying and dead servers, TLS, cancel."""

from __future__ import annotations

import gzip
import json
import logging
import threading
import time
from email.utils import formatdate

import pytest

from Testing.support.file_sink import ControlOfTest
from Testing.support.web_drivers import web_driver, web_services
from Testing.support.web_fetching import fault_of, find
from Testing.support.web_server import Answer, Request, WebServer, json_answer, raw_answer, study_json
from VisualDICOMBrowserLib.errors import (
    JobCancelled,
    NetworkError,
    PeerError,
    PeerTimeoutError,
    UsageError,
    VisualDICOMError,
)
from VisualDICOMBrowserLib.model import WorklistQuery

SECRETS = ("tok-12345", "key-67890")


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (400, "http_400", "does not understand"),
        (401, "sign_in", "Sign-in to Web is needed"),
        (403, "no_right", "no right"),
        (404, "not_dicomweb", "not DICOMweb"),
        (409, "http_409", "refused"),
        (413, "too_large", "no request of this size"),
        (429, "http_429", "fewer requests"),
        (500, "http_500", "failed inside"),
        (501, "http_501", "does not offer"),
        (502, "http_502", "gateway"),
        (503, "http_503", "busy"),
        (504, "http_504", "gateway"),
        (418, "http_418", "status 418"),
    ],
)
def test_a_status_is_a_sentence(status: int, code: str, words: str) -> None:
    """Case 67: each status has its code and words, and what to do."""
    fault = fault_of(Answer(status, {"Content-Type": "application/json"}, [b'{"secret": "of the server"}']))
    assert isinstance(fault, PeerError)
    assert (fault.code, fault.server, fault.retry_after) == (code, "Web", None)
    assert words in fault.message
    assert "secret" not in str(fault)


@pytest.mark.parametrize(("told", "least", "most"), [("17", 17, 17), ("date", 20, 60), ("soon", None, None)])
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_carried(status: int, told: str, least: float | None, most: float | None) -> None:
    """Case 67: 429 and 503 with Retry-After in seconds or as a date."""
    value = formatdate(time.time() + 60, usegmt=True) if told == "date" else told
    fault = fault_of(Answer(status, {"Retry-After": value}))
    assert fault.code == f"http_{status}"
    if least is None:
        assert fault.retry_after is None
    else:
        assert fault.retry_after is not None
        assert least <= fault.retry_after <= (most or 0)
        assert "asks to wait" in str(fault)


def test_a_login_page_is_no_answer() -> None:
    """Case 67: an HTML page with 200, with and without its content type."""
    page = b"<!DOCTYPE html><html><body>Please log in</body></html>"
    for headers in ({"Content-Type": "text/html; charset=utf-8"}, {"Content-Type": "application/json"}, {}):
        fault = fault_of(Answer(200, headers, [page]))
        assert fault.code == "not_dicomweb"
        assert "The address answers with a web page, not DICOMweb." in fault.message


def test_secrets_stay_at_home_after_a_redirect(caplog: pytest.LogCaptureFixture) -> None:
    """Case 67: another host gets neither the token nor own headers; the same host gets them again."""
    caplog.set_level(logging.DEBUG)
    services = web_services(token=SECRETS[0], **{"header:X-Api-Key": SECRETS[1]})
    with WebServer(lambda request: json_answer([study_json("1.2")])) as other:

        def handler(request: Request) -> Answer:
            if request.path == "/studies":
                return Answer(307, {"Location": f"/inner{request.target}"})
            return Answer(302, {"Location": f"http://localhost:{other.port}/studies"})

        with WebServer(handler) as home:
            found = find(home.url, services=services, auth="bearer", headers={"X-Own": "own"})
        first, second = home.requests
        (elsewhere,) = other.requests
    assert len(found.records) == 1
    for request in (first, second):
        assert request.headers["authorization"] == f"Bearer {SECRETS[0]}"
        assert (request.headers["x-api-key"], request.headers["x-own"]) == (SECRETS[1], "own")
    assert not {"authorization", "x-api-key", "x-own", "cookie"} & set(elsewhere.headers)
    assert not any(secret in caplog.text for secret in SECRETS)


def test_redirects_end() -> None:
    """Case 67: a redirect to itself."""
    with WebServer(lambda request: Answer(302, {"Location": "/studies"})) as server:
        with pytest.raises(PeerError, match="more than 5 redirects"):
            find(server.url)
        assert len(server.requests) == 6


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/x", "http://[bad/", "file:///etc/passwd", "http://*/x"])
def test_redirects_to_no_web_address_are_refused(target: str) -> None:
    """Case 67."""
    assert fault_of(Answer(302, {"Location": target})).code == "protocol"


def test_bombs_are_not_unpacked() -> None:
    """Case 69: a gzip bomb ends in a sentence, long before it is unpacked."""
    bomb = gzip.compress(b"[" + b" " * (300 << 20) + b"]", 9)
    fault = fault_of(Answer(200, {"Content-Encoding": "gzip", "Content-Type": "application/json"}, [bomb]))
    assert fault.code == "protocol"
    assert "more than is believable" in fault.message


@pytest.mark.parametrize("coding", ["br", "gzip"])
def test_packed_data_that_cannot_be_read(coding: str) -> None:
    """Case 69: an unknown coding, and bytes that are not what they are called."""
    fault = fault_of(Answer(200, {"Content-Encoding": coding, "Content-Type": "application/json"}, [b"\0nonsense"]))
    assert fault.code == "protocol"


def test_packed_answers_are_read() -> None:
    """What gzip is for."""
    content = gzip.compress(json.dumps([study_json("1.2.3")]).encode())
    with WebServer(lambda request: Answer(200, {"Content-Encoding": "gzip"}, [content])) as server:
        assert len(find(server.url).records) == 1


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (Answer(200, {}, [b'[{"0020000D":'], length=500), NetworkError, "connection_lost"),
        (Answer(200, {}, [b"[{}"], chunked=True, cut=True), NetworkError, "connection_lost"),
        (Answer(200, {}, [b"[]"], length=100, reset=True), NetworkError, "connection_lost"),
        (raw_answer(b""), NetworkError, "connection_lost"),
        (raw_answer(b"220 mail.example.org ESMTP\r\n"), PeerError, "not_dicomweb"),
        (raw_answer(b"\x15\x03\x01\x00\x02\x02\x46"), NetworkError, "tls_expected"),
        (raw_answer(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70000 + b"\r\n\r\n"), PeerError, "protocol"),
    ],
)
def test_answers_cut_short_or_strange(answer: Answer, kind: type[VisualDICOMError], code: str) -> None:
    """Case 69: Content-Length lie, chunked cut, connection lost; a port that speaks something else."""
    fault = fault_of(answer)
    assert type(fault) is kind
    assert fault.code == code


def test_unknown_host_closed_port_and_silence(free_port: int, silent_port: int) -> None:
    """What has no server, each in its own words."""
    with pytest.raises(NetworkError, match=r"the name no-such-host\.invalid is not known") as unknown:
        find("http://no-such-host.invalid/dicom-web")
    assert unknown.value.code == "unknown_host"
    with pytest.raises(NetworkError, match=f"nothing listens on port {free_port}") as refused:
        find(f"http://127.0.0.1:{free_port}")
    assert refused.value.code == "refused"
    with pytest.raises(PeerTimeoutError, match="did not answer in 1 s"):
        find(f"http://127.0.0.1:{silent_port}", timeout_s=1.0)


def cancelled_after(control: ControlOfTest, event: threading.Event) -> threading.Thread:
    """Cancel as soon as the event is set."""

    def run() -> None:
        event.wait(10)
        control.cancel()

    thread = threading.Thread(target=run, name="test-cancel")
    thread.start()
    return thread


def test_cancel_while_the_server_is_silent() -> None:
    """Cancel ends a request at once that waits for its answer."""
    control, reached, never = ControlOfTest(), threading.Event(), threading.Event()

    def handler(request: Request) -> Answer:
        reached.set()
        return Answer(pieces=[never], raw=True)

    with WebServer(handler) as server:
        thread = cancelled_after(control, reached)
        started = time.monotonic()
        with pytest.raises(JobCancelled):
            find(server.url, control=control, timeout_s=60.0)
        assert time.monotonic() - started < 5
        thread.join()


def test_cancel_before_and_in_the_handshake(silent_port: int) -> None:
    """Cancel ends a TLS handshake that gets no answer, and what was cancelled before is not begun."""
    control = ControlOfTest()
    control.cancel()
    with pytest.raises(JobCancelled):
        find(f"https://127.0.0.1:{silent_port}", control=control)
    control, started = ControlOfTest(), threading.Event()
    timer = threading.Timer(0.3, started.set)
    timer.name = "test-timer"
    timer.start()
    thread = cancelled_after(control, started)
    begun = time.monotonic()
    with pytest.raises(JobCancelled):
        find(f"https://127.0.0.1:{silent_port}", control=control, timeout_s=60.0)
    assert time.monotonic() - begun < 5
    thread.join()
    timer.join()


def test_worklist_is_not_offered() -> None:
    """A method that the protocol has not."""
    driver = web_driver("http://127.0.0.1:1")
    with pytest.raises(UsageError) as refusal:
        driver.worklist(WorklistQuery(), ControlOfTest())
    assert refusal.value.code == "not_offered"
    driver.close()


def test_headers_of_two_lines_are_not_sent() -> None:
    """A token with a line end cannot smuggle headers."""
    services = web_services(token="a\r\nX-Evil: 1")
    with WebServer(lambda request: json_answer([])) as server:
        with pytest.raises(UsageError, match="one line of plain text"):
            find(server.url, services=services, auth="bearer")
        with pytest.raises(UsageError, match="one line of plain text"):
            find(server.url, services=web_services(**{"header:X Bad": "value"}))
        assert not server.requests


# --- TLS ---
