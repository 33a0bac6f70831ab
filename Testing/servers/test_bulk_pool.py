"""`BulkPool`: real worker processes that fetch from a real Orthanc, side by side."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from Testing.support.ct_series import CtSeries, dataset_bytes
from Testing.support.faulty_peer import FaultyPeer, PeerSide
from Testing.support.file_sink import ControlOfTest, FileSink
from Testing.support.orthanc import Orthanc
from VisualDICOMBrowserLib.errors import EngineError, JobCancelled, NetworkError, PeerError
from VisualDICOMBrowserLib.model import RetrieveRequest
from VisualDICOMBrowserLib.servers.bulk import pool as bulk_pool
from VisualDICOMBrowserLib.servers.bulk import process
from VisualDICOMBrowserLib.servers.bulk.pool import BulkPool
from VisualDICOMBrowserLib.servers.bulk.process import WorkerProcess
from VisualDICOMBrowserLib.servers.dimse import retrieve_plan
from VisualDICOMBrowserLib.servers.driver import driver_for
from VisualDICOMBrowserLib.settings import Settings


@pytest.fixture
def study_request(thorax_series: list[CtSeries]) -> RetrieveRequest:
    return RetrieveRequest(StudyInstanceUID=thorax_series[0].StudyInstanceUID)


def all_files(series: list[CtSeries]) -> dict[str, Path]:
    return {uid: path for item in series for uid, path in item.files.items()}


def test_a_study_comes_over_two_associations(
    orthanc: Orthanc,
    pool: BulkPool,
    thorax_series: list[CtSeries],
    study_request: RetrieveRequest,
    settings: Settings,
    sink: FileSink,
    control: ControlOfTest,
) -> None:
    driver = driver_for(orthanc.config(), settings, pool)
    result = driver.retrieve(study_request, sink, control)
    driver.close()
    sent = all_files(thorax_series)
    assert (result.received, result.failed_count) == (42, 0)
    assert sorted(item.SOPInstanceUID for item in sink.files) == sorted(sent)
    assert all(item.flushed for item in sink.files)
    assert all(dataset_bytes(item.path) == dataset_bytes(sent[item.SOPInstanceUID]) for item in sink.files)
    assert control.last_progress == (42, 42, result.bytes)
    assert sink.stray_files() == []


def test_a_large_series_is_cut_into_lists_of_instances(
    orthanc: Orthanc,
    pool: BulkPool,
    thorax_series: list[CtSeries],
    settings: Settings,
    sink: FileSink,
    control: ControlOfTest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retrieve_plan, "SPLIT_INSTANCES", 20)
    first = thorax_series[0]
    request = RetrieveRequest(StudyInstanceUID=first.StudyInstanceUID, SeriesInstanceUID=first.SeriesInstanceUID)
    driver = driver_for(orthanc.config(), settings, pool)
    assert driver.retrieve(request, sink, control).received == 30
    driver.close()
    assert {item.SOPInstanceUID for item in sink.files} == set(first.files)


def test_the_servers_limit_of_associations_is_kept(
    orthanc: Orthanc, pool: BulkPool, study_request: RetrieveRequest, settings: Settings, sink: FileSink
) -> None:
    driver = driver_for(orthanc.config(max_associations=1), settings, pool)
    assert driver.retrieve(study_request, sink, ControlOfTest()).received == 42
    driver.close()


def test_errors_of_a_worker_are_those_of_the_driver(
    orthanc: Orthanc, pool: BulkPool, settings: Settings, sink: FileSink, control: ControlOfTest
) -> None:
    driver = driver_for(orthanc.config(), settings, pool)
    with pytest.raises(PeerError, match="Orthanc could not send the images"):
        driver.retrieve(RetrieveRequest(StudyInstanceUID="1.2.3"), sink, control)
    driver.close()


def test_cancel_ends_all_parts(
    orthanc: Orthanc, pool: BulkPool, study_request: RetrieveRequest, settings: Settings, tmp_path: Path
) -> None:
    control = ControlOfTest()
    sink = FileSink(tmp_path / "received", on_add=lambda count: control.cancel() if count == 1 else None)
    driver = driver_for(orthanc.config(), settings, pool)
    with pytest.raises(JobCancelled):
        driver.retrieve(study_request, sink, control)
    assert sink.stray_files() == []
    assert driver.retrieve(study_request, FileSink(tmp_path / "again"), ControlOfTest()).received == 42
    driver.close()


def test_cancel_does_not_wait_for_a_server_that_never_answers(
    settings: Settings, sink: FileSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = BulkPool(1)
    monkeypatch.setattr(bulk_pool, "_CANCEL_WAIT_S", 0.5)
    control = ControlOfTest()

    def script(peer: PeerSide) -> None:
        peer.read_pdu()
        control.cancel()
        peer.wait_for_end()

    request = RetrieveRequest(StudyInstanceUID="1.2", SOPInstanceUIDs=("1.2.3",), SOPClassUIDs=("1.2.4",))
    try:
        with FaultyPeer(script) as peer, pytest.raises(JobCancelled):
            driver_for(peer.config(timeout_s=60.0), settings, pool).retrieve(request, sink, control)
    finally:
        pool.close()
    assert sink.stray_files() == []


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")
def test_a_worker_that_dies_is_reported_and_replaced(
    orthanc: Orthanc, study_request: RetrieveRequest, settings: Settings, tmp_path: Path
) -> None:
    pool = BulkPool(1)
    pool.start()
    killed: list[int] = []

    def kill(count: int) -> None:
        if count == 1:
            killed.extend(pool.process_ids())
            os.kill(killed[0], signal.SIGKILL)

    try:
        driver = driver_for(orthanc.config(), settings, pool)
        sink = FileSink(tmp_path / "received", on_add=kill)
        with pytest.raises(EngineError, match="ended unexpectedly") as raised:
            driver.retrieve(study_request, sink, ControlOfTest())
        assert raised.value.code == "worker_died"
        assert sink.stray_files() == []
        assert driver.retrieve(study_request, FileSink(tmp_path / "again"), ControlOfTest()).received == 42
        assert killed[0] not in pool.process_ids()
        driver.close()
    finally:
        pool.close()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")
def test_a_worker_that_dies_before_it_is_listened_to_is_reported() -> None:
    """Case 72: else its job would wait for ever, for the last message was told to nobody."""
    heard: list[dict[str, Any]] = []
    ended = threading.Event()
    worker = WorkerProcess("bulk-worker-test")
    try:
        worker.listen(lambda message: ended.set() if "died" in message else None)
        os.kill(worker.pid, signal.SIGKILL)
        assert ended.wait(20)
        worker.listen(None)
        worker.listen(heard.append)
        assert heard == [{"died": -signal.SIGKILL}]
        assert not worker.send(cancel=1)
    finally:
        worker.close()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")
def test_a_dead_worker_that_cannot_be_replaced_is_cleared_away(
    settings: Settings, sink: FileSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case 72: the job hears of the death and not of the replacement, and the next one why there is none."""
    pool = BulkPool(1)

    def script(peer: PeerSide) -> None:
        peer.read_pdu()
        (pid,) = pool.process_ids()
        monkeypatch.setattr(process.sys, "executable", str(sink.folder / "no-such-program"))
        os.kill(pid, signal.SIGKILL)
        peer.wait_for_end()

    request = RetrieveRequest(StudyInstanceUID="1.2", SOPInstanceUIDs=("1.2.3",), SOPClassUIDs=("1.2.4",))
    try:
        with FaultyPeer(script) as peer:
            driver = driver_for(peer.config(), settings, pool)
            with pytest.raises(EngineError, match="ended unexpectedly"):
                driver.retrieve(request, sink, ControlOfTest())
            with pytest.raises(EngineError, match="cannot be started") as failure:
                driver.retrieve(request, sink, ControlOfTest())
            driver.close()
        assert failure.value.code == "worker_start"
        assert pool.process_ids() == []
    finally:
        pool.close()


def test_a_closed_pool_fetches_nothing(
    orthanc: Orthanc, study_request: RetrieveRequest, settings: Settings, sink: FileSink, control: ControlOfTest
) -> None:
    pool = BulkPool(1)
    pool.close()
    pool.close()
    driver = driver_for(orthanc.config(), settings, pool)
    with pytest.raises((EngineError, NetworkError), match="closing"):
        driver.retrieve(study_request, sink, control)
    driver.close()
    assert pool.process_ids() == []
