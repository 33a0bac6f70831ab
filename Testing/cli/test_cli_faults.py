"""The command line when it is interrupted, when jobs fail, and when files cannot be written."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from VisualDICOMBrowserLib.cli import main
from VisualDICOMBrowserLib.engine.open_engine import open_engine
from VisualDICOMBrowserLib.engine.session import Session

pydicom_data = pytest.importorskip("pydicom.data")
CT = Path(pydicom_data.__file__).parent / "test_files" / "CT_small.dcm"
REPOSITORY = Path(__file__).parents[2]
WAIT_S = 60
# A-ABORT of the service provider, without a reason (PS3.8 9.3.8).
ABORT = bytes((7, 0, 0, 0, 0, 4, 0, 0, 2, 0))

Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The database folder of this test."""
    return tmp_path / "database"


@pytest.fixture
def run(database: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs one command with ``--json``; returns exit code and document."""

    def call(*words: str | Path) -> tuple[int, Any]:
        code = main([*map(str, words), "--database", str(database), "--json"])
        return code, json.loads(capsys.readouterr().out)

    return call


def process(database: Path, *words: str, **streams: Any) -> subprocess.Popen[str]:
    """One command as a program of its own, at the head of a process group as in a terminal."""
    return subprocess.Popen(
        [sys.executable, "-m", "VisualDICOMBrowserLib.cli", *words, "--database", str(database)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        text=True,
        start_new_session=True,
        # Ctrl+C works in a terminal even if the tests themselves run where it is ignored, as in a background job.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
        **streams,
    )


def test_interrupted_retrieve_is_one_document_and_goes_on_later(run: Run, database: Path, free_port: int) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(WAIT_S)
        port = str(listener.getsockname()[1])
        run("servers", "add", "PACS", "--host", "127.0.0.1", "--port", port, "--aet", "PACS", "--timeout", "600")
        words = ("retrieve", "PACS", "--study", "1.2.3", "--json")
        with process(database, *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
            connection, _ = listener.accept()
            with connection:
                os.killpg(command.pid, signal.SIGINT)
                out, err = command.communicate(timeout=WAIT_S)
    assert command.returncode == 1
    assert json.loads(out)["error"]["code"] == "interrupted"
    assert "Traceback" not in err
    assert [job["state"] for job in run("jobs", "list")[1]] == ["queued"]
    run("servers", "edit", "PACS", "--port", str(free_port))
    code, ended = run("jobs", "resume")
    assert (code, [job["state"] for job in ended]) == (1, ["failed"])


def test_a_retrieve_that_waits_says_when_it_is_tried_again(run: Run, database: Path) -> None:
    """The server aborts; the user gives up waiting, and the job stays."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(WAIT_S)
        port = str(listener.getsockname()[1])
        run("servers", "add", "PACS", "--host", "127.0.0.1", "--port", port, "--aet", "PACS")
        words = ("retrieve", "PACS", "--study", "1.2.3", "--json")
        with process(database, *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(ABORT)
            assert command.stderr is not None
            line = command.stderr.readline()
            assert re.fullmatch(r"Next try in \d+ s: .*PACS.*\n", line), line
            os.killpg(command.pid, signal.SIGINT)
            out, err = command.communicate(timeout=WAIT_S)
    assert command.returncode == 1
    (job,) = run("jobs", "list")[1]
    assert job["state"] == "waiting"
    error = json.loads(out)["error"]
    assert (error["code"], error["next_step"]) == ("interrupted", f"Go on with: jobs resume {job['job_id']}")
    assert f"The job {job['job_id']} stays in the queue" in err
    assert "Traceback" not in err


def test_resume_waits_for_all_jobs_though_one_fails(run: Run, database: Path, silent_port: int, free_port: int) -> None:
    with Session(open_engine(database)) as session:
        server = {"host": "127.0.0.1", "port": silent_port, "called_ae_title": "PACS", "timeout_s": 600}
        session.client.request("add_server", name="PACS", **server)
        for study in ("1.2.3", "1.2.4"):
            session.client.request("retrieve", server="PACS", StudyInstanceUID=study)
    run("servers", "edit", "PACS", "--port", str(free_port))
    code, ended = run("jobs", "resume")
    assert (code, [job["state"] for job in ended]) == (1, ["failed", "failed"])


def test_picture_that_cannot_be_written_is_one_sentence(run: Run, tmp_path: Path) -> None:
    run("import", CT)
    series = run("list", "--level", "series")[1][0]["SeriesInstanceUID"]
    in_the_way = tmp_path / "pictures"
    in_the_way.touch()
    code, document = run("thumbnail", series, "--output", in_the_way)
    assert code == 1
    assert str(in_the_way) in document["error"]["message"]


def test_reader_that_has_heard_enough_gets_no_traceback(run: Run, database: Path) -> None:
    run("import", CT)
    read_end, write_end = os.pipe()
    os.close(read_end)
    with process(database, "list", stdout=write_end, stderr=subprocess.PIPE) as command:
        os.close(write_end)
        _, err = command.communicate(timeout=WAIT_S)
    assert (command.returncode, err) == (1, "")


def test_volume_in_json_is_the_only_thing_on_stdout(run: Run, database: Path, tmp_path: Path) -> None:
    pytest.importorskip("slicer", reason="slicer-core is not installed")
    run("import", CT)
    series = run("list", "--level", "series")[1][0]["SeriesInstanceUID"]
    words = ("load", series, "--output", str(tmp_path / "volume.nrrd"), "--json")
    with process(database, *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        out, _ = command.communicate(timeout=WAIT_S)
    assert command.returncode == 0
    assert len(json.loads(out)["volumes"]) == 1
