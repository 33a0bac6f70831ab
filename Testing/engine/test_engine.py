"""The whole engine in this process: commands, events, and jobs that go on after a restart."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from VisualDICOMBrowserLib.engine.engine import Engine
from VisualDICOMBrowserLib.engine.open_engine import open_engine
from VisualDICOMBrowserLib.engine.session import Session
from VisualDICOMBrowserLib.errors import JobCancelled, NetworkError, UsageError
from VisualDICOMBrowserLib.model import Level

pydicom_data = pytest.importorskip("pydicom.data")
TEST_FILES = Path(pydicom_data.__file__).parent / "test_files"


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """A session on an empty database."""
    with Session(open_engine(tmp_path / "database")) as opened:
        yield opened


@pytest.fixture
def pacs(tmp_path: Path, session: Session) -> Iterator[Session]:
    """A second database with CT and MR files, offered to the first as server "PACS"."""
    folder = tmp_path / "source"
    folder.mkdir()
    for name in ("CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm", "rtplan.dcm"):
        shutil.copy(TEST_FILES / name, folder)
    with Session(open_engine(tmp_path / "pacs")) as opened:
        assert opened.import_files([folder], timeout=60)["imported"] == 4
        node = opened.client.request("start_node", port=0, ae_title="PACS")
        session.client.request("add_server", name="PACS", host=node["host"], port=node["port"], called_ae_title="PACS")
        yield opened


def collect(session: Session) -> tuple[list[dict[str, Any]], Callable[[str], dict[str, Any]]]:
    """Events of a session from now on, and a wait for the next one of a name."""
    events: list[dict[str, Any]] = []
    arrived = threading.Condition()

    def take(event: dict[str, Any]) -> None:
        with arrived:
            events.append(event)
            arrived.notify_all()

    def wait_for(name: str) -> dict[str, Any]:
        with arrived:
            assert arrived.wait_for(lambda: any(event["event"] == name for event in events), 30), name
            return next(event for event in events if event["event"] == name)

    session.subscribe(take)
    return events, wait_for


def test_import_announces_content_and_makes_pictures_by_itself(session: Session) -> None:
    events, wait_for = collect(session)
    result = session.import_files([TEST_FILES / "CT_small.dcm"], timeout=60)
    assert (result["imported"], result["patients"], result["rejected"]) == (1, 1, [])
    assert wait_for("content_changed")["series"] == result["series_uids"]
    thumbnail = wait_for("thumbnail_ready")
    assert thumbnail["series"] == result["series_uids"][0]
    assert Path(thumbnail["path"]).read_bytes().startswith(b"\x89PNG")
    assert any(event["event"] == "job_finished" and event["job"]["kind"] == "import" for event in events)


def test_a_query_streams_records_and_keeps_them(session: Session, pacs: Session) -> None:
    _, wait_for = collect(session)
    found = session.find("PACS", Level.STUDY, timeout=60)
    assert {record.StudyInstanceUID for record in found} == {
        record.StudyInstanceUID for record in pacs.records(Level.STUDY)
    }
    assert all(record.server == "PACS" for record in found)
    assert wait_for("find_records")["server"] == "PACS"


def test_a_retrieve_brings_every_object_and_keeps_compression(session: Session, pacs: Session) -> None:
    for study in session.find("PACS", Level.STUDY, timeout=60):
        result = session.retrieve("PACS", study.StudyInstanceUID, timeout=60)
        assert result["failed_count"] == 0, result
    ours = {image.SOPInstanceUID: Path(image.path) for image in session.records(Level.IMAGE)}
    theirs = {image.SOPInstanceUID: Path(image.path) for image in pacs.records(Level.IMAGE)}
    assert ours.keys() == theirs.keys()
    from pydicom import dcmread

    for uid, path in ours.items():
        received, sent = dcmread(path), dcmread(theirs[uid])
        if sent.file_meta.TransferSyntaxUID.is_compressed:
            assert received.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID
        assert received == sent


def test_what_is_here_is_not_fetched_again(session: Session, pacs: Session) -> None:
    study = session.find("PACS", Level.STUDY, Modalities=["CT"], timeout=60)[0].StudyInstanceUID
    first = session.retrieve("PACS", study, timeout=60)
    again = session.retrieve("PACS", study, timeout=60)
    assert (first["imported"], first["present"]) == (1, 0)
    assert (again["imported"], again["present"], again["bytes"]) == (0, 1, 0)
    image = session.records(Level.IMAGE)[0].SOPInstanceUID
    job_id = session.client.request("retrieve", server="PACS", StudyInstanceUID=study, SOPInstanceUIDs=[image])
    by_image = session.wait(job_id, timeout=60)["result"]
    assert (by_image["present"], by_image["bytes"]) == (1, 0)


def test_removal_is_announced_and_complete(session: Session) -> None:
    session.import_files([TEST_FILES / "CT_small.dcm"], copy=True, timeout=60)
    _, wait_for = collect(session)
    series = session.records(Level.SERIES)[0]
    path = Path(session.records(Level.IMAGE)[0].path)
    session.remove(series, timeout=60)
    assert wait_for("content_changed")["removed"] == [series.SeriesInstanceUID]
    assert not path.exists()
    assert session.records(Level.PATIENT) == []


def test_wrong_requests_are_told_apart_from_faults(session: Session, free_port: int) -> None:
    with pytest.raises(UsageError, match="no command"):
        session.client.request("make_coffee")
    with pytest.raises(UsageError, match="wrong arguments"):
        session.client.request("job", number=1)
    with pytest.raises(UsageError, match="no filter"):
        session.records(Level.STUDY, Colour="blue")
    with pytest.raises(UsageError, match="no field"):
        session.client.request("add_server", name="X", host="127.0.0.1", called_ae_title="X", colour="blue")
    session.client.request(
        "add_server", name="Dead", host="127.0.0.1", port=free_port, called_ae_title="DEAD", timeout_s=2
    )
    with pytest.raises(NetworkError, match=str(free_port)):
        session.find("Dead", timeout=60)


@pytest.mark.parametrize("command", ["test_server", "find"])
def test_cancel_does_not_wait_for_a_silent_server(session: Session, silent_port: int, command: str) -> None:
    session.client.request(
        "add_server", name="Silent", host="127.0.0.1", port=silent_port, called_ae_title="SILENT", timeout_s=600
    )
    running = threading.Event()
    session.subscribe(lambda event: running.set() if event.get("job", {}).get("state") == "running" else None)
    argument = {"name": "Silent"} if command == "test_server" else {"server": "Silent"}
    job_id = session.client.request(command, **argument)
    assert running.wait(30)
    assert session.client.request("cancel_job", job_id=job_id)
    with pytest.raises(JobCancelled):
        session.wait(job_id, timeout=60)


def test_settings_are_kept_with_the_database(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    engine.handle("set_setting", {"key": "thumbnails/size", "value": 96})
    engine.close()
    engine = Engine(tmp_path)
    assert engine.handle("settings", {}) == {"thumbnails/size": 96}
    engine.close()


def test_a_second_session_shares_the_engine(session: Session, tmp_path: Path) -> None:
    with Session(open_engine(tmp_path / "database")) as second:
        second.import_files([TEST_FILES / "MR_small.dcm"], timeout=60)
    assert len(session.records(Level.SERIES)) == 1


def test_waiting_for_an_unknown_job_is_wrong_usage(session: Session) -> None:
    with pytest.raises(UsageError, match="no-such-job"):
        session.wait("no-such-job", timeout=1)


def test_tags_of_plugins_are_read_ahead_and_remembered(session: Session, tmp_path: Path) -> None:
    from VisualDICOMBrowserLib.database.dicom_database import DicomDatabase
    from VisualDICOMBrowserLib.database.local_database import LocalDatabase

    session.client.request("precache_tags", tags=["0018,1151"])
    session.import_files([TEST_FILES / "CT_small.dcm"], timeout=60)
    session.close()
    with Session(open_engine(tmp_path / "database")) as second:
        second.client.request("precache_tags", tags=["0018,0060"])
        second.import_files([TEST_FILES / "CT_small.dcm"], timeout=60)
    database = LocalDatabase.open(tmp_path / "database", read_only=True)
    assert database.own.get("engine", "precached_tags") == ["0018,0060", "0018,1151"]
    plugins_view = DicomDatabase(database)
    assert (
        plugins_view.cachedTag(
            plugins_view.instancesForSeries(plugins_view.seriesForFile(str(TEST_FILES / "CT_small.dcm")))[0],
            "0018,1151",
        )
        == "170"
    )
    database.close()
