"""STOW-RS against a scriptable server: what it confirms is sent, and nothing else."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from Testing.support.ct_series import CtSeries, dataset_bytes, make_ct_series
from Testing.support.file_sink import ControlOfTest
from Testing.support.web_drivers import web_driver
from Testing.support.web_server import Answer, Request, WebServer, json_answer
from VisualDICOMBrowserLib.errors import JobCancelled, NetworkError, PeerError
from VisualDICOMBrowserLib.model import InstanceRecord, SentInstance
from VisualDICOMBrowserLib.servers.web.multipart import MultipartSplitter, PartBegin, PartData, boundary_of


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> CtSeries:
    """Eight small slices."""
    return make_ct_series(tmp_path_factory.mktemp("series"), 8)


def records(series: CtSeries) -> list[InstanceRecord]:
    """The slices as the database knows them."""
    return [
        InstanceRecord(
            SOPInstanceUID=uid,
            SOPClassUID="1.2.840.10008.5.1.4.1.1.2",
            StudyInstanceUID=series.StudyInstanceUID,
            SeriesInstanceUID=series.SeriesInstanceUID,
            path=str(path),
        )
        for uid, path in series.files.items()
    ]


def parts_of(request: Request) -> list[bytes]:
    """Files in a store request."""
    splitter = MultipartSplitter(boundary_of(request.headers["content-type"]))
    parts: list[bytearray] = []
    for event in splitter.feed(request.body):
        if isinstance(event, PartBegin):
            assert event.headers == {"content-type": "application/dicom"}
            parts.append(bytearray())
        elif isinstance(event, PartData):
            parts[-1].extend(event.data)
    assert splitter.ended
    return [bytes(part) for part in parts]


def store_answer(
    stored: Sequence[str] = (), failed: dict[str, int] | None = None, warned: dict[str, int] | None = None
) -> dict[str, Any]:
    """A store answer in JSON."""

    def item(uid: str, tag: str = "", code: int = 0) -> dict[str, Any]:
        reason = {tag: {"vr": "US", "Value": [code]}} if tag else {}
        return {"00081155": {"vr": "UI", "Value": [uid]}, **reason}

    done = [item(uid) for uid in stored] + [item(uid, "00081196", code) for uid, code in (warned or {}).items()]
    refused = [item(uid, "00081197", code) for uid, code in (failed or {}).items()]
    return {"00081199": {"vr": "SQ", "Value": done}, "00081198": {"vr": "SQ", "Value": refused}}


def store(
    handler: Callable[[Request], Answer], instances: Sequence[InstanceRecord], **changes: Any
) -> tuple[dict[str, SentInstance], list[Request]]:
    """Fates by UID and the requests that were made."""
    sent: list[SentInstance] = []
    with WebServer(handler) as server:
        driver = web_driver(server.url, **changes)
        try:
            driver.store(instances, ControlOfTest(), sent.append)
        finally:
            driver.close()
        requests = [request for request in server.requests if request.method == "POST"]
    assert len(sent) == len({item.SOPInstanceUID for item in sent})
    return {item.SOPInstanceUID: item for item in sent}, requests


def confirming(series: CtSeries) -> Callable[[Request], Answer]:
    """A server that stores all it gets."""
    by_content = {path.read_bytes(): uid for uid, path in series.files.items()}
    return lambda request: json_answer(store_answer([by_content[part] for part in parts_of(request)]))


def test_files_go_as_they_are(series: CtSeries) -> None:
    """Byte for byte in one request of known length, and each is confirmed."""
    sent, (request,) = store(confirming(series), records(series))
    assert parts_of(request) == [path.read_bytes() for path in series.files.values()]
    assert request.path == "/studies"
    assert int(request.headers["content-length"]) == len(request.body)
    assert request.headers["content-type"].startswith('multipart/related; type="application/dicom"; boundary=')
    assert {item.status for item in sent.values()} == {"sent"}
    assert len(sent) == 8
    assert sum(item.size for item in sent.values()) == sum(path.stat().st_size for path in series.files.values())


def test_requests_keep_to_the_size_that_the_server_takes(series: CtSeries) -> None:
    """stow_limit_mb bounds each request; an instance larger than that goes alone."""
    size = next(iter(series.files.values())).stat().st_size
    sent, requests = store(confirming(series), records(series), stow_limit_mb=3.5 * size / (1 << 20))
    assert [len(parts_of(request)) for request in requests] == [3, 3, 2]
    assert len(sent) == 8
    _, requests = store(confirming(series), records(series), stow_limit_mb=0.001)
    assert len(requests) == 8


@pytest.mark.parametrize("status", [200, 202, 409, 400])
def test_partial_failure_is_told_per_instance(status: int, series: CtSeries) -> None:
    """Case 70: 202 and 409 with FailedSOPSequence, and what Orthanc answers with 400."""
    uids = list(series.files)
    answer = store_answer(uids[:5], {uids[5]: 0xA700, uids[6]: 0x0122}, {uids[7]: 0xB000})
    sent, _ = store(lambda request: json_answer(answer, status), records(series))
    assert [sent[uid].status for uid in uids] == ["sent"] * 5 + ["failed"] * 2 + ["warning"]
    assert (sent[uids[5]].code, sent[uids[6]].code, sent[uids[7]].code) == (0xA700, 0x0122, 0xB000)
    assert sent[uids[5]].reason == "It was refused: out of resources (A700)."
    assert "SOP class not supported" in sent[uids[6]].reason


def test_what_the_answer_does_not_name_is_not_sent(series: CtSeries) -> None:
    """Case 70: an answer that forgets two instances and names one that nobody sent."""
    uids = list(series.files)
    sent, _ = store(lambda request: json_answer(store_answer([*uids[:6], "1.2.3"])), records(series))
    assert [sent[uid].status for uid in uids] == ["sent"] * 6 + ["failed"] * 2
    assert sent[uids[7]].reason == "Web did not confirm it."
    assert set(sent) == set(uids)


def test_an_answer_in_xml(series: CtSeries) -> None:
    """The Native DICOM Model, with its name space; no entity is ever resolved."""
    uids = list(series.files)
    items = "".join(
        f'<Item number="{n}"><DicomAttribute tag="00081155" vr="UI"><Value number="1">{uid}</Value></DicomAttribute>'
        "</Item>"
        for n, uid in enumerate(uids[:7], 1)
    )
    failed = (
        f'<Item number="1"><DicomAttribute tag="00081155" vr="UI"><Value number="1">{uids[7]}</Value></DicomAttribute>'
        '<DicomAttribute tag="00081197" vr="US"><Value number="1">272</Value></DicomAttribute></Item>'
    )
    text = (
        '<?xml version="1.0"?><NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">'
        f'<DicomAttribute tag="00081199" vr="SQ">{items}</DicomAttribute>'
        f'<DicomAttribute tag="00081198" vr="SQ">{failed}</DicomAttribute></NativeDicomModel>'
    ).encode()
    kind = {"Content-Type": "application/dicom+xml"}
    sent, _ = store(lambda request: Answer(202, kind, [text]), records(series))
    assert [sent[uid].status for uid in uids] == ["sent"] * 7 + ["failed"]
    assert sent[uids[7]].code == 0x0110
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>'
    answers = {"POST": Answer(200, kind, [bomb]), "GET": json_answer([])}
    sent, _ = store(lambda request: answers[request.method], records(series)[:1])
    assert sent[uids[0]].status == "failed"


@pytest.mark.parametrize(
    ("listed", "status", "words"),
    [(True, "sent", ""), (False, "failed", "does not list it"), (None, "warning", "cannot be asked")],
)
def test_an_answer_without_a_body_is_checked(listed: bool | None, status: str, words: str, series: CtSeries) -> None:
    """Case 70: 200 and nothing more: the server is asked whether it has the instance."""
    instances = records(series)[:2]

    def handler(request: Request) -> Answer:
        if request.method == "POST":
            return Answer(200)
        if listed is None:
            return Answer(501)
        uid = request.query["SOPInstanceUID"][0]
        return json_answer([{"00080018": {"Value": [uid]}}] if listed else [])

    sent, _ = store(handler, instances)
    assert {item.status for item in sent.values()} == {status}
    assert all(words in item.reason for item in sent.values())


def test_too_large_requests_are_halved(series: CtSeries) -> None:
    """Case 67: 413 halves the batch; an instance too large by itself is listed."""
    largest = list(series.files)[2]
    huge = series.files[largest].read_bytes()

    def handler(request: Request) -> Answer:
        parts = parts_of(request)
        return Answer(413) if len(parts) > 2 or huge in parts else confirming(series)(request)

    sent, _ = store(handler, records(series))
    assert [uid for uid, item in sent.items() if item.status == "failed"] == [largest]
    assert sent[largest].code == 413
    assert len(sent) == 8


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(401), "sign_in"),
        (Answer(403), "no_right"),
        (Answer(409), "http_409"),
        (Answer(429, {"Retry-After": "5"}), "http_429"),
        (Answer(500), "http_500"),
        (Answer(503), "http_503"),
        (Answer(200, {"Content-Type": "text/html"}, [b"<html>"]), "not_dicomweb"),
        (Answer(200, {"Content-Type": "image/png"}, [b"png"]), "not_dicomweb"),
    ],
)
def test_refusals_of_a_whole_request(answer: Answer, code: str, series: CtSeries) -> None:
    """Case 67: a sentence, and no instance is called sent."""
    sent: list[SentInstance] = []
    with WebServer(lambda request: answer) as server:
        driver = web_driver(server.url)
        with pytest.raises(PeerError) as fault:
            driver.store(records(series), ControlOfTest(), sent.append)
        driver.close()
    assert fault.value.code == code
    assert sent == []


def test_a_lost_connection_leaves_the_rest_unconfirmed(series: CtSeries) -> None:
    """Case 70: the first batch is confirmed, the second is lost on its way."""
    size = next(iter(series.files.values())).stat().st_size
    sent: list[SentInstance] = []
    confirm = confirming(series)

    def handler(request: Request) -> Answer:
        return confirm(request) if len(server.requests) == 1 else Answer(raw=True, reset=True)

    with WebServer(handler) as server:
        driver = web_driver(server.url, stow_limit_mb=4.5 * size / (1 << 20))
        with pytest.raises(NetworkError) as fault:
            driver.store(records(series), ControlOfTest(), sent.append)
        driver.close()
    assert fault.value.code == "connection_lost"
    assert [item.SOPInstanceUID for item in sent] == list(series.files)[:4]


def test_files_that_cannot_be_sent(series: CtSeries, tmp_path: Path) -> None:
    """A file that is gone, one that is no DICOM, and one without File Meta Information, which gets one."""
    first, second, third = records(series)[:3]
    (tmp_path / "text.dcm").write_text("no DICOM")
    bare = tmp_path / "bare.dcm"
    bare.write_bytes(dataset_bytes(Path(third.path)))
    changed = [
        InstanceRecord(SOPInstanceUID=first.SOPInstanceUID, path=str(tmp_path / "gone.dcm")),
        InstanceRecord(SOPInstanceUID=second.SOPInstanceUID, path=str(tmp_path / "text.dcm")),
        InstanceRecord(SOPInstanceUID=third.SOPInstanceUID, SOPClassUID=third.SOPClassUID, path=str(bare)),
    ]
    sent, (request,) = store(lambda request: json_answer(store_answer([third.SOPInstanceUID])), changed)
    assert [item.status for item in sent.values()] == ["failed", "failed", "sent"]
    assert sent[first.SOPInstanceUID].reason.startswith("It was not sent:")
    (part,) = parts_of(request)
    (tmp_path / "sent.dcm").write_bytes(part)
    assert dataset_bytes(tmp_path / "sent.dcm") == bare.read_bytes()


def test_redirects_of_what_is_sent(series: CtSeries) -> None:
    """Case 67: on the same server with the whole body again, to another host not at all."""
    confirm = confirming(series)

    def moved(request: Request) -> Answer:
        return confirm(request) if request.path == "/new/studies" else Answer(307, {"Location": "/new/studies"})

    sent, requests = store(moved, records(series))
    assert len(sent) == 8
    assert requests[0].body == requests[1].body
    with WebServer(confirm) as other:
        target = {"Location": f"http://localhost:{other.port}/studies"}
        with pytest.raises(PeerError, match="what we send goes nowhere else") as fault:
            store(lambda request: Answer(308, target), records(series))
        assert not other.requests
    assert fault.value.code == "redirect"


def test_cancel_while_sending(series: CtSeries) -> None:
    """Cancel does not wait for an answer."""
    control, reached = ControlOfTest(), threading.Event()

    def handler(request: Request) -> Answer:
        reached.set()
        return Answer(raw=True, pieces=[threading.Event()])

    def cancel() -> None:
        reached.wait(10)
        control.cancel()

    sent: list[SentInstance] = []
    thread = threading.Thread(target=cancel, name="test-cancel")
    thread.start()
    with WebServer(handler) as server:
        driver = web_driver(server.url, timeout_s=60.0)
        with pytest.raises(JobCancelled):
            driver.store(records(series), control, sent.append)
        driver.close()
    thread.join()
    assert sent == []


def test_a_file_that_shrinks_while_it_is_sent(series: CtSeries, tmp_path: Path) -> None:
    """The request breaks off instead of sending a torn instance."""
    path = tmp_path / "shrinking.dcm"
    shutil.copy(next(iter(series.files.values())), path)
    other = tmp_path / "first.dcm"
    shutil.copy(next(iter(series.files.values())), other)
    uids = list(series.files)
    batch = [
        InstanceRecord(SOPInstanceUID=uids[0], SOPClassUID="1.2.840.10008.5.1.4.1.1.2", path=str(other)),
        InstanceRecord(SOPInstanceUID=uids[1], SOPClassUID="1.2.840.10008.5.1.4.1.1.2", path=str(path)),
    ]
    control = ControlOfTest()
    control.progress = lambda *numbers: path.write_bytes(path.read_bytes()[:500])  # type: ignore[method-assign]
    sent: list[SentInstance] = []
    with WebServer(lambda request: json_answer(store_answer(uids[:2]))) as server:
        driver = web_driver(server.url)
        with pytest.raises(NetworkError):
            driver.store(batch, control, sent.append)
        driver.close()
        assert not server.requests
    assert sent == []
