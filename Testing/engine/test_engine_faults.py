"""The whole engine when something goes wrong: a start that fails, a job nobody took up, a server that miscounts."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from VisualDICOMBrowserLib.engine.engine import Engine
from VisualDICOMBrowserLib.engine.kind_retrieve import RetrieveKind
from VisualDICOMBrowserLib.engine.open_engine import open_engine
from VisualDICOMBrowserLib.engine.session import Session
from VisualDICOMBrowserLib.errors import JournalError, NetworkError
from VisualDICOMBrowserLib.jobs.job import JobRecord
from VisualDICOMBrowserLib.model import (
    FindResult,
    NullControl,
    ReceivedFile,
    RetrieveResult,
    SeriesRecord,
)

pydicom_data = pytest.importorskip("pydicom.data")
CT = Path(pydicom_data.__file__).parent / "test_files" / "CT_small.dcm"


def test_engine_that_fails_to_start_leaves_nothing_open(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    own = engine.parts.database.own.path
    assert own is not None
    engine.close()
    with closing(sqlite3.connect(own, isolation_level=None)) as connection:
        connection.execute("UPDATE JobJournal SET version = 99")
    with pytest.raises(JournalError, match="newer release"):
        open_engine(tmp_path)
    with closing(sqlite3.connect(own, isolation_level=None)) as connection:
        connection.execute("UPDATE JobJournal SET version = 1")
    with Session(open_engine(tmp_path)) as session:
        assert session.client.request("ping")["read_only"] is False


def test_waiting_for_a_job_that_was_left_takes_it_up(tmp_path: Path, silent_port: int, free_port: int) -> None:
    with Session(open_engine(tmp_path)) as first:
        server = {"host": "127.0.0.1", "port": silent_port, "called_ae_title": "PACS", "timeout_s": 60}
        first.client.request("add_server", name="PACS", **server)
        job_id = first.client.request("retrieve", server="PACS", StudyInstanceUID="1.2.3")
    with Session(open_engine(tmp_path, resume=False)) as second:
        second.client.request("edit_server", name="PACS", port=free_port)
        assert second.client.request("job", job_id=job_id)["state"] == "queued"
        with pytest.raises(NetworkError):
            second.wait(job_id, timeout=20)


def test_pictures_that_cannot_be_queued_do_not_fail_an_import(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    engine = Engine(tmp_path)
    try:
        engine.queue.close()
        with caplog.at_level(logging.INFO):
            engine._after_new_series(["1.2.3"])
    finally:
        engine.close()
    assert "Pictures of new series are made when they are asked for" in caplog.text


class TwiceSender:
    """A server that announces two images and sends one of them twice."""

    name = "PACS"

    def find(self, *_: Any) -> FindResult:
        return FindResult(
            records=(SeriesRecord(StudyInstanceUID="1.2", SeriesInstanceUID="1.2.3", NumberOfSeriesRelatedInstances=2),)
        )

    def retrieve(self, request: Any, sink: Any, control: Any) -> RetrieveResult:
        for _ in range(2):
            path = sink.new_part()
            shutil.copy(CT, path)
            sink.add(
                ReceivedFile(
                    path=path,
                    SOPClassUID="",
                    SOPInstanceUID="",
                    TransferSyntaxUID="1.2.840.10008.1.2.1",
                    size=path.stat().st_size,
                )
            )
        return RetrieveResult(received=2)

    def close(self) -> None:
        pass


def test_an_image_sent_twice_does_not_stand_for_one_that_is_missing(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    try:
        engine.handle(
            "add_server",
            {"name": "PACS", "protocol": "dimse", "host": "127.0.0.1", "port": 104, "called_ae_title": "PACS"},
        )
        parts: Any = SimpleNamespace(
            store=engine.parts.store,
            database=engine.parts.database,
            changes=engine.parts.changes,
            settings=engine.parts.settings,
            servers=engine.parts.servers,
            driver=lambda _: TwiceSender(),
        )
        job = JobRecord(job_id="retrieve-1", kind="retrieve", server="PACS", parameters={"StudyInstanceUID": "1.2"})
        result = RetrieveKind(parts, lambda _: None).run(job, NullControl())
    finally:
        engine.close()
    assert (result["imported"], result["unchanged"], result["failed_count"]) == (1, 1, 1)
