"""One engine per folder: the lock, its address, attached programs, and who goes on when the engine ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_engine import SmallEngine

from VisualDICOMBrowserLib.engine.address import address_file, lock_file, read_address, write_address
from VisualDICOMBrowserLib.engine.lock import take_engine_lock
from VisualDICOMBrowserLib.engine.process_client import ProcessClient
from VisualDICOMBrowserLib.engine.relay import SharedEngine
from VisualDICOMBrowserLib.engine.server import EngineServer
from VisualDICOMBrowserLib.engine.socket_client import SocketClient
from VisualDICOMBrowserLib.engine.supervision import child_environment
from VisualDICOMBrowserLib.engine.wire import Command, LineDecoder, Reply, encode
from VisualDICOMBrowserLib.errors import DatabaseFault, EngineError, StorageFault

WAIT_S = 30.0

ChildOf = Callable[..., list[str]]


def ready_role(listener: Any) -> str:
    return str(listener.wait_named("engine_ready")["role"])


def test_lock_is_held_once_and_ends_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = take_engine_lock(path)
    assert lock is not None
    assert take_engine_lock(path) is None
    lock.release()
    lock.release()
    code = """
import sys, pathlib
from VisualDICOMBrowserLib.engine.lock import take_engine_lock
print(take_engine_lock(pathlib.Path(sys.argv[1])) is not None, flush=True)
sys.stdin.read()
"""
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        env=child_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == b"True"
        assert take_engine_lock(path) is None
        holder.kill()
    again = take_engine_lock(path)
    assert again is not None
    again.release()


def test_lock_in_a_missing_folder_is_a_storage_fault(tmp_path: Path) -> None:
    with pytest.raises(StorageFault, match="lock file"):
        take_engine_lock(tmp_path / "missing" / "lock")


def test_socket_and_token_are_private(tmp_path: Path) -> None:
    for use_tcp in (False, True):
        server = EngineServer(SmallEngine(tmp_path), tmp_path, use_tcp=use_tcp)
        address = read_address(tmp_path)
        assert address is not None
        path = Path(address.token_file or address.path)
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert not use_tcp or (address.host == "127.0.0.1" and stat.S_IMODE(path.stat().st_mode) == 0o600)
        server.close()
        assert not path.exists()
        assert read_address(tmp_path) is None


def test_long_runtime_folder_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    server = EngineServer(SmallEngine(tmp_path), tmp_path)
    address = read_address(tmp_path)
    assert address is not None
    assert 0 < len(os.fsencode(address.path)) < 104
    server.close()


def test_strangers_are_turned_away(tmp_path: Path) -> None:
    server = EngineServer(SmallEngine(tmp_path), tmp_path, use_tcp=True)
    address = read_address(tmp_path)
    assert address is not None
    attempts = (
        encode(Command(1, "hello", {"token": "guess"})),
        encode(Command(1, "hello", {})),
        encode(Command(1, "same", {"value": 1})),
    )
    try:
        for attempt in attempts:
            with socket.create_connection((address.host, address.port), timeout=WAIT_S) as connection:
                connection.sendall(attempt + encode(Command(2, "same", {"value": 1})))
                answer = b"".join(iter(lambda: connection.recv(4096), b""))
            (reply,) = LineDecoder().feed(answer)
            assert isinstance(reply, Reply)
            assert reply.error is not None
            assert reply.error["code"] in ("wrong_token", "not_introduced")
    finally:
        server.close()


def test_engine_of_another_folder_is_not_taken_for_ours(tmp_path: Path) -> None:
    ours, other = tmp_path / "ours", tmp_path / "other"
    ours.mkdir()
    other.mkdir()
    server = EngineServer(SmallEngine(other), other)
    try:
        address = read_address(other)
        assert address is not None
        with pytest.raises(EngineError, match="cannot be reached"):
            SocketClient(ours, address)
        lock = take_engine_lock(lock_file(ours))
        assert lock is not None
        write_address(ours, address)
        with pytest.raises(EngineError, match="is in use by a program") as caught:
            SharedEngine(ours, SmallEngine, patience_s=0.2)
        assert f"process {os.getpid()}" in caught.value.message
        lock.release()
    finally:
        server.close()


@pytest.mark.parametrize("junk", ["", "{", "[]", '{"path": 3}', '{"engine_id": "x"}'])
def test_junk_in_the_address_file_is_no_address(tmp_path: Path, junk: str) -> None:
    address_file(tmp_path).write_text(junk)
    assert read_address(tmp_path) is None
    engine = SharedEngine(tmp_path, SmallEngine)
    assert engine.hosting
    engine.close()


def test_leftovers_of_a_killed_engine_do_not_stand_in_the_way(
    tmp_path: Path, child_of: ChildOf, runtime_folder: Path
) -> None:
    client = ProcessClient(tmp_path, command=child_of(tmp_path))
    pid = client.request("pid")
    old = read_address(tmp_path)
    assert old is not None
    assert old.pid == pid
    with pytest.raises(EngineError):
        client.request("kill")
    assert client.request("pid") != pid
    new = read_address(tmp_path)
    assert new is not None
    assert new.engine_id != old.engine_id
    assert not Path(old.path).exists()
    client.close()
    assert list((runtime_folder / "visual-dicom-browser").iterdir()) == []


def test_second_child_relays_to_the_first(tmp_path: Path, child_of: ChildOf, listener: Any) -> None:
    first = ProcessClient(tmp_path, command=child_of(tmp_path))
    pid = first.request("pid")
    second = ProcessClient(tmp_path, command=child_of(tmp_path))
    try:
        second.subscribe(listener)
        assert second.request("pid") == pid
        assert second.pid != pid
        first.request("publish", event="tick", fields={"number": 1})
        assert listener.wait_named("tick")["number"] == 1
    finally:
        second.close()
        assert first.request("pid") == pid
        first.close()


@pytest.mark.parametrize("end", ["kill", "close"])
def test_relay_takes_over_when_the_engine_ends(tmp_path: Path, child_of: ChildOf, listener: Any, end: str) -> None:
    first = ProcessClient(tmp_path, command=child_of(tmp_path))
    first_pid = first.request("pid")
    second = ProcessClient(tmp_path, command=child_of(tmp_path))
    try:
        second.subscribe(listener)
        assert second.request("pid") == first_pid
        if end == "kill":
            os.kill(first_pid, signal.SIGKILL)
        else:
            first.close()
        owner = second.request("pid")
        notice = listener.wait_named("engine_notice")
        assert "has ended" in notice["message"]
        assert owner != first_pid
        assert end == "kill" or owner == second.pid
        second.request("publish", event="tick", fields={})
        listener.wait_named("tick")
        assert not [event for event in listener.events if "restarted" in event.get("message", "")]
    finally:
        second.close()
        first.close()


def test_commands_cut_off_by_the_end_of_the_engine_are_repeated(tmp_path: Path, child_of: ChildOf) -> None:
    first = ProcessClient(tmp_path, command=child_of(tmp_path))
    pid = first.request("pid")
    second = SharedEngine(tmp_path, SmallEngine)
    answered = threading.Event()
    answers: list[Any] = []

    def on_reply(*answer: Any) -> None:
        answers.append(answer)
        answered.set()

    try:
        os.kill(pid, signal.SIGSTOP)
        second.send("pid", on_reply)
        asking = threading.Thread(target=lambda: answers.append((second.request("pid"), None)))
        asking.start()
        os.kill(pid, signal.SIGKILL)
        assert answered.wait(WAIT_S)
        asking.join(WAIT_S)
        assert answers == [answers[0]] * 2
        assert answers[0][1] is None
        assert answers[0][0] != pid
    finally:
        second.close()
        first.close()


def test_attached_host_has_its_command_carried_out(tmp_path: Path) -> None:
    asked = threading.Semaphore(0)

    class Asked(SmallEngine):
        def command_resume(self) -> None:
            asked.release()

    host = SharedEngine(tmp_path, Asked, on_attach="resume")
    for _ in range(2):
        SharedEngine(tmp_path, Asked, on_attach="resume").close()
        assert asked.acquire(timeout=WAIT_S)
    host.close()
    assert not asked.acquire(blocking=False)


def test_one_of_many_takes_over_and_the_others_follow(tmp_path: Path, child_of: ChildOf) -> None:
    first = ProcessClient(tmp_path, command=child_of(tmp_path))
    first_pid = first.request("pid")
    others = [SharedEngine(tmp_path, SmallEngine) for _ in range(4)]
    try:
        first.close()
        assert {other.request("pid") for other in others} == {os.getpid()}
        assert sum(other.hosting for other in others) == 1
        assert first_pid != os.getpid()
    finally:
        for other in others:
            other.close()


def test_commands_wait_while_the_next_engine_starts(tmp_path: Path) -> None:
    starting, gate, answered = threading.Event(), threading.Event(), threading.Event()
    answers: list[Any] = []

    def slow(folder: Path) -> SmallEngine:
        starting.set()
        assert gate.wait(WAIT_S)
        return SmallEngine(folder)

    def on_reply(*answer: Any) -> None:
        answers.append(answer)
        answered.set()

    host = SharedEngine(tmp_path, SmallEngine)
    attached = SharedEngine(tmp_path, slow)
    host.close()
    assert starting.wait(WAIT_S)
    attached.send("same", on_reply, value=1)
    asking = threading.Thread(target=lambda: answers.append(attached.request("same", value=2)))
    asking.start()
    assert answers == []
    gate.set()
    assert answered.wait(WAIT_S)
    asking.join(WAIT_S)
    assert sorted(answers, key=str) == [(1, None), 2]
    attached.close()


def test_closing_while_the_next_engine_starts_closes_that_too(tmp_path: Path) -> None:
    starting, gate = threading.Event(), threading.Event()
    made: list[SmallEngine] = []

    def slow(folder: Path) -> SmallEngine:
        starting.set()
        assert gate.wait(WAIT_S)
        made.append(SmallEngine(folder))
        return made[0]

    host = SharedEngine(tmp_path, SmallEngine)
    attached = SharedEngine(tmp_path, slow)
    host.close()
    assert starting.wait(WAIT_S)
    closing = threading.Thread(target=attached.close)
    closing.start()
    gate.set()
    closing.join(WAIT_S)
    assert made[0].closed.is_set()
    with pytest.raises(EngineError, match="has been closed"):
        attached.request("same", value=1)


def test_failed_takeover_is_told_to_all_who_wait(tmp_path: Path, listener: Any) -> None:
    host = SharedEngine(tmp_path, SmallEngine)
    attached = SharedEngine(tmp_path, SmallEngine)
    attached.subscribe(listener)
    (tmp_path / "refuse").touch()
    host.close()
    assert listener.wait_named("engine_failed")["error"]["type"] == "DatabaseFault"
    with pytest.raises(DatabaseFault, match="damaged"):
        attached.request("same", value=1)
    attached.close()
    lock = take_engine_lock(lock_file(tmp_path))
    assert lock is not None
    lock.release()


def test_engine_that_cannot_start_leaves_the_lock_free(tmp_path: Path) -> None:
    (tmp_path / "refuse").touch()
    with pytest.raises(DatabaseFault):
        SharedEngine(tmp_path, SmallEngine)
    (tmp_path / "refuse").unlink()
    engine = SharedEngine(tmp_path / "new" / "folder", SmallEngine)
    assert engine.hosting
    engine.close()


def test_opening_and_closing_leaves_nothing_behind(tmp_path: Path) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    def once() -> None:
        host = SharedEngine(tmp_path, SmallEngine)
        attached = SharedEngine(tmp_path, SmallEngine)
        assert attached.request("same", value=1) == 1
        attached.close()
        host.close()

    if not Path("/proc/self/fd").exists():
        pytest.skip("open files are counted in /proc")
    once()
    before, threads = open_files(), threading.active_count()
    for _ in range(30):
        once()
    assert open_files() == before
    assert threading.active_count() == threads


def test_address_is_plain_json(tmp_path: Path) -> None:
    engine = SharedEngine(tmp_path, SmallEngine)
    values = json.loads(address_file(tmp_path).read_text(encoding="utf-8"))
    assert values["pid"] == os.getpid()
    engine.close()
    assert not address_file(tmp_path).exists()
