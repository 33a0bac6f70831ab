"""The demo ends as it promises: everything sought is found, fetched and shown."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from VisualDICOMBrowserLib.cli import main

pytest.importorskip("slicer", reason="slicer-core is not installed")
image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")


def test_demo_shows_the_whole_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["demo", "--headless", "--output", str(tmp_path), "--json"])
    document = json.loads(capsys.readouterr().out)
    assert code == 0, document
    rows = {row["sought"]: row for row in document["rows"]}
    assert int(rows["Name contains phantom"]["fetched"].split()[0]) >= 100
    assert "512 x 512 x 100, 0.45 x 0.45 x 1.50 mm" in rows["Load CT Head 1.5 mm"]["volume"]
    assert [Path(path).name for path in document["pictures"]][:2] == ["contact-sheet.png", "slice-1.png"]

    slice_ = np.asarray(image.open(tmp_path / "slice-1.png").convert("L"))
    assert slice_.shape == (512, 512)
    assert slice_[0, 0] == 0  # air
    assert slice_[256, 256] > 60  # brain
    assert slice_[256, 92:100].max() == 255  # skull


def test_demo_from_a_folder_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = pytest.importorskip("pydicom.data")
    source = tmp_path / "mine"
    source.mkdir()
    shutil.copy(Path(data.__file__).parent / "test_files" / "CT_small.dcm", source)
    code = main(["demo", "--headless", "--from", str(source), "--output", str(tmp_path / "out"), "--json"])
    document = json.loads(capsys.readouterr().out)
    assert code == 0, document
    assert document["rows"][0]["fetched"] == "1 image"
