"""The module's widget follows Slicer's database and leaves nothing behind (in a stand-in for the application)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pydicom.data
import pytest

from Testing.support.shipped import MODULE, REPOSITORY

if not os.environ.get("CI"):
    pytest.importorskip("PySide6", reason="the module's panel needs PySide6 outside Slicer (extra 'desktop')")

TIMEOUT_S = 180


def test_widget_lives_through_a_session(tmp_path: Path):
    stand_in = REPOSITORY / "Testing" / "support" / "slicer_stand_in"
    script = Path(__file__).with_name("widget_in_host.py")
    paths = os.pathsep.join(str(path) for path in (stand_in, MODULE, REPOSITORY))
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), str(pydicom.data.get_testdata_file("CT_small.dcm"))],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "still running" not in done.stderr
