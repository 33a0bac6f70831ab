"""The command line as a person and a program meet it: documents, tables, messages, exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from VisualDICOMBrowserLib.cli import main

pydicom_data = pytest.importorskip("pydicom.data")
FAMILY = Path(pydicom_data.__file__).parent / "test_files" / "dicomdirtests"
REPOSITORY = Path(__file__).parents[2]

Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs one command with ``--json`` on a database of this test; returns exit code and document."""
    return _runner(tmp_path / "database", capsys)


@pytest.fixture
def other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """The same on another database."""
    return _runner(tmp_path / "other", capsys)


def _runner(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: str | Path) -> tuple[int, Any]:
        code = main([*map(str, words), "--database", str(folder), "--json"])
        return code, json.loads(capsys.readouterr().out)

    return call


@pytest.fixture
def filled(run: Run) -> Run:
    """The same, on a database with the DICOMDIR family of pydicom."""
    code, result = run("import", FAMILY)
    assert code in (0, 3), result
    return run


def test_import_counts_and_names_every_reject(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "good.dcm").write_bytes((FAMILY.parent / "CT_small.dcm").read_bytes())
    (folder / "notes.txt").write_text("no DICOM here")
    (folder / "empty.dcm").touch()
    code, result = run("import", folder)
    assert code == 3
    assert result["imported"] == 1
    reasons = {Path(item["path"]).name: item["reason"] for item in result["rejected"]}
    assert set(reasons) == {"notes.txt", "empty.dcm"}
    assert all(reason.strip() for reason in reasons.values())
    assert run("import", folder)[1]["unchanged"] == 1


def test_import_of_nothing_usable_fails(run: Run, tmp_path: Path) -> None:
    code, result = run("import", tmp_path / "missing")
    assert code == 1
    assert len(result["rejected"]) == 1


def test_list_speaks_dicom_keywords_at_every_level(filled: Run) -> None:
    patients = filled("list")[1]
    assert {patient["PatientID"] for patient in patients} >= {"77654033", "98890234"}
    studies = filled("list", "--level", "study", "--patient-id", "98890234")[1]
    assert {study["PatientName"] for study in studies} == {"Doe^Peter"}
    series = filled("list", "--level", "series", "--modality", "MR")[1]
    assert {one["Modality"] for one in series} == {"MR"}
    images = filled("list", "--level", "image", "--series", series[0]["SeriesInstanceUID"])[1]
    assert len(images) == series[0]["NumberOfSeriesRelatedInstances"]
    assert all(Path(image["path"]).is_file() for image in images)


def test_list_without_json_is_a_table(filled: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--database", str(tmp_path / "database")]) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[0].split() == ["Patient", "ID", "Name", "Sex", "Born", "Studies", "Last", "study"]
    assert "Doe^Peter" in text


def test_remove_takes_a_study_out_and_leaves_linked_files(filled: Run) -> None:
    study = filled("list", "--level", "study")[1][0]["StudyInstanceUID"]
    files = [Path(image["path"]) for image in filled("list", "--level", "image", "--study", study)[1]]
    assert filled("remove", "--study", study)[0] == 0
    assert filled("list", "--level", "image", "--study", study)[1] == []
    assert files
    assert all(path.is_file() for path in files)


def test_remove_of_what_is_not_there_is_wrong_usage(filled: Run) -> None:
    code, document = filled("remove", "--series", "1.2.3.4")
    assert code == 2
    assert "1.2.3.4" in document["error"]["message"]


def test_thumbnail_writes_a_picture_or_says_why_not(run: Run, tmp_path: Path) -> None:
    run("import", FAMILY.parent / "CT_small.dcm", FAMILY.parent / "reportsi.dcm")
    series = {one["Modality"]: one["SeriesInstanceUID"] for one in run("list", "--level", "series")[1]}
    code, pictures = run("thumbnail", series["CT"], series["SR"], "--output", tmp_path / "pictures")
    assert code == 0
    assert Path(pictures[0]["path"]).read_bytes().startswith(b"\x89PNG")
    assert Path(pictures[0]["path"]).parent == tmp_path / "pictures"
    assert (pictures[1]["kind"], pictures[1]["path"]) == ("none", "")
    assert pictures[1]["label"]


def test_load_saves_a_volume(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("slicer", reason="slicer-core is not installed")
    run("import", FAMILY.parent / "MR_small.dcm")
    series = run("list", "--level", "series")[1][0]["SeriesInstanceUID"]
    code, document = run("load", series, "--output", tmp_path / "volume.nrrd")
    assert code == 0
    assert document["volumes"][0]["dimensions"] == [64, 64, 1]
    assert (tmp_path / "volume.nrrd").read_bytes().startswith(b"NRRD")


def test_servers_are_kept_with_the_database(run: Run) -> None:
    server = ("--host", "127.0.0.1", "--port", "104", "--aet", "PACS")
    assert run("servers", "add", "Main PACS", "--protocol", "dimse", *server)[0] == 0
    code, document = run("servers", "add", "Main PACS", *server)
    assert (code, document["error"]["type"]) == (2, "UsageError")
    assert run("servers", "edit", "Main PACS", "--port", "105", "--new-name", "Old PACS")[0] == 0
    assert [(row["name"], row["port"]) for row in run("servers", "list")[1]] == [("Old PACS", 105)]
    assert run("servers", "remove", "Old PACS")[0] == 0
    assert run("servers", "list")[1] == []


def test_a_dead_server_is_one_sentence_and_exit_code_1(run: Run, free_port: int) -> None:
    run("servers", "add", "PACS", "--host", "127.0.0.1", "--port", str(free_port), "--aet", "PACS")
    code, document = run("servers", "test", "PACS")
    assert (code, document["ok"]) == (1, False)
    failed = next(step for step in document["steps"] if step["state"] == "failed")
    assert str(free_port) in failed["message"]
    code, document = run("find", "PACS", "--patient-name", "x")
    assert code == 1
    assert "PACS" in document["error"]["message"]


def test_an_unknown_server_is_wrong_usage(run: Run) -> None:
    assert run("find", "Nowhere")[0] == 2


def test_wrong_options_end_with_usage(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["list", "--level", "galaxy", "--database", str(tmp_path)])
    assert ended.value.code == 2


def test_find_and_retrieve_between_two_databases(filled: Run, other: Run, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "VisualDICOMBrowserLib.cli", "serve", "--port", "0", "--aet", "OURS"]
    with subprocess.Popen(
        [*command, "--database", str(tmp_path / "database"), "--json"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    ) as server:
        try:
            node = _first_document(server)
            study = filled("list", "--level", "study", "--patient-name", "peter")[1][0]["StudyInstanceUID"]
            sent = {image["SOPInstanceUID"] for image in filled("list", "--level", "image", "--study", study)[1]}
            address = ["--host", node["host"], "--port", str(node["port"]), "--aet", "OURS"]
            assert other("servers", "add", "ours", *address)[0] == 0
            assert other("servers", "test", "ours")[1]["ok"] is True
            found = other("find", "ours", "--patient-name", "peter")[1]
            assert study in {record["StudyInstanceUID"] for record in found}
            code, result = other("retrieve", "ours", "--study", study)
            assert (code, result["imported"], result["failed_count"]) == (0, len(sent), 0)
            received = {image["SOPInstanceUID"] for image in other("list", "--level", "image")[1]}
            assert received == sent
        finally:
            server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0


def _first_document(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if line.startswith("}"):
            return dict(json.loads(text))
    message = f"The server said only: {text}"
    raise AssertionError(message)
