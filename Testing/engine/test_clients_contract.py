"""What every `EngineClient` does alike: in process, over a pipe, over a socket, shared."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from small_engine import SmallEngine

from VisualDICOMBrowserLib.engine.address import read_address
from VisualDICOMBrowserLib.engine.client import EngineClient, InProcessClient
from VisualDICOMBrowserLib.engine.process_client import ProcessClient
from VisualDICOMBrowserLib.engine.relay import SharedEngine
from VisualDICOMBrowserLib.engine.server import EngineServer
from VisualDICOMBrowserLib.engine.socket_client import SocketClient
from VisualDICOMBrowserLib.errors import BugError, EngineError, PeerError, UsageError, VisualDICOMError

WAIT_S = 30.0


@pytest.fixture(params=["in_process", "process", "socket", "tcp", "shared", "attached"])
def client(
    request: pytest.FixtureRequest, tmp_path: Path, child_of: Callable[..., list[str]]
) -> Iterator[EngineClient]:
    with contextlib.ExitStack() as stack:
        made = client_of(request.param, tmp_path, child_of, stack)
        yield stack.enter_context(contextlib.closing(made))


def client_of(kind: str, folder: Path, child_of: Callable[..., list[str]], stack: contextlib.ExitStack) -> EngineClient:
    if kind == "in_process":
        return InProcessClient(SmallEngine(folder))
    if kind == "process":
        return ProcessClient(folder, command=child_of(folder))
    if kind == "shared":
        return SharedEngine(folder, SmallEngine)
    if kind == "attached":
        stack.enter_context(contextlib.closing(SharedEngine(folder, SmallEngine)))
        return SharedEngine(folder, SmallEngine)
    stack.enter_context(contextlib.closing(EngineServer(SmallEngine(folder), folder, use_tcp=kind == "tcp")))
    address = read_address(folder)
    assert address is not None
    return SocketClient(folder, address)


def sent(client: EngineClient, command: str, **arguments: Any) -> tuple[Any, VisualDICOMError | None]:
    answered = threading.Event()
    answers: list[tuple[Any, VisualDICOMError | None]] = []

    def on_reply(result: Any, error: VisualDICOMError | None) -> None:
        answers.append((result, error))
        answered.set()

    client.send(command, on_reply, **arguments)
    assert answered.wait(WAIT_S)
    return answers[0]


def test_is_an_engine_client(client: EngineClient) -> None:
    assert isinstance(client, EngineClient)


@pytest.mark.parametrize(
    "value", [None, True, 7, 1.5, "Müller\udcff\u2028", [1, [2]], {"a": {"b": None}}, "x" * 2_000_000]
)
def test_values_come_back(client: EngineClient, value: Any) -> None:
    assert client.request("same", value=value) == value


def test_results_look_the_same_wherever_they_come_from(client: EngineClient) -> None:
    assert client.request("tuple") == [1, 2]
    assert client.request("same", value={1: (2, 3)}) == {"1": [2, 3]}


def test_errors_are_raised_as_they_were(client: EngineClient) -> None:
    with pytest.raises(PeerError, match=r"PACS_A refused. Ask its administrator.") as caught:
        client.request("refuse")
    assert (caught.value.code, caught.value.server, caught.value.subject) == ("refused", "PACS_A", "1.2.3")
    with pytest.raises(UsageError, match="knows no command"):
        client.request("nothing")
    with pytest.raises(BugError):
        client.request("break")
    with pytest.raises(BugError):
        client.request("not_json")
    with pytest.raises(BugError):
        client.request("same", value=object())
    assert client.request("same", value=1) == 1


def test_send_replies_with_result_or_error(client: EngineClient) -> None:
    assert sent(client, "same", value=3) == (3, None)
    result, error = sent(client, "refuse")
    assert result is None
    assert isinstance(error, PeerError)


def test_sent_commands_are_carried_out_in_order_and_numbered(client: EngineClient, listener: Any) -> None:
    client.subscribe(listener)
    numbers = [client.send("publish", event="tick", fields={"number": number}) for number in range(20)]
    assert len(set(numbers)) == 20
    listener.wait_named("tick", 20)
    assert [event["number"] for event in listener.events if event["event"] == "tick"] == list(range(20))


def test_failing_callbacks_harm_nobody(client: EngineClient, listener: Any, caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError

    client.subscribe(fail)
    client.subscribe(listener)
    client.send("same", fail, value=1)
    client.send("publish", event="tick", fields={})
    listener.wait_named("tick")
    assert client.request("same", value=1) == 1


def test_unsubscribed_callbacks_hear_nothing(client: EngineClient, listener: Any) -> None:
    heard: list[Any] = []
    unsubscribe = client.subscribe(heard.append)
    client.subscribe(listener)
    unsubscribe()
    unsubscribe()
    client.request("publish", event="tick", fields={})
    listener.wait_named("tick")
    assert [event for event in heard if event["event"] == "tick"] == []


def test_many_threads_get_their_own_answers(client: EngineClient) -> None:
    wrong: list[Any] = []

    def ask(number: int) -> None:
        for turn in range(20):
            value = [number, turn]
            if client.request("same", value=value) != value:
                wrong.append(value)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert wrong == []


def test_what_was_sent_is_carried_out_before_the_end(client: EngineClient, tmp_path: Path) -> None:
    client.request("same", value=1)
    for number in range(10):
        client.send("touch", name=f"sent-{number}")
    client.close()
    assert len(list(tmp_path.glob("sent-*"))) == 10


def test_closed_clients_say_so(client: EngineClient) -> None:
    client.request("same", value=1)
    client.close()
    client.close()
    with pytest.raises(EngineError):
        client.request("same", value=1)
    _, error = sent(client, "same", value=1)
    assert isinstance(error, EngineError)
