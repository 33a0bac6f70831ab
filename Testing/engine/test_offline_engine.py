"""Offline the engine leaves servers alone: no jobs, no polls, no looks; attempts and waiting time are not used up."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from Testing.support.ct_series import make_ct_series
from Testing.support.many_servers import ManyServers
from VisualDICOMBrowserLib.cli.main import main
from VisualDICOMBrowserLib.engine.offline import Offline
from VisualDICOMBrowserLib.errors import EngineError
from VisualDICOMBrowserLib.jobs.states import JobState
from VisualDICOMBrowserLib.servers.config import ServerConfig
from VisualDICOMBrowserLib.settings import Settings


class CountingServer:
    """Counts who calls, and hangs up at once."""

    def __init__(self) -> None:
        self.calls = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listening.accept()
            except OSError:
                return
            self.calls += 1
            caller.close()


@pytest.fixture
def peer() -> Iterator[CountingServer]:
    made = CountingServer()
    yield made
    made.close()


@pytest.fixture
def engine(tmp_path: Path, peer: CountingServer) -> Iterator[ManyServers]:
    config = ServerConfig(
        name="PACS",
        host="127.0.0.1",
        port=peer.port,
        called_ae_title="PACS",
        prefetch="series",
        rest_url=f"http://127.0.0.1:{peer.port}",
        notification_interval_s=0.1,
    )
    opened = ManyServers(tmp_path / "database", [config], options={"network/offline": True})
    yield opened
    opened.close()


def handle(engine: ManyServers, command: str, **arguments: Any) -> Any:
    return engine.engine.handle(command, arguments)


def test_offline_nobody_calls_until_it_is_over(engine: ManyServers, peer: CountingServer) -> None:
    assert handle(engine, "offline") is True
    handle(engine, "show_patient", PatientID="CT-1")
    handle(engine, "watch", StudyInstanceUID="1.2.3", server="PACS", interval_s=1.0)
    waiting = handle(engine, "retrieve", StudyInstanceUID="1.2.4", server="PACS")
    from_anywhere = handle(engine, "retrieve", StudyInstanceUID="1.2.5")
    sent = handle(engine, "send", level="STUDY", uids=["1.2.6"], address={"url": f"http://127.0.0.1:{peer.port}"})
    for command in ("find", "worklist"):
        with pytest.raises(EngineError, match="Working offline: PACS was not asked"):
            handle(engine, command, server="PACS")
    result = engine.search("STUDY")
    assert (result["finished"], result["servers"]["PACS"]["state"]) == (True, "offline")
    assert result["servers"]["PACS"]["error"]["code"] == "offline"
    jobs = {job.job_id: job for job in engine.queue.jobs() if job.kind in ("retrieve", "send", "prefetch", "find")}
    assert set(jobs) == {waiting, from_anywhere, *sent}
    assert {(job.state, job.attempts) for job in jobs.values()} == {(JobState.QUEUED, 0)}
    assert peer.calls == 0

    handle(engine, "set_setting", key="network/offline", value=False)  # as ``settings network/offline false``
    assert engine.event("offline_changed")["offline"] is False
    engine.queue.wait(waiting, 30)
    engine.queue.wait(from_anywhere, 30)
    assert peer.calls > 0
    assert engine.queue.job(waiting).attempts == 1
    assert engine.parts.database.own.items("settings")["network/offline"] is False


def test_a_test_by_hand_is_made_offline_too(engine: ManyServers, peer: CountingServer) -> None:
    engine.queue.wait(handle(engine, "test_server", name="PACS"), 30)
    assert peer.calls > 0


def test_folders_are_asked_offline(engine: ManyServers, tmp_path: Path) -> None:
    make_ct_series(tmp_path / "folder", 1)
    engine.add(ServerConfig(name="Folder", protocol="folder", folder=str(tmp_path / "folder")))
    handle(engine, "set_setting", key="folder/quiet_s", value=0)
    states = engine.search("STUDY")["servers"]
    assert (states["Folder"]["state"], states["PACS"]["state"]) == ("done", "offline")


def test_the_span_that_was_spent_offline_is_told_once() -> None:
    now = [100.0]
    settings = Settings()
    offline = Offline(settings, lambda name: ServerConfig(name=name), lambda: now[0])
    settings["network/offline"] = True
    assert offline.take_span() == 0.0
    now[0] = 160.0
    assert offline.take_span() == 0.0  # still offline
    now[0] = 220.0
    settings["network/offline"] = False
    assert offline.take_span() == 120.0
    assert offline.take_span() == 0.0
    assert not offline.holds("retrieve", "PACS")


def test_a_one_shot_command_does_not_wait_for_somebody_to_go_online(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = ["--database", str(tmp_path / "database")]
    assert main(["settings", "network/offline", "true", *database]) == 0
    adding = ["--host", "127.0.0.1", "--port", "1", "--aet", "PACS"]
    assert main(["servers", "add", "PACS", *adding, *database]) == 0
    capsys.readouterr()
    for command in (["find", "PACS"], ["retrieve", "PACS", "--study", "1.2.3"]):
        assert main([*command, *database]) != 0
        assert "Working offline: PACS was not asked." in capsys.readouterr().err
