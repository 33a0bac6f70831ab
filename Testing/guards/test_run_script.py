"""run.py: when it installs, and what it says where it cannot."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from Testing.support.shipped import REPOSITORY


@pytest.fixture
def script(tmp_path: Path) -> ModuleType:
    """run.py of a copy in an empty folder, so that it works on an environment of its own."""
    copy = tmp_path / "run.py"
    copy.write_bytes((REPOSITORY / "run.py").read_bytes())
    (tmp_path / "pyproject.toml").write_bytes((REPOSITORY / "pyproject.toml").read_bytes())
    spec = importlib.util.spec_from_file_location("copied_run", copy)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stamp(script: ModuleType, extras: list[str]) -> None:
    script.ENVIRONMENT.mkdir()
    script.STAMP.write_text(json.dumps({**script.wanted_stamp(), "extras": extras}), encoding="utf-8")


def test_wrong_usage_ends_with_two():
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "run.py"), "dance"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "run.py demo" in done.stderr


@pytest.mark.parametrize("version", [(3, 9, 2), (3, 14, 0), (2, 7, 18)])
def test_unfit_python_is_named_with_the_fit_ones(script: ModuleType, version: tuple[int, int, int]):
    complaint = script.python_complaint(version)
    assert f"Python {version[0]}.{version[1]} cannot be used" in complaint
    assert "3.10 to 3.13" in complaint


@pytest.mark.parametrize("version", [(3, 10, 0), (3, 13, 9)])
def test_fit_python_is_taken(script: ModuleType, version: tuple[int, int, int]):
    assert script.python_complaint(version) == ""


def test_missing_ensurepip_names_the_debian_package(script: ModuleType):
    complaint = script.venv_complaint(lambda name: name != "ensurepip")
    assert "has no ensurepip" in complaint
    assert f"sudo apt install python3.{sys.version_info[1]}-venv" in complaint


def test_nothing_is_installed_when_the_stamp_fits(script: ModuleType):
    stamp(script, ["decoders", "desktop", "test"])
    assert script.installed_extras(script.wanted_stamp()) == {"decoders", "desktop", "test"}


def test_changed_project_file_asks_for_a_new_installation(script: ModuleType):
    stamp(script, ["decoders", "desktop"])
    (script.ROOT / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    assert script.installed_extras(script.wanted_stamp()) == set()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"extras": 1}'])
def test_damaged_stamp_counts_as_none(script: ModuleType, text: str):
    stamp(script, [])
    script.STAMP.write_text(text, encoding="utf-8")
    assert script.installed_extras(script.wanted_stamp()) == set()


@pytest.mark.parametrize("code", [0, 3, 5])
def test_exit_code_of_the_command_passes_through(script: ModuleType, code: int):
    assert script.run([sys.executable, "-c", f"raise SystemExit({code})"], None) == code


def test_long_output_is_cut_to_its_tail(script: ModuleType):
    text = "\n".join(str(number) for number in range(100))
    assert script.tail(text, 2) == "    98\n    99"
