"""Forced retrieves from a PACS that only knows C-MOVE, and with folders: what is here stays until all has come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from Testing.support.ct_series import CtSeries, dataset_bytes, make_ct_series
from Testing.support.dcmtk import DcmQrScp, run_client
from Testing.support.many_servers import ManyServers
from Testing.support.orthanc import Orthanc
from Testing.support.processes import free_port
from VisualDICOMBrowserLib.jobs.states import JobState
from VisualDICOMBrowserLib.model import Level, Query
from VisualDICOMBrowserLib.servers.config import ServerConfig

TITLE = "BROWSER"
OpenEngine = Callable[..., ManyServers]


@dataclass
class MoveOnly:
    """A dcmqrscp without C-GET, the corrected series it has, and the port where it believes us to listen."""

    server: DcmQrScp
    series: CtSeries
    corrected: dict[str, Path]
    port: int

    @property
    def config(self) -> ServerConfig:
        return self.server.config(retrieve_protocol="C-MOVE")

    @property
    def options(self) -> dict[str, Any]:
        return {"node/ae_title": TITLE, "node/port": self.port}

    def bytes_of(self, files: dict[str, Path]) -> dict[str, bytes]:
        return {uid: dataset_bytes(path) for uid, path in files.items()}


def corrected_copies(series: CtSeries, folder: Path) -> dict[str, Path]:
    """The same instances with another description."""
    from pydicom import dcmread

    folder.mkdir()
    copies = {}
    for uid, path in series.files.items():
        dataset = dcmread(path)
        dataset.SeriesDescription = "Corrected"
        copies[uid] = folder / path.name
        dataset.save_as(copies[uid])
    return copies


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[MoveOnly]:
    port = free_port()
    server = DcmQrScp(tmp_path / "pacs", peers={TITLE: port}, options=["--disable-get"])
    series = make_ct_series(tmp_path / "first-copy", 12)
    corrected = corrected_copies(series, tmp_path / "corrected")
    server.start()
    try:
        server.put(tmp_path / "corrected")
        yield MoveOnly(server, series, corrected, port)
    finally:
        server.stop()


@pytest.fixture
def open_engine(tmp_path: Path) -> Iterator[OpenEngine]:
    opened: list[ManyServers] = []

    def start(*configs: ServerConfig, **arguments: Any) -> ManyServers:
        opened.append(ManyServers(tmp_path / "database", configs, **arguments))
        return opened[-1]

    yield start
    for engine in opened:
        engine.close()
    assert not list((tmp_path / "database").rglob("*.part"))


def test_what_comes_by_c_move_replaces_what_is_here(pacs: MoveOnly, open_engine: OpenEngine) -> None:
    engine = open_engine(pacs.config, options=pacs.options)
    engine.put(pacs.series.files.values())
    study = pacs.series.StudyInstanceUID
    job = engine.retrieve("DCMTK", StudyInstanceUID=study, force=True)
    result = job.result or {}
    assert job.state is JobState.DONE, job.error
    assert (result["replaced"], result["imported"], result["received"], result["failed_count"]) == (12, 0, 12, 0)
    assert pacs.bytes_of(engine.instances()) == pacs.bytes_of(pacs.corrected)
    assert engine.parts.database.own.conflicts() == []
    (series,) = engine.parts.database.reader.series(Query(level=Level.SERIES, StudyInstanceUID=study))
    assert series.SeriesDescription == "Corrected"
    # Linked files are the user's own.
    assert all(path.exists() for path in pacs.series.files.values())


def test_a_forced_c_move_also_brings_what_is_not_here(pacs: MoveOnly, open_engine: OpenEngine) -> None:
    engine = open_engine(pacs.config, options=pacs.options)
    engine.put(list(pacs.series.files.values())[:5])
    job = engine.retrieve("DCMTK", StudyInstanceUID=pacs.series.StudyInstanceUID, force=True)
    result = job.result or {}
    assert (job.state, result["replaced"], result["imported"]) == (JobState.DONE, 5, 7)
    assert pacs.bytes_of(engine.instances()) == pacs.bytes_of(pacs.corrected)


def test_a_single_image_is_replaced_by_c_move(pacs: MoveOnly, open_engine: OpenEngine) -> None:
    engine = open_engine(pacs.config, options=pacs.options)
    engine.put(pacs.series.files.values())
    uid = list(pacs.series.files)[3]
    job = engine.retrieve(
        "DCMTK",
        StudyInstanceUID=pacs.series.StudyInstanceUID,
        SeriesInstanceUID=pacs.series.SeriesInstanceUID,
        SOPInstanceUIDs=[uid],
        force=True,
    )
    assert (job.state, (job.result or {})["replaced"]) == (JobState.DONE, 1)
    expected = {**pacs.bytes_of(pacs.series.files), uid: dataset_bytes(pacs.corrected[uid])}
    assert pacs.bytes_of(engine.instances()) == expected


def test_a_c_move_that_breaks_off_leaves_what_is_here(pacs: MoveOnly, open_engine: OpenEngine) -> None:
    """The disk is full after five images, so that the rest is refused."""
    engine = open_engine(pacs.config, options={**pacs.options, "database/batch_files": 1}, on_stored=fail_from(6))
    engine.put(pacs.series.files.values())
    before = engine.instances()
    parameters = {"StudyInstanceUID": pacs.series.StudyInstanceUID, "force": True}
    job_id = engine.queue.submit("retrieve", parameters, server="DCMTK")
    ended = ("paused", "failed", "done", "partly")
    job = engine.event("job_changed", lambda event: event["job"]["state"] in ended)["job"]
    assert (job["job_id"], job["state"], job["error"]["code"]) == (job_id, "paused", "disk_full")
    assert engine.instances() == before
    assert pacs.bytes_of(before) == pacs.bytes_of(pacs.series.files)


def fail_from(limit: int) -> Callable[[int], None]:
    from VisualDICOMBrowserLib.errors import StorageFault

    def stored(count: int) -> None:
        if count >= limit:
            message = "The disk is full."
            raise StorageFault(message, code="disk_full")

    return stored


def test_what_others_send_meanwhile_is_stored_as_ever(pacs: MoveOnly, open_engine: OpenEngine, tmp_path: Path) -> None:
    """Another study, sent to our listener while a forced retrieve runs, goes into the database at once."""
    other = make_ct_series(tmp_path / "other", 1, patient=("MR-9", "Mueller^Jo"))
    sent: list[int] = []

    def send_once(count: int) -> None:
        if not sent:
            sent.append(count)
            words = ("-aec", TITLE, "127.0.0.1", str(pacs.port))
            assert run_client("storescu", *words, next(iter(other.files.values()))).returncode == 0

    engine = open_engine(pacs.config, options=pacs.options, on_stored=send_once)
    engine.put(pacs.series.files.values())
    job = engine.retrieve("DCMTK", StudyInstanceUID=pacs.series.StudyInstanceUID, force=True)
    assert (job.state, (job.result or {})["replaced"]) == (JobState.DONE, 12)
    assert sent
    assert engine.instances().keys() == {*pacs.corrected, *other.files}


def test_a_folder_is_no_source_of_a_forced_retrieve(pacs: MoveOnly, open_engine: OpenEngine, tmp_path: Path) -> None:
    folder = ServerConfig(name="Inbox", protocol="folder", folder=str(tmp_path / "first-copy"))
    engine = open_engine(folder, pacs.config, options={**pacs.options, "folder/quiet_s": 0.0})
    study = pacs.series.StudyInstanceUID
    assert engine.retrieve("Inbox", StudyInstanceUID=study).state is JobState.DONE
    job = engine.retrieve(StudyInstanceUID=study, force=True)
    assert job.state is JobState.DONE, job.error
    assert any("Inbox is left out: it is a folder" in line for line in job.log)
    assert (job.result or {})["sources"] == {"DCMTK": 12}
    assert pacs.bytes_of(engine.instances()) == pacs.bytes_of(pacs.corrected)
    assert engine.parts.database.own.conflicts() == []
    alone = engine.retrieve("Inbox", StudyInstanceUID=study, force=True)
    assert (alone.state, (alone.error or {})["code"]) == (JobState.FAILED, "not_offered")
    assert "folder" in (alone.error or {})["message"]


def test_c_move_and_c_get_share_a_forced_retrieve(pacs: MoveOnly, open_engine: OpenEngine, tmp_path: Path) -> None:
    """The better source has half of the images; the other half comes to our listener."""
    second = Orthanc(tmp_path / "orthanc")
    second.start()
    try:
        second.put(list(pacs.corrected.values())[:6])
        engine = open_engine(second.config(name="Orthanc"), pacs.config, options=pacs.options)
        engine.put(pacs.series.files.values())
        job = engine.retrieve(StudyInstanceUID=pacs.series.StudyInstanceUID, force=True)
        assert job.state is JobState.DONE, job.error
        assert (job.result or {})["sources"] == {"Orthanc": 6, "DCMTK": 6}
        assert (job.result or {})["replaced"] == 12
        assert pacs.bytes_of(engine.instances()) == pacs.bytes_of(pacs.corrected)
    finally:
        second.stop()
