"""The engine is killed again and again in the middle of a queue; in the end everything is fetched and sent."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from Testing.support.ct_series import CtSeries, make_ct_series
from Testing.support.orthanc import Orthanc
from VisualDICOMBrowserLib.engine.process_client import ProcessClient
from VisualDICOMBrowserLib.engine.session import Session
from VisualDICOMBrowserLib.engine.supervision import RestartPolicy
from VisualDICOMBrowserLib.errors import EngineError

KILLS = 20
RETRIEVES = 30
SENDS = 10
SLICES = 25
DONE_TIMEOUT_S = 240.0


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> list[CtSeries]:
    """One study for each job, each with a series of its own."""
    folder = tmp_path_factory.mktemp("studies")
    return [
        make_ct_series(folder / str(number), SLICES, size=64, number=number, patient=(f"CT-{number}", "Killed^Queue"))
        for number in range(RETRIEVES + SENDS)
    ]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, studies: list[CtSeries]) -> Iterator[tuple[Orthanc, Orthanc]]:
    """The PACS with what is fetched, and the archive that is sent to."""
    pacs = Orthanc(tmp_path_factory.mktemp("pacs"))
    archive = Orthanc(tmp_path_factory.mktemp("archive"))
    try:
        pacs.start()
        archive.start()
        for series in studies[:RETRIEVES]:
            assert pacs.put(series.files.values()) == SLICES
        yield pacs, archive
    finally:
        pacs.stop()
        archive.stop()


def test_nothing_is_lost_when_the_engine_is_killed(
    tmp_path: Path, studies: list[CtSeries], servers: tuple[Orthanc, Orthanc]
) -> None:
    pacs, archive = servers
    folder = tmp_path / "database"
    client = ProcessClient(folder, policy=RestartPolicy(steady_s=0.0))
    with Session(client) as session:
        for name, server in (("PACS", pacs), ("Archive", archive)):
            session.client.request(
                "add_server", name=name, host="127.0.0.1", port=server.port, called_ae_title="ORTHANC"
            )
        session.import_files([series.folder for series in studies[RETRIEVES:]], copy=True, timeout=120)
        jobs = [_submit(client, "retrieve", _fetch(series)) for series in studies[:RETRIEVES]]
        jobs += [_submit(client, "send", _send(series))[0] for series in studies[RETRIEVES:]]
        killed = _kill_at_random(client, random.Random(4))
        ended = [_wait(client, job_id) for job_id in jobs]
        assert [job["state"] for job in ended] == ["done"] * len(jobs), [job["error"] for job in ended]
        assert max(job["attempts"] for job in ended) > 1
        assert killed == KILLS
        uids = [uid for series in studies for uid in series.files]
        found = [record.SOPInstanceUID for record in session.records("IMAGE")]
        assert sorted(found) == sorted(uids)
    assert archive.instance_count() == SENDS * SLICES
    assert not list(folder.rglob("*.part"))
    assert len(list((folder / "dicom").rglob("*.dcm"))) == len(uids)


def _fetch(series: CtSeries) -> dict[str, Any]:
    return {"server": "PACS", "StudyInstanceUID": series.StudyInstanceUID}


def _send(series: CtSeries) -> dict[str, Any]:
    return {"level": "STUDY", "uids": [series.StudyInstanceUID], "servers": ["Archive"]}


def _submit(client: ProcessClient, command: str, arguments: dict[str, Any]) -> Any:
    """Submit a job; a kill in the meantime does not matter, because identical jobs are one."""
    return _through_restarts(lambda: client.request(command, **arguments))


def _through_restarts(ask: Any) -> Any:
    deadline = time.monotonic() + DONE_TIMEOUT_S
    while True:
        try:
            return ask()
        except EngineError as error:
            if error.code != "engine_ended" or time.monotonic() > deadline:
                raise


def _kill_at_random(client: ProcessClient, chance: random.Random) -> int:
    """Kill the child `KILLS` times, each a random moment after it took up its work."""
    killed = 0
    connected = threading.Event()
    unsubscribe = client.subscribe(lambda event: connected.set() if event["event"] == "job_changed" else None)
    for _ in range(KILLS):
        assert connected.wait(60.0), "the restarted engine took up nothing"
        connected.wait()
        _rest(chance.uniform(0.0, 0.6))
        pid = client.pid
        if pid is None:
            continue
        connected.clear()
        os.kill(pid, signal.SIGKILL)
        killed += 1
    unsubscribe()
    return killed


def _rest(seconds: float) -> None:
    """The random moment at which the engine is killed; nothing is waited for."""
    threading.Event().wait(seconds)


def _wait(client: ProcessClient, job_id: str) -> dict[str, Any]:
    ended = threading.Event()

    def hear(event: dict[str, Any]) -> None:
        if event["event"] == "job_finished" and event["job"]["job_id"] == job_id:
            ended.set()

    stop = client.subscribe(hear)
    try:
        deadline = time.monotonic() + DONE_TIMEOUT_S
        while True:
            job: dict[str, Any] = _through_restarts(lambda: client.request("job", job_id=job_id))
            if job["finished"] is not None:
                return job
            assert time.monotonic() < deadline, job
            ended.wait(1.0)
    finally:
        stop()
