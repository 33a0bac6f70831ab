"""The child process: started, watched, restarted, told to end; and children that misbehave."""

from __future__ import annotations

import io
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_engine import SmallEngine

from VisualDICOMBrowserLib.engine.child import run_child
from VisualDICOMBrowserLib.engine.process_client import ProcessClient
from VisualDICOMBrowserLib.engine.supervision import RestartPolicy, child_command, child_environment
from VisualDICOMBrowserLib.engine.wire import Command, Event, LineDecoder, Reply, encode
from VisualDICOMBrowserLib.errors import BugError, DatabaseFault, EngineError

WAIT_S = 30.0

ChildOf = Callable[..., list[str]]


def python_child(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_dead_child_is_reported_and_restarted(tmp_path: Path, child_of: ChildOf, listener: Any) -> None:
    client = ProcessClient(tmp_path, command=child_of(tmp_path))
    try:
        client.subscribe(listener)
        before = client.request("pid")
        with pytest.raises(EngineError, match="ended unexpectedly"):
            client.request("kill")
        assert client.request("same", value=1) == 1
        listener.wait_named("engine_notice")
        after = client.request("pid")
        assert before != after
        assert gone(before)
        notices = [event for event in listener.events if event["event"] == "engine_notice"]
        assert [event["level"] for event in notices] == ["warning"]
        assert notices[0]["message"].startswith("The background engine was restarted.")
    finally:
        client.close()
    assert gone(after)


def test_child_that_ends_again_and_again_is_given_up(tmp_path: Path, listener: Any) -> None:
    starts = tmp_path / "starts"
    code = f"open({str(starts)!r}, 'a').write('x')"
    client = ProcessClient(tmp_path, command=python_child(code), policy=ImpatientPolicy())
    try:
        client.subscribe(listener)
        listener.wait(lambda event: event["event"] == "engine_notice" and event["level"] == "error")
        assert starts.read_text() == "x" * 6
        with pytest.raises(EngineError, match="again and again") as caught:
            client.request("same", value=1)
        assert caught.value.code == "engine_given_up"
    finally:
        client.close()


class ImpatientPolicy(RestartPolicy):
    """Restarts as often as the real one, without waiting."""

    def delay_after(self, ran_s: float) -> float | None:
        return None if super().delay_after(ran_s) is None else 0.0


def test_restarts_are_counted_in_a_row() -> None:
    policy = RestartPolicy()
    assert [policy.delay_after(1.0) for _ in range(6)] == [0.0, 0.25, 0.5, 1.0, 2.0, None]
    assert [policy.delay_after(ran) for ran in (60.0, 59.0, 61.0)] == [0.0, 0.25, 0.0]


def test_engine_that_cannot_start_says_why_and_is_not_restarted(
    tmp_path: Path, child_of: ChildOf, listener: Any
) -> None:
    (tmp_path / "refuse").touch()
    client = ProcessClient(tmp_path, command=child_of(tmp_path))
    try:
        client.subscribe(listener)
        with pytest.raises(DatabaseFault, match=r"The database is damaged\. Restore a copy\."):
            client.request("same", value=1)
        listener.wait(lambda event: event.get("level") == "error" and "damaged" in event["message"])
        assert not [event for event in listener.events if "restarted" in event.get("message", "")]
    finally:
        client.close()


def test_program_that_does_not_exist_is_reported(tmp_path: Path) -> None:
    client = ProcessClient(tmp_path, command=[str(tmp_path / "nothing")], policy=RestartPolicy(most=0))
    try:
        with pytest.raises(EngineError):
            client.request("same", value=1)
    finally:
        client.close()


def test_stray_output_of_the_child_goes_to_the_log(
    tmp_path: Path, child_of: ChildOf, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="VisualDICOMBrowserLib.engine.child"):
        client = ProcessClient(tmp_path, command=child_of(tmp_path))
        try:
            assert client.request("print", text="y" * 1_000_000) is None
            assert client.request("print", text="stray") is None
        finally:
            client.close()
    lines = [record.getMessage() for record in caplog.records if record.name.endswith("engine.child")]
    assert sum(line.endswith(": stray") for line in lines) == 2
    assert max(map(len, lines)) < 5000


def test_unreadable_output_harms_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    code = """
import json, sys
sys.stdout.buffer.write(b"junk\\n" + b"x" * 1000 + b'\\n{"v":7,"reply_to":99,"result":2}\\n')
for line in sys.stdin:
    number = json.loads(line)["id"]
    print(json.dumps({"v": 1, "reply_to": number, "result": number}), flush=True)
"""
    client = ProcessClient(tmp_path, command=python_child(code))
    try:
        assert isinstance(client.request("anything"), int)
    finally:
        client.close()


def test_silent_child_times_out(tmp_path: Path) -> None:
    code = "import sys; sys.stdin.read()"
    client = ProcessClient(tmp_path, command=python_child(code), request_timeout_s=0.2)
    try:
        with pytest.raises(EngineError, match="did not answer") as caught:
            client.request("same", value=1)
        assert caught.value.code == "engine_timeout"
    finally:
        client.close()


def test_request_in_a_callback_is_refused_instead_of_waiting_for_itself(tmp_path: Path, child_of: ChildOf) -> None:
    client = ProcessClient(tmp_path, command=child_of(tmp_path))
    caught: list[BaseException] = []
    done = threading.Event()

    def ask_again(*_: Any) -> None:
        try:
            client.request("same", value=1)
        except BugError as error:
            caught.append(error)
        done.set()

    try:
        client.send("same", ask_again, value=1)
        assert done.wait(WAIT_S)
        assert len(caught) == 1
    finally:
        client.close()


def test_child_deaf_to_everything_is_killed(tmp_path: Path, child_of: ChildOf) -> None:
    client = ProcessClient(tmp_path, command=child_of(tmp_path, "--deaf"), stop_timeout_s=1.0)
    pid = client.request("pid")
    client.close()
    assert gone(pid)


def test_child_that_never_reads_holds_up_neither_send_nor_close(tmp_path: Path) -> None:
    code = "import signal, threading; signal.signal(signal.SIGTERM, signal.SIG_IGN); threading.Event().wait()"
    client = ProcessClient(tmp_path, command=python_child(code), stop_timeout_s=1.0)
    for _ in range(5):
        client.send("same", value="x" * 1_000_000)
    client.close()
    assert client.pid is None


def test_child_ends_with_its_parent(tmp_path: Path, child_of: ChildOf) -> None:
    code = f"""
import os, sys
from pathlib import Path
from VisualDICOMBrowserLib.engine.process_client import ProcessClient
client = ProcessClient(Path({str(tmp_path)!r}), command={child_of(tmp_path)!r})
print(client.request("pid"), flush=True)
os.kill(os.getpid(), {int(signal.SIGKILL)})
"""
    parent = subprocess.run(
        python_child(code), env=child_environment(), stdout=subprocess.PIPE, timeout=WAIT_S, check=False
    )
    assert parent.returncode == -signal.SIGKILL
    # The lock of the folder comes free when the orphan ends; the next child waits for that and becomes the engine.
    client = ProcessClient(tmp_path, command=child_of(tmp_path))
    try:
        assert client.request("pid") != int(parent.stdout)
    finally:
        client.close()


def test_run_child_answers_until_its_input_ends(tmp_path: Path) -> None:
    engines: list[SmallEngine] = []

    def make(folder: Path) -> SmallEngine:
        engines.append(SmallEngine(folder))
        return engines[0]

    output = io.BytesIO()
    given = encode(Command(1, "same", {"value": 5})) + b"junk\n" + encode(Command(2, "tuple"))
    assert run_child(make, tmp_path, io.BytesIO(given), output) == 0
    ready, *replies = LineDecoder().feed(output.getvalue())
    assert isinstance(ready, Event)
    assert (ready.name, ready.fields["role"], ready.fields["pid"]) == ("engine_ready", "engine", os.getpid())
    assert [reply.reply_to for reply in replies if isinstance(reply, Reply)] == [1, None, 2]
    assert engines[0].closed.is_set()


def test_command_and_environment_find_the_package(tmp_path: Path) -> None:
    command = child_command(tmp_path)
    assert command == [sys.executable, "-m", "VisualDICOMBrowserLib.engine", "--database", str(tmp_path)]
    found = subprocess.run(
        python_child("import VisualDICOMBrowserLib.engine.wire"),
        env=child_environment(),
        cwd=tmp_path,
        timeout=WAIT_S,
        check=False,
    )
    assert found.returncode == 0
