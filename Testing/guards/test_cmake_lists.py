"""Every shipped file stands in a CMake list, and every listed file is there: else it is not packaged."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from Testing.support.shipped import LIBRARY, MODULE, REPOSITORY

SHIPPED = {".py", ".ui", ".png", ".svg", ".qss", ".json", ".typed"}
LISTS = ("MODULE_PYTHON_SCRIPTS", "MODULE_PYTHON_RESOURCES")


def listed(folder: Path) -> list[str]:
    """Paths, relative to `folder`, that its CMakeLists.txt names."""
    text = (folder / "CMakeLists.txt").read_text(encoding="utf-8")
    variables = dict(re.findall(r"set\((\w+) \"?([^\s\")]+)\"?\)", text))
    entries = []
    for name in LISTS:
        block = re.search(rf"set\({name}\n(.*?)\n\s*\)", text, re.DOTALL)
        if block:
            entries += [line.strip() for line in block.group(1).splitlines() if line.strip()]
    return [re.sub(r"\$\{(\w+)\}", lambda match: variables[match.group(1)], entry) for entry in entries]


def present(folder: Path) -> set[str]:
    """Paths of the files of `folder` that belong into the package."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix in SHIPPED and "__pycache__" not in path.parts
    }


@pytest.mark.parametrize("folder", [MODULE, LIBRARY], ids=lambda folder: folder.name)
def test_lists_and_files_agree(folder: Path):
    entries = listed(folder)
    assert len(entries) == len(set(entries)), "a file is listed twice"
    assert set(entries) - present(folder) == set(), "listed, but not there"
    assert present(folder) - set(entries) == set(), "there, but not listed"


@pytest.mark.parametrize("folder", [MODULE, LIBRARY], ids=lambda folder: folder.name)
def test_lists_are_sorted(folder: Path):
    text = (folder / "CMakeLists.txt").read_text(encoding="utf-8")
    for name in LISTS:
        block = re.search(rf"set\({name}\n(.*?)\n\s*\)", text, re.DOTALL)
        if block:
            lines = block.group(1).splitlines()
            assert lines == sorted(lines)


def test_extension_names_both_folders_and_its_icon():
    text = (REPOSITORY / "CMakeLists.txt").read_text(encoding="utf-8")
    assert "project(VisualDICOMBrowser)" in text
    for folder in (MODULE, LIBRARY):
        assert f"add_subdirectory({folder.name})" in text
    icon = re.search(r"EXTENSION_ICONURL \"\S+/(Resources/\S+)\"", text)
    assert icon is not None
    assert (REPOSITORY / icon.group(1)).is_file()
