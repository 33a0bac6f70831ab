"""The Python examples of the README run, one after the other, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from Testing.support.shipped import REPOSITORY

# A block that needs the Slicer application is preceded by this line.
IN_SLICER = "<!-- slicer -->"
BLOCK = re.compile(r"^(?P<before>[^\n]*)\n+```python\n(?P<code>.*?)^```", re.DOTALL | re.MULTILINE)
TIMEOUT_S = 300


def python_examples(text: str) -> list[str]:
    """Python blocks of a Markdown text, without those that need Slicer."""
    blocks = BLOCK.finditer(text)
    return [match["code"] for match in blocks if match["before"].strip() != IN_SLICER]


def test_examples_run(tmp_path: Path):
    examples = python_examples((REPOSITORY / "README.md").read_text(encoding="utf-8"))
    assert examples, "README.md has no Python example that runs outside Slicer"
    script = tmp_path / "examples.py"
    script.write_text("\n".join(examples), encoding="utf-8")
    paths = [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_marked_blocks_are_left_out():
    text = f"Words\n\n```python\na = 1\n```\n\n{IN_SLICER}\n```python\nimport slicer\n```\n"
    assert python_examples(text) == ["a = 1\n"]
