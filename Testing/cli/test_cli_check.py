"""The command ``check`` as a person and a program meet it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from Testing.support.ct_series import make_ct_series
from VisualDICOMBrowserLib.cli import main

Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: str | Path) -> tuple[int, Any]:
        code = main([*map(str, words), "--database", str(tmp_path / "database"), "--json"])
        return code, json.loads(capsys.readouterr().out)

    return call


def test_files_are_missed_found_and_removed(run: Run, tmp_path: Path) -> None:
    made = make_ct_series(tmp_path / "old", 3)
    assert run("import", made.folder)[0] == 0
    code, result = run("check")
    assert (code, result["files"], result["missing"]) == (0, 3, 0)
    (tmp_path / "old").rename(tmp_path / "new")
    code, result = run("check")
    assert (code, result["missing"], result["absent"]) == (3, 3, str(tmp_path / "old"))
    assert run("check", "--find", tmp_path / "database")[0] == 1
    code, result = run("check", "--find", tmp_path / "new")
    assert (code, result["found"]) == (0, 3)
    assert run("check")[0] == 0
    next((tmp_path / "new").iterdir()).unlink()
    code, result = run("check", "--remove-missing")
    assert (code, result["instances"], result["series_uids"]) == (0, 1, [])
    assert run("check")[1]["files"] == 2


def test_a_damaged_database_is_made_anew(run: Run, tmp_path: Path) -> None:
    made = make_ct_series(tmp_path / "ct", 3)
    assert run("import", "--copy", made.folder)[0] == 0
    code, result = run("check", "--rebuild")
    assert (code, result["error"]["code"]) == (2, "database_sound")
    (tmp_path / "database" / "ctkDICOM.sql").write_bytes(b"x" * 5000)
    code, result = run("check")
    assert (code, result["error"]["code"]) == (1, "database_damaged")
    code, result = run("check", "--rebuild")
    assert (code, result["imported"], result["gone"]) == (0, 3, 0)
    assert Path(result["kept"]).read_bytes() == b"x" * 5000
    code, result = run("check")
    assert (code, result["files"]) == (0, 3)
