"""No path of one machine and no host of a package registry stands in the repository."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from Testing.support.shipped import REPOSITORY

TEXT_SUFFIXES = {".py", ".md", ".toml", ".txt", ".ui", ".qss", ".svg", ".json", ".cmake", ".yml", ".cfg", ""}
NOT_OURS = {".git", ".venv", "build", "dist", "out", "__pycache__", "node_modules"}
MACHINE_PATHS = re.compile(r"(?<![\w.}])/(?:root|home|work|Users|usr/local)/[\w.]|\b[A-Z]:\\(?:Users|Program)")
TEMPORARY_PATHS = re.compile(r"(?<![\w.}])/tmp/\w")  # Tests may try such a path as hostile input.
REGISTRY_HOSTS = re.compile(r"\b(?:files\.pythonhosted|pypi|deb\.debian|registry\.npmjs|proxy\.golang)\.org\b")


def text_files() -> Iterator[Path]:
    for folder, names, files in os.walk(REPOSITORY):
        names[:] = [name for name in names if name not in NOT_OURS and not name.endswith(("_cache", ".egg-info"))]
        names[:] = [name for name in names if name != ".hypothesis"]
        for name in files:
            if Path(name).suffix in TEXT_SUFFIXES and not name.endswith(".lock"):
                yield Path(folder, name)


def test_no_machine_is_named():
    faults = []
    for path in text_files():
        patterns = [MACHINE_PATHS, REGISTRY_HOSTS]
        if REPOSITORY / "Testing" not in path.parents:
            patterns.append(TEMPORARY_PATHS)
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        for number, line in enumerate(lines, 1):
            if any(pattern.search(line) for pattern in patterns):
                faults.append(f"{path.relative_to(REPOSITORY)}:{number}: {line.strip()}")
    assert not faults, "\n".join(faults)


def test_the_search_finds_what_it_is_for():
    assert MACHINE_PATHS.search("open('/" + "root/x')")
    assert TEMPORARY_PATHS.search("see /tmp/out.png")
    assert REGISTRY_HOSTS.search("https://pypi" + ".org/simple")
    assert not MACHINE_PATHS.search("../shared/data and /usr/bin/storescp")
