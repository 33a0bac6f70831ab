"""ruff finds nothing to complain of, and nothing to format."""

from __future__ import annotations

import subprocess
import sys

import pytest

from Testing.support.shipped import REPOSITORY


@pytest.mark.parametrize("arguments", [["check"], ["format", "--check"]], ids=["check", "format"])
def test_ruff_is_content(arguments: list[str]):
    command = [sys.executable, "-m", "ruff", *arguments, "--no-cache", "."]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
