"""mypy: strict below `loading`, typed definitions from there up (the configuration is in pyproject.toml)."""

from __future__ import annotations

import subprocess
import sys

import pytest

from Testing.support.shipped import LIBRARY, MODULE, REPOSITORY


@pytest.mark.parametrize(
    "target", [["-p", LIBRARY.name], [str(MODULE / "VisualDICOMBrowser.py")]], ids=["library", "module"]
)
def test_types_are_sound(target: list[str]):
    command = [sys.executable, "-m", "mypy", *target]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
