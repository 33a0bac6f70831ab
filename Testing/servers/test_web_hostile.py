"""DICOMweb servers that want to harm: to learn our secrets, to fill our memory, to end a job with a trace."""

from __future__ import annotations

import gc
import gzip
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from Testing.support.ct_series import CtSeries, make_ct_series
from Testing.support.file_sink import ControlOfTest, FileSink
from Testing.support.web_drivers import web_config, web_driver, web_services
from Testing.support.web_fetching import check_kept, fault_of, fetch, request_for
from Testing.support.web_server import Answer, Request, WebServer, json_answer, multipart, multipart_answer, study_json
from VisualDICOMBrowserLib.errors import PeerError
from VisualDICOMBrowserLib.model import FindResult, JobControl, Query, StudyRecord
from VisualDICOMBrowserLib.servers.web.body import WebAnswer
from VisualDICOMBrowserLib.servers.web.http import SecretHeaders, WebSession
from VisualDICOMBrowserLib.servers.web.store import _fates

TOKEN = "tok-12345"


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> CtSeries:
    """Three small slices."""
    return make_ct_series(tmp_path_factory.mktemp("series"), 3)


@pytest.mark.parametrize(
    "target", ["{other}\\@{home}/studies", "http://name:word@{home}/studies", "{other}\t@{home}/studies"]
)
def test_addresses_that_libraries_read_differently_are_not_followed(target: str) -> None:
    """Case 67: to one library the host is ours, the other connects to the one before the sign."""
    services = web_services(token=TOKEN)
    with WebServer(lambda request: json_answer([])) as other:

        def handler(request: Request) -> Answer:
            home = f"127.0.0.1:{server.port}"
            return Answer(302, {"Location": target.format(other=f"http://localhost:{other.port}", home=home)})

        with WebServer(handler) as server:
            driver = web_driver(server.url, services, auth="bearer")
            with pytest.raises(PeerError) as fault:
                driver.find(Query(), ControlOfTest())
            driver.close()
            assert len(server.requests) == 1
        assert other.requests == []
    assert fault.value.code == "protocol"
    assert "a redirect to no web address" in fault.value.message


def found_in(content: bytes, coding: str = "", **query: str) -> FindResult:
    """What a search finds in this answer."""
    headers = {"Content-Type": "application/dicom+json", **({"Content-Encoding": coding} if coding else {})}
    with WebServer(lambda request: Answer(200, headers, [content])) as server:
        driver = web_driver(server.url)
        try:
            return driver.find(Query(**query), ControlOfTest())  # type: ignore[arg-type]
        finally:
            driver.close()


def test_packed_members_are_one_answer() -> None:
    """Case 69: several gzip members behind each other, and filling behind the last."""
    whole = b'[{"0020000D": {"vr": "UI", "Value": ["1.2"]}}]'
    packed = gzip.compress(whole[:20]) + gzip.compress(whole[20:]) + bytes(64)
    (study,) = found_in(packed, "gzip").records
    assert isinstance(study, StudyRecord)
    assert study.StudyInstanceUID == "1.2"


class NoSignIn:
    """A `SignedIn` without any."""

    def header(self, control: JobControl) -> str:
        """No header."""
        return ""

    def renewed(self, rejected: str, control: JobControl) -> bool:
        """Nothing to renew."""
        return False


def test_what_follows_packed_data_is_not_kept() -> None:
    """Case 69: megabytes of filling behind a small packed answer do not pile up."""
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    pieces = [gzip.compress(b"[]"), *[bytes(1 << 20)] * 40]
    with WebServer(lambda request: Answer(200, headers, pieces)) as server:
        session = WebSession(web_config(server.url), SecretHeaders(), NoSignIn())
        with session.request("GET", server.url, ControlOfTest(), headers={}) as answer:
            assert answer.content() == b"[]"
            assert held(answer) < 1 << 20
        session.close()


def held(answer: WebAnswer) -> int:
    """Bytes that an answer still holds."""
    unpacker: Any = answer._unpacker
    return len(answer._rest) + len(unpacker.unused_data) + len(unpacker.unconsumed_tail)


def test_instances_side_by_side_may_be_given_in_different_forms(series: CtSeries, sink: FileSink) -> None:
    """One instance is refused in the first form while another is on its way in it."""
    first, second, third = series.files
    second_form = threading.Event()

    def handler(request: Request) -> Answer:
        uid = request.path.rsplit("/", 1)[1]
        body = multipart([series.files[uid].read_bytes()])
        if uid == third:
            second_form.set()
        if uid == second:
            # In the first form, and answered when the first instance has been taken in the second form.
            assert second_form.wait(10)
        elif "transfer-syntax" in request.headers["accept"]:
            return Answer(406)
        return multipart_answer(body)

    result = fetch(handler, request_for(series, first, second, third), sink, max_associations=2)
    assert (result.received, result.failed_count) == (3, 0)
    check_kept(sink, series, 3)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(200, {}, [b"[" * 200_000]), "not_dicomweb"),
        (Answer(200, {}, [b'{"access_token": "a", "expires_in": ' + b"9" * 400 + b"}"]), ""),
        (Answer(200, {}, [b'{"access_token": "a", "expires_in": ' + b"9" * 9000 + b"}"]), "not_dicomweb"),
    ],
)
def test_absurd_answers_to_a_sign_in(answer: Answer, code: str) -> None:
    """Case 70: nesting and numbers that Python does not read end in a sentence, or do no harm."""

    def handler(request: Request) -> Answer:
        return answer if request.path == "/token" else json_answer([study_json("1.2")])

    with WebServer(handler) as server:
        settings = {"auth": "client_credentials", "token_url": f"{server.url}/token", "client_id": "browser"}
        driver = web_driver(server.url, web_services(client_secret="s"), **settings)
        if code:
            with pytest.raises(PeerError) as fault:
                driver.find(Query(), ControlOfTest())
            assert fault.value.code == code
        else:
            assert len(driver.find(Query(), ControlOfTest()).records) == 1
        driver.close()


def test_text_that_no_database_takes() -> None:
    """Case 68: halves of surrogate pairs become question marks, whole pairs stay."""
    content = (
        b'[{"0020000D": {"vr": "UI", "Value": ["1.2"]},'
        b' "00081030": {"vr": "LO", "Value": ["a\\ud800b \\ud83d\\ude00"]},'
        b' "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe\\udfff^J"}]}}]'
    )
    (study,) = found_in(content).records
    assert isinstance(study, StudyRecord)
    assert (study.StudyDescription, study.PatientName) == ("a?b \U0001f600", "Doe?^J")
    study.PatientName.encode()


def test_square_brackets_are_no_wild_cards() -> None:
    """Case 51: DICOM knows * and ? alone (PS3.4 C.2.2.2.4); what the server found is not dropped."""
    content = b'[{"0020000D": {"Value": ["1.2"]}, "00100020": {"Value": ["A[1]"]}, "00081030": {"Value": ["CT [x]"]}}]'
    assert len(found_in(content, PatientID="A[1]", StudyDescription="[x]").records) == 1
    assert found_in(content, PatientID="A1").records == ()


def test_absurd_reasons_of_a_store_answer() -> None:
    """Case 70: a failure reason that is no 16-bit number is no reason."""
    for reason in ("9" * 9000, "70000", "-1", ""):
        item = f'{{"00081155": {{"Value": ["1.2"]}}, "00081197": {{"Value": ["{reason}"]}}}}'
        fates = _fates(f'{{"00081198": {{"Value": [{item}]}}}}'.encode())
        assert (fates["1.2"].status, fates["1.2"].code) == ("failed", None)
        assert fates["1.2"].reason == "It was refused without a reason."


def test_a_sign_in_page_that_never_ends_is_left() -> None:
    """Case 67: a page of megabytes instead of an answer is not read."""
    page = Answer(200, {"Content-Type": "text/html"}, [b"<html>", *[b" " * (1 << 20)] * 64])
    fault = fault_of(page)
    assert fault.code == "not_dicomweb"


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Nothing is cleared away but by those who made it."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the system does not list open files")
@pytest.mark.parametrize("status", [200, 401, 403, 404, 500, 503])
def test_a_closed_driver_leaves_no_socket_behind(status: int) -> None:
    """Case 67: also where the error of a request still holds on to its connection."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    for content in (b"", b'{"no": "list"}', b"<html>"):
        fault = fault_of(Answer(status, {}, [content]) if content or status != 200 else Answer(405))
        assert fault.server == "Web"
    assert len(list(Path("/proc/self/fd").iterdir())) == before
