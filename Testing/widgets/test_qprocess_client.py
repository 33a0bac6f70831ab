"""The client over QProcess, with a real engine and with children that misbehave."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from VisualDICOMBrowserLib.engine.client import EngineClient
from VisualDICOMBrowserLib.engine.supervision import RestartPolicy
from VisualDICOMBrowserLib.errors import EngineError, UsageError
from VisualDICOMBrowserLib.widgets.qprocess_client import QProcessClient


def test_it_is_an_engine_client(client: QProcessClient):
    assert isinstance(client, EngineClient)


def test_request_is_answered(client: QProcessClient):
    assert client.request("ping")["database"] == str(client.folder)


def test_failure_of_the_engine_is_raised(client: QProcessClient):
    with pytest.raises(UsageError, match="no command"):
        client.request("dance")


def test_request_within_an_event_callback_is_answered(client: QProcessClient, dicom_folder: Path):
    answers = []

    def on_event(event: dict) -> None:
        if event["event"] == "job_finished" and event["job"]["kind"] == "import":
            answers.append(client.request("counts"))

    client.subscribe(on_event)
    client.request("import_files", paths=[str(dicom_folder)])
    assert client.wait(lambda: bool(answers), 60)
    assert answers[0]["patients"] == 2


def test_reply_comes_to_the_callback(client: QProcessClient):
    replies = []
    client.send("counts", lambda result, error: replies.append((result, error)))
    assert client.wait(lambda: bool(replies), 60)
    assert replies == [({"patients": 0, "studies": 0, "series": 0, "instances": 0}, None)]


def test_wait_ends_after_its_time(client: QProcessClient):
    assert client.wait(lambda: False, 0.01) is False


def test_killed_engine_is_started_again(client: QProcessClient):
    first = client.request("ping") and client.pid
    notices = []
    client.subscribe(lambda event: notices.append(event) if event["event"] == "engine_notice" else None)
    os.kill(first, signal.SIGKILL)
    assert client.wait(lambda: bool(notices), 60)
    assert client.request("ping")
    assert client.pid != first
    assert "restarted" in notices[-1]["message"]


def test_pending_command_fails_when_the_engine_dies(tmp_path: Path, python_with):
    command = python_with("import sys; sys.stdin.readline()")
    client = QProcessClient(tmp_path, command=command, policy=RestartPolicy(most=0))
    try:
        with pytest.raises(EngineError):
            client.request("ping")
    finally:
        client.close()


def test_engine_that_ends_again_and_again_is_given_up(tmp_path: Path, python_with):
    client = QProcessClient(tmp_path, command=python_with("raise SystemExit(3)"), policy=RestartPolicy(most=2))
    notices = []
    client.subscribe(notices.append)
    try:
        with pytest.raises(EngineError, match="again and again"):
            client.wait(lambda: False, 60)
        assert notices[-1]["level"] == "error"
        with pytest.raises(EngineError):
            client.request("ping")
    finally:
        client.close()


def test_program_that_is_not_there_is_reported(tmp_path: Path):
    missing = str(tmp_path / "no-python")
    client = QProcessClient(tmp_path, command=[missing], policy=RestartPolicy(most=0))
    try:
        with pytest.raises(EngineError):
            client.wait(lambda: False, 60)
    finally:
        client.close()


def test_silent_engine_does_not_block_for_ever(tmp_path: Path, python_with):
    command = python_with("import sys; sys.stdin.read()")
    client = QProcessClient(tmp_path, command=command, request_timeout_s=0.2)
    try:
        with pytest.raises(EngineError, match="did not answer ping"):
            client.request("ping")
    finally:
        client.close()


def test_close_ends_the_child_and_may_be_repeated(tmp_path: Path):
    client = QProcessClient(tmp_path / "database")
    assert client.request("ping")
    client.close()
    client.close()
    assert client.pid is None
    with pytest.raises(EngineError, match="closed"):
        client.request("ping")
