"""Imports point downwards, and what Slicer loads at its start stays light."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from Testing.support.imports import Import, imports_of
from Testing.support.shipped import LIBRARY, MODULE, REPOSITORY, shipped_files

PACKAGE = "VisualDICOMBrowserLib"
# A part may import those of a lower number and itself. Parts of one number do not know each other.
LAYERS = {
    "__init__": 0,
    "errors": 0,
    "settings": 1,
    "model": 1,
    "database": 2,
    "jobs": 3,
    "servers": 3,
    "thumbnails": 3,
    "series": 3,
    "engine": 4,
    "loading": 5,
    "widgets": 6,
    "desktop": 7,
    "cli": 8,
}
QT = {"qt", "ctk", "PySide6", "shiboken6", "shibokensupport", "PythonQt"}
SCENE = {"slicer", "vtk", "vtkmodules", "DICOMLib", "vtkITK"}
SLOW_TO_IMPORT = {"pynetdicom", "PIL"}
AT_START_IN_SLICER = {"qt", "ctk", "slicer"} | set(sys.stdlib_module_names)


def module_name(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    if path.parent == MODULE:
        return parts[-1]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    """Layer of a dotted module name of the library; the scripted module stands above all."""
    names = module.split(".")
    if names[0] != PACKAGE:
        return "module"
    return names[1] if len(names) > 1 else "__init__"


def read(path: Path) -> list[Import]:
    package = ".".join(path.parent.relative_to(REPOSITORY).parts)
    return imports_of(path.read_text(encoding="utf-8"), package)


def upward(part: str, imported: str) -> bool:
    """True if `part` may not import the library's part `imported`."""
    if imported == part or part == "module":
        return False
    return LAYERS[imported] >= LAYERS[part]


FILES = {module_name(path): path for path in shipped_files(".py")}


def known_module(dotted: str) -> str:
    """The longest beginning of a dotted name that is a file of ours, or an empty text."""
    names = dotted.split(".")
    for end in range(len(names), 0, -1):
        if ".".join(names[:end]) in FILES:
            return ".".join(names[:end])
    return ""


def test_every_part_of_the_library_has_a_layer():
    parts = {path.name for path in LIBRARY.iterdir() if path.is_dir() and path.name != "__pycache__"}
    parts |= {path.stem for path in LIBRARY.glob("*.py")}
    assert parts <= set(LAYERS)


def test_imports_point_downwards():
    faults = [
        f"{FILES[module].relative_to(REPOSITORY)}:{each.line}: {part_of(module)} may not import {each.module}"
        for module in FILES
        for each in read(FILES[module])
        if known_module(each.module) and upward(part_of(module), part_of(known_module(each.module)))
    ]
    assert not faults, "\n".join(faults)


def test_nothing_of_ours_that_is_imported_is_missing():
    faults = [
        f"{path.relative_to(REPOSITORY)}:{each.line}: {each.module}"
        for path in FILES.values()
        for each in read(path)
        if each.module.split(".")[0] == PACKAGE and known_module(each.module) in ("", PACKAGE)
        if each.module not in (PACKAGE, f"{PACKAGE}.__version__")
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(("names", "lowest"), [(QT, "widgets"), (SCENE, "loading")], ids=["Qt", "scene"])
def test_host_libraries_begin_at_their_layer(names: set[str], lowest: str):
    faults = [
        f"{path.relative_to(REPOSITORY)}:{each.line}: {each.module} below {lowest}"
        for module, path in FILES.items()
        for each in read(path)
        if each.module.split(".")[0] in names
        and part_of(module) != "module"
        and LAYERS[part_of(module)] < LAYERS[lowest]
    ]
    assert not faults, "\n".join(faults)


def test_only_the_desktop_knows_pyside():
    faults = [
        f"{path.relative_to(REPOSITORY)}:{each.line}: {each.module}"
        for module, path in FILES.items()
        for each in read(path)
        if each.module.split(".")[0] in {"PySide6", "shiboken6", "shibokensupport"} and part_of(module) != "desktop"
    ]
    assert not faults, "\n".join(faults)


def test_slow_libraries_are_imported_at_first_use():
    faults = [
        f"{path.relative_to(REPOSITORY)}:{each.line}: {each.module} at file level"
        for path in FILES.values()
        for each in read(path)
        if each.at_start and each.module.split(".")[0] in SLOW_TO_IMPORT
    ]
    assert not faults, "\n".join(faults)


def test_what_slicer_imports_at_start_is_light():
    """The module file and the widgets, with all that they import at file level."""
    seen: set[str] = set()
    ahead = [module for module in FILES if part_of(module) in ("widgets", "module")]
    faults = []
    while ahead:
        module = ahead.pop()
        if module in seen:
            continue
        seen.add(module)
        for each in (one for one in read(FILES[module]) if one.at_start):
            inner = known_module(each.module)
            if inner:
                ahead.append(inner)
                ahead.extend(package for package in FILES if inner.startswith(f"{package}."))
            elif each.module.split(".")[0] not in AT_START_IN_SLICER:
                faults.append(f"{FILES[module].relative_to(REPOSITORY)}:{each.line}: {each.module}")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("source", "at_start"),
    [
        ("import a.b", True),
        ("def f():\n    import a.b", False),
        ("if TYPE_CHECKING:\n    import a.b", False),
        ("try:\n    import a.b\nexcept ImportError:\n    pass", True),
        ("class C:\n    import a.b", True),
    ],
)
def test_file_level_is_told_from_first_use(source: str, at_start: bool):
    assert [(each.module, each.at_start) for each in imports_of(source)] == [("a.b", at_start)]


def test_relative_imports_are_resolved():
    assert [each.module for each in imports_of("from ..errors import X", "Lib.database")] == ["Lib.errors.X"]


def test_upward_imports_are_refused():
    assert upward("database", "engine")
    assert upward("jobs", "servers")
    assert not upward("engine", "jobs")
