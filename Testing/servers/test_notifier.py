"""The end point for notifications, over real sockets: who may post, what is taken, and what nobody can do to it."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import socket
import threading
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from VisualDICOMBrowserLib.errors import NetworkError
from VisualDICOMBrowserLib.servers.node import notifier as notifier_module
from VisualDICOMBrowserLib.servers.node.notifier import Notification, Notifier, checked_notification

TOKEN = "a-token-for-tests"
GOOD = {"server": "Main PACS", "event": "instance", "StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.4"}


class EndPoint:
    """A notifier that listens, and what it took."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self.taken: list[Notification] = []
        self.notifier = Notifier(host, 0, TOKEN, self._take)
        self.notifier.start()

    def _take(self, notification: Notification) -> None:
        if notification["server"] == "Unknown":
            message = "There is no server of that name."
            raise ValueError(message)
        self.taken.append(notification)

    def post(
        self,
        body: bytes | Mapping[str, object] = b"",
        *,
        token: str = TOKEN,
        method: str = "POST",
        path: str = "/notify",
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, str]:
        """Status and sentence of the answer."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection(self.host, self.notifier.port, timeout=20)
        try:
            sent = {"Authorization": f"Bearer {token}", **(headers or {})}
            connection.request(method, path, content, sent)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        return socket.create_connection((self.host, self.notifier.port), timeout=20)


@pytest.fixture
def end_point() -> Iterator[EndPoint]:
    opened = EndPoint()
    yield opened
    opened.notifier.close()


def test_a_notification_is_taken(end_point: EndPoint) -> None:
    assert end_point.post(GOOD) == (204, "")
    assert end_point.post({"server": "Main PACS"}) == (204, "")
    assert end_point.taken == [
        {"server": "Main PACS", "kind": "instance", "StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.4"},
        {"server": "Main PACS", "kind": "study"},
    ]


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", TOKEN[:-1], "é"])
def test_a_wrong_token_is_refused(end_point: EndPoint, token: str) -> None:
    status, sentence = end_point.post(GOOD, token=token)
    assert (status, sentence) == (401, "The token is missing or wrong.")
    assert end_point.taken == []


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The body is no JSON."),
        (b"{", "The body is no JSON."),
        (b"[" * 10_000, "The body is no JSON."),
        (b'"\xff\xfe"', "The body is no JSON."),
        (b"[]", "The body is no JSON object."),
        ({}, "The field server must be the name of a server."),
        ({"server": 5}, "The field server must be the name of a server."),
        ({"server": "x" * 65}, "The field server must be the name of a server."),
        ({"server": "Unknown"}, "There is no server of that name."),
        ({"server": "A", "event": "rm -rf"}, "The field event must be one of study, series, instance."),
        ({"server": "A", "event": ["study"]}, "The field event must be one of study, series, instance."),
        ({"server": "A", "StudyInstanceUID": "../../x"}, "The field StudyInstanceUID is no UID."),
        ({"server": "A", "SOPInstanceUID": 12}, "The field SOPInstanceUID is no UID."),
    ],
)
def test_what_is_wrong_is_said(end_point: EndPoint, body: bytes | dict[str, object], sentence: str) -> None:
    status, said = end_point.post(body)
    assert status == 400
    assert sentence in said
    assert end_point.taken == []


def test_other_requests(end_point: EndPoint) -> None:
    assert end_point.post(GOOD, path="/other")[0] == 404
    assert end_point.post(method="GET")[0] == 405
    assert end_point.post(method="DELETE")[0] == 405
    assert end_point.post(b"x" * 20_000)[0] == 413
    assert end_point.post(b"", headers={"Content-Length": "9" * 30})[0] == 413
    assert end_point.post(b"", headers={"Content-Length": "-5"})[0] == 411
    assert end_point.post(b"", headers={"Transfer-Encoding": "chunked"})[0] == 411


FIELDS = st.sampled_from(["server", "event", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "x"])
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["study", "1.2.3"]),
    lambda inner: st.lists(inner) | st.dictionaries(FIELDS, inner),
)


@given(ANY_JSON)
def test_any_json_is_a_notification_or_is_refused(values: object) -> None:
    try:
        checked = checked_notification(values)
    except ValueError:
        return
    assert checked["kind"] in ("study", "series", "instance")
    assert all(isinstance(value, str) and len(value) <= 64 for value in checked.values())


def test_idle_and_slow_connections_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Case 60 for our end point: idle sockets, drips, and more connections than it takes."""
    monkeypatch.setattr(notifier_module, "_LONGEST_S", 0.3)
    end_point = EndPoint()
    idle = [end_point.connect() for _ in range(notifier_module._MOST_CONNECTIONS)]
    try:
        idle[0].sendall(b"POST /notify HT")
        idle[1].sendall(
            b"POST /notify HTTP/1.1\r\nAuthorization: Bearer " + TOKEN.encode() + b"\r\nContent-Length: 99\r\n\r\n{"
        )
        for connection in idle:
            # Ends with or without an answer; what matters is that it ends.
            assert len(connection.recv(10_000)) < 10_000
    finally:
        for connection in idle:
            connection.close()
    try:
        # The places of those connections are free again as soon as their threads have ended.
        statuses = itertools.takewhile(lambda status: status != 204, (_status(end_point) for _ in range(200)))
        assert len(list(statuses)) < 200
    finally:
        end_point.notifier.close()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("notifier-")]


def _status(end_point: EndPoint) -> int:
    try:
        return end_point.post(GOOD)[0]
    except (ConnectionError, http.client.HTTPException):
        return 0


def test_closing_ends_open_connections(end_point: EndPoint) -> None:
    with end_point.connect() as waiting:
        waiting.sendall(b"POST /notify")
        end_point.notifier.close()
        with contextlib.suppress(ConnectionResetError):
            assert waiting.recv(100) == b""
    end_point.notifier.close()
    assert end_point.notifier.port == 0


def test_a_port_in_use_is_said(end_point: EndPoint) -> None:
    second = Notifier("127.0.0.1", end_point.notifier.port, TOKEN, lambda notification: None)
    with pytest.raises(NetworkError, match=r"Notifications cannot be taken at 127\.0\.0\.1, port \d+") as fault:
        second.start()
    assert fault.value.code == "cannot_listen"
    with pytest.raises(NetworkError):
        Notifier("127.0.0.1", 99999, TOKEN, lambda notification: None).start()


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this computer has no IPv6")
def test_ipv6() -> None:
    end_point = EndPoint("::1")
    try:
        assert end_point.post(GOOD)[0] == 204
    finally:
        end_point.notifier.close()
