"""Which files the extension ships, for the tests that judge them. Standard library only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

__all__ = ["LIBRARY", "MODULE", "REPOSITORY", "own_python_files", "shipped_files"]

REPOSITORY = Path(__file__).resolve().parents[2]
MODULE = REPOSITORY / "VisualDICOMBrowser"
LIBRARY = REPOSITORY / "VisualDICOMBrowserLib"


def shipped_files(*suffixes: str) -> list[Path]:
    """Files of the module and the library with one of these suffixes, sorted."""
    found = (path for folder in (MODULE, LIBRARY) for path in folder.rglob("*") if path.suffix in suffixes)
    return sorted(path for path in found if "__pycache__" not in path.parts)


def own_python_files() -> Iterator[Path]:
    """Every Python file of the repository: shipped, tests and `run.py`."""
    yield REPOSITORY / "run.py"
    yield from shipped_files(".py")
    yield from sorted((REPOSITORY / "Testing").rglob("*.py"))
