"""The demo's window: search the phantom on the PACS, fetch it, and the volume is there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from Testing.support.shipped import REPOSITORY

pytest.importorskip("slicer", reason="slicer-core is not installed")
if not os.environ.get("CI"):
    pytest.importorskip("PySide6", reason="the window needs PySide6 (extra 'desktop')")

TIMEOUT_S = 300


def test_search_fetch_and_load_in_the_demo(tmp_path: Path) -> None:
    script = Path(__file__).with_name("demo_window.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "loaded (512, 512, 100)" in done.stdout
    assert "Traceback" not in done.stderr
    for name in ("demo-start", "demo-found", "demo-fetching", "demo-loaded", "demo-volume"):
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
