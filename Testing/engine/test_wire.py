"""The wire format and both ends of it, joined without pipes."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_engine import SmallEngine

from VisualDICOMBrowserLib.engine.client_session import ClientSession
from VisualDICOMBrowserLib.engine.connection import EngineConnection
from VisualDICOMBrowserLib.engine.wire import (
    LINE_LIMIT,
    WIRE_VERSION,
    Command,
    Event,
    LineDecoder,
    Malformed,
    Message,
    Reply,
    as_json_value,
    encode,
)
from VisualDICOMBrowserLib.errors import BugError, EngineError, PeerError, UsageError, VisualDICOMError

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
json_objects = st.dictionaries(st.text(min_size=1), json_values, max_size=4)
numbers = st.integers(0, 2**40)
commands = st.builds(Command, numbers, st.text(), json_objects)
replies = st.builds(Reply, numbers, json_values) | st.builds(Reply, numbers, st.none(), json_objects)
events = st.builds(
    Event, st.text(), json_objects.map(lambda d: {k: v for k, v in d.items() if k not in ("v", "event")})
)


def chunks_of(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@settings(deadline=None)
@given(st.lists(commands | replies | events, max_size=5), st.lists(st.integers(0, 10**6), max_size=20))
def test_messages_survive_any_chunking(messages: list[Message], cuts: list[int]) -> None:
    decoder = LineDecoder()
    data = b"".join(encode(message) for message in messages)
    assert [found for chunk in chunks_of(data, cuts) for found in decoder.feed(chunk)] == messages


@settings(deadline=None)
@given(st.binary(max_size=300), st.lists(st.integers(0, 10**6), max_size=5))
def test_any_bytes_give_messages_or_malformed(data: bytes, cuts: list[int]) -> None:
    decoder = LineDecoder(limit=100)
    for chunk in chunks_of(data, cuts):
        for found in decoder.feed(chunk):
            assert isinstance(found, (Command, Reply, Event, Malformed))
    decoder.feed(b"\n")
    assert decoder.feed(encode(Command(1, "after"))) == [Command(1, "after")]


@pytest.mark.parametrize(
    ("line", "number"),
    [
        (b"not json", None),
        (b"\xff\xfe", None),
        (b"[1,2]", None),
        (b"[" * 100_000, None),
        (b'{"v":1,"id":4,"command":"x","arguments":NaN}', None),
        (b'{"id":4,"command":"x"}', 4),
        (b'{"v":2,"id":4,"command":"x"}', 4),
        (b'{"v":true,"id":4,"command":"x"}', 4),
        (b'{"v":1,"command":"x"}', None),
        (b'{"v":1,"id":-4,"command":"x"}', None),
        (b'{"v":1,"id":true,"command":"x"}', None),
        (b'{"v":1,"id":4,"command":7}', 4),
        (b'{"v":1,"id":4,"command":"x","arguments":[]}', 4),
        (b'{"v":1,"reply_to":4,"error":"text"}', 4),
        (b'{"v":1,"event":7}', None),
        (b'{"v":1}', None),
    ],
)
def test_unreadable_lines_are_named(line: bytes, number: int | None) -> None:
    decoder = LineDecoder()
    (found,) = decoder.feed(line + b"\n")
    assert isinstance(found, Malformed)
    assert found.reply_to == number
    assert re.fullmatch(r"[A-Z].*\.", found.error.message)


def test_overlong_line_is_dropped_once_and_not_kept() -> None:
    decoder = LineDecoder(limit=50)
    assert decoder.feed(b"x" * 1000) == []
    assert decoder.feed(b"x" * 1000) == []
    found = decoder.feed(b"x\n" + encode(Command(1, "next")))
    assert isinstance(found[0], Malformed)
    assert found[1:] == [Command(1, "next")]


def test_carriage_returns_and_blank_lines_are_tolerated() -> None:
    assert LineDecoder().feed(b'\r\n\n{"v":1,"id":1,"command":"x"}\r\n') == [Command(1, "x")]


def test_too_large_or_unspeakable_messages_are_refused() -> None:
    with pytest.raises(UsageError, match="exceeds"):
        encode(Command(1, "x", {"text": "y" * 100}), limit=50)
    for value in (float("nan"), object(), {1, 2}):
        with pytest.raises(BugError, match="JSON"):
            encode(Command(1, "x", {"value": value}))


def test_format_is_what_the_documents_say() -> None:
    assert WIRE_VERSION == 1
    assert LINE_LIMIT == 32 * 2**20
    assert json.loads(encode(Command(17, "cancel_job", {"job_id": "r-42"}))) == {
        "v": 1,
        "id": 17,
        "command": "cancel_job",
        "arguments": {"job_id": "r-42"},
    }
    assert json.loads(encode(Reply(17, True))) == {"v": 1, "reply_to": 17, "result": True}
    assert json.loads(encode(Event("job_changed", {"job": {}}))) == {"v": 1, "event": "job_changed", "job": {}}
    assert as_json_value({"a": (1, 2)}) == {"a": [1, 2]}


class Ends:
    """A client session and an engine connection joined by hand, `size` bytes at a time."""

    def __init__(self, engine: SmallEngine, size: int = 10) -> None:
        self.session = ClientSession()
        self.connection = EngineConnection(engine, self)  # type: ignore[arg-type]
        self.size = size
        self.to_session = bytearray()

    def put(self, data: bytes) -> None:
        self.to_session += data

    def offer(self, data: bytes) -> bool:
        self.to_session += data
        return True

    def exchange(self) -> None:
        for data, feed in ((self.session.data_to_send(), self.connection.feed), (None, self.session.feed)):
            rest = bytes(self.to_session) if data is None else data
            for start in range(0, len(rest), self.size):
                feed(rest[start : start + self.size])
        self.to_session.clear()

    def ask(self, command: str, **arguments: Any) -> tuple[Any, VisualDICOMError | None]:
        answers: list[tuple[Any, VisualDICOMError | None]] = []
        self.session.send(command, arguments, lambda *answer: answers.append(answer))
        self.exchange()
        return answers[0]


@pytest.fixture
def ends(tmp_path: Any) -> Ends:
    return Ends(SmallEngine(tmp_path))


@settings(deadline=None)
@given(json_values)
def test_values_cross_both_ends(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    ends = Ends(SmallEngine(tmp_path_factory.getbasetemp()))
    assert ends.ask("same", value=value) == (value, None)


def test_errors_cross_with_all_fields(ends: Ends) -> None:
    _, error = ends.ask("refuse")
    assert isinstance(error, PeerError)
    assert error.as_dict() == {
        "type": "PeerError",
        "code": "refused",
        "message": "PACS_A refused.",
        "server": "PACS_A",
        "subject": "1.2.3",
        "next_step": "Ask its administrator.",
    }


def test_faults_of_the_engine_are_told_and_the_loop_goes_on(ends: Ends, caplog: pytest.LogCaptureFixture) -> None:
    for command in ("break", "not_json"):
        assert isinstance(ends.ask(command)[1], BugError)
    unknown = ends.ask("nothing")[1]
    assert isinstance(unknown, UsageError)
    assert unknown.code == "unknown_command"
    for junk in (b"junk\n", b'{"v":9,"id":1,"command":"same"}\n', b'{"v":1,"reply_to":3}\n', encode(Event("x"))):
        ends.connection.feed(junk)
    assert ends.to_session.count(b'"error"') == 4
    ends.exchange()
    assert ends.ask("same", value=1) == (1, None)


def test_events_reach_subscribers_in_order_and_failing_ones_are_logged(
    ends: Ends, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[dict[str, Any]] = []

    def fail(event: dict[str, Any]) -> None:
        raise RuntimeError

    ends.session.subscribe(fail)
    unsubscribe = ends.session.subscribe(heard.append)
    for number in range(3):
        ends.ask("publish", event="job_changed", fields={"number": number})
    assert heard == [{"event": "job_changed", "number": number} for number in range(3)]
    assert "A subscriber failed on event job_changed" in caplog.text
    unsubscribe()
    ends.connection.close()
    ends.ask("publish", event="job_changed", fields={})
    assert len(heard) == 3


def test_lost_connection_fails_what_is_pending_and_not_what_follows(ends: Ends) -> None:
    answers: list[Any] = []
    lost = EngineError("Lost.")
    ends.session.send("same", {"value": 1}, lambda *answer: answers.append(answer))
    ends.session.feed(b'{"v":1,"reply_')
    ends.session.connection_lost(lost)
    assert answers == [(None, lost)]
    assert ends.ask("same", value=2) == (2, None)
    ends.session.end(lost)
    ends.session.end(EngineError("Later."))
    assert ends.session.ended is lost
    ends.session.send("same", {"value": 3}, lambda *answer: answers.append(answer))
    assert answers[1:] == [(None, lost)]
    assert ends.session.data_to_send() == b""


def test_second_ready_event_is_announced_as_restart(ends: Ends) -> None:
    heard: list[dict[str, Any]] = []
    ends.session.subscribe(heard.append)
    for _ in range(2):
        ends.session.feed(encode(Event("engine_ready")))
    assert [event["event"] for event in heard] == ["engine_ready", "engine_ready", "engine_notice"]
    assert heard[-1]["level"] == "warning"
    assert heard[-1]["message"].startswith("The background engine was restarted.")


def test_host_that_does_not_read_loses_events_and_is_told(tmp_path: Any) -> None:
    engine = SmallEngine(tmp_path)
    ends = Ends(engine)
    room = [False]
    heard: list[dict[str, Any]] = []
    ends.session.subscribe(heard.append)
    offer = ends.offer
    ends.offer = lambda data: room[0] and offer(data)  # type: ignore[method-assign]
    for number in range(3):
        engine.command_publish("job_changed", {"number": number})
    room[0] = True
    engine.command_publish("job_changed", {"number": 3})
    ends.exchange()
    assert [event["event"] for event in heard] == ["engine_notice", "job_changed"]
    assert heard[0]["message"].startswith("3 messages of the engine were lost")
    assert heard[1]["number"] == 3
